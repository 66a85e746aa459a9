//! A network with its preprocessing, labels and signature, ready for photos.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use lorgnette_kernels::{Level, NumericOptions, ThreadPool};
use lorgnette_net::head::Head;
use lorgnette_net::import::{Decoding, Signature};
use lorgnette_net::plan::Port;
#[cfg(feature = "embedded")]
use lorgnette_net::quantize::{QuantizeOptions, quantize_with_ranges};
use lorgnette_net::zoo::{Architecture, RandomWeights, ZooOptions};
use lorgnette_net::{LoadOptions, Network, RunOptions, Session};

#[cfg(feature = "embedded")]
use crate::catalogue::EMBEDDED_NAME;
use crate::error::{Error, Result};
use crate::family;
use crate::labels::{Labels, SidecarLabels};
use crate::model_store::ModelStore;
use crate::observer::{Observer, Progress, report};
use crate::picture::{Picture, PictureRef};
use crate::preprocess::{
    ChannelOrder, Chosen, Evidence, PreprocessRule, Preprocessing, PreprocessingNumbers,
    Preprocessor, choose, decoded_image,
};
use crate::scores::{check_finite, score_names};
use crate::trained::card::Card;

/// MobileNet V1 1.0 224 with Google's ImageNet weights: the frozen graph as TensorFlow wrote it,
/// byte for byte.
#[cfg(feature = "embedded")]
static EMBEDDED: &[u8] = include_bytes!("../models/mobilenet_v1_1.0_224.pb");
/// The ranges of its activations over a hundred photos, for 8-bit integers; `lorgnette models
/// quantise --write-ranges` wrote them.
#[cfg(feature = "embedded")]
const EMBEDDED_RANGES: &str = include_str!("../models/mobilenet_v1_1.0_224.ranges");

/// Options for opening a model. `None` takes the model's own value.
#[derive(Clone, Debug)]
pub struct ModelOptions {
    /// Number of threads; default: all cores.
    pub threads: Option<usize>,
    /// A thread pool that several models share, in place of one of `threads` threads.
    pub pool: Option<Arc<ThreadPool>>,
    /// CPU level of the kernels; default: the best that the CPU supports.
    pub level: Option<Level>,
    /// Number formats of arithmetic and weights; default: float32.
    pub numerics: NumericOptions,
    /// Whether 8-bit integers are computed with: the embedded network is quantised when it is
    /// opened, and others must be quantised already. Default: no.
    pub integers: bool,
    /// Rows and columns of the input.
    pub size: Option<[usize; 2]>,
    /// Preprocessing from photo to network input.
    pub preprocess: Option<Preprocessing>,
    /// Order of the input's colour channels.
    pub channels: Option<ChannelOrder>,
    /// Overrides the preprocessing's mean of each channel, in levels of 0 to 255.
    pub mean: Option<[f32; 3]>,
    /// Overrides the preprocessing's scale factor.
    pub scale: Option<f32>,
    /// A file with the class names.
    pub labels: Option<PathBuf>,
    /// The input node.
    pub input: Option<String>,
    /// The output node.
    pub output: Option<String>,
    /// Maximum bytes of activations of one run.
    pub memory_limit: u64,
    /// Architecture of a checkpoint's network; default: recognised from its variables.
    pub net: Option<String>,
    /// TF-Slim's options for building a network of the zoo.
    pub zoo: ZooOptions,
    /// The checkpoint for a graph that is not frozen; default: the one in the same folder.
    pub checkpoint: Option<PathBuf>,
    /// The signature of a SavedModel; default: `serving_default`.
    pub signature: Option<String>,
    /// Uses a checkpoint's raw weights even if it has moving averages.
    pub no_ema: bool,
    /// The model store: published models are opened from it, and archives are unpacked into it.
    /// Without one, both are refused.
    pub model_store: Option<ModelStore>,
}

impl Default for ModelOptions {
    /// All values from the model; at most 8 GiB of activations; no model store.
    fn default() -> Self {
        Self {
            threads: None,
            pool: None,
            level: None,
            numerics: NumericOptions::default(),
            integers: false,
            size: None,
            preprocess: None,
            channels: None,
            mean: None,
            scale: None,
            labels: None,
            input: None,
            output: None,
            memory_limit: 8 << 30,
            net: None,
            zoo: ZooOptions::default(),
            checkpoint: None,
            signature: None,
            no_ema: false,
            model_store: None,
        }
    }
}

