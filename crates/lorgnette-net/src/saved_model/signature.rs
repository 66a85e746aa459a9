//! The signatures of a SavedModel, and which of them a model has.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::path::Path;

use super::inline::result_name;
use super::proto::{MetaGraphDef, SignatureDef, TensorInfo};
use crate::error::{Choice, Error, Result};
use crate::import::{decodes_a_photo, split_port};
use crate::proto::{NodeDef, Value};
use crate::tensor::DType;

/// A signature of a SavedModel: a function from named tensors to named tensors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedSignature {
    /// The signature's name, such as `serving_default`.
    pub name: String,
    /// Whether it is the one that the network computes.
    pub is_chosen: bool,
    /// The inputs, sorted by name.
    pub inputs: Vec<SavedTensor>,
    /// The outputs, sorted by name.
    pub outputs: Vec<SavedTensor>,
}

/// An input or output of a [`SavedSignature`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedTensor {
    /// The name in the signature.
    pub name: String,
    /// The tensor's name in the graph.
    pub tensor: String,
    /// The element type; `None` for one that is not known.
    pub dtype: Option<DType>,
    /// The shape as far as it is known; `None` if the rank is unknown.
    pub shape: Option<Vec<Option<usize>>>,
}

impl SavedTensor {
    /// Returns true for numbers. Text and flags are no pictures and no scores.
    pub(crate) fn is_numeric(&self) -> bool {
        self.dtype.is_some_and(|dtype| !matches!(dtype, DType::String | DType::Bool))
    }

    fn new(name: &str, info: &TensorInfo) -> Self {
        let shape = info.tensor_shape.as_ref().filter(|shape| !shape.unknown_rank);
        Self {
            name: name.to_owned(),
            tensor: info.name.clone(),
            dtype: DType::from_tensorflow(info.dtype),
            shape: shape
                .map(|shape| shape.dim.iter().map(|dim| usize::try_from(dim.size).ok()).collect()),
        }
    }
}

impl fmt::Display for SavedTensor {
    /// Writes `name float32 [?, 224, 224, 3]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if let Some(dtype) = self.dtype {
            write!(f, " {dtype}")?;
        }
        let Some(shape) = &self.shape else { return Ok(()) };
        let lengths: Vec<String> = shape
            .iter()
            .map(|length| length.map_or_else(|| "?".to_owned(), |length| length.to_string()))
            .collect();
        write!(f, " [{}]", lengths.join(", "))
    }
}

/// Returns the MetaGraphDef for inference: tagged `serve` alone, else with others, else without a
/// tag, else not tagged `train`.
pub(super) fn for_inference(meta_graphs: Vec<MetaGraphDef>) -> Option<MetaGraphDef> {
    let rank = |graph: &MetaGraphDef| {
        let tags = graph.meta_info_def.as_ref().map_or(&[][..], |info| info.tags.as_slice());
        let has = |tag: &str| tags.iter().any(|own| own == tag);
        match tags.len() {
            1 if has("serve") => 0,
            _ if has("serve") => 1,
            0 => 2,
            _ if !has("train") => 3,
            _ => 4,
        }
    };
    // Of equal rank, the first counts.
    meta_graphs.into_iter().min_by_key(rank)
}

/// Returns the signatures, one of them chosen: the one of the given name, else `serving_default`,
/// else `default`, if it takes numbers or decodes pictures; else the only one that takes numbers.
/// `nodes` are those of the graph without functions.
///
/// # Errors
/// [`Error::Unknown`] with the names that exist; [`Error::Ambiguous`] if none is chosen.
pub(super) fn signatures(
    graph: &MetaGraphDef,
    nodes: &[NodeDef],
    wanted: Option<&str>,
    path: &Path,
) -> Result<Vec<SavedSignature>> {
    // The signature that only initialises has no outputs.
    let is_function = |(name, signature): &(&String, &SignatureDef)| {
        !name.starts_with("__") && !signature.outputs.is_empty()
    };
    let mut signatures: Vec<SavedSignature> = graph
        .signature_def
        .iter()
        .filter(is_function)
        .map(|(name, def)| signature(name, def))
        .collect();
    if signatures.is_empty() {
        let what = "this SavedModel has no signatures (`serving_default`), so its inputs and \
                    outputs have no names: export the Keras model with model.export(), or save it \
                    with signatures="
            .into();
        return Err(Error::Format { path: path.into(), what });
    }
    let chosen = match wanted {
        Some(name) => {
            let names = signatures.iter().map(|signature| signature.name.as_str());
            let position = signatures.iter().position(|signature| signature.name == name);
            position.ok_or_else(|| Error::unknown("signature", name, names))?
        }
        None => default_of(&signatures, nodes).ok_or_else(|| Error::Ambiguous {
            choice: Choice::Signature,
            what: format!("{}: there are several signatures", path.display()),
            candidates: signatures.iter().map(|signature| signature.name.clone()).collect(),
        })?,
    };
    signatures[chosen].is_chosen = true;
    Ok(signatures)
}

