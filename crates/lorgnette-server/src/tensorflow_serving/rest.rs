//! `/v1/models/…`.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::Method as HttpMethod;
use axum::response::{IntoResponse as _, Response};

use super::examples::{examples, input_of_examples};
use super::tensors::{base64_member, tensor};
use super::{Method, Signature, answers, check_inputs, metadata, outputs, signature};
use crate::app::{App, Deadline, failure_response, json_response, percent_decoded};
use crate::failure::{Code, Failure, Outcome};
use crate::json::{Value, parse_prefix};
use crate::registry::VersionChoice;
use crate::served::{Input, Served};

/// Bytes of memory that a byte of JSON may become.
const BYTES_OF_JSON: u64 = 8;

/// The request that a path makes.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Target {
    Call(ModelPath, Method),
    Status(ModelPath),
    Metadata(ModelPath),
}

/// A model and a version of it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct ModelPath {
    name: String,
    version: VersionChoice,
}

/// Answers every request that no other route takes.
pub(crate) async fn handle(State(app): State<Arc<App>>, request: Request) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    if !path.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("/v1/")) {
        return axum::http::StatusCode::NOT_FOUND.into_response();
    }
    let answer = match target(&method, &path) {
        Ok(Target::Call(model, method)) => call(&app, request, &model, method).await,
        Ok(Target::Status(model)) => {
            app.registry.statuses(&model.name, &model.version).map(|all| metadata::status(&all))
        }
        Ok(Target::Metadata(model)) => {
            app.registry.find(&model.name, &model.version).map(|served| metadata::metadata(&served))
        }
        Err(failure) => Err(failure),
    };
    match answer {
        Ok(body) => json_response(200, body),
        Err(failure) => failure_response(&failure, failure.code.http()),
    }
}

fn target(method: &HttpMethod, path: &str) -> Outcome<Target> {
    let malformed = || Failure::invalid(format!("Malformed request: {method} {path}"));
    // The words of a path may have any case, names may not.
    let mut parts: Vec<&str> = path[1..].split('/').collect();
    let is =
        |part: Option<&&str>, word: &str| part.is_some_and(|part| part.eq_ignore_ascii_case(word));
    if !is(parts.get(1), "models") {
        return Err(malformed());
    }
    let verb = match (method, parts.last().and_then(|last| last.rsplit_once(':'))) {
        (&HttpMethod::POST, Some((rest, verb))) => {
            let verb = match verb.to_ascii_lowercase().as_str() {
                "predict" => Method::Predict,
                "classify" => Method::Classify,
                "regress" => Method::Regress,
                _ => return Err(malformed()),
            };
            let end = parts.len() - 1;
            parts[end] = rest;
            Some(verb)
        }
        (&HttpMethod::GET, None) => None,
        _ => return Err(malformed()),
    };
    let is_metadata = verb.is_none() && parts.len() > 3 && is(parts.last(), "metadata");
    if is_metadata {
        parts.pop();
    }
    if verb.is_none() && (parts.len() == 2 || (parts.len() == 3 && parts[2].is_empty())) {
        return Err(Failure::invalid("Missing model name in request."));
    }
    let name = match parts.get(2) {
        Some(name) if !name.is_empty() && !name.contains(':') => percent_decoded(name)?,
        _ => return Err(malformed()),
    };
    let version = match (parts.get(3), parts.get(4)) {
        (None, _) => VersionChoice::Latest,
        (word, Some(version)) if is(word, "versions") && parts.len() == 5 => {
            let is_number = !version.is_empty() && version.bytes().all(|b| b.is_ascii_digit());
            let number = is_number.then(|| version.parse().ok()).flatten();
            VersionChoice::Number(number.ok_or_else(malformed)?)
        }
        (word, Some(label)) if is(word, "labels") && parts.len() == 5 => {
            if label.is_empty() || label.contains(':') {
                return Err(malformed());
            }
            VersionChoice::Label(percent_decoded(label)?)
        }
        _ => return Err(malformed()),
    };
    let model = ModelPath { name, version };
    Ok(match (verb, is_metadata) {
        (Some(verb), _) => Target::Call(model, verb),
        (None, true) => Target::Metadata(model),
        (None, false) => Target::Status(model),
    })
}

async fn call(app: &App, request: Request, model: &ModelPath, method: Method) -> Outcome<String> {
    let served = app.registry.find(&model.name, &model.version)?;
    let (parts, body) = request.into_parts();
    let deadline = *parts.extensions.get::<Deadline>().expect("set around every handler");
    let (body, mut reservation) = app.read(&parts.headers, body).await?;
    // Parsed JSON is larger than its text.
    reservation.grow(BYTES_OF_JSON * body.len() as u64)?;
    let request = parse_prefix(&body).map_err(Failure::invalid)?;
    drop(body);
    if !matches!(request, Value::Object(_)) {
        return Err(Failure::invalid("Request body must be a JSON object"));
    }
    let name = request.get("signature_name").map(|name| {
        name.as_str()
            .ok_or_else(|| Failure::invalid("'signature_name' key must be a string value."))
    });
    let name = name.transpose()?.unwrap_or_default();
    let signature = signature(&served, name, method, Code::InvalidArgument)?;
    let (input, form) = match method {
        Method::Predict => predict_input(&request, &signature)?,
        Method::Classify | Method::Regress => {
            (input_of_examples(&served, &examples(&request)?)?, Form::Examples)
        }
    };
    drop(request);
    let input = without_batch(&served, input);
    let outputs = match method {
        Method::Predict => outputs(&served, &signature, &[])?,
        Method::Classify | Method::Regress => vec![served.outputs[0].clone()],
    };
    let inference = app.infer(&served, input, outputs, deadline).await?;
    match (form, method) {
        (Form::Rows, _) => answers::rows(&inference),
        (Form::Columns, _) => Ok(answers::columns(&inference)),
        (Form::Examples, Method::Regress) => Ok(answers::regressions(&inference)),
        (Form::Examples, _) => Ok(answers::classifications(&served, &inference)),
    }
}

