//! A model: classification, features, maps, blurring, faces, tensors, files.

use std::ffi::OsString;
use std::path::PathBuf;

use lorgnette::answer::FacesAnswer;
use lorgnette::blur::{BlurMode, BlurOptions};
use lorgnette::export::ExportFormat;
use lorgnette::faces::{FaceDetector, FaceOptions};
use lorgnette::kernels::{Precision, WeightFormat};
use lorgnette::preprocess::Preprocessing;
use lorgnette::{
    Blurrer, Classifier, Embedder, FailedPhoto, ModelOptions, ModelRef, ModelStore, OpenedModel,
    Picture, RegionOptions, SegmentationOptions, Segmenter,
};
use numpy::{IntoPyArray as _, PyArray1, PyArray3, PyArrayDyn, PyArrayMethods as _};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use serde::Serialize;

use crate::error::{OrRaise as _, wrong_value};
use crate::map::Map;
use crate::photo::{OpenArguments, Photo};
use crate::run;
use crate::work::{Answered, answer_photos, interruptible};

/// A network with its preprocessing and class names.
#[pyclass(frozen, module = "lorgnette._lorgnette")]
#[derive(Debug)]
pub(crate) struct Model(OpenedModel);

/// Options for opening a model; items of a dictionary. `None` is the model's own value.
#[derive(Debug, FromPyObject)]
struct ModelArguments {
    #[pyo3(item)]
    size: Option<[usize; 2]>,
    #[pyo3(item)]
    preprocess: Option<String>,
    #[pyo3(item)]
    labels: Option<PathBuf>,
    #[pyo3(item)]
    input: Option<String>,
    #[pyo3(item)]
    output: Option<String>,
    #[pyo3(item)]
    net: Option<String>,
    #[pyo3(item)]
    checkpoint: Option<PathBuf>,
    #[pyo3(item)]
    precision: String,
    #[pyo3(item)]
    weights: String,
    #[pyo3(item)]
    threads: Option<usize>,
    #[pyo3(item)]
    memory_limit: Option<u64>,
}

/// Options of maps; items of a dictionary.
#[derive(Debug, FromPyObject)]
struct MapArguments {
    #[pyo3(item)]
    padding: String,
    #[pyo3(item)]
    output_stride: Option<usize>,
    #[pyo3(item)]
    scales: Vec<f64>,
    #[pyo3(item)]
    tile: Option<usize>,
}

/// Options of blurring; items of a dictionary.
#[derive(Debug, FromPyObject)]
struct BlurArguments {
    #[pyo3(item)]
    how: String,
    #[pyo3(item)]
    colour: Option<[u8; 3]>,
    #[pyo3(item)]
    min_probability: f32,
    #[pyo3(item)]
    margin: Option<usize>,
    #[pyo3(item)]
    feather: Option<usize>,
    #[pyo3(item)]
    block: Option<usize>,
}

#[pymethods]
impl Model {
    /// Opens a model: the embedded network, a published model's name, or a path.
    #[new]
    fn new(py: Python<'_>, name: Option<OsString>, arguments: ModelArguments) -> PyResult<Self> {
        let options = arguments.options()?;
        let model_ref = name.map_or(Ok(ModelRef::Embedded), ModelRef::parse).or_raise()?;
        Ok(Self(py.detach(|| OpenedModel::open(model_ref, options)).or_raise()?))
    }

    /// The model's name.
    #[getter]
    fn name(&self) -> &str {
        self.inner().name()
    }

    /// Rows and columns of the network's input.
    #[getter]
    fn input_size(&self) -> (usize, usize) {
        let preprocess = self.inner().preprocess();
        (preprocess.height, preprocess.width)
    }

