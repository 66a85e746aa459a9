//! How far answers for the same photos are apart.

use std::path::{Path, PathBuf};

use lorgnette_oracle::tolerance::MIN_PHOTOS_FOR_SHARES;

/// How the answers for photos, made in one way, differ from those that are wanted.
#[derive(Debug, Default)]
pub(crate) struct Difference {
    pub(crate) photos: usize,
    /// Photos whose most probable class is the same.
    pub(crate) first: usize,
    /// Photos whose five most probable classes are the same, in any order.
    pub(crate) five: usize,
    /// Photos whose most probable class, of either answer, is among the five of the other.
    among_five: usize,
    /// The largest difference of a probability.
    pub(crate) probability: f32,
    /// The sum over photos of the largest difference of a probability.
    sum: f64,
}

impl Difference {
    /// Adds a photo: the probability of each class.
    pub(crate) fn add(&mut self, expected: &[f32], found: &[f32]) {
        let (wanted_best, found_best) = (best(expected), best(found));
        self.photos += 1;
        self.first += usize::from(wanted_best[0] == found_best[0]);
        self.five += usize::from(wanted_best.iter().all(|class| found_best.contains(class)));
        let is_among = found_best.contains(&wanted_best[0]) && wanted_best.contains(&found_best[0]);
        self.among_five += usize::from(is_among);
        let apart = expected.iter().zip(found).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        self.probability = self.probability.max(apart);
        self.sum += f64::from(apart);
    }

    /// Adds a photo whose answer must be the same.
    #[allow(dead_code, reason = "not every test asks")]
    pub(crate) fn add_same(&mut self) {
        self.photos += 1;
        self.first += 1;
        self.five += 1;
        self.among_five += 1;
    }

    /// The mean over photos of the largest difference of a probability.
    #[allow(dead_code, reason = "not every test asks")]
    pub(crate) fn mean(&self) -> f64 {
        self.sum / self.photos.max(1) as f64
    }

    /// True if no probability differs by more than `probability`, and large enough shares of the
    /// photos have the same first class and the same five.
    ///
    /// One photo of four is a quarter, so shares of few photos say nothing. Of fewer than
    /// `MIN_PHOTOS_FOR_SHARES`, each must have the first class of either answer among the five of
    /// the other; a line says so.
    pub(crate) fn is_within(&self, first: f32, five: f32, probability: f32) -> bool {
        assert!(self.photos > 0, "there are no photos to compare answers for");
        let share = |count: usize| count as f32 / self.photos as f32;
        let agrees = if self.photos < MIN_PHOTOS_FOR_SHARES {
            println!(
                "{} photos are too few for shares: first classes must be among the five",
                self.photos
            );
            self.among_five == self.photos
        } else {
            share(self.first) >= first && share(self.five) >= five
        };
        agrees && self.probability <= probability
    }
}

/// The five most probable classes, the best first.
fn best(values: &[f32]) -> Vec<usize> {
    let mut classes: Vec<usize> = (0..values.len()).collect();
    classes.sort_by(|&a, &b| values[b].total_cmp(&values[a]));
    classes.truncate(5);
    classes
}

/// The JPEGs in a folder.
pub(crate) fn jpegs(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| {
        file.extension().is_some_and(|kind| kind.eq_ignore_ascii_case("jpg") || kind == "JPEG")
    });
    files.sort();
    files
}

/// The folder of the photos that TensorFlow answered for, or the project's own.
pub(crate) fn photos() -> PathBuf {
    let own = concat!(env!("CARGO_MANIFEST_DIR"), "/../../photos").into();
    lorgnette_oracle::folder().map_or(own, |shared| shared.join("photos"))
}
