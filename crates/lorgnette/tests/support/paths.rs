//! Where the tests' files are.
#![allow(dead_code, reason = "each test uses its part")]

use std::path::{Path, PathBuf};

/// A file or folder under `crates/lorgnette/tests`.
pub(crate) fn tests(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(path)
}

/// A file or folder under the repository's root.
pub(crate) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}
