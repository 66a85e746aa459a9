//! Open models, and the answers to requests.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use lorgnette::blur::Blurrer;
use lorgnette::draw::Overlay;
use lorgnette::faces::{FaceDetector, FaceOptions, MIN_PROBABILITY};
use lorgnette::picture::{OpenOptions, PictureFormat};
use lorgnette::trained::TrainedModel;
use lorgnette::{
    BlurAnswer, Classifier, Embedder, Labels, MapAnswer, Model, ModelOptions, Observer, Picture,
    Segmenter, error_chain,
};
use lorgnette_kernels::{ThreadPool, lent_threads};
use serde::Serialize;

use crate::request::{Blur, Map, OpenModel, Request, Run};

/// Maximum bytes of activations of one run: of a module's 4 GiB of memory, models, photos and
/// drawings need a share too.
const MEMORY_LIMIT: u64 = 1 << 30;
/// Maximum pixels of a photo, for the same reason.
const MAX_PIXELS: u64 = 100_000_000;

/// The open models.
#[derive(Debug, Default)]
pub struct Engine {
    models: BTreeMap<u32, Model>,
    faces: Option<FaceDetector>,
    last: u32,
    /// The threads of all models: this one, and those that were lent before the first model was
    /// opened.
    pool: OnceCell<Arc<ThreadPool>>,
}

/// The answer to a request.
#[derive(Clone, Debug)]
pub struct Answer {
    /// JSON.
    pub json: String,
    /// Its files, such as the blurred photo.
    pub files: Vec<Vec<u8>>,
}

/// The text of an error, which names the file and the problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure(pub String);

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error_chain(&error))
    }
}

type Result<T, E = Failure> = std::result::Result<T, E>;

/// An open model.
#[derive(Debug, Serialize)]
struct OpenedAnswer<'a> {
    /// The model's number in later requests.
    id: u32,
    /// Its name.
    model: &'a str,
    /// Rows of the input.
    height: usize,
    /// Columns of the input.
    width: usize,
    /// The name of the preprocessing.
    preprocessing: &'a str,
    /// Number of classes; 0 if the model does not classify.
    classes: usize,
    /// Probability below which the best class counts as unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    rejection_threshold: Option<f32>,
    /// Warnings.
    notes: &'a [String],
}

impl Engine {
    /// Answers a request, JSON, with its files.
    ///
    /// # Errors
    /// If the request, a model or a photo is bad.
    pub fn answer(
        &mut self,
        request: &[u8],
        files: Vec<Vec<u8>>,
        observer: &mut dyn Observer,
    ) -> Result<Answer> {
        match serde_json::from_slice(request)? {
            Request::OpenModel(request) => self.open_model(request, only(files)?),
            Request::OpenTrained { name, base, files: names } => {
                if names.len() != files.len() {
                    return Err(Failure(format!("{name}: a file for each of its names")));
                }
                self.open_trained(&name, base, &names.into_iter().zip(files).collect())
            }
            Request::OpenFaces { name } => self.open_faces(&name, only(files)?),
            Request::Close { model } => {
                self.models.remove(&model);
                json(&())
            }
            Request::Classes { model } => {
                let labels = self.model(model)?.labels();
                json(&labels.iter().map(|label| label.name).collect::<Vec<_>>())
            }
            Request::Classify { model, photo, top } => {
                let classifier = Classifier::new(self.model(model)?.clone())?;
                json(&classifier.answer(&decode(&only(files)?, &photo)?, top.max(1))?)
            }
            Request::Embed { model, photo, end_point } => {
                let embedder = Embedder::new(self.model(model)?.clone(), end_point.as_deref())?;
                json(&embedder.answer(&decode(&only(files)?, &photo)?)?)
            }
            Request::Run(request) => self.run(&request, &only(files)?),
            Request::Map(request) => self.map(&request, &only(files)?, observer),
            Request::Faces { photo, min_probability } => {
                let detector = self.detector()?;
                let min_probability = min_probability.unwrap_or(MIN_PROBABILITY);
                let options = FaceOptions { min_probability, ..detector.options().clone() };
                let picture = decode(&only(files)?, &photo)?;
                json(&detector.with_options(options).answer(&picture)?)
            }
            Request::Blur(request) => self.blur(&request, &only(files)?, observer),
        }
    }

    fn open_model(&mut self, request: OpenModel, file: Vec<u8>) -> Result<Answer> {
        let OpenModel { name, size, preprocess, input, output } = request;
        let preprocess = preprocess.map(|name| name.parse()).transpose()?;
        let options = ModelOptions { size, preprocess, input, output, ..self.model_options() };
        self.add(Model::from_bytes(file, &name, &options)?)
    }

    fn open_trained(
        &mut self,
        name: &str,
        base: u32,
        files: &BTreeMap<String, Vec<u8>>,
    ) -> Result<Answer> {
        let trained = TrainedModel::from_files(name, files)?;
        let model = trained.open_on(self.model(base)?)?;
        self.add(model)
    }

    fn open_faces(&mut self, name: &str, file: Vec<u8>) -> Result<Answer> {
        let options = FaceOptions::default();
        let detector = FaceDetector::from_bytes(file, name, &self.model_options(), options)?;
        let answer = json(&detector.name());
        self.faces = Some(detector);
        answer
    }

