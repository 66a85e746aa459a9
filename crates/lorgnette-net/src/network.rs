//! A classification network: its graph, its ports, and the plans made of it so far.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use lorgnette_kernels::{Level, NumericOptions};

use crate::atomic_file::write_with;
use crate::dense::{self, DenseGraph, DenseOptions, ReceptiveField};
use crate::error::{Error, Result};
use crate::events::write_graph_event;
use crate::export;
use crate::fingerprint;
use crate::graph::Graph;
use crate::graph::shape::TypedGraph;
use crate::graph::shape_inference::infer_shapes;
use crate::head::Head;
use crate::import::{GraphDef, Signature};
use crate::onnx::{OnnxModel, is_onnx};
use crate::options::Options;
use crate::passes::optimise;
use crate::plan::{Activations, Plan, PlanOptions, Port, WeightCache};
use crate::plan_file::{self, Opened};
use crate::source::{ModelSource, WithHead, ZooModel, check_no_zoo_options, node_name};
use crate::tensor::{DType, Tensor};
use crate::weights::{Variables, write_bundle};
use crate::zoo::Architecture;

/// A network that is ready for pictures of any size it allows.
///
/// Cheap to clone and to share between threads: clones share the weights and the plans. Each
/// concurrent run has activations of its own, which are kept for the next.
#[derive(Clone, Debug)]
pub struct Network {
    model: Arc<SharedModel>,
    options: Options,
    /// The plan file that should have been this network, and why it is not.
    stale: Option<Arc<(PathBuf, String)>>,
}

#[derive(Debug)]
struct SharedModel {
    name: String,
    file: Option<PathBuf>,
    source: Arc<ModelSource>,
    weight_cache: WeightCache,
    plans: Mutex<Vec<CachedPlan>>,
}

impl SharedModel {
    fn new(name: String, file: Option<PathBuf>, source: ModelSource) -> Self {
        Self {
            name,
            file,
            source: Arc::new(source),
            weight_cache: WeightCache::default(),
            plans: Mutex::default(),
        }
    }
}

/// A plan that was made, and activations nobody uses at the moment.
#[derive(Debug)]
struct CachedPlan {
    key: PlanKey,
    plan: Arc<Plan>,
    /// Where the cells of a dense map are.
    geometry: Option<DenseGeometry>,
    idle: Vec<Activations>,
}

/// What is known of a dense map besides its plan.
#[derive(Clone, Copy, Debug)]
struct DenseGeometry {
    rows: ReceptiveField,
    columns: ReceptiveField,
    has_global_context: bool,
}

impl DenseGeometry {
    fn with_plan(self, plan: Arc<Plan>) -> FullyConvolutionalPlan {
        let Self { rows, columns, has_global_context } = self;
        FullyConvolutionalPlan { plan, rows, columns, has_global_context }
    }
}

impl CachedPlan {
    fn take_idle(&mut self, threads: usize) -> Option<Activations> {
        let at = self.idle.iter().position(|activations| activations.threads() >= threads)?;
        Some(self.idle.swap_remove(at))
    }
}

#[derive(Clone, Debug, PartialEq)]
struct PlanKey {
    feeds: Vec<(String, Vec<usize>)>,
    settings: Vec<(String, Bytes)>,
    fetches: Vec<String>,
    dense: Option<DenseOptions>,
    level: Level,
    numerics: NumericOptions,
}

/// A plan that gives a map: a class for every place.
#[derive(Clone, Debug)]
pub struct FullyConvolutionalPlan {
    /// One input, the picture, and one output, the scores, `[1, rows, columns, classes]`.
    pub plan: Arc<Plan>,
    /// What the map's rows look at.
    pub rows: ReceptiveField,
    /// What its columns look at.
    pub columns: ReceptiveField,
    /// Whether channels are weighed by what the whole picture has of them (squeeze and excitation),
    /// so that the map of a part is not a part of the map.
    pub has_global_context: bool,
}

/// Plans kept, beyond which the one unused for longest goes: photos of ever new sizes must not fill
/// the memory.
const MAX_PLANS: usize = 8;

