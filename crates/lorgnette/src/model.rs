//! A network with everything needed to show it photos: preprocessing, names of its classes, its
//! ports.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use lorgnette_kernels::{Level, NumericOptions, ThreadPool};
use lorgnette_net::head::Head;
use lorgnette_net::import::Signature;
use lorgnette_net::zoo::{Architecture, RandomWeights, ZooOptions};
use lorgnette_net::{LoadOptions, Network, RunOptions};

use crate::error::{Error, Result};
use crate::family::{self, Family};
use crate::labels::{Labels, SidecarLabels};
use crate::model_store::ModelStore;
use crate::picture::Picture;
use crate::preprocess::{Preprocessing, Preprocessor};
use crate::trained::{Card, TrainedModel};

/// MobileNet V1 1.0 224 with Google's ImageNet weights, exactly as TensorFlow wrote the frozen
/// graph.
#[cfg(feature = "embedded")]
static EMBEDDED: &[u8] = include_bytes!("../models/mobilenet_v1_1.0_224.pb");
/// The name of the embedded network.
pub const EMBEDDED_NAME: &str = "mobilenet_v1_1.0_224";

/// What a model is opened with. What is `None` comes from the model itself.
#[derive(Clone, Debug)]
pub struct ModelOptions {
    /// Threads to run on; all cores if not given.
    pub threads: Option<usize>,
    /// The CPU level whose kernels are used; the best there is if not given.
    pub level: Option<Level>,
    /// The numbers it may compute with, and keep weights as: float32, unless something less exact
    /// is asked for.
    pub numerics: NumericOptions,
    /// Rows and columns of the input.
    pub size: Option<[usize; 2]>,
    /// How a photo becomes the input.
    pub preprocess: Option<Preprocessing>,
    /// Replaces the preprocessing's mean for each channel, in levels of 0 to 255.
    pub mean: Option<[f32; 3]>,
    /// Replaces the preprocessing's factor.
    pub scale: Option<f32>,
    /// A file with the names of the classes.
    pub labels: Option<PathBuf>,
    /// The node that takes the picture.
    pub input: Option<String>,
    /// The node that gives the answer.
    pub output: Option<String>,
    /// Bytes that the activations of one run may take.
    pub memory_limit: u64,
    /// The network of the zoo that a checkpoint's weights are of; recognised if not given.
    pub net: Option<String>,
    /// How a network of the zoo is built: TF-Slim's options.
    pub zoo: ZooOptions,
    /// The checkpoint with the variables of a graph that is not frozen; the one beside it if not
    /// given.
    pub checkpoint: Option<PathBuf>,
    /// Whether to use a checkpoint's weights themselves where it has moving averages of them too.
    pub no_ema: bool,
    /// The model home, where archives are unpacked; [`ModelStore::from_env`]'s if not given.
    pub model_store: Option<ModelStore>,
}

impl Default for ModelOptions {
    /// Everything from the model; 8 GiB of activations.
    fn default() -> Self {
        Self {
            threads: None,
            level: None,
            numerics: NumericOptions::default(),
            size: None,
            preprocess: None,
            mean: None,
            scale: None,
            labels: None,
            input: None,
            output: None,
            memory_limit: 8 << 30,
            net: None,
            zoo: ZooOptions::default(),
            checkpoint: None,
            no_ema: false,
            model_store: None,
        }
    }
}

/// Where the preprocessing came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PreprocessSource {
    /// The caller said it.
    Explicit,
    /// The graph's scopes are of a known network, or the graph does it itself.
    Recognised,
    /// Neither: a guess that the caller should check.
    Assumed,
}

/// A network ready for photos. Cheap to clone and to share between threads.
#[derive(Clone, Debug)]
pub struct Model {
    network: Network,
    info: Arc<ModelInfo>,
}

#[derive(Debug)]
struct ModelInfo {
    name: String,
    signature: Signature,
    preprocess: Preprocessor,
    preprocess_source: PreprocessSource,
    /// The shape of the scores.
    scores: Vec<usize>,
    label_source: LabelSource,
    /// The card of a trained model.
    card: Option<Box<Card>>,
}

impl Model {
    /// The embedded network: MobileNet V1 1.0 224, 1001 ImageNet classes.
    ///
    /// # Errors
    /// If the options do not fit it.
    #[cfg(feature = "embedded")]
    pub fn embedded(options: &ModelOptions) -> Result<Self> {
        let (load, run) = (load_options(options), run_options(options));
        let network = Network::from_bytes(EMBEDDED, EMBEDDED_NAME, load, run)?;
        Self::new(EMBEDDED_NAME.to_owned(), network, options)
    }

