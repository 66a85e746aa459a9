//! `lorgnette faces`: what it writes and draws, and what it refuses.

use std::path::Path;

use lorgnette::Picture;

use crate::program::{Folder, lorgnette, photo};

/// Nine heads of one astronaut, from 24 to 420 pixels wide.
fn scene() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../lorgnette/tests/faces/scene.jpg");
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_face_has_a_box_landmarks_and_a_probability() {
    let ended = lorgnette(&["faces", &photo("astronaut.jpg"), "--format", "json"]).well();
    let answer = &ended.json()[0];
    assert_eq!(
        (answer["width"].as_u64(), answer["model"].as_str()),
        (Some(512), Some("centerface"))
    );
    assert_eq!(answer["faces"].as_array().unwrap().len(), 1);
    let face = &answer["faces"][0];
    let bounds: Vec<f64> = serde_json::from_value(face["box"].clone()).unwrap();
    let landmarks: Vec<[f64; 2]> = serde_json::from_value(face["landmarks"].clone()).unwrap();
    assert!(face["probability"].as_f64().unwrap() > 0.9 && landmarks.len() == 5);
    for [x, y] in landmarks {
        assert!(bounds[0] < x && x < bounds[2] && bounds[1] < y && y < bounds[3], "{face}");
    }
}

#[test]
fn photos_keep_their_order_and_rows_are_faces() {
    let photos = [&photo("coffee.jpg"), &photo("nothing.jpg"), &scene(), &photo("astronaut.jpg")];
    let ended =
        lorgnette(&[&["faces", "--format", "csv"][..], &photos.map(String::as_str)].concat());
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    let lines: Vec<&str> = ended.out.lines().collect();
    assert!(lines[0].starts_with("photo,left,top,right,bottom,probability,scale,left_eye_x,"));
    assert!(lines[1..].iter().all(|line| line.split(',').count() == 17), "{}", ended.out);
    assert!(lines.len() > 8 && lines[1].contains("scene.jpg"), "{}", ended.out);
    assert!(lines[lines.len() - 1].contains("astronaut.jpg"));
    let text = lorgnette(&["faces", &photo("coffee.jpg"), &photo("astronaut.jpg")]).well().out;
    assert!(
        text.contains("coffee.jpg: no faces") && text.contains("astronaut.jpg: 1 face"),
        "{text}"
    );
}

#[test]
fn faces_are_drawn_on_the_photo() {
    let folder = Folder::new();
    let out = folder.text("faces.png");
    lorgnette(&["faces", &photo("astronaut.jpg"), "--picture", &out]).well();
    let (before, after) =
        (Picture::open(photo("astronaut.jpg")).unwrap(), Picture::open(&out).unwrap());
    assert_eq!((before.width(), before.height()), (after.width(), after.height()));
    let (before, after) = (before.to_rgb8(), after.to_rgb8());
    let changed = before.chunks(3).zip(after.chunks(3)).filter(|(a, b)| a != b).count();
    assert!((500..30_000).contains(&changed), "{changed}");
}

#[test]
fn a_wrong_face_model_is_refused() {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../lorgnette/models");
    let wrong = model.join("mobilenet_v1_1.0_224.pb");
    let own = model.join("centerface.onnx");
    let faces = |model: &Path| {
        lorgnette(&["faces", &photo("astronaut.jpg"), "--face-model", model.to_str().unwrap()])
    };
    let refused = faces(&wrong);
    assert_eq!(refused.code, Some(2));
    assert!(refused.err.contains("no CenterFace"), "{}", refused.err);
    assert!(faces(&own).well().out.contains("1 face"));
}
