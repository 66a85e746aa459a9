//! ONNX models: read, their signature found, planned, and, where that is quickly done, run.

use std::sync::Arc;

use lorgnette::kernels::{Level, ThreadPool};
use lorgnette::net::{LoadOptions, Network, RunOptions};

use super::graphs::{MEMORY_LIMIT, Sample, plan_and_run, samples};
use super::{Input, Target, must_name};
use crate::mutate::{graph, scramble};
use crate::random::Random;

/// The models that the tests compare with ONNX Runtime.
const CORPUS: &str = "crates/lorgnette-net/tests/onnx_imports.tar.gz";
/// The file's name in messages.
const NAME: &str = "damaged.onnx";

/// The target.
pub(super) struct OnnxModels {
    samples: Vec<Sample>,
    pool: Arc<ThreadPool>,
    levels: Vec<Level>,
}

impl OnnxModels {
    pub(super) fn new() -> Self {
        let pool = Arc::new(ThreadPool::new(1));
        Self { samples: samples(CORPUS), pool, levels: Level::available().to_vec() }
    }
}

impl Target for OnnxModels {
    fn input(&self, random: &mut Random) -> Input {
        let origin = random.below(self.samples.len());
        let other = random.below(self.samples.len());
        let mut bytes = self.samples[origin].file.clone();
        if !random.one_in(8) {
            bytes = graph::mutate_onnx(random, &bytes, &self.samples[other].file);
        }
        if random.one_in(5) {
            for _ in 0..=random.below(4) {
                scramble(random, &mut bytes, &self.samples[other].file);
            }
        }
        Input { bytes, origin }
    }

    fn run(&self, input: &Input, random: &mut Random) -> Result<&'static str, String> {
        let (level, pool) = (*random.pick(&self.levels), self.pool.clone());
        let options = RunOptions {
            pool,
            level,
            memory_limit: MEMORY_LIMIT,
            ..RunOptions::with_threads(Some(1))
        };
        match Network::from_bytes(input.bytes.clone(), NAME, LoadOptions::default(), options) {
            Ok(network) => plan_and_run(&network, &self.samples[input.origin], random),
            Err(error) => must_name(NAME, &error).map(|()| "refused"),
        }
    }

    /// As of graphs, but for empty messages, which have more fields.
    fn bound(&self, length: usize) -> usize {
        (256 << 20) + 4 * MEMORY_LIMIT as usize + 512 * length
    }

    fn share(&self) -> f64 {
        0.2
    }
}
