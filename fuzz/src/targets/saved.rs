//! SavedModels and Keras models: one file damaged, the variables beside it intact.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lorgnette::kernels::ThreadPool;
use lorgnette::net::{LoadOptions, Network, RunOptions};

use super::graphs::{MEMORY_LIMIT, Sample, bound, named_samples, plan_and_run};
use super::{Input, Target, must_name, unpack};
use crate::mutate::scramble;
use crate::random::Random;

/// The models that the tests compare with TensorFlow.
const CORPUS: &str = "crates/lorgnette-net/tests/saved_models.tar.gz";

/// The target.
pub(super) struct SavedModels {
    seeds: Vec<(PathBuf, Sample)>,
    pool: Arc<ThreadPool>,
}

impl SavedModels {
    /// Unpacks the corpus into a folder of `scratch`.
    pub(super) fn new(scratch: &Path) -> Self {
        let folder = scratch.join("saved");
        unpack(CORPUS, &folder);
        let seeds = named_samples(CORPUS)
            .into_iter()
            .map(|(name, sample)| (folder.join(name), sample))
            .collect();
        Self { seeds, pool: Arc::new(ThreadPool::new(1)) }
    }
}

impl Target for SavedModels {
    fn input(&self, random: &mut Random) -> Input {
        let origin = random.below(self.seeds.len());
        let mut bytes = self.seeds[origin].1.file.clone();
        let other = &random.pick(&self.seeds).1.file;
        for _ in 0..=random.below(4) {
            scramble(random, &mut bytes, other);
        }
        Input { bytes, origin }
    }

    fn run(&self, input: &Input, random: &mut Random) -> Result<&'static str, String> {
        let (path, sample) = &self.seeds[input.origin];
        // The file is removed and created again, since it may still be mapped.
        let _ = fs::remove_file(path);
        fs::write(path, &input.bytes).map_err(|error| error.to_string())?;
        let options = RunOptions {
            pool: self.pool.clone(),
            memory_limit: MEMORY_LIMIT,
            ..RunOptions::with_threads(Some(1))
        };
        match Network::open(path, LoadOptions::default(), options) {
            Ok(network) => plan_and_run(&network, sample, random),
            Err(error) => must_name_model(path, &error).map(|()| "refused"),
        }
    }

    fn bound(&self, length: usize) -> usize {
        bound(length)
    }

    fn share(&self) -> f64 {
        0.1
    }
}

/// Checks that an error names the file, its folder, or what it asks to choose.
fn must_name_model(path: &Path, error: &lorgnette::net::Error) -> Result<(), String> {
    let name = |path: Option<&Path>| {
        path.and_then(Path::file_name).unwrap_or_default().to_string_lossy().into_owned()
    };
    match error {
        lorgnette::net::Error::Ambiguous { .. } | lorgnette::net::Error::Unknown { .. } => Ok(()),
        error => {
            must_name(&name(Some(path)), error).or_else(|_| must_name(&name(path.parent()), error))
        }
    }
}
