//! Plan files: a network with packed weights, ready as soon as it is mapped.
//!
//! ```text
//! model ─▶ planned, packed ─▶ plan file ─▶ mapped ─▶ the network and its packed weights
//!                                              └─ stale ─▶ the original model
//! ```
//! A plan file serves one CPU level and one version of the kernels' layouts. It is stale for
//! others, and after a change of the model. If the model is missing it still serves, as long as
//! only packed weights are needed.

mod format;
mod integrity;
mod variables;

use std::collections::{BTreeMap, HashSet};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use lorgnette_kernels::{Level, NumericOptions, PACKED_LAYOUTS, Precision, WeightFormat};

use self::format::{Header, Origin, PlanFile, Variable};
use self::integrity::Checked;
pub(crate) use self::integrity::PlanFileIntegrity;
use self::variables::PlanFileVariables;
use crate::error::{Error, PlanFileOption, Result};
use crate::file::open_regular;
use crate::graph::TensorOrLazy;
use crate::import::GraphDef;
use crate::options::{LoadOptions, RunOptions};
use crate::plan::{PackedWeights, WeightCache};
use crate::proto;
use crate::source::{ModelSource, ZooModel};
use crate::zoo::{self, ZooOptions};

/// The result of opening a plan file.
pub(crate) enum Opened {
    Fresh {
        name: String,
        /// The original model, if it exists.
        model: Option<PathBuf>,
        source: Box<ModelSource>,
        weight_cache: WeightCache,
        /// The numeric options of the plans.
        numerics: NumericOptions,
        integrity: Arc<PlanFileIntegrity>,
    },
    Stale {
        /// The original model, and the options to open it with.
        model: PathBuf,
        load: Box<LoadOptions>,
        numerics: NumericOptions,
        why: String,
        contents: PlanFileContents,
    },
}

/// The network that a plan file was made from, without the weights that are packed.
pub(crate) struct PlanFileContents {
    path: PathBuf,
    header: Box<Header>,
}

/// Returns true if a file is a plan file.
pub(crate) fn is_plan_file(path: &Path) -> bool {
    let mut start = [0; format::MAGIC.len()];
    open_regular(path).and_then(|mut file| file.read_exact(&mut start)).is_ok()
        && start == format::MAGIC
}

/// Opens a plan file, or reports that it is stale.
///
/// # Errors
/// If it is damaged, or stale and the model is missing; if `options` has settings that were fixed
/// when it was made.
pub(crate) fn open(path: &Path, load: &LoadOptions, run: &RunOptions) -> Result<Opened> {
    check_options(path, load)?;
    let PlanFile { header, weights, file } = format::read(path)?;
    let origin = header.origin.clone().unwrap_or(Origin { use_ema: true, ..Origin::default() });
    let model = PathBuf::from(&origin.path);
    let model_exists = model.is_file();
    let numerics = numerics(path, &header, run.numerics)?;
    let load = origin_options(&header, &origin, load)?;
    if let Some(why) = staleness(&header, &origin, run.level, numerics) {
        if model_exists {
            if is_plan_file(&model) {
                let model = model.display();
                let what = format!("{why}, and what it is from, {model}, is a plan file itself");
                return Err(Error::Format { path: path.into(), what });
            }
            let contents = PlanFileContents { path: path.into(), header: Box::new(header) };
            let load = Box::new(load);
            return Ok(Opened::Stale { model, load, numerics, why, contents });
        }
        let missing_model = match origin.path.as_str() {
            "" => "it is from no file".to_owned(),
            path => format!("the model it is from, {path}, is gone"),
        };
        let what = format!("{why}, and {missing_model}: convert the model again");
        return Err(Error::Format { path: path.into(), what });
    }
    let weight_cache = WeightCache::default();
    let mut checked = Vec::with_capacity(weights.len());
    for ((key, bytes), entry) in weights.into_iter().zip(&header.weights) {
        let (filter, checksum) = (key.filter.clone(), entry.checksum.unwrap_or_default());
        // Weights that are not aligned as kernels want them are packed again.
        if let Some(packed) = PackedWeights::mapped(bytes.clone()) {
            checked.push(Checked { filter, bytes, checksum });
            weight_cache.insert(key, packed);
        }
    }
    let integrity = PlanFileIntegrity::start(path.into(), file, checked);
    let name = header.name.clone();
    let variables = Arc::new(PlanFileVariables::new(path, header.variables.clone(), &model, load));
    let source = Box::new(source(path, &header, variables)?);
    let model = model_exists.then_some(model);
    Ok(Opened::Fresh { name, model, source, weight_cache, numerics, integrity })
}

