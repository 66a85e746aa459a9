//! GraphDefs, frozen or with their variables in a checkpoint: the file, the nodes, and the subgraph
//! that computes the fetches.
//!
//! ```text
//! bytes ─▶ GraphDef (proto) ─▶ needed nodes in order (order) ─▶ Graph, by operation (operation)
//!                                                   └─ constant branches (branches)
//! ```

mod attributes;
mod branches;
mod builder;
mod constant;
mod decoding;
mod layout;
mod map_loop;
mod operation;
mod order;
mod signature;
#[cfg(test)]
mod tests;
mod trained_range;

pub use decoding::Decoding;
pub(crate) use layout::CHANNELS_LAST;
pub(crate) use operation::decodes_a_photo;
pub(crate) use operation::quantized::is_quantized_operation;
pub(crate) use signature::Interface;
pub use signature::{InputCandidate, Signature};
pub(crate) use trained_range::TrainedRange;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use prost::Message as _;

use crate::error::{Error, Result};
use crate::file::MappedFile;
use crate::graph::TensorOrLazy;
use crate::graph::{Graph, Op};
use crate::lazy_tensor::{self, ByteRange, LazyTensor};
use crate::memory;
use crate::proto;
use crate::saved_model;
use crate::tensor::{DType, Tensor};
use crate::tflite;
use crate::weights::Variables;
use builder::Fed;
use layout::PictureFit;

/// A graph as TensorFlow wrote it: all nodes, of known and unknown operations.
#[derive(Debug)]
pub struct GraphDef {
    path: PathBuf,
    file: MappedFile,
    nodes: Vec<proto::NodeDef>,
    by_name: HashMap<String, usize>,
    /// The values of the variables, if the graph is not frozen.
    variables: Option<Arc<dyn Variables + Send + Sync>>,
    /// The names that a SavedModel or a Keras model gives to inputs and outputs.
    interface: Box<Interface>,
}

impl GraphDef {
    /// Maps and decodes a file. Constants stay in the mapped file until they are read.
    ///
    /// # Errors
    /// If the file cannot be read or is not a GraphDef; the message names the likely format.
    pub fn open(path: &Path) -> Result<Self> {
        Self::read(MappedFile::open(path)?, path)
    }

    /// Decodes a graph in memory; `path` names it in messages.
    ///
    /// # Errors
    /// If the bytes are not a GraphDef.
    pub fn from_bytes(bytes: impl AsRef<[u8]> + Send + 'static, path: &Path) -> Result<Self> {
        Self::read(Bytes::from_owner(bytes).into(), path)
    }

    /// Maps and decodes the graph of a MetaGraphDef, the `.meta` file that a saver writes with a
    /// checkpoint.
    ///
    /// # Errors
    /// If the file cannot be read or is not a MetaGraphDef.
    pub fn open_meta(path: &Path) -> Result<Self> {
        let file = MappedFile::open(path)?;
        let bad = |what: &str| Error::Format {
            path: path.into(),
            what: format!("not a MetaGraphDef (.meta): {what}"),
        };
        check_decoded_size(path, proto::size::meta_graph_bytes(file.bytes()))?;
        let meta = proto::MetaGraphDef::decode(file.bytes().clone())
            .map_err(|_| bad("it is damaged, or another file: get another copy"))?;
        Self::new(file, meta.graph_def.ok_or_else(|| bad("there is no graph in it"))?, path)
    }

    /// Creates a graph of these nodes; `path` names it in messages.
    pub(crate) fn from_nodes(graph: proto::GraphDef, path: &Path) -> Result<Self> {
        Self::new(Bytes::new().into(), graph, path)
    }

    /// Returns all nodes, in the file's order.
    pub(crate) fn nodes(&self) -> &[proto::NodeDef] {
        &self.nodes
    }

