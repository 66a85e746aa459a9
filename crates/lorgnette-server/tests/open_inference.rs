//! The Open Inference Protocol over REST: JSON and binary tensors, classification, statistics, the
//! repository, and what failures say.

mod common;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use common::{Answer, MODEL, argmax, cat, get, post, send, server};
use lorgnette::{Classifier, Model, ModelOptions, Picture};
use lorgnette_server::Server;
use serde_json::{Value, json};

fn infer_path() -> String {
    format!("/v2/models/{MODEL}/infer")
}

/// Sends a request with binary tensors behind its JSON.
fn infer_binary(server: &Server, request: &Value, binary: &[u8]) -> Answer {
    let json = request.to_string();
    let head = format!("Inference-Header-Content-Length: {}", json.len());
    let body = [json.as_bytes(), binary].concat();
    send(server, &format!("POST {}", infer_path()), &[&head], &body)
}

fn expected() -> (Vec<f32>, Vec<f32>) {
    let model = Model::embedded(&ModelOptions::default()).expect("it is embedded");
    let picture = Picture::from_bytes(&cat(), "cat").expect("a photo");
    let input = model.preprocess().input(&picture);
    let classifier = Classifier::new(model).expect("it classifies");
    (input, classifier.outputs(&picture).expect("it runs").probabilities)
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks::<4>().0.iter().map(|value| f32::from_le_bytes(*value)).collect()
}

#[test]
fn tensors_and_photos_give_the_same_answers_in_every_form() {
    let server = server(|_| {});
    let (input, probabilities) = expected();
    let raw: Vec<u8> = input.iter().flat_map(|value| value.to_le_bytes()).collect();

    let tensor =
        json!({"name": "input", "datatype": "FP32", "shape": [1, 224, 224, 3], "data": input});
    let answer = post(&server, &infer_path(), json!({"id": "a7", "inputs": [tensor]}).to_string());
    assert_eq!(answer.status, 200, "{}", answer.text());
    let answer = answer.json();
    assert_eq!((&answer["id"], &answer["model_version"]), (&json!("a7"), &json!("1")));
    let output = &answer["outputs"][0];
    assert_eq!(output["shape"], json!([1, 1001]));
    let values: Vec<f32> = output["data"]
        .as_array()
        .expect("data")
        .iter()
        .map(|v| v.as_f64().expect("a number") as f32)
        .collect();
    assert_eq!(values, probabilities);

    // As tritonclient sends it: binary in, and all outputs binary.
    let request = json!({
        "inputs": [{"name": "input", "datatype": "FP32", "shape": [1, 224, 224, 3],
                    "parameters": {"binary_data_size": raw.len()}}],
        "parameters": {"binary_data_output": true},
    });
    let answer = infer_binary(&server, &request, &raw);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let length = answer.header("inference-header-content-length").expect("binary outputs");
    let (json, binary) = answer.body.split_at(length.parse().expect("a length"));
    let json: Value = serde_json::from_slice(json).expect("JSON");
    assert_eq!(json["outputs"][0]["parameters"]["binary_data_size"], 4 * 1001);
    assert_eq!(floats(binary), probabilities);

    // A photo as BYTES: behind its length, as base64, and as the whole body.
    let photo = cat();
    let prefixed = [&(photo.len() as u32).to_le_bytes()[..], &photo].concat();
    let request = json!({
        "inputs": [{"name": "input", "datatype": "BYTES", "shape": [1],
                    "parameters": {"binary_data_size": prefixed.len()}}],
        "outputs": [{"name": "probabilities", "parameters": {"binary_data": true}}],
    });
    let answer = infer_binary(&server, &request, &prefixed);
    let length: usize = answer
        .header("inference-header-content-length")
        .expect("binary")
        .parse()
        .expect("a length");
    assert_eq!(floats(&answer.body[length..]), probabilities);

    let text = STANDARD.encode(&photo);
    let input = json!({"name": "input", "datatype": "BYTES", "shape": [1, 1], "data": [text],
                       "parameters": {"content_type": "base64"}});
    let request = json!({"inputs": [input], "outputs": [{"name": "logits"}, {"name": "features"}]});
    let answer = post(&server, &infer_path(), request.to_string());
    assert_eq!(answer.status, 200, "{}", answer.text());
    let outputs = answer.json()["outputs"].clone();
    assert_eq!((&outputs[0]["name"], &outputs[1]["name"]), (&json!("logits"), &json!("features")));
    let best = (0..1001).max_by(|&a, &b| probabilities[a].total_cmp(&probabilities[b]));
    assert_eq!(Some(argmax(&outputs[0]["data"])), best);

    for body in [&raw, &photo] {
        let head = "Inference-Header-Content-Length: 0";
        let answer = send(&server, &format!("POST {}", infer_path()), &[head], body);
        assert_eq!(answer.status, 200, "{}", answer.text());
        let length: usize = answer
            .header("inference-header-content-length")
            .expect("binary")
            .parse()
            .expect("a length");
        assert_eq!(floats(&answer.body[length..]), probabilities);
    }
}

