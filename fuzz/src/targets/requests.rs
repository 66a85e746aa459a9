//! Requests of both protocols, over REST and gRPC: read, computed if they are right, answered.

use lorgnette::picture::OpenOptions;
use lorgnette::{ModelRef, Picture};
use lorgnette_server::{LocalRequest, ModelConfig, ModelSource, Server, ServerOptions};

use super::{Input, Target};
use crate::mutate::scramble;
use crate::random::Random;

/// Maximum bytes of a body; the fuzzer's own are smaller, but for compressed ones.
const MAX_BODY: u64 = 1 << 20;
/// The field that says where JSON ends and binary tensors begin.
const HEADER_LENGTH: &str = "inference-header-content-length";
/// Statuses of gRPC for faults of the server: UNKNOWN, DATA_LOSS.
const FAULTS: [&str; 2] = ["2", "15"];
/// INTERNAL, which tonic also answers to what is no message at all.
const INTERNAL: &str = "13";

/// The target of requests: a server of the embedded network without connections.
pub(super) struct Requests {
    server: Server,
    requests: Vec<LocalRequest>,
}

impl Requests {
    pub(super) fn new() -> Self {
        let options = ServerOptions {
            models: vec![ModelConfig::new("m", ModelSource::Ref(ModelRef::Embedded))],
            poll: std::time::Duration::from_secs(1 << 20),
            max_body: MAX_BODY,
            max_batch: 4,
            photos: OpenOptions { max_pixels: 1 << 18, ..OpenOptions::default() },
            ..ServerOptions::default()
        };
        let server = Server::start(options).expect("it needs nothing");
        assert_eq!(server.wait_until_loaded(), []);
        Self { server, requests: requests() }
    }
}

impl Target for Requests {
    fn input(&self, random: &mut Random) -> Input {
        let origin = random.below(self.requests.len());
        let mut bytes = self.requests[origin].body.clone();
        let other = &self.requests[random.below(self.requests.len())].body;
        for _ in 0..random.below(5) {
            scramble(random, &mut bytes, other);
        }
        Input { bytes, origin }
    }

    fn run(&self, input: &Input, random: &mut Random) -> Result<&'static str, String> {
        let mut request = self.requests[input.origin].clone();
        request.body.clone_from(&input.bytes);
        let is_grpc = request.fields.iter().any(|(_, value)| value == "application/grpc");
        if is_grpc && random.one_in(4) {
            // The length that the frame says stays what it was.
        } else if is_grpc && request.body.len() >= 5 {
            let length = (request.body.len() - 5) as u32;
            request.body[..5].copy_from_slice(&[[0].as_slice(), &length.to_be_bytes()].concat());
        }
        for (name, value) in &mut request.fields {
            if name == HEADER_LENGTH && random.one_in(3) {
                *value = random.number().to_string();
            }
        }
        if random.one_in(20) {
            let mut path = request.path.clone().into_bytes();
            scramble(random, &mut path, b"/v2/models/m/versions/1/infer%00%ff..%2f");
            request.path = String::from_utf8_lossy(&path).into_owned();
        }
        let Some(answer) = self.server.answer(request) else { return Ok("no request") };
        let text = || String::from_utf8_lossy(&answer.body[..answer.body.len().min(500)]).into();
        match (answer.status, answer.field("grpc-status")) {
            (500.., _) => Err(text()),
            (_, Some(status)) if FAULTS.contains(&status) => Err(format!("status {status}")),
            (_, Some(INTERNAL)) => {
                let message = answer.field("grpc-message").unwrap_or_default();
                // Its own words for panics.
                match message.contains("server") {
                    true => Err(message.to_owned()),
                    false => Ok("no message"),
                }
            }
            (200, None | Some("0")) => Ok("answered"),
            _ => Ok("refused"),
        }
    }

    /// A body is read whole, decompressed, and its JSON becomes values; photos become batches of
    /// pictures, tensors and activations on two threads.
    fn bound(&self, length: usize) -> usize {
        (192 << 20) + 64 * length
    }

    fn share(&self) -> f64 {
        0.6
    }
}

/// Right requests of every kind.
fn requests() -> Vec<LocalRequest> {
    let pixels = (0..8 * 8 * 3).map(|value| (value * 5) as u8).collect();
    let picture = Picture::from_rgb8(8, 8, pixels).expect("it has that many pixels");
    let photo = picture.to_png().expect("it is small");
    let text = base64(&photo);
    let json = |path: &str, body: String| LocalRequest {
        method: "POST".into(),
        path: path.into(),
        fields: vec![("content-type".into(), "application/json".into())],
        body: body.into_bytes(),
    };
    let input = r#""name": "input", "datatype""#;
    let base64_photo = format!(
        r#"{{"id": "7", "inputs": [{{{input}: "BYTES", "shape": [1], "data": ["{text}"],
        "parameters": {{"content_type": "base64"}}}}], "outputs": [{{"name": "probabilities",
        "parameters": {{"classification": 3}}}}, {{"name": "logits"}}]}}"#
    );
    let mut requests = vec![
        json("/v1/models/m:predict", format!(r#"{{"instances": [{{"b64": "{text}"}}]}}"#)),
        json(
            "/v1/models/m:predict",
            format!(
                r#"{{"signature_name": "all_outputs", "inputs": {{"input": [{{"b64": "{text}"}}]}},
            "output_filter": ["logits"]}}"#
            ),
        ),
        json("/v1/models/m:predict", r#"{"inputs": [[[[1, -2.5e3, NaN], [0, 1, 2]]]]}"#.into()),
        json(
            "/v1/models/m/versions/1:classify",
            format!(
                r#"{{"context": {{"a": 1}},
                "examples": [{{"image/encoded": {{"b64": "{text}"}}}}]}}"#
            ),
        ),
        json("/v2/models/m/infer", base64_photo),
        json(
            "/v2/models/m/infer",
            format!(
                r#"{{"inputs": [{{{input}: "FP32", "shape": [1, 2, 2, 3], "data": [1, 2, 3]}}]}}"#
            ),
        ),
        json("/v2/repository/index", r#"{"ready": true}"#.into()),
        json(
            "/api/v1/vision/labels",
            format!(r#"{{"id": "x", "images": ["data:image/png;base64,{text}"]}}"#),
        ),
        binary(input, &photo),
        form(&photo),
    ];
    let raw = LocalRequest {
        fields: vec![(HEADER_LENGTH.into(), "0".into())],
        ..json("/v2/models/m/infer", String::new())
    };
    requests.push(LocalRequest { body: photo.clone(), ..raw });
    for (path, message) in [
        ("/inference.GRPCInferenceService/ModelInfer", model_infer(&photo)),
        ("/inference.GRPCInferenceService/ModelStreamInfer", model_infer(&photo)),
        ("/tensorflow.serving.PredictionService/Predict", predict(&photo)),
        ("/tensorflow.serving.PredictionService/Classify", classify(&photo)),
        ("/tensorflow.serving.PredictionService/GetModelMetadata", metadata()),
    ] {
        requests.push(grpc(path, &message));
    }
    requests
}

