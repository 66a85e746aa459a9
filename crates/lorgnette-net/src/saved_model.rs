//! SavedModels of TensorFlow 1 and 2: a graph with functions, signatures, and variables in a
//! bundle.
//!
//! ```text
//! saved_model.pb ─▶ graph of a tag, functions inlined (inline) ─▶ nodes of the signature
//!                     │                                                  └─▶ GraphDef
//!                     └─ nodes that restore variables (restore)
//!                           └─▶ names in variables/variables.index
//! ```
//! From there on it is a graph like any other. The other files of the folder (`fingerprint.pb`,
//! `keras_metadata.pb`, `assets`) are not read.

mod inline;
mod proto;
mod restore;
mod signature;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use prost::Message as _;

pub use self::signature::{SavedSignature, SavedTensor};
use crate::error::{Error, Result};
use crate::file::MappedFile;
use crate::import::{GraphDef, Interface, check_decoded_size, split_port};
use crate::proto::NodeDef;
use crate::weights::Weights;

/// The file that makes a folder a SavedModel.
pub(crate) const FILE: &str = "saved_model.pb";

/// Returns true if a file begins as a SavedModel does: its schema's version 1, then a graph.
pub(crate) fn is_saved_model(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x08, 0x01, 0x12])
}

/// Opens the `saved_model.pb` of a SavedModel. `wanted` is the name of a signature.
///
/// # Errors
/// If the file is not a SavedModel or damaged; if its variables are missing; [`Error::Unknown`] and
/// [`Error::Ambiguous`] for signatures.
pub(crate) fn open(path: &Path, wanted: Option<&str>) -> Result<GraphDef> {
    let file = MappedFile::open(path)?;
    let format = |what: String| Error::Format { path: path.into(), what };
    check_decoded_size(path, crate::proto::size::saved_model_bytes(file.bytes()))?;
    let decoded = proto::SavedModel::decode(file.bytes().clone())
        .map_err(|_| format("not a SavedModel, or a damaged one: get another copy".into()))?;
    let meta_graph = signature::for_inference(decoded.meta_graphs)
        .ok_or_else(|| format("this SavedModel has no graph".into()))?;
    let graph = meta_graph
        .graph_def
        .as_ref()
        .ok_or_else(|| format("this SavedModel has no graph".into()))?;
    let operations = meta_graph.meta_info_def.as_ref();
    let operations = operations.and_then(|info| info.stripped_op_list.as_ref());
    let operations = operations.map_or(&[][..], |list| list.op.as_slice());
    let nodes = inline::inline(graph, operations, file.bytes().len())
        .map_err(|what| format(format!("a damaged SavedModel: {what}")))?;
    let signatures = signature::signatures(&meta_graph, &nodes, wanted, path)?;
    let keys = restore::keys(&nodes);
    let interface = interface(signatures, &nodes).map_err(format)?;
    let nodes = needed(nodes, &interface);
    let graph = crate::proto::GraphDef { node: nodes, versions: None };
    let graph = GraphDef::new(file, graph, path)?.with_interface(interface);
    if !graph.has_variables() {
        return Ok(graph);
    }
    let weights = Arc::new(variables_beside(path)?);
    Ok(graph.with_variables(Arc::new(restore::RestoredVariables::new(weights, keys))))
}

/// Returns the nodes of a graph that is no SavedModel, its functions inlined; `None` if it calls
/// none.
///
/// # Errors
/// A sentence if the graph is damaged.
pub(crate) fn without_functions(
    graph: bytes::Bytes,
) -> std::result::Result<Option<Vec<NodeDef>>, String> {
    let file_bytes = graph.len();
    let graph = proto::GraphDef::decode(graph)
        .map_err(|_| "its functions cannot be read: get another copy".to_owned())?;
    match inline::has_calls(&graph) {
        true => inline::inline(&graph, &[], file_bytes).map(Some),
        false => Ok(None),
    }
}

/// Returns the names of the chosen signature as names of nodes.
fn interface(
    signatures: Vec<SavedSignature>,
    nodes: &[NodeDef],
) -> std::result::Result<Interface, String> {
    let mut aliases = BTreeMap::new();
    let mut node_names = |tensors: &[SavedTensor]| {
        tensors
            .iter()
            .map(|tensor| {
                let node = signature::node_of(&tensor.tensor, nodes).ok_or_else(|| {
                    format!("'{}' of its signature is not in the graph", tensor.tensor)
                })?;
                aliases.insert(tensor.name.clone(), node.clone());
                aliases.insert(tensor.tensor.clone(), node.clone());
                Ok((node, tensor.is_numeric()))
            })
            .collect::<std::result::Result<Vec<(String, bool)>, String>>()
    };
    let (mut inputs, mut outputs) = (Vec::new(), Vec::new());
    if let Some(chosen) = signatures.iter().find(|signature| signature.is_chosen) {
        outputs = node_names(&chosen.outputs)?;
        inputs = node_names(&chosen.inputs)?;
    }
    let numeric = |nodes: Vec<(String, bool)>| -> Vec<String> {
        nodes.into_iter().filter(|(_, is_numeric)| *is_numeric).map(|(node, _)| node).collect()
    };
    Ok(Interface { signatures, inputs: numeric(inputs), outputs: numeric(outputs), aliases })
}

/// Returns the nodes that the signature's tensors need. Control edges matter only beside a Switch;
/// others are removed.
fn needed(mut nodes: Vec<NodeDef>, interface: &Interface) -> Vec<NodeDef> {
    let control_matters = nodes.iter().any(|node| node.op == "Switch");
    let index: HashMap<&str, usize> =
        nodes.iter().enumerate().map(|(index, node)| (node.name.as_str(), index)).collect();
    let mut seen = HashSet::new();
    let mut waiting: Vec<usize> =
        interface.aliases.values().filter_map(|node| index.get(node.as_str()).copied()).collect();
    while let Some(node) = waiting.pop() {
        if !seen.insert(node) {
            continue;
        }
        let sources = nodes[node].input.iter().filter_map(|input| match input.strip_prefix('^') {
            Some(node) => control_matters.then_some(node),
            None => Some(split_port(input).0),
        });
        waiting.extend(sources.filter_map(|source| index.get(source).copied()));
    }
    let mut position = 0;
    nodes.retain(|_| {
        position += 1;
        seen.contains(&(position - 1))
    });
    if !control_matters {
        for node in &mut nodes {
            node.input.retain(|input| !input.starts_with('^'));
        }
    }
    nodes
}

/// Opens the bundle in the folder `variables` beside a `saved_model.pb`.
fn variables_beside(path: &Path) -> Result<Weights> {
    let folder = path.with_file_name("variables");
    let index = folder.join("variables.index");
    if !index.is_file() {
        let what = "the variables of this SavedModel are missing: the whole folder belongs \
                    together (saved_model.pb, variables/variables.index, variables/variables.data-…)"
            .into();
        return Err(Error::Format { path: index, what });
    }
    Weights::open(index)
}
