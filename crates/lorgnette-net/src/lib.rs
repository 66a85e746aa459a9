//! Networks of TensorFlow-Slim: weights file in, activations out, without TensorFlow.
//!
//! ```text
//! file ─▶ GraphDef ─▶ Graph ─▶ (sizes) Shaped ─▶ (passes) Shaped ─▶ Plan ─▶ activations
//! ```
#![deny(unsafe_code)]

mod checksum;
pub mod dense;
pub mod error;
pub mod events;
mod export;
mod file;
mod fingerprint;
pub mod graph;
pub mod head;
pub mod import;
pub mod network;
pub mod npy;
pub mod options;
pub mod outline;
pub mod passes;
pub mod plan;
mod plan_file;
mod proto;
mod sink;
mod source;
pub mod stored;
pub mod tensor;
pub mod weights;
pub mod zoo;

pub use dense::{Dense, Field, MapPadding};
pub use error::{Error, Result};
pub use graph::Graph;
pub use import::GraphDef;
pub use network::Network;
pub use options::Options;
pub use plan::Plan;
pub use stored::Stored;
pub use tensor::{DType, Tensor};
