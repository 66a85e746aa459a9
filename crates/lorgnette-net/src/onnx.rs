//! ONNX models, operator sets 7 to 22: the file, its nodes, and the part of them that computes what
//! is wanted, as a [`Graph`].
//!
//! ```text
//! bytes ─▶ ModelProto (proto) ─▶ OnnxModel: nodes, initialisers (weights, external)
//!                                  └─▶ order of what the fetches need ─▶ Graph, node by node
//!                                      (translate), each by its operator (operation)
//! ```
//! ONNX has channels first, this project has them last. So a translated value is known in one of
//! two layouts, and transposed where an operation needs the other: most networks have one
//! transposition, of the picture, which is not there either when pictures are fed with channels
//! last.

mod attributes;
mod detect;
mod external;
mod operation;
mod order;
pub(crate) mod proto;
mod signature;
mod translate;
mod weights;

pub(crate) use detect::is_onnx;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use bytes::Bytes;
use prost::Message as _;

use self::external::ExternalFiles;
use self::proto::{Length, ModelProto, NodeProto, ValueInfoProto};
use self::weights::Weight;
use crate::error::{Error, Result};
use crate::export;
use crate::file::MappedFile;
use crate::graph::{Graph, TensorOrLazy};
use crate::import::{Signature, check_decoded_size};
use crate::proto::{NodeDef, size};
use crate::tensor::{DType, Tensor};

/// An ONNX model.
#[derive(Debug)]
pub(crate) struct OnnxModel {
    path: PathBuf,
    nodes: Vec<NodeProto>,
    /// The node that computes each value, and which of its outputs the value is.
    producers: HashMap<String, usize>,
    /// By name; one that cannot be read is refused when it is needed.
    initializers: BTreeMap<String, Result<Weight, String>>,
    inputs: Vec<Input>,
    input_by_name: HashMap<String, usize>,
    outputs: Vec<String>,
    opset: i64,
    /// The program that wrote the file.
    producer: String,
    metadata: Vec<(String, String)>,
    signature: OnceLock<Signature>,
}

/// An input as the file declares it.
#[derive(Clone, Debug)]
pub(crate) struct Input {
    pub(crate) name: String,
    pub(crate) dtype: DType,
    /// Lengths that are named or absent are `None`; so is the shape if it is absent.
    pub(crate) shape: Option<Vec<Option<usize>>>,
    /// Whether it takes pictures `[batch, channels, rows, columns]`.
    pub(crate) channels_first: bool,
}

/// Operator sets whose meaning is known.
const OPSETS: std::ops::RangeInclusive<i64> = 7..=22;

/// Behind a value's name: the same value with its channels last.
pub(crate) const CHANNELS_LAST: &str = "channels_last";

