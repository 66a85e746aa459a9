//! Errors of a library of photos, with the verb or option that mends them.

use lorgnette_library::{DatabaseErrorKind, Error};

use crate::hints;

/// Bytes that SQLite may allocate, whatever the library file makes it do.
const MAX_SQLITE_BYTES: u64 = 1 << 30;

/// Limits the memory of SQLite. Called before a library is opened.
pub(crate) fn limit_memory() -> Result<(), Error> {
    lorgnette_library::limit_memory(MAX_SQLITE_BYTES)
}

/// The hint for an error of a library.
pub(crate) fn hint(error: &Error) -> Option<String> {
    match error {
        Error::Missing { name } => {
            Some(format!(": make it with `lorgnette index FOLDER --library {name}`"))
        }
        Error::OlderVersion { .. } => Some(": bring it up to date with `lorgnette index`".into()),
        Error::UnknownClass(_) => Some(" (--new-name adds a name of your own)".into()),
        Error::Database(error) if error.kind() == DatabaseErrorKind::Corrupt => {
            Some(": `lorgnette library verify` says where".into())
        }
        Error::Network(error) => hints::hint_of_model(error),
        _ => None,
    }
}
