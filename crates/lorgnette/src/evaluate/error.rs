//! Errors of an evaluation.

use std::path::PathBuf;

use crate::dataset::{DatasetError, Split};
use crate::error::Error;
use crate::metrics::EvaluationError;

/// Why a model cannot be evaluated.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvaluateError {
    /// The observer cancelled.
    #[error("cancelled")]
    Cancelled,
    /// No folder or label is a class of the model.
    #[error(
        "none of the folders is called after a class of the model's ({}, …)",
        .classes.join(", ")
    )]
    NoClass {
        /// The names of the model's first classes.
        classes: Vec<String>,
    },
    /// A split is requested of a model without a list of the photos it was trained on.
    #[error("the model has no list of the photos that it was trained on")]
    NotTrained,
    /// No photo is of the requested split.
    #[error("none of the photos was used for {} when the model was trained", .split.name())]
    EmptySplit {
        /// The split.
        split: Split,
    },
    /// Every photo failed.
    #[error("{path}: not one photo could be judged", path = .path.display())]
    NothingScored {
        /// The folder or list of photos.
        path: PathBuf,
    },
    /// The photos cannot be listed.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// The model's list of photos is damaged.
    #[error("{path}: {what}", path = .path.display())]
    Damaged {
        /// The list.
        path: PathBuf,
        /// Description of the damage.
        what: String,
    },
    /// The predictions cannot be evaluated.
    #[error(transparent)]
    Evaluation(#[from] EvaluationError),
    /// The network failed.
    #[error(transparent)]
    Model(#[from] Error),
}
