//! The small graphs of `tests/operations.tar.gz`, which `oracle/operations.py` writes with real
//! TensorFlow, and the models of `tests/onnx_imports.tar.gz`, which `oracle/onnx_imports.py` writes
//! with ONNX Runtime.

#![allow(dead_code, reason = "each test uses its part")]

use std::collections::BTreeMap;
use std::io::Read;

/// One graph: what goes in, what must come out, as files of the archive.
#[derive(serde::Deserialize)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) graph: String,
    pub(crate) feeds: BTreeMap<String, String>,
    pub(crate) fetches: BTreeMap<String, String>,
    pub(crate) what: String,
    pub(crate) tolerance: Option<f32>,
}

/// The archive's files by name.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

/// TensorFlow's graphs.
pub(crate) fn operations() -> (Files, Vec<Case>) {
    let packed =
        std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/operations.tar.gz")).unwrap();
    unpack(&packed)
}

/// ONNX Runtime's models.
pub(crate) fn onnx_imports() -> (Files, Vec<Case>) {
    let packed =
        std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/onnx_imports.tar.gz")).unwrap();
    unpack(&packed)
}

/// Unpacks an archive and reads its manifest.
fn unpack(packed: &[u8]) -> (Files, Vec<Case>) {
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(packed));
    let mut files = Files::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        files.insert(entry.path().unwrap().to_string_lossy().into_owned(), bytes);
    }
    let cases: Vec<Case> = serde_json::from_slice(&files["manifest.json"]).unwrap();
    assert!(cases.len() > 500, "the fixture is whole");
    (files, cases)
}
