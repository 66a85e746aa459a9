//! Answers about photos as `Serialize` types: the JSON that the program prints, one object a photo.
//!
//! ```
//! use lorgnette::{Classifier, Model, ModelOptions, Picture};
//!
//! # fn main() -> Result<(), lorgnette::Error> {
//! let classifier = Classifier::new(Model::embedded(&ModelOptions::default())?)?;
//! let answer = classifier.answer(&Picture::open("../../photos/chelsea.jpg")?, 1)?;
//! let json = serde_json::to_string(&answer).unwrap();
//! assert!(json.starts_with(r#"{"photo":"../../photos/chelsea.jpg","width":451,"height":300,"#));
//! # Ok(())
//! # }
//! ```
//!
//! Field names and their order are a contract: fields are added, not renamed. A box is left, top,
//! right, bottom in pixels of the photo; right and bottom are exclusive. Shares and probabilities
//! are from 0 to 1. A photo that cannot be answered about is a [`FailedPhoto`].

use std::error::Error;
use std::path::Path;

use serde::{Serialize, Serializer};

use crate::blur::{Area, FACE, Mask};
use crate::classify::{Classification, Prediction};
use crate::dense::{Axis, LegendEntry, Region, SegmentationMap};
use crate::error::error_chain;
use crate::faces::{Face, FaceDetector};
use crate::labels::Labels;
use crate::model::Model;
use crate::photos::{path_bytes, path_text};
use crate::picture::Picture;

/// The name of cells and pixels where no class is probable enough.
pub const UNKNOWN: &str = "unknown";

/// The most probable classes of a photo.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ClassifyAnswer {
    /// The photo's name.
    pub photo: String,
    /// Width of the photo in its file, upright.
    pub width: usize,
    /// Height of the photo in its file, upright.
    pub height: usize,
    /// The model's name.
    pub model: String,
    /// True if the photo counts as none of the known classes; `None` for models without a
    /// rejection threshold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unknown: Option<bool>,
    /// The most probable classes, best first.
    pub predictions: Vec<Prediction>,
}

/// The features of a photo.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct EmbedAnswer {
    /// The photo's name.
    pub photo: String,
    /// Width of the photo in its file, upright.
    pub width: usize,
    /// Height of the photo in its file, upright.
    pub height: usize,
    /// The model's name.
    pub model: String,
    /// The node that gives the features.
    pub end_point: String,
    /// The features, one for each channel of the node.
    pub embedding: Vec<f32>,
}

/// The faces in a photo.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct FacesAnswer {
    /// The photo's name.
    pub photo: String,
    /// Width of the photo in pixels.
    pub width: usize,
    /// Height of the photo in pixels.
    pub height: usize,
    /// The name of the face model.
    pub model: String,
    /// The scales at which the photo was searched, its own first.
    pub scales: Vec<f32>,
    /// The faces, the most probable first.
    pub faces: Vec<Face>,
}

/// The segmentation map of a photo. Pairs are vertical, horizontal.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct MapAnswer {
    /// The photo's name.
    pub photo: String,
    /// Width of the photo in pixels.
    pub width: usize,
    /// Height of the photo in pixels.
    pub height: usize,
    /// The model's name.
    pub model: String,
    /// Number of rows of cells.
    pub rows: usize,
    /// Number of columns of cells.
    pub columns: usize,
    /// Pixels from one cell to the next.
    #[serde(serialize_with = "integer_if_whole")]
    pub stride: f64,
    /// Centre of the first cell.
    pub first: [f64; 2],
    /// Size of a cell's receptive field.
    pub field: [f64; 2],
    /// The best class of each cell, row by row; `None` where no class is probable enough.
    pub cells: Vec<Vec<Option<usize>>>,
    /// The classes of the cells, largest area first.
    pub legend: Vec<LegendAnswer>,
    /// Connected cells of one class, largest first.
    pub regions: Vec<RegionAnswer>,
    /// The scales at which the photo was looked at.
    pub scales: Vec<f64>,
    /// Probability of the best class below which a cell is unknown.
    pub unknown_below: f32,
}

