//! Finds a graph's image input and its outputs by type and shape.

use std::collections::BTreeMap;

use super::attributes::Attributes;
use super::layout::{CHANNELS_LAST, PictureFit};
use super::{GraphDef, operation, split_port};
use crate::error::{Choice, Error, Result};
use crate::graph::quantized::Scale;
use crate::saved_model::SavedSignature;
use crate::tensor::DType;

/// A tensor that may be an input.
#[derive(Clone, Debug, PartialEq)]
pub struct InputCandidate {
    /// The node's name; with `/channels_last` appended where the node itself takes another layout
    /// than `[batch, rows, columns, channels]`.
    pub name: String,
    /// Element type.
    pub dtype: DType,
    /// The shape as far as the graph gives it; `None` if the rank is unknown.
    pub shape: Option<Vec<Option<usize>>>,
    /// Whether the node decodes an image file; it then takes decoded images of any size, `[height,
    /// width, channels]`.
    pub takes_decoded_image: bool,
    /// The scale of an input of 8-bit integers, which is fed with the real numbers that they stand
    /// for.
    pub quantization: Option<Scale>,
}

/// The input and the outputs of a classification network, as node names.
#[derive(Clone, Debug, PartialEq)]
pub struct Signature {
    /// The image input.
    pub input: InputCandidate,
    /// The scores before softmax. Without a softmax, the graph's output.
    pub logits: String,
    /// The probabilities, if the graph computes them.
    pub probabilities: Option<String>,
    /// The input of the classification layer: the bottleneck, for embeddings and training.
    pub features: Option<String>,
    /// Whether the output is a class that the graph chooses in a way that cannot be followed back
    /// to scores.
    pub chooses_class: bool,
    /// The operation that keeps the scores within a range, such as `tanh`, where they are no
    /// probabilities: their softmax orders the classes, and does not say how sure they are.
    pub bounded_by: Option<&'static str>,
}

/// The names that a file gives to the inputs and outputs of its graph.
#[derive(Debug, Default)]
pub(crate) struct Interface {
    /// The signatures of a SavedModel.
    pub(crate) signatures: Vec<SavedSignature>,
    /// The nodes of the inputs and of the outputs that are numbers; empty if they are not named.
    pub(crate) inputs: Vec<String>,
    pub(crate) outputs: Vec<String>,
    /// Nodes by other names.
    pub(crate) aliases: BTreeMap<String, String>,
}

impl GraphDef {
    /// Finds the signature of a classification network. `input` and `output` override the search.
    ///
    /// # Errors
    /// [`Error::Ambiguous`] with the candidates if the graph does not decide; [`Error::Unknown`]
    /// for a name that does not exist.
    pub fn signature(&self, input: Option<&str>, output: Option<&str>) -> Result<Signature> {
        let end = match output {
            Some(name) => self.find(name)?.0,
            None => self.output()?,
        };
        let softmax = self.back_to(end, is_softmax, SCORE_PASS_THROUGH);
        let logits = match softmax {
            Some(softmax) => {
                self.input_of(softmax, 0).ok_or_else(|| self.without_input(softmax))?
            }
            None => end,
        };
        let name = |node: usize| self.nodes[node].name.clone();
        let input = match input {
            Some(_) => input,
            None => self.named_input()?,
        };
        Ok(Signature {
            input: self.picture_input(input, end)?,
            logits: name(logits),
            probabilities: softmax.map(|softmax| {
                if self.back_to(end, |_| true, &[]) == Some(softmax) {
                    name(softmax)
                } else {
                    name(end)
                }
            }),
            features: self.features(logits).map(name),
            chooses_class: false,
            bounded_by: None,
        })
    }

    fn without_input(&self, node: usize) -> Error {
        Error::node(&self.nodes[node].name, &self.nodes[node].op, "an input is missing")
    }

    /// Returns the only node whose result is not read and depends on an input; of several, the
    /// only output that retraining adds, or the only softmax. Else the only softmax of the graph.
    fn output(&self) -> Result<usize> {
        let ends = self.named_outputs().unwrap_or_else(|| self.ends());
        let leads_to_softmax =
            |&i: &usize| self.back_to(i, is_softmax, SCORE_PASS_THROUGH).is_some();
        let retrained = |&i: &usize| self.nodes[i].name == "final_result";
        let softmaxes = || {
            let inner = (0..self.nodes.len()).filter(|&i| {
                is_softmax(&self.nodes[i].op) && !is_of_training(&self.nodes[i].name, "")
            });
            inner.collect::<Vec<_>>()
        };
        only(&ends, |_| true)
            .or_else(|| only(&ends, retrained))
            .or_else(|| only(&ends, leads_to_softmax))
            .or_else(|| only(&softmaxes(), |_| true))
            .ok_or_else(|| self.without_output(&ends))
    }