#[test]
fn classification_answers_value_index_and_label() {
    let server = server(|_| {});
    let (_, probabilities) = expected();
    let text = STANDARD.encode(cat());
    let input = json!({"name": "input", "datatype": "BYTES", "shape": [2], "data": [text, text],
                       "parameters": {"content_type": "base64"}});
    let outputs = json!([{"name": "probabilities", "parameters": {"classification": 2}}]);
    let request = json!({"inputs": [input], "outputs": outputs});
    let answer = post(&server, &infer_path(), request.to_string());
    assert_eq!(answer.status, 200, "{}", answer.text());
    let output = answer.json()["outputs"][0].clone();
    assert_eq!((&output["datatype"], &output["shape"]), (&json!("BYTES"), &json!([2, 2])));
    let best =
        (0..1001).max_by(|&a, &b| probabilities[a].total_cmp(&probabilities[b])).expect("some");
    let first = output["data"][0].as_str().expect("a string");
    let start = format!("{:.6}:{best}:", probabilities[best]);
    assert!(first.starts_with(&start) && first.contains("cat"), "{first}, not {start}");
    assert_eq!(output["data"][0], output["data"][2]);
}

#[test]
fn servers_and_models_describe_themselves() {
    let server = server(|_| {});
    let v2 = get(&server, "/v2").json();
    assert_eq!(v2["name"], "lorgnette");
    assert!(v2["extensions"].as_array().expect("a list").contains(&json!("binary_tensor_data")));
    assert_eq!(get(&server, "/v2/health/live").json(), json!({"live": true}));
    assert_eq!(get(&server, "/v2/health/ready").json(), json!({"ready": true}));
    let model = get(&server, &format!("/v2/models/{MODEL}")).json();
    assert_eq!(model["versions"], json!(["1"]));
    assert_eq!(
        model["inputs"],
        json!([{"name": "input", "datatype": "FP32", "shape": [-1, 224, 224, 3]}])
    );
    assert_eq!(
        model["outputs"],
        json!([{"name": "probabilities", "datatype": "FP32", "shape": [-1, 1001]}])
    );
    assert_eq!(get(&server, &format!("/v2/models/{MODEL}/versions/1/ready")).status, 200);
    let config = get(&server, &format!("/v2/models/{MODEL}/config")).json();
    assert_eq!(config["input"][0]["dims"], json!([224, 224, 3]));

    let photo = send(
        &server,
        &format!("POST {}", infer_path()),
        &["Inference-Header-Content-Length: 0"],
        &cat(),
    );
    assert_eq!(photo.status, 200);
    let stats = get(&server, &format!("/v2/models/{MODEL}/stats")).json();
    let stats = &stats["model_stats"][0];
    assert_eq!((&stats["inference_count"], &stats["execution_count"]), (&json!(1), &json!(1)));
    assert_eq!(stats["inference_stats"]["success"]["count"], 1);
    assert!(stats["inference_stats"]["compute_infer"]["ns"].as_u64() > Some(0));
    assert_eq!(stats["batch_stats"][0]["batch_size"], 1);
}

