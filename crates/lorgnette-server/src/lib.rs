//! Serves pictures' answers over HTTP and gRPC: TensorFlow Serving's REST interface and its
//! `PredictionService`, the Open Inference Protocol (KServe v2, Triton), and photos as they are.
//!
//! ```no_run
//! use lorgnette_server::{ModelConfig, ModelSource, Server, ServerOptions};
//!
//! # fn main() -> Result<(), lorgnette_server::StartError> {
//! let model = ModelConfig::new("flowers", ModelSource::Path("models/flowers".into()));
//! let server = Server::start(ServerOptions {
//!     models: vec![model],
//!     addresses: vec!["127.0.0.1:8501".parse().expect("an address")],
//!     ..ServerOptions::default()
//! })?;
//! println!("http://{}", server.addresses()[0]);
//! server.wait_for_signal();
//! # Ok(())
//! # }
//! ```
//!
//! | topic | module |
//! |---|---|
//! | connections, slow clients, shutting down | `listen` |
//! | size and memory of bodies | `body` |
//! | tokens, request ids, the access log | `app`, `log` |
//! | models, versions, labels | `config`, `registry` |
//! | a model in memory, its inputs and outputs | `served` |
//! | the queue and the threads | `scheduler` |
//! | TensorFlow Serving's REST interface | `tensorflow_serving` |
//! | the Open Inference Protocol's | `open_inference` |
//! | gRPC | `grpc` |
//! | photos | `photos` |
//! | a library of photos | `library` |
//! | clients that take nothing | `stall` |
//! | requests of this process | `local` |
//! | pages for people | `pages`, `reports` |
//!
//! The crate computes nothing of its own: photos and networks are the crate `lorgnette`'s.

#![forbid(unsafe_code)]

mod app;
mod body;
mod compress;
mod config;
mod failure;
mod grpc;
mod health;
mod json;
mod library;
mod listen;
mod local;
mod log;
mod metrics;
#[cfg(test)]
mod mutation;
mod open_inference;
mod options;
mod pages;
mod photos;
mod registry;
mod reports;
mod scheduler;
mod served;
mod server;
mod stall;
mod tensorflow_serving;
mod text_proto;
#[cfg(feature = "tls")]
mod tls;

pub use config::{ModelConfig, ModelSource, VersionPolicy, check_name, check_names};
pub use failure::{Code, Failure};
pub use local::{LocalAnswer, LocalRequest};
pub use options::{ServerOptions, TlsFiles};
pub use server::{Server, StartError};
