//! TFRecord files of labelled pictures.

use std::fs;
use std::path::{Path, PathBuf};

use lorgnette::dataset::{Dataset, Listing, ListingOptions};
use lorgnette::picture::OpenOptions;

use super::{Input, Target, must_name, unpack};
use crate::mutate::scramble;
use crate::random::Random;

/// The files that the tests compare with TensorFlow.
const CORPUS: &str = "crates/lorgnette/tests/records.tar.gz";

/// The target.
pub(super) struct Records {
    seeds: Vec<(PathBuf, Vec<u8>)>,
}

impl Records {
    /// Unpacks the corpus into a folder of `scratch`.
    pub(super) fn new(scratch: &Path) -> Self {
        let folder = scratch.join("records");
        unpack(CORPUS, &folder);
        let mut seeds = Vec::new();
        for folder in fs::read_dir(&folder).expect("it is there").flatten() {
            for file in fs::read_dir(folder.path()).into_iter().flatten().flatten() {
                let name = file.file_name().to_string_lossy().into_owned();
                if name.contains("-of-") || name.ends_with(".tfrecord") {
                    let content = fs::read(file.path()).expect("it can be read");
                    seeds.push((file.path(), content));
                }
            }
        }
        seeds.sort();
        Self { seeds }
    }
}

impl Target for Records {
    fn input(&self, random: &mut Random) -> Input {
        let origin = random.below(self.seeds.len());
        let mut bytes = self.seeds[origin].1.clone();
        let other = &random.pick(&self.seeds).1;
        for _ in 0..=random.below(4) {
            scramble(random, &mut bytes, other);
        }
        Input { bytes, origin }
    }

    fn run(&self, input: &Input, _: &mut Random) -> Result<&'static str, String> {
        let path = &self.seeds[input.origin].0;
        fs::write(path, &input.bytes).map_err(|error| error.to_string())?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let listing = match Listing::open(path, &ListingOptions::default()) {
            Ok(listing) => listing,
            Err(error) => return must_name(&name, &error).map(|()| "refused"),
        };
        let dataset = Dataset::read(listing, 1, &mut ()).map_err(|error| error.to_string())?;
        for rejected in &dataset.rejected {
            must_name(&name, &rejected.message)?;
        }
        for example in &dataset.examples {
            if let Err(error) = OpenOptions::default().read(&example.photo) {
                return Err(format!("a listed photo cannot be read: {error}"));
            }
        }
        Ok(if dataset.rejected.is_empty() { "read" } else { "read in part" })
    }

    fn bound(&self, length: usize) -> usize {
        (1 << 20) + 64 * length
    }

    fn share(&self) -> f64 {
        0.05
    }
}
