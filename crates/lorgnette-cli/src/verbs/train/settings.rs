//! Options of a training.

use anyhow::{Context as _, Result};
use clap::{Args, ValueEnum};
use lorgnette::dataset::{Grouping, PathPattern, SplitBy, SplitOptions};
use lorgnette::features::AugmentationOptions;
use lorgnette::head::{ClassWeights, OutputKind, Recipe, TrainOptions};
use lorgnette::train::PreviousModel;

/// Splits of the photos.
#[derive(Debug, Args)]
#[command(next_help_heading = "Splits")]
pub(super) struct SplitArguments {
    /// Key of the split: the digest of a photo's content, or of its path, as in retrain.py
    #[arg(long, value_enum, default_value_t = SplitMethod::Content)]
    pub(super) split: SplitMethod,

    /// The share of validation photos, in per cent [default: 10]
    #[arg(long, value_name = "PERCENT", alias = "validation_percentage")]
    pub(super) validation_percentage: Option<f64>,

    /// The share of test photos, in per cent [default: 10]
    #[arg(long, value_name = "PERCENT", alias = "testing_percentage")]
    pub(super) test_percentage: Option<f64>,

    /// A pattern of what photos that belong together have in common in their paths: its first
    /// group, or all of it [default: what is before _nohash_ in their names]
    #[arg(long, value_name = "REGEX")]
    pub(super) group: Option<String>,

    /// Also cross-validate with this number of folds
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u8).range(2..=100))]
    pub(super) folds: Option<u8>,

    /// Seed of splits, initial weights, batches and augmentation
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(super) seed: u64,

    /// Seed of the splits [default: the value of --seed]
    #[arg(long, value_name = "N")]
    pub(super) split_seed: Option<u64>,
}

/// Key of the splits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum SplitMethod {
    // SHA-256 of the photo.
    Content,
    // SHA-1 of its path.
    Retrain,
}

impl SplitArguments {
    /// Returns the split options; those of a previous model are the defaults.
    pub(super) fn options(&self, previous: Option<&PreviousModel>) -> Result<SplitOptions> {
        let previous_data = previous.map(|previous| &previous.model().card.data);
        let defaults = SplitOptions::default();
        let validation =
            self.validation_percentage.or(previous_data.map(|data| data.validation_percentage));
        let test = self.test_percentage.or(previous_data.map(|data| data.test_percentage));
        Ok(SplitOptions {
            by: match self.split {
                SplitMethod::Content => SplitBy::Content,
                SplitMethod::Retrain => SplitBy::Retrain,
            },
            validation: validation.unwrap_or(defaults.validation),
            test: test.unwrap_or(defaults.test),
            seed: self
                .split_seed
                .or(previous_data.map(|data| data.split_seed))
                .unwrap_or(self.seed),
            groups: self.grouping()?,
        })
    }

    fn grouping(&self) -> Result<Grouping> {
        match &self.group {
            None => Ok(Grouping::Nohash),
            Some(text) => {
                let pattern = text.parse::<PathPattern>();
                pattern.map(Grouping::Pattern).with_context(|| format!("--group {text}"))
            }
        }
    }
}

/// Options of the head.
#[derive(Debug, Args)]
#[command(next_help_heading = "Training")]
pub(super) struct HeadArguments {
    /// default (L-BFGS, penalty chosen on validation), tutorial (SGD, 0.01 × 0.9 every 500 steps,
    /// batches of 128), or retrain (as retrain.py)
    #[arg(long, default_value_t = Recipe::Default)]
    pub(super) recipe: Recipe,

    /// Number of units of a hidden layer
    #[arg(long, value_name = "UNITS")]
    pub(super) hidden: Option<usize>,

    /// Class weights: none, or balanced, with which all classes weigh the same
    #[arg(long, value_enum, default_value_t = ClassWeighting::None)]
    pub(super) class_weights: ClassWeighting,

    /// Label smoothing, from 0 to less than 1
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    pub(super) label_smoothing: f64,

    /// L2 penalty [default: selected on validation]
    #[arg(long, value_name = "L")]
    pub(super) penalty: Option<f64>,

