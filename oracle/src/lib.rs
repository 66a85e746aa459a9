//! What Lorgnette's tests share: how near to TensorFlow is near enough, numbers made up by rule, and where TensorFlow's
//! answers are found. The scripts beside this crate make those answers; see `oracle/README.md`.

pub mod made_up;
mod references;
pub mod tolerance;

pub use references::{folder, json, probes};
