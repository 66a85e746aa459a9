//! Photos as they are: JSON as the program prints it, pictures, tensors, forms, PhotoPrism.

mod common;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use common::{MODEL, cat, photo_path, post, send, server};
use lorgnette::dense::SegmentationOptions;
use lorgnette::faces::{FaceDetector, FaceOptions};
use lorgnette::net::npy;
use lorgnette::{Classifier, Embedder, Model, ModelOptions, ModelRef, Picture, Segmenter};
use lorgnette_server::{ModelConfig, ModelSource};
use serde_json::{Value, json};

fn model() -> Model {
    Model::embedded(&ModelOptions::default()).expect("it is embedded")
}

fn picture() -> Picture {
    Picture::from_bytes(&cat(), "photo").expect("a photo")
}

/// The answer of the library.
fn value(answer: &impl serde::Serialize) -> Value {
    // Through text, where numbers of 32 bits are as short as they can be.
    let text = serde_json::to_string(answer).expect("it is JSON");
    serde_json::from_str(&text).expect("it is JSON")
}

/// The same, with the name that the model is served by.
fn served(answer: &impl serde::Serialize) -> Value {
    let mut answer = value(answer);
    answer["model"] = json!(MODEL);
    answer
}

#[test]
fn answers_are_those_of_the_program() {
    let server = server(|_| {});
    let classifier = Classifier::new(model()).expect("it classifies");
    let answer = post(&server, "/v1/classify?top=3", cat());
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json(), served(&classifier.answer(&picture(), 3).expect("it runs")));
    assert!(post(&server, "/v1/classify", cat()).json()["predictions"][4]["index"].is_u64());

    let embedder = Embedder::new(model(), None).expect("it has features");
    let answer = post(&server, "/v1/embed", cat());
    assert_eq!(answer.json(), served(&embedder.answer(&picture()).expect("it runs")));

    let segmenter = Segmenter::new(model(), SegmentationOptions::default()).expect("it maps");
    let answer = post(&server, "/v1/map", cat());
    let expected = segmenter.answer(&picture(), &segmenter.region_options()).expect("it runs");
    assert_eq!(answer.json(), served(&expected));

    let answer = post(&server, "/v1/blur?class=Egyptian+cat&class=tabby", cat());
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!((&answer.json()["out"], &answer.json()["width"]), (&Value::Null, &json!(451)));
}

#[test]
fn pictures_and_tensors_are_answered_to_those_who_accept_them() {
    let server = server(|_| {});
    let accept = |path: &str, kind: &str| {
        let answer = send(&server, &format!("POST {path}"), &[&format!("Accept: {kind}")], &cat());
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        assert_eq!(answer.header("content-type"), Some(kind), "{path}");
        answer.body
    };
    for (path, kind) in [
        ("/v1/classify", "image/png"),
        ("/v1/map?overlay", "image/png"),
        ("/v1/blur?class=cat", "image/jpeg"),
    ] {
        let picture = Picture::from_bytes(&accept(path, kind), path).expect("a picture");
        assert_eq!((picture.width(), picture.height()), (451, 300), "{path}");
    }
    let tensor = npy::read(&accept("/v1/classify", "application/x-npy")).expect("a tensor");
    let outputs =
        Classifier::new(model()).expect("it classifies").outputs(&picture()).expect("it runs");
    assert_eq!(tensor.to_f32(), outputs.probabilities);
    let tensor = npy::read(&accept("/v1/embed", "application/x-npy")).expect("a tensor");
    assert_eq!(Some(tensor.to_f32()), outputs.features);
    let tensor = npy::read(&accept("/v1/map", "application/x-npy")).expect("a tensor");
    assert_eq!(tensor.shape()[2], 1001);
}

#[test]
fn forms_have_several_photos_of_which_one_may_be_bad() {
    let server = server(|_| {});
    let mut body = Vec::new();
    for (name, file) in [("a.jpg", cat()), ("../b.jpg", b"no photo".to_vec()), ("c.jpg", cat())] {
        body.extend(
            format!(
                "--x\r\nContent-Disposition: form-data; name=\"photo\"; filename=\"{name}\"\r\n\r\n"
            )
            .into_bytes(),
        );
        body.extend(file);
        body.extend(b"\r\n");
    }
    body.extend(b"--x--\r\n");
    let head = ["Content-Type: multipart/form-data; boundary=x"];
    let answer = send(&server, "POST /v1/classify", &head, &body);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some("application/x-ndjson"));
    let lines: Vec<Value> =
        answer.text().lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.len(), 3);
    assert_eq!((&lines[0]["photo"], &lines[2]["photo"]), (&json!("a.jpg"), &json!("c.jpg")));
    assert_eq!(lines[1]["photo"], "b.jpg");
    assert!(
        lines[1]["error"].as_str().is_some_and(|error| error.starts_with("b.jpg: ")),
        "{}",
        lines[1]
    );
    for broken in [&b"--x\r\n"[..], b"", b"--x\r\nnonsense"] {
        assert_eq!(send(&server, "POST /v1/classify", &head, broken).status, 400);
    }
}

