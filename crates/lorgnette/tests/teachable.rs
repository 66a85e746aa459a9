//! Models in Teachable Machine's forms, which `oracle/teachable.py` makes, against the answers of the
//! site's snippet for Python.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use lorgnette::picture::OpenOptions;
use lorgnette::preprocess::Preprocessing;
use lorgnette::{Classifier, Model, ModelOptions};
use lorgnette_oracle::tolerance::PROBABILITY;

#[derive(serde::Deserialize)]
struct Expected {
    labels: Vec<String>,
    answers: BTreeMap<String, Vec<f32>>,
}

fn unpack(name: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let packed = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name);
    let packed = fs::File::open(packed).unwrap();
    tar::Archive::new(flate2::read::GzDecoder::new(packed)).unpack(folder.path()).unwrap();
    folder
}

fn expected<T: serde::de::DeserializeOwned>(folder: &Path) -> T {
    serde_json::from_slice(&fs::read(folder.join("expected.json")).unwrap()).unwrap()
}

/// Compares a model's answers for the pictures of a folder with those of its maker's code.
fn check_answers(model: Model, folder: &Path, answers: &BTreeMap<String, Vec<f32>>, form: &str) {
    let classifier = Classifier::new(model).unwrap();
    for (picture, wanted) in answers {
        let path = folder.join("pictures").join(picture);
        let picture = OpenOptions::default().open(&path).unwrap();
        let answer = classifier.classify(&picture, 3).unwrap();
        for prediction in &answer.predictions {
            let difference = (prediction.probability - wanted[prediction.index]).abs();
            assert!(difference < PROBABILITY, "{form} {}: {difference}", path.display());
        }
    }
}

#[test]
fn every_export_gives_the_answers_of_the_snippet() {
    let folder = unpack("teachable.tar.gz");
    let expected: Expected = expected(folder.path());
    for export in ["keras", "savedmodel", "tflite", "tflite_quantised"] {
        let model = Model::open(&folder.path().join(export), &ModelOptions::default()).unwrap();
        assert_eq!(model.preprocess().preprocessing, Preprocessing::TeachableMachine, "{export}");
        let rule = model.preprocess_rule().to_string();
        assert!(rule.contains("127.5") && rule.contains("its library divides by 127)"), "{rule}");
        let labels: Vec<&str> = model.labels().iter().map(|label| label.name).collect();
        assert_eq!(labels, expected.labels, "{export}");
        assert!(model.notes().iter().any(|note| note.contains("at 12 characters")), "{export}");
        check_answers(model, folder.path(), &expected.answers, export);
    }
}

/// Answers for each picture, of each form of an export.
#[derive(serde::Deserialize)]
struct ExpectedOfForms {
    labels: Vec<String>,
    answers: BTreeMap<String, BTreeMap<String, Vec<f32>>>,
}

/// TensorFlow.js 4.22 wrote the model, and answered (`oracle/teachable_js.mjs`).
#[test]
fn the_export_for_tensorflow_js_gives_the_answers_of_its_library() {
    let folder = unpack("teachable_js.tar.gz");
    let expected: ExpectedOfForms = expected(folder.path());
    assert_eq!(expected.answers.len(), 2);
    for (form, answers) in &expected.answers {
        let path = folder.path().join(form);
        for path in [path.join("model.json"), path] {
            let model = Model::open(&path, &ModelOptions::default()).unwrap();
            let rule = model.preprocess_rule().to_string();
            assert!(rule.contains("v / 127 - 1 as in its library"), "{rule}");
            let labels: Vec<&str> = model.labels().iter().map(|label| label.name).collect();
            assert_eq!(labels, expected.labels, "{form}");
            assert!(model.notes().is_empty(), "{form}: {:?}", model.notes());
            check_answers(model, folder.path(), answers, form);
        }
    }
}

#[test]
fn damage_of_an_export_for_tensorflow_js_is_said() {
    let folder = unpack("teachable_js.tar.gz");
    let model = folder.path().join("tfjs");
    let error = || Model::open(&model, &ModelOptions::default()).unwrap_err().to_string();
    let weights = fs::read(model.join("weights.bin")).unwrap();
    fs::write(model.join("weights.bin"), &weights[..weights.len() - 4]).unwrap();
    assert!(error().contains("longer than its file"), "{}", error());
    fs::remove_file(model.join("weights.bin")).unwrap();
    assert!(error().contains("weights.bin"), "{}", error());
    let whole = fs::read_to_string(model.join("model.json")).unwrap();
    let outside = whole.replace("./weights.bin", "../weights.bin");
    fs::write(model.join("model.json"), outside).unwrap();
    assert!(error().contains("../weights.bin"), "{}", error());
    let lacking = whole.replace("Conv1/kernel", "Conv9/kernel");
    fs::write(model.join("model.json"), lacking).unwrap();
    fs::write(model.join("weights.bin"), weights).unwrap();
    assert!(error().contains("lack 'kernel' of the layer 'Conv1'"), "{}", error());
    let graph = r#"{"format":"graph-model","modelTopology":{"node":[]},"weightsManifest":[]}"#;
    fs::write(model.join("model.json"), graph).unwrap();
    assert!(error().contains("graph model"), "{}", error());
}
