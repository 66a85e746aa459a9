//! Frozen graphs: read, analysed, planned, and run if that is quick.

mod hostile;

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use lorgnette::kernels::{Level, ThreadPool};
use lorgnette::net::{
    DenseOptions, GraphDef, LoadOptions, MapPadding, Network, Plan, RunOptions, Session, npy,
};

use super::{Input, Target, must_name, repository};
use crate::mutate::{graph, scramble};
use crate::random::Random;

/// The file's name in messages.
const NAME: &str = "damaged.pb";
/// The graphs that the tests compare with TensorFlow.
const CORPUS: &str = "crates/lorgnette-net/tests/operations.tar.gz";
/// The memory limit for the activations of a plan.
pub(super) const MEMORY_LIMIT: u64 = 64 << 20;
/// Larger plans are not run: they take long and exercise nothing new.
const MAX_ACTIVATIONS: usize = 8 << 20;
const MAX_FLOPS: u64 = 50_000_000;
/// The number of plans for each graph.
const ATTEMPTS: usize = 3;

/// A graph of the corpus and its feeds.
pub(super) struct Sample {
    pub(super) file: Vec<u8>,
    pub(super) feeds: Vec<(String, Vec<usize>)>,
    pub(super) fetches: Vec<String>,
}

impl Sample {
    /// Returns the shapes to feed, occasionally modified.
    fn feeds(&self, random: &mut Random) -> Vec<(String, Vec<usize>)> {
        let mut feeds = self.feeds.clone();
        if !feeds.is_empty() && random.one_in(12) {
            feeds.remove(random.below(feeds.len()));
        }
        for (_, shape) in &mut feeds {
            if !shape.is_empty() && random.one_in(12) {
                let at = random.below(shape.len());
                shape[at] = random.below(20);
            }
        }
        feeds
    }
}

/// The target of graphs.
pub(super) struct Graphs {
    /// The number of small graphs, those of `operations.tar.gz`.
    small: usize,
    /// The small graphs, then large ones: MobileNet without its weights, and hostile graphs.
    samples: Vec<Sample>,
    mobilenet: Vec<u8>,
    runner: Runner,
}

/// Reads graphs, plans them and runs the plans.
pub(super) struct Runner {
    pools: [Arc<ThreadPool>; 2],
    levels: Vec<Level>,
}

#[derive(serde::Deserialize)]
struct Case {
    graph: String,
    feeds: BTreeMap<String, String>,
    fetches: BTreeMap<String, String>,
}

impl Graphs {
    pub(super) fn new() -> Self {
        let mobilenet =
            std::fs::read(repository("crates/lorgnette/models/mobilenet_v1_1.0_224.pb"));
        let mobilenet = mobilenet.expect("the embedded network is in the repository");
        let mut samples = samples(CORPUS);
        let small = samples.len();
        samples.push(Sample {
            file: graph::without_weights(&mobilenet),
            feeds: vec![("input".into(), vec![1, 32, 32, 3])],
            fetches: vec!["MobilenetV1/Predictions/Reshape_1".into()],
        });
        samples.extend(hostile::samples());
        Self { small, samples, mobilenet, runner: Runner::new() }
    }

    /// Returns a graph to damage or to take pieces from: usually a small one.
    fn origin(&self, random: &mut Random) -> usize {
        let large = self.samples.len() - self.small;
        if random.one_in(200) { self.small + random.below(large) } else { random.below(self.small) }
    }
}

/// A decoded graph to be planned.
struct Read<'a> {
    sample: &'a Sample,
    names: Vec<&'a str>,
    network: &'a Network,
}

impl Read<'_> {
    /// A plan for what the sample was made for, for any nodes, or for what the graph itself shows.
    fn session(&self, attempt: usize, random: &mut Random) -> Option<Session> {
        let fetches = match attempt {
            0 => self.sample.fetches.clone(),
            1 if !self.names.is_empty() => vec![
                (*random.pick(&self.names)).to_owned(),
                format!("{}:{}", random.pick(&self.names), random.below(3)),
            ],
            _ => {
                self.network.signature().map(|signature| vec![signature.logits]).unwrap_or_default()
            }
        };
        let fetches: Vec<&str> = fetches.iter().map(String::as_str).collect();
        let feeds = self.sample.feeds(random);
        let feeds: Vec<(&str, &[usize])> =
            feeds.iter().map(|(name, shape)| (name.as_str(), shape.as_slice())).collect();
        self.network.session(&feeds, &fetches).ok()
    }

    /// A plan for what the graph itself shows, over a picture of any size.
    fn map(&self, random: &mut Random) -> Option<Session> {
        let padding = if random.one_in(2) { MapPadding::Same } else { MapPadding::Valid };
        let dense = DenseOptions {
            padding,
            output_stride: *random.pick(&[None, Some(1), Some(2), Some(16)]),
            max_mean_side: *random.pick(&[None, Some(0), Some(1), Some(3)]),
            second_mean_side: *random.pick(&[None, Some(0), Some(2)]),
            tapers: *random.pick(&[false, true]),
        };
        let [window, size] = [(); 2].map(|()| [(); 2].map(|()| *random.pick(&[1, 2, 7, 32, 65])));
        Some(self.network.dense_session(dense, window, size).ok()?.session)
    }
}

impl Runner {
    pub(super) fn new() -> Self {
        let pools = [1, 2].map(|threads| Arc::new(ThreadPool::new(threads)));
        Self { pools, levels: Level::available().to_vec() }
    }

