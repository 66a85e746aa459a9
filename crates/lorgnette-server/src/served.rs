//! One version of a model in memory: its inputs and outputs, and how requests are computed.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use lorgnette::net::scores::softmax;
use lorgnette::picture::OpenOptions;
use lorgnette::{Model, Picture, Preprocessor};

use crate::failure::{Code, Failure, Outcome};
use crate::metrics::{ModelMetrics, Times};
use crate::scheduler::Turn;

/// A version of a model that is ready.
#[derive(Debug)]
pub(crate) struct Served {
    /// The name in requests.
    pub(crate) name: String,
    pub(crate) version: u64,
    pub(crate) input: InputSpec,
    /// The first is what is answered when a request names no outputs.
    pub(crate) outputs: Vec<OutputSpec>,
    pub(crate) metrics: Arc<ModelMetrics>,
    /// The report of its training.
    pub(crate) report: Option<PathBuf>,
    limits: Limits,
    /// On all cores, and on the calling thread alone; weights are shared.
    wide: Model,
    narrow: Model,
}

/// Limits of one request.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    /// Maximum number of samples.
    pub(crate) batch: usize,
    /// How photos are opened.
    pub(crate) photos: OpenOptions,
}

impl Limits {
    /// Opens a photo of a request.
    ///
    /// # Errors
    /// If it is no photo, or too large.
    pub(crate) fn open_photo(&self, file: &[u8], name: &str) -> Outcome<Picture> {
        Ok(self.photos.decode(file, name)?)
    }
}

/// The input of a model.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct InputSpec {
    pub(crate) name: String,
    /// Rows, columns, channels of a sample; `None` stands for any length.
    pub(crate) sample: Vec<Option<usize>>,
    /// True if samples form batches in the first dimension. Graphs that take decoded photos of any
    /// size take one at a time, without a batch dimension.
    pub(crate) has_batch: bool,
}

/// An output of a model.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct OutputSpec {
    pub(crate) name: String,
    /// The node that it is read from.
    node: String,
    /// True if it is the softmax of the node.
    is_softmax: bool,
    /// The shape of one sample, without the batch dimension.
    pub(crate) sample: Vec<usize>,
    /// True if its first dimension is the batch.
    pub(crate) has_batch: bool,
}

/// The names of outputs.
pub(crate) const PROBABILITIES: &str = "probabilities";
pub(crate) const LOGITS: &str = "logits";
pub(crate) const FEATURES: &str = "features";

/// The input of a request.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Input {
    /// A tensor as the network takes it.
    Floats { shape: Vec<usize>, values: Vec<f32> },
    /// Files of photos, one for each sample.
    Photos(Vec<Bytes>),
}

/// An output of a request.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct OutputTensor {
    pub(crate) name: String,
    pub(crate) shape: Vec<usize>,
    pub(crate) values: Vec<f32>,
    pub(crate) has_batch: bool,
}

/// A computed request.
#[derive(Clone, Debug)]
pub(crate) struct Inference {
    pub(crate) outputs: Vec<OutputTensor>,
    pub(crate) times: Times,
    /// Number of samples.
    pub(crate) batch: usize,
}

/// Side of the photo by which a graph is measured that takes photos of any size.
const PROBE_SIDE: usize = 64;

impl Served {
    /// Prepares a model for requests: measures its outputs, packs its weights and runs it once.
    ///
    /// # Errors
    /// If it cannot be planned or run.
    pub(crate) fn new(
        name: &str,
        version: u64,
        model: Model,
        limits: Limits,
        metrics: Arc<ModelMetrics>,
    ) -> Outcome<Self> {
        let narrow = model.with_threads(1);
        let input = InputSpec::new(&model);
        let outputs = outputs(&model, &input)?;
        let name = name.to_owned();
        let (report, wide) = (None, model);
        let served = Self { name, version, input, outputs, metrics, report, limits, wide, narrow };
        served.warm_up()?;
        Ok(served)
    }

    /// The model for a turn: on all cores if it is alone.
    pub(crate) fn model(&self, turn: &Turn) -> &Model {
        if turn.is_alone { &self.wide } else { &self.narrow }
    }

    /// The model, for facts that do not depend on threads.
    pub(crate) fn facts(&self) -> &Model {
        &self.wide
    }