impl PlanFileContents {
    /// Returns true if the plan file may be written again from `source`, which its header names: it
    /// lies in the model's folder, or was made from that very network. A plan file of a stranger
    /// may name any model of this machine, whose weights must not get into it.
    pub(crate) fn may_be_replaced_by(&self, source: &ModelSource) -> bool {
        let folder = |path: &Path| path.canonicalize().ok()?.parent().map(Path::to_owned);
        let of_file = folder(&self.path);
        let is_beside = of_file.is_some() && of_file == folder(source.file());
        is_beside || self.is_of(source)
    }

    /// Returns true if the file was made from a network that equals `source` in everything that is
    /// not packed.
    fn is_of(&self, source: &ModelSource) -> bool {
        let packed = |variable: &&Variable| variable.contents.is_none();
        let packed: HashSet<&str> = self
            .header
            .variables
            .iter()
            .filter(packed)
            .map(|stored| stored.name.as_str())
            .collect();
        match (source, &self.header.graph) {
            (ModelSource::Graph(def), Some(graph)) => {
                let is_same = |(stored, node): (&proto::NodeDef, &proto::NodeDef)| {
                    stored.name == node.name
                        && (packed.contains(node.name.as_str()) || stored == node)
                };
                graph.node.len() == def.nodes().len()
                    && graph.node.iter().zip(def.nodes()).all(is_same)
            }
            (ModelSource::Zoo(zoo_model), None) if zoo_model.net.name == self.header.net => {
                let variables: BTreeMap<String, TensorOrLazy> =
                    zoo_model.sorted_variables().into_iter().collect();
                let is_same = |stored: &Variable| {
                    let Some(found) = variables.get(&stored.name) else { return false };
                    let shape = found.shape().iter().map(|&length| length as u64);
                    stored.dtype == found.dtype().tensorflow()
                        && stored.shape.iter().copied().eq(shape)
                        && stored.contents.as_ref().is_none_or(|contents| {
                            found.tensor().is_ok_and(|tensor| tensor.bytes() == contents)
                        })
                };
                self.header.variables.iter().all(is_same)
            }
            _ => false,
        }
    }
}

/// The content of a plan file.
pub(crate) struct PlanFileModel<'a> {
    pub(crate) name: &'a str,
    /// The model's file; `None` for a model in memory.
    pub(crate) file: Option<&'a Path>,
    pub(crate) source: &'a ModelSource,
    /// All packed weights.
    pub(crate) weight_cache: &'a WeightCache,
    /// How it was opened and is run.
    pub(crate) load: &'a LoadOptions,
    pub(crate) run: &'a RunOptions,
}

/// Writes a plan file with everything that `fetches` need.
///
/// # Errors
/// If a part of it cannot be read; if the system refuses.
pub(crate) fn write(path: &Path, model: &PlanFileModel<'_>, fetches: &[&str]) -> Result<()> {
    let PlanFileModel { load, run, .. } = *model;
    let packed = model.weight_cache.entries();
    let filters: HashSet<&str> = packed.iter().map(|(key, _)| key.filter.as_str()).collect();
    let (net, zoo_options, graph) = match model.source {
        ModelSource::Zoo(zoo_model) => {
            (zoo_model.net.name.to_owned(), zoo_model.options().written(), None)
        }
        ModelSource::Graph(def) => {
            (String::new(), Vec::new(), Some(strip_packed_constants(def, &filters)))
        }
        ModelSource::WithHead(_) => return Err(unsupported_head()),
        ModelSource::Onnx(_) => return Err(no_onnx()),
    };
    let variables = model.source.needed_variables(fetches, &filters)?;
    let NumericOptions { compute: precision, weight_storage: weights, .. } = run.numerics;
    let header = Header {
        layouts_version: PACKED_LAYOUTS,
        level: run.level.name().into(),
        name: model.name.into(),
        origin: model.file.map(|file| origin(file, load)),
        net,
        options: zoo_options,
        graph,
        variables: variables
            .into_iter()
            .map(|(name, value)| file_variable(name, &value, &filters))
            .collect::<Result<_>>()?,
        weights: Vec::new(),
        precision: (precision != Precision::default()).then(|| precision.name().into()),
        weight_format: (weights != WeightFormat::default()).then(|| weights.name().into()),
        rounds: rounds(run.level, run.numerics),
    };
    format::write(path, header, &packed)
}

