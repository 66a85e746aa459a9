//! A model: classification, features, maps, blurring, faces, tensors, files.

use std::path::{Path, PathBuf};

use lorgnette::answer::FacesAnswer;
use lorgnette::blur::{BlurMode, BlurOptions};
use lorgnette::export::ExportFormat;
use lorgnette::faces::{FaceDetector, FaceOptions};
use lorgnette::kernels::{Precision, WeightFormat};
use lorgnette::preprocess::Preprocessing;
use lorgnette::{
    Blurrer, Classifier, Embedder, MapPadding, ModelOptions, ModelRef, ModelStore, OpenedModel,
    Picture, SegmentationOptions, Segmenter,
};
use savvy::{
    savvy, FunctionSexp, ListSexp, OwnedListSexp, OwnedRealSexp, OwnedStringSexp, Sexp, StringSexp,
};
use serde_json::{json, Value};

use crate::answers::{
    self, columns, failed_row, rows_of, take_array, value, Field, Kind, BOTTOM, ERROR, INDEX, LEFT,
    NAME, PEAK_PROBABILITY, PHOTO, PROBABILITY, RIGHT, SHARE, SYNSET, TOP,
};
use crate::arrays::{self, pixels};
use crate::error::{Failure, OrFail as _};
use crate::map::PhotoMap;
use crate::options::Options;
use crate::photo::{OpenArguments, Photo};
use crate::run;
use crate::work::{answer_photos, interruptible, Answered};

const RANK: Field = Field::new("rank", "/rank", Kind::Whole);
const LOGIT: Field = Field::new("logit", "/logit", Kind::Number);
const UNKNOWN: Field = Field::new("unknown", "/unknown", Kind::Flag);
const SCALE: Field = Field::new("scale", "/scale", Kind::Number);
/// Columns of classifications.
const PREDICTIONS: [Field; 9] =
    [PHOTO, RANK, INDEX, SYNSET, NAME, PROBABILITY, LOGIT, UNKNOWN, ERROR];
/// Columns of faces.
const FACES: [Field; 19] = [
    PHOTO,
    RANK,
    LEFT,
    TOP,
    RIGHT,
    BOTTOM,
    PROBABILITY,
    Field::new("left_eye_x", "/landmarks/0/0", Kind::Number),
    Field::new("left_eye_y", "/landmarks/0/1", Kind::Number),
    Field::new("right_eye_x", "/landmarks/1/0", Kind::Number),
    Field::new("right_eye_y", "/landmarks/1/1", Kind::Number),
    Field::new("nose_x", "/landmarks/2/0", Kind::Number),
    Field::new("nose_y", "/landmarks/2/1", Kind::Number),
    Field::new("left_mouth_x", "/landmarks/3/0", Kind::Number),
    Field::new("left_mouth_y", "/landmarks/3/1", Kind::Number),
    Field::new("right_mouth_x", "/landmarks/4/0", Kind::Number),
    Field::new("right_mouth_y", "/landmarks/4/1", Kind::Number),
    SCALE,
    ERROR,
];
/// Columns of blurred areas.
const AREAS: [Field; 10] =
    [INDEX, SYNSET, NAME, LEFT, TOP, RIGHT, BOTTOM, SHARE, PROBABILITY, PEAK_PROBABILITY];
/// Columns of class names.
const LABELS: [Field; 3] = [INDEX, SYNSET, NAME];

/// A network with its preprocessing and class names.
/// @noRd
#[savvy]
#[derive(Debug)]
pub struct Model(OpenedModel);

#[savvy]
impl Model {
    /// Opens a model: the embedded network, a published model's name, or a path.
    fn new(options: ListSexp, name: Option<&str>) -> savvy::Result<Self> {
        let options = model_options(&Options::new(options))?;
        let opened = interruptible(None, |_| {
            let model_ref = name.map_or(Ok(ModelRef::Embedded), ModelRef::parse).or_fail()?;
            OpenedModel::open(model_ref, options).or_fail()
        })?;
        Ok(Self(opened))
    }

