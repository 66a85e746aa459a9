//! Every operation and every remainder of TensorFlow's tools, one small graph each, compared with
//! TensorFlow. `.ci/run` generates the graphs again and compares them through the program.

#[path = "support/levels.rs"]
mod levels;
#[path = "support/operations.rs"]
mod support;

#[test]
fn every_operation_gives_tensorflows_answer_on_every_level() {
    let (files, cases) = support::operations();
    support::check_all(&files, &cases, &levels::levels());
}