    /// The limits of one request.
    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Maximum samples of a request.
    pub(crate) fn max_batch(&self) -> usize {
        self.limits.batch
    }

    /// The labels' names, in the order of the outputs.
    pub(crate) fn label(&self, index: usize) -> Option<&str> {
        self.wide.labels().get(index).map(|label| label.name)
    }

    /// Returns the output of that name: one of ours, or the node's name in the graph.
    pub(crate) fn output(&self, name: &str) -> Option<&OutputSpec> {
        let node = name.strip_suffix(":0").unwrap_or(name);
        let by_name = self.outputs.iter().find(|output| output.name == name);
        by_name.or_else(|| {
            self.outputs.iter().find(|output| output.node == node && !output.is_softmax)
        })
    }

    /// Checks an input before it is queued.
    ///
    /// # Errors
    /// [`Code::InvalidArgument`].
    pub(crate) fn check(&self, input: &Input) -> Outcome<usize> {
        let batch = match input {
            Input::Photos(files) => files.len(),
            Input::Floats { shape, values } => {
                let wanted = self.input.shape_text();
                let sample = if self.input.has_batch { shape.get(1..) } else { Some(&shape[..]) };
                let fits = |sample: &[usize]| {
                    let mut lengths = sample.iter().zip(&self.input.sample);
                    sample.len() == self.input.sample.len()
                        && lengths.all(|(&length, wanted)| wanted.is_none_or(|n| n == length))
                };
                if !sample.is_some_and(fits) {
                    return Err(Failure::invalid(format!(
                        "unexpected shape for input '{}' for model '{}'. Expected {wanted}, got {}",
                        self.input.name,
                        self.name,
                        shape_text(shape)
                    )));
                }
                let expected = shape.iter().try_fold(1usize, |product, &n| product.checked_mul(n));
                if expected != Some(values.len()) {
                    return Err(Failure::invalid(format!(
                        "input '{}' of shape {} has {} values",
                        self.input.name,
                        shape_text(shape),
                        values.len()
                    )));
                }
                if self.input.has_batch { shape[0] } else { 1 }
            }
        };
        if batch == 0 {
            return Err(Failure::invalid(format!("input '{}' is empty", self.input.name)));
        }
        if batch > self.limits.batch {
            let (name, max) = (&self.name, self.limits.batch);
            return Err(Failure::invalid(format!(
                "inference request batch-size must be <= {max} for '{name}', got {batch}"
            )));
        }
        Ok(batch)
    }

    /// Computes outputs of an input that was [checked](Self::check).
    ///
    /// # Errors
    /// If a photo is none, memory is short, or the request was cancelled.
    pub(crate) fn infer(
        &self,
        turn: &Turn,
        input: &Input,
        outputs: &[OutputSpec],
    ) -> Outcome<Inference> {
        let mut run = Run::new(self, turn, outputs);
        let batch = match input {
            Input::Photos(files) => {
                for (number, file) in files.iter().enumerate() {
                    turn.check()?;
                    run.photo(number, files.len(), file)?;
                }
                files.len()
            }
            Input::Floats { shape, values } => {
                // Networks of the zoo treat each picture by itself: a client that has gone is
                // noticed between two of them.
                let is_separable = self.input.has_batch && self.wide.network().net().is_some();
                if is_separable {
                    let sample_shape = [&[1], &shape[1..]].concat();
                    for sample in values.chunks(values.len() / shape[0].max(1)) {
                        turn.check()?;
                        run.floats(&sample_shape, sample)?;
                    }
                } else {
                    run.floats(shape, values)?;
                }
                if self.input.has_batch { shape[0] } else { 1 }
            }
        };
        run.finish(batch)
    }

    /// Runs the network once on all cores and once on one, so that the first request finds
    /// everything planned.
    fn warm_up(&self) -> Outcome<()> {
        let sample = self.input.sample.iter().map(|length| length.unwrap_or(PROBE_SIDE));
        let batch = self.input.has_batch.then_some(1);
        let shape: Vec<usize> = batch.into_iter().chain(sample).collect();
        let values = vec![0.0; shape.iter().product()];
        let fetches = [self.outputs[0].node.as_str()];
        for model in [&self.wide, &self.narrow] {
            let mut session = model.network().session(&[(&self.input.name, &shape)], &fetches)?;
            session.input_mut(&self.input.name)?.copy_from_slice(&values);
            session.run()?;
        }
        Ok(())
    }
}

