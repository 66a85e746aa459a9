//! Shared parts of Lorgnette's tests: tolerances, generated weights and images, and TensorFlow's
//! reference data. The scripts in this folder generate those data; see `oracle/README.md`.

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
pub mod amx;
pub mod made_up;
mod references;
pub mod tolerance;

pub use references::{folder, json, probes};
