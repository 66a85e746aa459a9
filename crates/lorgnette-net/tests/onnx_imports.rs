//! Every operator of ONNX that is read, one small model each, against what ONNX Runtime computed.
//! `.ci/run onnx_import` makes the models again and compares through the program.

#[path = "support/levels.rs"]
mod levels;
#[path = "support/operations.rs"]
mod support;

use std::path::{Path, PathBuf};

use levels::levels;
use lorgnette_net::RunOptions;
use support::{Files, difference_of};

/// A folder with all models, as the program finds them: their weights then stay in the files.
fn folder(files: &Files) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("onnx_imports");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    let is_model = |name: &&String| !name.ends_with(".npy");
    for name in files.keys().filter(is_model) {
        std::fs::write(folder.join(name), &files[name]).unwrap();
    }
    folder
}

#[test]
fn every_operator_gives_onnx_runtimes_answer_on_every_level() {
    let (files, cases) = support::archive("onnx_imports.tar.gz");
    assert!(cases.len() > 900, "the fixture is whole");
    let folder = folder(&files);
    let mut failures = Vec::new();
    for level in levels() {
        let run = RunOptions { level, ..RunOptions::default() };
        for case in &cases {
            if let Err(what) = difference_of(&folder.join(&case.graph), case, &files, &run) {
                failures.push(format!("{} ({level}): {what}", case.name));
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
