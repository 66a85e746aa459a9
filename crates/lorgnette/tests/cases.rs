//! Graphs and ONNX files in the forms that other people's programs leave (`oracle/wild_graphs.py`,
//! `oracle/wild_onnx.py`), and the small inputs of `../shared/cases` that show faults, against what
//! TensorFlow and ONNX Runtime say of them.

use std::path::Path;

use flate2::read::GzDecoder;
use lorgnette::photos::{Walk, WalkOptions};
use lorgnette::picture::{PictureFormat, exif_block};
use lorgnette::{Classifier, Labels, Model, ModelOptions, Picture};
use lorgnette_oracle::{folder, json};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// Six digits are noted.
const TOLERANCE: f32 = 1e-4;

fn open(model: &Path) -> Model {
    let options = ModelOptions { threads: Some(1), ..ModelOptions::default() };
    Model::open(model, &options).unwrap_or_else(|error| panic!("{}: {error}", model.display()))
}

fn probabilities(model: &Path, photo: &Path) -> (Vec<f32>, Labels) {
    let model = open(model);
    let labels = model.labels().clone();
    let picture = Picture::open(photo).unwrap();
    (Classifier::new(model).unwrap().outputs(&picture).unwrap().probabilities, labels)
}

fn floats(value: &Value) -> Vec<f32> {
    match value {
        Value::Array(values) => values.iter().flat_map(floats).collect(),
        number => vec![number.as_f64().expect("a number") as f32],
    }
}

/// Compares a graph's answer with the noted one: probabilities, the class that the graph chooses,
/// or the probability of the second of two classes.
fn check_graph(key: &str, expected: &Value, cases: &Path) {
    let words: Vec<&str> = key.split_whitespace().collect();
    let model = cases.join(words[0]);
    let beside = model.with_file_name(words[2]);
    let photo = if beside.is_file() { beside } else { cases.join("endings").join(words[2]) };
    let (found, labels) = probabilities(&model, &photo);
    let value = expected.get("value").or(expected.get("probabilities")).expect("a value");
    let is_class = expected["value"][0].is_u64();
    check(key, &found, floats(value), is_class, TOLERANCE);
    if let Some(names) = expected["labels"].as_array() {
        let found: Vec<&str> = labels.iter().map(|label| label.name).collect();
        assert_eq!(found, names.iter().map(|name| name.as_str().unwrap()).collect::<Vec<_>>());
    }
}

/// Compares probabilities with an answer: a class is the most probable one, and one probability is
/// that of the second of two classes.
fn check(name: &str, found: &[f32], mut wanted: Vec<f32>, is_class: bool, tolerance: f32) {
    if is_class {
        let best = (0..found.len()).max_by(|&a, &b| found[a].total_cmp(&found[b]));
        assert_eq!(best, Some(wanted[0] as usize), "{name}: {found:?}");
        assert!(found.len() > 1 && found[best.unwrap()] < 1.0, "{name}: {found:?}");
        return;
    }
    if let &[second] = wanted.as_slice() {
        wanted = vec![1.0 - second, second];
    }
    assert_eq!(found.len(), wanted.len(), "{name}");
    let apart = found.iter().zip(&wanted).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(apart <= tolerance, "{name}: {found:?} for {wanted:?}");
}

/// A packed folder of models, and its entries.
fn unpacked(packed: &[u8]) -> (tempfile::TempDir, Vec<Value>) {
    let folder = tempfile::tempdir().unwrap();
    tar::Archive::new(GzDecoder::new(packed)).unpack(folder.path()).unwrap();
    let cases = json(&folder.path().join("cases.json"));
    let cases = cases.as_array().unwrap().clone();
    (folder, cases)
}

/// The graphs of `oracle/wild_graphs.py` in a folder, and their entries: those that are run, and
/// those that are refused.
fn wild_graphs() -> (tempfile::TempDir, [Vec<Value>; 2]) {
    let (folder, cases) = unpacked(include_bytes!("wild_graphs.tar.gz"));
    let (refused, run) = cases.into_iter().partition(|case| case.get("refused").is_some());
    (folder, [run, refused])
}