impl InputSpec {
    fn new(model: &Model) -> Self {
        let Preprocessor { height, width, channels, .. } = *model.preprocess();
        let input = &model.signature().input;
        let sample = match model.takes_whole_pictures() {
            true => vec![None, None, Some(channels)],
            false => vec![Some(height), Some(width), Some(channels)],
        };
        Self { name: input.name.clone(), sample, has_batch: !input.takes_decoded_image }
    }

    /// The shape with -1 for any length.
    pub(crate) fn shape(&self) -> Vec<i64> {
        let sample = self.sample.iter().map(|length| length.map_or(-1, |n| n as i64));
        self.has_batch.then_some(-1).into_iter().chain(sample).collect()
    }

    fn shape_text(&self) -> String {
        shape_text(&self.shape())
    }
}

impl OutputSpec {
    /// The same output under the name that a request uses.
    pub(crate) fn named(&self, name: &str) -> Self {
        Self { name: name.to_owned(), ..self.clone() }
    }

    /// The shape with -1 for any length.
    pub(crate) fn shape(&self) -> Vec<i64> {
        let sample = self.sample.iter().map(|&length| length as i64);
        self.has_batch.then_some(-1).into_iter().chain(sample).collect()
    }
}

/// Writes a shape as `[-1,224,224,3]`.
pub(crate) fn shape_text<T: std::fmt::Display>(shape: &[T]) -> String {
    let lengths: Vec<String> = shape.iter().map(ToString::to_string).collect();
    format!("[{}]", lengths.join(","))
}

/// The outputs of a model and their shapes.
fn outputs(model: &Model, input: &InputSpec) -> Outcome<Vec<OutputSpec>> {
    let signature = model.signature();
    let mut named = Vec::new();
    if model.classifies() {
        let (node, is_softmax) = match &signature.probabilities {
            Some(node) => (node, false),
            None => (&signature.logits, true),
        };
        named.push((PROBABILITIES, node.clone(), is_softmax));
        named.push((LOGITS, signature.logits.clone(), false));
    } else {
        named.push((signature.logits.as_str(), signature.logits.clone(), false));
    }
    if let Some(features) = &signature.features {
        named.push((FEATURES, features.clone(), false));
    }
    let sample = input.sample.iter().map(|length| length.unwrap_or(PROBE_SIDE));
    let batch = input.has_batch.then_some(1);
    let shape: Vec<usize> = batch.into_iter().chain(sample).collect();
    let fetches: Vec<&str> = named.iter().map(|(_, node, _)| node.as_str()).collect();
    let plan = model.network().plan(&[(&input.name, &shape)], &fetches)?;
    let specs = named.iter().zip(plan.outputs()).map(|((name, node, is_softmax), port)| {
        let shape = &port.fact.shape;
        // Graphs that decode photos themselves make a batch of one of it.
        let has_batch = shape.first() == Some(&1);
        OutputSpec {
            name: (*name).to_owned(),
            node: node.clone(),
            is_softmax: *is_softmax,
            sample: if has_batch { shape[1..].to_vec() } else { shape.clone() },
            has_batch,
        }
    });
    Ok(specs.collect())
}

/// A request that is being computed.
struct Run<'a> {
    served: &'a Served,
    turn: &'a Turn,
    outputs: &'a [OutputSpec],
    /// The nodes to fetch, each once, in an order that depends only on their set.
    nodes: Vec<&'a str>,
    /// The values so far, and the shape of the last run, of each output.
    collected: Vec<(Vec<usize>, Vec<f32>)>,
    runs: usize,
    times: Times,
}

impl<'a> Run<'a> {
    fn new(served: &'a Served, turn: &'a Turn, outputs: &'a [OutputSpec]) -> Self {
        let nodes: BTreeSet<&str> = outputs.iter().map(|output| output.node.as_str()).collect();
        Self {
            served,
            turn,
            outputs,
            nodes: nodes.into_iter().collect(),
            collected: vec![Default::default(); outputs.len()],
            runs: 0,
            times: Times { queue: turn.queued, ..Times::default() },
        }
    }

