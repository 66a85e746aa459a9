//! The memory of SQLite.

use lorgnette_library::Error;

/// Bytes that SQLite may allocate, whatever the library file makes it do.
const MAX_SQLITE_BYTES: u64 = 1 << 30;

/// Limits the memory of SQLite. Called before a library is opened.
pub(crate) fn limit() -> Result<(), Error> {
    lorgnette_library::limit_memory(MAX_SQLITE_BYTES)
}
