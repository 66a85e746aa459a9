//! A network: its graph, where its picture goes in, and the plans made of it so far.

mod resized_size;
mod sessions;
mod write;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

pub use self::sessions::DenseSession;
use crate::error::Result;
use crate::fingerprint;
use crate::graph::answer::{answer, features};
use crate::graph::input_arithmetic::input_arithmetic;
pub use crate::graph::input_arithmetic::{InputArithmetic, InputLimits};
use crate::graph::shape::TypedGraph;
use crate::graph::shape_inference::infer_shapes;
use crate::graph::{Graph, NodeId, Op};
use crate::head::Head;
use crate::import::{Decoding, GraphDef, Signature};
use crate::onnx::{OnnxModel, is_onnx};
use crate::options::{LoadOptions, RunOptions};
use crate::plan::WeightCache;
use crate::plan_cache::PlanCache;
use crate::plan_file::{self, Opened, PlanFileIntegrity};
use crate::program_pages;
use crate::saved_model::{self, SavedSignature};
use crate::source::{ModelSource, WithHead, ZooModel, check_no_zoo_options, node_name};
use crate::tensor::DType;
use crate::weights::Variables;
use crate::zoo::Architecture;

/// A network that is ready for pictures of any size it allows.
///
/// Cheap to clone and to share between threads: clones share weights and plans. It runs through
/// [sessions](Network::session), each with its own activations.
#[derive(Clone, Debug)]
pub struct Network {
    model: Arc<SharedModel>,
    load_options: LoadOptions,
    run_options: RunOptions,
    /// The plan file that was opened and found stale.
    stale: Option<Arc<StalePlanFile>>,
    /// The state of the plan file whose weights are used.
    integrity: Option<Arc<PlanFileIntegrity>>,
}

/// A plan file that was opened and found stale.
#[derive(Debug)]
struct StalePlanFile {
    path: PathBuf,
    why: String,
    may_be_replaced: bool,
}

#[derive(Debug)]
struct SharedModel {
    name: String,
    file: Option<PathBuf>,
    source: Arc<ModelSource>,
    weight_cache: WeightCache,
    plans: Arc<PlanCache>,
    /// The signature, once it is found.
    signature: OnceLock<Signature>,
}

impl SharedModel {
    fn new(name: String, file: Option<PathBuf>, source: ModelSource) -> Self {
        Self {
            name,
            file,
            source: Arc::new(source),
            weight_cache: WeightCache::default(),
            plans: Arc::default(),
            signature: OnceLock::new(),
        }
    }
}

impl Network {
    /// Opens a graph, frozen or with a checkpoint, a SavedModel, an ONNX model, or a checkpoint of
    /// a network of the [zoo](crate::zoo), by any path that
    /// [`Weights::open`](crate::weights::Weights::open) takes; or a folder or an archive of these;
    /// or a plan file. Weights stay in the file, mapped, until a plan packs them. Nothing is
    /// written but what archives are unpacked to.
    ///
    /// # Errors
    /// If the file cannot be read or is neither, or it is not clear which network a checkpoint
    /// belongs to.
    pub fn open(path: &Path, load: LoadOptions, run: RunOptions) -> Result<Self> {
        if plan_file::is_plan_file(path) {
            return Self::open_plan_file(path, load, run);
        }
        let source = ModelSource::open(path, &load)?;
        let name = match source.net() {
            Some(net) => net.name.to_owned(),
            None => name_of(source.file()),
        };
        let file = Some(source.file().to_owned());
        let network = Self::new(SharedModel::new(name, file, source), load, run);
        match network.head_in_checkpoint() {
            Some((head, side)) => network.with_head(network.name(), head, [side; 2]),
            None => Ok(network),
        }
    }

    /// Returns the head that a checkpoint has for a network of the zoo without its own, and the
    /// side of the network's pictures.
    fn head_in_checkpoint(&self) -> Option<(Head, usize)> {
        match &*self.model.source {
            ModelSource::Zoo(zoo_model) => Some((zoo_model.head()?.clone(), zoo_model.net.side)),
            _ => None,
        }
    }

    /// Names of a checkpoint's variables that no layer takes, but for those of training: steps,
    /// slots of optimisers, auxiliary heads.
    pub fn unused_variables(&self) -> &[String] {
        self.model.source.zoo_model().map_or(&[], ZooModel::unused)
    }