/// Source of the preprocessing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PreprocessSource {
    /// Given by the caller.
    Explicit,
    /// Known from the model's metadata, nodes or names, or done by the graph itself.
    Recognised,
    /// Neither: a default that the caller should check.
    Assumed,
}

/// A network ready for photos. Cheap to clone and to share between threads.
#[derive(Clone, Debug)]
pub struct Model {
    network: Network,
    info: Arc<ModelInfo>,
}

#[derive(Clone, Debug)]
struct ModelInfo {
    name: String,
    signature: Signature,
    preprocess: Preprocessor,
    preprocess_rule: PreprocessRule,
    /// Whether pictures are fed at their own size, which the graph itself changes.
    resizes_itself: bool,
    /// The decoding of a graph that decodes pictures itself.
    decoding: Option<Decoding>,
    /// Shape of the scores.
    scores: Vec<usize>,
    label_source: LabelSource,
    /// The network that was opened by a stale plan file.
    stale: Option<Network>,
    /// The model card; `None` if the model was not trained with Lorgnette.
    card: Option<Box<Card>>,
}

impl Model {
    /// Opens the embedded network: MobileNet V1 1.0 224, 1001 ImageNet classes.
    ///
    /// # Errors
    /// If the options do not fit the network.
    #[cfg(feature = "embedded")]
    pub fn embedded(options: &ModelOptions) -> Result<Self> {
        let (load, run) = (load_options(options), run_options(options));
        let network = Network::from_program(EMBEDDED, EMBEDDED_NAME, load, run)?;
        let float = Self::with_evidence(EMBEDDED_NAME.into(), network, Evidence::Family, options)?;
        if options.integers { float.with_integers(EMBEDDED_RANGES, options) } else { Ok(float) }
    }

    /// Returns the model with 8-bit integers whose ranges are known.
    #[cfg(feature = "embedded")]
    fn with_integers(&self, ranges: &str, options: &ModelOptions) -> Result<Self> {
        let signature = &self.info.signature;
        let end = signature.probabilities.as_ref().unwrap_or(&signature.logits);
        let Preprocessor { height, width, .. } = self.info.preprocess;
        let quantize = QuantizeOptions { notes: self.notes_for_readers(), ..Default::default() };
        let quantized =
            quantize_with_ranges(&self.network, &[end], [height, width], ranges, &quantize)?;
        let (load, run) = (load_options(options), run_options(options));
        let name = format!("{}.tflite", self.info.name);
        let network = Network::from_bytes(quantized.bytes, &name, load, run)?;
        Self::new(self.info.name.clone(), network, options)
    }

    /// Returns the model if it computes with 8-bit integers, or need not.
    pub(crate) fn check_integers(self, options: &ModelOptions) -> Result<Self> {
        if options.integers && self.info.signature.input.quantization.is_none() {
            return Err(Error::NotInIntegers { model: self.info.name.clone() });
        }
        Ok(self)
    }

    /// Opens a frozen graph or an ONNX model in memory. `name` is the model's name, after an
    /// extension such as `.pb` is removed; messages use it too.
    ///
    /// # Errors
    /// As [`Model::open`].
    pub fn from_bytes(
        bytes: impl Into<Vec<u8>>,
        name: &str,
        options: &ModelOptions,
    ) -> Result<Self> {
        let (load, run) = (load_options(options), run_options(options));
        let network = Network::from_bytes(bytes.into(), name, load, run)?;
        Self::new(network.name().to_owned(), network, options)
    }

    /// Returns the same network as `base` under other options, of which those for loading do not
    /// count. Weights are shared.
    pub(crate) fn reopened(name: String, base: &Self, options: &ModelOptions) -> Result<Self> {
        Self::new(name, base.network.clone(), options)
    }

    /// Builds a network of the zoo with random weights, for timing and inspection.
    ///
    /// # Errors
    /// If the options do not fit the network.
    pub fn with_random_weights(net: &'static Architecture, options: &ModelOptions) -> Result<Self> {
        let (load, run) = (load_options(options), run_options(options));
        let network = Network::from_architecture(net, Arc::new(RandomWeights), load, run)?;
        Self::new(net.name.to_owned(), network, options)
    }

    /// Opens a network in a file or folder, under its own name.
    pub(crate) fn open_network(path: &Path, options: &ModelOptions) -> Result<Self> {
        let network = Network::open(path, load_options(options), run_options(options))?;
        Self::new(network.name().to_owned(), network, options)
    }