    /// A network of the zoo with made-up weights: to measure it, or to look at it.
    ///
    /// # Errors
    /// If the options do not fit it.
    pub fn with_random_weights(net: &'static Architecture, options: &ModelOptions) -> Result<Self> {
        let (load, run) = (load_options(options), run_options(options));
        let network = Network::from_architecture(net, Arc::new(RandomWeights), load, run)?;
        Self::new(net.name.to_owned(), network, options)
    }

    /// A TensorFlow graph, frozen or with a checkpoint (`.pb`, `.meta`), or a checkpoint of a
    /// network of TF-Slim by any path: a prefix, a `.ckpt`, `.index` or `.data-…` file; or a folder
    /// or an archive of these; or the folder of a [trained model](crate::trained). Names of classes
    /// come from the label files beside it, if there are any.
    ///
    /// # Errors
    /// If there is neither, or it is not clear how it wants its pictures; the message says which
    /// option settles it.
    pub fn open(path: &Path, options: &ModelOptions) -> Result<Self> {
        if TrainedModel::is_in(path) {
            return TrainedModel::read(path)?.open(path, options);
        }
        let network = Network::open(path, load_options(options), run_options(options))?;
        Self::new(network.name().to_owned(), network, options)
    }

    /// As [`Model::open`], under another name than the file's.
    pub(crate) fn open_named(name: &str, path: &Path, options: &ModelOptions) -> Result<Self> {
        let network = Network::open(path, load_options(options), run_options(options))?;
        Self::new(name.to_owned(), network, options)
    }

    fn new(name: String, network: Network, options: &ModelOptions) -> Result<Self> {
        let signature = network.signature()?;
        let family = family::recognise(&network);
        let (preprocess, preprocess_source) = preprocessing(&name, &signature, family, options)?;
        let scores = scores_shape(&network, &signature, &preprocess)?;
        let refresh_note = refresh_plan_file(&network);
        let mut label_source =
            LabelSource::for_network(&network, class_count(&scores), options.labels.as_deref())?;
        label_source.notes.extend(refresh_note);
        let info = ModelInfo {
            name,
            signature,
            preprocess,
            preprocess_source,
            scores,
            label_source,
            card: None,
        };
        Ok(Self { network, info: Arc::new(info) })
    }

    /// The same model with a classification layer of one's own on its features.
    pub(crate) fn with_head(
        &self,
        name: &str,
        head: Head,
        labels: Labels,
        card: &Card,
    ) -> Result<Self> {
        let Preprocessor { height, width, .. } = self.info.preprocess;
        let size = if self.info.signature.input.takes_decoded_image {
            [PROBE_SIDE; 2]
        } else {
            [height, width]
        };
        let network = self.network.with_head(name, head, size)?;
        let signature = network.signature()?;
        let scores = scores_shape(&network, &signature, &self.info.preprocess)?;
        let label_source =
            LabelSource { labels, file: None, notes: self.info.label_source.notes.clone() };
        let (preprocess, preprocess_source) =
            (self.info.preprocess.clone(), self.info.preprocess_source);
        let card = Some(Box::new(card.clone()));
        let info = ModelInfo {
            name: name.to_owned(),
            signature,
            preprocess,
            preprocess_source,
            scores,
            label_source,
            card,
        };
        Ok(Self { network, info: Arc::new(info) })
    }

    /// How a trained model came about; `None` for others.
    #[must_use]
    pub fn card(&self) -> Option<&Card> {
        self.info.card.as_deref()
    }

    /// Photos whose best probability is below this are of no class that a trained model knows.
    #[must_use]
    pub fn rejection_threshold(&self) -> Option<f32> {
        self.card()?.calibration?.rejection_threshold
    }

    /// The same model on a pool of `threads` threads of its own; weights are shared.
    #[must_use]
    pub fn with_threads(&self, threads: usize) -> Self {
        let pool = Arc::new(ThreadPool::new(threads));
        let run = RunOptions { pool, ..self.network.run_options().clone() };
        Self { network: self.network.with_run_options(run), info: self.info.clone() }
    }

