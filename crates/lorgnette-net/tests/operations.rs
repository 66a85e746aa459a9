//! Every operation and every leftover of TensorFlow's tools, one small graph each, against what TensorFlow computed.
//!
//! `tests/operations.tar.gz` is written by `oracle/operations.py` with real TensorFlow; its manifest says what each
//! graph is. `.ci/run` makes the graphs anew and compares again through the program.

mod shared;

use std::collections::BTreeMap;
use std::io::Read;

use lorgnette_kernels::Level;
use lorgnette_net::{Network, Options, Tensor, npy};
use shared::TOLERANCE;

#[derive(serde::Deserialize)]
struct Case {
    name: String,
    graph: String,
    feeds: BTreeMap<String, String>,
    fetches: BTreeMap<String, String>,
    what: String,
    tolerance: Option<f32>,
}

type Files = BTreeMap<String, Vec<u8>>;

fn files() -> Files {
    let packed = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/operations.tar.gz")).unwrap();
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(packed.as_slice()));
    let mut files = Files::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        files.insert(entry.path().unwrap().to_string_lossy().into_owned(), bytes);
    }
    files
}

fn tensor(bytes: &[u8]) -> Tensor {
    npy::read(bytes).unwrap()
}

/// What differs from TensorFlow's answers, if anything.
fn difference(case: &Case, files: &Files, level: Level) -> Result<(), String> {
    let options = Options { level, ..Options::default() };
    let network = Network::from_bytes(files[&case.graph].clone(), &case.graph, options).map_err(|e| e.to_string())?;
    let feeds: Vec<(&str, Tensor)> = case.feeds.iter().map(|(name, file)| (name.as_str(), tensor(&files[file]))).collect();
    let feeds: Vec<(&str, &Tensor)> = feeds.iter().map(|(name, value)| (*name, value)).collect();
    let fetches: Vec<&str> = case.fetches.keys().map(String::as_str).collect();
    let found = network.run(&feeds, &fetches).map_err(|e| e.to_string())?;
    for ((name, file), found) in case.fetches.iter().zip(&found) {
        let wanted = tensor(&files[file]);
        if (wanted.shape(), wanted.dtype()) != (found.shape(), found.dtype()) {
            let of = |t: &Tensor| format!("{:?} {:?}", t.dtype(), t.shape());
            return Err(format!("{name} is {}, not {}", of(found), of(&wanted)));
        }
        let error = shared::relative_error(&wanted.to_f32(), &found.to_f32());
        if error > case.tolerance.unwrap_or(TOLERANCE) {
            return Err(format!("{name} is off by {error:e} of its largest value"));
        }
    }
    Ok(())
}

#[test]
fn every_operation_gives_tensorflows_answer_on_every_level() {
    let files = files();
    let cases: Vec<Case> = serde_json::from_slice(&files["manifest.json"]).unwrap();
    assert!(cases.len() > 500, "the fixture is whole");
    let mut failures = Vec::new();
    for level in Level::available() {
        for case in &cases {
            if let Err(what) = difference(case, &files, level) {
                failures.push(format!("{} ({level}): {what}\n    {}", case.name, case.what));
            }
        }
    }
    assert!(failures.is_empty(), "{} of {} fail:\n{}", failures.len(), cases.len(), failures.join("\n"));
}