    fn photo(&mut self, number: usize, photos: usize, file: &[u8]) -> Outcome<()> {
        let name = if photos == 1 { "the photo".into() } else { format!("photo {number}") };
        let started = Instant::now();
        let picture = self.served.limits.open_photo(file, &name)?;
        self.times.decode += started.elapsed();
        self.turn.check()?;
        let own = self.served.wide.preprocess();
        let preprocessor = match self.served.input.has_batch {
            true => own.clone(),
            false => {
                let (height, width) = (picture.height(), picture.width());
                Preprocessor { height, width, ..own.clone() }
            }
        };
        let Preprocessor { height, width, channels, .. } = preprocessor;
        let shape = match self.served.input.has_batch {
            true => vec![1, height, width, channels],
            false => vec![height, width, channels],
        };
        let mut preprocessing = Duration::ZERO;
        self.run(&shape, |input| {
            let started = Instant::now();
            preprocessor.apply(&picture, input);
            preprocessing = started.elapsed();
        })?;
        self.times.preprocess += preprocessing;
        self.times.network = self.times.network.saturating_sub(preprocessing);
        Ok(())
    }

    fn floats(&mut self, shape: &[usize], values: &[f32]) -> Outcome<()> {
        self.run(shape, |input| input.copy_from_slice(values))
    }

    fn run(&mut self, shape: &[usize], fill: impl FnOnce(&mut [f32])) -> Outcome<()> {
        let started = Instant::now();
        let name = self.served.input.name.as_str();
        let network = self.served.model(self.turn).network();
        let mut session = network.session(&[(name, shape)], &self.nodes)?;
        fill(session.input_mut(name)?);
        session.run()?;
        self.times.network += started.elapsed();
        let started = Instant::now();
        for (output, (shape, values)) in self.outputs.iter().zip(&mut self.collected) {
            let index = self.nodes.iter().position(|node| *node == output.node).unwrap_or(0);
            shape.clone_from(&session.outputs()[index].fact.shape);
            let computed = session.output_at(index)?;
            if output.is_softmax {
                let classes = shape.last().copied().unwrap_or(1).max(1);
                values.extend(computed.chunks(classes).flat_map(softmax));
            } else {
                values.extend_from_slice(computed);
            }
        }
        self.runs += 1;
        self.times.output += started.elapsed();
        Ok(())
    }

    fn finish(self, batch: usize) -> Outcome<Inference> {
        let mut outputs = Vec::with_capacity(self.outputs.len());
        for (output, (mut shape, values)) in self.outputs.iter().zip(self.collected) {
            if self.runs > 1 {
                if output.has_batch {
                    shape[0] *= self.runs;
                } else {
                    shape.insert(0, self.runs);
                }
            }
            if shape.iter().product::<usize>() != values.len() {
                let message = "the photos' outputs have different shapes: send them one by one";
                return Err(Failure::invalid(message));
            }
            let has_batch = output.has_batch || self.runs > 1;
            outputs.push(OutputTensor { name: output.name.clone(), shape, values, has_batch });
        }
        Ok(Inference { outputs, times: self.times, batch })
    }
}

/// Counts a request as pending while it lives, and its end.
pub(crate) struct Pending {
    metrics: Arc<ModelMetrics>,
    started: Instant,
    is_counted: bool,
}

impl Pending {
    /// Begins to count a request.
    pub(crate) fn new(metrics: &Arc<ModelMetrics>) -> Self {
        metrics.pending.fetch_add(1, Ordering::Relaxed);
        Self { metrics: metrics.clone(), started: Instant::now(), is_counted: false }
    }

    /// Counts the request's end.
    pub(crate) fn finish(mut self, outcome: Result<(usize, &Times), Code>) {
        let request = self.started.elapsed();
        match outcome {
            Ok((batch, times)) => self.metrics.count_success(batch, times, request),
            Err(code) => self.metrics.count_failure(code, request),
        }
        self.is_counted = true;
    }
}

impl Drop for Pending {
    /// A request that did not end was cancelled.
    fn drop(&mut self) {
        self.metrics.pending.fetch_sub(1, Ordering::Relaxed);
        if !self.is_counted {
            self.metrics.count_failure(Code::Cancelled, self.started.elapsed());
        }
    }
}
