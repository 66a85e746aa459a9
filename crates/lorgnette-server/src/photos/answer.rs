//! Computes answers about photos and writes them.

use std::sync::Arc;

use axum::http::HeaderValue;
use axum::response::Response;
use lorgnette::answer::{BlurAnswer, ClassifyAnswer, EmbedAnswer, FacesAnswer, MapAnswer};
use lorgnette::blur::{BlurMode, BlurOptions, Blurrer};
use lorgnette::dense::{RegionOptions, SegmentationOptions};
use lorgnette::draw::{self, Overlay, Placement};
use lorgnette::faces::FaceOptions;
use lorgnette::net::{Tensor, npy};
use lorgnette::picture::PictureFormat;
use lorgnette::{Classifier, Embedder, MapPadding, Model, Picture, Segmenter};
use serde::Serialize;

use super::faces::Faces;
use super::query::Query;
use super::{Format, ModelVerb, StopWithTurn, Verb, served};
use crate::app::{App, response};
use crate::failure::{Failure, Outcome};
use crate::metrics::ModelMetrics;
use crate::scheduler::Turn;
use crate::served::{Limits, Served};

/// A request for each photo, checked against its model.
pub(super) struct Task {
    format: Format,
    subject: Subject,
    faces: Arc<Faces>,
}

/// The model or detector that answers.
enum Subject {
    Model { served: Arc<Served>, kind: Kind },
    Faces(FaceOptions),
}

/// The question to a model.
enum Kind {
    /// The best classes; or, as a picture, the network's input.
    Classify {
        top: usize,
        is_input: bool,
    },
    Embed {
        end_point: Option<String>,
    },
    Map {
        segmentation: SegmentationOptions,
        min_cells: Option<usize>,
        min_probability: f32,
        overlay: bool,
    },
    Blur {
        segmentation: SegmentationOptions,
        classes: Vec<String>,
        faces: bool,
        options: BlurOptions,
    },
}

/// A written answer.
pub(super) struct Answer {
    pub(super) content_type: &'static str,
    pub(super) body: Vec<u8>,
}

/// Parameters of every verb.
const COMMON: [&str; 2] = ["name", "format"];
/// Parameters that name a model.
const MODELS: [&str; 3] = ["model", "version", "label"];
/// Parameters of searches for faces.
const FACES: [&str; 3] = ["min_probability", "pyramid", "enlarge"];
/// Parameters of maps.
const MAPS: [&str; 4] = ["padding", "output_stride", "scale", "min_probability"];
/// Maximum of `scale`.
const MAX_SCALE: f64 = 4.0;
/// Maximum number of scales.
const MAX_SCALES: usize = 4;
/// Quality of JPEGs of drawings.
const JPEG_QUALITY: u8 = 90;

impl ModelVerb {
    fn makes_maps(self) -> bool {
        matches!(self, Self::Map | Self::Blur)
    }

    /// The parameters that no other verb has.
    fn parameters(self) -> &'static [&'static str] {
        match self {
            Self::Classify => &["top", "input"],
            Self::Embed => &["end_point"],
            Self::Map => &["min_cells", "overlay"],
            Self::Blur => &["class", "faces", "how", "colour", "margin", "feather", "block"],
        }
    }
}

