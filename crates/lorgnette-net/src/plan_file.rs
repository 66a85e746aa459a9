//! Plan files: a network with its weights packed already, which is ready as soon as it is mapped.
//!
//! ```text
//! model ─▶ planned, packed ─▶ plan file ─▶ mapped ─▶ the network without what is packed, and what is packed
//!                                              └─ stale ─▶ the model it is from, and the file written anew
//! ```
//! It is for one CPU level and one version of the kernels' layouts, and it is stale when it is opened for others, or when
//! the model has changed. Without the model it still serves, as long as nothing is asked of it but what was packed.

mod format;
mod kept;

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use lorgnette_kernels::formats::has_bf16;
use lorgnette_kernels::{Formats, Level, PACKED_LAYOUTS, Precision, WeightFormat};

use self::format::{Header, Origin, Variable};
use self::kept::Kept;
use crate::error::{Error, Result};
use crate::graph::Value;
use crate::import::GraphDef;
use crate::options::Options;
use crate::plan::Packing;
use crate::proto;
use crate::source::{Rebuilt, Source};
use crate::zoo::{self, ZooOptions};

/// What became of opening a plan file.
pub(crate) enum Opened {
    Fresh {
        name: String,
        /// The model it is from, if it is there.
        model: Option<PathBuf>,
        source: Box<Source>,
        packing: Packing,
        /// The formats it was made with.
        formats: Formats,
    },
    Stale {
        /// The model it is from, and how to open it.
        model: PathBuf,
        options: Box<Options>,
        why: String,
    },
}

/// Whether a file is a plan file.
pub(crate) fn is_plan_file(path: &Path) -> bool {
    let mut start = [0; format::MAGIC.len()];
    path.is_file()
        && File::open(path).and_then(|mut file| file.read_exact(&mut start)).is_ok()
        && start == format::MAGIC
}

/// Opens a plan file, or says that it is stale.
///
/// # Errors
/// If it is damaged, or stale and the model is gone; if options are given that were settled when it was made.
pub(crate) fn open(path: &Path, options: &Options) -> Result<Opened> {
    check_options(path, options)?;
    let (header, weights) = format::read(path)?;
    let origin = header.origin.clone().unwrap_or(Origin { averages: true, ..Origin::default() });
    let model = PathBuf::from(&origin.path);
    let there = model.is_file();
    let formats = formats(path, &header, options)?;
    let opening = Options { formats, ..origin_options(&header, &origin, options)? };
    if let Some(why) = staleness(&header, &origin, &opening) {
        if there {
            return Ok(Opened::Stale { model, options: Box::new(opening), why });
        }
        let gone = match origin.path.as_str() {
            "" => "it is from no file".to_owned(),
            path => format!("the model it is from, {path}, is gone"),
        };
        let what = format!("{why}, and {gone}: convert the model again");
        return Err(Error::Format { path: path.into(), what });
    }
    let packing = Packing::default();
    weights.into_iter().for_each(|(key, packed)| packing.insert(key, packed));
    let name = header.name.clone();
    let kept = Arc::new(Kept::new(path, header.variables.clone(), &model, opening));
    let source = Box::new(source(path, &header, kept)?);
    Ok(Opened::Fresh { name, model: there.then_some(model), source, packing, formats })
}

/// What a plan file is made of.
pub(crate) struct Planned<'a> {
    pub(crate) name: &'a str,
    /// The model's file; `None` for one in memory.
    pub(crate) file: Option<&'a Path>,
    pub(crate) source: &'a Source,
    /// All its weights.
    pub(crate) packing: &'a Packing,
}

/// Writes a plan file of what `fetches` need.
///
/// # Errors
/// If something of it cannot be read; what the system refuses.
pub(crate) fn write(path: &Path, model: &Planned<'_>, options: &Options, fetches: &[&str]) -> Result<()> {
    let packed = model.packing.filled();
    let filters: HashSet<&str> = packed.iter().map(|(key, _)| key.filter.as_str()).collect();
    let (net, built, graph) = match model.source {
        Source::Zoo(rebuilt) => (rebuilt.net.name.to_owned(), rebuilt.options().written(), None),
        Source::Graph(def) => (String::new(), Vec::new(), Some(stripped(def, &filters))),
        Source::Headed(_) => return Err(no_heads()),
    };
    let variables = model.source.kept_variables(fetches, &filters)?;
    let Formats { precision, weights } = options.formats;
    let header = Header {
        packing: PACKED_LAYOUTS,
        level: options.level.name().into(),
        name: model.name.into(),
        origin: model.file.map(|file| origin(file, options)),
        net,
        options: built,
        graph,
        variables: variables.into_iter().map(|(name, value)| kept(name, &value, &filters)).collect::<Result<_>>()?,
        weights: Vec::new(),
        precision: (precision != Precision::default()).then(|| precision.name().into()),
        weight_format: (weights != WeightFormat::default()).then(|| weights.name().into()),
        rounds: rounds(options),
    };
    format::write(path, header, &packed)
}

