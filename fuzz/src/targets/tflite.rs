//! TensorFlow Lite files: as graphs are, their FlatBuffer damaged.

use super::graphs::{Runner, Sample, bound, samples};
use super::{Input, Target};
use crate::mutate::{flatbuffer, scramble};
use crate::random::Random;

/// The name of the file in messages.
const NAME: &str = "damaged.tflite";
/// The files that the tests compare with LiteRT.
const CORPUS: &str = "crates/lorgnette-net/tests/tflite.tar.gz";

/// The target.
pub(super) struct LiteFiles {
    samples: Vec<Sample>,
    runner: Runner,
}

impl LiteFiles {
    pub(super) fn new() -> Self {
        Self { samples: samples(CORPUS), runner: Runner::new() }
    }
}

impl Target for LiteFiles {
    fn input(&self, random: &mut Random) -> Input {
        let origin = random.below(self.samples.len());
        let other = &random.pick(&self.samples).file;
        let mut bytes = self.samples[origin].file.clone();
        for _ in 0..=random.below(4) {
            if random.one_in(5) {
                scramble(random, &mut bytes, other);
            } else {
                flatbuffer::mutate(random, &mut bytes, other);
            }
        }
        Input { bytes, origin }
    }

    fn run(&self, input: &Input, random: &mut Random) -> Result<&'static str, String> {
        self.runner.run(NAME, &input.bytes, &self.samples[input.origin], random)
    }

    fn bound(&self, length: usize) -> usize {
        bound(length)
    }

    fn share(&self) -> f64 {
        0.1
    }
}