    fn read(file: MappedFile, path: &Path) -> Result<Self> {
        let bytes = file.bytes().clone();
        let format = |what: String| Error::Format { path: path.into(), what };
        if tflite::is_tflite(&bytes) {
            check_decoded_size(path, tflite::decoded_bytes(&bytes))?;
            return Self::new(file, tflite::graph_def(&bytes).map_err(format)?, path);
        }
        if let Some(other) = identify(&bytes) {
            return Err(format(other.into()));
        }
        check_decoded_size(path, proto::size::graph_bytes(&bytes))?;
        let length = bytes.len();
        let has_functions = proto::size::has_functions(&bytes);
        let whole = bytes.clone();
        let mut graph = proto::GraphDef::decode(bytes).map_err(|_| {
            format(format!(
                "not a frozen TensorFlow graph, or a damaged one, of {length} bytes: get another \
                 copy, or give a graph (.pb), ONNX, TensorFlow Lite or a checkpoint"
            ))
        })?;
        if has_functions {
            let inlined = saved_model::without_functions(whole)
                .map_err(|what| format(format!("a damaged graph: {what}")))?;
            graph.node = inlined.unwrap_or(graph.node);
        }
        Self::new(file, graph, path)
    }

    /// Creates a graph of nodes whose constants may be slices of `file`; `path` names it in
    /// messages.
    pub(crate) fn new(file: MappedFile, graph: proto::GraphDef, path: &Path) -> Result<Self> {
        let format = |what: String| Error::Format { path: path.into(), what };
        if graph.node.is_empty() {
            return Err(format("the graph has no nodes".into()));
        }
        let nodes = map_loop::without_maps(graph.node);
        let mut by_name = HashMap::with_capacity(nodes.len());
        for (index, node) in nodes.iter().enumerate() {
            if by_name.insert(node.name.clone(), index).is_some() {
                return Err(format(format!("two nodes are called '{}'", node.name)));
            }
        }
        let aliases = published_names(&nodes, &by_name);
        let interface = Box::new(Interface { aliases, ..Interface::default() });
        Ok(Self { path: path.into(), file, nodes, by_name, variables: None, interface })
    }

    /// Returns the graph with names for its inputs and outputs.
    #[must_use]
    pub(crate) fn with_interface(self, interface: Interface) -> Self {
        Self { interface: Box::new(interface), ..self }
    }

    /// Returns the node of another name for it; `name` itself if it is none.
    pub(crate) fn node_called<'n>(&'n self, name: &'n str) -> &'n str {
        let alias = self.interface.aliases.get(name).filter(|_| !self.by_name.contains_key(name));
        alias.map_or(name, String::as_str)
    }

    /// Returns the names of inputs and outputs that come with the graph.
    pub(crate) fn interface(&self) -> &Interface {
        &self.interface
    }

    /// Returns the graph with values for its variables.
    #[must_use]
    pub fn with_variables(self, variables: Arc<dyn Variables + Send + Sync>) -> Self {
        Self { variables: Some(variables), ..self }
    }

    /// Returns true if some nodes are variables, whose values are not in the graph.
    pub fn has_variables(&self) -> bool {
        self.nodes.iter().any(|node| operation::is_variable(&node.op))
    }

