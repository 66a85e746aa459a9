//! Quantisation of a network to int8, as a TensorFlow Lite file.
//!
//! ```text
//! typed graph, rewritten ─▶ observe photos ─▶ statistics ─▶ scales ─▶ operators (emit) ─▶ .tflite
//! ```
//! Weights have a scale for each output channel, activations one for all channels, chosen from what
//! was observed of them. Each value has the name it has in the network, so that quantised and real
//! values can be compared.

mod emit;
mod equalize;
mod scales;
mod statistics;
mod trained;

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;
use std::sync::Arc;

use lorgnette_kernels::ThreadPool;

use crate::error::{Error, Result};
use crate::graph::NodeId;
use crate::graph::op::Op;
use crate::graph::shape::TypedGraph;
use crate::graph::shape_inference::infer_shapes;
use crate::network::Network;
use crate::options::RunOptions;
use crate::passes::optimise_without_residuals;
use crate::plan::{Activations, Plan, PlanOptions, WeightCache};
use crate::proto::NodeDef;
use crate::session::Session;

use self::emit::{Source, emit};
use self::scales::Integers;
use self::statistics::{Range, Statistics};

/// How the range of an activation is chosen from its observed values.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum RangeRule {
    /// From the smallest to the largest.
    Whole,
    /// Without the values beyond this percentile, at both ends.
    Percentile(f64),
    /// The range whose rounding and saturation have the least squared error.
    LeastError,
}

impl std::fmt::Display for RangeRule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Whole => f.write_str("smallest to largest"),
            Self::Percentile(percentile) => write!(f, "percentile {percentile}"),
            Self::LeastError => f.write_str("least squared error"),
        }
    }
}

/// How a network is quantised.
#[derive(Clone, Debug)]
pub struct QuantizeOptions {
    /// The ranges of activations.
    pub range: RangeRule,
    /// Whether biases make up for the mean error of rounded weights.
    pub correct_bias: bool,
    /// The layers, by name, that compute with floats.
    pub keep_float: BTreeSet<String>,
    /// Names and texts for those who read the file.
    pub notes: Vec<(String, String)>,
}

impl Default for QuantizeOptions {
    /// Whole ranges, corrected biases, every layer of int8 that can be.
    fn default() -> Self {
        Self {
            range: RangeRule::Whole,
            correct_bias: true,
            keep_float: BTreeSet::new(),
            notes: Vec::new(),
        }
    }
}

/// A layer of a quantised network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuantizedLayer {
    /// The name of its result, in the network and in the file.
    pub name: String,
    /// Its operator, as the schema calls it.
    pub operator: &'static str,
    /// Whether it computes with floats.
    pub is_float: bool,
    /// The names of the values that it reads.
    pub inputs: Vec<String>,
}

impl QuantizedLayer {
    /// True if it multiplies by weights.
    pub fn has_weights(&self) -> bool {
        matches!(self.operator, "CONV_2D" | "DEPTHWISE_CONV_2D" | "FULLY_CONNECTED")
    }
}

/// A network of int8.
#[derive(Clone, Debug)]
pub struct QuantizedModel {
    /// The `.tflite` file.
    pub bytes: Vec<u8>,
    /// The layers, in the order they are computed in.
    pub layers: Vec<QuantizedLayer>,
}

/// A network whose values are observed.
#[derive(Debug)]
pub struct Quantizer {
    name: String,
    typed: TypedGraph,
    plan: Plan,
    activations: Activations,
    pool: Arc<ThreadPool>,
    /// The nodes that the plan's outputs are the values of.
    observed: Vec<NodeId>,
    /// By node.
    statistics: Vec<Option<Statistics>>,
}

impl Quantizer {
    /// Prepares a network that computes `fetches`, by TensorFlow tensor name, from pictures of
    /// `size` (rows and columns), one at a time.
    ///
    /// # Errors
    /// As [`Network::session`]; [`Error::DecodesPhotos`] for a graph that decodes photos itself,
    /// [`Error::Input`] for one that is quantised already or has another input.
    pub fn new(network: &Network, fetches: &[&str], size: [usize; 2]) -> Result<Self> {
        let signature = network.signature()?;
        if signature.input.takes_decoded_image {
            return Err(Error::DecodesPhotos { name: network.place() });
        }
        let typed = network.typed(&signature, fetches, 1, size)?;
        if typed.facts.iter().any(|fact| fact.quantization.is_some()) {
            return Err(Error::Input(format!("{}: it is quantised already", network.place())));
        }
        let typed = optimise_without_residuals(typed);
        Self::from_typed(network.name(), typed, network.run_options())
    }