    /// Returns the facts about the model.
    fn facts(&self) -> savvy::Result<Sexp> {
        let (preprocess, signature) = (self.inner().preprocess(), self.inner().signature());
        answers::to_r(&json!({
            "name": self.inner().name(),
            "input": signature.input.name,
            "logits": signature.logits,
            "probabilities": signature.probabilities,
            "features": signature.features,
            "size": [preprocess.height, preprocess.width],
            "preprocess": preprocess.preprocessing.name(),
            "classes": self.inner().labels().len(),
            "threads": self.inner().threads(),
            "notes": self.inner().notes(),
        }))
    }

    /// The classes, in order of the network's outputs.
    fn labels(&self) -> savvy::Result<Sexp> {
        let mut rows = Vec::with_capacity(self.inner().labels().len());
        for label in self.inner().labels().iter() {
            rows.push(json!({"index": label.index, "synset": label.synset, "name": label.name}));
        }
        Ok(columns(&rows, &LABELS)?.into())
    }

    /// The names of all nodes.
    fn nodes(&self) -> savvy::Result<Sexp> {
        let names: Vec<&str> = self.inner().network().node_names().collect();
        Ok(OwnedStringSexp::try_from_slice(names)?.into())
    }

    /// Classifies photos.
    fn classify(
        &self,
        photos: ListSexp,
        options: ListSexp,
        progress: Option<FunctionSexp>,
    ) -> savvy::Result<Sexp> {
        let options = Options::new(options);
        let top = options.count("top")?.unwrap_or(5);
        let open = OpenArguments::from_r(&options)?.options(self.inner());
        let photos = Photo::list_from_r(&photos)?;
        let classifier = Classifier::new(self.inner().clone()).or_fail()?;
        let answers = interruptible(progress.as_ref(), |watch| {
            let mut workers = Vec::new();
            for classifier in
                self.0.split(photos.len()).copies(&classifier, Classifier::with_threads)
            {
                let open = &open;
                workers.push(move |photo: &Photo| {
                    Ok(value(&classifier.answer(&photo.open(open)?, top)?))
                });
            }
            Ok(answer_photos(watch, &photos, workers))
        })?;
        Ok(columns(&rows(&photos, answers, "predictions"), &PREDICTIONS)?.into())
    }

    /// Computes features. Returns a matrix with a row for each photo, and the failures.
    fn embed(
        &self,
        photos: ListSexp,
        options: ListSexp,
        progress: Option<FunctionSexp>,
    ) -> savvy::Result<Sexp> {
        let options = Options::new(options);
        let open = OpenArguments::from_r(&options)?.options(self.inner());
        let photos = Photo::list_from_r(&photos)?;
        let embedder = Embedder::new(self.inner().clone(), options.text("end_point")?).or_fail()?;
        let answers = interruptible(progress.as_ref(), |watch| {
            let mut workers = Vec::new();
            for embedder in self.0.split(photos.len()).copies(&embedder, Embedder::with_threads) {
                let open = &open;
                workers.push(move |photo: &Photo| embedder.embed(&photo.open(open)?));
            }
            Ok(answer_photos(watch, &photos, workers))
        })?;
        let mut list = OwnedListSexp::new(3, true)?;
        list.set_value(0, matrix(&answers)?)?;
        list.set_name(0, "values")?;
        list.set_value(1, names(&photos)?)?;
        list.set_name(1, "photo")?;
        list.set_value(2, failures(&answers)?)?;
        list.set_name(2, "error")?;
        Ok(list.into())
    }

