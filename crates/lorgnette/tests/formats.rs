//! The embedded network in fewer bits, beside itself in float32, on the hundred photos. The table of docs/speed.md:
//!
//! ```text
//! cargo test --release -p lorgnette --test formats -- --nocapture
//! ```

use lorgnette::kernels::{Formats, Level, Precision, WeightFormat};
use lorgnette::picture::OpenOptions;
use lorgnette::{Classifier, Model, ModelOptions, Picture};
use lorgnette_oracle::folder;
use lorgnette_oracle::tolerance::{FORMATS, FormatTolerance};

const CLASSES: usize = 1001;

fn embedded(formats: Formats) -> lorgnette::Result<Model> {
    Model::embedded(&ModelOptions { formats, ..ModelOptions::default() })
}

/// How the answers for photos in one format differ from those in float32.
#[derive(Debug, Default)]
struct Difference {
    photos: usize,
    /// Photos whose most probable class is the same.
    first: usize,
    /// Photos whose five most probable classes are the same, in any order.
    five: usize,
    /// The largest difference of a probability.
    probability: f32,
}

impl Difference {
    fn add(&mut self, wanted: &[f32], found: &[f32]) {
        let best = |values: &[f32]| {
            let mut classes: Vec<usize> = (0..values.len()).collect();
            classes.sort_by(|&a, &b| values[b].total_cmp(&values[a]));
            classes.truncate(5);
            classes
        };
        let (mut a, mut b) = (best(wanted), best(found));
        self.photos += 1;
        self.first += usize::from(a[0] == b[0]);
        a.sort_unstable();
        b.sort_unstable();
        self.five += usize::from(a == b);
        let apart = wanted.iter().zip(found).map(|(a, b)| (a - b).abs());
        self.probability = apart.fold(self.probability, f32::max);
    }

    fn is_within(&self, tolerance: &FormatTolerance) -> bool {
        let share = |count: usize| count as f32 / self.photos as f32;
        share(self.first) >= tolerance.first
            && share(self.five) >= tolerance.five
            && self.probability <= tolerance.probability
    }
}

/// The photos that TensorFlow answered for, or the project's own.
fn photos() -> Vec<Picture> {
    let own = concat!(env!("CARGO_MANIFEST_DIR"), "/../../photos").into();
    let folder = folder().map_or(own, |shared| shared.join("photos"));
    let mut files: Vec<_> = folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|kind| kind.eq_ignore_ascii_case("jpg") || kind == "JPEG"));
    files.sort();
    files.iter().map(|file| OpenOptions::default().open(file).unwrap()).collect()
}

/// Each class's probability, by its index.
fn probabilities(classifier: &Classifier, photo: &Picture) -> Vec<f32> {
    let mut all = vec![0.0; CLASSES];
    classifier.classify(photo, CLASSES).unwrap().guesses.iter().for_each(|guess| all[guess.index] = guess.probability);
    all
}

#[test]
fn fewer_bits_change_the_answers_little() {
    let photos = photos();
    let exact = Classifier::new(embedded(Formats::default()).unwrap()).unwrap();
    let wanted: Vec<Vec<f32>> = photos.iter().map(|photo| probabilities(&exact, photo)).collect();
    for tolerance in FORMATS {
        let formats =
            Formats { precision: tolerance.precision.parse().unwrap(), weights: tolerance.weights.parse().unwrap() };
        if !formats.precision.is_available(Level::best()) {
            println!("no AVX-512 BF16 here: {formats:?} is not measured");
            continue;
        }
        let classifier = Classifier::new(embedded(formats).unwrap()).unwrap();
        let mut difference = Difference::default();
        for (photo, wanted) in photos.iter().zip(&wanted) {
            difference.add(wanted, &probabilities(&classifier, photo));
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
        assert!(difference.is_within(&tolerance), "{tolerance:?}: {difference:?}");
    }
}

/// A precision that the CPU does not have is refused with a way out; `auto` is always there.
#[test]
fn what_the_cpu_lacks_is_refused() {
    let options = |precision| ModelOptions {
        formats: Formats { precision, weights: WeightFormat::Float32 },
        level: Some(Level::Portable),
        ..ModelOptions::default()
    };
    let refused = Model::embedded(&options(Precision::Bf16)).unwrap_err();
    assert!(refused.to_string().contains("auto"), "{refused}");
    let photo = Picture::open(concat!(env!("CARGO_MANIFEST_DIR"), "/../../photos/chelsea.jpg")).unwrap();
    let answer = |precision| {
        let classifier = Classifier::new(Model::embedded(&options(precision)).unwrap()).unwrap();
        probabilities(&classifier, &photo)
    };
    assert_eq!(answer(Precision::Auto), answer(Precision::Float32));
}