    fn from_typed(name: &str, mut typed: TypedGraph, run: &RunOptions) -> Result<Self> {
        let needed = typed.graph.needed();
        let is_input = |op: &Op| matches!(op, Op::Input { .. });
        let inputs =
            typed.graph.iter().filter(|(id, node)| needed[id.index()] && is_input(&node.op));
        if inputs.count() != 1 {
            return Err(Error::Input(format!("{name}: it has more inputs than its picture")));
        }
        let observed: Vec<NodeId> = typed
            .graph
            .ids()
            .filter(|&id| {
                let is_value = needed[id.index()] && !typed.graph.is_stored(id);
                is_value && typed.fact(id).dtype.is_float() && !typed.fact(id).is_empty()
            })
            .collect();
        let statistics = typed.graph.ids().map(|id| {
            let is_observed = observed.binary_search(&id).is_ok();
            is_observed.then(|| Statistics::new(typed.fact(id).channels().max(1)))
        });
        let statistics = statistics.collect();
        let outputs = typed.graph.outputs().to_vec();
        typed.graph.set_outputs(observed.clone());
        let options = PlanOptions {
            level: run.level,
            memory_limit: run.memory_limit,
            ..PlanOptions::default()
        };
        let plan = Plan::new(&typed, &WeightCache::default(), &options, &run.pool)?;
        typed.graph.set_outputs(outputs);
        let activations = plan.activations(run.pool.threads())?;
        let (name, pool) = (name.to_owned(), run.pool.clone());
        Ok(Self { name, typed, plan, activations, pool, observed, statistics })
    }

    /// Numbers of a picture that the network is fed.
    pub fn input_len(&self) -> usize {
        self.plan.inputs()[0].fact.len()
    }

    /// Computes the network's values for one preprocessed picture.
    ///
    /// # Panics
    /// If the picture has another size.
    fn compute(&mut self, input: &[f32]) {
        let port = self.plan.inputs()[0].clone();
        self.activations.input(&port).copy_from_slice(input);
        self.plan.run(&mut self.activations, &self.pool);
    }

    /// Observes all values for one preprocessed picture.
    ///
    /// # Panics
    /// If the picture has another size.
    pub fn observe(&mut self, input: &[f32]) {
        self.compute(input);
        for (&id, port) in self.observed.iter().zip(self.plan.outputs()) {
            let values = self.activations.output(&self.plan, port);
            if let Some(statistics) = &mut self.statistics[id.index()] {
                statistics.observe(values);
            }
        }
    }

    /// Quantises the network with the ranges that were observed.
    ///
    /// # Errors
    /// [`Error::Unsupported`] with all nodes that have no operator in TensorFlow Lite; if a
    /// variable cannot be read.
    pub fn quantize(&self, options: &QuantizeOptions) -> Result<QuantizedModel> {
        let ranges = scales::ranges(&self.statistics, options.range);
        let observed = Observed { ranges, means: self.means() };
        quantize(&self.name, &self.typed, &observed, Integers::Int8, options)
    }

    /// Returns the ranges of all values as text for [`quantize_with_ranges`]: a name, the smallest
    /// and the largest real number a line. Of a value that is multiplied by weights the mean of
    /// each channel follows.
    pub fn ranges(&self, rule: RangeRule) -> String {
        let ranges = scales::ranges(&self.statistics, rule);
        let means = self.means();
        let mut is_multiplied = vec![false; ranges.len()];
        for node in self.typed.graph.nodes().iter().filter(|node| has_weights(&node.op)) {
            is_multiplied[node.inputs[0].index()] = true;
        }
        let mut text = String::new();
        for (id, node) in self.typed.graph.iter() {
            let Some(Range { low, high }) = ranges[id.index()] else { continue };
            let _ = write!(text, "{} {low} {high}", node.name);
            let means = means[id.index()].as_deref().filter(|_| is_multiplied[id.index()]);
            for mean in means.unwrap_or_default() {
                let _ = write!(text, " {mean:e}");
            }
            text.push('\n');
        }
        text
    }