#[test]
fn models_are_loaded_and_unloaded_only_if_that_is_allowed() {
    let closed = server(|_| {});
    let load = format!("/v2/repository/models/{MODEL}/load");
    let unload = format!("/v2/repository/models/{MODEL}/unload");
    assert_eq!(post(&closed, &unload, "").status, 503);
    let server = server(|options| options.model_control = true);
    let index = post(&server, "/v2/repository/index", "").json();
    assert_eq!(index, json!([{"name": MODEL, "version": "1", "state": "READY"}]));
    assert_eq!(post(&server, &unload, "{}").status, 200);
    assert_eq!(get(&server, &format!("/v2/models/{MODEL}/ready")).status, 400);
    assert_eq!(post(&server, "/v2/repository/index", r#"{"ready": true}"#).json(), json!([]));
    assert_eq!(post(&server, &infer_path(), "{}").status, 404);
    // The poll does not load it again.
    std::thread::sleep(std::time::Duration::from_millis(200));
    assert_eq!(get(&server, &format!("/v2/models/{MODEL}/ready")).status, 400);
    assert_eq!(post(&server, &load, "").status, 200);
    assert_eq!(get(&server, &format!("/v2/models/{MODEL}/ready")).status, 200);
    let unknown = post(&server, "/v2/repository/models/other/load", "");
    assert_eq!(unknown.status, 404, "{}", unknown.text());
}

#[test]
fn failures_have_the_codes_of_triton() {
    let server = server(|options| options.max_batch = 4);
    let tensor = |rest: &str| format!(r#"{{"inputs": [{{"name": "input", {rest}}}]}}"#);
    for (request, status, part) in [
        ("".to_owned(), 400, "failed to parse the request JSON"),
        ("{} x".to_owned(), 400, "failed to parse the request JSON"),
        ("{}".to_owned(), 400, "expected 1 inputs but got 0"),
        (
            r#"{"inputs": [{"name": "x", "datatype": "FP32", "shape": [1], "data": [1]}]}"#
                .to_owned(),
            400,
            "unexpected inference input 'x'",
        ),
        (
            tensor(r#""datatype": "INT32", "shape": [1], "data": [1]"#),
            400,
            "data-type is 'INT32', but model 'mobilenet' expects 'FP32'",
        ),
        (
            tensor(r#""datatype": "FP32", "shape": [2], "data": [1]"#),
            400,
            "unexpected number of elements 1, expecting 2",
        ),
        (
            tensor(r#""datatype": "FP32", "shape": [1], "data": [1]"#),
            400,
            "Expected [-1,224,224,3], got [1]",
        ),
        (
            tensor(
                r#""datatype": "FP32", "shape": [9007199254740992, 9007199254740992], "data": [1]"#,
            ),
            400,
            "too large",
        ),
        (tensor(r#""datatype": "BYTES", "shape": [1], "data": ["x"]"#), 400, "base64"),
        (
            tensor(
                r#""datatype": "BYTES", "shape": [5], "data": ["", "", "", "", ""], "parameters": {"content_type": "base64"}"#,
            ),
            400,
            "batch-size must be <= 4",
        ),
    ] {
        let answer = post(&server, &infer_path(), &request);
        assert_eq!(answer.status, status, "{request}: {}", answer.text());
        assert!(answer.error().contains(part), "{request}: {}", answer.error());
    }
    for (line, status, part) in [
        ("GET /v2/models/other", 404, "Request for unknown model: 'other' is not found"),
        ("GET /v2/models/mobilenet/versions/9", 404, "version 9 is not found"),
        ("GET /v2/models/mobilenet/infer", 405, "takes POST"),
        ("POST /v2/models/mobilenet", 405, "takes GET"),
        ("GET /v2/nonsense", 404, "nothing at"),
        ("GET /v2/models/%ff", 400, "UTF-8"),
    ] {
        let answer = send(&server, line, &[], b"");
        assert_eq!(answer.status, status, "{line}: {}", answer.text());
        assert!(answer.error().contains(part), "{line}: {}", answer.error());
    }
}
