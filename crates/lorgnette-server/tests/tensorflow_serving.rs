//! TensorFlow Serving's REST interface: the shapes of requests and answers, and what failures say.

mod common;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use common::{MODEL, argmax, cat, get, post, send, server};
use lorgnette::{Classifier, Model, ModelOptions, Picture};
use serde_json::{Value, json};

fn photo() -> Value {
    json!({"b64": STANDARD.encode(cat())})
}

fn predict(server: &lorgnette_server::Server, request: &Value) -> common::Answer {
    post(server, &format!("/v1/models/{MODEL}:predict"), request.to_string())
}

#[test]
fn photos_and_tensors_are_predicted_as_classify_does() {
    let server = server(|_| {});
    let model = Model::embedded(&ModelOptions::default()).expect("it is embedded");
    let picture = Picture::from_bytes(&cat(), "cat").expect("a photo");
    let classifier = Classifier::new(model.clone()).expect("it classifies");
    let expected = classifier.outputs(&picture).expect("it runs").probabilities;
    let values = |value: &Value| -> Vec<f32> {
        value
            .as_array()
            .expect("a list")
            .iter()
            .map(|v| v.as_f64().expect("a number") as f32)
            .collect()
    };

    let rows = predict(&server, &json!({"instances": [photo(), photo()]}));
    assert_eq!(rows.status, 200, "{}", rows.text());
    assert_eq!(values(&rows.json()["predictions"][0]), expected);
    assert_eq!(values(&rows.json()["predictions"][1]), expected);

    let columns = predict(&server, &json!({"inputs": photo()}));
    assert_eq!(values(&columns.json()["outputs"][0]), expected);

    let bytes = json!({"signature_name": "image_bytes", "instances": [{"image_bytes": photo()}]});
    assert_eq!(values(&predict(&server, &bytes).json()["predictions"][0]), expected);

    let input = model.preprocess().input(&picture);
    let image: Vec<Vec<&[f32]>> =
        input.chunks(224 * 3).map(|row| row.chunks(3).collect()).collect();
    for request in [
        json!({"instances": [image]}),
        json!({"instances": [{"input": image}]}),
        json!({"inputs": [image]}),
        json!({"inputs": {"input": [image]}}),
    ] {
        let answer = predict(&server, &request);
        assert_eq!(answer.status, 200, "{}", answer.text());
        let answer = answer.json();
        let list = answer.get("predictions").or(answer.get("outputs")).expect("an answer");
        assert_eq!(values(&list[0]), expected);
    }

    let all = json!({"signature_name": "all_outputs", "instances": [photo()]});
    let all = predict(&server, &all).json();
    let row = all["predictions"][0].as_object().expect("several outputs are an object");
    assert_eq!(row.keys().collect::<Vec<_>>(), ["features", "logits", "probabilities"]);
    assert_eq!(argmax(&row["logits"]), argmax(&row["probabilities"]));
}

#[test]
fn photos_are_classified_by_example() {
    let server = server(|_| {});
    let request =
        json!({"context": {"who": "me"}, "examples": [{"image/encoded": photo(), "n": 3}]});
    let answer = post(&server, &format!("/v1/models/{MODEL}:classify"), request.to_string());
    assert_eq!(answer.status, 200, "{}", answer.text());
    let results = answer.json()["results"][0].clone();
    let results = results.as_array().expect("a list");
    assert_eq!(results.len(), 1001, "neither sorted nor cut");
    assert_eq!(results[0][0], "background");
    let score = |pair: &Value| pair[1].as_f64().expect("a score");
    let best = results.iter().max_by(|a, b| score(a).total_cmp(&score(b))).expect("not empty");
    assert!(best[0].as_str().expect("a label").contains("cat"), "{best}");

    let regress = post(&server, &format!("/v1/models/{MODEL}:regress"), request.to_string());
    assert_eq!(regress.status, 400);
    assert!(regress.error().contains("\"regression\" not found"), "{}", regress.text());
}

#[test]
fn metadata_and_states_are_those_of_tensorflow_serving() {
    let server = server(|_| {});
    let status = get(&server, &format!("/v1/models/{MODEL}")).json();
    let expected = json!({"model_version_status": [{
        "version": "1",
        "state": "AVAILABLE",
        "status": {"error_code": "OK", "error_message": ""},
    }]});
    assert_eq!(status, expected);
    assert_eq!(get(&server, &format!("/V1/MODELS/{MODEL}/VERSIONS/1")).json(), expected);
    let metadata = get(&server, &format!("/v1/models/{MODEL}/metadata")).json();
    assert_eq!(
        metadata["model_spec"],
        json!({"name": MODEL, "signature_name": "", "version": "1"})
    );
    let signatures = &metadata["metadata"]["signature_def"]["signature_def"];
    assert_eq!(
        signatures["serving_default"]["inputs"]["input"],
        json!({
            "dtype": "DT_FLOAT",
            "tensor_shape": {
                "dim": [
                    {"size": "-1", "name": ""},
                    {"size": "224", "name": ""},
                    {"size": "224", "name": ""},
                    {"size": "3", "name": ""},
                ],
                "unknown_rank": false,
            },
            "name": "input:0",
        })
    );
    assert_eq!(signatures["serving_default"]["method_name"], "tensorflow/serving/predict");
    assert_eq!(signatures["classification"]["outputs"]["classes"]["dtype"], "DT_STRING");
}