fn no_heads() -> Error {
    Error::Input(
        "a trained model has no plan file of its own: make a frozen graph of it first, then one of that".into(),
    )
}

fn check_options(path: &Path, options: &Options) -> Result<()> {
    let zoo = options.zoo.written();
    let given = [
        options.net.as_ref().map(|_| "--net"),
        zoo.first().map(|_| "--net-option"),
        options.checkpoint.as_ref().map(|_| "--checkpoint"),
        (!options.averages).then_some("--no-ema"),
    ];
    match given.into_iter().flatten().next() {
        None => Ok(()),
        Some(option) => Err(Error::Input(format!(
            "{}: a plan file is as it was made: give {option} when the model is converted",
            path.display()
        ))),
    }
}

/// The formats that a plan file was made with. Others cannot be asked for.
fn formats(path: &Path, header: &Header, options: &Options) -> Result<Formats> {
    let unknown = |error| Error::Format { path: path.into(), what: format!("a damaged plan file: {error}") };
    let precision = header.precision.as_deref().map_or(Ok(Precision::default()), str::parse).map_err(unknown)?;
    let weights = header.weight_format.as_deref().map_or(Ok(WeightFormat::default()), str::parse).map_err(unknown)?;
    let found = Formats { precision, weights };
    if options.formats == Formats::default() || options.formats == found {
        return Ok(found);
    }
    Err(Error::Input(format!(
        "{}: a plan file is as it was made, of precision {precision} and weights {weights}: give --precision and --weights \
         when the model is converted",
        path.display()
    )))
}

/// Whether any product may be one of bf16.
fn rounds(options: &Options) -> bool {
    options.formats.precision != Precision::Float32 && options.level.vectors() == Level::Avx512 && has_bf16()
}

/// Why a plan file must not be used as it is.
fn staleness(header: &Header, origin: &Origin, options: &Options) -> Option<String> {
    if header.packing != PACKED_LAYOUTS {
        return Some("it was packed by another version of this program".into());
    }
    if header.level != options.level.name() {
        return Some(format!("it was packed for {}, not for {}", header.level, options.level));
    }
    if header.rounds != rounds(options) {
        let [with, without] = ["with", "without"];
        let (then, now) = if header.rounds { (with, without) } else { (without, with) };
        return Some(format!("it was packed for a CPU {then} AVX-512 BF16, and this is one {now}"));
    }
    let now = stamp(Path::new(&origin.path))?;
    (now != (origin.length, origin.modified)).then(|| "the model it is from has changed".into())
}

/// Length and time of change of the file that stands for a model; `None` if it is not there.
fn stamp(path: &Path) -> Option<(u64, i64)> {
    let metadata = path.metadata().ok().filter(std::fs::Metadata::is_file)?;
    let modified = metadata.modified().ok()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    Some((metadata.len(), i64::try_from(modified.as_nanos()).unwrap_or(i64::MAX)))
}

/// The file that stands for a model: itself, or the index of a V2 checkpoint.
fn model_file(file: &Path) -> PathBuf {
    let mut index = file.as_os_str().to_owned();
    index.push(".index");
    let index = PathBuf::from(index);
    let file = if !file.is_file() && index.is_file() { index } else { file.into() };
    std::path::absolute(&file).unwrap_or(file)
}

fn origin(file: &Path, options: &Options) -> Origin {
    let path = model_file(file);
    let (length, modified) = stamp(&path).unwrap_or_default();
    Origin {
        path: path.to_string_lossy().into_owned(),
        length,
        modified,
        averages: options.averages,
        checkpoint: options.checkpoint.as_ref().map(|path| path.to_string_lossy().into_owned()),
        net: options.net.clone(),
    }
}

/// How the model was opened when the plan file was made.
fn origin_options(header: &Header, origin: &Origin, options: &Options) -> Result<Options> {
    Ok(Options {
        net: origin.net.clone(),
        zoo: zoo_options(header)?,
        checkpoint: origin.checkpoint.as_ref().map(PathBuf::from),
        averages: origin.averages,
        ..options.clone()
    })
}

fn zoo_options(header: &Header) -> Result<ZooOptions> {
    let mut options = ZooOptions::default();
    header.options.iter().try_for_each(|option| options.set(option))?;
    Ok(options)
}

/// The network, its packed variables in the file only as what they were packed to.
fn source(path: &Path, header: &Header, kept: Arc<Kept>) -> Result<Source> {
    if let Some(graph) = &header.graph {
        return Ok(Source::Graph(GraphDef::of_nodes(graph.clone(), path)?.with_variables(kept)));
    }
    let net = zoo::find(&header.net)?;
    Ok(Source::Zoo(Box::new(Rebuilt::new(net, path, kept, &zoo_options(header)?)?)))
}

