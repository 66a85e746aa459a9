//! The embedded network on photos decoded at a reduced size, beside itself on all their pixels. The
//! table of docs/speed.md:
//!
//! ```text
//! cargo test --release -p lorgnette --test reduced -- --nocapture
//! LORGNETTE_LARGE_PHOTOS=FOLDER cargo test --release -p lorgnette --test reduced -- --nocapture
//! ```
//! The second is about the JPEGs of a folder, which are not held to the tolerances of the first.

#[path = "support/difference.rs"]
mod difference;

use std::cell::OnceCell;
use std::env;
use std::fs;
use std::path::PathBuf;

use lorgnette::picture::OpenOptions;
use lorgnette::{Classifier, Model, ModelOptions, Picture};
use lorgnette_oracle::tolerance::{REDUCED, REDUCED_RATIO_TO_CROP};

use self::difference::{Difference, jpegs, photos};

/// Where the large photos of one's own are.
const FOLDER: &str = "LORGNETTE_LARGE_PHOTOS";

fn print(what: &str, difference: &Difference) {
    let Difference { photos, first, five, probability, .. } = difference;
    let mean = difference.mean();
    println!(
        "  {what:28} first {first:>3}/{photos}  five {five:>3}/{photos}  most {probability:.3}  mean {mean:.4}"
    );
}

/// A photo without its first row and column.
fn cut(photo: &Picture) -> Picture {
    let (width, height) = (photo.width(), photo.height());
    let rows = photo.to_rgb8();
    let rest: Vec<u8> =
        rows.chunks_exact(3 * width).skip(1).flat_map(|row| &row[3..]).copied().collect();
    Picture::from_rgb8(width - 1, height - 1, rest).unwrap()
}

#[test]
fn reduced_photos_change_the_answers_little() {
    let classifier = Classifier::new(Model::embedded(&ModelOptions::default()).unwrap()).unwrap();
    let enough = classifier.model().min_decode_size().unwrap();
    assert_eq!(enough, [512; 2], "twice 224 rows of the central 87.5 %");
    // Over all photos; over those alone that became smaller; and over these without a row and a
    // column.
    let mut all = REDUCED.map(|_| Difference::default());
    let mut smaller = REDUCED.map(|_| Difference::default());
    let mut without = REDUCED.map(|_| Difference::default());
    let told = env::var_os(FOLDER).map(PathBuf::from);
    for path in jpegs(&told.clone().unwrap_or_else(photos)) {
        let bytes = fs::read(&path).unwrap();
        let open = |min_decode_size| {
            OpenOptions { min_decode_size, ..OpenOptions::default() }
                .decode(&bytes, "a photo")
                .unwrap()
        };
        let whole = open(None);
        let answers = OnceCell::new();
        for (place, tolerance) in REDUCED.iter().enumerate() {
            let least = enough.map(|side| side * tolerance.times / 2);
            let reduced = open(Some(least));
            assert_eq!(reduced.source_size(), (whole.width(), whole.height()));
            if reduced.width() == whole.width() {
                assert_eq!(reduced, whole);
                all[place].add_same();
                continue;
            }
            assert!(reduced.height() >= least[0] && reduced.width() >= least[1]);
            let of = |photo: &Picture| classifier.outputs(photo).unwrap().probabilities;
            let (expected, of_cut) = answers.get_or_init(|| (of(&whole), of(&cut(&whole))));
            let found = of(&reduced);
            all[place].add(expected, &found);
            smaller[place].add(expected, &found);
            without[place].add(expected, of_cut);
        }
    }
    for (place, tolerance) in REDUCED.iter().enumerate() {
        println!("{} pixels or more for each of the input's rows and columns:", tolerance.times);
        print("all photos", &all[place]);
        print("those that became smaller", &smaller[place]);
        print("without a row and a column", &without[place]);
        let is_within =
            all[place].is_within(tolerance.first, tolerance.five, tolerance.probability);
        assert!(told.is_some() || is_within, "{tolerance:?}: {:?}", all[place]);
    }
    let (reduced, cut) = (smaller[0].mean(), without[0].mean());
    assert!(
        told.is_none() || reduced <= REDUCED_RATIO_TO_CROP * cut,
        "{reduced} is more than {cut}"
    );
    assert!(smaller[1].photos > 0, "no photo is large enough: is anything reduced at all?");
}