    /// As [`Model::open`], under a name other than the file's.
    pub(crate) fn open_named(name: &str, path: &Path, options: &ModelOptions) -> Result<Self> {
        let network = Network::open(path, load_options(options), run_options(options))?;
        Self::new(name.to_owned(), network, options)
    }

    fn new(name: String, network: Network, options: &ModelOptions) -> Result<Self> {
        Self::with_evidence(name, network, Evidence::Graph, options)
    }

    fn with_evidence(
        name: String,
        network: Network,
        evidence: Evidence,
        options: &ModelOptions,
    ) -> Result<Self> {
        let signature = network.signature()?;
        // Before it is planned: what a decoder cannot do is said in its own words.
        let decoding = network.decoding(&signature.input.name)?;
        let family = family::recognise(&network);
        let Chosen { preprocess, rule, resizes_itself, notes } =
            choose(&name, &network, family, evidence, options)?;
        let scores = scores_shape(&network, &signature, &preprocess)?;
        let mut label_source =
            LabelSource::for_network(&network, class_count(&scores), options.labels.as_deref())?;
        label_source.note_cut_names(&rule);
        let stale = network.stale_plan_file().map(|(path, why)| {
            label_source.notes.push(format!("{}: {why}: the model itself is used", path.display()));
            network.clone()
        });
        label_source.notes.extend(notes);
        label_source.notes.extend(bounded_note(&signature));
        label_source.notes.extend(unused_note(&name, network.unused_variables()));
        let info = ModelInfo {
            name,
            signature,
            preprocess,
            preprocess_rule: rule,
            resizes_itself,
            decoding,
            scores,
            label_source,
            stale,
            card: None,
        };
        Ok(Self { network, info: Arc::new(info) })
    }

