//! What Lorgnette's tests share: how near to TensorFlow is near enough, numbers made up by rule,
//! and where TensorFlow's answers are found. The scripts beside this crate make those answers; see
//! `oracle/README.md`.

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
pub mod amx;
pub mod made_up;
mod references;
pub mod tolerance;

pub use references::{folder, json, probes};