    fn without_output(&self, ends: &[usize]) -> Error {
        if !ends.is_empty() {
            return self.unclear(Choice::Output, "the graph has several outputs", ends);
        }
        let what = "the graph has no output: another node reads each of its nodes, as in a loop";
        Error::Format { path: self.path().into(), what: what.into() }
    }

    /// Returns the only input that the file names, if it takes pictures.
    ///
    /// # Errors
    /// As for [`signature`](Self::signature) if it does not.
    fn named_input(&self) -> Result<Option<&str>> {
        let [name] = self.interface().inputs.as_slice() else { return Ok(None) };
        let index = self.find(name)?.0;
        match self.picture_fit(index) {
            PictureFit::No => Err(self.unfit_inputs(&[index])),
            _ => Ok(Some(name)),
        }
    }

    /// Returns the outputs that the file names; of several, those of real numbers.
    fn named_outputs(&self) -> Option<Vec<usize>> {
        let outputs = &self.interface().outputs;
        let nodes: Vec<usize> =
            outputs.iter().filter_map(|name| self.by_name.get(name).copied()).collect();
        let is_class = |&i: &usize| {
            let chooses = |op: &str| op == "ArgMax" || op.starts_with("TopK");
            self.back_to(i, chooses, &["Identity", "Cast", "Squeeze"]).is_some()
        };
        let scores: Vec<usize> = nodes.iter().copied().filter(|i| !is_class(i)).collect();
        let named = if scores.is_empty() { nodes } else { scores };
        (!named.is_empty()).then_some(named)
    }

    /// Returns the nodes whose results are not read and that may be answers: those that depend on
    /// an input, if there are any.
    fn ends(&self) -> Vec<usize> {
        let mut readers = vec![Vec::new(); self.nodes.len()];
        for (reader, node) in self.nodes.iter().enumerate() {
            for input in node.input.iter().filter(|input| !input.starts_with('^')) {
                if let Some(&index) = self.by_name.get(split_port(input).0) {
                    readers[index].push(reader);
                }
            }
        }
        let mut depends = vec![false; self.nodes.len()];
        let is_input = |op: &str| op.starts_with("Placeholder") || operation::decodes_a_photo(op);
        let mut waiting: Vec<usize> =
            (0..self.nodes.len()).filter(|&i| is_input(&self.nodes[i].op)).collect();
        while let Some(node) = waiting.pop() {
            if !std::mem::replace(&mut depends[node], true) {
                waiting.extend(&readers[node]);
            }
        }
        let is_end = |&i: &usize| {
            let node = &self.nodes[i];
            readers[i].is_empty()
                && is_an_answer(&node.op)
                && !is_of_training(&node.name, &node.op)
                && !self.is_metric(i)
        };
        let ends: Vec<usize> = (0..self.nodes.len()).filter(is_end).collect();
        let dependent: Vec<usize> = ends.iter().copied().filter(|&i| depends[i]).collect();
        if dependent.is_empty() { ends } else { dependent }
    }

    /// Returns true for a loss or an accuracy: a mean of comparisons with labels, or a sum over the
    /// pictures of a batch and their classes.
    fn is_metric(&self, node: usize) -> bool {
        const BATCH_AXIS: i64 = 0;
        let reduces = ["Mean", "Sum", "Max", "Min", "Prod"].contains(&self.nodes[node].op.as_str());
        let axes = || self.constant_input(&self.nodes[node], 1).unwrap_or_default();
        let is_total = |axes: Vec<i64>| axes.len() > 1 && axes.contains(&BATCH_AXIS);
        if reduces && is_total(axes()) {
            return true;
        }
        let compares = |op: &str| {
            op == "Equal"
                || op == "L2Loss"
                || op.starts_with("InTopK")
                || op.contains("CrossEntropy")
        };
        let through = ["Mean", "Sum", "Cast", "Identity", "Neg", "Add", "AddV2", "AddN", "RealDiv"];
        self.back_to(node, compares, &through).is_some()
    }

    fn unclear(&self, choice: Choice, what: &str, nodes: &[usize]) -> Error {
        const MAX_SHOWN: usize = 20;
        let listed = nodes
            .iter()
            .take(MAX_SHOWN)
            .map(|&i| format!("{} ({})", self.nodes[i].name, self.nodes[i].op));
        Error::Ambiguous { choice, what: what.into(), candidates: listed.collect() }
    }