    /// Computes the map of a photo.
    fn map(
        &self,
        photo: ListSexp,
        options: ListSexp,
        progress: Option<FunctionSexp>,
    ) -> savvy::Result<PhotoMap> {
        let options = Options::new(options);
        let open = OpenArguments::from_r(&options)?.options(self.inner());
        let photo = Photo::one_from_r(&photo)?;
        let segmentation = segmentation_options(&options)?;
        let segmenter = Segmenter::new(self.inner().clone(), segmentation).or_fail()?;
        interruptible(progress.as_ref(), |watch| {
            let picture = photo.open(&open).or_fail()?;
            let map = segmenter.segment_observed(&picture, &mut watch.uncounted()).or_fail()?;
            Ok(PhotoMap::new(&segmenter, picture, map))
        })
    }

    /// Blurs everything of some classes in a photo. Returns the pixels, the areas and the answer.
    fn blur(
        &self,
        photo: ListSexp,
        options: ListSexp,
        progress: Option<FunctionSexp>,
    ) -> savvy::Result<Sexp> {
        let options = Options::new(options);
        let open = OpenArguments::from_r(&options)?.options(self.inner());
        let photo = Photo::one_from_r(&photo)?;
        let (segmentation, blur) = (segmentation_options(&options)?, blur_options(&options)?);
        let classes = options.texts("classes")?;
        let blurrer = Blurrer::new(self.inner().clone(), &classes, segmentation, blur).or_fail()?;
        let (mut answer, blurred) = interruptible(progress.as_ref(), |watch| {
            let picture = photo.open(&open).or_fail()?;
            let mask = blurrer.mask_observed(&picture, &mut watch.uncounted()).or_fail()?;
            let model = blurrer.segmenter().model();
            let answer = value(&lorgnette::BlurAnswer::new(&picture, model, &mask, None));
            Ok((answer, mask.apply(&picture)))
        })?;
        let areas = take_array(&mut answer, "blurred");
        let mut list = OwnedListSexp::new(3, true)?;
        list.set_value(0, pixels(&blurred)?)?;
        list.set_name(0, "pixels")?;
        list.set_value(1, columns(&areas, &AREAS)?)?;
        list.set_name(1, "areas")?;
        list.set_value(2, answers::to_r(&answer)?)?;
        list.set_name(2, "answer")?;
        Ok(list.into())
    }

    /// Finds faces in photos.
    fn faces(
        &self,
        photos: ListSexp,
        options: ListSexp,
        progress: Option<FunctionSexp>,
    ) -> savvy::Result<Sexp> {
        let options = Options::new(options);
        let open = OpenArguments::from_r(&options)?.options(self.inner());
        let photos = Photo::list_from_r(&photos)?;
        let mut face_options =
            FaceOptions { pyramid: options.flag("pyramid")?, ..FaceOptions::default() };
        if let Some(probability) = options.number("min_probability")? {
            face_options.min_probability = probability as f32;
        }
        let answers = interruptible(progress.as_ref(), |watch| {
            let detector = self.0.detector().or_fail()?.with_options(face_options);
            let mut workers = Vec::new();
            for detector in self.0.split(photos.len()).copies(&detector, FaceDetector::with_threads)
            {
                let open = &open;
                workers.push(move |photo: &Photo| {
                    let picture = photo.open(open)?;
                    let faces = detector.detect_observed(&picture, &mut watch.uncounted())?;
                    Ok(value(&FacesAnswer::new(&picture, &detector, faces)))
                });
            }
            Ok(answer_photos(watch, &photos, workers))
        })?;
        Ok(columns(&rows(&photos, answers, "faces"), &FACES)?.into())
    }

    /// The network's input for a photo: `[1, height, width, channels]`.
    fn input(&self, photo: ListSexp, options: ListSexp) -> savvy::Result<Sexp> {
        let picture = self.open_one(&photo, options)?;
        let preprocess = self.inner().preprocess();
        let shape = [1, preprocess.height, preprocess.width, preprocess.channels];
        Ok(arrays::to_r(&preprocess.input(&picture), &shape)?.into())
    }

    /// The network's input for a photo as a picture.
    fn input_image(&self, photo: ListSexp, options: ListSexp) -> savvy::Result<Sexp> {
        let picture = self.open_one(&photo, options)?;
        Ok(pixels(&self.inner().input_image(&picture))?.into())
    }

