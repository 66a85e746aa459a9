//! What can go wrong with a library.

use std::io;

use rusqlite::ErrorCode;

/// What went wrong; each message names the file, what is wrong and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no such file.
    #[error(
        "{name}: there is no such library: make it with `lorgnette index FOLDER --library {name}`"
    )]
    Missing {
        /// The library's path.
        name: String,
    },
    /// The file is something else.
    #[error("{name}: not a library of photos: {what}")]
    NotALibrary {
        /// The library's path.
        name: String,
        /// What it is instead.
        what: String,
    },
    /// The file was written by a later program.
    #[error(
        "{name}: a library of version {version}, and this program knows versions 1 to {latest}: use a later one"
    )]
    UnsupportedVersion {
        /// The library's path.
        name: String,
        /// Its version.
        version: i32,
        /// The latest version that is known here.
        latest: usize,
    },
    /// The library cannot be used as it is.
    #[error("{name}: {what}")]
    Unusable {
        /// The library's path.
        name: String,
        /// What is in the way, and what to do.
        what: String,
    },
    /// SQLite refused.
    #[error("{}", explain(.0))]
    Sqlite(#[from] rusqlite::Error),
    /// The network or a picture.
    #[error(transparent)]
    Network(#[from] lorgnette::Error),
    /// A file other than the library could not be read or written.
    #[error("{name}: {source}")]
    File {
        /// The file's path.
        name: String,
        /// What the system said.
        source: io::Error,
    },
    /// What was asked for makes no sense, or is not there.
    #[error("{0}")]
    Request(String),
}

/// Shorthand for this crate's results.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl From<rusqlite::types::FromSqlError> for Error {
    fn from(error: rusqlite::types::FromSqlError) -> Self {
        Self::Sqlite(error.into())
    }
}

impl Error {
    pub(crate) fn not_a_library(name: &str, what: impl Into<String>) -> Self {
        Self::NotALibrary { name: name.into(), what: what.into() }
    }

    /// What SQLite said of a library that could not be opened, with its name.
    pub(crate) fn in_library(self, name: &str) -> Self {
        match self {
            Self::Sqlite(error) => Self::Unusable { name: name.into(), what: explain(&error) },
            other => other,
        }
    }
}

/// SQLite's words, and what to do where we know.
fn explain(error: &rusqlite::Error) -> String {
    let advice = match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => {
            "the disk is full: what was indexed before is kept; make room and go on"
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "another process is writing to the library: wait for it, and try again"
        }
        Some(ErrorCode::DatabaseCorrupt) => {
            "the library is damaged: `lorgnette library verify` says where"
        }
        Some(ErrorCode::NotADatabase) => "not a library of photos: not an SQLite file",
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen) => {
            "the library cannot be written to: see its permissions, and those of its folder"
        }
        Some(ErrorCode::TooBig) => "the library has a value that is larger than any library needs",
        Some(ErrorCode::OutOfMemory) => "the library asks for more memory than any library needs",
        _ => return format!("the library: {error}"),
    };
    format!("{advice} ({error})")
}
