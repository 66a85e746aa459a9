//! Errors between a photo and an answer.

use crate::labels::LabelsError;
use crate::picture::PictureError;

/// An error; each message names the file or node, the problem and a remedy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The network cannot be read, planned or run.
    #[error(transparent)]
    Network(#[from] lorgnette_net::Error),
    /// A photo cannot be opened or written.
    #[error(transparent)]
    Picture(#[from] PictureError),
    /// A label file cannot be read.
    #[error(transparent)]
    Labels(#[from] LabelsError),
    /// A model cannot be downloaded.
    #[cfg(feature = "pull")]
    #[error(transparent)]
    Pull(#[from] crate::pull::PullError),
    /// The observer cancelled the call.
    #[error("cancelled")]
    Cancelled,
    /// The network does not fit its intended use.
    #[error("{model}: {what}")]
    Model {
        /// The network's name.
        model: String,
        /// The problem and a remedy.
        what: String,
    },
}

/// Shorthand for this crate's results.
pub type Result<T, E = Error> = std::result::Result<T, E>;