fn signature(name: &str, def: &SignatureDef) -> SavedSignature {
    let tensors = |tensors: &BTreeMap<String, TensorInfo>| {
        tensors.iter().map(|(name, info)| SavedTensor::new(name, info)).collect()
    };
    SavedSignature {
        name: name.to_owned(),
        is_chosen: false,
        inputs: tensors(&def.inputs),
        outputs: tensors(&def.outputs),
    }
}

fn default_of(signatures: &[SavedSignature], nodes: &[NodeDef]) -> Option<usize> {
    let takes_numbers =
        |signature: &SavedSignature| signature.inputs.iter().any(SavedTensor::is_numeric);
    let usual = ["serving_default", "default"].iter().find_map(|name| {
        let position = signatures.iter().position(|signature| signature.name == *name)?;
        let usual = &signatures[position];
        (takes_numbers(usual) || decodes_pictures(usual, nodes)).then_some(position)
    });
    let mut fitting =
        (0..signatures.len()).filter(|&position| takes_numbers(&signatures[position]));
    let only = match (fitting.next(), fitting.next()) {
        (Some(only), None) => Some(only),
        _ => None,
    };
    let lone = (signatures.len() == 1).then_some(0);
    usual.or(only).or(lone)
}

/// Returns true if a node that decodes pictures leads to the signature's outputs, and none on the
/// way could be fed with pixels in place of it, which another signature does.
fn decodes_pictures(signature: &SavedSignature, nodes: &[NodeDef]) -> bool {
    let index: HashMap<&str, usize> =
        nodes.iter().enumerate().map(|(index, node)| (node.name.as_str(), index)).collect();
    let outputs = signature.outputs.iter().filter_map(|output| node_of(&output.tensor, nodes));
    let mut waiting: Vec<usize> =
        outputs.filter_map(|name| index.get(name.as_str()).copied()).collect();
    let (mut seen, mut decodes) = (HashSet::new(), false);
    while let Some(node) = waiting.pop() {
        if !seen.insert(node) {
            continue;
        }
        if takes_pixels(&nodes[node]) {
            return false;
        }
        decodes |= decodes_a_photo(&nodes[node].op);
        let sources = nodes[node].input.iter().map(|input| split_port(input).0);
        waiting.extend(sources.filter_map(|source| index.get(source).copied()));
    }
    decodes
}

/// Returns true for a placeholder with a default that is no flag.
fn takes_pixels(node: &NodeDef) -> bool {
    let dtype = node.attr.get("dtype").and_then(|attribute| attribute.value.as_ref());
    let is_flag = matches!(dtype, Some(Value::Type(dtype))
        if DType::from_tensorflow(*dtype) == Some(DType::Bool));
    node.op == "PlaceholderWithDefault" && !is_flag
}

/// Returns the node of a signature's tensor in the graph without functions. `None` if there is no
/// such node.
pub(super) fn node_of(tensor: &str, nodes: &[NodeDef]) -> Option<String> {
    let (name, port) = split_port(tensor);
    let is_there = |name: &str| nodes.iter().any(|node| node.name == name);
    let result = result_name(name, port);
    let found = if is_there(&result) { result } else { name.to_owned() };
    is_there(&found).then_some(found)
}