impl Kind {
    fn new(verb: ModelVerb, format: Format, query: &Query, model: &Model) -> Outcome<Self> {
        Ok(match verb {
            ModelVerb::Classify => {
                Classifier::new(model.clone())?;
                let top = query.number("top", "a number of classes, at least 1", |n| *n > 0)?;
                let is_input = query.is_on("input");
                if is_input && !matches!(format, Format::Png | Format::Jpeg) {
                    let message = "the network's input is a picture: ask for format=png";
                    return Err(Failure::invalid(message));
                }
                Self::Classify { top: top.unwrap_or(5), is_input }
            }
            ModelVerb::Embed => {
                let end_point = query.get("end_point").map(str::to_owned);
                Embedder::new(model.clone(), end_point.as_deref())?;
                if matches!(format, Format::Png | Format::Jpeg) {
                    return Err(Failure::invalid("features are no picture: ask for JSON or .npy"));
                }
                Self::Embed { end_point }
            }
            ModelVerb::Map => Self::Map {
                segmentation: segmentation(query)?,
                min_cells: query.number("min_cells", "a number", |_| true)?,
                min_probability: share(query)?,
                overlay: query.is_on("overlay"),
            },
            ModelVerb::Blur => {
                let names = query.all("class").map(str::to_owned);
                let (faces, classes): (Vec<_>, Vec<_>) =
                    names.partition(|name| Blurrer::means_faces(model, name));
                let faces = query.is_on("faces") || !faces.is_empty();
                if classes.is_empty() && !faces {
                    let message = "blur what? Name classes with ?class=NAME, or ?faces=true";
                    return Err(Failure::invalid(message));
                }
                if format == Format::Npy {
                    return Err(Failure::invalid("a blurred photo is no tensor"));
                }
                let (segmentation, options) = (segmentation(query)?, blurring(query)?);
                // Finds the names.
                Blurrer::new(model.clone(), &classes, segmentation.clone(), options.clone())?;
                Self::Blur { segmentation, classes, faces, options }
            }
        })
    }
}

impl Task {
    /// Reads the parameters of a request.
    ///
    /// # Errors
    /// If one is unknown or wrong, or the model cannot do what is asked.
    pub(super) fn new(verb: Verb, format: Format, query: &Query, app: &App) -> Outcome<Self> {
        let subject = match verb {
            Verb::Faces => {
                query.check(&[&COMMON[..], &FACES].concat())?;
                Subject::Faces(searching(query, format)?)
            }
            Verb::Model(verb) => {
                let maps: &[&str] = if verb.makes_maps() { &MAPS } else { &[] };
                query.check(&[&COMMON[..], &MODELS, maps, verb.parameters()].concat())?;
                let served = served(app, query)?;
                let kind = Kind::new(verb, format, query, served.facts())?;
                Subject::Model { served, kind }
            }
        };
        Ok(Self { format, subject, faces: app.faces.clone() })
    }

    /// The limits of a request.
    pub(super) fn limits(&self) -> &Limits {
        match &self.subject {
            Subject::Model { served, .. } => served.limits(),
            Subject::Faces(_) => &self.faces.limits,
        }
    }

    /// The counters of what answers.
    pub(super) fn metrics(&self) -> Arc<ModelMetrics> {
        match &self.subject {
            Subject::Model { served, .. } => served.metrics.clone(),
            Subject::Faces(_) => self.faces.metrics(),
        }
    }