impl OnnxModel {
    /// Maps and reads a file. Initialisers stay in the map until something asks for them; those in
    /// other files are looked for beside it.
    ///
    /// # Errors
    /// If the file cannot be read, is no ONNX model, or is of an operator set that is not known.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new(".")).to_owned();
        Self::read(&MappedFile::open(path)?, Some(folder), path)
    }

    /// Reads a model that is in memory; `path` is the name in messages.
    ///
    /// # Errors
    /// As [`OnnxModel::open`]; initialisers in other files are refused.
    pub(crate) fn from_bytes(bytes: Bytes, path: &Path) -> Result<Self> {
        Self::read(&bytes.into(), None, path)
    }

    fn read(file: &MappedFile, folder: Option<PathBuf>, path: &Path) -> Result<Self> {
        let format = |what: String| Error::Format { path: path.into(), what };
        let bytes = file.bytes().clone();
        let length = bytes.len();
        check_decoded_size(path, size::onnx_bytes(&bytes))?;
        let model = ModelProto::decode(bytes).map_err(|_| {
            format(format!("a damaged ONNX model of {length} bytes: get another copy"))
        })?;
        let graph = model.graph.unwrap_or_default();
        if graph.node.is_empty() {
            return Err(format("the ONNX model has no nodes".into()));
        }
        let is_default = |domain: &str| domain.is_empty() || domain == "ai.onnx";
        let opset = model.opset_import.iter().find(|set| is_default(&set.domain));
        let opset = opset.map_or(1, |set| set.version);
        if !OPSETS.contains(&opset) {
            let (first, last) = (OPSETS.start(), OPSETS.end());
            return Err(format(format!(
                "it is of ONNX's operator set {opset}, and {first} to {last} are known: convert \
                 it with onnx.version_converter"
            )));
        }
        let mut producers = HashMap::new();
        for (index, node) in graph.node.iter().enumerate() {
            for output in node.output.iter().filter(|name| !name.is_empty()) {
                if producers.insert(output.clone(), index).is_some() {
                    return Err(format(format!("two nodes compute the value '{output}'")));
                }
            }
        }
        let mut external = ExternalFiles::new(folder);
        let mut initializers = BTreeMap::new();
        for tensor in &graph.initializer {
            initializers.insert(tensor.name.clone(), Weight::read(tensor, file, &mut external));
        }
        let is_fed = |input: &&ValueInfoProto| !initializers.contains_key(&input.name);
        let transposed = transposed_to_first(&graph.node);
        let fed = graph.input.iter().filter(is_fed);
        let inputs: Vec<Input> = fed.map(|input| Input::new(input, &transposed)).collect();
        let numbered = inputs.iter().enumerate();
        let input_by_name = numbered.map(|(at, input)| (input.name.clone(), at)).collect();
        let metadata =
            model.metadata_props.into_iter().map(|entry| (entry.key, entry.value)).collect();
        Ok(Self {
            path: path.into(),
            producers,
            initializers,
            inputs,
            input_by_name,
            outputs: graph.output.into_iter().map(|output| output.name).collect(),
            nodes: graph.node,
            opset,
            producer: model.producer_name,
            metadata,
            signature: OnceLock::new(),
        })
    }

    /// The file's name, as it was given.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The inputs that must be fed, in the file's order.
    pub(crate) fn inputs(&self) -> &[Input] {
        &self.inputs
    }

    /// The name of the program that wrote the file; empty if it has none.
    pub(crate) fn producer(&self) -> &str {
        &self.producer
    }

    /// Names and values that the writer of the file left in it.
    pub(crate) fn metadata(&self) -> &[(String, String)] {
        &self.metadata
    }

    /// The names of all values: inputs, initialisers, and what nodes compute.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        let inputs = self.inputs.iter().map(|input| input.name.as_str());
        let outputs = self.nodes.iter().flat_map(|node| &node.output).map(String::as_str);
        let weights = self.initializers.keys().map(String::as_str);
        inputs.chain(outputs.filter(|name| !name.is_empty())).chain(weights)
    }

    /// The graph that computes `fetches` from `feeds` of these shapes; `settings` are fed values
    /// that are constants. A name with `/channels_last` behind it is the value with its channels
    /// last.
    ///
    /// # Errors
    /// [`Error::Unknown`] for a name that is not there; [`Error::Unsupported`] with every node that
    /// is needed and not known; [`Error::Node`] for one that does not fit its inputs.
    pub(crate) fn graph(
        &self,
        feeds: &[(&str, &[usize])],
        settings: &[(&str, Tensor)],
        fetches: &[&str],
    ) -> Result<Graph> {
        Ok(translate::translate(self, feeds, settings, fetches)?.graph)
    }

    /// The initialisers that `fetches` need, by name, in its order.
    ///
    /// # Errors
    /// If a name is not there.
    pub(crate) fn variables(&self, fetches: &[&str]) -> Result<Vec<(String, TensorOrLazy)>> {
        let wanted: Vec<&str> =
            fetches.iter().map(|name| Ok(self.find(name)?.0)).collect::<Result<_>>()?;
        let needed = order::order(self, &wanted, |_| false)?;
        let read = needed.iter().flat_map(|&node| &self.nodes[node].input);
        let is_weight = |name: &&String| matches!(self.initializers.get(*name), Some(Ok(_)));
        let names: std::collections::BTreeSet<&String> = read.filter(is_weight).collect();
        Ok(names.into_iter().filter_map(|name| Some((name.clone(), self.value(name)?))).collect())
    }

    /// An initialiser.
    pub(crate) fn value(&self, name: &str) -> Option<TensorOrLazy> {
        let weight = self.initializers.get(name)?.as_ref().ok()?;
        TensorOrLazy::from_op(&weight.operand())
    }

    /// All nodes by ONNX's names, for display.
    pub(crate) fn nodes_for_display(&self) -> Vec<export::Node> {
        let inputs = self.inputs.iter();
        let placeholders =
            inputs.map(|input| export::node(&input.name, "Placeholder", Vec::new(), &[]));
        let weights =
            self.initializers.keys().map(|name| export::node(name, "Const", Vec::new(), &[]));
        let nodes = self.nodes.iter().filter_map(|node| {
            let name = node.output.first()?.clone();
            let inputs = node.input.iter().filter(|input| !input.is_empty());
            // A later output of a node is one of the node's in TensorFlow's graphs.
            let inputs = inputs.map(|input| self.node_output(input)).collect();
            let def =
                NodeDef { name, op: node.op_type.clone(), input: inputs, ..NodeDef::default() };
            Some(export::Node { def, value: None })
        });
        placeholders.chain(weights).chain(nodes).collect()
    }

    /// A value as TensorFlow names it: the node by its first output, and which output it is.
    fn node_output(&self, value: &str) -> String {
        let Some(node) = self.producers.get(value).map(|&index| &self.nodes[index]) else {
            return value.to_owned();
        };
        match node.output.iter().position(|output| output == value) {
            Some(port @ 1..) => format!("{}:{port}", node.output[0]),
            _ => value.to_owned(),
        }
    }

    /// The value that a name means, and whether it is wanted with its channels last.
    fn find<'a>(&'a self, name: &str) -> Result<(&'a str, bool)> {
        if let Some(value) = self.exact(name) {
            return Ok((value, false));
        }
        let last = name.strip_suffix(CHANNELS_LAST).and_then(|name| name.strip_suffix('/'));
        if let Some(value) = last.and_then(|name| self.exact(name)) {
            return Ok((value, true));
        }
        Err(Error::unknown("value", name, self.names()))
    }

    /// The value of that name, or of that name without or with TensorFlow's `:0`.
    fn exact<'a>(&'a self, name: &str) -> Option<&'a str> {
        let known = |name: &str| -> Option<&'a str> {
            if let Some((known, _)) = self.producers.get_key_value(name) {
                return Some(known);
            }
            if let Some((known, _)) = self.initializers.get_key_value(name) {
                return Some(known);
            }
            self.input_by_name.get_key_value(name).map(|(known, _)| known.as_str())
        };
        known(name)
            .or_else(|| known(name.strip_suffix(":0")?))
            .or_else(|| known(&format!("{name}:0")))
    }

    /// The value that identities hand on under this name, and casts between types of floats.
    fn behind_identities<'a>(&'a self, mut name: &'a str) -> &'a str {
        const MAX_STEPS: usize = 32;
        for _ in 0..MAX_STEPS {
            let node = self.producers.get(name).map(|&index| &self.nodes[index]);
            let node = node
                .filter(|node| operation::is_identity(node) || self.is_cast_of_stored_floats(node));
            let Some(input) = node.and_then(|node| node.input.first()) else { break };
            name = input;
        }
        name
    }

    /// Whether a node casts an initialiser of floats to another type of floats. It changes nothing:
    /// all floats are computed with as float32.
    fn is_cast_of_stored_floats(&self, node: &NodeProto) -> bool {
        let stored = node.input.first().and_then(|name| self.initializers.get(name.as_str()));
        let weight = stored.and_then(|weight| weight.as_ref().ok());
        weight.is_some_and(|weight| weight.tensor.dtype().is_float())
            && operation::is_cast_to_float(node)
    }

    fn input(&self, name: &str) -> Option<&Input> {
        self.input_by_name.get(name).map(|&at| &self.inputs[at])
    }
}

