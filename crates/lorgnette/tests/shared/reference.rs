//! The reference data of the workspace, which lies beside the repository and may be absent.
#![allow(dead_code, unreachable_pub, reason = "each test crate includes this file and uses some of it")]

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// `LORGNETTE_SHARED`, else `../shared` beside the repository. `None`, and a line that says so, when it is absent.
pub fn shared() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let folder = std::env::var_os("LORGNETTE_SHARED").map_or_else(beside, PathBuf::from);
    if folder.join("reference").is_dir() {
        return Some(folder);
    }
    eprintln!(
        "skipped: {} is not there",
        if folder == beside() { "../shared".into() } else { folder.display().to_string() }
    );
    None
}

/// A file or folder under `crates/lorgnette/tests`.
pub fn tests(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(path)
}

/// A file or folder under the repository's root.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

pub fn json(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// `[[place, value], ...]`: samples at their places in the flat array.
pub fn probes(value: &Value) -> Vec<(usize, f64)> {
    let pairs = value.as_array().expect("a list of probes").iter();
    pairs.map(|pair| (pair[0].as_u64().expect("a place") as usize, pair[1].as_f64().expect("a value"))).collect()
}
