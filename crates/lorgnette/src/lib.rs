//! Looks at pictures with TensorFlow-Slim networks, without TensorFlow.

#![forbid(unsafe_code)]

mod classify;
pub mod draw;
mod embed;
mod error;
mod family;
pub mod labels;
mod model;
pub mod picture;
pub mod preprocess;

pub use classify::{Classifier, Guess, Prediction};
pub use embed::Embedder;
pub use error::{Error, Result};
pub use labels::Labels;
pub use lorgnette_kernels as kernels;
pub use lorgnette_net as net;
pub use model::{EMBEDDED_NAME, Model, ModelOptions, Provenance};
pub use picture::Picture;
pub use preprocess::Preprocess;
