//! Resolves and opens the network that the user names.

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use lorgnette::catalogue::{self, Entry};
use lorgnette::net::Network;
use lorgnette::net::import::Signature;
use lorgnette::preprocess::Preprocessor;
use lorgnette::trained::{Base, TrainedModel};
use lorgnette::{EMBEDDED_NAME, Labels, Model, ModelOptions, ModelStore, PreprocessSource};

use crate::arguments::{Global, InputArguments, Size};
use crate::messages::{Messages, count};

/// The environment variable that replaces `--model`.
const MODEL_VARIABLE: &str = "LORGNETTE_MODEL";
/// Height and width of the photo for which a graph that takes photos of any size is planned by
/// default.
pub(crate) const ANY_PHOTO: [usize; 2] = [480, 640];

/// The models that the user may name.
const KNOWN_MODELS: &str = "known are mobilenet_v1_1.0_224 (embedded), the names of `lorgnette models list`, and the paths of \
                     frozen TensorFlow graphs (.pb) and of TF-Slim checkpoints";

/// A network named by the user.
#[derive(Clone, Debug, PartialEq, Eq)]
enum ModelRef {
    Embedded,
    File(PathBuf),
    /// A published model and its file.
    Published(String, PathBuf),
}

/// Opens the network: the verb's argument `named`, else `--model`, else the environment's, else the
/// embedded one.
pub(crate) fn open(
    named: Option<&OsStr>,
    global: &Global,
    options: &ModelOptions,
    messages: Messages,
) -> Result<Model> {
    open_base_model(&to_base(model_ref(named, global)?), options, messages)
}

/// Resolves `--model`, or the environment's model.
pub(crate) fn base(global: &Global) -> Result<Base> {
    Ok(to_base(model_ref(None, global)?))
}

fn to_base(model_ref: ModelRef) -> Base {
    match model_ref {
        ModelRef::Embedded => Base::Embedded,
        ModelRef::File(path) => Base::File(path),
        ModelRef::Published(name, _) => Base::Published(name),
    }
}

/// Opens a network and prints its notes.
pub(crate) fn open_base_model(
    base: &Base,
    options: &ModelOptions,
    messages: Messages,
) -> Result<Model> {
    let started = Instant::now();
    let model = base.open(options)?;
    for note in model.notes() {
        messages.note(note);
    }
    messages.detail(&format_args!("{}, opened in {:.0?}", describe(&model), started.elapsed()));
    Ok(model)
}

/// Builds the architecture of this name with random weights.
pub(crate) fn with_random_weights(
    named: Option<&OsStr>,
    global: &Global,
    options: &ModelOptions,
) -> Result<Model> {
    let name = named.or(global.model.as_deref()).and_then(OsStr::to_str);
    let name = name.context("which network? Made-up weights are for TF-Slim's, such as vgg_16")?;
    Ok(Model::with_random_weights(lorgnette::net::zoo::find(name)?, options)?)
}

/// Opens the network for photos. Warns if its preprocessing is assumed.
pub(crate) fn open_for_photos(
    input: &InputArguments,
    global: &Global,
    messages: Messages,
) -> Result<Model> {
    open_for_photos_by_name(None, input, global, messages)
}

/// The same, for a verb with the network as an argument.
pub(crate) fn open_for_photos_by_name(
    named: Option<&OsStr>,
    input: &InputArguments,
    global: &Global,
    messages: Messages,
) -> Result<Model> {
    let model = open(named, global, &input.add_to(global.model_options()?), messages)?;
    if model.preprocess_source() == PreprocessSource::Assumed {
        let (name, preprocessing) = (model.name(), model.preprocess().preprocessing);
        messages.note(&format_args!(
            "{name}: how it wants its pictures is not known, {preprocessing} is a guess: settle it with --preprocess"
        ));
    }
    Ok(model)
}

/// Opens the network as [`open`] does, for feeding and fetching tensors by name.
pub(crate) fn open_network(named: Option<&OsStr>, global: &Global) -> Result<Network> {
    let options = global.model_options()?;
    match model_ref(named, global)? {
        ModelRef::Embedded => Ok(Model::embedded(&options)?.network().clone()),
        ModelRef::File(path) if TrainedModel::is_in(&path) => {
            Ok(Model::open(&path, &options)?.network().clone())
        }
        ModelRef::File(path) => {
            let (load, run) = (options.network_load_options(), options.network_run_options());
            Ok(Network::open(&path, load, run)?)
        }
        ModelRef::Published(name, path) => {
            Ok(catalogue::find(&name)?.open_file(&path, &options)?.network().clone())
        }
    }
}

/// The default file of cached features.
pub(crate) fn features_file() -> Result<PathBuf> {
    let model_store = ModelStore::from_env()
        .context("there is no folder to keep features in: set LORGNETTE_HOME, or give --cache")?;
    Ok(model_store.folder().join("features.cache"))
}

/// The path of the network that [`open`] opens; `None` for the embedded one.
pub(crate) fn path(named: Option<&OsStr>, global: &Global) -> Result<Option<PathBuf>> {
    Ok(match model_ref(named, global)? {
        ModelRef::Embedded => None,
        ModelRef::File(path) | ModelRef::Published(_, path) => Some(path),
    })
}

/// The input shape for a batch. `size` is for graphs that take photos of any size; other inputs
/// were fixed when the model was opened.
pub(crate) fn input_shape(model: &Model, size: Option<Size>, batch: usize) -> Result<Vec<usize>> {
    let Preprocessor { height, width, channels, .. } = *model.preprocess();
    if !model.signature().input.takes_decoded_image {
        return Ok(vec![batch, height, width, channels]);
    }
    if batch != 1 {
        bail!("{}: the graph takes one photo at a time: --batch must be 1", model.name());
    }
    let [height, width] = size.map_or(ANY_PHOTO, |Size(size)| size);
    Ok(vec![height, width, channels])
}