/// A graph whose packed constants are variables.
fn stripped(def: &GraphDef, filters: &HashSet<&str>) -> proto::GraphDef {
    let strip = |node: &proto::NodeDef| {
        let mut node = node.clone();
        if node.op == "Const" && filters.contains(node.name.as_str()) {
            node.op = "VariableV2".into();
            node.attr.remove("value");
        }
        node
    };
    proto::GraphDef { node: def.nodes().iter().map(strip).collect(), versions: None }
}

fn kept(name: String, value: &Value, filters: &HashSet<&str>) -> Result<Variable> {
    let is_packed = filters.contains(name.as_str());
    Ok(Variable {
        dtype: value.dtype().tensorflow(),
        shape: value.shape().iter().map(|&length| length as u64).collect(),
        contents: if is_packed { None } else { Some(value.tensor()?.bytes().clone()) },
        name,
    })
}

impl Source {
    /// The variables that `fetches` need, and the constants that were packed.
    fn kept_variables(&self, fetches: &[&str], filters: &HashSet<&str>) -> Result<Vec<(String, Value)>> {
        let def = match self {
            Self::Zoo(rebuilt) => return Ok(rebuilt.variables()),
            Self::Graph(def) => def,
            Self::Headed(_) => return Err(no_heads()),
        };
        let mut found = BTreeMap::new();
        for node in def.needed(fetches)? {
            let constant = || def.constant(node).filter(|_| filters.contains(node.name.as_str())).map(Value::Here);
            if let Some(value) = def.variable(node).transpose()?.or_else(constant) {
                found.insert(node.name.clone(), value);
            }
        }
        Ok(found.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;
    use crate::network::Network;
    use crate::tensor::Tensor;
    use crate::zoo::MadeUp;

    const SHAPE: [usize; 4] = [1, 28, 28, 1];

    /// A folder with a plan file of LeNet, and what it answers. Its model is a checkpoint, or a frozen graph, in the same folder.
    fn lenet(model: &str) -> (TempDir, Vec<u32>) {
        let folder = tempfile::tempdir().unwrap();
        let options = Options::with_threads(Some(1));
        let made_up = Network::of_net(zoo::find("lenet").unwrap(), Arc::new(MadeUp), options.clone()).unwrap();
        made_up.write_checkpoint(&folder.path().join("lenet.ckpt"), &["Logits"]).unwrap();
        made_up.write_frozen(&folder.path().join("lenet.pb"), &["Logits"], [28, 28]).unwrap();
        let network = Network::open(&folder.path().join(model), options).unwrap();
        let answer = answer(&network).unwrap();
        network.write_plan_file(&folder.path().join("lenet.plan")).unwrap();
        (folder, answer)
    }

    fn answer(network: &Network) -> Result<Vec<u32>> {
        let picture = Tensor::from_f32(&SHAPE, (0..28 * 28).map(|i| (i % 17) as f32 / 17.0).collect());
        let ports = network.ports()?;
        let answers = network.run(&[(&ports.input.name, &picture)], &[&ports.logits])?;
        Ok(answers[0].to_f32().iter().map(|value| value.to_bits()).collect())
    }

    /// Opens the plan file after somebody changed its header.
    fn changed(folder: &Path, change: impl FnOnce(&mut Header)) -> Result<Network> {
        let path = folder.join("lenet.plan");
        let (mut header, weights) = format::read(&path)?;
        change(&mut header);
        format::write_as_it_is(&path, &header, &weights)?;
        Network::open(&path, Options::with_threads(Some(1)))
    }

    /// Weights of another length than the kernel's are none: they are packed anew, or there is an error.
    #[test]
    fn packed_weights_of_another_length_are_not_used() {
        let (folder, wanted) = lenet("lenet.ckpt");
        let network = changed(folder.path(), |header| header.weights.iter_mut().for_each(|placed| placed.length -= 64));
        assert_eq!(answer(&network.unwrap()).unwrap(), wanted);
        for file in ["lenet.ckpt.index", "lenet.ckpt.data-00000-of-00001"] {
            fs::remove_file(folder.path().join(file)).unwrap();
        }
        let network = Network::open(&folder.path().join("lenet.plan"), Options::with_threads(Some(1))).unwrap();
        let message = answer(&network).unwrap_err().to_string();
        assert!(message.contains("lenet.plan: variable 'LeNet/") && message.contains("the model is gone"), "{message}");
    }

    /// The lengths of a variable's dimensions, multiplied, are more than there can be.
    #[test]
    fn absurd_variables_are_refused() {
        let (folder, _) = lenet("lenet.pb");
        for length in [1 << 40, u64::MAX] {
            let absurd = |header: &mut Header| {
                let packed = header.variables.iter_mut().find(|variable| variable.contents.is_none()).unwrap();
                packed.shape.iter_mut().for_each(|dimension| *dimension = length);
            };
            let message = changed(folder.path(), absurd).and_then(|network| answer(&network)).unwrap_err().to_string();
            assert!(message.contains("LeNet/"), "{message}");
        }
    }
}