    fn open_plan_file(path: &Path, load: LoadOptions, run: RunOptions) -> Result<Self> {
        match plan_file::open(path, &load, &run)? {
            Opened::Fresh { name, model, source, weight_cache, numerics, integrity } => {
                let file = model.unwrap_or_else(|| path.into());
                let model = SharedModel::new(name, Some(file), *source);
                let model = SharedModel { weight_cache, ..model };
                let network = Self::new(model, load, RunOptions { numerics, ..run });
                Ok(Self { integrity: Some(integrity), ..network })
            }
            Opened::Stale { model, load, numerics, why, contents } => {
                let mut network = Self::open(&model, *load, RunOptions { numerics, ..run })?;
                let may_be_replaced = contents.may_be_replaced_by(&network.model.source);
                let stale = StalePlanFile { path: path.to_owned(), why, may_be_replaced };
                network.stale = Some(Arc::new(stale));
                Ok(network)
            }
        }
    }

    /// The plan file that was opened and found stale, and why. This network is then the model that
    /// the file was made from; [`write_plan_file`](Self::write_plan_file) replaces it.
    pub fn stale_plan_file(&self) -> Option<(&Path, &str)> {
        self.stale.as_deref().map(|stale| (stale.path.as_path(), stale.why.as_str()))
    }

    /// Whether this network may replace the plan file that was found stale. It may not if the file
    /// only names it: the file lies elsewhere, and its own contents are of another network.
    pub fn may_replace_stale_plan_file(&self) -> bool {
        self.stale.as_deref().is_some_and(|stale| stale.may_be_replaced)
    }

    /// A network of the zoo with variables from any source, such as
    /// [`RandomWeights`](crate::zoo::RandomWeights) for measurements.
    ///
    /// # Errors
    /// If variables are missing or have other shapes, or an option does not fit.
    pub fn from_architecture(
        net: &'static Architecture,
        variables: Arc<dyn Variables + Send + Sync>,
        load: LoadOptions,
        run: RunOptions,
    ) -> Result<Self> {
        let zoo_model = ZooModel::new(net, Path::new(net.name), variables, &load.zoo)?;
        let source = ModelSource::Zoo(Box::new(zoo_model));
        Ok(Self::new(SharedModel::new(net.name.to_owned(), None, source), load, run))
    }

    /// Reads a frozen graph or an ONNX model that is in memory. Error messages call it `name`.
    ///
    /// # Errors
    /// If the bytes are neither.
    pub fn from_bytes(
        bytes: impl AsRef<[u8]> + Send + 'static,
        name: &str,
        load: LoadOptions,
        run: RunOptions,
    ) -> Result<Self> {
        check_no_zoo_options(&load)?;
        let (bytes, path) = (Bytes::from_owner(bytes), Path::new(name));
        let source = match is_onnx(&bytes) {
            true => ModelSource::Onnx(Box::new(OnnxModel::from_bytes(bytes, path)?)),
            false => ModelSource::Graph(GraphDef::from_bytes(bytes, path)?),
        };
        Ok(Self::new(SharedModel::new(stem(name).to_owned(), None, source), load, run))
    }

    /// Reads a model that is part of the program, as [`Network::from_bytes`] does. Its pages are
    /// given back to the system once its weights are packed.
    ///
    /// # Errors
    /// As [`Network::from_bytes`].
    pub fn from_program(
        model: &'static [u8],
        name: &str,
        load: LoadOptions,
        run: RunOptions,
    ) -> Result<Self> {
        program_pages::register(model);
        Self::from_bytes(model, name, load, run)
    }

    fn new(model: SharedModel, load_options: LoadOptions, run_options: RunOptions) -> Self {
        let model = Arc::new(model);
        Self { model, load_options, run_options, stale: None, integrity: None }
    }

    /// The same network under another name, with the classification layer `head` on its features
    /// in place of its own. `size` (rows and columns) is that of its pictures. Weights are shared,
    /// plans are not.
    ///
    /// # Errors
    /// [`Error::Unknown`](crate::Error::Unknown) if it has no such features,
    /// [`Error::Input`](crate::Error::Input) if the head does not fit them.
    pub fn with_head(&self, name: &str, head: Head, size: [usize; 2]) -> Result<Self> {
        let signature = self.signature()?;
        let typed = self.typed(&signature, &[&head.features], 1, size)?;
        let features = typed.fact(typed.graph.outputs()[0]).clone();
        let with_head = WithHead::new(self.model.source.clone(), &signature, head, &features)?;
        let source = ModelSource::WithHead(Box::new(with_head));
        let load = LoadOptions { input: None, output: None, ..self.load_options.clone() };
        let model = SharedModel::new(name.to_owned(), self.model.file.clone(), source);
        let network = Self::new(model, load, self.run_options.clone());
        Ok(Self { integrity: self.integrity.clone(), ..network })
    }

