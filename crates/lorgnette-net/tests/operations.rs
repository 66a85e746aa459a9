//! Every operation and every leftover of TensorFlow's tools, one small graph each, against what TensorFlow computed.
//! `.ci/run` makes the graphs anew and compares again through the program.

#[path = "support/levels.rs"]
mod levels;
#[path = "support/operations.rs"]
mod support;

#[test]
fn every_operation_gives_tensorflows_answer_on_every_level() {
    let (files, cases) = support::operations();
    support::check_all(&files, &cases, &levels::levels());
}
