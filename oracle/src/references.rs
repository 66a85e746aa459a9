//! The reference data, which may be absent.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// Returns the folder of the reference data: `LORGNETTE_SHARED`, else `../shared` next to the
/// repository. `None`, and a printed line, if it is absent.
pub fn folder() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let folder = std::env::var_os("LORGNETTE_SHARED").map_or(beside, PathBuf::from);
    if folder.join("reference").is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: ../shared is not there");
    None
}

/// Reads a JSON file.
///
/// # Panics
/// If it cannot be read.
pub fn json(path: &Path) -> Value {
    let text =
        fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Parses `[[position, value], …]`: samples of a flat array.
///
/// # Panics
/// If the JSON has another form.
pub fn probes(value: &Value) -> Vec<(usize, f64)> {
    let pairs = value.as_array().expect("a list of probes").iter();
    pairs
        .map(|pair| {
            (pair[0].as_u64().expect("a place") as usize, pair[1].as_f64().expect("a value"))
        })
        .collect()
}
