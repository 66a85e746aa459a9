//! Errors of a library.

use std::fmt;
use std::io;

use rusqlite::ErrorCode;

/// An error; each message names the file and the cause.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file does not exist.
    #[error("{name}: there is no such library")]
    Missing {
        /// Path of the library.
        name: String,
    },
    /// The file is not a library.
    #[error("{name}: not a library of photos: {what}")]
    NotALibrary {
        /// Path of the file.
        name: String,
        /// Kind of file, or the difference from a library.
        what: String,
    },
    /// The library was written by a later program.
    #[error(
        "{name}: a library of version {version}, and this program knows versions 1 to {latest}: \
         use a later one"
    )]
    UnsupportedVersion {
        /// Path of the library.
        name: String,
        /// Version of the library.
        version: i32,
        /// Latest version that this program reads.
        latest: usize,
    },
    /// The library was written by an older program; it can be read after [`Library::open`] has
    /// migrated it.
    ///
    /// [`Library::open`]: crate::Library::open
    #[error("{name}: a library of an older version ({version})")]
    OlderVersion {
        /// Path of the library.
        name: String,
        /// Version of the library.
        version: usize,
    },
    /// The library cannot be used as it is.
    #[error("{name}: {what}")]
    Unusable {
        /// Path of the library.
        name: String,
        /// Cause and remedy.
        what: String,
    },
    /// The database engine failed.
    #[error(transparent)]
    Database(DatabaseError),
    /// The network or a picture failed.
    #[error(transparent)]
    Network(#[from] lorgnette::Error),
    /// A file other than the library could not be read or written.
    #[error("{name}: {source}")]
    File {
        /// Path of the file.
        name: String,
        /// Error of the operating system.
        source: io::Error,
    },
    /// A correction names a class that no model has; [`Correction::new_name`] adds it.
    ///
    /// [`Correction::new_name`]: crate::Correction::new_name
    #[error("{0}")]
    UnknownClass(String),
    /// The arguments are invalid, or name an item that the library does not have.
    #[error("{0}")]
    Request(String),
}

/// An error of the database engine.
#[derive(Debug)]
pub struct DatabaseError {
    /// Path of the library, where it is known.
    library: Option<String>,
    error: rusqlite::Error,
}

/// The cause of a [`DatabaseError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DatabaseErrorKind {
    /// The disk is full.
    DiskFull,
    /// Another process is writing.
    Busy,
    /// The file is damaged.
    Corrupt,
    /// The file is not an SQLite database.
    NotADatabase,
    /// The file or its folder cannot be written.
    ReadOnly,
    /// A value is larger than the limit.
    TooBig,
    /// The memory limit was reached.
    OutOfMemory,
    /// Any other cause.
    Other,
}

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

#[doc(hidden)]
impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        /// SQLite's words for a query of more conditions than it takes.
        const TOO_DEEP: &str = "Expression tree is too large";
        match &error {
            rusqlite::Error::SqliteFailure(_, Some(what)) if what.starts_with(TOO_DEEP) => {
                Self::Request("the query has more conditions than can be searched for".into())
            }
            _ => Self::Database(DatabaseError { library: None, error }),
        }
    }
}

#[doc(hidden)]
impl From<rusqlite::types::FromSqlError> for Error {
    fn from(error: rusqlite::types::FromSqlError) -> Self {
        rusqlite::Error::from(error).into()
    }
}

impl Error {
    pub(crate) fn not_a_library(name: &str, what: impl Into<String>) -> Self {
        Self::NotALibrary { name: name.into(), what: what.into() }
    }

    /// Adds the path of the library to an error of the database.
    #[must_use]
    pub fn in_library(self, name: &str) -> Self {
        match self {
            Self::Database(error) => {
                Self::Database(DatabaseError { library: Some(name.into()), ..error })
            }
            other => other,
        }
    }

    /// Returns the kind of a database error, and `None` for any other error.
    #[must_use]
    pub fn database_kind(&self) -> Option<DatabaseErrorKind> {
        match self {
            Self::Database(error) => Some(error.kind()),
            _ => None,
        }
    }
}

impl DatabaseError {
    /// Returns the cause.
    #[must_use]
    pub fn kind(&self) -> DatabaseErrorKind {
        use rusqlite::Error::{
            FromSqlConversionFailure, IntegralValueOutOfRange, InvalidColumnType,
        };
        if let FromSqlConversionFailure(..) | IntegralValueOutOfRange(..) | InvalidColumnType(..) =
            self.error
        {
            return DatabaseErrorKind::Corrupt;
        }
        match self.error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => DatabaseErrorKind::DiskFull,
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => DatabaseErrorKind::Busy,
            Some(ErrorCode::DatabaseCorrupt) => DatabaseErrorKind::Corrupt,
            Some(ErrorCode::NotADatabase) => DatabaseErrorKind::NotADatabase,
            Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen) => DatabaseErrorKind::ReadOnly,
            Some(ErrorCode::TooBig) => DatabaseErrorKind::TooBig,
            Some(ErrorCode::OutOfMemory) => DatabaseErrorKind::OutOfMemory,
            _ => DatabaseErrorKind::Other,
        }
    }
}

impl fmt::Display for DatabaseError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(library) = &self.library {
            write!(formatter, "{library}: ")?;
        }
        match advice(self.kind()) {
            Some(advice) => write!(formatter, "{advice} ({})", self.error),
            None => write!(formatter, "the library: {}", self.error),
        }
    }
}

impl std::error::Error for DatabaseError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

/// Returns the cause in words, with the remedy.
fn advice(kind: DatabaseErrorKind) -> Option<&'static str> {
    match kind {
        DatabaseErrorKind::DiskFull => {
            Some("the disk is full: free space and start again; `index` goes on where it was")
        }
        DatabaseErrorKind::Busy => {
            Some("another process is writing to the library: wait for it, and try again")
        }
        DatabaseErrorKind::Corrupt => Some("the library is damaged"),
        DatabaseErrorKind::NotADatabase => Some("not a library of photos: not an SQLite file"),
        DatabaseErrorKind::ReadOnly => {
            Some("the library cannot be written to: see its permissions, and those of its folder")
        }
        DatabaseErrorKind::TooBig => {
            Some("the library has a value that is larger than any library needs")
        }
        DatabaseErrorKind::OutOfMemory => {
            Some("the library asks for more memory than any library needs")
        }
        DatabaseErrorKind::Other => None,
    }
}
