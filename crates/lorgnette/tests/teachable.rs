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

fn unpack() -> (tempfile::TempDir, Expected) {
    let folder = tempfile::tempdir().unwrap();
    let packed = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/teachable.tar.gz");
    let packed = fs::File::open(packed).unwrap();
    tar::Archive::new(flate2::read::GzDecoder::new(packed)).unpack(folder.path()).unwrap();
    let expected = fs::read(folder.path().join("expected.json")).unwrap();
    (folder, serde_json::from_slice(&expected).unwrap())
}

#[test]
fn every_export_gives_the_answers_of_the_snippet() {
    let (folder, expected) = unpack();
    for export in ["keras", "savedmodel", "tflite", "tflite_quantised"] {
        let model = Model::open(&folder.path().join(export), &ModelOptions::default()).unwrap();
        assert_eq!(model.preprocess().preprocessing, Preprocessing::TeachableMachine, "{export}");
        let rule = model.preprocess_rule().to_string();
        assert!(rule.contains("127.5") && rule.contains("its library divides by 127)"), "{rule}");
        let labels: Vec<&str> = model.labels().iter().map(|label| label.name).collect();
        assert_eq!(labels, expected.labels, "{export}");
        assert!(model.notes().iter().any(|note| note.contains("at 12 characters")), "{export}");
        let classifier = Classifier::new(model).unwrap();
        for (picture, wanted) in &expected.answers {
            let path = folder.path().join("pictures").join(picture);
            let picture = OpenOptions::default().open(&path).unwrap();
            let answer = classifier.classify(&picture, 3).unwrap();
            for prediction in &answer.predictions {
                let difference = (prediction.probability - wanted[prediction.index]).abs();
                assert!(difference < PROBABILITY, "{export} {}: {difference}", path.display());
            }
        }
    }
}

#[test]
fn the_export_for_tensorflow_js_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("model.json", r#"{"modelTopology":{"class_name":"Sequential"},"weightsManifest":[]}"#);
    write("metadata.json", r#"{"labels":["Class 1","Class 2"]}"#);
    write("weights.bin", "");
    let error = Model::open(folder.path(), &ModelOptions::default()).unwrap_err().to_string();
    assert!(error.contains("TensorFlow.js") && error.contains("SavedModel"), "{error}");
}