    /// Computes and writes the answer about a photo.
    ///
    /// # Errors
    /// Those of the library.
    pub(super) fn answer(&self, turn: &Turn, picture: &Picture, file: &[u8]) -> Outcome<Answer> {
        let (served, kind) = match &self.subject {
            Subject::Model { served, kind } => (served, kind),
            Subject::Faces(options) => return self.find_faces(options, turn, picture),
        };
        let model = served.model(turn).clone();
        match kind {
            Kind::Classify { is_input: true, .. } => self.picture(&model.input_image(picture)),
            Kind::Classify { top, .. } => self.classify(model, served, picture, *top),
            Kind::Embed { end_point } => self.embed(model, served, picture, end_point.as_deref()),
            Kind::Map { segmentation, min_cells, min_probability, overlay } => {
                let segmenter = Segmenter::new(model, segmentation.clone())?;
                let map = segmenter.segment_observed(picture, &mut StopWithTurn(turn))?;
                let mut options: RegionOptions = segmenter.region_options();
                options.min_cells = min_cells.unwrap_or(options.min_cells);
                options.min_probability = *min_probability;
                let labels = segmenter.model().labels();
                match self.format {
                    Format::Json => {
                        let regions = map.regions(&options);
                        let mut answer =
                            MapAnswer::new(picture.name(), segmenter.model(), &map, &regions);
                        answer.model.clone_from(&served.name);
                        json(&answer)
                    }
                    Format::Npy => {
                        let scores = map.scores().ok_or_else(|| {
                            Failure::invalid("this map is too large to answer all its scores")
                        })?;
                        let shape = [map.rows(), map.columns(), map.classes()];
                        Ok(tensor(&shape, scores.to_vec()))
                    }
                    Format::Png | Format::Jpeg => {
                        let painted = Overlay::new(picture, &map, labels);
                        let painted = match overlay {
                            true => painted.picture(),
                            false => painted.drawing([picture.name(), &served.name]).picture(1.0),
                        };
                        self.picture(&painted)
                    }
                }
            }
            Kind::Blur { segmentation, classes, faces, options } => {
                let mut blurrer =
                    Blurrer::new(model, classes, segmentation.clone(), options.clone())?;
                if *faces {
                    blurrer = blurrer.with_faces(&self.faces.detector(turn)?);
                }
                let mask = blurrer.mask_observed(picture, &mut StopWithTurn(turn))?;
                let format = match self.format {
                    Format::Json | Format::Npy => {
                        let model = blurrer.segmenter().model();
                        let mut answer = BlurAnswer::new(picture, model, &mask, None);
                        answer.model.clone_from(&served.name);
                        return json(&answer);
                    }
                    Format::Png => PictureFormat::Png,
                    Format::Jpeg => PictureFormat::Jpeg,
                };
                // As `lorgnette blur`: the copy holds one picture.
                let body = mask.apply_to_file(picture, file, format, true)?;
                Ok(Answer { content_type: picture_type(self.format), body })
            }
        }
    }

    fn find_faces(&self, options: &FaceOptions, turn: &Turn, picture: &Picture) -> Outcome<Answer> {
        let detector = self.faces.detector(turn)?.with_options(options.clone());
        let faces = detector.detect_observed(picture, &mut StopWithTurn(turn))?;
        match self.format {
            Format::Json | Format::Npy => json(&FacesAnswer::new(picture, &detector, faces)),
            Format::Png | Format::Jpeg => self.picture(&draw::faces(picture, &faces).picture(1.0)),
        }
    }

    fn classify(
        &self,
        model: Model,
        served: &Served,
        picture: &Picture,
        top: usize,
    ) -> Outcome<Answer> {
        let classifier = Classifier::new(model)?;
        if self.format == Format::Npy {
            let probabilities = classifier.outputs(picture)?.probabilities;
            return Ok(tensor(&[probabilities.len()], probabilities));
        }
        let mut answer: ClassifyAnswer = classifier.answer(picture, top)?;
        if self.format == Format::Json {
            answer.model.clone_from(&served.name);
            return json(&answer);
        }
        let names: Vec<(&str, f32)> = answer
            .predictions
            .iter()
            .map(|prediction| (prediction.name.as_str(), prediction.probability))
            .collect();
        self.picture(&draw::annotate(picture, &names, Placement::Automatic))
    }

    fn embed(
        &self,
        model: Model,
        served: &Served,
        picture: &Picture,
        end_point: Option<&str>,
    ) -> Outcome<Answer> {
        let embedder = Embedder::new(model, end_point)?;
        let mut answer: EmbedAnswer = embedder.answer(picture)?;
        if self.format == Format::Npy {
            return Ok(tensor(&[answer.embedding.len()], answer.embedding));
        }
        answer.model.clone_from(&served.name);
        json(&answer)
    }

    fn picture(&self, picture: &Picture) -> Outcome<Answer> {
        let body = match self.format {
            Format::Jpeg => picture.to_jpeg(JPEG_QUALITY)?,
            _ => picture.to_png()?,
        };
        Ok(Answer { content_type: picture_type(self.format), body })
    }
}

