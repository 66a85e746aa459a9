//! Resolves and opens the network that the user names.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use lorgnette::net::Network;
use lorgnette::net::import::Signature;
use lorgnette::photos::path_text;
use lorgnette::preprocess::Preprocessor;
use lorgnette::trained::TrainedModel;
use lorgnette::{Error, Labels, Model, ModelOptions, ModelRef, ModelStore, PreprocessSource};

use crate::arguments::{Global, InputArguments, NetworkArguments, Size};
use crate::messages::{Messages, count};

/// Height and width of the photo for which a graph that takes photos of any size is planned by
/// default.
pub(crate) const ANY_PHOTO: [usize; 2] = [480, 640];

/// Opens the network: the verb's argument `named`, else `--model`, else the environment's, else the
/// embedded one.
pub(crate) fn open(
    named: Option<&OsStr>,
    global: &Global,
    options: &ModelOptions,
    messages: Messages,
) -> Result<Model> {
    open_ref(&global.model_ref(named)?, options, messages)
}

/// Opens a network, refreshes its plan file if that is stale, and prints its notes.
pub(crate) fn open_ref(
    model_ref: &ModelRef,
    options: &ModelOptions,
    messages: Messages,
) -> Result<Model> {
    let started = Instant::now();
    let model = model_ref.open(options).map_err(|error| with_file(error, model_ref))?;
    for note in model.notes() {
        messages.note(note);
    }
    match model.refresh_plan_file() {
        Ok(Some(path)) => messages.note(&format_args!("{}: rewritten", path.display())),
        Ok(None) => {}
        Err(error) => messages.note(&format_args!("the plan file cannot be rewritten: {error}")),
    }
    messages.detail(&format_args!("{}, opened in {:.0?}", describe(&model), started.elapsed()));
    Ok(model)
}

/// Adds the file to an error about a graph, its ends, nodes or variables, which know no file.
pub(crate) fn with_file(error: Error, model_ref: &ModelRef) -> anyhow::Error {
    use lorgnette::net::Error::{Ambiguous, Input, Memory, Missing, Node, Unknown, Unsupported};
    let is_about_parts = matches!(
        error,
        Error::Network(
            Node { .. }
                | Unsupported(_)
                | Memory { .. }
                | Ambiguous { .. }
                | Unknown { .. }
                | Missing { .. }
                | Input(_)
        ) | Error::UnknownInputSize { .. }
            | Error::UnsuitableOutput { .. }
    );
    if is_about_parts { with_path(model_ref)(error) } else { error.into() }
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

/// Opens a network as the verb's arguments name it, or makes it with random weights.
pub(crate) fn open_or_make(
    network: &NetworkArguments,
    global: &Global,
    options: &ModelOptions,
    messages: Messages,
) -> Result<Model> {
    let named = network.named.as_deref();
    match network.random_weights {
        true => with_random_weights(named, global, options),
        false => open(named, global, options, messages),
    }
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
            "{name}: how it wants its pictures is not known, {preprocessing} is a guess: settle it \
             with --preprocess"
        ));
    }
    Ok(model)
}

/// Opens the network as [`open`] does, for feeding and fetching tensors by name. Unlike a model,
/// it need not take pictures.
pub(crate) fn open_network(named: Option<&OsStr>, global: &Global) -> Result<Network> {
    let options = global.model_options()?;
    match global.model_ref(named)? {
        ModelRef::File(path) if !TrainedModel::is_in(&path) => {
            let (load, run) = (options.network_load_options(), options.network_run_options());
            Ok(Network::open(&path, load, run)?)
        }
        model_ref => Ok(model_ref.open(&options)?.network().clone()),
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
    Ok(global.model_ref(named)?.path(ModelStore::from_env().as_ref())?)
}

/// Returns what adds the path of a network to an error about it: a model knows only its name.
pub(crate) fn with_path<E: Into<anyhow::Error>>(
    model_ref: &ModelRef,
) -> impl FnOnce(E) -> anyhow::Error + use<E> {
    let path = model_ref.path(ModelStore::from_env().as_ref()).ok().flatten();
    let path = path.map(|path| path_text(&path));
    |error| match (error.into(), path) {
        (error, Some(path)) if !format!("{error:#}").contains(&path) => error.context(path),
        (error, _) => error,
    }
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
    format!("{} ({})", preprocessing_name(model), model.preprocess_rule())
}

/// The name of the preprocessing.
pub(crate) fn preprocessing_name(model: &Model) -> String {
    let Preprocessor { preprocessing, order, channels, mean, scale, .. } = model.preprocess();
    if model.signature().input.takes_decoded_image {
        return "the graph's own".into();
    }
    let mut text = preprocessing.to_string();
    let usual = Preprocessor::new(*preprocessing, 1, 1).order;
    if *channels == 3 && *order != usual {
        text += &format!(", channels {order}");
    }
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
    let size =
        if model.takes_whole_pictures() { "any size".into() } else { format!("{height}x{width}") };
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

/// True if a model of that name has a file in the current folder or the model store.
pub(crate) fn is_available(name: &str) -> bool {
    ModelRef::parse(name).is_ok_and(|model_ref| model_ref.exists(ModelStore::from_env().as_ref()))
}