/// JSON with a binary tensor behind it.
fn binary(input: &str, photo: &[u8]) -> LocalRequest {
    let size = photo.len() + 4;
    let json = format!(
        r#"{{"inputs": [{{{input}: "BYTES", "shape": [1],
        "parameters": {{"binary_data_size": {size}}}}}],
        "parameters": {{"binary_data_output": true}}}}"#
    );
    LocalRequest {
        method: "POST".into(),
        path: "/v2/models/m/infer".into(),
        fields: vec![(HEADER_LENGTH.into(), json.len().to_string())],
        body: [json.as_bytes(), &(photo.len() as u32).to_le_bytes(), photo].concat(),
    }
}

fn form(photo: &[u8]) -> LocalRequest {
    let head = "--x\r\nContent-Disposition: form-data; name=\"photo\"; filename=\"a.png\"\r\n\r\n";
    let part = [head.as_bytes(), photo, b"\r\n"].concat();
    LocalRequest {
        method: "POST".into(),
        path: "/v1/classify?top=2".into(),
        fields: vec![("content-type".into(), "multipart/form-data; boundary=x".into())],
        body: [&part[..], &part, b"--x--\r\n"].concat(),
    }
}

fn grpc(path: &str, message: &[u8]) -> LocalRequest {
    let fields = [("content-type", "application/grpc"), ("te", "trailers")];
    LocalRequest {
        method: "POST".into(),
        path: path.into(),
        fields: fields.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
        body: [&[0], &(message.len() as u32).to_be_bytes()[..], message].concat(),
    }
}

/// A field of bytes of a message.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    let mut length = bytes.len();
    while length >= 0x80 {
        out.push(length as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
    out.extend_from_slice(bytes);
    out
}

/// A field of a small number.
fn number(field: u8, value: u8) -> Vec<u8> {
    vec![field << 3, value]
}

fn model_infer(photo: &[u8]) -> Vec<u8> {
    let tensor = [field(1, b"input"), field(2, b"BYTES"), number(3, 1)].concat();
    let raw = [&(photo.len() as u32).to_le_bytes(), photo].concat();
    let output = field(1, b"logits");
    [field(1, b"m"), field(3, b"id"), field(5, &tensor), field(6, &output), field(7, &raw)].concat()
}

fn model_spec() -> Vec<u8> {
    field(1, &[field(1, b"m"), field(3, b"serving_default")].concat())
}

fn predict(photo: &[u8]) -> Vec<u8> {
    // DT_STRING of one dimension of length 1.
    let shape = field(2, &field(2, &number(1, 1)));
    let tensor = [number(1, 7), shape, field(8, photo)].concat();
    let entry = [field(1, b"input"), field(2, &tensor)].concat();
    [model_spec(), field(2, &entry)].concat()
}

fn classify(photo: &[u8]) -> Vec<u8> {
    let feature = field(1, &field(1, photo));
    let entry = [field(1, b"image/encoded"), field(2, &feature)].concat();
    let example = field(1, &field(1, &entry));
    let spec = field(1, &field(1, b"m"));
    [spec, field(2, &field(1, &field(1, &example)))].concat()
}

fn metadata() -> Vec<u8> {
    [model_spec(), field(2, b"signature_def")].concat()
}

/// Base64 with padding.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0, |bits, &byte| bits << 8 | u32::from(byte));
        let bits = bits << (8 * (3 - group.len()));
        for place in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * place) & 63) as usize];
            text.push(if place <= group.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_requests_are_right_before_they_are_damaged() {
        let target = Requests::new();
        for request in &target.requests {
            let answer = target.server.answer(request.clone()).expect("it is a request");
            let grpc = answer.field("grpc-status").unwrap_or("0");
            // Two have numbers of another shape than the network takes.
            let body = String::from_utf8_lossy(&request.body);
            let expected =
                if body.contains("[1, 2, 3]") || body.contains("-2.5e3") { 400 } else { 200 };
            let said = String::from_utf8_lossy(&answer.body).into_owned();
            assert_eq!((answer.status, grpc), (expected, "0"), "{}: {said}", request.path);
        }
    }
}
