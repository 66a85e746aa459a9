//! Graphs in the forms that other people's programs leave (`oracle/wild_graphs.py`), and the small
//! inputs of `../shared/cases` that show faults, against what TensorFlow says of them.

use std::path::Path;

use flate2::read::GzDecoder;
use lorgnette::{Classifier, Labels, Model, ModelOptions, Picture};
use lorgnette_oracle::{folder, json};
use serde_json::Value;

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

/// Answers of the code that comes with each form of graph, and the rule that recognises it.
#[test]
fn other_people_s_graphs_give_their_makers_answers() {
    let folder = tempfile::tempdir().unwrap();
    let packed = include_bytes!("wild_graphs.tar.gz").as_slice();
    tar::Archive::new(GzDecoder::new(packed)).unpack(folder.path()).unwrap();
    let cases = json(&folder.path().join("cases.json"));
    let cases = cases.as_array().unwrap();
    assert!(cases.len() > 30, "the fixture is whole");
    let mut wrong = Vec::new();
    for case in cases {
        let name = case["graph"].as_str().unwrap();
        let outcome = std::panic::catch_unwind(|| {
            let model = open(&folder.path().join(name));
            let rule = model.preprocess_rule().to_string();
            let expected = case["rule"].as_str().unwrap();
            assert!(rule.contains(expected), "{name}: {rule}, not {expected}");
            let photo = folder.path().join(case["photo"].as_str().unwrap());
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

#[test]
fn graphs_give_tensorflow_s_answers() {
    let Some(folder) = folder() else { return };
    let cases = folder.join("cases");
    let expected = json(&cases.join("expected.json"));
    let graphs = expected.as_object().unwrap().iter().filter(|(key, _)| key.contains(".pb on "));
    let mut count = 0;
    for (key, expected) in graphs {
        check_graph(key, expected, &cases);
        count += 1;
    }
    assert!(count >= 14, "{count} graphs");
}

#[test]
fn label_files_are_read_as_they_were_written() {
    let Some(folder) = folder() else { return };
    let names = |file: &str| {
        let labels = Labels::open(folder.join("cases/labels").join(file)).unwrap();
        labels.iter().map(|label| label.name.to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names("out_of_order.txt"), ["2 euro", "0 nothing", "1 euro"]);
    assert_eq!(names("utf16.txt"), ["rot", "grün", "blau"]);
}

#[test]
fn a_pointer_to_a_file_is_called_one() {
    let Some(folder) = folder() else { return };
    let pointer = folder.join("cases/inputs/lfs_pointer.pb");
    let error = Model::open(&pointer, &ModelOptions::default()).unwrap_err().to_string();
    assert!(error.contains("Git LFS") && error.contains("git lfs pull"), "{error}");
}