    /// Returns the file's path as it was given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Iterates over the names of all nodes, in the file's order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.nodes.iter().map(|node| node.name.as_str())
    }

    /// Returns the image-decoding node that `name` is or reads. Such a node is fed with pixels.
    pub(crate) fn decoder(&self, name: &str) -> Option<&str> {
        let named = self.find(name).ok()?.0;
        let reads = |node: &proto::NodeDef| {
            node.input
                .first()
                .is_some_and(|input| self.by_name.get(split_port(input).0) == Some(&named))
        };
        let decoders =
            self.nodes.iter().enumerate().filter(|(_, node)| operation::decodes_a_photo(&node.op));
        let mut fitting = decoders.filter(|(index, node)| *index == named || reads(node));
        fitting.next().map(|(_, node)| node.name.as_str())
    }

    /// Returns what the decoding node `name` makes of a picture; `None` if it decodes none.
    ///
    /// # Errors
    /// [`Error::Node`] if an attribute asks for what is not done here.
    pub(crate) fn decoding_of(&self, name: &str) -> Result<Option<Decoding>> {
        let index = self.feed(name)?.0;
        match operation::decodes_a_photo(&self.nodes[index].op) {
            true => self.decoding(index).map(Some),
            false => Ok(None),
        }
    }

    /// Counts the nodes of each operation.
    pub fn operations(&self) -> std::collections::BTreeMap<&str, usize> {
        let mut counts = std::collections::BTreeMap::new();
        for node in &self.nodes {
            *counts.entry(node.op.as_str()).or_default() += 1;
        }
        counts
    }

    /// Returns the graph that computes `fetches` from `feeds`, both TensorFlow tensor names (`name`
    /// or `name:0`).
    ///
    /// Fed tensors become inputs, whatever computed them; those in `settings` become constants.
    /// Other placeholders that are reached become inputs too. A placeholder of another layout than
    /// `[batch, rows, columns, channels]` is also fed as `NAME/channels_last`.
    ///
    /// # Errors
    /// [`Error::Unknown`] for a name that does not exist; [`Error::Unsupported`] with every needed
    /// node whose operation is unknown.
    pub fn graph(
        &self,
        feeds: &[&str],
        settings: &[(&str, Tensor)],
        fetches: &[&str],
    ) -> Result<Graph> {
        let inputs = feeds.iter().map(|name| self.feed(name));
        let settings =
            settings.iter().map(|(name, value)| Ok((self.find(name)?.0, Fed::Constant(value))));
        let fed: HashMap<usize, Fed<'_>> = inputs.chain(settings).collect::<Result<_>>()?;
        let wanted: Vec<(usize, usize)> =
            fetches.iter().map(|name| self.find(name)).collect::<Result<_>>()?;
        builder::build(self, &fed, &wanted).map(|graph| self.with_lazy_filters(graph))
    }

    /// Returns the node that is fed under a name, and how.
    fn feed(&self, name: &str) -> Result<(usize, Fed<'_>)> {
        let placeholder = name
            .strip_suffix(CHANNELS_LAST)
            .filter(|_| !self.by_name.contains_key(name))
            .and_then(|placeholder| self.by_name.get(placeholder));
        if let Some(&index) = placeholder
            && let PictureFit::Other(layout) = self.picture_fit(index)
        {
            return Ok((index, Fed::Picture(layout)));
        }
        Ok((self.find(name)?.0, Fed::Input))
    }

    /// Turns filters and matrices into variables, so that they are packed from the mapped file
    /// piece by piece and the map's memory is released.
    fn with_lazy_filters(&self, mut graph: Graph) -> Graph {
        for id in graph.ids() {
            if let Op::Const(tensor) = &graph.node(id).op
                && tensor.shape().len() >= 2
                && self.file.is_mapped()
                && self.file.contains(tensor.bytes())
            {
                let contents =
                    Arc::new(FileTensor { file: self.file.clone(), tensor: tensor.clone() });
                graph.node_mut(id).op = Op::Variable(LazyTensor::new(
                    tensor.dtype(),
                    tensor.shape().to_vec(),
                    contents,
                ));
            }
        }
        graph
    }

    /// Returns the nodes that compute `fetches`, each after its inputs.
    pub(crate) fn needed(&self, fetches: &[&str]) -> Result<Vec<&proto::NodeDef>> {
        let wanted: Vec<usize> =
            fetches.iter().map(|name| Ok(self.find(name)?.0)).collect::<Result<_>>()?;
        let order = order::order(self, &wanted, |_| false)?;
        Ok(order.nodes.iter().map(|&index| &self.nodes[index]).collect())
    }

    /// Returns the value of a node that is a variable.
    pub(crate) fn variable(&self, node: &proto::NodeDef) -> Option<Result<TensorOrLazy>> {
        let index = self.by_name.get(&node.name).filter(|_| operation::is_variable(&node.op))?;
        builder::variable(self, *index).map(|op| TensorOrLazy::from_op(&op)).transpose()
    }

    /// Returns the value of a node that is a numeric constant.
    pub(crate) fn constant(&self, node: &proto::NodeDef) -> Option<Tensor> {
        self.constant_within(node, &mut self.expansion())
    }

    /// Returns what the repeated values of all constants of a walk may take together.
    pub(crate) fn expansion(&self) -> constant::Expansion {
        constant::Expansion::for_file(self.file.bytes().len())
    }

    /// As [`GraphDef::constant`], where several constants share one `expansion`.
    pub(crate) fn constant_within(
        &self,
        node: &proto::NodeDef,
        expansion: &mut constant::Expansion,
    ) -> Option<Tensor> {
        let proto = attributes::Attributes(node).tensor("value").filter(|_| node.op == "Const")?;
        let tensor = constant::tensor(proto, expansion).ok()?;
        Some(tensor).filter(|tensor| tensor.dtype() != DType::String)
    }

    /// Returns true if a node is a constant that is none of texts, even a damaged one.
    pub(crate) fn is_numeric_constant(&self, node: &proto::NodeDef) -> bool {
        let value = attributes::Attributes(node).tensor("value").filter(|_| node.op == "Const");
        value.is_some_and(|value| value.dtype != DType::String.tensorflow())
    }

    /// Returns the value of a constant of one text.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        let node = self.nodes.get(*self.by_name.get(name)?).filter(|node| node.op == "Const")?;
        let tensor = attributes::Attributes(node).tensor("value")?;
        std::str::from_utf8(tensor.string_val.first()?).ok()
    }

    /// Returns the value of a numeric constant whose elements are in the mapped file, if it is
    /// large enough to stay there. Values that are listed, of which the last is repeated, are not.
    pub(crate) fn large_constant(&self, node: &proto::NodeDef) -> Option<TensorOrLazy> {
        const MIN_LAZY_BYTES: usize = 64 << 10;
        let proto = attributes::Attributes(node).tensor("value")?;
        if proto.tensor_content.is_empty() {
            return None;
        }
        let tensor = self.constant(node).filter(|tensor| tensor.bytes().len() >= MIN_LAZY_BYTES)?;
        if !self.file.is_mapped() || !self.file.contains(tensor.bytes()) {
            return Some(TensorOrLazy::Tensor(tensor));
        }
        let (dtype, shape) = (tensor.dtype(), tensor.shape().to_vec());
        Some(TensorOrLazy::Lazy(LazyTensor::new(
            dtype,
            shape,
            Arc::new(FileTensor { file: self.file.clone(), tensor }),
        )))
    }

    /// Splits a tensor name into node and output and finds the node.
    fn find(&self, name: &str) -> Result<(usize, usize)> {
        // TensorFlow Lite's names may end as TensorFlow's numbers of outputs do.
        if let Some(&index) = self.by_name.get(name) {
            return Ok((index, 0));
        }
        if let Some(&index) =
            self.interface.aliases.get(name).and_then(|node| self.by_name.get(node))
        {
            return Ok((index, 0));
        }
        let (node, port) = split_port(name);
        let called = if port == 0 { self.node_called(node) } else { node };
        let index = self.by_name.get(called).ok_or_else(|| {
            let aliases = self.interface.aliases.keys().map(String::as_str);
            Error::unknown("node", node, self.names().chain(aliases))
        })?;
        Ok((*index, port))
    }
}