    /// Keeps an open model under a new number.
    fn add(&mut self, model: Model) -> Result<Answer> {
        self.last += 1;
        let preprocess = model.preprocess();
        let answer = json(&OpenedAnswer {
            id: self.last,
            model: model.name(),
            height: preprocess.height,
            width: preprocess.width,
            preprocessing: preprocess.preprocessing.name(),
            classes: if model.classifies() { model.labels().len() } else { 0 },
            rejection_threshold: model.rejection_threshold(),
            notes: model.notes(),
        });
        self.models.insert(self.last, model);
        answer
    }

    fn model_options(&self) -> ModelOptions {
        let pool = self.pool.get_or_init(|| Arc::new(ThreadPool::new(1 + lent_threads())));
        ModelOptions {
            pool: Some(Arc::clone(pool)),
            memory_limit: MEMORY_LIMIT,
            ..ModelOptions::default()
        }
    }

    fn model(&self, id: u32) -> Result<&Model> {
        self.models.get(&id).ok_or_else(|| Failure(format!("no model of number {id} is open")))
    }

    fn detector(&self) -> Result<&FaceDetector> {
        self.faces.as_ref().ok_or_else(|| Failure("no face detector is open".into()))
    }

    /// Answers with the shape of the fetched tensor, and its values.
    fn run(&self, request: &Run, file: &[u8]) -> Result<Answer> {
        let model = self.model(request.model)?;
        let (preprocess, signature) = (model.preprocess(), model.signature());
        let shape = request
            .shape
            .clone()
            .unwrap_or_else(|| vec![1, preprocess.height, preprocess.width, preprocess.channels]);
        let feed = request.feed.as_ref().unwrap_or(&signature.input.name);
        let scores = signature.probabilities.as_ref().unwrap_or(&signature.logits);
        let fetch = request.fetch.as_ref().unwrap_or(scores);
        let (values, rest) = file.as_chunks::<4>();
        let mut session = model.network().session(&[(feed, &shape)], &[fetch])?;
        let input = session.input_mut(feed)?;
        if input.len() != values.len() || !rest.is_empty() {
            let (have, want) = (file.len(), 4 * input.len());
            return Err(Failure(format!("{feed}: {have} bytes, where {shape:?} needs {want}")));
        }
        for (value, &bytes) in input.iter_mut().zip(values) {
            *value = f32::from_le_bytes(bytes);
        }
        session.run()?;
        let mut answer = json(&session.output_shape(fetch)?)?;
        let values = session.output(fetch)?.iter().flat_map(|value| value.to_le_bytes());
        answer.files.push(values.collect());
        Ok(answer)
    }

    /// Answers with the map, and with the overlay if it is asked for.
    fn map(&self, request: &Map, file: &[u8], observer: &mut dyn Observer) -> Result<Answer> {
        let model = self.model(request.model)?.clone();
        let segmenter = Segmenter::new(model, request.map.options())?;
        let picture = decode(file, &request.photo)?;
        let map = segmenter.segment_observed(&picture, observer)?;
        let regions = map.regions(&request.region_options(&segmenter));
        let mut answer = json(&MapAnswer::new(&request.photo, segmenter.model(), &map, &regions))?;
        if request.overlay {
            let overlay = Overlay::new(&picture, &map, segmenter.model().labels());
            answer.files.push(overlay.picture().to_png()?);
        }
        Ok(answer)
    }

    /// Answers with the areas and the blurred photo.
    fn blur(&self, request: &Blur, file: &[u8], observer: &mut dyn Observer) -> Result<Answer> {
        let blurrer = self.blurrer(request)?;
        let picture = decode(file, &request.photo)?;
        let mask = blurrer.mask_observed(&picture, observer)?;
        let format = match picture.format() {
            Some(PictureFormat::Png) => PictureFormat::Png,
            _ => PictureFormat::Jpeg,
        };
        let model = blurrer.segmenter().model();
        let mut answer = json(&BlurAnswer::new(&picture, model, &mask, None))?;
        answer.files.push(mask.apply_to_file(&picture, file, format, true)?);
        Ok(answer)
    }

    /// The blurrer of the classes, and of faces where the request or the name of a class says so.
    fn blurrer(&self, request: &Blur) -> Result<Blurrer> {
        let model = self.model(request.model)?.clone();
        let (faces, classes): (Vec<_>, Vec<_>) =
            request.classes.iter().partition(|name| means_faces(name, model.labels()));
        if classes.is_empty() && faces.is_empty() && !request.faces {
            return Err(Failure("name a class to blur, or faces".into()));
        }
        let blurrer = Blurrer::new(model, &classes, request.map.options(), request.blur.options())?;
        Ok(match request.faces || !faces.is_empty() {
            true => blurrer.with_faces(self.detector()?),
            false => blurrer,
        })
    }
}

/// True if the name stands for faces, and is not the model's own name of a class.
fn means_faces(name: &str, labels: &Labels) -> bool {
    let word = name.trim().to_lowercase();
    let is_own = labels.iter().any(|label| label.name.to_lowercase() == word);
    !is_own && matches!(word.as_str(), "face" | "faces")
}

fn decode(file: &[u8], photo: &str) -> Result<Picture> {
    let options = OpenOptions { max_pixels: MAX_PIXELS, ..OpenOptions::default() };
    Ok(options.decode(file, photo)?)
}

/// The file of a request that has one.
fn only(files: Vec<Vec<u8>>) -> Result<Vec<u8>> {
    let count = files.len();
    let [file] = <[_; 1]>::try_from(files)
        .map_err(|_| Failure(format!("this request has one file, not {count}")))?;
    Ok(file)
}

fn json(answer: &impl Serialize) -> Result<Answer> {
    Ok(Answer { json: serde_json::to_string(answer)?, files: Vec::new() })
}