/// What a decoding node asks for and is not done is said, with the remedy.
#[test]
fn decoders_are_honoured_or_refused() {
    let (folder, [_, refused]) = wild_graphs();
    assert!(refused.len() > 6, "the fixture is whole");
    for case in &refused {
        let path = folder.path().join(case["graph"].as_str().unwrap());
        let error = Model::open(&path, &ModelOptions::default()).unwrap_err().to_string();
        let expected = case["refused"].as_str().unwrap();
        let remedy = "decode pictures outside";
        assert!(error.contains(expected) && error.contains(remedy), "{case}: {error}");
    }
}

/// Answers of the code that comes with each form of graph, and the rule that recognises it.
#[test]
fn other_people_s_graphs_give_their_makers_answers() {
    let (folder, [cases, _]) = wild_graphs();
    assert!(cases.len() > 150, "the fixture is whole");
    check_wild(folder.path(), &cases);
}

/// The same of ONNX files (`oracle/wild_onnx.py`).
#[test]
fn other_people_s_onnx_files_give_their_makers_answers() {
    let (folder, cases) = unpacked(include_bytes!("wild_onnx.tar.gz"));
    assert!(cases.len() >= 13, "the fixture is whole");
    check_wild(folder.path(), &cases);
}

fn check_wild(folder: &Path, cases: &[Value]) {
    let mut wrong = Vec::new();
    for case in cases {
        let name = case["graph"].as_str().unwrap();
        let outcome = std::panic::catch_unwind(|| {
            let model = open(&folder.join(name));
            let rule = model.preprocess_rule().to_string();
            let expected = case["rule"].as_str().unwrap();
            assert!(rule.contains(expected), "{name}: {rule}, not {expected}");
            let photo = folder.join(case["photo"].as_str().unwrap());
            let picture = Picture::open(photo).unwrap();
            let found = Classifier::new(model).unwrap().outputs(&picture).unwrap().probabilities;
            let tolerance = case["tolerance"].as_f64().unwrap() as f32;
            let is_class = case["is_class"].as_bool().unwrap();
            check(name, &found, floats(&case["answer"]), is_class, tolerance);
        });
        wrong.extend(outcome.err().map(|_| name));
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// Every entry of `expected.json`, each by the check of its folder.
#[test]
fn every_case_is_right() {
    let Some(folder) = folder() else { return };
    let cases = folder.join("cases");
    let expected = json(&cases.join("expected.json"));
    let entries = expected.as_object().unwrap();
    for (key, expected) in entries {
        let path = cases.join(key);
        match key.split('/').next().unwrap() {
            "retrained" | "endings" | "inputs" => check_graph(key, expected, &cases),
            "jpeg" => check_pixels(&path, expected),
            "tiff" => check_mean(&path, expected),
            "notes" => check_orientation_and_date(&path, expected),
            "raw" => check_raw(&path),
            "labels" => check_file_order(&path),
            other => panic!("{key}: no check knows the folder {other}"),
        }
    }
    assert!(entries.len() >= 27, "{} entries", entries.len());
}

/// Every file of the cases is named by an entry or by a test here.
#[test]
fn no_case_is_forgotten() {
    let Some(folder) = folder() else { return };
    let cases = folder.join("cases");
    let expected = std::fs::read_to_string(cases.join("expected.json")).unwrap();
    let named_here =
        ["README.md", "expected.json", "lfs_pointer.pb", "utf16.txt", "retrained_labels.txt"];
    let files = Walk::new(&[&cases], &WalkOptions { list_skipped: true, ..Default::default() });
    let mut count = 0;
    for entry in files.entries.iter().filter(|entry| entry.path.is_file()) {
        let name = entry.path.file_name().unwrap().to_str().unwrap();
        let is_named = expected.contains(name) || named_here.contains(&name);
        let is_of_a_graph = name
            .strip_suffix(".labels.txt")
            .is_some_and(|stem| expected.contains(&format!("{stem}.pb")));
        assert!(is_named || is_of_a_graph, "{}: no test knows it", entry.path.display());
        count += 1;
    }
    assert!(count >= 30, "{count} files");
}

/// TensorFlow's pixels, byte for byte.
fn check_pixels(path: &Path, expected: &Value) {
    let picture = Picture::open(path).unwrap_or_else(|error| panic!("{error}"));
    let size = (picture.width() as u64, picture.height() as u64);
    let sides = ["width", "height"].map(|side| expected[side].as_u64().unwrap());
    assert_eq!(size, (sides[0], sides[1]), "{}", path.display());
    let digest = Sha256::digest(picture.to_rgb8());
    let found: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(
        found,
        expected["sha256_of_tensorflows_rgb"].as_str().unwrap(),
        "{}",
        path.display()
    );
}

/// Pillow's size and mean colour.
fn check_mean(path: &Path, expected: &Value) {
    let picture = Picture::open(path).unwrap_or_else(|error| panic!("{error}"));
    let [width, height] = ["width", "height"].map(|side| expected[side].as_u64().unwrap());
    assert_eq!((picture.width() as u64, picture.height() as u64), (width, height));
    let rgb = picture.to_rgb8();
    for (channel, mean) in floats(&expected["mean_rgb"]).into_iter().enumerate() {
        let sum: f64 = rgb.iter().skip(channel).step_by(3).map(|&level| f64::from(level)).sum();
        let found = sum / (width * height) as f64;
        // Pillow's libjpeg has the accurate transform; the means have six digits.
        let allowed = if path.to_string_lossy().contains("jpeg") { 0.75 } else { 1e-4 };
        let apart = (found - f64::from(mean)).abs();
        assert!(apart < allowed, "{}: {found}, {mean}", path.display());
    }
}

/// The upright size and the date, as exiftool has them.
fn check_orientation_and_date(path: &Path, expected: &Value) {
    let bytes = std::fs::read(path).unwrap();
    let picture = Picture::open(path).unwrap_or_else(|error| panic!("{error}"));
    let [width, height] =
        ["upright_width", "upright_height"].map(|side| expected[side].as_u64().unwrap());
    assert_eq!((picture.width() as u64, picture.height() as u64), (width, height));
    let exif = exif_block(&bytes).unwrap();
    let date = expected["taken"].as_str().unwrap().replace('-', ":").replace('T', " ");
    let found = exif.windows(date.len()).any(|window| window == date.as_bytes());
    assert!(found, "{}: {date}", path.display());
}

/// The photo of a raw file, never its thumbnail.
fn check_raw(path: &Path) {
    let picture = Picture::open(path).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((picture.width(), picture.height()), (128, 96));
    assert_eq!(picture.format(), Some(PictureFormat::Raw));
}

fn names(path: &Path) -> Vec<String> {
    Labels::open(path).unwrap().iter().map(|label| label.name.to_owned()).collect()
}

/// Numbers that may belong to the names do not put these in order.
fn check_file_order(path: &Path) {
    assert_eq!(names(path), ["2 euro", "0 nothing", "1 euro"], "{}", path.display());
}

#[test]
fn label_files_are_utf_16_too() {
    let Some(folder) = folder() else { return };
    assert_eq!(names(&folder.join("cases/labels/utf16.txt")), ["rot", "grün", "blau"]);
}

#[test]
fn a_pointer_to_a_file_is_called_one() {
    let Some(folder) = folder() else { return };
    let pointer = folder.join("cases/inputs/lfs_pointer.pb");
    let error = Model::open(&pointer, &ModelOptions::default()).unwrap_err().to_string();
    assert!(error.contains("Git LFS") && error.contains("git lfs pull"), "{error}");
}