impl Input {
    fn new(declared: &ValueInfoProto, transposed: &HashSet<&str>) -> Self {
        let tensor = declared.r#type.as_ref().and_then(|kind| kind.tensor_type.as_ref());
        let length = |length: &Option<Length>| match length {
            Some(Length::Value(n)) if *n > 0 => usize::try_from(*n).ok(),
            _ => None,
        };
        let shape = tensor.and_then(|tensor| tensor.shape.as_ref());
        let shape: Option<Vec<Option<usize>>> =
            shape.map(|shape| shape.dim.iter().map(|dim| length(&dim.value)).collect());
        let dtype =
            tensor.and_then(|tensor| weights::dtype(tensor.elem_type)).unwrap_or(DType::F32);
        let name = declared.name.clone();
        let is_transposed = transposed.contains(name.as_str());
        let channels_first =
            shape.as_deref().is_some_and(|shape| is_channels_first(shape, is_transposed));
        Self { name, dtype: weights::computed(dtype), shape, channels_first }
    }

    /// The lengths with channels last, of an input with channels first.
    pub(crate) fn channels_last_shape(&self) -> Option<Vec<Option<usize>>> {
        match self.shape.as_deref()? {
            &[batch, channels, rows, columns] => Some(vec![batch, rows, columns, channels]),
            _ => None,
        }
    }
}

/// The values that are transposed from channels last to channels first: a network that was made of
/// one with channels last begins so.
fn transposed_to_first(nodes: &[NodeProto]) -> HashSet<&str> {
    let to_first = |node: &&NodeProto| {
        let order = attributes::Attributes(node).ints("perm");
        node.op_type == "Transpose" && order == Some(&[0, 3, 1, 2])
    };
    nodes.iter().filter(to_first).flat_map(|node| &node.input).map(String::as_str).collect()
}

/// Whether an input has its channels first, as ONNX's convolutions want it.
fn is_channels_first(shape: &[Option<usize>], is_transposed: bool) -> bool {
    let [_, second, _, last] = *shape else { return false };
    let counts_colours = |n: Option<usize>| matches!(n, Some(1 | 3 | 4));
    match (counts_colours(second), counts_colours(last)) {
        (true, false) => true,
        (false, true) => false,
        _ => !is_transposed,
    }
}