    /// The network of the zoo that these weights belong to; `None` for a frozen graph.
    pub fn net(&self) -> Option<&'static Architecture> {
        self.model.source.net()
    }

    /// The graph's file, or the prefix of the checkpoint's files, on disk; `None` for a network in
    /// memory.
    pub fn file(&self) -> Option<&Path> {
        self.model.file.as_deref()
    }

    /// The path of its file as errors show it, or its name if it is in no file.
    pub(crate) fn place(&self) -> String {
        self.file().map_or_else(|| self.name().to_owned(), |path| path.display().to_string())
    }

    /// The classification layer that [`with_head`](Self::with_head) put on the features; `None` if
    /// the network has its own.
    pub fn head(&self) -> Option<&Head> {
        match &*self.model.source {
            ModelSource::WithHead(with_head) => Some(with_head.head()),
            _ => None,
        }
    }

    /// True for a graph whose variables are not in its [file](Self::file) but in a checkpoint.
    pub fn reads_checkpoint(&self) -> bool {
        match &*self.model.source {
            ModelSource::Graph(def) => def.has_variables(),
            ModelSource::WithHead(with_head) => with_head.reads_checkpoint(),
            _ => false,
        }
    }

    /// The program that wrote an ONNX file, as the file calls it.
    pub fn producer(&self) -> Option<&str> {
        match &*self.model.source {
            ModelSource::Onnx(model) => Some(model.producer()).filter(|name| !name.is_empty()),
            ModelSource::Graph(_) | ModelSource::Zoo(_) | ModelSource::WithHead(_) => None,
        }
    }

    /// The names of all nodes.
    pub fn node_names(&self) -> impl Iterator<Item = &str> {
        self.model.source.names()
    }

    /// The signatures of a SavedModel, sorted by name; none for other models.
    pub fn saved_signatures(&self) -> &[SavedSignature] {
        match &*self.model.source {
            ModelSource::Graph(graph) => &graph.interface().signatures,
            _ => &[],
        }
    }

    /// The node that a SavedModel's signature, or a Keras model's layer, calls `name`; else `name`.
    pub(crate) fn node_called<'n>(&'n self, name: &'n str) -> &'n str {
        match &*self.model.source {
            ModelSource::Graph(graph) => graph.node_called(name),
            _ => name,
        }
    }

    /// The node that decodes photos, if `name` is it or its input, such as `DecodeJpeg/contents`.
    /// It is fed with the photo's pixels, `[height, width, channels]`.
    pub fn decoder(&self, name: &str) -> Option<&str> {
        self.model.source.decoder(name)
    }

    /// Returns how the node `name` decodes pictures; `None` if it decodes none.
    ///
    /// # Errors
    /// [`Error::Node`](crate::Error::Node) if an attribute asks for what is not done here.
    pub fn decoding(&self, name: &str) -> Result<Option<Decoding>> {
        self.model.source.decoding(name)
    }

    /// The inputs of an ONNX model that take pictures with channels first, `[batch, channels, rows,
    /// columns]`.
    ///
    /// They are fed under their names in the file, or with channels last under
    /// `NAME/channels_last`; values of four dimensions are fetched likewise.
    /// [`Network::signature`] names them with channels last.
    pub fn channels_first_inputs(&self) -> Vec<&str> {
        let ModelSource::Onnx(model) = &*self.model.source else { return Vec::new() };
        model
            .inputs()
            .iter()
            .filter(|input| input.channels_first)
            .map(|input| input.name.as_str())
            .collect()
    }

    /// An entry of an ONNX model's metadata, or a constant of text in a graph, by name.
    pub fn metadata(&self, name: &str) -> Option<&str> {
        let model = match &*self.model.source {
            ModelSource::Onnx(model) => model,
            ModelSource::Graph(graph) => return graph.text(name),
            ModelSource::Zoo(_) | ModelSource::WithHead(_) => return None,
        };
        model.metadata().iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Checks that the network has a node, or an end point, of that name.
    ///
    /// # Errors
    /// [`Error::Unknown`](crate::Error::Unknown) with the nearest names if not.
    pub fn check_node(&self, name: &str) -> Result<()> {
        self.model.source.graph(&[], &[], &[name]).map(drop)
    }

    /// The zoo's name for the network, or the file's name without its extension.
    pub fn name(&self) -> &str {
        &self.model.name
    }

    /// How it was opened.
    pub fn load_options(&self) -> &LoadOptions {
        &self.load_options
    }

    /// How it is run.
    pub fn run_options(&self) -> &RunOptions {
        &self.run_options
    }

    /// The same network, weights shared, with other run options.
    pub fn with_run_options(&self, run_options: RunOptions) -> Self {
        Self { run_options, ..self.clone() }
    }

    /// Where the picture goes in and the answers come out.
    ///
    /// # Errors
    /// If the graph does not make it clear; the message lists the candidates.
    pub fn signature(&self) -> Result<Signature> {
        if let Some(signature) = self.model.signature.get() {
            return Ok(signature.clone());
        }
        let LoadOptions { input, output, .. } = &self.load_options;
        let found = self.model.source.signature(input.as_deref(), output.as_deref())?;
        let is_graph = matches!(*self.model.source, ModelSource::Graph(_) | ModelSource::Onnx(_));
        let signature = match is_graph || output.is_some() {
            true => self.with_answer(found),
            false => found,
        };
        Ok(self.model.signature.get_or_init(|| signature).clone())
    }

    /// Adds the probabilities that the values of the graph tell, if the names of its operations do
    /// not tell any; replaces a class by the scores that it is chosen from.
    fn with_answer(&self, found: Signature) -> Signature {
        if found.probabilities.is_some() {
            return found;
        }
        let source = &self.model.source;
        // An unknown operation there is an error when the graph is planned.
        let Ok(graph) = source.graph(&[], &[], &[&found.logits]) else { return found };
        let Some(&end) = graph.outputs().first() else { return found };
        let Some(answer) = answer(&graph, end) else {
            return Signature { chooses_class: true, ..found };
        };
        let found = Signature { bounded_by: answer.bounded_by, ..found };
        let name = |id: NodeId| {
            if id == end { found.logits.clone() } else { graph.node(id).name.clone() }
        };
        let (logits, probabilities) = (name(answer.logits), answer.probabilities.map(&name));
        let is_there = |name: &str| source.graph(&[], &[], &[name]).is_ok();
        let is_same = logits == found.logits && probabilities.is_none();
        if is_same || !is_there(&logits) || !probabilities.as_deref().is_none_or(is_there) {
            return found;
        }
        let features =
            found.features.clone().or_else(|| features(&graph, answer.logits).map(&name));
        let features = features.filter(|name: &String| is_there(name));
        Signature { logits, probabilities, features, ..found }
    }

    /// The arithmetic of a graph on the picture that it is fed, before its first layer; no
    /// arithmetic for a network of the zoo.
    ///
    /// # Errors
    /// As [`Network::signature`]; if an operation is unknown.
    pub fn input_arithmetic(&self) -> Result<InputArithmetic> {
        if self.net().is_some() {
            return Ok(InputArithmetic::default());
        }
        let signature = self.signature()?;
        // Where the shape of a value depends on that of the picture, a likely one is as good.
        const LIKELY: [usize; 4] = [1, 224, 224, 3];
        let declared = signature.input.shape.as_deref().unwrap_or_default();
        let shape: [usize; 4] = std::array::from_fn(|axis| {
            declared.get(axis).copied().flatten().unwrap_or(LIKELY[axis])
        });
        let feeds = [(signature.input.name.as_str(), shape.as_slice())];
        let graph = self.model.source.graph(&feeds, &[], &[&signature.logits])?;
        let input = node_name(&signature.input.name);
        let start = graph
            .iter()
            .find(|(_, node)| matches!(node.op, Op::Input { .. }) && node.name == input);
        Ok(start.map_or_else(InputArithmetic::default, |(start, _)| {
            input_arithmetic(&graph, start, None)
        }))
    }

    /// The arithmetic that a graph does on pictures before the node that is fed, if that is in the
    /// middle of the graph; `None` if it is not, or computes anything else.
    ///
    /// # Errors
    /// As [`Network::signature`].
    pub fn arithmetic_before_input(&self) -> Result<Option<InputArithmetic>> {
        let signature = self.signature()?;
        let input = signature.input.name.as_str();
        // Unknown operations before the input do not matter: they do not run.
        let Ok(graph) = self.model.source.graph(&[], &[], &[input]) else { return Ok(None) };
        let graph = graph.pruned();
        let mut inputs =
            graph.iter().filter(|(_, node)| matches!(node.op, Op::Input { .. })).map(|(id, _)| id);
        let (Some(start), None, Some(&end)) =
            (inputs.next(), inputs.next(), graph.outputs().first())
        else {
            return Ok(None);
        };
        let arithmetic = input_arithmetic(&graph, start, Some(end));
        Ok(Some(arithmetic).filter(|arithmetic| arithmetic.is_complete && start != end))
    }

    /// A digest (SHA-256) of everything that the value of `fetch` depends on except the picture:
    /// the operations and their connections, every weight, the CPU level, the number formats. Equal
    /// digests give equal values to the last bit. The names of nodes and the file's format do not
    /// count.
    ///
    /// # Errors
    /// If there is no such node, or a weight cannot be read.
    pub fn fingerprint(&self, fetch: &str) -> Result<[u8; 32]> {
        let graph = self.model.source.graph(&[], &[], &[fetch])?.pruned();
        fingerprint::fingerprint(&graph, self.run_options.level, self.run_options.numerics)
    }

    /// The end points and their shapes for a picture of `size` (rows and columns): all that TF-Slim
    /// names, of a network of the zoo; of a graph, where its answers and features are.
    ///
    /// # Errors
    /// As [`Network::signature`]; if the network does not take pictures of that size.
    pub fn end_points(&self, size: [usize; 2]) -> Result<Vec<(String, Vec<usize>)>> {
        let signature = self.signature()?;
        let answers = || {
            let answers = [
                signature.features.clone(),
                Some(signature.logits.clone()),
                signature.probabilities.clone(),
            ];
            answers.into_iter().flatten().collect::<Vec<_>>()
        };
        let names = self.model.source.end_points().unwrap_or_else(answers);
        let fetches: Vec<&str> = names.iter().map(String::as_str).collect();
        let typed = self.typed(&signature, &fetches, 1, size)?;
        let shapes = typed.graph.outputs().iter().map(|&id| typed.fact(id).shape.clone());
        Ok(names.iter().cloned().zip(shapes).collect())
    }

    /// The variables that the network's answer needs, with types and shapes, by name. Of a frozen
    /// graph, the constants that freezing made of variables; none if they cannot be told from
    /// others.
    pub fn variables(&self) -> Vec<(String, DType, Vec<usize>)> {
        let answer = self.signature().ok().map(|signature| signature.logits).unwrap_or_default();
        let variables = self.model.source.variables(&[&answer]).unwrap_or_default();
        variables
            .into_iter()
            .map(|(name, value)| (name, value.dtype(), value.shape().to_vec()))
            .collect()
    }

    /// The graph that the network was opened from, if it is TensorFlow's.
    pub(crate) fn graph_def(&self) -> Option<&GraphDef> {
        match &*self.model.source {
            ModelSource::Graph(def) => Some(def),
            ModelSource::Onnx(_) | ModelSource::Zoo(_) | ModelSource::WithHead(_) => None,
        }
    }

    /// The network as it is before any rewriting, for pictures of `size`; one at a time where it
    /// decodes them itself.
    pub(crate) fn typed(
        &self,
        signature: &Signature,
        fetches: &[&str],
        batch: usize,
        size: [usize; 2],
    ) -> Result<TypedGraph> {
        Ok(self.graph_and_types(signature, fetches, batch, size)?.1)
    }

    /// The same, and the graph it is made from.
    pub(crate) fn graph_and_types(
        &self,
        signature: &Signature,
        fetches: &[&str],
        batch: usize,
        [height, width]: [usize; 2],
    ) -> Result<(Graph, TypedGraph)> {
        let channels = input_channels(signature);
        let shape = match signature.input.takes_decoded_image {
            true => vec![height, width, channels],
            false => vec![batch, height, width, channels],
        };
        let graph = self.model.source.graph(&[(&signature.input.name, &shape)], &[], fetches)?;
        let typed = infer_shapes(
            &graph,
            &HashMap::from([(node_name(&signature.input.name).to_owned(), shape)]),
        )?;
        Ok((graph, typed))
    }

    /// Bytes of the weights packed so far.
    pub fn packed_bytes(&self) -> usize {
        self.model.weight_cache.bytes()
    }
}

/// The channels of the pictures that are fed: three, unless the graph says otherwise.
fn input_channels(signature: &Signature) -> usize {
    let at = if signature.input.takes_decoded_image { 2 } else { 3 };
    signature.input.shape.as_ref().and_then(|shape| shape.get(at).copied().flatten()).unwrap_or(3)
}

/// A model's name, from its file's; a SavedModel's, from its folder's.
fn name_of(file: &Path) -> String {
    let full = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    let folder = full.parent().and_then(Path::file_name);
    let name = match file.file_name() {
        Some(name) if name == saved_model::FILE => folder.unwrap_or(name),
        name => name.unwrap_or_default(),
    };
    stem(&name.to_string_lossy()).to_owned()
}

/// A graph's name, from its file's.
fn stem(file: &str) -> &str {
    let extensions = [".pb", ".meta", ".onnx", ".tflite", ".keras", ".h5", ".hdf5", ".json"];
    extensions.iter().find_map(|extension| file.strip_suffix(extension)).unwrap_or(file)
}
