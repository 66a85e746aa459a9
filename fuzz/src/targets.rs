//! The fuzzed readers: those of all external formats, and the code that uses their results.

mod checkpoints;
mod faxes;
mod folders;
mod graphs;
mod jpegs;
mod labels;
mod libraries;
mod onnx;
mod photos;
mod plans;
mod queries;
mod records;
mod requests;
mod saved;
mod tensors;
mod tflite;
mod verbs;

use std::fs::File;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;

use crate::random::Random;

/// The names of the targets, in the order of [`all`].
pub(crate) const NAMES: &[&str] = &[
    "graphs",
    "onnx",
    "photos",
    "jpegs",
    "tensors",
    "labels",
    "checkpoints",
    "plans",
    "queries",
    "libraries",
    "tflite",
    "verbs",
    "saved",
    "records",
    "requests",
    "tiffs",
    "faxes",
    "folders",
    #[cfg(feature = "heic")]
    "heic",
    #[cfg(feature = "avif")]
    "avif",
    #[cfg(feature = "jxl")]
    "jxl",
];

/// A reader and its inputs.
pub(crate) trait Target: Send + Sync {
    /// Creates a damaged file.
    fn input(&self, random: &mut Random) -> Input;

    /// Reads the file and uses the result. Returns the stage that was reached, or the fault of the
    /// answer.
    fn run(&self, input: &Input, random: &mut Random) -> Result<&'static str, String>;

    /// Returns the maximum memory in bytes for a file of this length, without the file itself.
    fn bound(&self, length: usize) -> usize;

    /// Returns the target's share of the time of a run.
    fn share(&self) -> f64;
}

/// A damaged file and its origin in the corpus.
pub(crate) struct Input {
    pub(crate) bytes: Vec<u8>,
    pub(crate) origin: usize,
}

/// Creates all targets; `scratch` is a folder for their files.
pub(crate) fn all(scratch: &Path) -> Vec<Box<dyn Target>> {
    let mut targets: Vec<Box<dyn Target>> = vec![
        Box::new(graphs::Graphs::new()),
        Box::new(onnx::OnnxModels::new()),
        Box::new(photos::Photos::new()),
        Box::new(jpegs::Jpegs::new()),
        Box::new(tensors::Tensors),
        Box::new(labels::LabelFiles::new(scratch)),
        Box::new(checkpoints::Checkpoints::new(scratch)),
        Box::new(plans::Plans::new(scratch)),
        Box::new(queries::Queries::new()),
        Box::new(libraries::Libraries::new(scratch)),
        Box::new(tflite::LiteFiles::new()),
        Box::new(verbs::Verbs::new(scratch)),
        Box::new(saved::SavedModels::new(scratch)),
        Box::new(records::Records::new(scratch)),
        Box::new(requests::Requests::new()),
        Box::new(photos::Photos::with_extension("tif")),
        Box::new(faxes::Faxes::new()),
        Box::new(folders::ModelFolders::new(scratch)),
    ];
    for extension in photos::EXTENSIONS {
        targets.push(Box::new(photos::Photos::with_extension(extension)));
    }
    targets
}

/// Returns a path in this repository.
fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// Unpacks an archive of this repository into a folder.
fn unpack(archive: &str, folder: &Path) {
    let packed = File::open(repository(archive)).expect("the corpus is in the repository");
    tar::Archive::new(GzDecoder::new(packed)).unpack(folder).expect("the corpus can be unpacked");
}

/// Checks that an error names the file.
fn must_name(file: &str, error: &impl std::fmt::Display) -> Result<(), String> {
    let message = error.to_string();
    if message.contains(file) {
        Ok(())
    } else {
        Err(format!("the message does not name the file: {message}"))
    }
}