    /// The model's name: its file's, without the ending.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.info.name
    }

    /// The network itself.
    #[must_use]
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Where pictures go in and answers come out.
    #[must_use]
    pub fn signature(&self) -> &Signature {
        &self.info.signature
    }

    /// How photos become the network's input.
    #[must_use]
    pub fn preprocess(&self) -> &Preprocessor {
        &self.info.preprocess
    }

    /// Rows and columns of a photo that are enough for this model, for [`OpenOptions::min_decode_size`]:
    /// the answers change as little as `docs/speed.md` says. `None` where every pixel counts: the
    /// model resizes photos itself, or does not at all.
    ///
    /// [`OpenOptions::min_decode_size`]: crate::picture::OpenOptions::least_size
    #[must_use]
    pub fn min_decode_size(&self) -> Option<[usize; 2]> {
        if self.info.signature.input.takes_decoded_image {
            None
        } else {
            self.info.preprocess.min_decode_size()
        }
    }

    /// How sure the preprocessing is.
    #[must_use]
    pub fn preprocess_source(&self) -> PreprocessSource {
        self.info.preprocess_source
    }

    /// Whether the network gives one score for each class, so that a [`crate::Classifier`] can use
    /// it.
    #[must_use]
    pub fn classifies(&self) -> bool {
        class_count(&self.info.scores).is_some()
    }

    /// Writes the model as a frozen GraphDef that TensorFlow runs, from prepared pictures of the
    /// input's size to the answers.
    ///
    /// # Errors
    /// As [`Network::write_frozen`].
    pub fn write_frozen(&self, path: &Path) -> Result<()> {
        let Preprocessor { height, width, .. } = self.info.preprocess;
        Ok(self.network.write_frozen(path, &score_names(&self.info.signature), [height, width])?)
    }

    /// Writes the model's variables as a V2 checkpoint, which TensorFlow restores.
    ///
    /// # Errors
    /// As [`Network::write_checkpoint`].
    pub fn write_checkpoint(&self, prefix: &Path) -> Result<()> {
        Ok(self.network.write_checkpoint(prefix, &score_names(&self.info.signature))?)
    }

    /// Writes the model as an ONNX file, from prepared pictures of the input's size to the answers.
    /// The names of its classes and how it wants its pictures are in the file's metadata.
    ///
    /// # Errors
    /// As [`Network::write_onnx`].
    pub fn write_onnx(&self, path: &Path) -> Result<()> {
        let Preprocessor { height, width, preprocessing, .. } = &self.info.preprocess;
        let names: Vec<&str> = self.labels().iter().map(|label| label.name).collect();
        let notes = [
            ("lorgnette.model", self.name().to_owned()),
            ("lorgnette.preprocessing", preprocessing.to_string()),
            ("lorgnette.classes", serde_json::to_string(&names).unwrap_or_default()),
        ];
        let notes = notes.map(|(name, value)| (name.to_owned(), value));
        Ok(self.network.write_onnx(
            path,
            &score_names(&self.info.signature),
            [*height, *width],
            &notes,
        )?)
    }

    /// Writes the model as a plan file, which later starts at once on this machine and those like
    /// it.
    ///
    /// # Errors
    /// As [`Network::write_plan_file`].
    pub fn write_plan_file(&self, path: &Path) -> Result<()> {
        Ok(self.network.write_plan_file(path)?)
    }

    /// The names of the classes, as many as the network has outputs; none if it [does not
    /// classify](Self::classifies).
    #[must_use]
    pub fn labels(&self) -> &Labels {
        &self.info.label_source.labels
    }

    /// The file that the names are from; `None` for ImageNet's, and for classes that are only
    /// numbered.
    #[must_use]
    pub fn labels_file(&self) -> Option<&Path> {
        self.info.label_source.file.as_deref()
    }

    /// What the caller should know of how the model was understood, such as label files that do not
    /// fit it.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.info.label_source.notes
    }

    /// The picture as the network sees it: resized, cropped, its colours clipped to what can be
    /// shown.
    #[must_use]
    pub fn input_image(&self, picture: &Picture) -> Picture {
        if self.info.signature.input.takes_decoded_image {
            return picture.clone();
        }
        let preprocess = &self.info.preprocess;
        preprocess.input_image(&preprocess.input(picture))
    }

    /// The shape of the input that a picture becomes.
    fn input_shape(&self, picture: &Picture) -> Vec<usize> {
        let Preprocessor { height, width, channels, .. } = self.info.preprocess;
        match self.info.signature.input.takes_decoded_image {
            true => vec![picture.height(), picture.width(), channels],
            false => vec![1, height, width, channels],
        }
    }

    /// Shows the network a picture and gives the values of the nodes `fetches`, with their shapes,
    /// to `read`.
    pub(crate) fn run<T>(
        &self,
        picture: &Picture,
        fetches: &[&str],
        read: impl FnOnce(&[(&[usize], &[f32])]) -> T,
    ) -> Result<T> {
        self.run_timed(picture, fetches, read).map(|(answer, _)| answer)
    }

    /// The same, and how long it took to make the network's input of the picture.
    pub(crate) fn run_timed<T>(
        &self,
        picture: &Picture,
        fetches: &[&str],
        read: impl FnOnce(&[(&[usize], &[f32])]) -> T,
    ) -> Result<(T, Duration)> {
        let input = self.info.signature.input.name.as_str();
        let shape = self.input_shape(picture);
        let session = self.network.session(&[(input, &shape)], fetches);
        let mut session = session.map_err(|error| match error {
            lorgnette_net::Error::MissingInput { name } => self.model_error(&format!(
                "it has another input, '{name}', which `lorgnette run` can feed"
            )),
            error => error.into(),
        })?;
        if session.inputs().is_empty() {
            return Err(self.model_error(
                "its output does not depend on the picture; name another with --output",
            ));
        }
        let values = session.input_mut(input)?;
        let started = Instant::now();
        self.info.preprocess_into(picture, values);
        let preprocessing = started.elapsed();
        session.run()?;
        let mut outputs = Vec::with_capacity(session.outputs().len());
        for (index, port) in session.outputs().iter().enumerate() {
            outputs.push((port.fact.shape.as_slice(), session.output_at(index)?));
        }
        Ok((read(&outputs), preprocessing))
    }

    /// The error for a network that does not give one score for each class.
    pub(crate) fn no_class_scores_error(&self) -> Error {
        let ModelInfo { signature, scores, .. } = &*self.info;
        self.model_error(&format!(
            "its output '{}' of shape {scores:?} is not one score for each class; name another with --output",
            signature.logits
        ))
    }

    pub(crate) fn model_error(&self, what: &str) -> Error {
        Error::Model { model: self.info.name.clone(), what: what.into() }
    }
}