    /// Returns the image input among the inputs that `end` depends on: of several, the only one of
    /// the best [rank](Self::input_rank).
    fn picture_input(&self, named: Option<&str>, end: usize) -> Result<InputCandidate> {
        if let Some(name) = named {
            // Under this name it takes pictures whatever its own layout is.
            let placeholder = name.strip_suffix(CHANNELS_LAST);
            let found = self.find(name).or_else(|error| match placeholder {
                Some(placeholder) => self.find(placeholder),
                None => Err(error),
            });
            return Ok(self.candidate(found?.0));
        }
        let reached = self.reached_from(end);
        let ranked: Vec<(u8, usize)> =
            reached.iter().filter_map(|&i| Some((self.input_rank(i)?, i))).collect();
        let best = ranked.iter().map(|&(rank, _)| rank).min();
        let best_inputs: Vec<usize> =
            ranked.iter().filter(|(rank, _)| Some(*rank) == best).map(|&(_, i)| i).collect();
        if let [one] = best_inputs[..] {
            return Ok(self.candidate(one));
        }
        let holders = |op: &str| op.starts_with("Placeholder") || operation::decodes_a_photo(op);
        let others: Vec<usize> =
            reached.into_iter().filter(|&i| holders(&self.nodes[i].op)).collect();
        if best_inputs.is_empty() && !others.is_empty() {
            return Err(self.unfit_inputs(&others));
        }
        if others.is_empty() {
            // Its nodes may be in a loop, or read one that is missing: that is said first.
            self.needed(&[&self.nodes[end].name])?;
            let what = "no input is among what its output is computed from".into();
            return Err(Error::Format { path: self.path().into(), what });
        }
        let what = "it is not clear which input takes the picture";
        Err(self.unclear(Choice::Input, what, &others))
    }

    /// Returns the error for inputs of shapes that no picture has.
    fn unfit_inputs(&self, inputs: &[usize]) -> Error {
        let shown = |&i: &usize| {
            let candidate = self.candidate(i);
            let lengths: Vec<String> = candidate
                .shape
                .unwrap_or_default()
                .into_iter()
                .map(|length| length.map_or_else(|| "?".to_owned(), |length| length.to_string()))
                .collect();
            format!("{} ({} [{}])", candidate.name, candidate.dtype, lengths.join(", "))
        };
        let what = "no input has the shape of a picture, which is [batch, rows, columns, channels] \
                    or [batch, channels, rows, columns] with 1, 3 or 4 channels, either without \
                    batch, or all values of a square picture in one row";
        let candidates = inputs.iter().map(shown).collect();
        Error::Ambiguous { choice: Choice::Input, what: what.into(), candidates }
    }

    fn candidate(&self, index: usize) -> InputCandidate {
        let node = &self.nodes[index];
        let attributes = Attributes(node);
        let takes_decoded_image = operation::decodes_a_photo(&node.op);
        let dtype = if takes_decoded_image {
            Some(attributes.dtype("dtype").unwrap_or(DType::U8))
        } else {
            attributes.dtype("dtype").or_else(|| attributes.dtype("T"))
        };
        let (name, shape) = match self.picture_fit(index) {
            _ if takes_decoded_image => {
                let channels = if attributes.int("channels") == Some(1) { 1 } else { 3 };
                (node.name.clone(), Some(vec![None, None, Some(channels)]))
            }
            PictureFit::Other(layout) => {
                (format!("{}{CHANNELS_LAST}", node.name), Some(layout.channels_last_shape()))
            }
            PictureFit::Plain | PictureFit::No => {
                (node.name.clone(), attributes.shape("shape").filter(|shape| !shape.is_empty()))
            }
        };
        InputCandidate {
            name,
            dtype: dtype.unwrap_or(DType::F32),
            shape,
            takes_decoded_image,
            quantization: operation::quantized::scale(attributes),
        }
    }

    /// Returns how well a node does as the picture's input, 0 being best; `None` if not at all.
    fn input_rank(&self, index: usize) -> Option<u8> {
        const SETTINGS: [&str; 4] = ["keep_prob", "dropout", "learning_rate", "training"];
        let node = &self.nodes[index];
        if operation::decodes_a_photo(&node.op) {
            return Some(0);
        }
        let candidate = self.candidate(index);
        let is_text = matches!(candidate.dtype, DType::String | DType::Bool);
        if !node.op.starts_with("Placeholder") || is_text {
            return None;
        }
        let is_plain = match self.picture_fit(index) {
            PictureFit::No => return None,
            fit => fit == PictureFit::Plain,
        };
        let rank = candidate.shape.as_ref().map(Vec::len);
        let own_rank = Attributes(node).shape("shape").map_or(0, |shape| shape.len());
        // Integers of unknown shape are labels and counts.
        let is_pixels = candidate.dtype.is_float()
            || candidate.dtype == DType::U8
            || candidate.quantization.is_some();
        match (rank, is_plain) {
            (Some(4), true) => Some(0),
            (Some(4), false) if own_rank == 4 => Some(0),
            (Some(4), false) if own_rank == 3 && is_pixels => Some(1),
            (Some(4), false) if is_pixels => Some(3),
            (None, _) if is_pixels => {
                let name = node.name.to_lowercase();
                let is_setting = SETTINGS.iter().any(|setting| name.contains(setting));
                (!is_setting).then_some(2)
            }
            _ => None,
        }
    }