/// Returns the names under which TF-Slim's documentation knows the probabilities, for graphs from
/// which an optimiser has removed the reshape that does nothing.
fn published_names(
    nodes: &[proto::NodeDef],
    by_name: &HashMap<String, usize>,
) -> BTreeMap<String, String> {
    let softmaxes = nodes.iter().filter_map(|node| {
        let scope = node.name.strip_suffix("/Predictions/Softmax")?;
        Some((format!("{scope}/Predictions/Reshape_1"), node.name.clone()))
    });
    softmaxes.filter(|(name, _)| !by_name.contains_key(name)).collect()
}

/// Checks that a graph may take `bytes` when it is decoded: a small archive can hold a file of
/// nothing but nodes.
pub(crate) fn check_decoded_size(path: &Path, bytes: u64) -> Result<()> {
    /// Maximum for any graph. The largest network of the zoo takes 10 MiB.
    const MAX_BYTES: u64 = 4 << 30;
    let what = format!("{}: the graph", path.display());
    match bytes {
        0..=MAX_BYTES => memory::check(&what, bytes),
        needed => Err(Error::Memory { what, needed, limit: MAX_BYTES }),
    }
}

/// A constant whose elements are in a graph's mapped file.
#[derive(Debug)]
pub(crate) struct FileTensor {
    pub(crate) file: MappedFile,
    pub(crate) tensor: Tensor,
}

