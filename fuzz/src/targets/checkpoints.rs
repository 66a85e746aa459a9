//! Checkpoints of both formats with a damaged first table and intact shards.

use std::fs;
use std::path::{Path, PathBuf};

use lorgnette::net::weights::Weights;

use super::{Input, Target, must_name, unpack};
use crate::mutate::scramble;
use crate::mutate::table::mutate;
use crate::random::Random;

/// The checkpoints of lorgnette-net's tests, written by TensorFlow.
const CORPUS: &str = "crates/lorgnette-net/tests/checkpoints/checkpoints.tar.gz";

/// The target of checkpoints.
pub(super) struct Checkpoints {
    seeds: Vec<Seed>,
}

/// A checkpoint in its own folder, and the file to damage.
struct Seed {
    path: PathBuf,
    bytes: Vec<u8>,
}

impl Checkpoints {
    /// Unpacks the corpus into a folder of `scratch`.
    pub(super) fn new(scratch: &Path) -> Self {
        let folder = scratch.join("checkpoints");
        unpack(CORPUS, &folder);
        let mut folders: Vec<PathBuf> =
            fs::read_dir(&folder).expect("it is there").flatten().map(|e| e.path()).collect();
        folders.sort();
        Self { seeds: folders.iter().filter_map(|folder| Seed::from_folder(folder)).collect() }
    }
}

impl Seed {
    /// Returns the first table of a checkpoint's folder.
    fn from_folder(folder: &Path) -> Option<Self> {
        let mut files: Vec<PathBuf> = fs::read_dir(folder)
            .ok()?
            .flatten()
            .map(|entry| entry.path())
            .filter(|path: &PathBuf| {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                name != "checkpoint" && !name.contains(".data-") && !name.ends_with(".npy")
            })
            .collect();
        files.sort();
        let path = files.into_iter().next()?;
        Some(Self { bytes: fs::read(&path).ok()?, path })
    }
}

impl Target for Checkpoints {
    fn input(&self, random: &mut Random) -> Input {
        let origin = random.below(self.seeds.len());
        let mut bytes = self.seeds[origin].bytes.clone();
        let other = &random.pick(&self.seeds).bytes;
        for _ in 0..=random.below(4) {
            // Corrected checksums let the damage through to the code that reads the entries.
            if random.one_in(4) {
                scramble(random, &mut bytes, other);
            } else {
                mutate(random, &mut bytes);
            }
        }
        Input { bytes, origin }
    }

    fn run(&self, input: &Input, _: &mut Random) -> Result<&'static str, String> {
        let path = &self.seeds[input.origin].path;
        // The file is removed and created again, since it may still be mapped.
        let _ = fs::remove_file(path);
        fs::write(path, &input.bytes).map_err(|error| error.to_string())?;
        let folder = path
            .parent()
            .and_then(Path::file_name)
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let weights = match Weights::open(path) {
            Ok(weights) => weights,
            Err(error) => return must_name(&folder, &error).map(|()| "refused"),
        };
        let mut damaged = false;
        for (variable, tensor) in weights.iter() {
            match tensor {
                Ok(tensor) if tensor.shape() != variable.shape() => {
                    return Err("a tensor of another shape".into());
                }
                Ok(_) => {}
                Err(error) => {
                    damaged = true;
                    must_name(&folder, &error)?;
                    must_name(variable.name(), &error)?;
                }
            }
        }
        Ok(if damaged { "read in part" } else { "read" })
    }

    /// The bounds that `weights.rs` states for each kind of variable, one at a time; the largest
    /// factor is that of varints in a block of snappy.
    fn bound(&self, length: usize) -> usize {
        (16 << 20) + 512 * length
    }

    fn share(&self) -> f64 {
        0.15
    }
}
