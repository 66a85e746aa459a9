//! Every operator of ONNX that is read, one small model each, against what ONNX Runtime computed.
//! `.ci/run onnx_import` makes the models again and compares through the program.

#[path = "support/levels.rs"]
mod levels;
#[path = "support/operations.rs"]
mod support;

use std::path::{Path, PathBuf};

use levels::levels;
use lorgnette_net::{Network, Options, Tensor, npy};
use lorgnette_oracle::tolerance::{ACTIVATION, relative_error};
use support::{Case, Files};

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

/// What differs from ONNX Runtime's answers, if anything.
fn difference(case: &Case, folder: &Path, files: &Files, options: &Options) -> Result<(), String> {
    let network =
        Network::open(&folder.join(&case.graph), options.clone()).map_err(|e| e.to_string())?;
    let tensor = |file: &String| npy::read(&files[file]).unwrap();
    let feeds: Vec<(&str, Tensor)> =
        case.feeds.iter().map(|(name, file)| (name.as_str(), tensor(file))).collect();
    let feeds: Vec<(&str, &Tensor)> = feeds.iter().map(|(name, value)| (*name, value)).collect();
    let fetches: Vec<&str> = case.fetches.keys().map(String::as_str).collect();
    let found = network.run(&feeds, &fetches).map_err(|e| e.to_string())?;
    for ((name, file), found) in case.fetches.iter().zip(&found) {
        let wanted = tensor(file);
        if (wanted.shape(), wanted.dtype()) != (found.shape(), found.dtype()) {
            let shown = |t: &Tensor| format!("{:?} {:?}", t.dtype(), t.shape());
            return Err(format!("{name} is {}, not {}", shown(found), shown(&wanted)));
        }
        let error = relative_error(&wanted.to_f32(), &found.to_f32());
        if error > case.tolerance.unwrap_or(ACTIVATION) {
            return Err(format!("{name} is off by {error:e} of its largest value"));
        }
    }
    Ok(())
}

#[test]
fn every_operator_gives_onnx_runtimes_answer_on_every_level() {
    let (files, cases) = support::onnx_imports();
    assert!(cases.len() > 900, "the fixture is whole");
    let folder = folder(&files);
    let mut failures = Vec::new();
    for level in levels() {
        let options = Options { level, ..Options::default() };
        for case in &cases {
            if let Err(what) = difference(case, &folder, &files, &options) {
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