impl lazy_tensor::TensorSource for FileTensor {
    fn read(&self) -> Result<Tensor> {
        Ok(self.tensor.clone())
    }

    fn byte_range(&self) -> Result<Option<ByteRange>> {
        Ok(Some(ByteRange {
            file: self.file.clone(),
            values: self.tensor.shared_bytes().clone(),
            check: None,
        }))
    }
}

/// Splits `name:1` into the node's name and the output's number, which is 0 if absent.
pub(crate) fn split_port(name: &str) -> (&str, usize) {
    match name.rsplit_once(':') {
        Some((node, port)) if !port.is_empty() => {
            port.parse().map_or((name, 0), |port| (node, port))
        }
        _ => (name, 0),
    }
}

/// Names the format of bytes that are clearly not a GraphDef, and the remedy.
pub(crate) fn identify(bytes: &[u8]) -> Option<&'static str> {
    const SSTABLE_MAGIC: [u8; 8] = 0xdb47_7524_8b80_fb57_u64.to_le_bytes();
    let text = |start: &[u8]| bytes.starts_with(start);
    let begins = |word: &str| begins_with_word(bytes, word);
    Some(match bytes {
        [] => "an empty file; the download or the copy went wrong",
        _ if text(b"version https://git-lfs") => {
            "a Git LFS pointer, not the file itself: run `git lfs pull` in its repository"
        }
        _ if ["node {", "node{", "node:", "node\n", "versions {", "library {"]
            .iter()
            .any(|word| begins(word)) =>
        {
            "a graph in text form (.pbtxt); the binary form (.pb) is needed: write it with \
             tf.io.write_graph(…, as_text=False)"
        }
        _ if begins("saved_model_schema_version") || begins("meta_graphs {") => {
            "a SavedModel in text form (.pbtxt); the binary form (.pb) is needed"
        }
        _ if begins("item {") || begins("entry {") || begins("entry{") => {
            "a list of names or settings (.pbtxt), not a graph; give it to --labels if it has names"
        }
        _ if begins("{") => {
            "a JSON file, not a graph. A model.json of TensorFlow.js is read from its folder if it \
             has modelTopology and weightsManifest; a graph model must be converted back with \
             tensorflowjs_converter"
        }
        _ if begins("<") && contains_word(bytes, "<net ") => {
            "the layers of an OpenVINO model (.xml), whose form is not read: give the model that \
             it was converted from, such as ONNX"
        }
        _ if begins("<") => "a web page, not a graph; the download went wrong",
        [0x1f, 0x8b, ..] => "a file compressed with gzip: unpack it with gunzip and give that",
        _ if text(b"BZh") || text(b"\xfd7zXZ\0") || text(b"\x28\xb5\x2f\xfd") => {
            "a compressed file: unpack it and give the .pb file in it"
        }
        _ if text(b"PK\x03\x04") => {
            "a ZIP archive (as PyTorch's files are): unpack it and give the .pb, .onnx or .tflite \
             file in it"
        }
        _ if text(b"7z\xbc\xaf") || text(b"Rar!") => {
            "an archive of 7-Zip or RAR: unpack it and give the model in it"
        }
        _ if text(b"\x93NUMPY") => {
            "an array of NumPy (.npy), not a graph: weights alone have no layers"
        }
        _ if text(b"GGUF") => "a language model (GGUF), not a network for pictures",
        _ if text(b"ptrt") || text(b"ftrt") => {
            "an engine of TensorRT, which runs on one GPU: give the model that it was built from"
        }
        _ if text(b"SQLite format 3") => "an SQLite database, such as a library, not a graph",
        _ if text(b"%PDF") => "a PDF document, not a graph",
        _ if text(b"\x7fELF") || text(b"MZ\x90") => "a program, not a graph",
        _ if contains_word(&bytes[..bytes.len().min(64)], "brain.Event:") => {
            "an event file of TensorBoard, not a graph: give the checkpoint that was written \
             beside it"
        }
        _ if text(b"\x89HDF") => {
            "an HDF5 file, as Keras writes it (.h5): it is read from a file, not from memory"
        }
        [0x80, 2..=5, ..] => {
            "a Python pickle (as old PyTorch files are), not a graph: export the model as ONNX"
        }
        _ if bytes.get(8..10) == Some(b"{\"") => {
            "weights in the form of safetensors, without the layers: export the model as ONNX, or \
             save it with model.save(\"model.keras\")"
        }
        _ if bytes.ends_with(&SSTABLE_MAGIC) => "a checkpoint, not a frozen graph",
        _ if is_picture(bytes) => "a picture, not a graph",
        [0x08, 0x01, 0x12, ..] => {
            "a SavedModel, whose variables are in other files: give its folder, or its \
             saved_model.pb with the folder variables beside it"
        }
        _ if is_text(bytes) => {
            "a text file, not a graph; a graph in text form (.pbtxt) is needed in binary form (.pb)"
        }
        _ => return None,
    })
}