    /// Computes tensors from tensors, by TensorFlow's names.
    fn run(&self, feeds: ListSexp, fetches: StringSexp) -> savvy::Result<Sexp> {
        let fetches: Vec<String> = fetches.iter().map(str::to_owned).collect();
        let input = &self.inner().signature().input.name;
        run::run(self.inner().network(), input, &feeds, &fetches)
    }

    /// Writes the graph to an event file for TensorBoard in a folder. Returns the file's path.
    fn write_graph(&self, logdir: &str) -> savvy::Result<Sexp> {
        let preprocess = self.inner().preprocess();
        let size = [preprocess.height, preprocess.width];
        let path = self.inner().network().write_event_file(Path::new(logdir), size).or_fail()?;
        path_to_r(&path)
    }

    /// Writes the model to a file for TensorFlow or ONNX Runtime, and its labels beside it. Returns
    /// the file's path.
    fn export(&self, path: &str, format: &str, replace_labels: bool) -> savvy::Result<Sexp> {
        let format = format.parse::<ExportFormat>().map_err(Failure::new)?;
        let path = PathBuf::from(path);
        let written =
            interruptible(None, |_| self.inner().export(&path, format, replace_labels).or_fail())?;
        path_to_r(&written)
    }
}

impl Model {
    /// The model of the library.
    pub(crate) fn inner(&self) -> &lorgnette::Model {
        self.0.model()
    }

    /// The same with the name and the options that it was opened by.
    pub(crate) fn opened(&self) -> &OpenedModel {
        &self.0
    }

    fn open_one(&self, photo: &ListSexp, options: ListSexp) -> savvy::Result<Picture> {
        let open = OpenArguments::from_r(&Options::new(options))?.options(self.inner());
        Ok(Photo::one_from_r(photo)?.open(&open).or_fail()?)
    }
}

/// Writes a checkpoint of a network of the zoo with random weights. Returns its path.
/// @noRd
#[savvy]
fn write_random_checkpoint(net: &str, path: &str) -> savvy::Result<Sexp> {
    let path = PathBuf::from(path);
    let written = interruptible(None, |_| {
        let network = lorgnette::net::zoo::find(net).or_fail()?;
        let options = ModelOptions::default();
        let model = lorgnette::Model::with_random_weights(network, &options).or_fail()?;
        model.write_checkpoint(&path).or_fail()?;
        Ok(path)
    })?;
    path_to_r(&written)
}

/// Options for opening a model.
fn model_options(options: &Options) -> savvy::Result<ModelOptions> {
    let size = match options.numbers("size")?[..] {
        [height, width] => Some([height as usize, width as usize]),
        _ => None,
    };
    let mut model_options = ModelOptions {
        size,
        preprocess: options.parsed::<Preprocessing>("preprocess")?,
        labels: options.text("labels")?.map(PathBuf::from),
        input: options.text("input")?.map(str::to_owned),
        output: options.text("output")?.map(str::to_owned),
        net: options.text("net")?.map(str::to_owned),
        checkpoint: options.text("checkpoint")?.map(PathBuf::from),
        threads: thread_count(options)?,
        model_store: ModelStore::from_env(),
        ..ModelOptions::default()
    };
    if let Some(precision) = options.parsed::<Precision>("precision")? {
        model_options.numerics.compute = precision;
    }
    if let Some(weights) = options.parsed::<WeightFormat>("weights")? {
        model_options.numerics.weight_storage = weights;
    }
    if let Some(limit) = options.number("memory_limit")? {
        model_options.memory_limit = limit as u64;
    }
    Ok(model_options)
}

/// The number of threads, within the limit; `None` for as many as the process may use.
fn thread_count(options: &Options) -> savvy::Result<Option<usize>> {
    let threads = options.count("threads")?;
    let Some(limit) = options.count("thread_limit")? else { return Ok(threads) };
    Ok(Some(threads.unwrap_or_else(lorgnette::net::available_threads).min(limit)))
}