impl Answer {
    pub(super) fn into_response(self) -> Response {
        let mut response = response(200, self.content_type, self.body);
        // Photos are nobody's but the client's.
        response.headers_mut().insert("cache-control", HeaderValue::from_static("no-store"));
        response
    }
}

fn picture_type(format: Format) -> &'static str {
    if format == Format::Jpeg { "image/jpeg" } else { "image/png" }
}

fn json(answer: &impl Serialize) -> Outcome<Answer> {
    let body = serde_json::to_vec(answer)
        .map_err(|error| Failure::new(crate::failure::Code::Internal, error.to_string()))?;
    Ok(Answer { content_type: "application/json", body })
}

fn tensor(shape: &[usize], values: Vec<f32>) -> Answer {
    let body = npy::write(&Tensor::from_f32(shape, values));
    Answer { content_type: "application/x-npy", body }
}

fn segmentation(query: &Query) -> Outcome<SegmentationOptions> {
    let mut options = SegmentationOptions::default();
    match query.get("padding") {
        None | Some("same") => {}
        Some("valid") => options.padding = MapPadding::Valid,
        Some(other) => {
            return Err(Failure::invalid(format!("padding={other}: give same or valid")));
        }
    }
    options.output_stride =
        query.number("output_stride", "8, 16 or 32", |stride| [8, 16, 32].contains(stride))?;
    if let Some(text) = query.get("scale") {
        let scales: Option<Vec<f64>> = text.split(',').map(|scale| scale.parse().ok()).collect();
        let is_right = |scale: &f64| *scale > 0.0 && *scale <= MAX_SCALE;
        let scales = scales.filter(|all| all.len() <= MAX_SCALES && all.iter().all(is_right));
        options.scales = scales.ok_or_else(|| {
            Failure::invalid(format!(
                "scale={text}: give up to {MAX_SCALES} factors above 0, up to {MAX_SCALE}"
            ))
        })?;
    }
    Ok(options)
}

/// The options of a search for faces.
fn searching(query: &Query, format: Format) -> Outcome<FaceOptions> {
    if format == Format::Npy {
        return Err(Failure::invalid("faces are no tensor: ask for JSON, or a picture"));
    }
    let options = FaceOptions::default();
    Ok(FaceOptions {
        min_probability: probability(query)?.unwrap_or(options.min_probability),
        pyramid: query.get("pyramid").map_or(options.pyramid, |value| value != "false"),
        enlarge: query.is_on("enlarge"),
        ..options
    })
}

fn share(query: &Query) -> Outcome<f32> {
    Ok(probability(query)?.unwrap_or(0.0))
}

fn probability(query: &Query) -> Outcome<Option<f32>> {
    let fits = |share: &f32| (0.0..=1.0).contains(share);
    query.number("min_probability", "a number from 0 to 1", fits)
}

fn blurring(query: &Query) -> Outcome<BlurOptions> {
    const MAX_PIXELS: usize = 10_000;
    let mut mode = match query.get("how") {
        None => BlurMode::Mosaic,
        Some(how) => how.parse().map_err(|error| Failure::invalid(format!("how: {error}")))?,
    };
    if let (Some(text), BlurMode::Fill(_)) = (query.get("colour"), mode) {
        let text = text.trim_start_matches('#');
        let is_colour = text.len() == 6 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let colour = is_colour.then(|| u32::from_str_radix(text, 16).ok()).flatten();
        let colour =
            colour.ok_or_else(|| Failure::invalid("colour: give RRGGBB in hexadecimal"))?;
        let [_, red, green, blue] = colour.to_be_bytes();
        mode = BlurMode::Fill([red, green, blue]);
    }
    let pixels = |name: &str| query.number(name, "a number of pixels", |n| *n <= MAX_PIXELS);
    Ok(BlurOptions {
        mode,
        min_probability: share(query)?,
        margin: pixels("margin")?,
        feather: pixels("feather")?,
        block: query.number("block", "a number of pixels", |n| (1..=MAX_PIXELS).contains(n))?,
    })
}