/// Returns true if a word is near the beginning of a file.
fn contains_word(bytes: &[u8], word: &str) -> bool {
    const NEAR: usize = 4096;
    bytes[..bytes.len().min(NEAR)].windows(word.len()).any(|part| part == word.as_bytes())
}

/// Returns true if bytes are text to their end. A graph has control characters soon.
fn is_text(bytes: &[u8]) -> bool {
    /// More of a file than a graph has before its first control character.
    const START: usize = 4096;
    let start = &bytes[..bytes.len().min(START)];
    let is_control = |byte: &u8| byte.is_ascii_control() && !byte.is_ascii_whitespace();
    bytes.len() > 16 && !start.iter().any(is_control) && std::str::from_utf8(start).is_ok()
}

/// Returns true if a text begins with a word, perhaps after white space and a mark of its encoding.
/// A graph may begin with the same bytes, but has control characters close by.
fn begins_with_word(bytes: &[u8], word: &str) -> bool {
    let is_control = |byte: &u8| byte.is_ascii_control() && !byte.is_ascii_whitespace();
    if bytes.iter().take(256).any(is_control) {
        return false;
    }
    bytes
        .strip_prefix(b"\xef\xbb\xbf")
        .unwrap_or(bytes)
        .trim_ascii_start()
        .starts_with(word.as_bytes())
}

fn is_picture(bytes: &[u8]) -> bool {
    let starts: [&[u8]; 6] = [&[0xff, 0xd8, 0xff], b"\x89PNG", b"GIF8", b"II*\0", b"MM\0*", b"BM"];
    starts.iter().any(|start| bytes.starts_with(start)) || bytes.get(8..12) == Some(b"WEBP")
}

#[cfg(test)]
mod name_tests {
    use super::*;

    #[test]
    fn ports_are_told_from_names() {
        assert_eq!(split_port("a/b:2"), ("a/b", 2));
        assert_eq!(split_port("a/b"), ("a/b", 0));
        assert_eq!(split_port("a:b"), ("a:b", 0));
    }

    #[test]
    fn other_files_are_called_by_their_names() {
        let refused = |bytes: &'static [u8]| {
            GraphDef::from_bytes(Bytes::from_static(bytes), Path::new("m.pb"))
                .unwrap_err()
                .to_string()
        };
        assert_eq!(
            refused(b"<!doctype html>"),
            "m.pb: a web page, not a graph; the download went wrong"
        );
        for (bytes, remedy) in [
            (b"version https://git-lfs.github.com/spec/v1\n".as_slice(), "git lfs pull"),
            (b"\x1f\x8b\x08", "gunzip"),
            (b"\x89HDF\r\n", "read from a file"),
            (b"\n node {\n name: \"x\"", "as_text=False"),
            (b"{\"format\": \"graph-model\"", "tensorflowjs_converter"),
            (b"", "an empty file"),
        ] {
            let error = refused(bytes);
            assert!(error.contains(remedy), "{error}");
        }
        assert!(
            refused(b"\x0a\x50trunc")
                .starts_with("m.pb: not a frozen TensorFlow graph, or a damaged one")
        );
    }
}
