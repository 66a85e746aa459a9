//! `model.json`: the card of a trained model.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{Result, format_error};
use crate::head::{Calibration, TrainOptions};
use crate::preprocess::{ChannelOrder, Preprocessing};

/// Format name in the file.
pub const FORMAT: &str = "lorgnette-model";
/// Version of the format. It changes when older programs cannot read the file.
pub const VERSION: u32 = 1;

/// Maximum bytes of a card, which has the names of all classes.
pub(super) const MAX_BYTES: u64 = 64 << 20;

/// Card of a trained model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Card {
    /// [`FORMAT`].
    pub format: String,
    /// [`VERSION`].
    pub version: u32,
    /// The version of Lorgnette that wrote it.
    pub lorgnette: String,
    /// Its name.
    pub name: String,
    /// The names of its classes, in the order of its outputs.
    pub classes: Vec<String>,
    /// Units of its hidden layer, if it has one.
    pub hidden: Option<usize>,
    /// Base network.
    pub base: BaseCard,
    /// Input and preprocessing.
    pub shape: InputSpec,
    /// Calibration.
    pub calibration: Option<Calibration>,
    /// Training.
    pub training: TrainingCard,
    /// Training data.
    pub data: DataCard,
    /// Metrics by name: `test_accuracy`, `validation_loss`, …
    pub metrics: BTreeMap<String, f64>,
}

/// Base network of a head.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BaseCard {
    /// Its name.
    pub name: String,
    /// `embedded`, `published` or `file`.
    pub kind: String,
    /// Absolute path of its file.
    pub path: Option<String>,
    /// Path relative to the model's folder, for folders that move together.
    #[serde(rename = "relative")]
    pub relative_path: Option<String>,
    /// The size of that file.
    pub bytes: Option<u64>,
    /// When that file was changed, in nanoseconds since 1970.
    pub modified: Option<u64>,
    /// The network of the zoo it was opened as, if that was said.
    pub net: Option<String>,
    /// How that was built, in TF-Slim's words.
    pub net_options: Vec<String>,
    /// The checkpoint that was named.
    pub checkpoint: Option<String>,
    /// Whether moving averages of weights were left out.
    #[serde(rename = "no_averages")]
    pub no_ema: bool,
    /// The node that takes the picture, if that was said.
    pub input: Option<String>,
    /// The node that gave the answer, if that was said.
    pub output: Option<String>,
    /// The end point that the head reads.
    pub features: String,
    /// How many features it has.
    pub width: usize,
    /// SHA-256 of the operations and weights that the features depend on.
    pub fingerprint: String,
}

/// Input and preprocessing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InputSpec {
    /// The style, by the name `--preprocess` takes.
    pub preprocess: String,
    /// Rows of the input.
    pub height: usize,
    /// Columns of the input.
    pub width: usize,
    /// Its channels.
    pub channels: usize,
    /// Their order, if it is not red, green, blue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel_order: Option<String>,
    /// Mean that was given in place of the preprocessing's.
    pub mean: Option<[f32; 3]>,
    /// Factor that was given in place of the preprocessing's.
    pub scale: Option<f32>,
}

impl InputSpec {
    /// The order of its channels; an error's words if there is no such order.
    pub(super) fn order(&self) -> Result<ChannelOrder, String> {
        let order = self.channel_order.as_deref().map_or(Ok(ChannelOrder::Rgb), str::parse);
        order.map_err(|error| error.to_string())
    }

    /// The style; an error's words if there is none of that name.
    pub(super) fn preprocessing(&self) -> Result<Preprocessing, String> {
        self.preprocess
            .parse()
            .map_err(|error: crate::preprocess::UnknownPreprocessing| error.to_string())
    }
}

/// Training of a head.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainingCard {
    /// The settings.
    pub options: TrainOptions,
    /// The L2 penalty it was trained with.
    pub penalty: Option<f64>,
    /// Epochs it took.
    pub epochs: usize,
    /// Epoch of the weights.
    pub best_epoch: usize,
    /// Distorted copies of each training photo.
    pub copies: usize,
    /// Augmentation options; empty for none.
    pub distortions: String,
    /// Whether it was cancelled.
    pub interrupted: bool,
}

/// Training data of a head.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DataCard {
    /// Photos of each split.
    pub photos: SplitCounts,
    /// Photos of each class, in the classes' order.
    pub per_class: Vec<usize>,
    /// Photos that were left out.
    pub left_out: usize,
    /// Key of the splits: `content`, `retrain`, or as folders or a list said.
    pub split: String,
    /// The share of validation photos asked for, in per cent.
    pub validation_percentage: f64,
    /// The share of test photos asked for, in per cent.
    pub test_percentage: f64,
    /// Seed of the splits.
    pub split_seed: u64,
    /// SHA-256 of the list of photos' digests, classes and splits, in order of digest.
    pub digest: String,
}

/// Photos of each split.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitCounts {
    /// Weights were fitted to these.
    pub training: usize,
    /// Settings were chosen by these.
    pub validation: usize,
    /// The test accuracy is of these.
    pub test: usize,
}

impl Card {
    /// Reads the content of the file `path`, which only messages use. Returns also the checksums of
    /// other files by name, which cards of earlier programs do not have.
    pub(super) fn from_bytes(
        bytes: &[u8],
        path: &Path,
    ) -> Result<(Self, BTreeMap<String, String>)> {
        #[derive(Deserialize)]
        struct Start {
            format: String,
            version: u32,
            #[serde(default)]
            checksums: BTreeMap<String, String>,
        }
        let start: Start = serde_json::from_slice(bytes).map_err(|_| {
            let what = "it is not the description of a model that `train` made, or a damaged one: \
                        name the file that is meant, or train the model again";
            format_error(path, what)
        })?;
        if start.format != FORMAT {
            return Err(format_error(
                path,
                format!("its format is '{}', not '{FORMAT}'", start.format),
            ));
        }
        if start.version > VERSION {
            let version = start.version;
            return Err(format_error(
                path,
                format!(
                    "it is of version {version}; this program knows up to {VERSION}: update it"
                ),
            ));
        }
        let card = serde_json::from_slice(bytes);
        let card = card.map_err(|_| {
            let what = "a damaged description of a trained model: get another copy of its folder, \
                        or train it again";
            format_error(path, what)
        })?;
        Ok((card, start.checksums))
    }

    /// Returns the file's content, with the checksums of other files.
    pub(super) fn to_json(&self, checksums: &BTreeMap<String, String>) -> Vec<u8> {
        #[derive(Serialize)]
        struct WithChecksums<'a> {
            #[serde(flatten)]
            card: &'a Card,
            checksums: &'a BTreeMap<String, String>,
        }
        let file = WithChecksums { card: self, checksums };
        let mut json = serde_json::to_vec_pretty(&file).expect("names and numbers can be written");
        json.push(b'\n');
        json
    }
}