    /// The preprocessing's name.
    #[getter]
    fn preprocessing(&self) -> &'static str {
        self.inner().preprocess().preprocessing.name()
    }

    /// The names of input, logits, probabilities and features; `None` for those it has not.
    #[getter]
    fn signature(&self) -> (&str, &str, Option<&str>, Option<&str>) {
        let signature = self.inner().signature();
        let (probabilities, features) = (&signature.probabilities, &signature.features);
        (&signature.input.name, &signature.logits, probabilities.as_deref(), features.as_deref())
    }

    /// The classes' names, by output index.
    #[getter]
    fn labels(&self) -> Vec<String> {
        self.inner().labels().iter().map(|label| label.name.to_owned()).collect()
    }

    /// Remarks about the model, such as labels that do not fit.
    #[getter]
    fn notes(&self) -> Vec<String> {
        self.inner().notes().to_vec()
    }

    /// The names of all nodes, for `run`.
    #[getter]
    fn nodes(&self) -> Vec<String> {
        self.inner().network().node_names().map(str::to_owned).collect()
    }

    /// Number of threads.
    #[getter]
    fn threads(&self) -> usize {
        self.inner().threads()
    }

    /// Classifies photos. Returns for each the answer as JSON or the failure.
    fn classify<'py>(
        &self,
        py: Python<'py>,
        photos: Vec<Photo>,
        top: usize,
        open: OpenArguments,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<Bound<'py, PyList>> {
        let classifier = Classifier::new(self.inner().clone()).or_raise()?;
        let open = open.options(self.inner());
        let answers = interruptible(py, progress.as_ref(), |watch| {
            let mut workers = Vec::new();
            for classifier in
                self.0.split(photos.len()).copies(&classifier, Classifier::with_threads)
            {
                let open = &open;
                workers.push(move |photo: &Photo| {
                    Ok(json(&classifier.answer(&photo.open(open)?, top)?))
                });
            }
            Ok(answer_photos(watch, &photos, workers))
        })?;
        answer_list(py, answers, Ok)
    }

    /// Computes features. Returns for each photo the answer as JSON, without them, and an array of
    /// float32; or the failure.
    fn embed<'py>(
        &self,
        py: Python<'py>,
        photos: Vec<Photo>,
        end_point: Option<&str>,
        open: OpenArguments,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<Bound<'py, PyList>> {
        let embedder = Embedder::new(self.inner().clone(), end_point).or_raise()?;
        let open = open.options(self.inner());
        let answers = interruptible(py, progress.as_ref(), |watch| {
            let mut workers = Vec::new();
            for embedder in self.0.split(photos.len()).copies(&embedder, Embedder::with_threads) {
                let open = &open;
                workers.push(move |photo: &Photo| {
                    let mut answer = embedder.answer(&photo.open(open)?)?;
                    let embedding = std::mem::take(&mut answer.embedding);
                    Ok((json(&answer), embedding))
                });
            }
            Ok(answer_photos(watch, &photos, workers))
        })?;
        answer_list(py, answers, |(answer, embedding)| {
            let embedding: Bound<'py, PyArray1<f32>> = embedding.into_pyarray(py);
            Ok((answer, embedding))
        })
    }

    /// Computes maps. Returns for each photo a `Map` or the failure.
    fn map<'py>(
        &self,
        py: Python<'py>,
        photos: Vec<Photo>,
        arguments: MapArguments,
        open: OpenArguments,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<Bound<'py, PyList>> {
        let segmenter = Segmenter::new(self.inner().clone(), arguments.options()?).or_raise()?;
        let open = open.options(self.inner());
        let regions: RegionOptions = segmenter.region_options();
        let maps = interruptible(py, progress.as_ref(), |watch| {
            let mut workers = Vec::new();
            for segmenter in self.0.split(photos.len()).copies(&segmenter, Segmenter::with_threads)
            {
                let (open, regions) = (&open, &regions);
                workers.push(move |photo: &Photo| {
                    let picture = photo.open(open)?;
                    let map = segmenter.segment_observed(&picture, &mut watch.uncounted())?;
                    Ok(Map::new(segmenter.model(), picture, map, regions))
                });
            }
            Ok(answer_photos(watch, &photos, workers))
        })?;
        answer_list(py, maps, |map| Py::new(py, map))
    }

    /// Blurs everything of these classes. Returns for each photo the answer as JSON, and the
    /// pixels; or the failure.
    fn blur<'py>(
        &self,
        py: Python<'py>,
        photos: Vec<Photo>,
        classes: Vec<String>,
        arguments: (BlurArguments, MapArguments),
        open: OpenArguments,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<Bound<'py, PyList>> {
        let (blur, segmentation) = (arguments.0.options()?, arguments.1.options()?);
        let blurrer =
            Blurrer::new(self.inner().clone(), &classes, segmentation, blur).or_raise()?;
        let open = open.options(self.inner());
        let answers = interruptible(py, progress.as_ref(), |watch| {
            let mut workers = Vec::new();
            for blurrer in self.0.split(photos.len()).copies(&blurrer, Blurrer::with_threads) {
                let open = &open;
                workers.push(move |photo: &Photo| {
                    let picture = photo.open(open)?;
                    let mask = blurrer.mask_observed(&picture, &mut watch.uncounted())?;
                    let model = blurrer.segmenter().model();
                    let answer = lorgnette::BlurAnswer::new(&picture, model, &mask, None);
                    Ok((json(&answer), mask.apply(&picture)))
                });
            }
            Ok(answer_photos(watch, &photos, workers))
        })?;
        answer_list(py, answers, |(answer, picture): (String, Picture)| {
            Ok((answer, pixels(py, &picture)?))
        })
    }

    /// Finds faces. Returns for each photo the answer as JSON or the failure.
    fn faces<'py>(
        &self,
        py: Python<'py>,
        photos: Vec<Photo>,
        options: (f32, bool),
        open: OpenArguments,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<Bound<'py, PyList>> {
        let (min_probability, pyramid) = options;
        let options = FaceOptions { min_probability, pyramid, ..FaceOptions::default() };
        let open = open.options(self.inner());
        let answers = interruptible(py, progress.as_ref(), |watch| {
            let detector = self.0.detector().or_raise()?.with_options(options);
            let mut workers = Vec::new();
            for detector in self.0.split(photos.len()).copies(&detector, FaceDetector::with_threads)
            {
                let open = &open;
                workers.push(move |photo: &Photo| {
                    let picture = photo.open(open)?;
                    let faces = detector.detect_observed(&picture, &mut watch.uncounted())?;
                    Ok(json(&FacesAnswer::new(&picture, &detector, faces)))
                });
            }
            Ok(answer_photos(watch, &photos, workers))
        })?;
        answer_list(py, answers, Ok)
    }

    /// Returns the network's input as a picture: uint8 `[height, width, 3]`.
    fn input_image<'py>(
        &self,
        py: Python<'py>,
        photo: Photo,
        open: OpenArguments,
    ) -> PyResult<Bound<'py, PyArray3<u8>>> {
        let picture = photo.open(&open.options(self.inner())).or_raise()?;
        pixels(py, &self.inner().input_image(&picture))
    }

    /// Returns the network's input for a photo: float32 `[1, height, width, channels]`.
    fn preprocess<'py>(
        &self,
        py: Python<'py>,
        photo: Photo,
        open: OpenArguments,
    ) -> PyResult<Bound<'py, PyArrayDyn<f32>>> {
        let picture = photo.open(&open.options(self.inner())).or_raise()?;
        let preprocess = self.inner().preprocess();
        let mut input = vec![0.0; preprocess.input_len()];
        py.detach(|| preprocess.apply(&picture, &mut input));
        let shape = [1, preprocess.height, preprocess.width, preprocess.channels];
        input.into_pyarray(py).reshape(&shape[..])
    }

    /// Computes tensors from tensors, by TensorFlow's names.
    fn run<'py>(
        &self,
        py: Python<'py>,
        feeds: &Bound<'py, PyDict>,
        fetches: Vec<String>,
    ) -> PyResult<Bound<'py, PyDict>> {
        run::run(py, self.inner().network(), feeds, &fetches)
    }

    /// Writes the model to a file for TensorFlow or ONNX Runtime, and its labels beside it. Returns
    /// the file's path.
    fn export(
        &self,
        py: Python<'_>,
        out: PathBuf,
        format: &str,
        replace_labels: bool,
    ) -> PyResult<PathBuf> {
        let format = parse::<ExportFormat>(format)?;
        py.detach(|| self.inner().export(&out, format, replace_labels)).or_raise()
    }

    /// Writes the graph to an event file for TensorBoard in a folder. Returns the file's path.
    fn write_graph(&self, py: Python<'_>, logdir: PathBuf) -> PyResult<PathBuf> {
        let preprocess = self.inner().preprocess();
        let size = [preprocess.height, preprocess.width];
        py.detach(|| self.inner().network().write_event_file(&logdir, size)).or_raise()
    }

    fn __repr__(&self) -> String {
        let (height, width) = self.input_size();
        let classes = self.inner().labels().len();
        format!("<lorgnette.Model {:?}: {height} x {width}, {classes} classes>", self.name())
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
}

