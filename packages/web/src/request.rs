//! The requests, as JSON. Options have the names and defaults of the program's.

use lorgnette::MapPadding;
use lorgnette::blur::{BlurMode, BlurOptions};
use lorgnette::dense::{RegionOptions, SegmentationOptions, Segmenter};
use serde::{Deserialize, Deserializer};

/// A request. Its files follow it in the order of its description.
#[derive(Debug, Deserialize)]
#[serde(tag = "verb", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Opens a model: a frozen graph, an ONNX model or a TensorFlow Lite file.
    OpenModel(OpenModel),
    /// Opens a trained model on the open model that it was trained on; a file for each name.
    OpenTrained {
        /// The folder's name, for messages.
        name: String,
        /// The open model.
        base: u32,
        /// The names of the files.
        files: Vec<String>,
    },
    /// Opens the face detector: a CenterFace.
    OpenFaces {
        /// The file's name.
        name: String,
    },
    /// Closes a model.
    Close {
        /// The model.
        model: u32,
    },
    /// Lists the names of a model's classes.
    Classes {
        /// The model.
        model: u32,
    },
    /// Names the most probable classes of a photo.
    Classify {
        /// The model.
        model: u32,
        /// The photo's name.
        photo: String,
        /// Number of classes.
        top: usize,
    },
    /// Computes the features of a photo.
    Embed {
        /// The model.
        model: u32,
        /// The photo's name.
        photo: String,
        /// The node of the features; default: the input of the classification layer.
        #[serde(default)]
        end_point: Option<String>,
    },
    /// Runs a network on a tensor, little-endian float32, and gives another.
    Run(Run),
    /// Computes the map of a photo.
    Map(Map),
    /// Finds the faces in a photo.
    Faces {
        /// The photo's name.
        photo: String,
        /// Minimum probability of a face; default: more probable than not.
        #[serde(default)]
        min_probability: Option<f32>,
    },
    /// Blurs classes or faces in a photo, and gives the blurred photo, a JPEG, or a PNG of a PNG.
    Blur(Blur),
}

/// A model to open.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenModel {
    /// The file's name.
    pub name: String,
    /// Rows and columns of the input.
    #[serde(default)]
    pub size: Option<[usize; 2]>,
    /// The name of the preprocessing.
    #[serde(default)]
    pub preprocess: Option<String>,
    /// The input node.
    #[serde(default)]
    pub input: Option<String>,
    /// The output node.
    #[serde(default)]
    pub output: Option<String>,
}

/// A tensor to feed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// The model.
    pub model: u32,
    /// The tensor's shape; default: one photo of the model's input.
    #[serde(default)]
    pub shape: Option<Vec<usize>>,
    /// The node that is fed; default: the model's input.
    #[serde(default)]
    pub feed: Option<String>,
    /// The node that is fetched; default: the probabilities, or the scores where there are none.
    #[serde(default)]
    pub fetch: Option<String>,
}

/// A photo to map.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Map {
    /// The model.
    pub model: u32,
    /// The photo's name.
    pub photo: String,
    /// How it is mapped.
    #[serde(default)]
    pub map: MapSettings,
    /// Minimum cells of a region.
    #[serde(default)]
    pub min_cells: Option<usize>,
    /// Minimum mean probability of a region.
    #[serde(default)]
    pub min_probability: f32,
    /// True if the photo under the map's colours is asked for, a PNG.
    #[serde(default)]
    pub overlay: bool,
}

/// A photo to blur.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Blur {
    /// The model.
    pub model: u32,
    /// The photo's name.
    pub photo: String,
    /// The names of the classes.
    #[serde(default)]
    pub classes: Vec<String>,
    /// True if faces are blurred.
    #[serde(default)]
    pub faces: bool,
    /// How the photo is mapped.
    #[serde(default)]
    pub map: MapSettings,
    /// How it is blurred.
    #[serde(default)]
    pub blur: BlurSettings,
}

/// Options of a map.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MapSettings {
    /// True if cells across the photo's border are left out.
    pub valid: bool,
    /// Maximum pixels from cell to cell.
    pub output_stride: Option<usize>,
    /// Scale factors of the photo; none for a pyramid.
    pub scales: Vec<f64>,
    /// Maximum side of a tile.
    pub tile: Option<usize>,
    /// Probability, from 0 to 1, below which a cell is of no class; by default that of the library.
    pub unknown_below: Option<f32>,
}

impl MapSettings {
    /// The library's options.
    pub(crate) fn options(&self) -> SegmentationOptions {
        let padding = if self.valid { MapPadding::Valid } else { MapPadding::Same };
        let Self { output_stride, ref scales, tile, unknown_below, .. } = *self;
        let scales = scales.clone();
        SegmentationOptions { padding, output_stride, scales, tile, unknown_below, refine: None }
    }
}

/// Options of a blur.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BlurSettings {
    /// How pixels are made unrecognisable; default: a mosaic.
    #[serde(deserialize_with = "blur_mode")]
    pub how: Option<BlurMode>,
    /// The colour of a fill.
    pub colour: Option<[u8; 3]>,
    /// Minimum probability.
    pub min_probability: f32,
    /// Pixels beyond what was found.
    pub margin: Option<usize>,
    /// Pixels over which it fades beyond that.
    pub feather: Option<usize>,
    /// Side of a mosaic's squares.
    pub block: Option<usize>,
}

impl BlurSettings {
    /// The library's options.
    pub(crate) fn options(&self) -> BlurOptions {
        let Self { how, colour, min_probability, margin, feather, block } = *self;
        let mode = match (how, colour) {
            (Some(BlurMode::Fill(_)), Some(colour)) => BlurMode::Fill(colour),
            (Some(mode), _) => mode,
            (None, _) => BlurMode::Mosaic,
        };
        BlurOptions { mode, min_probability, margin, feather, block }
    }
}

fn blur_mode<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<BlurMode>, D::Error> {
    let name = Option::<String>::deserialize(deserializer)?;
    name.map(|name| name.parse().map_err(serde::de::Error::custom)).transpose()
}

impl Map {
    /// The regions that it asks for.
    pub(crate) fn region_options(&self, segmenter: &Segmenter) -> RegionOptions {
        let options = segmenter.region_options();
        let min_cells = self.min_cells.unwrap_or(options.min_cells);
        RegionOptions { min_cells, min_probability: self.min_probability, ..options }
    }
}
