//! TensorFlow Lite files, one small one for each operator, against what LiteRT's reference kernels
//! computed. `.ci/run` makes the files anew and compares again through the program.

#[path = "support/levels.rs"]
mod levels;
#[path = "support/operations.rs"]
mod support;

use lorgnette_net::{LoadOptions, Network, RunOptions};

/// Opens a file of the archive that has no answers.
fn open(name: &str) -> Network {
    let (files, _) = support::archive("tflite.tar.gz");
    let (load, run) = (LoadOptions::default(), RunOptions::default());
    Network::from_bytes(files[name].clone(), name, load, run).unwrap()
}

#[test]
fn unknown_operators_are_named_all_together_when_a_fetch_needs_them() {
    let network = open("unknown_operators.tflite");
    let plan = |fetches: &[&str]| network.plan(&[("input", &[1, 2, 2, 3])], fetches);
    assert!(plan(&["known"]).is_ok());
    let message = plan(&["second", "third"]).unwrap_err().to_string();
    for part in ["custom operator Fancy 'first'", "NON_MAX_SUPPRESSION_V5 'third'"] {
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn integers_that_stand_for_real_numbers_are_refused() {
    let plan = open("integers.tflite").plan(&[("input", &[1, 3])], &["output"]);
    let message = plan.unwrap_err().to_string();
    assert!(message.contains("'input' is quantised (int8)"), "{message}");
}

#[test]
fn every_operator_gives_litert_s_answer_on_every_level() {
    let (files, cases) = support::archive("tflite.tar.gz");
    assert!(cases.len() > 100, "the fixture is whole");
    support::check_all(&files, &cases, &levels::levels());
}