    fn reached_from(&self, end: usize) -> Vec<usize> {
        let (mut seen, mut waiting, mut reached) =
            (vec![false; self.nodes.len()], vec![end], Vec::new());
        while let Some(node) = waiting.pop() {
            if !std::mem::replace(&mut seen[node], true) {
                reached.push(node);
                waiting.extend(
                    (0..self.nodes[node].input.len()).filter_map(|i| self.input_of(node, i)),
                );
            }
        }
        reached.sort_unstable();
        reached
    }

    /// Returns the node of input `i`; `None` for control edges.
    fn input_of(&self, node: usize, i: usize) -> Option<usize> {
        let input = self.nodes[node].input.get(i).filter(|input| !input.starts_with('^'))?;
        self.by_name.get(split_port(input).0).copied()
    }

    /// Follows first inputs from `node` through operations of `through`, up to a node that
    /// satisfies `wanted`.
    fn back_to(
        &self,
        mut node: usize,
        wanted: impl Fn(&str) -> bool,
        through: &[&str],
    ) -> Option<usize> {
        const MAX_STEPS: usize = 32;
        for _ in 0..MAX_STEPS {
            let op = self.nodes[node].op.as_str();
            if wanted(op) {
                return Some(node);
            }
            if !through.contains(&op) {
                return None;
            }
            node = self.input_of(node, 0)?;
        }
        None
    }

    /// Returns the input of the last convolution or matrix product before the logits.
    fn features(&self, logits: usize) -> Option<usize> {
        let layer = self.back_to(logits, |op: &str| LAYERS.contains(&op), SCORE_PASS_THROUGH)?;
        let input = self.input_of(layer, 0)?;
        // Skips reshapes and remains of dropout, to reach the pooled activations themselves.
        Some(
            self.back_to(input, |op| !FEATURE_PASS_THROUGH.contains(&op), FEATURE_PASS_THROUGH)
                .unwrap_or(input),
        )
    }
}

/// Operations that make probabilities of scores.
const SCORE_FUNCTIONS: &[&str] = &["Softmax", "Sigmoid", "LiteSoftmax", "LiteLogistic"];
/// Operations that make scores of features.
const LAYERS: &[&str] =
    &["Conv2D", "MatMul", "_FusedConv2D", "_FusedMatMul", "LiteConv2D", "LiteFullyConnected"];
const SCORE_PASS_THROUGH: &[&str] = &[
    "Identity",
    "Reshape",
    "Squeeze",
    "BiasAdd",
    "Add",
    "AddV2",
    "Mean",
    "LiteMean",
    "LiteRequantize",
    "LiteDequantize",
    "Cast",
    "Slice",
    "StridedSlice",
    "Transpose",
    "ExpandDims",
    "ClipByValue",
    "Maximum",
    "Minimum",
];
const FEATURE_PASS_THROUGH: &[&str] = &["Identity", "Reshape", "Squeeze", "PlaceholderWithDefault"];

fn is_softmax(op: &str) -> bool {
    SCORE_FUNCTIONS.contains(&op)
}

/// Returns the only candidate for which `holds` is true.
fn only(candidates: &[usize], holds: impl Fn(&usize) -> bool) -> Option<usize> {
    let mut fitting = candidates.iter().copied().filter(holds);
    let (first, None) = (fitting.next()?, fitting.next()) else { return None };
    Some(first)
}

/// Returns true for gradients, updates, and the saving and initialising of variables.
fn is_of_training(name: &str, op: &str) -> bool {
    const SCOPES: [&str; 8] = [
        "gradients",
        "save",
        "init",
        "Initializer",
        "report_uninitialized_variables",
        "train",
        "Adam",
        "Momentum",
    ];
    let is_scope = |scope: &str| {
        SCOPES.iter().any(|known| {
            scope.strip_prefix(known).is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
        })
    };
    let mut scopes: Vec<&str> = name.split('/').collect();
    // A node itself may be called as it likes.
    let is_alone = scopes.len() == 1;
    scopes.pop();
    (!is_alone && scopes.into_iter().any(is_scope))
        || op.ends_with("Grad")
        || op.contains("Backprop")
        || op.contains("Apply")
        || op.starts_with("LookupTable")
}

/// Returns true if an unread node may be an output, and is not a remainder of training.
fn is_an_answer(op: &str) -> bool {
    let remains = [
        "Const",
        "Placeholder",
        "PlaceholderWithDefault",
        "NoOp",
        "Assert",
        "CheckNumerics",
        "SaveV2",
        "Save",
        "RestoreV2",
    ];
    !remains.contains(&op)
        && !op.ends_with("Summary")
        && !op.contains("Assign")
        && !op.starts_with("Var")
}
