//! Errors of a training.

use std::io;
use std::path::PathBuf;

use crate::dataset::DatasetError;
use crate::error::Error;
use crate::features::{CacheError, ExtractError};
use crate::head::HeadError;
use crate::metrics::EvaluationError;
use crate::report::ReportError;

/// Why a training failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// The observer cancelled.
    #[error("cancelled")]
    Cancelled,
    /// Another process trains into the folder.
    #[error(
        "{path}: another training is writing this folder: wait for it, or choose another",
        path = .path.display()
    )]
    Locked {
        /// The folder.
        path: PathBuf,
    },
    /// The folder has a model or a training in it.
    #[error("{path}: there is a model or a training in it already", path = .path.display())]
    HasModel {
        /// The folder.
        path: PathBuf,
    },
    /// The folder has files of something else in it.
    #[error("{path}: there are files in it that are no training's", path = .path.display())]
    HasOtherFiles {
        /// The folder.
        path: PathBuf,
    },
    /// The path is a file.
    #[error("{path}: it is no folder", path = .path.display())]
    NoFolder {
        /// The path.
        path: PathBuf,
    },
    /// The base network is a trained model.
    #[error("{name}: it is trained already: train on the network that it was made from")]
    Trained {
        /// Name of the model.
        name: String,
    },
    /// No photo can be used.
    #[error("not one photo can be used: {first}")]
    NothingUsable {
        /// The first reason.
        first: String,
    },
    /// A fold of the cross-validation is empty.
    #[error("there are too few photos for {folds} folds: one of them is empty")]
    EmptyFold {
        /// Number of folds.
        folds: usize,
    },
    /// A file of an earlier model is damaged.
    #[error("{path}: {what}", path = .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Description of the damage.
        what: String,
    },
    /// A file cannot be read or written.
    #[error("{path}: {source}", path = .path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The photos cannot be split.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// The features' cache failed.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// The head cannot be trained.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// The head cannot be evaluated.
    #[error(transparent)]
    Evaluation(#[from] EvaluationError),
    /// The report cannot be written.
    #[error("{folder}: {source}", folder = .folder.display())]
    Report {
        /// The report's folder.
        folder: PathBuf,
        /// The reason.
        source: ReportError,
    },
    /// The network or the model's folder failed.
    #[error(transparent)]
    Model(#[from] Error),
}

impl From<ExtractError> for TrainError {
    fn from(error: ExtractError) -> Self {
        match error {
            ExtractError::Cancelled => Self::Cancelled,
            ExtractError::Cache(error) => Self::Cache(error),
        }
    }
}