#[test]
fn faces_are_found_and_blurred() {
    // With two models: faces need none of them.
    let server = server(|options| {
        let model = ModelSource::Ref(ModelRef::Embedded);
        options.models.push(ModelConfig::new("second", model));
    });
    let photo = std::fs::read(photo_path("astronaut.jpg")).expect("the photo is in the repository");
    let found = post(&server, "/v1/faces?name=astronaut.jpg", photo.clone()).json();
    let detector = FaceDetector::embedded(&ModelOptions::default(), FaceOptions::default());
    let picture = Picture::open(photo_path("astronaut.jpg")).expect("a photo");
    let mut wanted = detector.expect("it opens").answer(&picture).expect("it answers");
    wanted.photo = "astronaut.jpg".into();
    assert_eq!(found, value(&wanted));
    assert_eq!(found["faces"].as_array().map(Vec::len), Some(1));
    let drawn = post(&server, "/v1/faces?format=png", photo.clone());
    assert_eq!(drawn.header("content-type"), Some("image/png"));

    let blurred = |query: &str| {
        let path = format!("/v1/blur?model=second&{query}");
        post(&server, &path, photo.clone())
    };
    let by_flag = blurred("faces=true").json();
    assert_eq!(by_flag["blurred"][0]["name"], "face");
    assert_eq!(by_flag, blurred("class=face").json());
    let names = |answer: &Value| answer["blurred"].to_string();
    assert!(!names(&blurred("faces=false&class=cat").json()).contains("face"));
    let copy = blurred("faces=true&format=png");
    let copy = Picture::from_bytes(&copy.body, "copy").expect("a picture");
    assert_ne!(copy.pixels(), picture.pixels());
}

#[test]
fn wrong_parameters_are_explained() {
    let server = server(|_| {});
    for (path, part) in [
        ("/v1/classify?top=0", "top=0: give a number of classes"),
        ("/v1/classify?tops=3", "there is no parameter 'tops'"),
        ("/v1/classify?format=gif", "choose one of json, png, jpeg, npy"),
        ("/v1/classify?version=new", "a version is a number"),
        ("/v1/map?scale=9", "up to 4"),
        ("/v1/map?output_stride=7", "8, 16 or 32"),
        ("/v1/blur", "blur what?"),
        ("/v1/blur?class=people", "faces"),
        ("/v1/faces?model=mobilenet", "there is no parameter 'model'"),
        ("/v1/faces?format=npy", "faces are no tensor"),
        ("/v1/faces?min_probability=2", "a number from 0 to 1"),
        ("/v1/blur?class=unicorn+horse", "unicorn"),
        ("/v1/blur?class=cat&how=paint", "choose one of mosaic"),
        ("/v1/embed?end_point=Nowhere", "Nowhere"),
        ("/v1/embed?format=png", "features are no picture"),
    ] {
        let answer = post(&server, path, cat());
        assert_eq!(answer.status, 400, "{path}: {}", answer.text());
        assert!(answer.error().contains(part), "{path}: {}", answer.error());
    }
    let answer = post(&server, "/v1/classify", "no photo");
    assert_eq!(answer.status, 400);
    assert!(answer.error().starts_with("photo: "), "{}", answer.error());
    assert_eq!(post(&server, "/v1/classify?model=other", cat()).status, 404);
}

#[test]
fn photoprism_gets_labels() {
    let server = server(|_| {});
    let image = format!("data:image/jpeg;base64,{}", STANDARD.encode(cat()));
    let request = json!({"id": "b7", "images": [image], "suffix": "", "stream": false});
    let answer = post(&server, "/api/v1/vision/labels", request.to_string());
    assert_eq!(answer.status, 200, "{}", answer.text());
    let answer = answer.json();
    assert_eq!((&answer["id"], &answer["code"]), (&json!("b7"), &json!(200)));
    let label = &answer["result"]["labels"][0];
    assert_eq!(label["source"], "image");
    assert!(label["name"].as_str().is_some_and(|name| name.contains("cat")), "{label}");
    assert!(label["confidence"].as_f64() > Some(0.1));
    let remote = json!({"id": "b8", "images": ["https://example.com/cat.jpg"]});
    let answer = post(&server, "/api/v1/vision/labels", remote.to_string());
    assert_eq!((answer.status, &answer.json()["code"]), (400, &json!(400)));
    assert!(answer.error().contains("not fetched"));
}
