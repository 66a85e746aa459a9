//! Graphs of quantisation-aware training, whose values are rounded to the steps of ranges that were
//! trained: TF-Slim's `_quant` networks. Without these roundings they are networks like any other,
//! and the ranges take the place of observed ones.

use std::collections::HashMap;

use lorgnette_kernels::{Binary, Unary};

use super::scales::shared_inputs;
use super::statistics::Range;
use crate::error::{Error, Result};
use crate::graph::op::{Op, Reduction};
use crate::graph::shape::TypedGraph;
use crate::graph::{Graph, Node, NodeId};
use crate::import::{GraphDef, TrainedRange};

/// The real numbers of uint8: `scale · (stored − zero_point)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Steps {
    pub(super) scale: f64,
    pub(super) zero_point: u8,
    /// The lowest integer in use.
    pub(super) lowest: u8,
}

impl Steps {
    /// Returns the steps of a range, moved so that zero is one of them (as TensorFlow's converter
    /// moves it).
    pub(super) fn new(range: TrainedRange) -> Self {
        let (low, high) = (f64::from(range.low), f64::from(range.high));
        let lowest = u8::from(range.is_narrow);
        let scale = (high - low) / f64::from(u8::MAX - lowest);
        let zero = (f64::from(lowest) - low / scale).round();
        let zero_point = zero.clamp(f64::from(lowest), f64::from(u8::MAX)) as u8;
        Self { scale, zero_point, lowest }
    }

    /// Returns the integer that stands for a real number.
    pub(super) fn store(&self, real: f32) -> u8 {
        let stored = (f64::from(real) / self.scale + f64::from(self.zero_point)).round();
        stored.clamp(f64::from(self.lowest), f64::from(u8::MAX)) as u8
    }
}

/// A graph without fake quantisations.
#[derive(Debug)]
pub(super) struct Trained {
    pub(super) graph: Graph,
    /// The ranges, by the name of the value that was rounded to each.
    pub(super) ranges: HashMap<String, TrainedRange>,
}

/// Takes the fake quantisations out of a graph that was imported from `def`; `None` if it has none.
///
/// # Errors
/// [`Error::Node`] for ranges that TensorFlow Lite has no integers for.
pub(super) fn without_fake_quantization(graph: &Graph, def: &GraphDef) -> Result<Option<Trained>> {
    let mut trained = Trained { graph: graph.clone(), ranges: HashMap::new() };
    let mut replaced: HashMap<NodeId, NodeId> = HashMap::new();
    for (id, node) in graph.iter() {
        let Some(rounded) = rounded_value(graph, node) else { continue };
        let range = def.trained_range(&node.name);
        let range = range.map_err(|what| Error::node(&node.name, "FakeQuant", what))?;
        // The rounded value may be the result of another rounding.
        let rounded = replaced.get(&rounded).copied().unwrap_or(rounded);
        trained.ranges.insert(graph.node(rounded).name.clone(), range);
        for reader in graph.ids().filter(|reader| *reader > id) {
            trained.graph.redirect_reader(reader, id, rounded);
        }
        trained.graph.redirect_outputs(id, rounded);
        replaced.insert(id, rounded);
    }
    let has_ranges = !trained.ranges.is_empty();
    Ok(has_ranges.then(|| Trained { graph: trained.graph.pruned(), ..trained }))
}

/// Returns the value that a node, the last of a fake quantisation, rounds. The import makes these
/// nodes of one.
fn rounded_value(graph: &Graph, last: &Node) -> Option<NodeId> {
    const STEPS: [&str; 6] = ["scaled", "rounded", "half", "steps", "shifted", "limited"];
    let mut node = last;
    for step in STEPS {
        node = graph.node(*node.inputs.first()?);
        let suffix = node.name.strip_prefix(&last.name)?.strip_prefix('/')?;
        if suffix != step {
            return None;
        }
    }
    if matches!(node.op, Op::Binary(Binary::Maximum, _)) {
        node = graph.node(*node.inputs.first()?);
    }
    node.inputs.first().copied()
}

/// Returns the range of every value of a graph whose ranges were trained, by node. Values without
/// one of their own have that of what they move, pool or limit; pictures have `input`.
pub(super) fn ranges(
    typed: &TypedGraph,
    trained: &HashMap<String, TrainedRange>,
    input: Range,
) -> Vec<Option<Range>> {
    let mut ranges: Vec<Option<Range>> = Vec::with_capacity(typed.graph.nodes().len());
    for (id, node) in typed.graph.iter() {
        let of = |id: &NodeId| ranges[id.index()];
        let own = trained.get(&node.name).map(|range| Range { low: range.low, high: range.high });
        let range = match &node.op {
            _ if !typed.fact(id).dtype.is_float() => None,
            Op::Const(_) | Op::Variable(_) => None,
            Op::Input { .. } => Some(own.unwrap_or(input)),
            op => own.or_else(|| match op {
                Op::Reduce { kind: Reduction::Mean, .. } | Op::Clamp(_) => {
                    node.inputs.first().and_then(of)
                }
                Op::Softmax { log: false } | Op::Unary(Unary::Sigmoid) => Some(UNIT),
                _ => shared_inputs(node).iter().find_map(of),
            }),
        };
        ranges.push(range);
    }
    ranges
}

/// The range of probabilities.
const UNIT: Range = Range { low: 0.0, high: 1.0 };