impl ModelArguments {
    fn options(self) -> PyResult<ModelOptions> {
        if self.threads == Some(0) {
            return Err(PyValueError::new_err("threads must be at least 1"));
        }
        let preprocess = self.preprocess.as_deref().map(parse::<Preprocessing>).transpose()?;
        let mut options = ModelOptions {
            size: self.size,
            preprocess,
            labels: self.labels,
            input: self.input,
            output: self.output,
            net: self.net,
            checkpoint: self.checkpoint,
            threads: self.threads,
            model_store: ModelStore::from_env(),
            ..ModelOptions::default()
        };
        options.numerics.compute = parse::<Precision>(&self.precision)?;
        options.numerics.weight_storage = parse::<WeightFormat>(&self.weights)?;
        options.memory_limit = self.memory_limit.unwrap_or(options.memory_limit);
        Ok(options)
    }
}

impl MapArguments {
    fn options(self) -> PyResult<SegmentationOptions> {
        let padding = parse(&self.padding)?;
        if self.output_stride.is_some_and(|stride| !stride.is_power_of_two()) {
            return Err(PyValueError::new_err("output_stride must be a power of two"));
        }
        let MapArguments { output_stride, scales, tile, .. } = self;
        // The program's own: unknown cells in a pyramid, none at scales that are given.
        let unknown_below = None;
        Ok(SegmentationOptions {
            padding,
            output_stride,
            scales,
            tile,
            unknown_below,
            refine: None,
        })
    }
}

