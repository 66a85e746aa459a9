//! Errors of decoding.

use std::fmt;

/// Why a file cannot be decoded. Its text does not name the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    message: String,
}

/// Kind of an [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The file is truncated.
    EndsEarly,
    /// The content violates the format.
    Damaged,
    /// The file may be valid, but uses a feature that is not supported.
    Unsupported,
}

impl Error {
    /// The kind.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Where the file ends, how it is damaged, or the feature that is not supported: part of a
    /// sentence, such as "a quantisation table is missing".
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    pub(crate) fn ends_early(message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::EndsEarly, message: message.into() }
    }

    pub(crate) fn damaged(message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::Damaged, message: message.into() }
    }

    pub(crate) fn unsupported(message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::Unsupported, message: message.into() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, message } = self;
        match kind {
            ErrorKind::EndsEarly => write!(f, "the JPEG ends early: {message}"),
            ErrorKind::Damaged => write!(f, "the JPEG is damaged: {message}"),
            ErrorKind::Unsupported => write!(f, "{message}, which is not supported"),
        }
    }
}

impl std::error::Error for Error {}
