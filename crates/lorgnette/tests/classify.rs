//! The embedded network on the hundred photos whose answers TensorFlow gave
//! (`shared/reference/photos.json`).

use lorgnette::picture::OpenOptions;
use lorgnette::{Classifier, Embedder, Model, ModelOptions, Picture};
use lorgnette_oracle::tolerance::{ACTIVATION, ORDER, PROBABILITY};
use lorgnette_oracle::{folder, json};

fn embedded() -> Model {
    Model::embedded(&ModelOptions::default()).unwrap()
}

#[test]
fn all_hundred_photos_get_tensorflows_answers() {
    let Some(shared) = folder() else { return };
    let truth = json(&shared.join("reference/photos.json"));
    let model = embedded();
    let (classifier, embedder) =
        (Classifier::new(model.clone()).unwrap(), Embedder::new(model, None).unwrap());
    let (mut top1, mut top5, mut worst, mut first) = (0, 0, 0f32, 0);
    let photos = truth["photos"].as_array().unwrap();
    for photo in photos {
        let name = photo["file"].as_str().unwrap();
        // TensorFlow does not look at the orientation that one of the photos has.
        let options = OpenOptions { ignore_orientation: true, ..OpenOptions::default() };
        let picture = options.open(shared.join("photos").join(name)).unwrap();
        let predictions = classifier.classify(&picture, 1001).unwrap().predictions;
        let expected: Vec<(usize, f32)> = serde_json::from_value(photo["top5"].clone()).unwrap();
        first += usize::from(predictions[0].index == expected[0].0);
        for &(index, probability) in &expected {
            let found = predictions
                .iter()
                .find(|prediction| prediction.index == index)
                .unwrap()
                .probability;
            worst = worst.max((found - probability).abs());
        }
        for pair in expected.windows(2).filter(|pair| pair[0].1 - pair[1].1 > ORDER) {
            let place = |index| {
                predictions.iter().position(|prediction| prediction.index == index).unwrap()
            };
            assert!(place(pair[0].0) < place(pair[1].0), "{name}: the order of {pair:?}");
        }
        let label = photo["label"].as_u64().unwrap() as usize;
        top1 += usize::from(predictions[0].index == label);
        top5 += usize::from(predictions[..5].iter().any(|prediction| prediction.index == label));
        let norm = embedder.embed(&picture).unwrap().iter().map(|v| v * v).sum::<f32>().sqrt();
        let expected = photo["embedding_l2"].as_f64().unwrap() as f32;
        assert!(
            (norm - expected).abs() <= ACTIVATION * expected,
            "{name}: features of norm {norm}, not {expected}"
        );
    }
    println!(
        "first class TensorFlow's for {first} of {}; top-1 {top1}, top-5 {top5}; largest difference {worst}",
        photos.len()
    );
    assert_eq!((photos.len(), first, top1, top5), (100, 100, 92, 99));
    assert!(worst <= PROBABILITY, "a probability is off by {worst}");
}

#[test]
fn threads_and_clones_give_the_same_bits() {
    let classifier = Classifier::new(embedded()).unwrap();
    let picture =
        Picture::open(concat!(env!("CARGO_MANIFEST_DIR"), "/../../photos/chelsea.jpg")).unwrap();
    let expected = classifier.classify(&picture, 1001).unwrap();
    std::thread::scope(|scope| {
        for threads in [1, 2, 3] {
            let (classifier, picture, expected) =
                (classifier.with_threads(threads), &picture, &expected);
            scope.spawn(move || {
                for _ in 0..3 {
                    assert_eq!(
                        &classifier.classify(picture, 1001).unwrap(),
                        expected,
                        "on {threads} threads"
                    );
                }
            });
        }
    });
}

#[test]
fn models_pictures_and_classifiers_can_be_shared() {
    fn shared<T: Send + Sync + Clone>() {}
    shared::<lorgnette::net::Network>();
    shared::<Model>();
    shared::<Classifier>();
    shared::<Embedder>();
    shared::<Picture>();
}