/// The form of a request, which its answer has too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Rows,
    Columns,
    Examples,
}

fn predict_input(request: &Value, signature: &Signature) -> Outcome<(Input, Form)> {
    match (request.get("instances"), request.get("inputs")) {
        (Some(_), Some(_)) => Err(Failure::invalid(
            "Not formatted correctly expects only one of inputs and instances",
        )),
        (None, None) => Err(Failure::invalid("Missing 'inputs' or 'instances' key")),
        (Some(instances), None) => Ok((row_input(instances, signature)?, Form::Rows)),
        (None, Some(inputs)) => Ok((column_input(inputs, signature)?, Form::Columns)),
    }
}

fn row_input(instances: &Value, signature: &Signature) -> Outcome<Input> {
    let input = &signature.inputs[0];
    let values = match instances {
        Value::Numbers(_) => return tensor(instances, input.data_type),
        Value::Array(values) => values,
        _ => return Err(Failure::invalid("Excepting 'instances' to be an list/array")),
    };
    if values.is_empty() {
        return Err(Failure::invalid("No values in 'instances' list"));
    }
    let is_object =
        |value: &Value| matches!(value, Value::Object(_)) && base64_member(value).is_none();
    if !values.iter().any(is_object) {
        return tensor(instances, input.data_type);
    }
    let mut samples = Vec::with_capacity(values.len());
    for value in values {
        let Value::Object(members) = value else {
            let message = "Excepting all items in 'instances' list to be objects";
            return Err(Failure::invalid(message));
        };
        let names: Vec<&str> = members.iter().map(|(name, _)| name.as_str()).collect();
        check_inputs(signature, &names)?;
        samples.push(members[0].1.clone());
    }
    let are_integers = |number: &Value| matches!(number, Value::Number(_));
    // A list of bare numbers is packed everywhere else.
    let list =
        if samples.iter().all(are_integers) { pack(&samples) } else { Value::Array(samples) };
    tensor(&list, input.data_type)
}

fn pack(numbers: &[Value]) -> Value {
    let mut packed = crate::json::Numbers { values: Vec::new(), are_integers: true };
    for number in numbers {
        if let Value::Number(number) = number {
            packed.values.push(number.value);
            packed.are_integers &= number.is_integer;
        }
    }
    Value::Numbers(packed)
}

fn column_input(inputs: &Value, signature: &Signature) -> Outcome<Input> {
    let input = &signature.inputs[0];
    let members = match inputs {
        Value::Object(members) if base64_member(inputs).is_none() => members,
        value => return tensor(value, input.data_type),
    };
    let names: Vec<&str> = members.iter().map(|(name, _)| name.as_str()).collect();
    check_inputs(signature, &names)?;
    tensor(&members[0].1, input.data_type)
}

/// Takes a batch of one image as the image, for graphs that take images without a batch.
pub(crate) fn without_batch(served: &Served, input: Input) -> Input {
    match input {
        Input::Floats { mut shape, values }
            if !served.input.has_batch && shape.len() == 4 && shape[0] == 1 =>
        {
            shape.remove(0);
            Input::Floats { shape, values }
        }
        input => input,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(name: &str, version: VersionChoice) -> ModelPath {
        ModelPath { name: name.into(), version }
    }

    #[test]
    fn paths_are_those_of_tensorflow_serving() {
        let (get, post) = (HttpMethod::GET, HttpMethod::POST);
        let latest = || model("a b", VersionChoice::Latest);
        let seven = || model("m", VersionChoice::Number(7));
        let stable = || model("m", VersionChoice::Label("stable".into()));
        for (method, path, expected) in [
            (&post, "/v1/models/a%20b:predict", Target::Call(latest(), Method::Predict)),
            (&post, "/V1/Models/m/Versions/7:CLASSIFY", Target::Call(seven(), Method::Classify)),
            (&post, "/v1/models/m/labels/stable:regress", Target::Call(stable(), Method::Regress)),
            (&get, "/v1/models/a%20b", Target::Status(latest())),
            (&get, "/v1/models/m/versions/7", Target::Status(seven())),
            (&get, "/v1/models/m/labels/stable/metadata", Target::Metadata(stable())),
            (&get, "/v1/models/m/versions/7/metadata", Target::Metadata(seven())),
        ] {
            assert_eq!(target(method, path), Ok(expected), "{method} {path}");
        }
        for (method, path, message) in [
            (&get, "/v1/models", "Missing model name in request."),
            (&get, "/v1/models/", "Missing model name in request."),
            (&post, "/v1/models/m", "Malformed request: POST /v1/models/m"),
            (&get, "/v1/models/m:predict", "Malformed request: GET /v1/models/m:predict"),
            (&post, "/v1/models/:predict", "Malformed request: POST /v1/models/:predict"),
            (&post, "/v1/models/m:guess", "Malformed request: POST /v1/models/m:guess"),
            (
                &post,
                "/v1/models/m/versions/x:predict",
                "Malformed request: POST /v1/models/m/versions/x:predict",
            ),
            (&get, "/v1/models/m/versions", "Malformed request: GET /v1/models/m/versions"),
            (&get, "/v1/model/m", "Malformed request: GET /v1/model/m"),
            (
                &get,
                "/v1/models/m/versions/99999999999999999999",
                "Malformed request: GET /v1/models/m/versions/99999999999999999999",
            ),
        ] {
            let failure = target(method, path).expect_err(path);
            assert_eq!((failure.code, &*failure.message), (Code::InvalidArgument, message));
        }
    }
}