impl ModelInfo {
    /// Writes what the network takes: pixels as they are where the graph preprocesses them itself.
    fn preprocess_into(&self, picture: &Picture, input: &mut [f32]) {
        if self.signature.input.takes_decoded_image {
            let (height, width) = (picture.height(), picture.width());
            Preprocessor { height, width, ..self.preprocess.clone() }.apply(picture, input);
        } else {
            self.preprocess.apply(picture, input);
        }
    }
}

impl ModelOptions {
    /// How the network is opened.
    #[must_use]
    pub fn network_load_options(&self) -> LoadOptions {
        load_options(self)
    }

    /// How the network is run.
    #[must_use]
    pub fn network_run_options(&self) -> RunOptions {
        run_options(self)
    }
}

fn run_options(options: &ModelOptions) -> RunOptions {
    let defaults = RunOptions::with_threads(options.threads);
    RunOptions {
        level: options.level.unwrap_or(defaults.level),
        numerics: options.numerics,
        memory_limit: options.memory_limit,
        ..defaults
    }
}

fn load_options(options: &ModelOptions) -> LoadOptions {
    LoadOptions {
        input: options.input.clone(),
        output: options.output.clone(),
        net: options.net.clone(),
        zoo: options.zoo.clone(),
        checkpoint: options.checkpoint.clone(),
        use_ema: !options.no_ema,
        cache: options
            .model_store
            .clone()
            .or_else(ModelStore::from_env)
            .map(|model_store| model_store.folder().to_owned()),
    }
}