    /// Returns the same model with a new head on its features.
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
        // A note on the base's scores does not hold for the head's.
        let of_base = bounded_note(&self.info.signature);
        let notes =
            self.info.label_source.notes.iter().filter(|&note| Some(note) != of_base.as_ref());
        let label_source = LabelSource { labels, file: None, notes: notes.cloned().collect() };
        let (preprocess, preprocess_rule) =
            (self.info.preprocess.clone(), self.info.preprocess_rule.clone());
        let card = Some(Box::new(card.clone()));
        let info = ModelInfo {
            name: name.to_owned(),
            signature,
            preprocess,
            preprocess_rule,
            resizes_itself: self.info.resizes_itself,
            decoding: self.info.decoding.clone(),
            scores,
            label_source,
            stale: self.info.stale.clone(),
            card,
        };
        Ok(Self { network, info: Arc::new(info) })
    }

    /// The card of a trained model; `None` for others.
    #[must_use]
    pub fn card(&self) -> Option<&Card> {
        self.info.card.as_deref()
    }

    /// Probability below which the best class counts as unknown; `None` without calibration.
    #[must_use]
    pub fn rejection_threshold(&self) -> Option<f32> {
        self.card()?.calibration?.rejection_threshold
    }

    /// Returns the same model on its own pool of `threads` threads; weights are shared.
    #[must_use]
    pub fn with_threads(&self, threads: usize) -> Self {
        let pool = Arc::new(ThreadPool::new(threads));
        let run = RunOptions { pool, ..self.network.run_options().clone() };
        Self { network: self.network.with_run_options(run), info: self.info.clone() }
    }

    /// Returns the same model with another preprocessing, its usual constants and order of
    /// channels.
    #[must_use]
    pub fn with_preprocessing(&self, preprocessing: Preprocessing) -> Self {
        let Preprocessor { height, width, channels, .. } = self.info.preprocess;
        let usual = Preprocessor::new(preprocessing, height, width);
        let info = ModelInfo {
            preprocess: Preprocessor { channels, ..usual },
            preprocess_rule: PreprocessRule::Given,
            ..(*self.info).clone()
        };
        Self { network: self.network.clone(), info: Arc::new(info) }
    }

    /// Returns the same model with its channels in another order.
    pub(crate) fn with_channel_order(mut self, order: ChannelOrder) -> Self {
        Arc::make_mut(&mut self.info).preprocess.order = order;
        self
    }

    /// Number of threads it runs on.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.network.run_options().pool.threads()
    }

    /// The model's name: its file's name without the extension.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.info.name
    }

    /// The underlying network.
    #[must_use]
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The nodes of input and outputs.
    #[must_use]
    pub fn signature(&self) -> &Signature {
        &self.info.signature
    }

    /// Preprocessing from photo to network input.
    #[must_use]
    pub fn preprocess(&self) -> &Preprocessor {
        &self.info.preprocess
    }

    /// Rows and columns of a photo that suffice for this model, for
    /// [`OpenOptions::min_decode_size`]; `docs/speed.md` says how little answers change. `None`
    /// where every pixel counts: the model resizes photos itself, or does not resize at all.
    ///
    /// [`OpenOptions::min_decode_size`]: crate::picture::OpenOptions::min_decode_size
    #[must_use]
    pub fn min_decode_size(&self) -> Option<[usize; 2]> {
        if self.takes_whole_pictures() { None } else { self.info.preprocess.min_decode_size() }
    }

    /// True if the network is fed a picture at its own size: the graph decodes or resizes pictures
    /// itself. Else [`Model::preprocess`] resizes them.
    #[must_use]
    pub fn takes_whole_pictures(&self) -> bool {
        self.info.resizes_itself || self.info.signature.input.takes_decoded_image
    }

    /// The preprocessing in numbers; `None` for a graph that decodes pictures itself.
    #[must_use]
    pub fn preprocessing_numbers(&self) -> Option<PreprocessingNumbers> {
        let numbers = self.info.preprocess.numbers();
        match (self.info.signature.input.takes_decoded_image, self.info.resizes_itself) {
            (true, _) => None,
            (false, true) => Some(numbers.resized_by_graph()),
            (false, false) => Some(numbers),
        }
    }

    /// Source of the preprocessing.
    #[must_use]
    pub fn preprocess_source(&self) -> PreprocessSource {
        self.info.preprocess_rule.source()
    }

    /// The rule by which the preprocessing was chosen.
    #[must_use]
    pub fn preprocess_rule(&self) -> &PreprocessRule {
        &self.info.preprocess_rule
    }

    /// True if the network gives one score for each class, as a [`crate::Classifier`] needs.
    #[must_use]
    pub fn classifies(&self) -> bool {
        class_count(&self.info.scores).is_some()
    }

    /// Writes the model as a frozen GraphDef for TensorFlow, from preprocessed images of the
    /// input's size to the scores. Class names and preprocessing that the graph itself does not
    /// tell are constants in it.
    ///
    /// # Errors
    /// As [`Network::write_frozen`].
    pub fn write_frozen(&self, path: &Path) -> Result<()> {
        let Preprocessor { height, width, .. } = self.info.preprocess;
        let notes = match self.is_told_by_graph() {
            true => Vec::new(),
            false => self.notes_for_readers(),
        };
        let fetches = score_names(&self.info.signature);
        Ok(self.network.write_frozen(path, &fetches, [height, width], &notes)?)
    }

    /// Writes the model's variables as a V2 checkpoint, which TensorFlow restores.
    ///
    /// # Errors
    /// As [`Network::write_checkpoint`].
    pub fn write_checkpoint(&self, prefix: &Path) -> Result<()> {
        Ok(self.network.write_checkpoint(prefix, &score_names(&self.info.signature))?)
    }

    /// Writes the model as an ONNX file, from preprocessed images of the input's size to the
    /// scores. The file's metadata holds class names and preprocessing.
    ///
    /// # Errors
    /// As [`Network::write_onnx`].
    pub fn write_onnx(&self, path: &Path) -> Result<()> {
        let Preprocessor { height, width, .. } = self.info.preprocess;
        Ok(self.network.write_onnx(
            path,
            &score_names(&self.info.signature),
            [height, width],
            &self.notes_for_readers(),
        )?)
    }

    /// True if whoever opens the graph finds the same class names and preprocessing without notes:
    /// the names go by their number, and the preprocessing by the graph's nodes.
    fn is_told_by_graph(&self) -> bool {
        let Preprocessor { mean, scale, .. } = self.info.preprocess;
        let is_given = self.preprocess_source() == PreprocessSource::Explicit
            || mean.is_some()
            || scale.is_some();
        let has_notes = self.network.metadata(PREPROCESSING_NOTE).is_some();
        let is_trained = self.info.card.is_some();
        !self.has_own_names() && !is_trained && !is_given && !has_notes
    }

    /// True if the names of the classes are neither ImageNet's nor numbers: they come from a file,
    /// from the model's metadata, or from its training.
    #[must_use]
    pub fn has_own_names(&self) -> bool {
        let names = || self.labels().iter().map(|label| label.name);
        let count = self.labels().len();
        let is_like = |other: &Labels| other.iter().map(|label| label.name).eq(names());
        !self.labels().is_empty()
            && !is_like(&Labels::numbered(count))
            && !Labels::imagenet(count).is_some_and(|imagenet| is_like(&imagenet))
    }

    /// Name, preprocessing and class names, for whoever opens the model in another format.
    pub(crate) fn notes_for_readers(&self) -> Vec<(String, String)> {
        let Preprocessor { preprocessing, order, .. } = &self.info.preprocess;
        let numbers = self.info.preprocess.numbers();
        let names: Vec<&str> = self.labels().iter().map(|label| label.name).collect();
        let mut notes = vec![
            ("lorgnette.model", self.name().to_owned()),
            (PREPROCESSING_NOTE, preprocessing.to_string()),
            (CHANNELS_NOTE, order.to_string()),
            (NUMBERS_NOTE, serde_json::to_string(&numbers).unwrap_or_default()),
            (CLASSES_NOTE, serde_json::to_string(&names).unwrap_or_default()),
        ];
        if let Some(mean) = &self.info.preprocess.mean {
            notes.push((MEAN_NOTE, serde_json::to_string(mean).unwrap_or_default()));
        }
        if let Some(scale) = self.info.preprocess.scale {
            notes.push((FACTOR_NOTE, scale.to_string()));
        }
        notes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// Writes the plan file that this model was opened by once more, if it was stale, and returns
    /// its path. `None` if there is nothing to do: no plan file was opened, or it is up to date, or
    /// it is for another CPU level than this machine's best, which was chosen explicitly, or it
    /// only names this model (see [`Network::may_replace_stale_plan_file`]).
    ///
    /// # Errors
    /// As [`Network::write_plan_file`].
    pub fn refresh_plan_file(&self) -> Result<Option<&Path>> {
        let stale = self.info.stale.as_ref();
        let may_write = |network: &&Network| {
            network.run_options().level == Level::best() && network.may_replace_stale_plan_file()
        };
        let Some(network) = stale.filter(may_write) else {
            return Ok(None);
        };
        let Some((path, _)) = network.stale_plan_file() else { return Ok(None) };
        network.write_plan_file(path)?;
        Ok(Some(path))
    }

    /// Writes the model as a plan file, which opens at once on this machine and similar ones.
    ///
    /// # Errors
    /// As [`Network::write_plan_file`].
    pub fn write_plan_file(&self, path: &Path) -> Result<()> {
        Ok(self.network.write_plan_file(path)?)
    }

    /// The class names, one for each output; empty if the model [does not
    /// classify](Self::classifies).
    #[must_use]
    pub fn labels(&self) -> &Labels {
        &self.info.label_source.labels
    }

    /// The file of the class names; `None` for ImageNet's names and for numbered classes.
    #[must_use]
    pub fn labels_file(&self) -> Option<&Path> {
        self.info.label_source.file.as_deref()
    }

    /// Warnings from opening, such as label files that do not fit the network.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.info.label_source.notes
    }

    /// The network's input for a picture, as a picture: resized, cropped, colours clipped to 0 to
    /// 255.
    #[must_use]
    pub fn input_image(&self, picture: &Picture) -> Picture {
        if self.takes_whole_pictures() {
            return picture.clone();
        }
        let preprocess = &self.info.preprocess;
        preprocess.input_image(&preprocess.input(picture))
    }

    /// Shape of the network's input for `picture`.
    fn input_shape(&self, picture: PictureRef<'_>) -> Vec<usize> {
        let Preprocessor { height, width, channels, .. } = self.info.preprocess;
        match &self.info.decoding {
            Some(Decoding { crop: Some([_, _, height, width]), channels, .. }) => {
                vec![*height, *width, *channels]
            }
            Some(Decoding { channels, .. }) => {
                let [height, width] = picture.decoded_size();
                vec![height, width, *channels]
            }
            None if self.info.resizes_itself => vec![1, picture.height, picture.width, channels],
            None => vec![1, height, width, channels],
        }
    }

    /// Runs the network on a picture; passes the outputs `fetches` to `read`.
    pub(crate) fn run<T>(
        &self,
        picture: PictureRef<'_>,
        fetches: &[&str],
        read: impl FnOnce(&[Output<'_>]) -> T,
    ) -> Result<T> {
        // Reads no clock: WebAssembly has none.
        let mut session = self.session(&self.input_shape(picture), fetches)?;
        self.write_input(picture, &mut session)?;
        session.run()?;
        Ok(read(&self.outputs(&session)?))
    }

    /// As [`Model::run`]; also returns the time of preprocessing.
    pub(crate) fn run_timed<T>(
        &self,
        picture: PictureRef<'_>,
        fetches: &[&str],
        read: impl FnOnce(&[Output<'_>]) -> T,
    ) -> Result<(T, Duration)> {
        let mut session = self.session(&self.input_shape(picture), fetches)?;
        let started = Instant::now();
        self.write_input(picture, &mut session)?;
        let preprocessing = started.elapsed();
        session.run()?;
        Ok((read(&self.outputs(&session)?), preprocessing))
    }

    /// Writes the input of a session for one picture.
    fn write_input(&self, picture: PictureRef<'_>, session: &mut Session) -> Result<()> {
        let values = session.input_mut(&self.info.signature.input.name)?;
        self.info.preprocess_into(picture, values).map_err(|what| self.model_error(&what))
    }

    /// Runs the network on pictures, several at a time where it computes each by itself; passes
    /// the outputs of each picture to `read`. Reports the number of finished pictures.
    pub(crate) fn run_batch<T>(
        &self,
        pictures: &[PictureRef<'_>],
        fetches: &[&str],
        observer: &mut dyn Observer,
        mut read: impl FnMut(&[Output<'_>]) -> T,
    ) -> Result<Vec<T>> {
        let total = pictures.len();
        let mut answers = Vec::with_capacity(total);
        let mut max_batch = if self.computes_each_by_itself() { MAX_BATCH } else { 1 };
        report(observer, &Progress { done: 0, total })?;
        while answers.len() < total {
            let rest = &pictures[answers.len()..];
            // Powers of two, so that there are few plans.
            let batch = 1 << rest.len().min(max_batch).ilog2();
            if batch == 1 {
                answers.push(self.run(rest[0], fetches, &mut read)?);
            } else {
                match self.run_whole_batch(&rest[..batch], fetches, &mut read) {
                    Ok(read) => answers.extend(read),
                    Err(Error::Network(lorgnette_net::Error::Memory { .. })) => {
                        max_batch = batch / 2;
                        continue;
                    }
                    Err(error) => return Err(error),
                }
            }
            report(observer, &Progress { done: answers.len(), total })?;
        }
        Ok(answers)
    }

    fn run_whole_batch<T>(
        &self,
        pictures: &[PictureRef<'_>],
        fetches: &[&str],
        read: &mut impl FnMut(&[Output<'_>]) -> T,
    ) -> Result<Vec<T>> {
        let Preprocessor { height, width, channels, .. } = self.info.preprocess;
        let mut session = self.session(&[pictures.len(), height, width, channels], fetches)?;
        let values = session.input_mut(&self.info.signature.input.name)?;
        let inputs = values.chunks_exact_mut(height * width * channels);
        for (picture, input) in pictures.iter().zip(inputs) {
            self.info.preprocess_into(*picture, input).map_err(|what| self.model_error(&what))?;
        }
        session.run()?;
        let outputs = self.outputs(&session)?;
        let mut answers = Vec::with_capacity(pictures.len());
        for at in 0..pictures.len() {
            let outputs = outputs.iter().map(|output| output.of_picture(at, pictures.len()));
            answers.push(read(&outputs.collect::<Vec<_>>()));
        }
        Ok(answers)
    }

    /// The outputs of a run, whose values are finite.
    fn outputs<'s>(&self, session: &'s Session) -> Result<Vec<Output<'s>>> {
        let mut outputs = Vec::with_capacity(session.outputs().len());
        for (index, port) in session.outputs().iter().enumerate() {
            let values = session.output_at(index)?;
            let is_logits = port.name == self.info.signature.logits;
            check_finite(&self.info.name, &port.name, values, is_logits)?;
            outputs.push(Output { shape: &port.fact.shape, values });
        }
        Ok(outputs)
    }

    /// True for networks of the zoo, which treat each picture of a batch by itself; another graph
    /// may compute anything of a batch.
    fn computes_each_by_itself(&self) -> bool {
        self.network.net().is_some() && !self.info.signature.input.takes_decoded_image
    }

    /// A session for an input of this shape.
    fn session(&self, shape: &[usize], fetches: &[&str]) -> Result<Session> {
        let input = self.info.signature.input.name.as_str();
        let session = self.network.session(&[(input, shape)], fetches);
        let session = session.map_err(|error| match error {
            lorgnette_net::Error::MissingInput { name } => {
                Error::ExtraInput { model: self.info.name.clone(), input: name }
            }
            error => error.into(),
        })?;
        if session.inputs().is_empty() {
            return Err(self.unsuitable_output("does not depend on the picture".into()));
        }
        Ok(session)
    }

    /// The error for a network that does not give one score for each class.
    pub(crate) fn no_class_scores_error(&self) -> Error {
        let shape = &self.info.scores;
        self.unsuitable_output(format!("of shape {shape:?} is not one score for each class"))
    }

    fn unsuitable_output(&self, what: String) -> Error {
        let ModelInfo { name, signature, .. } = &*self.info;
        Error::UnsuitableOutput { model: name.clone(), output: signature.logits.clone(), what }
    }

    pub(crate) fn model_error(&self, what: &str) -> Error {
        Error::Model { model: self.info.name.clone(), what: what.into() }
    }
}

/// One output of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output<'a> {
    pub(crate) shape: &'a [usize],
    pub(crate) values: &'a [f32],
}

impl<'a> Output<'a> {
    /// The part of the picture number `at` of a batch. Its shape keeps the batch's length.
    fn of_picture(&self, at: usize, batch: usize) -> Self {
        let length = self.values.len() / batch;
        Self { shape: self.shape, values: &self.values[at * length..][..length] }
    }
}

impl ModelInfo {
    /// Writes the network's input: what its own node decodes, or the preprocessed picture. Integer
    /// inputs get the nearest levels.
    fn preprocess_into(&self, picture: PictureRef<'_>, input: &mut [f32]) -> Result<(), String> {
        if let Some(decoding) = &self.decoding {
            input.copy_from_slice(&decoded_image(picture, decoding)?.values);
            return Ok(());
        }
        if self.resizes_itself {
            self.preprocess.normalise_into(picture, input);
        } else {
            self.preprocess.apply(picture, input);
        }
        let input_type = &self.signature.input;
        if !input_type.dtype.is_float() && input_type.quantization.is_none() {
            input.iter_mut().for_each(|value| *value = value.round());
        }
        Ok(())
    }
}

impl ModelOptions {
    /// The network's options for loading.
    #[must_use]
    pub fn network_load_options(&self) -> LoadOptions {
        load_options(self)
    }

    /// The network's options for running.
    #[must_use]
    pub fn network_run_options(&self) -> RunOptions {
        run_options(self)
    }
}

pub(crate) fn run_options(options: &ModelOptions) -> RunOptions {
    let defaults = match &options.pool {
        Some(pool) => RunOptions::with_pool(pool.clone()),
        None => RunOptions::with_threads(options.threads),
    };
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
        signature: options.signature.clone(),
        cache: options.model_store.as_ref().map(|model_store| model_store.folder().to_owned()),
    }
}

/// Metadata of ONNX exports: the preprocessing, and the class names as a JSON array.
pub(crate) const PREPROCESSING_NOTE: &str = "lorgnette.preprocessing";
/// The order of channels, if it is not red, green, blue.
pub(crate) const CHANNELS_NOTE: &str = "lorgnette.channels";
const CLASSES_NOTE: &str = "lorgnette.classes";
/// The mean of red, green and blue, and the factor, if they are not the preprocessing's.
pub(crate) const MEAN_NOTE: &str = "lorgnette.mean";
pub(crate) const FACTOR_NOTE: &str = "lorgnette.factor";
/// The preprocessing in numbers, as JSON, for other programs.
const NUMBERS_NOTE: &str = "lorgnette.preprocessing.numbers";

/// Returns the class names in an ONNX model's metadata.
fn noted_classes(network: &Network) -> Option<Labels> {
    let names: Vec<String> = serde_json::from_str(network.metadata(CLASSES_NOTE)?).ok()?;
    Some(Labels::from_names(names))
}

/// Says which variables of a checkpoint no layer takes.
fn unused_note(name: &str, unused: &[String]) -> Option<String> {
    const MAX_NAMED: usize = 3;
    let named: Vec<String> =
        unused.iter().take(MAX_NAMED).map(|name| format!("'{name}'")).collect();
    let (count, more) = (unused.len(), unused.len().saturating_sub(MAX_NAMED));
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let noun = if count == 1 { "variable" } else { "variables" };
    (count > 0).then(|| {
        let named = named.join(", ");
        format!("{name}: no layer takes {count} {noun} of the checkpoint: {named}{more}")
    })
}

/// Maximum number of pictures that are computed at once.
const MAX_BATCH: usize = 16;

/// Photo side for planning a graph that decodes and resizes photos itself; any side will do.
const PROBE_SIDE: usize = 64;

/// Shape of the scores, found by planning a run.
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
    let is_real = |port: &&Port| port.fact.dtype.is_float() || port.fact.quantization.is_some();
    let answer = plan.outputs().last().filter(is_real);
    // Integers and truth values are classes that are chosen, not scores.
    let answer = answer.filter(|_| !signature.chooses_class);
    Ok(answer.map_or_else(Vec::new, |port| port.fact.shape.clone()))
}

/// Remarks that scores are no probabilities.
fn bounded_note(signature: &Signature) -> Option<String> {
    let bounded_by = signature.bounded_by?;
    Some(format!(
        "the values of '{}' are kept small by {bounded_by} and are no probabilities: their softmax \
         is shown, which orders the classes and does not say how sure they are",
        signature.logits
    ))
}

/// Number of scores, if there is one score for each class.
fn class_count(scores: &[usize]) -> Option<usize> {
    let mut longer = scores.iter().copied().filter(|&length| length != 1);
    let classes = longer.next().unwrap_or(1);
    (!scores.is_empty() && classes > 0 && longer.next().is_none()).then_some(classes)
}

/// The class names and their source.
#[derive(Clone, Debug)]
struct LabelSource {
    labels: Labels,
    file: Option<PathBuf>,
    notes: Vec<String>,
}

impl LabelSource {
    /// Remarks that Teachable Machine cuts names in its label files.
    fn note_cut_names(&mut self, rule: &PreprocessRule) {
        const LENGTH: usize = 12;
        let is_maker = matches!(
            rule,
            PreprocessRule::Maker { maker, .. } if maker.starts_with("Teachable Machine")
        );
        let is_cut = |name: &str| name.chars().count() >= LENGTH;
        let is_list = self.file.as_ref().is_some_and(|file| file.ends_with("labels.txt"));
        let cut = self.labels.iter().map(|label| label.name).find(|name| is_cut(name));
        if let (true, Some(name)) = (is_maker && is_list, cut) {
            self.notes.push(format!(
                "Teachable Machine cuts names at {LENGTH} characters in labels.txt: '{name}' may \
                 be longer"
            ));
        }
    }

    /// Takes the given file, else a label file next to the network's, else ImageNet's names by
    /// their number.
    fn for_network(
        network: &Network,
        classes: Option<usize>,
        given: Option<&Path>,
    ) -> Result<Self> {
        // One score is that of the second of two classes, unless only one class has a name.
        if classes == Some(1) {
            let of_two = Self::for_class_count(network, 2, given);
            return match of_two {
                Ok(of_two) if of_two.file.is_some() || given.is_some() => Ok(of_two),
                of_two => match Self::for_class_count(network, 1, given) {
                    Ok(of_one) if of_one.file.is_some() => Ok(of_one),
                    _ => of_two,
                },
            };
        }
        Self::for_class_count(network, classes.unwrap_or(0), given)
    }

    fn for_class_count(network: &Network, classes: usize, given: Option<&Path>) -> Result<Self> {
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
        let known = || {
            let noted = noted_classes(network).filter(|labels| labels.len() == classes);
            let imagenet = Labels::imagenet(classes);
            let is_imagenet = |noted: &Labels| {
                imagenet.as_ref().is_some_and(|known| {
                    known.iter().map(|label| label.name).eq(noted.iter().map(|label| label.name))
                })
            };
            // ImageNet's own names know their synsets.
            let noted = noted.filter(|noted| !is_imagenet(noted));
            noted.or(imagenet).unwrap_or_else(|| Labels::numbered(classes))
        };
        let (labels, file) =
            labels.map_or_else(|| (known(), None), |(labels, file)| (labels, Some(file)));
        Ok(Self { labels, file, notes })
    }
}