    /// Returns the means of each value's channels, by node.
    fn means(&self) -> Vec<Option<Vec<f32>>> {
        self.statistics.iter().map(|statistics| Some(statistics.as_ref()?.means())).collect()
    }

    /// Returns the network with the channels of its activations made more alike, so that one scale
    /// suits them better; `None` if there is nothing to gain. It computes the same and has observed
    /// nothing yet.
    ///
    /// # Errors
    /// If a variable cannot be read.
    pub fn equalized(&self) -> Result<Option<Self>> {
        let Some(typed) = equalize::equalized(&self.typed, &self.statistics)? else {
            return Ok(None);
        };
        let run =
            RunOptions { level: self.plan.level(), ..RunOptions::with_pool(self.pool.clone()) };
        Self::from_typed(&self.name, typed, &run).map(Some)
    }

    /// The name of the scores: of what the last softmax reads, or of the first output without one.
    pub fn score_name(&self) -> &str {
        const MAX_DEPTH: usize = 8;
        let graph = &self.typed.graph;
        let output = graph.outputs()[0];
        let mut current = output;
        for _ in 0..MAX_DEPTH {
            let node = graph.node(current);
            match (&node.op, node.inputs.first()) {
                (Op::Softmax { .. }, Some(&scores)) => return &graph.node(scores).name,
                (Op::Identity | Op::Reshape | Op::Squeeze { .. }, Some(&input)) => current = input,
                _ => break,
            }
        }
        &graph.node(output).name
    }

    /// Computes one picture with both networks and adds to what is known of each layer's error.
    /// `quantized` is a session of the quantised network that fetches the layers of `comparison`.
    ///
    /// # Errors
    /// [`Error::Memory`] if there is no memory for the activations.
    ///
    /// # Panics
    /// If the picture has another size.
    pub fn compare(
        &mut self,
        quantized: &mut Session,
        comparison: &mut Comparison,
        input: &[f32],
    ) -> Result<()> {
        self.compute(input);
        let name = quantized.inputs()[0].name.clone();
        quantized.input_mut(&name)?.copy_from_slice(input);
        quantized.run()?;
        for (index, layer) in comparison.layers.iter_mut().enumerate() {
            let Some(port) = self.plan.outputs().iter().find(|port| port.name == layer.name) else {
                continue;
            };
            let real = self.activations.output(&self.plan, port);
            layer.add(real, quantized.output_at(index)?);
        }
        Ok(())
    }

    /// The value of that name for the picture that was computed last.
    pub fn value(&self, name: &str) -> Option<&[f32]> {
        let port = self.plan.outputs().iter().find(|port| port.name == name)?;
        Some(self.activations.output(&self.plan, port))
    }
}

/// Quantises a network with ranges that were observed before, as [`Quantizer::ranges`] gives them:
/// to the same bytes as [`Quantizer::quantize`].
///
/// # Errors
/// As [`Quantizer::new`] and [`Quantizer::quantize`]; [`Error::Input`] for a line that is no range.
pub fn quantize_with_ranges(
    network: &Network,
    fetches: &[&str],
    size: [usize; 2],
    ranges: &str,
    options: &QuantizeOptions,
) -> Result<QuantizedModel> {
    let typed = network.typed(&network.signature()?, fetches, 1, size)?;
    let typed = optimise_without_residuals(typed);
    let mut known = HashMap::new();
    for line in ranges.lines() {
        let (name, numbers) = line.split_once(' ').unwrap_or((line, ""));
        let numbers: Vec<f32> = numbers
            .split(' ')
            .map(str::parse)
            .collect::<Result<_, _>>()
            .map_err(|_| Error::Input(format!("'{name}' has no range of numbers")))?;
        let &[low, high, ref means @ ..] = numbers.as_slice() else {
            return Err(Error::Input(format!("'{name}' has no range of two numbers")));
        };
        known.insert(name, (Range { low, high }, means.to_vec()));
    }
    let mut observed = Observed::default();
    for (id, node) in typed.graph.iter() {
        let (range, means) = known.get(node.name.as_str()).cloned().unzip();
        observed.ranges.push(range);
        let channels = typed.fact(id).channels().max(1);
        observed.means.push(means.filter(|means| means.len() == channels));
    }
    quantize(network.name(), &typed, &observed, Integers::Int8, options)
}

