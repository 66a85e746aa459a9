//! What can go wrong between a photo and an answer.

use crate::labels::LabelsError;
use crate::picture::PictureError;

/// What went wrong; each message names the file or the node, what is wrong and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The network could not be read, planned or run.
    #[error(transparent)]
    Network(#[from] lorgnette_net::Error),
    /// A photo could not be opened or written.
    #[error(transparent)]
    Picture(#[from] PictureError),
    /// A list of names could not be read.
    #[error(transparent)]
    Labels(#[from] LabelsError),
    /// A model could not be pulled.
    #[cfg(feature = "pull")]
    #[error(transparent)]
    Pull(#[from] crate::pull::PullError),
    /// The network does not fit what it is to be used for.
    #[error("{model}: {what}")]
    Model {
        /// The network's name.
        model: String,
        /// What does not fit, and what to do.
        what: String,
    },
}

/// Shorthand for this crate's results.
pub type Result<T, E = Error> = std::result::Result<T, E>;