#[test]
fn failures_have_the_codes_of_tensorflow_serving() {
    let server = server(|options| options.max_batch = 4);
    let path = format!("/v1/models/{MODEL}:predict");
    for (request, status, part) in [
        ("", 400, "The document is empty"),
        ("{", 400, "JSON Parse error"),
        ("[]", 400, "must be a JSON object"),
        ("{}", 400, "Missing 'inputs' or 'instances' key"),
        (r#"{"instances": [1], "inputs": 1}"#, 400, "only one of"),
        (r#"{"instances": []}"#, 400, "No values in 'instances'"),
        (r#"{"instances": 3}"#, 400, "to be an list/array"),
        (r#"{"instances": [[1, 2], [3]]}"#, 400, "unexpected size: 1 at level: 1 expected size: 2"),
        (r#"{"instances": [{"input": 1}, 2]}"#, 400, "to be objects"),
        (
            r#"{"instances": [{"image": 1}]}"#,
            400,
            "Sent extra: {image}. Missing but required: {input}.",
        ),
        (r#"{"inputs": {"a": 1, "input": 2}}"#, 400, "input size does not match signature: 2 != 1"),
        (r#"{"instances": [true]}"#, 400, "not of expected type: float"),
        (r#"{"instances": [1, 2]}"#, 400, "unexpected shape for input 'input'"),
        (r#"{"instances": [{"b64": "?"}]}"#, 400, "Unable to base64 decode"),
        (r#"{"instances": [{"b64": "YWJj"}]}"#, 400, "the photo"),
        (r#"{"instances": ["a", "b", "c", "d", "e"]}"#, 400, "batch-size must be <= 4"),
        (r#"{"instances": [1], "signature_name": 5}"#, 400, "must be a string value"),
        (
            r#"{"instances": [1], "signature_name": "x"}"#,
            400,
            "Serving signature name: \"x\" not found",
        ),
        (
            r#"{"instances": [1], "signature_name": "classification"}"#,
            400,
            "Was: tensorflow/serving/classify",
        ),
    ] {
        let answer = post(&server, &path, request);
        assert_eq!(answer.status, status, "{request}: {}", answer.text());
        let (error, part) = (answer.error().to_lowercase(), part.to_lowercase());
        assert!(error.contains(&part), "{request}: {error}");
    }
    for (line, status, part) in [
        ("POST /v1/models/other:predict", 404, "Servable not found for request: Latest(other)"),
        (&*format!("POST /v1/models/{MODEL}/versions/7:predict"), 404, "Specific(mobilenet, 7)"),
        (
            &*format!("POST /v1/models/{MODEL}/labels/x:predict"),
            400,
            "Unrecognized servable version label: x",
        ),
        ("GET /v1/models/other", 404, "Could not find any versions of model other"),
        ("GET /v1/models", 400, "Missing model name in request."),
        ("POST /v1/nonsense", 400, "Malformed request: POST /v1/nonsense"),
    ] {
        let answer = send(&server, line, &[], b"{}");
        assert_eq!(answer.status, status, "{line}: {}", answer.text());
        assert!(answer.error().contains(part), "{line}: {}", answer.text());
    }
    let outside = get(&server, "/nowhere");
    assert_eq!((outside.status, &*outside.text()), (404, ""));
}

#[test]
fn rubbish_behind_the_request_and_gzip_are_taken() {
    use std::io::Write as _;
    let server = server(|_| {});
    let path = format!("/v1/models/{MODEL}:predict");
    let request = format!("{} rubbish", json!({"instances": [photo()]}));
    assert_eq!(post(&server, &path, &request).status, 200);
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(request.as_bytes()).expect("memory");
    let body = encoder.finish().expect("memory");
    let head = ["Content-Encoding: gzip", "Accept-Encoding: deflate"];
    let answer = send(&server, &format!("POST {path}"), &head, &body);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("content-encoding"), Some("deflate"));
    let mut text = String::new();
    let mut decoder = flate2::read::ZlibDecoder::new(&answer.body[..]);
    std::io::Read::read_to_string(&mut decoder, &mut text).expect("it is deflated");
    assert_eq!(text, post(&server, &path, &request).text());
}