fn unsupported_head() -> Error {
    Error::Input(
        "a trained model has no plan file of its own: make a frozen graph of it first, then one of \
         that".into(),
    )
}

fn no_onnx() -> Error {
    Error::Input(
        "an ONNX model is opened as it is: plan files are made of TensorFlow's models".into(),
    )
}

fn check_options(path: &Path, options: &LoadOptions) -> Result<()> {
    let given = [
        (options.net.is_some(), PlanFileOption::Net),
        (!options.zoo.written().is_empty(), PlanFileOption::Zoo),
        (options.checkpoint.is_some(), PlanFileOption::Checkpoint),
        (!options.use_ema, PlanFileOption::UseEma),
    ];
    match given.into_iter().find(|(is_given, _)| *is_given) {
        None => Ok(()),
        Some((_, option)) => Err(fixed(path, option, String::new())),
    }
}

fn fixed(path: &Path, option: PlanFileOption, made_with: String) -> Error {
    Error::FixedByPlanFile { path: path.into(), option, made_with }
}

/// Returns the numeric options that a plan file was made with; other options are an error.
fn numerics(path: &Path, header: &Header, requested: NumericOptions) -> Result<NumericOptions> {
    let unknown =
        |error| Error::Format { path: path.into(), what: format!("a damaged plan file: {error}") };
    let precision = header
        .precision
        .as_deref()
        .map_or(Ok(Precision::default()), str::parse)
        .map_err(unknown)?;
    let weights = header
        .weight_format
        .as_deref()
        .map_or(Ok(WeightFormat::default()), str::parse)
        .map_err(unknown)?;
    // Integers are rounded as the caller wants: their weights do not depend on it.
    let epilogue = requested.epilogue;
    let found = NumericOptions { compute: precision, weight_storage: weights, epilogue };
    if requested == (NumericOptions { epilogue, ..NumericOptions::default() }) || requested == found
    {
        return Ok(found);
    }
    let made_with = format!(", of precision {precision} and weights {weights}");
    Err(fixed(path, PlanFileOption::Numerics, made_with))
}

/// Returns true if some products may be computed in bf16.
fn rounds(level: Level, numerics: NumericOptions) -> bool {
    numerics.compute != Precision::Float32 && level.multiplies_bf16()
}

/// Returns the reason why a plan file is stale, if it is.
fn staleness(
    header: &Header,
    origin: &Origin,
    level: Level,
    numerics: NumericOptions,
) -> Option<String> {
    let has_checksums = header.weights.iter().all(|entry| entry.checksum.is_some());
    if header.layouts_version != PACKED_LAYOUTS || !has_checksums {
        return Some("it was packed by another version of this program".into());
    }
    if header.level != level.name() {
        return Some(format!("it was packed for {}, not for {level}", header.level));
    }
    if header.rounds != rounds(level, numerics) {
        let [with, without] = ["with", "without"];
        let (then, now) = if header.rounds { (with, without) } else { (without, with) };
        return Some(format!(
            "it was packed for a CPU {then} products of bf16, and this is one {now}"
        ));
    }
    let now = stamp(Path::new(&origin.path))?;
    (now != (origin.length, origin.modified)).then(|| "the model it is from has changed".into())
}

/// Returns length and modification time of the file that identifies a model; `None` if it does not
/// exist.
fn stamp(path: &Path) -> Option<(u64, i64)> {
    let metadata = path.metadata().ok().filter(std::fs::Metadata::is_file)?;
    let modified = metadata.modified().ok()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    Some((metadata.len(), i64::try_from(modified.as_nanos()).unwrap_or(i64::MAX)))
}

