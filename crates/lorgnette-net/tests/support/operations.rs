//! The small graphs of `tests/operations.tar.gz`, which `oracle/operations.py` writes with real
//! TensorFlow, the models of `onnx_imports.tar.gz` (`oracle/onnx_imports.py`, ONNX Runtime) and the
//! files of `tflite.tar.gz` (`oracle/tflite_imports.py`, LiteRT).

#![allow(dead_code, reason = "each test uses its part")]

use std::collections::BTreeMap;
use std::io::Read;

use lorgnette_kernels::Level;
use lorgnette_net::{LoadOptions, Network, RunOptions, Tensor, npy};
use lorgnette_oracle::tolerance::{ACTIVATION, relative_error};

/// A graph with its inputs and expected outputs, as files of the archive.
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

/// Unpacks the archive of TensorFlow's graphs and reads its manifest.
pub(crate) fn operations() -> (Files, Vec<Case>) {
    let (files, cases) = archive("operations.tar.gz");
    assert!(cases.len() > 500, "the fixture is whole");
    (files, cases)
}

/// Unpacks an archive of this folder and reads its manifest.
pub(crate) fn archive(name: &str) -> (Files, Vec<Case>) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name);
    let packed = std::fs::read(path).unwrap();
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(packed.as_slice()));
    let mut files = Files::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        files.insert(entry.path().unwrap().to_string_lossy().into_owned(), bytes);
    }
    let cases: Vec<Case> = serde_json::from_slice(&files["manifest.json"]).unwrap();
    (files, cases)
}

/// How the answers to a case differ from those wanted, if they do.
pub(crate) fn difference(case: &Case, files: &Files, run: &RunOptions) -> Result<(), String> {
    // From a file, as the program does: filters then stay in its map until they are packed.
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(&case.graph);
    let _ = std::fs::remove_file(&path);
    std::fs::write(&path, &files[&case.graph]).unwrap();
    let difference = difference_of(&path, case, files, run);
    let _ = std::fs::remove_file(&path);
    difference
}

/// Compares the outputs of the file at `path` with the expected ones.
pub(crate) fn difference_of(
    path: &std::path::Path,
    case: &Case,
    files: &Files,
    run: &RunOptions,
) -> Result<(), String> {
    let network =
        Network::open(path, LoadOptions::default(), run.clone()).map_err(|e| e.to_string())?;
    let tensor = |file: &String| npy::read(&files[file]).unwrap();
    let feeds: Vec<(&str, Tensor)> =
        case.feeds.iter().map(|(name, file)| (name.as_str(), tensor(file))).collect();
    let feeds: Vec<(&str, &Tensor)> = feeds.iter().map(|(name, value)| (*name, value)).collect();
    let fetches: Vec<&str> = case.fetches.keys().map(String::as_str).collect();
    let found = network.run(&feeds, &fetches).map_err(|e| e.to_string())?;
    for ((name, file), found) in case.fetches.iter().zip(&found) {
        let wanted = tensor(file);
        if (wanted.shape(), wanted.dtype()) != (found.shape(), found.dtype()) {
            let of = |t: &Tensor| format!("{:?} {:?}", t.dtype(), t.shape());
            return Err(format!("{name} is {}, not {}", of(found), of(&wanted)));
        }
        let error = relative_error(&wanted.to_f32(), &found.to_f32());
        if error > case.tolerance.unwrap_or(ACTIVATION) {
            return Err(format!("{name} is off by {error:e} of its largest value"));
        }
    }
    Ok(())
}

/// Checks all cases on every level of this machine.
///
/// # Panics
/// If outputs differ from the expected ones.
pub(crate) fn check_all(files: &Files, cases: &[Case], levels: &[Level]) {
    let mut failures = Vec::new();
    for &level in levels {
        let run = RunOptions { level, ..RunOptions::default() };
        for case in cases {
            if let Err(what) = difference(case, files, &run) {
                failures.push(format!("{} ({level}): {what}\n    {}", case.name, case.what));
            }
        }
    }
    assert!(
        failures.is_empty(),
        "{} of {} fail:\n{}",
        failures.len(),
        cases.len(),
        failures.join("\n")
    );
}