impl Network {
    /// Opens a graph, frozen or with a checkpoint, or a checkpoint of a network of the
    /// [zoo](crate::zoo), by any path that [`Weights::open`](crate::weights::Weights::open) takes;
    /// or a folder or an archive of these. Weights stay in the file, mapped, until a plan packs
    /// them.
    ///
    /// # Errors
    /// If the file cannot be read or is neither, or it is not clear which network a checkpoint is
    /// of.
    pub fn open(path: &Path, options: Options) -> Result<Self> {
        if plan_file::is_plan_file(path) {
            return Self::open_plan_file(path, options);
        }
        let source = ModelSource::open(path, &options)?;
        let stem_of =
            |file: &Path| stem(&file.file_name().unwrap_or_default().to_string_lossy()).to_owned();
        let name = source.net().map_or_else(|| stem_of(source.file()), |net| net.name.to_owned());
        let file = Some(source.file().to_owned());
        Ok(Self::new(name, file, source, options))
    }

    fn open_plan_file(path: &Path, options: Options) -> Result<Self> {
        match plan_file::open(path, &options)? {
            Opened::Fresh { name, model, source, weight_cache, numerics } => {
                let file = model.unwrap_or_else(|| path.into());
                let model =
                    SharedModel { weight_cache, ..SharedModel::new(name, Some(file), *source) };
                Ok(Self {
                    model: Arc::new(model),
                    options: Options { numerics, ..options },
                    stale: None,
                })
            }
            Opened::Stale { model, options: open_options, why } => {
                let mut network = Self::open(&model, *open_options)?;
                network.stale = Some(Arc::new((path.to_owned(), why)));
                Ok(network)
            }
        }
    }

    /// The plan file that was opened and found stale, and why. This network is then the model it is
    /// from, and [`write_plan_file`](Self::write_plan_file) makes it anew.
    pub fn stale_plan_file(&self) -> Option<(&Path, &str)> {
        self.stale.as_deref().map(|(path, why)| (path.as_path(), why.as_str()))
    }

    /// A network of the zoo with variables from wherever they are;
    /// [`RandomWeights`](crate::zoo::RandomWeights) ones serve to measure it.
    ///
    /// # Errors
    /// If variables are missing or of other shapes, or an option does not fit.
    pub fn from_architecture(
        net: &'static Architecture,
        variables: Arc<dyn Variables + Send + Sync>,
        options: Options,
    ) -> Result<Self> {
        let zoo_model = ZooModel::new(net, Path::new(net.name), variables, &options.zoo)?;
        Ok(Self::new(net.name.to_owned(), None, ModelSource::Zoo(Box::new(zoo_model)), options))
    }

    /// Reads a frozen graph that is in memory; `name` is what messages call it.
    ///
    /// # Errors
    /// If the bytes are no graph.
    pub fn from_bytes(bytes: impl Into<Bytes>, name: &str, options: Options) -> Result<Self> {
        check_no_zoo_options(&options)?;
        let (bytes, path) = (bytes.into(), Path::new(name));
        let source = match is_onnx(&bytes) {
            true => ModelSource::Onnx(Box::new(OnnxModel::from_bytes(bytes, path)?)),
            false => ModelSource::Graph(GraphDef::from_bytes(bytes, path)?),
        };
        Ok(Self::new(stem(name).to_owned(), None, source, options))
    }

    fn new(name: String, file: Option<PathBuf>, source: ModelSource, options: Options) -> Self {
        Self { model: Arc::new(SharedModel::new(name, file, source)), options, stale: None }
    }

    /// The same network under another name, with a classification layer of one's own on its
    /// features instead of what it had behind them. `size` is of the pictures it will be shown
    /// (rows and columns). Weights are shared, plans are not.
    ///
    /// # Errors
    /// [`Error::Unknown`] if it has no such features, [`Error::Input`] if the head does not fit
    /// them.
    pub fn with_head(&self, name: &str, head: Head, size: [usize; 2]) -> Result<Self> {
        let signature = self.signature()?;
        let typed = self.typed(&signature, &[&head.features], 1, size)?;
        let features = typed.fact(typed.graph.outputs()[0]).shape.clone();
        let with_head = WithHead::new(self.model.source.clone(), &signature, head, &features)?;
        let options = Options { input: None, output: None, ..self.options.clone() };
        Ok(Self::new(
            name.to_owned(),
            self.model.file.clone(),
            ModelSource::WithHead(Box::new(with_head)),
            options,
        ))
    }