/// Returns the file that identifies a model: itself, or the index of a V2 checkpoint.
fn model_file(file: &Path) -> PathBuf {
    let mut index = file.as_os_str().to_owned();
    index.push(".index");
    let index = PathBuf::from(index);
    let file = if !file.is_file() && index.is_file() { index } else { file.into() };
    std::path::absolute(&file).unwrap_or(file)
}

fn origin(file: &Path, options: &LoadOptions) -> Origin {
    let path = model_file(file);
    let (length, modified) = stamp(&path).unwrap_or_default();
    Origin {
        path: path.to_string_lossy().into_owned(),
        length,
        modified,
        use_ema: options.use_ema,
        checkpoint: options.checkpoint.as_ref().map(|path| path.to_string_lossy().into_owned()),
        net: options.net.clone(),
    }
}

/// Returns the options with which the model was opened when the plan file was made.
fn origin_options(header: &Header, origin: &Origin, options: &LoadOptions) -> Result<LoadOptions> {
    Ok(LoadOptions {
        net: origin.net.clone(),
        zoo: zoo_options(header)?,
        checkpoint: origin.checkpoint.as_ref().map(PathBuf::from),
        use_ema: origin.use_ema,
        ..options.clone()
    })
}

fn zoo_options(header: &Header) -> Result<ZooOptions> {
    let mut options = ZooOptions::default();
    header.options.iter().try_for_each(|option| options.set(option))?;
    Ok(options)
}

/// Opens the network; its packed variables exist in the file only in packed form.
fn source(path: &Path, header: &Header, variables: Arc<PlanFileVariables>) -> Result<ModelSource> {
    if let Some(graph) = &header.graph {
        return Ok(ModelSource::Graph(
            GraphDef::from_nodes(graph.clone(), path)?.with_variables(variables),
        ));
    }
    let net = zoo::find(&header.net)?;
    Ok(ModelSource::Zoo(Box::new(ZooModel::new(net, path, variables, &zoo_options(header)?)?)))
}

/// Returns a graph whose packed constants are replaced by variables.
fn strip_packed_constants(def: &GraphDef, filters: &HashSet<&str>) -> proto::GraphDef {
    proto::GraphDef {
        node: def
            .nodes()
            .iter()
            .map(|node: &proto::NodeDef| {
                let mut node = node.clone();
                if node.op == "Const" && filters.contains(node.name.as_str()) {
                    node.op = "VariableV2".into();
                    node.attr.remove("value");
                }
                node
            })
            .collect(),
        versions: None,
    }
}

fn file_variable(name: String, value: &TensorOrLazy, filters: &HashSet<&str>) -> Result<Variable> {
    let is_packed = filters.contains(name.as_str());
    Ok(Variable {
        dtype: value.dtype().tensorflow(),
        shape: value.shape().iter().map(|&length| length as u64).collect(),
        contents: if is_packed { None } else { Some(value.tensor()?.shared_bytes().clone()) },
        name,
    })
}