/// Options of maps.
fn segmentation_options(options: &Options) -> savvy::Result<SegmentationOptions> {
    let padding = options.parsed("padding")?.unwrap_or(MapPadding::Same);
    let output_stride = options.count("output_stride")?;
    if output_stride.is_some_and(|stride| !stride.is_power_of_two()) {
        return Err(Failure::new("output_stride must be a power of two").into());
    }
    let (scales, tile) = (options.numbers("scales")?, options.count("tile")?);
    // The program's own: unknown cells in a pyramid, none at scales that are given.
    let (unknown_below, refine) = (None, None);
    Ok(SegmentationOptions { padding, output_stride, scales, tile, unknown_below, refine })
}

/// Options of blurring.
fn blur_options(options: &Options) -> savvy::Result<BlurOptions> {
    let defaults = BlurOptions::default();
    let colour = match options.numbers("colour")?[..] {
        [red, green, blue] => Some([red, green, blue].map(|level| (255.0 * level).round() as u8)),
        _ => None,
    };
    let mode = match (options.parsed::<BlurMode>("how")?.unwrap_or(defaults.mode), colour) {
        (BlurMode::Fill(_), Some(colour)) => BlurMode::Fill(colour),
        (_, Some(_)) => return Err(Failure::new("colour is for how = \"fill\"").into()),
        (mode, None) => mode,
    };
    let min_probability = options.number("min_probability")?;
    Ok(BlurOptions {
        mode,
        min_probability: min_probability.map_or(defaults.min_probability, |least| least as f32),
        margin: options.count("margin")?,
        feather: options.count("feather")?,
        block: options.count("block")?,
    })
}

/// The rows of answers, each item of the array `name` one; a failed photo has one, and so has one
/// without items.
fn rows(photos: &[Photo], answers: Vec<Answered<Value>>, name: &str) -> Vec<Value> {
    let mut rows = Vec::new();
    for (photo, answer) in photos.iter().zip(answers) {
        match answer {
            Ok(mut answer) => {
                let mut items = take_array(&mut answer, name);
                for item in &mut items {
                    item["unknown"] = answer["unknown"].clone();
                }
                rows.extend(rows_of(&photo.name(), items));
            }
            Err(error) => rows.push(failed_row(&photo.name(), &error)),
        }
    }
    rows
}

/// A matrix with a row for each photo; rows of failed photos are `NA`.
fn matrix(answers: &[Answered<Vec<f32>>]) -> savvy::Result<OwnedRealSexp> {
    let length = answers.iter().flatten().map(Vec::len).next().unwrap_or(0);
    let rows = answers.len();
    let mut matrix = OwnedRealSexp::new(rows * length)?;
    for (row, answer) in answers.iter().enumerate() {
        for column in 0..length {
            match answer {
                Ok(values) => matrix[row + column * rows] = f64::from(values[column]),
                Err(_) => matrix.set_na(row + column * rows)?,
            }
        }
    }
    matrix.set_dim(&[rows, length])?;
    Ok(matrix)
}

fn names(photos: &[Photo]) -> savvy::Result<OwnedStringSexp> {
    OwnedStringSexp::try_from_iter(photos.iter().map(Photo::name))
}

/// The reason why each photo failed, `NA` where it did not.
fn failures<A>(answers: &[Answered<A>]) -> savvy::Result<OwnedStringSexp> {
    let mut failures = OwnedStringSexp::new(answers.len())?;
    for (index, answer) in answers.iter().enumerate() {
        match answer {
            Ok(_) => failures.set_na(index)?,
            Err(error) => failures.set_elt(index, error)?,
        }
    }
    Ok(failures)
}

/// A path as R has it.
pub(crate) fn path_to_r(path: &Path) -> savvy::Result<Sexp> {
    Ok(OwnedStringSexp::try_from_scalar(path.display().to_string())?.into())
}