    /// Number of steps, for recipes with batches [default: 5000 for tutorial, 4000 for retrain]
    #[arg(long, value_name = "N", aliases = ["how_many_training_steps", "training-steps"])]
    pub(super) steps: Option<usize>,

    /// Photos of a batch [default: 128; 100 for retrain]
    #[arg(long, value_name = "N", alias = "train_batch_size")]
    pub(super) batch: Option<usize>,

    /// [default: 0.01; 0.001 with a hidden layer]
    #[arg(long, value_name = "RATE", alias = "learning_rate")]
    pub(super) learning_rate: Option<f64>,

    /// Maximum number of epochs of the default recipe
    #[arg(long, value_name = "N", default_value_t = TrainOptions::default().epochs)]
    pub(super) epochs: usize,

    /// Epochs without an improvement on validation, after which the default recipe stops
    #[arg(long, value_name = "N", default_value_t = TrainOptions::default().patience)]
    pub(super) patience: usize,

    /// Share of correct validation predictions that may be rejected as unknown, in per cent
    #[arg(long, value_name = "PERCENT", default_value_t = 5.0, value_parser = percent)]
    pub(super) unknown: f32,
}

/// Weights of classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ClassWeighting {
    // Each photo the same.
    None,
    // Each class the same.
    Balanced,
}

impl HeadArguments {
    pub(super) fn options(&self, seed: u64, multi_label: bool) -> TrainOptions {
        TrainOptions {
            recipe: self.recipe,
            answer: if multi_label { OutputKind::Sigmoid } else { OutputKind::Softmax },
            seed,
            hidden: self.hidden,
            class_weights: match self.class_weights {
                ClassWeighting::None => ClassWeights::None,
                ClassWeighting::Balanced => ClassWeights::Balanced,
            },
            label_smoothing: self.label_smoothing,
            penalty: self.penalty,
            steps: self.steps,
            batch: self.batch,
            rate: self.learning_rate,
            epochs: self.epochs,
            patience: self.patience,
        }
    }
}

/// Augmentation of training photos.
#[derive(Debug, Args)]
#[command(next_help_heading = "Distorted copies of training photos")]
pub(super) struct AugmentationArguments {
    /// Mirror half of the copies
    #[arg(long, alias = "flip_left_right")]
    pub(super) flip: bool,

    /// Random crop: margin in per cent of a side
    #[arg(long, value_name = "PERCENT", default_value_t = 0.0)]
    #[arg(value_parser = percent, alias = "random_crop")]
    pub(super) random_crop: f32,

    /// Random scale: maximum enlargement in per cent
    #[arg(long, value_name = "PERCENT", default_value_t = 0.0)]
    #[arg(value_parser = percent, alias = "random_scale")]
    pub(super) random_scale: f32,

    /// Maximum change of brightness, in per cent
    #[arg(long, value_name = "PERCENT", default_value_t = 0.0)]
    #[arg(value_parser = percent, alias = "random_brightness")]
    pub(super) random_brightness: f32,

    /// Maximum rotation, in degrees
    #[arg(long, value_name = "DEGREES", default_value_t = 0.0, value_parser = percent)]
    pub(super) random_rotation: f32,

    /// Copies of each photo; their features are kept too
    #[arg(long, value_name = "K", default_value_t = 2)]
    pub(super) copies: usize,
}

impl AugmentationArguments {
    pub(super) fn augmentations(&self, seed: u64) -> AugmentationOptions {
        let augmentations = AugmentationOptions {
            flip: self.flip,
            crop: self.random_crop,
            scale: self.random_scale,
            brightness: self.random_brightness,
            rotation: self.random_rotation,
            copies: self.copies,
            seed,
        };
        if augmentations.any() { augmentations } else { AugmentationOptions::default() }
    }
}

/// Parses a number from 0 to 100, of per cent or degrees.
fn percent(text: &str) -> Result<f32, String> {
    let number = text.parse().ok().filter(|number| (0.0..=100.0).contains(number));
    number.ok_or_else(|| "give a number from 0 to 100".into())
}