/// The area of one class in a map.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct LegendAnswer {
    /// The network's output index; `None` for the cells that are unknown.
    pub index: Option<usize>,
    /// The class's WordNet synset, where the label set has them.
    pub synset: Option<String>,
    /// The class's name.
    pub name: String,
    /// Number of cells where it is the best class.
    pub cells: usize,
    /// Share of all cells.
    pub share: f32,
    /// Mean probability over these cells.
    pub mean_probability: f32,
}

/// Connected cells of one class.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RegionAnswer {
    /// The network's output index.
    pub index: usize,
    /// The class's WordNet synset, where the label set has them.
    pub synset: Option<String>,
    /// The class's name.
    pub name: String,
    /// The box around it.
    #[serde(rename = "box")]
    pub bounds: [usize; 4],
    /// Position of its centre by thirds of the photo, such as "top left".
    pub place: &'static str,
    /// Number of cells.
    pub cells: usize,
    /// Share of the photo.
    pub share: f32,
    /// Mean probability over its cells.
    pub probability: f32,
    /// Highest probability of a cell.
    pub peak_probability: f32,
}

/// The blurred areas of a photo.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct BlurAnswer {
    /// The photo's name.
    pub photo: String,
    /// Width of the photo in pixels.
    pub width: usize,
    /// Height of the photo in pixels.
    pub height: usize,
    /// The model's name.
    pub model: String,
    /// The file of the blurred photo; `None` if none was written.
    pub out: Option<String>,
    /// The bytes of its path as hexadecimal digits, where they are no text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub out_bytes: Option<String>,
    /// Share of the photo's pixels that change.
    pub share: f32,
    /// The areas, largest first, without their margins.
    pub blurred: Vec<AreaAnswer>,
    /// The scales at which classes were looked for; none where only faces were.
    pub scales: Vec<f64>,
    /// The scales at which faces were looked for; none where only classes were.
    pub face_scales: Vec<f32>,
    /// Sentences about what was looked at less than it should be.
    pub warnings: Vec<String>,
}

/// A blurred area.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct AreaAnswer {
    /// The selected class of most of its pixels: the network's output index. `None` for a face.
    pub index: Option<usize>,
    /// The class's WordNet synset, where the label set has them.
    pub synset: Option<String>,
    /// The class's name.
    pub name: String,
    /// The box around it.
    #[serde(rename = "box")]
    pub bounds: [usize; 4],
    /// Share of the photo.
    pub share: f32,
    /// Mean probability of the selected classes over its pixels.
    pub probability: f32,
    /// Highest probability of the selected classes.
    pub peak_probability: f32,
}

/// A photo that could not be answered about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct FailedPhoto {
    /// The photo's name.
    pub photo: String,
    /// The error and its causes.
    pub error: String,
}

impl ClassifyAnswer {
    /// Creates the answer about `picture` from its classification by `model`.
    #[must_use]
    pub fn new(picture: &Picture, model: &Model, classification: Classification) -> Self {
        let (width, height) = picture.source_size();
        let Classification { predictions, is_rejected } = classification;
        Self {
            photo: picture.name().to_owned(),
            width,
            height,
            model: model.name().to_owned(),
            unknown: model.rejection_threshold().map(|_| is_rejected),
            predictions,
        }
    }
}

impl EmbedAnswer {
    /// Creates the answer about `picture` from its features at the node `end_point` of `model`.
    #[must_use]
    pub fn new(picture: &Picture, model: &Model, end_point: &str, embedding: Vec<f32>) -> Self {
        let (width, height) = picture.source_size();
        Self {
            photo: picture.name().to_owned(),
            width,
            height,
            model: model.name().to_owned(),
            end_point: end_point.to_owned(),
            embedding,
        }
    }
}

impl FacesAnswer {
    /// Creates the answer about `picture` from the faces that `detector` found.
    #[must_use]
    pub fn new(picture: &Picture, detector: &FaceDetector, faces: Vec<Face>) -> Self {
        let (width, height) = (picture.width(), picture.height());
        Self {
            photo: picture.name().to_owned(),
            width,
            height,
            model: detector.name().to_owned(),
            scales: detector.scales(width, height),
            faces,
        }
    }
}