/// The node of a network's final result.
pub(crate) fn answer(signature: &Signature) -> &str {
    signature.probabilities.as_deref().unwrap_or(&signature.logits)
}

/// A short description of the class names.
pub(crate) fn describe_labels(labels: &Labels) -> String {
    let first_names: Vec<&str> = labels.iter().map(|label| label.first_name()).collect();
    match first_names[..] {
        [first, second, .., last] => {
            format!("{} classes: {first}, {second}, …, {last}", first_names.len())
        }
        _ => format!("{} classes: {}", first_names.len(), first_names.join(", ")),
    }
}

/// A short description of the preprocessing.
pub(crate) fn describe_preprocessing(model: &Model) -> String {
    let advice = match model.preprocess_source() {
        PreprocessSource::Explicit => " (as given)",
        PreprocessSource::Recognised => "",
        PreprocessSource::Assumed => " (a guess: settle it with --preprocess)",
    };
    preprocessing_name(model) + advice
}

/// The name of the preprocessing.
pub(crate) fn preprocessing_name(model: &Model) -> String {
    let Preprocessor { preprocessing, mean, scale, .. } = model.preprocess();
    if model.signature().input.takes_decoded_image {
        return "the graph's own".into();
    }
    let mut text = preprocessing.to_string();
    if let Some([red, green, blue]) = mean {
        text += &format!(", mean {red},{green},{blue}");
    }
    if let Some(scale) = scale {
        text += &format!(", scale {scale}");
    }
    text
}

fn describe(model: &Model) -> String {
    let options = model.network().run_options();
    let Preprocessor { height, width, .. } = model.preprocess();
    let size = if model.signature().input.takes_decoded_image {
        "any size".into()
    } else {
        format!("{height}x{width}")
    };
    format!(
        "{}: input {} ({size}), output {}, preprocessing {}, {} classes, {} on {}",
        model.name(),
        model.signature().input.name,
        answer(model.signature()),
        describe_preprocessing(model),
        model.labels().len(),
        options.level,
        count(options.pool.threads(), "thread"),
    )
}

fn model_ref(named: Option<&OsStr>, global: &Global) -> Result<ModelRef> {
    let variable = env::var_os(MODEL_VARIABLE).filter(|name| !name.is_empty());
    let name = match (named, &global.model) {
        (Some(named), Some(model)) if named != model => {
            bail!("two networks are named, '{}' and '{}'", named.display(), model.display())
        }
        (Some(named), _) => Some(named.to_owned()),
        (None, model) => model.clone().or(variable),
    };
    name.as_deref().map_or(Ok(ModelRef::Embedded), parse_model_ref)
}

fn parse_model_ref(name: &OsStr) -> Result<ModelRef> {
    if name == EMBEDDED_NAME {
        return Ok(ModelRef::Embedded);
    }
    let path = PathBuf::from(name);
    if path.exists() || has_index(&path) {
        return Ok(ModelRef::File(path));
    }
    // Names contain no folders; anything else is a path.
    let name = name.to_str().filter(|name| !name.contains(['/', '\\'])).unwrap_or_default();
    match catalogue::find(name) {
        Ok(entry) => installed_ref(&entry),
        Err(_) if is_prefix(&path) => Ok(ModelRef::File(path)),
        Err(error) if !name.is_empty() => bail!("{error}; {KNOWN_MODELS}"),
        Err(_) => bail!("there is no model '{}'; {KNOWN_MODELS}", path.display()),
    }
}

/// True if a model of that name has a file in the current folder or the model store.
pub(crate) fn is_available(name: &str) -> bool {
    let path = Path::new(name);
    let installed = || {
        catalogue::find(name)
            .ok()
            .zip(ModelStore::from_env())
            .and_then(|(entry, model_store)| model_store.installed(&entry))
    };
    path.exists() || has_index(path) || installed().is_some()
}

/// A published model, which must be in the model store.
fn installed_ref(entry: &Entry) -> Result<ModelRef> {
    let model_store = ModelStore::from_env();
    if let Some(path) = model_store.as_ref().and_then(|model_store| model_store.installed(entry)) {
        return Ok(ModelRef::Published(entry.name.clone(), path));
    }
    let name = &entry.name;
    let place = model_store.map_or_else(String::new, |model_store| {
        format!(" (it would be {})", model_store.path(entry).display())
    });
    bail!("{name} is not installed{place}: fetch it with `lorgnette models pull {name}`");
}

fn has_index(prefix: &Path) -> bool {
    let mut index = prefix.as_os_str().to_owned();
    index.push(".index");
    Path::new(&index).exists()
}

/// True if files have this path as a prefix, as a checkpoint's do, or an archive of this name
/// exists.
fn is_prefix(path: &Path) -> bool {
    let Some(name) = path.file_name() else { return false };
    let folder =
        path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let longer = |file: OsString| {
        let rest = file.as_encoded_bytes().strip_prefix(name.as_encoded_bytes());
        rest.and_then(<[u8]>::first).is_some_and(|next| matches!(next, b'.' | b'-'))
    };
    let beside = folder
        .read_dir()
        .is_ok_and(|entries| entries.flatten().any(|entry| longer(entry.file_name())));
    beside || path.ancestors().skip(1).any(Path::is_file)
}