    /// The network of the zoo whose weights these are; `None` for a frozen graph.
    pub fn net(&self) -> Option<&'static Architecture> {
        self.model.source.net()
    }

    /// The graph's file, or what the names of the checkpoint's files begin with, as they lie on the
    /// disk; `None` for a network in memory.
    pub fn file(&self) -> Option<&Path> {
        self.model.file.as_deref()
    }

    /// The names of all nodes.
    pub fn node_names(&self) -> impl Iterator<Item = &str> {
        self.model.source.names()
    }

    /// The node that decodes photos, where `name` is it or what it reads, such as
    /// `DecodeJpeg/contents`. It is fed with the photo's pixels, `[height, width, channels]`.
    pub fn decoder(&self, name: &str) -> Option<&str> {
        self.model.source.decoder(name)
    }

    /// The inputs of an ONNX model that take pictures with channels first, `[batch, channels, rows, columns]`.
    ///
    /// They are fed under their names as the file has it, and under `NAME/channels_last` as everything else here has it; so
    /// are values of four dimensions fetched. [`Network::signature`] names them with channels last.
    pub fn channels_first_inputs(&self) -> Vec<&str> {
        let ModelSource::Onnx(model) = &*self.model.source else { return Vec::new() };
        model
            .inputs()
            .iter()
            .filter(|input| input.channels_first)
            .map(|input| input.name.as_str())
            .collect()
    }

    /// What the writer of an ONNX model noted in it, by name.
    pub fn metadata(&self, name: &str) -> Option<&str> {
        let ModelSource::Onnx(model) = &*self.model.source else { return None };
        model.metadata().iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Whether the network has a node, or an end point, of that name.
    ///
    /// # Errors
    /// [`Error::Unknown`] with the nearest names if not.
    pub fn check_node(&self, name: &str) -> Result<()> {
        self.model.source.graph(&[], &[], &[name]).map(drop)
    }

    /// The zoo's name for the network, or the file's name without its ending.
    pub fn name(&self) -> &str {
        &self.model.name
    }

    /// How it is run.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The same network, weights shared, run in another way.
    pub fn with_options(&self, options: Options) -> Self {
        Self { model: self.model.clone(), options, stale: self.stale.clone() }
    }

    /// Where the picture goes in and the answers come out.
    ///
    /// # Errors
    /// If the graph does not make it clear; the message lists the candidates.
    pub fn signature(&self) -> Result<Signature> {
        self.model.source.signature(self.options.input.as_deref(), self.options.output.as_deref())
    }

    /// A digest (SHA-256) of everything that the value of `fetch` depends on but the picture:
    /// operations, how they are joined, every weight, the CPU level, the numbers it computes with.
    /// Equal digests give equal values to the last bit; the names of nodes and the form of the file
    /// do not count.
    ///
    /// # Errors
    /// If there is no such node, or a weight cannot be read.
    pub fn fingerprint(&self, fetch: &str) -> Result<[u8; 32]> {
        let graph = self.model.source.graph(&[], &[], &[fetch])?.pruned();
        fingerprint::fingerprint(&graph, self.options.level, self.options.numerics)
    }

    /// The plan that computes `fetches` from `feeds` of these shapes, all by TensorFlow tensor
    /// name. Made once, then kept.
    ///
    /// # Errors
    /// [`Error::Unknown`], [`Error::Unsupported`], [`Error::Node`] for what is wrong with the
    /// graph, [`Error::Input`] for shapes it does not take, [`Error::Memory`] for pictures too
    /// large.
    pub fn plan(&self, feeds: &[(&str, &[usize])], fetches: &[&str]) -> Result<Arc<Plan>> {
        self.plan_with(feeds, &[], fetches)
    }

    /// As [`Network::plan`], with inputs that are settings and not pictures: a flag such as
    /// `is_training`, a number such as `keep_prob`. They become constants of the plan, so that
    /// branches can be taken and dropout removed.
    ///
    /// # Errors
    /// As [`Network::plan`].
    pub fn plan_with(
        &self,
        feeds: &[(&str, &[usize])],
        settings: &[(&str, Tensor)],
        fetches: &[&str],
    ) -> Result<Arc<Plan>> {
        let key = PlanKey {
            feeds: feeds.iter().map(|(name, shape)| ((*name).to_owned(), shape.to_vec())).collect(),
            settings: settings
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.bytes().clone()))
                .collect(),
            fetches: fetches.iter().map(|&name| name.to_owned()).collect(),
            dense: None,
            level: self.options.level,
            numerics: self.options.numerics,
        };
        if let Some((plan, _)) = self.cached_plan(&key) {
            return Ok(plan);
        }
        if let Some(plan) = self.plan_per_sample(feeds, settings, fetches)? {
            return Ok(self.insert_plan(key, Arc::new(plan), None));
        }
        let graph = self.model.source.graph(feeds, settings, fetches)?;
        let sizes: HashMap<String, Vec<usize>> = feeds
            .iter()
            .map(|(name, shape)| (node_name(name).to_owned(), shape.to_vec()))
            .collect();
        self.plan_and_cache(key, infer_shapes(&graph, &sizes)?, None)
    }

    /// The plan that answers for every place of a picture of `size` (rows and columns): the network
    /// rewritten as `dense` says, its windows as large as they are for pictures of `window`, for
    /// which it was trained.
    ///
    /// # Errors
    /// As [`Network::plan`]; [`Error::Node`] for what cannot slide over a picture.
    pub fn dense_plan(
        &self,
        dense: DenseOptions,
        window: [usize; 2],
        size: [usize; 2],
    ) -> Result<FullyConvolutionalPlan> {
        let signature = self.signature()?;
        let channels = input_channels(&signature);
        let shape = [1, size[0], size[1], channels];
        let key = PlanKey {
            feeds: vec![
                (signature.input.name.clone(), shape.to_vec()),
                (String::new(), window.to_vec()),
            ],
            settings: Vec::new(),
            fetches: vec![signature.logits.clone()],
            dense: Some(dense),
            level: self.options.level,
            numerics: self.options.numerics,
        };
        if let Some((plan, Some(geometry))) = self.cached_plan(&key) {
            return Ok(geometry.with_plan(plan));
        }
        let (graph, trained) = self.graph_and_types(&signature, &[&signature.logits], 1, window)?;
        let DenseGraph { graph, input, has_global_context } =
            dense::rewrite(&graph, &trained, dense)?;
        let input = graph.node(input).name.clone();
        let typed =
            infer_shapes(&graph.pruned(), &HashMap::from([(input.clone(), shape.to_vec())]))?;
        let output = &typed.fact(typed.graph.outputs()[0]).shape;
        let fields = dense::fields(&typed, &input).filter(|_| output.len() == 4);
        let [rows, columns] = fields.ok_or_else(|| {
            let what = format!("its answer over a picture, of shape {output:?}, is no map");
            Error::node(&signature.logits, "output", what)
        })?;
        let geometry = DenseGeometry { rows, columns, has_global_context };
        Ok(geometry.with_plan(self.plan_and_cache(key, typed, Some(geometry))?))
    }

    /// Plans a graph, and keeps the plan.
    fn plan_and_cache(
        &self,
        key: PlanKey,
        typed: TypedGraph,
        geometry: Option<DenseGeometry>,
    ) -> Result<Arc<Plan>> {
        let Options { level, numerics, memory_limit, .. } = self.options;
        let options = PlanOptions { level, numerics, memory_limit, ..PlanOptions::default() };
        let plan = Arc::new(Plan::new(
            &optimise(typed),
            &self.model.weight_cache,
            &options,
            &self.options.pool,
        )?);
        Ok(self.insert_plan(key, plan, geometry))
    }

    /// The plan of a batch that goes through picture by picture, where that is quicker. Only for
    /// networks of the zoo, which are known to look at each picture by itself; a graph could do
    /// anything with a batch.
    fn plan_per_sample(
        &self,
        feeds: &[(&str, &[usize])],
        settings: &[(&str, Tensor)],
        fetches: &[&str],
    ) -> Result<Option<Plan>> {
        let (ModelSource::Zoo(_), [(name, shape)]) = (&*self.model.source, feeds) else {
            return Ok(None);
        };
        let (&batch_size, rest) = shape.split_first().unwrap_or((&1, &[]));
        if batch_size < 2 {
            return Ok(None);
        }
        let one = self.plan_with(&[(name, &[&[1], rest].concat())], settings, fetches)?;
        let within_limit =
            |plan: &Plan| plan.activation_bytes(1) as u64 <= self.options.memory_limit;
        Ok(Plan::per_sample(&one, batch_size).filter(within_limit))
    }

    fn insert_plan(
        &self,
        key: PlanKey,
        plan: Arc<Plan>,
        geometry: Option<DenseGeometry>,
    ) -> Arc<Plan> {
        let mut plans = self.plans();
        plans.insert(0, CachedPlan { key, plan: plan.clone(), geometry, idle: Vec::new() });
        plans.truncate(MAX_PLANS);
        plan
    }

    fn plans(&self) -> std::sync::MutexGuard<'_, Vec<CachedPlan>> {
        self.model.plans.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The plan of that key, moved to the front.
    fn cached_plan(&self, key: &PlanKey) -> Option<(Arc<Plan>, Option<DenseGeometry>)> {
        let mut plans = self.plans();
        let at = plans.iter().position(|cached| cached.key == *key)?;
        plans[..=at].rotate_right(1);
        Some((plans[0].plan.clone(), plans[0].geometry))
    }

    /// Runs a plan: `write` fills the inputs, `read` takes the outputs.
    ///
    /// # Errors
    /// [`Error::Memory`] if there is no memory for the activations.
    pub fn run_plan<T>(
        &self,
        plan: &Arc<Plan>,
        write: impl FnOnce(&mut Activations),
        read: impl FnOnce(&Activations) -> T,
    ) -> Result<T> {
        let is_this_plan = |cached: &&mut CachedPlan| Arc::ptr_eq(&cached.plan, plan);
        let threads = self.options.pool.threads();
        let idle =
            self.plans().iter_mut().find(is_this_plan).and_then(|cached| cached.take_idle(threads));
        let mut activations = idle.map_or_else(|| plan.activations(threads), Ok)?;
        write(&mut activations);
        plan.run(&mut activations, &self.options.pool);
        let answer = read(&activations);
        if let Some(cached) = self.plans().iter_mut().find(is_this_plan) {
            cached.idle.push(activations);
        }
        Ok(answer)
    }

    /// Feeds tensors and fetches others, by TensorFlow tensor name. Scalars count as settings
    /// ([`Network::plan_with`]).
    ///
    /// # Errors
    /// As [`Network::plan`].
    pub fn run(&self, feeds: &[(&str, &Tensor)], fetches: &[&str]) -> Result<Vec<Tensor>> {
        let (settings, feeds): (Vec<_>, Vec<_>) =
            feeds.iter().partition(|(_, tensor)| tensor.shape().is_empty());
        let settings: Vec<(&str, Tensor)> =
            settings.iter().map(|(name, tensor)| (*name, (*tensor).clone())).collect();
        let shapes: Vec<(&str, &[usize])> =
            feeds.iter().map(|(name, tensor)| (*name, tensor.shape())).collect();
        let plan = self.plan_with(&shapes, &settings, fetches)?;
        let values: HashMap<&str, &Tensor> =
            feeds.iter().map(|(name, tensor)| (node_name(name), *tensor)).collect();
        if let Some(missing) =
            plan.inputs().iter().find(|port| !values.contains_key(port.name.as_str()))
        {
            return Err(Error::Input(format!("input '{}' must be fed too", missing.name)));
        }
        let write = |activations: &mut Activations| {
            for port in plan.inputs() {
                activations.input(port).copy_from_slice(&values[port.name.as_str()].to_f32());
            }
        };
        let tensor = |activations: &Activations, port: &Port| {
            Tensor::from_floats(
                port.fact.dtype,
                &port.fact.shape,
                activations.output(&plan, port).to_vec(),
            )
        };
        self.run_plan(&plan, write, |activations| {
            plan.outputs().iter().map(|port| tensor(activations, port)).collect()
        })
    }

    /// Writes the network as a frozen GraphDef that computes `fetches`, by TensorFlow tensor name,
    /// from pictures of `size` (rows and columns). A graph keeps its own nodes; a network of the
    /// zoo has those that TF-Slim draws. The file gets its name when it is whole.
    ///
    /// # Errors
    /// If a name is not there, or a variable cannot be read; if it would be longer than a
    /// GraphDef's 2 GiB; what the system refuses.
    pub fn write_frozen(&self, path: &Path, fetches: &[&str], size: [usize; 2]) -> Result<()> {
        let nodes = self.model.source.frozen(fetches, size)?;
        write_with(path, |out| export::write_graph(out, &nodes, &self.options.pool))
    }

    /// Writes the network as an ONNX file (operator set 18) that computes `fetches`, by TensorFlow
    /// tensor name, from pictures of `size` (rows and columns): `[batch, rows, columns, channels]`,
    /// as TensorFlow takes them. `notes` are names and values for those who read the file. The file
    /// gets its name when it is whole.
    ///
    /// # Errors
    /// [`Error::Unsupported`] with all nodes that ONNX has no operator for, [`Error::Input`] for a
    /// graph that decodes photos itself; if a variable cannot be read, or the file would be longer
    /// than 2 GiB; what the system refuses.
    pub fn write_onnx(
        &self,
        path: &Path,
        fetches: &[&str],
        size: [usize; 2],
        notes: &[(String, String)],
    ) -> Result<()> {
        let signature = self.signature()?;
        if signature.input.takes_decoded_image {
            let what = format!(
                "{}: it decodes photos itself: name the node that takes its pixels with --input",
                self.name()
            );
            return Err(Error::Input(what));
        }
        let outputs: Vec<String> = fetches.iter().map(|&name| node_name(name).to_owned()).collect();
        let [one, two] =
            [1, 2].map(|batch| Ok(optimise(self.typed(&signature, fetches, batch, size)?)));
        let (one, two): (TypedGraph, Result<TypedGraph>) = (one?, two);
        let source = export::onnx::Source { one: &one, two: two.as_ref().ok(), outputs: &outputs };
        // A graph that is made for one picture is still worth having.
        let translated = export::onnx::translate(source).or_else(|error| match source.two {
            Some(_) => export::onnx::translate(export::onnx::Source { two: None, ..source }),
            None => Err(error),
        })?;
        write_with(path, |out| export::onnx::write(out, self.name(), &translated, notes))
    }

    /// Writes an event file with the graph into a folder, for TensorBoard: scopes as TF-Slim names
    /// them, shapes on the edges for pictures of `size` (rows and columns), no weights. Gives the
    /// file's path.
    ///
    /// # Errors
    /// If the network does not take pictures of that size; what the system refuses.
    pub fn write_event_file(&self, folder: &Path, size: [usize; 2]) -> Result<PathBuf> {
        let signature = self.signature()?;
        let answer = signature.probabilities.as_deref().unwrap_or(&signature.logits);
        let (nodes, variables) = self.model.source.nodes_for_display(&[answer], size)?;
        let shapes = export::shapes(
            &self.typed(&signature, &[answer], 1, size)?,
            &self.typed(&signature, &[answer], 2, size)?,
        );
        let variables: Vec<&str> = variables.iter().map(String::as_str).collect();
        let graph = export::graph_def(export::for_display(nodes, &variables, &shapes));
        write_graph_event(folder, graph)
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
    fn graph_and_types(
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

    /// Writes the variables that `fetches` need as a V2 checkpoint: `PREFIX.index`,
    /// `PREFIX.data-00000-of-00001`, and the folder's `checkpoint` file. Of a frozen graph, the
    /// constants that freezing made of variables.
    ///
    /// # Errors
    /// If a variable cannot be read, or there are none; what the system refuses.
    pub fn write_checkpoint(&self, prefix: &Path, fetches: &[&str]) -> Result<()> {
        write_bundle(prefix, &self.model.source.variables(fetches)?, &self.options.pool)
    }

    /// Writes a plan file: the network with the weights packed that the plans made so far need, for
    /// this CPU level and in the formats of this network's options, which it is opened with again.
    /// Opened like any model, it starts at once. It is noted which file the model is from; when
    /// that changes, or the level or this program does, the plan file is
    /// [stale](Self::stale_plan_file).
    ///
    /// # Errors
    /// [`Error::Input`] for a network of which nothing is planned yet; if a variable cannot be
    /// read; what the system refuses.
    pub fn write_plan_file(&self, path: &Path) -> Result<()> {
        let SharedModel { name, file, source, weight_cache, .. } = &*self.model;
        if weight_cache.entries().is_empty() {
            return Err(Error::Input(format!(
                "{name}: nothing is planned yet that a plan file could hold"
            )));
        }
        let signature = self.signature()?;
        let answers = [
            Some(&signature.logits),
            signature.probabilities.as_ref(),
            signature.features.as_ref(),
        ];
        let fetches: Vec<&str> = answers.into_iter().flatten().map(String::as_str).collect();
        let model = plan_file::PlanFileModel { name, file: file.as_deref(), source, weight_cache };
        plan_file::write(path, &model, &self.options, &fetches)
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

/// A graph's name, from its file's.
fn stem(file: &str) -> &str {
    let endings = [".pb", ".meta", ".onnx", ".tflite"];
    endings.iter().find_map(|ending| file.strip_suffix(ending)).unwrap_or(file)
}