impl ModelSource {
    /// Returns the variables that `fetches` need, and the packed constants.
    fn needed_variables(
        &self,
        fetches: &[&str],
        filters: &HashSet<&str>,
    ) -> Result<Vec<(String, TensorOrLazy)>> {
        let def = match self {
            Self::Zoo(zoo_model) => return Ok(zoo_model.sorted_variables()),
            Self::Graph(def) => def,
            Self::WithHead(_) => return Err(unsupported_head()),
            Self::Onnx(_) => return Err(no_onnx()),
        };
        let (mut found, mut expansion) = (BTreeMap::new(), def.expansion());
        for node in def.needed(fetches)? {
            let mut value = def.variable(node).transpose()?;
            if value.is_none() && filters.contains(node.name.as_str()) {
                value = def.constant_within(node, &mut expansion).map(TensorOrLazy::Tensor);
            }
            if let Some(value) = value {
                found.insert(node.name.clone(), value);
            }
        }
        Ok(found.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use bytes::Bytes;
    use tempfile::TempDir;

    use super::*;
    use crate::network::Network;
    use crate::quantize::{QuantizeOptions, Quantizer};
    use crate::tensor::Tensor;
    use crate::zoo::RandomWeights;

    const SHAPE: [usize; 4] = [1, 28, 28, 1];

    /// Creates a folder with a plan file of LeNet, and returns its answer. The model is a
    /// checkpoint, a frozen graph or a quantised network in the same folder.
    fn lenet(model: &str) -> (TempDir, Vec<u32>) {
        let folder = tempfile::tempdir().unwrap();
        let (load, run) = (LoadOptions::default(), RunOptions::with_threads(Some(1)));
        let random = Network::from_architecture(
            zoo::find("lenet").unwrap(),
            Arc::new(RandomWeights),
            load.clone(),
            run.clone(),
        )
        .unwrap();
        random.write_checkpoint(&folder.path().join("lenet.ckpt"), &["Logits"]).unwrap();
        random.write_frozen(&folder.path().join("lenet.pb"), &["Logits"], [28, 28], &[]).unwrap();
        let mut quantizer = Quantizer::new(&random, &["Predictions"], [28, 28]).unwrap();
        quantizer.observe(&picture().to_f32());
        let quantized = quantizer.quantize(&QuantizeOptions::default()).unwrap();
        fs::write(folder.path().join("lenet.tflite"), quantized.bytes).unwrap();
        let network = Network::open(&folder.path().join(model), load, run).unwrap();
        let answer = answer(&network).unwrap();
        network.write_plan_file(&folder.path().join("lenet.plan")).unwrap();
        (folder, answer)
    }

    fn picture() -> Tensor {
        Tensor::from_f32(&SHAPE, (0..28 * 28).map(|i| (i % 17) as f32 / 17.0).collect())
    }

    fn answer(network: &Network) -> Result<Vec<u32>> {
        let picture = picture();
        let signature = network.signature()?;
        let answers = network.run(&[(&signature.input.name, &picture)], &[&signature.logits])?;
        Ok(answers[0].to_f32().iter().map(|value| value.to_bits()).collect())
    }

    /// Opens the plan file after `change` modifies its header.
    fn changed(folder: &Path, change: impl FnOnce(&mut Header)) -> Result<Network> {
        let path = folder.join("lenet.plan");
        let PlanFile { mut header, weights, .. } = format::read(&path)?;
        change(&mut header);
        let packed = |bytes: Bytes| PackedWeights::mapped(bytes).unwrap();
        let weights: Vec<_> =
            weights.into_iter().map(|(key, bytes)| (key, packed(bytes))).collect();
        format::write_unchecked(&path, &mut header, &weights)?;
        Network::open(&path, LoadOptions::default(), RunOptions::with_threads(Some(1)))
    }

    /// Packed weights of a length other than the kernel's are ignored: they are packed again, or
    /// there is an error.
    #[test]
    fn packed_weights_of_another_length_are_not_used() {
        let checkpoint = ["lenet.ckpt.index", "lenet.ckpt.data-00000-of-00001"].as_slice();
        for (model, files) in [("lenet.ckpt", checkpoint), ("lenet.tflite", &["lenet.tflite"])] {
            let (folder, expected) = lenet(model);
            let mut packed = 0;
            let network = changed(folder.path(), |header| {
                packed = header.weights.len();
                header.weights.iter_mut().for_each(|placed| placed.length -= 64);
            });
            assert_eq!(answer(&network.unwrap()).unwrap(), expected);
            if packed == 0 {
                println!("not tried: this CPU packs no weights of {model}");
                continue;
            }
            for file in files {
                fs::remove_file(folder.path().join(file)).unwrap();
            }
            let network = open(&folder.path().join("lenet.plan")).unwrap();
            let message = answer(&network).unwrap_err().to_string();
            assert!(
                message.contains("lenet.plan: variable 'LeNet/")
                    && message.contains("the model is gone"),
                "{message}"
            );
        }
    }

    fn open(path: &Path) -> Result<Network> {
        Network::open(path, LoadOptions::default(), RunOptions::with_threads(Some(1)))
    }

    #[test]
    fn a_bit_of_the_weights_is_noticed() {
        for model in ["lenet.pb", "lenet.tflite"] {
            let (folder, _) = lenet(model);
            let path = folder.path().join("lenet.plan");
            let complete = fs::read(&path).unwrap();
            let weights = format::read(&path).unwrap().weights;
            let Some(start) = weights.first().map(|(_, bytes)| bytes.len()) else {
                println!("not tried: this CPU packs no weights of {model}");
                continue;
            };
            for at in [complete.len() - start / 2, complete.len() - 200_000] {
                let mut damaged = complete.clone();
                damaged[at] ^= 4;
                fs::write(&path, damaged).unwrap();
                let error = answer(&open(&path).unwrap()).unwrap_err().to_string();
                assert!(error.contains("lenet.plan: a damaged plan file"), "{error}");
            }
            fs::write(&path, &complete).unwrap();
            answer(&open(&path).unwrap()).unwrap();
        }
    }

    #[test]
    fn a_file_that_is_written_to_gives_no_answers() {
        let (folder, _) = lenet("lenet.pb");
        let path = folder.path().join("lenet.plan");
        let network = open(&path).unwrap();
        answer(&network).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(20));
        let file = fs::File::options().write(true).open(&path).unwrap();
        std::io::Write::write_all(&mut &file, b"other").unwrap();
        let error = answer(&network).unwrap_err().to_string();
        assert!(error.contains("lenet.plan: it was written to"), "{error}");
    }

    /// Neither a file that is from itself nor two that are from one another.
    #[test]
    fn a_plan_file_is_not_from_a_plan_file() {
        let (folder, _) = lenet("lenet.pb");
        let path = folder.path().join("lenet.plan");
        let other = folder.path().join("other.plan");
        fs::copy(&path, &other).unwrap();
        for model in [&path, &other] {
            let error = changed(folder.path(), |header| {
                header.level = "another".into();
                header.origin.as_mut().unwrap().path = model.to_str().unwrap().into();
            });
            let error = error.unwrap_err().to_string();
            assert!(error.contains("is a plan file itself"), "{error}");
        }
    }

    /// A model of the same architecture elsewhere on the machine.
    #[test]
    fn a_strangers_plan_file_does_not_get_the_weights_of_a_model() {
        let (folder, _) = lenet("lenet.pb");
        let elsewhere = tempfile::tempdir().unwrap();
        let private = elsewhere.path().join("private.pb");
        let names_another = |header: &mut Header| {
            header.level = "another".into();
            header.origin.as_mut().unwrap().path = private.to_str().unwrap().into();
        };
        fs::copy(folder.path().join("lenet.pb"), &private).unwrap();
        let network = changed(folder.path(), names_another).unwrap();
        assert!(network.stale_plan_file().is_some() && network.may_replace_stale_plan_file());
        let other = [("owner".to_owned(), "me".to_owned())];
        let lenet = open(&folder.path().join("lenet.pb")).unwrap();
        let logits = lenet.signature().unwrap().logits;
        lenet.write_frozen(&private, &[&logits], [28, 28], &other).unwrap();
        let network = changed(folder.path(), names_another).unwrap();
        assert!(network.stale_plan_file().is_some() && !network.may_replace_stale_plan_file());
    }

    /// The product of a variable's lengths overflows.
    #[test]
    fn absurd_variables_are_refused() {
        for (model, length) in [
            ("lenet.pb", 1 << 40),
            ("lenet.pb", u64::MAX),
            ("lenet.tflite", 1 << 40),
            ("lenet.tflite", u64::MAX),
        ] {
            let (folder, _) = lenet(model);
            let mut is_changed = false;
            let absurd = |header: &mut Header| {
                let is_packed = |variable: &&mut Variable| variable.contents.is_none();
                let Some(packed) = header.variables.iter_mut().find(is_packed) else { return };
                packed.shape.iter_mut().for_each(|dimension| *dimension = length);
                is_changed = true;
            };
            let answered = changed(folder.path(), absurd).and_then(|network| answer(&network));
            if !is_changed {
                println!("not tried: this CPU packs no weights of {model}");
                continue;
            }
            let message = answered.unwrap_err().to_string();
            assert!(message.contains("LeNet/"), "{message}");
        }
    }
}
