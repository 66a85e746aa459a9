//! Plan files.

use std::fs;
use std::path::{Path, PathBuf};

use lorgnette::net::{LoadOptions, Network, RunOptions};

use super::graphs::is_small;
use super::{Input, Target, must_name, unpack};
use crate::mutate::scramble;
use crate::random::Random;

/// The file's name.
const NAME: &str = "damaged.plan";
/// Small models written by TensorFlow.
const CORPUS: &str = "crates/lorgnette-net/tests/models.tar.gz";
/// The damaged part: packed weights follow the first pages, and no reader inspects them.
const HEADER: usize = 16 << 10;

/// The target of plan files.
pub(super) struct Plans {
    path: PathBuf,
    seeds: Vec<Vec<u8>>,
    run: RunOptions,
}

impl Plans {
    /// Creates plan files of the corpus in a folder of `scratch`.
    pub(super) fn new(scratch: &Path) -> Self {
        let folder = scratch.join("plans");
        unpack(CORPUS, &folder);
        let run = RunOptions { memory_limit: 64 << 20, ..RunOptions::with_threads(Some(1)) };
        let plan_of = |model: &str| {
            let network = Network::open(&folder.join(model), LoadOptions::default(), run.clone())
                .expect("a sound model");
            let signature = network.signature().expect("it is clear");
            network
                .plan(&[(&signature.input.name, &[1, 12, 10, 3])], &[&signature.logits])
                .expect("it can be planned");
            let path = folder.join("sound.plan");
            network.write_plan_file(&path).expect("a plan file can be written");
            fs::read(path).expect("and read")
        };
        let seeds =
            ["retrained/output_graph.pb", "exported_v2/inference_graph.pb"].map(plan_of).into();
        Self { path: folder.join(NAME), seeds, run }
    }
}

impl Target for Plans {
    fn input(&self, random: &mut Random) -> Input {
        let origin = random.below(self.seeds.len());
        let mut bytes = self.seeds[origin].clone();
        let tail = bytes.split_off(HEADER.min(bytes.len()));
        for _ in 0..=random.below(4) {
            scramble(random, &mut bytes, &self.seeds[0]);
        }
        if !random.one_in(4) {
            mend_checksum(&mut bytes);
        }
        if random.one_in(2) {
            bytes.extend(tail);
        }
        Input { bytes, origin }
    }

    fn run(&self, input: &Input, _: &mut Random) -> Result<&'static str, String> {
        let _ = fs::remove_file(&self.path);
        fs::write(&self.path, &input.bytes).map_err(|error| error.to_string())?;
        let network = match Network::open(&self.path, LoadOptions::default(), self.run.clone()) {
            Ok(network) => network,
            // A file that is no longer a plan file is read as the format it resembles.
            Err(error) => return must_name("damaged", &error).map(|()| "refused"),
        };
        let planned = network.signature().and_then(|signature| {
            network.session(&[(&signature.input.name, &[1, 12, 10, 3])], &[&signature.logits])
        });
        let Ok(mut session) = planned else { return Ok("opened") };
        if !is_small(session.plan()) {
            return Ok("planned");
        }
        // Every plan must run, but not on weights of another place than their checksum is of.
        match session.run() {
            Ok(()) => Ok("ran"),
            Err(error) => must_name("damaged", &error).map(|()| "refused after the run"),
        }
    }

    /// As for graphs, which plan files contain.
    fn bound(&self, length: usize) -> usize {
        (256 << 20) + 4 * (64 << 20) + 160 * length
    }

    fn share(&self) -> f64 {
        0.05
    }
}

/// Corrects the header's checksum, if its length is still valid.
fn mend_checksum(bytes: &mut [u8]) {
    const LENGTH: std::ops::Range<usize> = 12..16;
    const CHECKSUM: std::ops::Range<usize> = 16..20;
    const FIXED: usize = 24;
    let Some(length) = bytes
        .get(LENGTH)
        .map(|length| u32::from_le_bytes([length[0], length[1], length[2], length[3]]))
    else {
        return;
    };
    if let Some(header) = bytes.get(FIXED..FIXED.saturating_add(length as usize)) {
        let sum = crate::mutate::table::checksum(header).to_le_bytes();
        bytes[CHECKSUM].copy_from_slice(&sum);
    }
}