/// Quantises a network of quantisation-aware training with the ranges that are in its graph: to
/// uint8 with one scale a tensor, the integers that TensorFlow's converter makes of it. Pictures
/// have numbers from `input[0]` to `input[1]`. Returns nothing for a network without such ranges.
///
/// # Errors
/// As [`Quantizer::new`] and [`Quantizer::quantize`]; [`Error::Node`] for a range that TensorFlow
/// Lite has no integers for.
pub fn quantize_trained(
    network: &Network,
    fetches: &[&str],
    size: [usize; 2],
    input: [f32; 2],
    options: &QuantizeOptions,
) -> Result<Option<QuantizedModel>> {
    let is_fake = |node: &NodeDef| node.op.starts_with("FakeQuant");
    let def = network.graph_def().filter(|def| def.nodes().iter().any(is_fake));
    let Some(def) = def else { return Ok(None) };
    let signature = network.signature()?;
    if signature.input.takes_decoded_image {
        return Ok(None);
    }
    let (graph, typed) = network.graph_and_types(&signature, fetches, 1, size)?;
    let Some(trained) = trained::without_fake_quantization(&graph, def)? else { return Ok(None) };
    let inputs = typed.graph.iter().filter(|(_, node)| matches!(node.op, Op::Input { .. }));
    let sizes =
        inputs.map(|(id, node)| (node.name.clone(), typed.fact(id).shape.clone())).collect();
    let typed = optimise_without_residuals(infer_shapes(&trained.graph, &sizes)?);
    let input = Range { low: input[0], high: input[1] };
    let ranges = trained::ranges(&typed, &trained.ranges, input);
    let observed = Observed { means: vec![None; ranges.len()], ranges };
    let integers = Integers::Uint8(&trained.ranges);
    quantize(network.name(), &typed, &observed, integers, options).map(Some)
}

/// True for operations that multiply their first input by weights.
fn has_weights(op: &Op) -> bool {
    matches!(op, Op::Conv2d(_) | Op::DepthwiseConv2d(_) | Op::MatMul(_) | Op::Affine(_))
}

/// Observations of the values of a graph, by node.
#[derive(Debug, Default)]
struct Observed {
    ranges: Vec<Option<Range>>,
    /// The mean of each channel.
    means: Vec<Option<Vec<f32>>>,
}

/// Quantises a graph of which this was observed.
fn quantize(
    name: &str,
    typed: &TypedGraph,
    observed: &Observed,
    integers: Integers<'_>,
    options: &QuantizeOptions,
) -> Result<QuantizedModel> {
    let scales = scales::scales(typed, &observed.ranges, integers);
    let source = Source { typed, means: &observed.means, scales: &scales, options, integers };
    let mut emitted = emit(&source)?;
    emitted.model.description = format!("{name}, quantised by Lorgnette");
    emitted.model.metadata.clone_from(&options.notes);
    Ok(QuantizedModel { bytes: emitted.model.to_bytes(), layers: emitted.layers })
}

/// The errors of the layers of a quantised network.
#[derive(Clone, Debug)]
pub struct Comparison {
    layers: Vec<LayerError>,
}

/// The error of a layer's values.
#[derive(Clone, Debug)]
struct LayerError {
    name: String,
    signal: f64,
    noise: f64,
}

impl LayerError {
    fn add(&mut self, real: &[f32], quantized: &[f32]) {
        for (real, quantized) in real.iter().zip(quantized) {
            let (real, error) = (f64::from(*real), f64::from(real - quantized));
            self.signal += real * real;
            self.noise += error * error;
        }
    }
}

impl Comparison {
    /// Returns a comparison of layers of which nothing is known.
    pub fn new(layers: &[QuantizedLayer]) -> Self {
        let layer = |layer: &QuantizedLayer| LayerError {
            name: layer.name.clone(),
            signal: 0.0,
            noise: 0.0,
        };
        Self { layers: layers.iter().map(layer).collect() }
    }

    /// The names of the layers.
    pub fn names(&self) -> Vec<&str> {
        self.layers.iter().map(|layer| layer.name.as_str()).collect()
    }

    /// The signal-to-noise ratio of each layer, in decibels, with the errors of all layers before
    /// it; infinite without an error.
    pub fn signal_to_noise(&self) -> Vec<f64> {
        let ratio = |layer: &LayerError| match layer.noise {
            0.0 => f64::INFINITY,
            noise => 10.0 * (layer.signal / noise).log10(),
        };
        self.layers.iter().map(ratio).collect()
    }
}
