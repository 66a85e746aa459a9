//! The embedded network in fewer bits, beside itself in float32, on the hundred photos. The table
//! of docs/speed.md:
//!
//! ```text
//! cargo test --release -p lorgnette --test formats -- --nocapture
//! ```

#[path = "support/difference.rs"]
mod difference;

use std::path::PathBuf;

use lorgnette::kernels::{Level, NumericOptions, Precision};
use lorgnette::picture::OpenOptions;
use lorgnette::{Classifier, Model, ModelOptions, Picture};
use lorgnette_oracle::tolerance::FORMATS;

use self::difference::{Difference, jpegs, photos};

const CLASSES: usize = 1001;

fn embedded(numerics: NumericOptions) -> lorgnette::Result<Model> {
    Model::embedded(&ModelOptions { numerics, ..ModelOptions::default() })
}

/// Each class's probability, by its index.
fn probabilities(classifier: &Classifier, photo: &Picture) -> Vec<f32> {
    let mut all = vec![0.0; CLASSES];
    classifier
        .classify(photo, CLASSES)
        .unwrap()
        .predictions
        .iter()
        .for_each(|prediction| all[prediction.index] = prediction.probability);
    all
}

#[test]
fn fewer_bits_change_the_answers_little() {
    let open = |file: &PathBuf| OpenOptions::default().open(file).unwrap();
    let photos: Vec<Picture> = jpegs(&photos()).iter().map(open).collect();
    let exact = Classifier::new(embedded(NumericOptions::default()).unwrap()).unwrap();
    let expected: Vec<Vec<f32>> = photos.iter().map(|photo| probabilities(&exact, photo)).collect();
    for tolerance in FORMATS {
        let numerics = NumericOptions {
            compute: tolerance.precision.parse().unwrap(),
            weight_storage: tolerance.weights.parse().unwrap(),
            ..NumericOptions::default()
        };
        if !numerics.compute.is_available(Level::best()) {
            println!("no AVX-512 BF16 here: {numerics:?} is not measured");
            continue;
        }
        let classifier = Classifier::new(embedded(numerics).unwrap()).unwrap();
        let mut difference = Difference::default();
        for (photo, expected) in photos.iter().zip(&expected) {
            difference.add(expected, &probabilities(&classifier, photo));
        }
        println!(
            "precision {:<7}  weights {:<7}  first {:>3}/{}  five {:>3}/{}  probability {:.4}",
            tolerance.precision,
            tolerance.weights,
            difference.first,
            difference.photos,
            difference.five,
            difference.photos,
            difference.probability,
        );
        assert!(difference.probability > 0.0, "{tolerance:?} changes nothing: is it used at all?");
        assert!(
            difference.is_within(tolerance.first, tolerance.five, tolerance.probability),
            "{tolerance:?}: {difference:?}"
        );
    }
}

/// A precision that the CPU does not have is refused with a way out; `auto` is always there.
#[test]
fn what_the_cpu_lacks_is_refused() {
    let options = |precision| ModelOptions {
        numerics: NumericOptions { compute: precision, ..NumericOptions::default() },
        level: Some(Level::Portable),
        ..ModelOptions::default()
    };
    let refused = Model::embedded(&options(Precision::Bf16)).unwrap_err();
    assert!(refused.to_string().contains("auto"), "{refused}");
    let photo =
        Picture::open(concat!(env!("CARGO_MANIFEST_DIR"), "/../../photos/chelsea.jpg")).unwrap();
    let answer = |precision| {
        let classifier = Classifier::new(Model::embedded(&options(precision)).unwrap()).unwrap();
        probabilities(&classifier, &photo)
    };
    assert_eq!(answer(Precision::Auto), answer(Precision::Float32));
}