    /// Reads a file that messages call `name`, plans it and runs small plans. Returns the stage
    /// that was reached, or the fault of an answer.
    pub(super) fn run(
        &self,
        name: &str,
        bytes: &[u8],
        sample: &Sample,
        random: &mut Random,
    ) -> Result<&'static str, String> {
        let (level, pool) =
            (*random.pick(&self.levels), self.pools[usize::from(random.one_in(8))].clone());
        let options = RunOptions {
            pool,
            level,
            memory_limit: MEMORY_LIMIT,
            ..RunOptions::with_threads(Some(1))
        };
        let bytes = Bytes::copy_from_slice(bytes);
        let read = GraphDef::from_bytes(bytes.clone(), Path::new(name));
        let (graph, network) = match read.and_then(|graph| {
            let load = LoadOptions::default();
            Ok((graph, Network::from_bytes(bytes, name, load, options)?))
        }) {
            Ok(both) => both,
            Err(error) => return must_name(name, &error).map(|()| "refused"),
        };
        graph.operations();
        plan_and_run(&network, sample, random)
    }
}

impl Target for Graphs {
    fn input(&self, random: &mut Random) -> Input {
        let origin = self.origin(random);
        let other = self.origin(random);
        let mut bytes = self.samples[origin].file.clone();
        if random.one_in(2000) {
            bytes = self.mobilenet[..random.below(self.mobilenet.len())].to_vec();
        } else if !random.one_in(8) {
            bytes = graph::mutate(random, &bytes, &self.samples[other].file);
        }
        if random.one_in(5) {
            for _ in 0..=random.below(4) {
                scramble(random, &mut bytes, &self.samples[other].file);
            }
        }
        Input { bytes, origin }
    }

    fn run(&self, input: &Input, random: &mut Random) -> Result<&'static str, String> {
        self.runner.run(NAME, &input.bytes, &self.samples[input.origin], random)
    }

    /// 160 bytes per byte of file cover a list of empty nodes of two bytes each. Four memory limits
    /// cover the activations, the index tables and packed weights, and either while it grows. The
    /// rest covers constants written as one repeated number, and values computed from them.
    fn bound(&self, length: usize) -> usize {
        bound(length)
    }

    fn share(&self) -> f64 {
        0.35
    }
}

/// Returns the memory bound of a graph in a file of this length.
pub(super) fn bound(length: usize) -> usize {
    (256 << 20) + 4 * MEMORY_LIMIT as usize + 160 * length
}

/// Plans a network for what its sample was made for and for other things, and runs what is small.
/// Gives how far that came.
pub(super) fn plan_and_run(
    network: &Network,
    sample: &Sample,
    random: &mut Random,
) -> Result<&'static str, String> {
    let read = Read { sample, names: network.node_names().collect(), network };
    let (mut planned, mut ran) = (0, 0);
    for attempt in 0..=ATTEMPTS {
        let session =
            if attempt < ATTEMPTS { read.session(attempt, random) } else { read.map(random) };
        let Some(session) = session else { continue };
        planned += 1;
        if is_small(session.plan()) {
            run(session, random)?;
            ran += 1;
        }
    }
    Ok(match (planned, ran) {
        (0, _) => "read",
        (_, 0) => "planned",
        _ => "ran",
    })
}

/// Returns true if a run is short.
pub(super) fn is_small(plan: &Plan) -> bool {
    let flops = plan.report(&[]).iter().fold(0, |sum: u64, step| sum.saturating_add(step.flops));
    plan.activation_bytes(2) <= MAX_ACTIVATIONS && flops <= MAX_FLOPS
}

fn run(mut session: Session, random: &mut Random) -> Result<(), String> {
    let names: Vec<String> = session.inputs().iter().map(|port| port.name.clone()).collect();
    for name in names {
        let values = session.input_mut(&name).map_err(|error| error.to_string())?;
        values.iter_mut().for_each(|value| *value = random.float());
    }
    session.run().map_err(|error| error.to_string())?;
    for (index, port) in session.outputs().iter().enumerate() {
        let length = session.output_at(index).map_err(|error| error.to_string())?.len();
        if port.fact.len() != length {
            return Err(format!(
                "output {} of shape {:?} has {length} values",
                port.name, port.fact.shape
            ));
        }
    }
    Ok(())
}

/// Returns the graphs of an archive of fixtures.
pub(super) fn samples(archive: &str) -> Vec<Sample> {
    named_samples(archive).into_iter().map(|(_, sample)| sample).collect()
}

/// Returns the graphs of an archive of fixtures with their names. That of a folder is its
/// `saved_model.pb`.
pub(super) fn named_samples(archive: &str) -> Vec<(String, Sample)> {
    let packed = std::fs::File::open(repository(archive));
    let packed = packed.expect("the graphs are in the repository");
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(packed));
    let mut files = BTreeMap::new();
    for entry in archive.entries().expect("a sound archive") {
        let mut entry = entry.expect("a sound archive");
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).expect("a sound archive");
        files.insert(entry.path().expect("a sound archive").to_string_lossy().into_owned(), bytes);
    }
    let cases: Vec<Case> =
        serde_json::from_slice(&files["manifest.json"]).expect("a sound manifest");
    let shape = |file: &String| npy::read(&files[file]).expect("a sound tensor").shape().to_vec();
    cases
        .into_iter()
        .map(|case: Case| {
            let graph = match files.contains_key(&case.graph) {
                true => case.graph,
                false => format!("{}/saved_model.pb", case.graph),
            };
            let sample = Sample {
                file: files[&graph].clone(),
                feeds: case.feeds.iter().map(|(name, file)| (name.clone(), shape(file))).collect(),
                fetches: case.fetches.into_keys().collect(),
            };
            (graph, sample)
        })
        .collect()
}