impl BlurArguments {
    fn options(self) -> PyResult<BlurOptions> {
        let mode = match (parse::<BlurMode>(&self.how)?, self.colour) {
            (BlurMode::Fill(_), Some(colour)) => BlurMode::Fill(colour),
            (_, Some(_)) => return Err(PyValueError::new_err("colour is for how=\"fill\"")),
            (mode, None) => mode,
        };
        let BlurArguments { min_probability, margin, feather, block, .. } = self;
        Ok(BlurOptions { mode, min_probability, margin, feather, block })
    }
}

/// Converts answers with `convert` to pairs: the answer and `None`, or `None` and the failure's
/// photo and error.
fn answer_list<'py, A, P: IntoPyObject<'py>>(
    py: Python<'py>,
    answers: Vec<Answered<A>>,
    convert: impl Fn(A) -> PyResult<P>,
) -> PyResult<Bound<'py, PyList>> {
    let list = PyList::empty(py);
    for answer in answers {
        match answer {
            Ok(answer) => list.append((convert(answer)?, py.None()))?,
            Err(FailedPhoto { photo, error, .. }) => list.append((py.None(), (photo, error)))?,
        }
    }
    Ok(list)
}

/// Copies a picture's pixels to an array `[height, width, 3]`.
pub(crate) fn pixels<'py>(
    py: Python<'py>,
    picture: &Picture,
) -> PyResult<Bound<'py, PyArray3<u8>>> {
    let shape = [picture.height(), picture.width(), 3];
    picture.to_rgb8().into_pyarray(py).reshape(shape)
}

/// Serialises an answer.
pub(crate) fn json(answer: &impl Serialize) -> String {
    serde_json::to_string(answer).expect("answers are plain data")
}

/// Parses the name of an option's value.
pub(crate) fn parse<T: std::str::FromStr<Err: std::fmt::Display>>(name: &str) -> PyResult<T> {
    name.parse().map_err(wrong_value)
}
