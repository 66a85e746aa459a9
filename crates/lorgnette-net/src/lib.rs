//! Networks of TensorFlow-Slim without TensorFlow: from a weights file to activations.
//!
//! ```text
//! file ─▶ GraphDef ─▶ Graph ─▶ (sizes) Shaped ─▶ (passes) Shaped ─▶ Plan ─▶ activations
//! ```
#![deny(unsafe_code)]

pub mod atomic_file;
mod checksum;
pub mod dense;
pub mod error;
pub mod events;
mod export;
pub mod file;
mod fingerprint;
pub mod graph;
mod hdf5;
pub mod head;
pub mod import;
mod keras;
pub mod lazy_tensor;
pub mod memory;
pub mod names;
pub mod network;
pub mod npy;
mod onnx;
pub mod options;
pub mod passes;
pub mod plan;
mod plan_cache;
mod plan_file;
mod program_pages;
mod proto;
pub mod quantize;
mod saved_model;
pub mod scores;
mod session;
mod source;
pub mod summary;
pub mod tensor;
mod tflite;
pub mod tfrecord;
pub mod weights;
pub mod zoo;

pub use atomic_file::{AtomicFile, write_atomically};
pub use dense::{DenseOptions, MapPadding, ReceptiveField};
pub use error::{Choice, Error, PlanFileOption, Result};
pub use graph::Graph;
pub use import::GraphDef;
pub use lazy_tensor::LazyTensor;
pub use network::{DenseSession, Network};
pub use options::{LoadOptions, RunOptions, available_threads};
pub use plan::Plan;
pub use saved_model::{SavedSignature, SavedTensor};
pub use session::Session;
pub use tensor::{DType, Tensor};
