//! `lorgnette models quantise`: networks of int8 in each format, and what is made of them.

use std::fs;

use lorgnette::Picture;
use serde_json::Value;

use crate::program::{Folder, lorgnette, photo};

/// Writes the embedded network, quantised, under a name in the folder.
fn quantise(folder: &Folder, name: &str) -> String {
    let out = folder.text(name);
    let photos = ["chelsea.jpg", "coffee.jpg"].map(photo);
    let [first, second] = photos.each_ref().map(String::as_str);
    let words = ["models", "quantise", "--calibrate", first, second, "--ranges", "error"];
    lorgnette(&[&words[..], &["--min-agreement", "0", "--out", &out]].concat()).well();
    out
}

/// The five best classes of a photo.
fn classes(model: &str, more: &[&str]) -> Vec<Value> {
    let photo = photo("chelsea.jpg");
    let words = ["classify", &photo, "--model", model, "--format", "json"];
    let answer = lorgnette(&[&words[..], more].concat()).well().json().remove(0);
    answer["predictions"].as_array().unwrap().clone()
}

#[test]
fn a_quantised_model_is_the_same_in_each_format() {
    let folder = Folder::new();
    let [tflite, onnx, plan] = ["a.tflite", "b.onnx", "c.plan"].map(|name| quantise(&folder, name));
    let expected = classes(&tflite, &[]);
    assert_eq!(classes(&plan, &[]), expected);
    // ONNX rounds halves to even, of the picture first.
    let found = classes(&onnx, &[]);
    assert_eq!(found[0]["name"], expected[0]["name"]);
    let logit = |prediction: &Value| prediction["logit"].as_f64().unwrap();
    assert!((logit(&found[0]) - logit(&expected[0])).abs() < 0.5, "{found:?} and {expected:?}");
    // An export of the file is what is written at once.
    let again = folder.text("again.onnx");
    lorgnette(&["export", &tflite, "--to", "onnx", "--out", &again]).well();
    let scores = |predictions: &[Value]| -> Vec<[Value; 2]> {
        let of = |prediction: &Value| [prediction["name"].clone(), prediction["logit"].clone()];
        predictions.iter().map(of).collect()
    };
    assert_eq!(scores(classes(&again, &[]).as_slice()), scores(found.as_slice()));
}

#[test]
fn a_head_is_trained_on_a_quantised_network() {
    let folder = Folder::new();
    let model = quantise(&folder, "base.tflite");
    for (class, colour) in [("red", [190, 20, 20]), ("blue", [20, 20, 190])] {
        for number in 0..14 {
            let path = folder.path(&format!("photos/{class}/{number}.png"));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let level = |i: usize| colour[i % 3] + (i * (2 * number + 1) % 251 / 10) as u8;
            let pixels = (0..40 * 30 * 3).map(level).collect();
            Picture::from_rgb8(40, 30, pixels).unwrap().save(path).unwrap();
        }
    }
    let (photos, out, cache) = (folder.text("photos"), folder.text("model"), folder.text("cache"));
    let words = ["train", &photos, "--out", &out, "--cache", &cache, "--model", &model];
    let report = lorgnette(&[&words[..], &["--format", "json"]].concat()).well().json().remove(0);
    assert_eq!(report["metrics"]["test_accuracy"], 1.0);
    let red = folder.text("photos/red/3.png");
    let answer =
        lorgnette(&["classify", &red, "--model", &out, "--format", "json"]).well().json().remove(0);
    assert_eq!(answer["predictions"][0]["name"], "red");
}

#[test]
fn what_the_file_is_to_be_is_asked() {
    let folder = Folder::new();
    let out = folder.text("model.bin");
    let ended =
        lorgnette(&["models", "quantise", "--calibrate", &photo("chelsea.jpg"), "--out", &out]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.err.contains(".tflite, .onnx or .plan"), "{}", ended.err);
    let out = folder.text("model.tflite");
    let ended = lorgnette(&["models", "quantise", "--out", &out]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.err.contains("--calibrate PHOTOS"), "{}", ended.err);
    assert!(!folder.path("model.tflite").exists());
}

#[test]
fn what_is_left_out_or_cannot_be_chosen_is_said() {
    let folder = Folder::new();
    let out = folder.text("model.tflite");
    let broken = folder.text("broken.jpg");
    fs::write(&broken, "no photo").unwrap();
    let words = ["models", "quantise", "--ranges", "error", "--min-agreement", "0", "--out", &out];
    let calibrate = ["--calibrate", &photo("chelsea.jpg"), &broken];
    let ended = lorgnette(&[&words[..], &calibrate].concat());
    assert_eq!(ended.code, Some(1));
    assert!(ended.err.contains("broken.jpg: not a picture"), "{}", ended.err);
    // A graph of quantisation-aware training has its ranges.
    let graph = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../lorgnette-net/tests/fake_quant/mobilenet_v1_quant.pb"
    );
    for choice in [["--keep-float", "Logits"], ["--ranges", "whole"], ["--write-ranges", "r.txt"]] {
        let out = folder.text("trained.tflite");
        let words = [&["models", "quantise", graph, "--out", &out][..], &choice].concat();
        let ended = lorgnette(&words);
        assert_eq!(ended.code, Some(2), "{choice:?}");
        assert!(ended.err.contains("leave out --keep-float"), "{}", ended.err);
        assert!(!folder.path("trained.tflite").exists());
    }
}
