//! Errors between a photo and an answer.

use std::io;
use std::path::{Path, PathBuf};

use crate::labels::{LabelsError, UnknownLabel};
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
    /// A name is of no class of the model.
    #[error(transparent)]
    UnknownLabel(#[from] UnknownLabel),
    /// A model cannot be downloaded.
    #[cfg(feature = "pull")]
    #[error(transparent)]
    Pull(#[from] crate::pull::error::PullError),
    /// A published model is not in the model store.
    #[error("{model} is not installed{}", place(.path.as_deref()))]
    NotInstalled {
        /// The model's name.
        model: String,
        /// The path its file would have; `None` without a model store.
        path: Option<PathBuf>,
    },
    /// There are no photos that a quantised model could be calibrated with.
    #[error("there are no photos to calibrate with")]
    NoCalibrationPhotos,
    /// 8-bit integers are asked for, and the network computes with floats.
    #[error(
        "{model}: it computes with floats, and only the embedded network is quantised when it is \
         opened: quantise this one once, to a file"
    )]
    NotInIntegers {
        /// The network's name.
        model: String,
    },
    /// The observer cancelled the call.
    #[error("cancelled")]
    Cancelled,
    /// The size of the network's input is neither in its file nor known by its architecture:
    /// [`ModelOptions::size`](crate::ModelOptions::size) states it.
    #[error("{model}: the graph does not state the size of its input")]
    UnknownInputSize {
        /// The network's name.
        model: String,
    },
    /// The network's output does not fit its use;
    /// [`ModelOptions::output`](crate::ModelOptions::output) names another.
    #[error("{model}: its output '{output}' {what}")]
    UnsuitableOutput {
        /// The network's name.
        model: String,
        /// The output node.
        output: String,
        /// The fault.
        what: String,
    },
    /// The network's output has values that are not finite: an answer would mean nothing.
    #[error(
        "{model}: its output '{output}' has values that are not finite: its weights are damaged, \
         or the preprocessing is not that of the network"
    )]
    NotFinite {
        /// The network's name.
        model: String,
        /// The output node.
        output: String,
    },
    /// The network needs another input than the picture.
    #[error("{model}: it has another input, '{input}', which no picture fills")]
    ExtraInput {
        /// The network's name.
        model: String,
        /// The other input.
        input: String,
    },
    /// The layer in front of the classification layer is not known, and no other was named.
    #[error("{model}: it is not clear where its features are")]
    UnknownFeatures {
        /// The network's name.
        model: String,
    },
    /// People are to be blurred, whom no network here finds.
    #[error(
        "{name}: people cannot be found, only their faces: blur faces, and look at the result, \
         because clothes, hair and heads from behind stay"
    )]
    NoPeople {
        /// The name that was given.
        name: String,
    },
    /// The network does not fit its intended use.
    #[error("{model}: {what}")]
    Model {
        /// The network's name.
        model: String,
        /// The problem and a remedy.
        what: String,
    },
}

fn place(path: Option<&Path>) -> String {
    path.map_or_else(String::new, |path| format!(" (it would be {})", path.display()))
}

/// The error for a failed operation on a file.
pub(crate) fn io_error(path: &Path, source: io::Error) -> Error {
    lorgnette_net::Error::Io { path: path.into(), source }.into()
}

/// The error for a file of unexpected content.
pub(crate) fn format_error(path: &Path, what: impl Into<String>) -> Error {
    lorgnette_net::Error::Format { path: path.into(), what: what.into() }.into()
}

/// Shorthand for this crate's results.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Joins an error and its causes with colons, without the causes that the message before them
/// contains.
#[must_use]
pub fn error_chain(error: &dyn std::error::Error) -> String {
    let mut message = String::new();
    let mut next = Some(error);
    while let Some(cause) = next {
        let text = cause.to_string();
        if message.is_empty() {
            message = text;
        } else if !message.contains(&text) {
            message = format!("{message}: {text}");
        }
        next = cause.source();
    }
    message
}

#[cfg(test)]
mod tests {
    use std::fmt;

    use super::*;

    /// An error with a cause.
    #[derive(Debug)]
    struct Outer(&'static str, std::io::Error);

    impl fmt::Display for Outer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl std::error::Error for Outer {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&self.1)
        }
    }

    #[test]
    fn a_cause_is_named_once() {
        let outer = |text| Outer(text, std::io::Error::other("disk full"));
        assert_eq!(error_chain(&outer("out.npy: disk full")), "out.npy: disk full");
        let once = error_chain(&outer("out.npy: cannot be written"));
        assert_eq!(once, "out.npy: cannot be written: disk full");
    }
}
