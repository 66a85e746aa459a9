//! Requests of `infer`: JSON, and the bytes behind it.

use bytes::Bytes;

use super::tensors::{Data, Datatype, InferInput};
use crate::failure::{Failure, Outcome};
use crate::json::Value;
use crate::served::Served;

/// A request.
#[derive(Debug, PartialEq)]
pub(super) struct InferRequest {
    pub(super) id: Option<String>,
    pub(super) inputs: Vec<InferInput>,
    pub(super) outputs: Vec<RequestedOutput>,
    /// True if outputs that do not say it themselves are to be binary.
    pub(super) is_binary: bool,
    /// The client's limit of time, in microseconds.
    pub(super) timeout_us: Option<u64>,
}

/// An output that a request names.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct RequestedOutput {
    pub(super) name: String,
    /// Answer the best classes in place of the values: so many.
    pub(super) classification: Option<usize>,
    pub(super) is_binary: bool,
}

impl InferRequest {
    /// The request of a body without JSON: the tensor of the model's only input, or a photo.
    pub(super) fn of_raw_body(served: &Served, body: Bytes) -> Self {
        let sample: Option<Vec<usize>> = served.input.sample.iter().copied().collect();
        let bytes = sample.as_ref().map(|sample| 4 * sample.iter().product::<usize>());
        let batch = bytes.filter(|&bytes| !body.is_empty() && body.len().is_multiple_of(bytes));
        let (datatype, shape, data) = match (batch, sample) {
            (Some(bytes), Some(sample)) => {
                let shape = [&[body.len() / bytes], &sample[..]].concat();
                (Datatype::Fp32, shape, Data::Raw(body))
            }
            _ => (Datatype::Bytes, vec![1], Data::Strings(vec![body])),
        };
        let input = InferInput { name: served.input.name.clone(), datatype, shape, data };
        Self {
            id: None,
            inputs: vec![input],
            outputs: Vec::new(),
            is_binary: true,
            timeout_us: None,
        }
    }

    /// Reads a request. `binary` has the tensors behind the JSON, in the order of the inputs.
    ///
    /// # Errors
    /// The reason.
    pub(super) fn from_json(json: &Value, binary: Option<Bytes>) -> Outcome<Self> {
        let Value::Object(_) = json else {
            return Err(Failure::invalid("the request is no JSON object"));
        };
        let id = match json.get("id") {
            None => None,
            Some(Value::String(id)) => Some(id.clone()),
            Some(_) => return Err(Failure::invalid("'id' is no string")),
        };
        let parameter = |name: &str| json.get("parameters").and_then(|all| all.get(name));
        let mut binary = binary.unwrap_or_default();
        let mut inputs = Vec::new();
        for value in list(json, "inputs")?.unwrap_or_default() {
            inputs.push(input(value, &mut binary)?);
        }
        if !binary.is_empty() {
            return Err(Failure::invalid(format!(
                "unexpected additional input data: {} bytes behind those that 'binary_data_size' \
                 of the inputs says",
                binary.len()
            )));
        }
        let is_binary = parameter("binary_data_output").and_then(Value::as_bool).unwrap_or(false);
        let outputs = list(json, "outputs")?.unwrap_or_default();
        let outputs = outputs.iter().map(|value| output(value, is_binary));
        Ok(Self {
            id,
            inputs,
            outputs: outputs.collect::<Outcome<_>>()?,
            is_binary,
            timeout_us: parameter("timeout").and_then(Value::as_index).filter(|&us| us > 0),
        })
    }
}

fn list<'a>(json: &'a Value, name: &str) -> Outcome<Option<&'a [Value]>> {
    match json.get(name) {
        None => Ok(None),
        Some(Value::Array(values)) => Ok(Some(values)),
        Some(_) => Err(Failure::invalid(format!("'{name}' is no list of objects"))),
    }
}

fn text<'a>(value: &'a Value, what: &str, name: &str) -> Outcome<&'a str> {
    let text = value.get(name).and_then(Value::as_str);
    text.ok_or_else(|| Failure::invalid(format!("an {what} has no string '{name}'")))
}

fn input(value: &Value, binary: &mut Bytes) -> Outcome<InferInput> {
    let name = text(value, "input", "name")?.to_owned();
    let datatype = Datatype::parse(text(value, "input", "datatype")?)?;
    let shape = value.get("shape").and_then(Value::as_indices).ok_or_else(|| {
        Failure::invalid(format!("input '{name}' has no 'shape', a list of lengths"))
    })?;
    let shape = shape.into_iter().map(|length| length as usize).collect();
    let parameter = |name: &str| value.get("parameters").and_then(|all| all.get(name));
    let is_base64 = parameter("content_type").and_then(Value::as_str) == Some("base64");
    let data = match (parameter("binary_data_size"), value.get("data")) {
        (Some(_), Some(_)) => {
            return Err(Failure::invalid(format!(
                "must not specify 'data' for input '{name}', which has binary data"
            )));
        }
        (Some(size), None) => {
            let size = size.as_index().map(|size| size as usize);
            let size = size.filter(|&size| size <= binary.len()).ok_or_else(|| {
                Failure::invalid(format!(
                    "input '{name}': 'binary_data_size' is no length within the {} bytes behind \
                     the JSON",
                    binary.len()
                ))
            })?;
            Data::Raw(binary.split_to(size))
        }
        (None, Some(_)) if matches!(datatype, Datatype::Fp16 | Datatype::Bf16) => {
            return Err(Failure::invalid(format!(
                "input '{name}': {} cannot be JSON, only binary data",
                datatype.name()
            )));
        }
        (None, Some(data)) => Data::Json { value: data.clone(), is_base64 },
        (None, None) => {
            return Err(Failure::invalid(format!("input '{name}' has no 'data'")));
        }
    };
    Ok(InferInput { name, datatype, shape, data })
}