impl MapAnswer {
    /// Creates the answer about the photo `photo` from its map by `model` and the map's regions.
    #[must_use]
    pub fn new(photo: &str, model: &Model, map: &SegmentationMap, regions: &[Region]) -> Self {
        let labels = model.labels();
        let known = |class: usize| (class != map.unknown_class()).then_some(class);
        let cells: Vec<Option<usize>> = map.labels().into_iter().map(known).collect();
        let (rows, columns) = (map.row_axis(), map.column_axis());
        let pair = |value: fn(&Axis) -> f64| [value(rows), value(columns)];
        Self {
            photo: photo.to_owned(),
            width: map.width(),
            height: map.height(),
            model: model.name().to_owned(),
            rows: map.rows(),
            columns: map.columns(),
            stride: rows.stride,
            first: pair(|axis| axis.first),
            field: pair(|axis| axis.field),
            cells: cells.chunks(map.columns()).map(<[_]>::to_vec).collect(),
            legend: map
                .legend()
                .iter()
                .map(|entry| LegendAnswer::new(entry, known(entry.class), labels))
                .collect(),
            regions: regions.iter().map(|region| RegionAnswer::new(region, map, labels)).collect(),
            scales: map.scales().to_vec(),
            unknown_below: map.unknown_below(),
        }
    }
}

impl LegendAnswer {
    fn new(entry: &LegendEntry, index: Option<usize>, labels: &Labels) -> Self {
        let (synset, name) =
            index.map_or((None, UNKNOWN.to_owned()), |class| class_name(labels, class));
        Self {
            index,
            synset,
            name,
            cells: entry.cells,
            share: entry.share,
            mean_probability: entry.mean_probability,
        }
    }
}

impl RegionAnswer {
    fn new(region: &Region, map: &SegmentationMap, labels: &Labels) -> Self {
        let (synset, name) = class_name(labels, region.class);
        Self {
            index: region.class,
            synset,
            name,
            bounds: region.bounds,
            place: region.location(map.width(), map.height()),
            cells: region.cells,
            share: region.share,
            probability: region.mean_probability,
            peak_probability: region.peak_probability,
        }
    }
}

impl BlurAnswer {
    /// Creates the answer about `picture`, whose classes by `model` the mask covers. `out` is the
    /// file of the blurred photo, if it is written.
    #[must_use]
    pub fn new(picture: &Picture, model: &Model, mask: &Mask, out: Option<&Path>) -> Self {
        let area = |area: &Area| AreaAnswer::new(area, model.labels());
        Self {
            photo: picture.name().to_owned(),
            width: picture.width(),
            height: picture.height(),
            model: model.name().to_owned(),
            out: out.map(path_text),
            out_bytes: out.and_then(path_bytes),
            share: mask.share(),
            blurred: mask.areas().iter().map(area).collect(),
            scales: mask.search().scales.clone(),
            face_scales: mask.search().face_scales.clone(),
            warnings: mask.search().warnings.clone(),
        }
    }
}

impl AreaAnswer {
    fn new(area: &Area, labels: &Labels) -> Self {
        let (synset, name) = match area.class {
            Some(class) => class_name(labels, class),
            None => (None, FACE.to_owned()),
        };
        Self {
            index: area.class,
            synset,
            name,
            bounds: area.bounds,
            share: area.share,
            probability: area.mean_probability,
            peak_probability: area.peak_probability,
        }
    }
}

impl FailedPhoto {
    /// Creates the answer about the photo `photo` from the error.
    #[must_use]
    pub fn new(photo: &str, error: &dyn Error) -> Self {
        Self { photo: photo.to_owned(), error: error_chain(error) }
    }
}

/// Returns a class's synset and name; an empty name for a class without a label.
fn class_name(labels: &Labels, class: usize) -> (Option<String>, String) {
    labels.get(class).map_or((None, String::new()), |label| {
        (label.synset.map(str::to_owned), label.name.to_owned())
    })
}

/// Serializes a number without a fraction if it is an integer: 32, not 32.0.
fn integer_if_whole<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    if value.fract() == 0.0 {
        serializer.serialize_u64(*value as u64)
    } else {
        serializer.serialize_f64(*value)
    }
}
