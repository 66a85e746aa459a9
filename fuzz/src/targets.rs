//! What is fuzzed: the readers of every file that comes from outside, and what is done next with
//! what they read.

mod checkpoints;
mod graphs;
mod labels;
mod libraries;
mod photos;
mod plans;
mod queries;
mod tensors;
mod tflite;

use std::path::{Path, PathBuf};

use crate::random::Random;

/// The targets' names, in the order of [`all`].
pub(crate) const NAMES: [&str; 9] = [
    "graphs",
    "photos",
    "tensors",
    "labels",
    "checkpoints",
    "plans",
    "queries",
    "libraries",
    "tflite",
];

/// A reader and files for it.
pub(crate) trait Target: Send + Sync {
    /// A damaged file.
    fn input(&self, random: &mut Random) -> Input;

    /// Reads the file and uses what comes of it. Gives how far it came, or what is wrong with the
    /// answer.
    fn run(&self, input: &Input, random: &mut Random) -> Result<&'static str, String>;

    /// The most bytes that reading a file of this length may hold at a time, the file not counted.
    fn bound(&self, length: usize) -> usize;

    /// The time it gets of a run that shares its time.
    fn share(&self) -> f64;
}

/// A damaged file, and which file of the corpus it was.
pub(crate) struct Input {
    pub(crate) bytes: Vec<u8>,
    pub(crate) origin: usize,
}

/// Every target; `scratch` is a folder for their files.
pub(crate) fn all(scratch: &Path) -> Vec<Box<dyn Target>> {
    vec![
        Box::new(graphs::Graphs::new()),
        Box::new(photos::Photos::new()),
        Box::new(tensors::Tensors),
        Box::new(labels::LabelFiles::new(scratch)),
        Box::new(checkpoints::Checkpoints::new(scratch)),
        Box::new(plans::Plans::new(scratch)),
        Box::new(queries::Queries::new()),
        Box::new(libraries::Libraries::new(scratch)),
        Box::new(tflite::LiteFiles::new()),
    ]
}

/// A path of this repository.
fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// An error must say which file it is about.
fn must_name(file: &str, error: &impl std::fmt::Display) -> Result<(), String> {
    let message = error.to_string();
    if message.contains(file) {
        Ok(())
    } else {
        Err(format!("the message does not name the file: {message}"))
    }
}