/// How the network wants its pictures: as the caller says, else as its graph or its family do.
fn preprocessing(
    name: &str,
    signature: &Signature,
    family: Option<Family>,
    options: &ModelOptions,
) -> Result<(Preprocessor, PreprocessSource)> {
    let (preprocessing, preprocess_source) = match (options.preprocess, family) {
        (Some(preprocessing), _) => (preprocessing, PreprocessSource::Explicit),
        (None, _) if signature.input.takes_decoded_image => {
            (Preprocessing::Raw, PreprocessSource::Recognised)
        }
        // The place where the 2015 graph takes pictures that are resized and centred already.
        (None, None) if signature.input.name == "Mul" => {
            (Preprocessing::Inception2015, PreprocessSource::Recognised)
        }
        (None, Some(family)) => (family.preprocessing, PreprocessSource::Recognised),
        (None, None) => (Preprocessing::Inception, PreprocessSource::Assumed),
    };
    let declared = |dimension: usize| {
        signature.input.shape.as_ref().and_then(|shape| shape.get(dimension).copied().flatten())
    };
    let side = |dimension: usize| declared(dimension).or(family.map(|family| family.side));
    let size = match (options.size, side(1), side(2)) {
        _ if signature.input.takes_decoded_image => [1, 1],
        (Some(size), ..) => size,
        (None, Some(height), Some(width)) => [height, width],
        _ => {
            let what = "the graph does not say how large its pictures are: give --size, such as --size 224".into();
            return Err(Error::Model { model: name.into(), what });
        }
    };
    if size.contains(&0) {
        return Err(Error::Model { model: name.into(), what: "a picture of size 0".into() });
    }
    let channels_at = if signature.input.takes_decoded_image { 2 } else { 3 };
    let mut preprocess = Preprocessor::new(preprocessing, size[0], size[1]);
    if let Some(channels @ (1 | 3)) = declared(channels_at) {
        preprocess.channels = channels;
    }
    (preprocess.mean, preprocess.scale) = (options.mean, options.scale);
    Ok((preprocess, preprocess_source))
}

/// The side of photos for a graph that decodes them itself and resizes them to its own size: any
/// will do.
const PROBE_SIDE: usize = 64;

/// The shape of the scores, by planning a run.
fn scores_shape(
    network: &Network,
    signature: &Signature,
    preprocess: &Preprocessor,
) -> Result<Vec<usize>> {
    let Preprocessor { height, width, channels, .. } = *preprocess;
    let shape = if signature.input.takes_decoded_image {
        vec![PROBE_SIDE, PROBE_SIDE, channels]
    } else {
        vec![1, height, width, channels]
    };
    let plan = network.plan(&[(&signature.input.name, &shape)], &score_names(signature))?;
    Ok(plan.outputs()[0].fact.shape.clone())
}

/// The number of classes, if the scores are one for each.
fn class_count(scores: &[usize]) -> Option<usize> {
    let classes = *scores.last()?;
    (classes > 0 && scores.iter().product::<usize>() == classes).then_some(classes)
}

/// What is fetched to classify: the scores, and the probabilities where the graph has them.
pub(crate) fn score_names(signature: &Signature) -> Vec<&str> {
    std::iter::once(signature.logits.as_str()).chain(signature.probabilities.as_deref()).collect()
}

/// Writes a stale plan file anew, now that the network is planned, and says so. One that is for
/// another CPU level than this machine's best stays: somebody chose the level for this once.
fn refresh_plan_file(network: &Network) -> Option<String> {
    let (path, why) = network.stale_plan_file()?;
    let path_shown = path.display();
    if network.run_options().level != Level::best() {
        return Some(format!("{path_shown}: {why}: the model itself is used"));
    }
    Some(match network.write_plan_file(path) {
        Ok(()) => format!("{path_shown}: {why}: made anew"),
        Err(error) => format!("{path_shown}: {why}, and it cannot be made anew: {error}"),
    })
}

/// What the outputs are called, and why.
#[derive(Debug)]
struct LabelSource {
    labels: Labels,
    file: Option<PathBuf>,
    notes: Vec<String>,
}

impl LabelSource {
    /// By the file that is given, else by one that lies beside the network's own, else by
    /// ImageNet's count of classes.
    fn for_network(
        network: &Network,
        classes: Option<usize>,
        given: Option<&Path>,
    ) -> Result<Self> {
        let classes = classes.unwrap_or(0);
        if let Some(path) = given.filter(|_| classes > 0) {
            return Ok(Self {
                labels: Labels::open_for(path, classes)?,
                file: Some(path.into()),
                notes: Vec::new(),
            });
        }
        let file = network.file().filter(|_| classes > 0);
        let SidecarLabels { labels, notes } =
            file.map_or_else(SidecarLabels::default, |file| SidecarLabels::find(file, classes));
        let known = || Labels::imagenet(classes).unwrap_or_else(|| Labels::numbered(classes));
        let (labels, file) =
            labels.map_or_else(|| (known(), None), |(labels, file)| (labels, Some(file)));
        Ok(Self { labels, file, notes })
    }
}
