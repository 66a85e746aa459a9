//! `examples/train.rs` on a small made folder: it trains, and the folder is a model.
#![cfg(feature = "embedded")]

#[allow(dead_code, reason = "the example's main is not called")]
#[path = "../examples/train.rs"]
mod example;

use std::fs;
use std::path::Path;

use lorgnette::dataset::Split;
use lorgnette::train::{Existing, TrainError, TrainingFolder};
use lorgnette::{Classifier, Model, ModelOptions, Picture};

/// Writes photos of one colour each, which differ by a gradient.
fn write_photos(folder: &Path, colour: [u8; 3], count: usize) {
    fs::create_dir_all(folder).unwrap();
    for number in 0..count {
        let level = |i: usize| colour[i % 3].wrapping_add((i * (2 * number + 1) % 251 / 10) as u8);
        let pixels = (0..24 * 20 * 3).map(level).collect();
        let photo = Picture::from_rgb8(24, 20, pixels).unwrap();
        photo.save(folder.join(format!("{number}.png"))).unwrap();
    }
}

#[test]
fn the_example_trains_a_model() {
    let folder = tempfile::tempdir().unwrap();
    let (photos, model) = (folder.path().join("photos"), folder.path().join("model"));
    write_photos(&photos.join("red"), [200, 20, 20], 12);
    write_photos(&photos.join("blue"), [20, 20, 200], 12);
    fs::write(photos.join("red/broken.png"), "no picture").unwrap();

    let result = example::train(&photos, &model).unwrap();
    assert!(result.has_unusable_photos);
    assert_eq!(result.evaluation(Split::Training).accuracy().value(), 1.0);
    let summary = serde_json::to_value(result.summary("model")).unwrap();
    assert_eq!(summary["classes"], serde_json::json!(["blue", "red"]));
    for file in ["model.json", "weights.npy", "split.csv", "left_out.csv", "report.html"] {
        assert!(model.join(file).is_file(), "{file}");
    }

    let classifier = Classifier::new(Model::open(&model, &ModelOptions::default()).unwrap());
    let picture = Picture::open(photos.join("red/3.png")).unwrap();
    let outputs = classifier.unwrap().classify(&picture, 1).unwrap();
    assert!(format!("{outputs:?}").contains("red"), "{outputs:?}");

    let error = TrainingFolder::open(&model, Existing::Refuse).unwrap_err();
    assert!(matches!(error, TrainError::HasModel { .. }), "{error}");
}
