//! Every operation and every leftover of TensorFlow's tools, one small graph each, against what
//! TensorFlow computed. `.ci/run` makes the graphs anew and compares again through the program.

#[path = "support/levels.rs"]
mod levels;
#[path = "support/operations.rs"]
mod support;

use levels::levels;
use lorgnette_net::{Network, Options, Tensor, npy};
use lorgnette_oracle::tolerance::{ACTIVATION, relative_error};
use support::{Case, Files};

/// What differs from TensorFlow's answers, if anything.
fn difference(case: &Case, files: &Files, options: &Options) -> Result<(), String> {
    // From a file, as the program does: filters then stay in its map until they are packed.
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("operation.pb");
    let _ = std::fs::remove_file(&path);
    std::fs::write(&path, &files[&case.graph]).unwrap();
    let network = Network::open(&path, options.clone()).map_err(|e| e.to_string())?;
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

#[test]
fn every_operation_gives_tensorflows_answer_on_every_level() {
    let (files, cases) = support::operations();
    let mut failures = Vec::new();
    for level in levels() {
        let options = Options { level, ..Options::default() };
        for case in &cases {
            if let Err(what) = difference(case, &files, &options) {
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