fn output(value: &Value, is_binary: bool) -> Outcome<RequestedOutput> {
    let name = text(value, "output", "name")?.to_owned();
    let parameter = |name: &str| value.get("parameters").and_then(|all| all.get(name));
    let classification = match parameter("classification") {
        None => None,
        Some(count) => {
            let count = count.as_index().filter(|count| *count > 0).ok_or_else(|| {
                Failure::invalid("output parameter 'classification' must be a positive integer")
            })?;
            Some(count as usize)
        }
    };
    let own = parameter("binary_data").and_then(Value::as_bool);
    Ok(RequestedOutput { name, classification, is_binary: own.unwrap_or(is_binary) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::parse;

    fn read(text: &str, binary: Option<&'static [u8]>) -> Outcome<InferRequest> {
        let json = parse(text.as_bytes()).expect("it is JSON");
        InferRequest::from_json(&json, binary.map(Bytes::from_static))
    }

    #[test]
    fn binary_tensors_are_cut_in_the_order_of_the_inputs() {
        let text = r#"{"id": "7", "inputs": [
            {"name": "a", "datatype": "FP32", "shape": [1], "parameters": {"binary_data_size": 4}},
            {"name": "b", "datatype": "INT8", "shape": [2], "data": [1, 2]},
            {"name": "c", "datatype": "BYTES", "shape": [1],
             "parameters": {"binary_data_size": 5}}],
            "outputs": [{"name": "x", "parameters": {"classification": 3}},
                        {"name": "y", "parameters": {"binary_data": false}}],
            "parameters": {"binary_data_output": true, "timeout": 500, "priority": 3}}"#;
        let request = read(text, Some(b"\0\0\x80\x3f\x01\0\0\0z")).expect("it is right");
        assert_eq!(request.id.as_deref(), Some("7"));
        assert_eq!(request.inputs[0].data, Data::Raw(Bytes::from_static(b"\0\0\x80\x3f")));
        assert_eq!(request.inputs[2].data, Data::Raw(Bytes::from_static(b"\x01\0\0\0z")));
        assert_eq!(request.outputs[0].classification, Some(3));
        assert!(request.outputs[0].is_binary && !request.outputs[1].is_binary);
        assert_eq!(request.timeout_us, Some(500));
    }

    #[test]
    fn no_request_makes_it_panic() {
        let text = br#"{"id": "7", "inputs": [
            {"name": "a", "datatype": "FP32", "shape": [1], "parameters": {"binary_data_size": 4}},
            {"name": "b", "datatype": "BYTES", "shape": [2, 1], "data": [["a"], ["b"]]}],
            "outputs": [{"name": "x", "parameters": {"classification": 3}}]}"#;
        crate::mutation::mutations(text, 20_000, |mutant| {
            if let Ok(json) = parse(mutant) {
                let _ = InferRequest::from_json(&json, Some(Bytes::from_static(b"12345678")));
            }
        });
    }

    #[test]
    fn wrong_requests_are_refused() {
        let input = |rest: &str| format!(r#"{{"inputs": [{{"name": "a", {rest}}}]}}"#);
        for (text, binary) in [
            ("[]".to_owned(), None),
            (r#"{"id": 7}"#.to_owned(), None),
            (r#"{"inputs": 7}"#.to_owned(), None),
            (r#"{"inputs": [7]}"#.to_owned(), None),
            (input(r#""datatype": "FP33", "shape": [1], "data": [1]"#), None),
            (input(r#""datatype": "FP32", "shape": [-1], "data": [1]"#), None),
            (input(r#""datatype": "FP32", "shape": [1.5], "data": [1]"#), None),
            (input(r#""datatype": "FP32", "shape": [1]"#), None),
            (input(r#""datatype": "FP16", "shape": [1], "data": [1]"#), None),
            (
                input(r#""datatype": "FP32", "shape": [1], "parameters": {"binary_data_size": 9}"#),
                Some(&b"1234"[..]),
            ),
            (
                input(
                    r#""datatype": "FP32", "shape": [1], "parameters": {"binary_data_size": -4}"#,
                ),
                Some(b"1234"),
            ),
            (
                input(r#""datatype": "FP32", "shape": [1], "parameters": {"binary_data_size": 4}"#),
                Some(b"12345"),
            ),
            (
                r#"{"outputs": [{"name": "x", "parameters": {"classification": 0}}]}"#.to_owned(),
                None,
            ),
        ] {
            assert!(read(&text, binary).is_err(), "{text}");
        }
    }
}
