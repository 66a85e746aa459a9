//! Looks at pictures with TensorFlow-Slim networks, without TensorFlow.
//!
//! ```
//! use lorgnette::{Classifier, Model, ModelOptions, Picture};
//!
//! # fn main() -> Result<(), lorgnette::Error> {
//! // The network that comes with the library; `Model::open` takes a frozen graph in a file.
//! let classifier = Classifier::new(Model::embedded(&ModelOptions::default())?)?;
//! let picture = Picture::open("../../photos/chelsea.jpg")?;
//! let classification = classifier.classify(&picture, 5)?;
//! for prediction in &classification.predictions {
//!     println!("{:5.1} %  {}", 100.0 * prediction.probability, prediction.name);
//! }
//! assert!(classification.predictions[0].name.contains("cat"));
//! # Ok(())
//! # }
//! ```
//!
//! | I have | I call | I get |
//! |---|---|---|
//! | a photo's file or bytes | [`Picture::open`], [`Picture::from_bytes`] | a [`Picture`] |
//! | a large photo, a small network | [`Model::min_decode_size`] | a reduced [`Picture`] |
//! | pixels in memory | [`PictureRef::from_rgb8`], [`Picture::from_rgb8`] | a picture |
//! | nothing, a file | [`Model::embedded`], [`Model::open`] | a [`Model`] |
//! | a file in memory | [`Model::from_bytes`] | a [`Model`] |
//! | whatever a user names a model by | [`ModelRef::parse`], [`ModelRef::open`] | a [`Model`] |
//! | a model and a picture | [`Classifier::classify`] | the most probable classes |
//! | a model and a picture | [`Embedder::embed`] | its features |
//! | a model, a picture of any size | [`Segmenter::segment`] | a class for every place |
//! | a picture of any size | [`faces::FaceDetector::detect`] | the faces in it, with landmarks |
//! | a model, classes, a picture | [`Blurrer::blur`] | the photo with these classes blurred |
//! | something to print or send | [`answer`] | the answers as `Serialize` types |
//! | a map | [`draw::map`], [`draw::Overlay`], [`draw::heat`] | a [`Drawing`]: PNG, JPEG or SVG |
//! | a prediction | [`draw::annotate`] | the picture with names and probabilities over it |
//! | predictions, the true classes | [`metrics::Evaluation::new`] | accuracy, confusion, … |
//! | a model, labelled photos | [`evaluate::Evaluator::run`] | an evaluation and its report |
//! | an evaluation | [`report::Report::write`] | figures, tables, a page |
//! | an evaluation | [`report::TensorBoard::write`] | event files |
//! | a published model | [`catalogue::find`], [`pull::pull`] | its file in the [`ModelStore`] |
//! | a folder of classes | [`dataset::Listing::open`] | photos of classes |
//! | photos of classes | [`dataset::Dataset::read`] | photos in splits |
//! | a model and a dataset | [`features::Extractor::extract_all`] | cached features |
//! | a dataset, an extractor | [`train::Trainer::run`] | a trained model and its report |
//! | features and classes | [`head::train`] | a classification layer |
//! | a model | [`Model::export`] | a file for TensorFlow or ONNX Runtime |
//! | a classification layer | [`trained::TrainedModel::write`] | its folder, a model |
//! | tensors | [`net::Network::run`] | tensors, by TensorFlow's names |
//!
//! [`Model`], [`Classifier`], [`Embedder`], [`Picture`] and [`net::Network`] are `Send + Sync` and
//! cheap to clone; clones share the weights. Many photos at once are best served by one clone a
//! thread, each [`Classifier::with_threads`] of 1.
//!
//! # In a server
//!
//! A call computes for milliseconds to seconds and never waits, so an asynchronous program runs it
//! on threads that may block. As many calls at a time as there are cores, each on one thread, give
//! the highest throughput; results do not depend on it. Models may share threads
//! ([`ModelOptions::pool`]); a model that no request uses gives its memory back by
//! [`net::Network::release_idle_memory`]. `examples/server.rs` is a server in a hundred lines.
//!
//! ```
//! use lorgnette::{Classification, Classifier, Model, ModelOptions, Picture};
//!
//! async fn classify(
//!     classifier: Classifier,
//!     photo: Vec<u8>,
//! ) -> Result<Classification, lorgnette::Error> {
//!     let answer = move || {
//!         let picture = Picture::from_bytes(&photo, "the photo of this request")?;
//!         classifier.classify(&picture, 5)
//!     };
//!     tokio::task::spawn_blocking(answer).await.expect("no photo makes it panic")
//! }
//!
//! # fn main() -> Result<(), lorgnette::Error> {
//! let cores = std::thread::available_parallelism().map_or(1, usize::from);
//! let mut builder = tokio::runtime::Builder::new_multi_thread();
//! let runtime = builder.max_blocking_threads(cores).build().unwrap();
//! // Clones share the weights, and this one has no threads but those that call it.
//! let classifier = Classifier::new(Model::embedded(&ModelOptions::default())?)?.with_threads(1);
//! let photo = std::fs::read("../../photos/chelsea.jpg").unwrap();
//! let start = |_| runtime.spawn(classify(classifier.clone(), photo.clone()));
//! let requests: Vec<_> = (0..4).map(start).collect();
//! for request in requests {
//!     assert!(runtime.block_on(request).unwrap()?.predictions[0].name.contains("cat"));
//! }
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]

pub mod answer;
pub mod blur;
pub mod catalogue;
mod classify;
pub mod dataset;
pub mod dense;
pub mod diagram;
pub mod draw;
mod drawing;
mod embed;
mod error;
pub mod evaluate;
pub mod export;
pub mod faces;
mod family;
pub mod features;
pub mod head;
pub mod labels;
pub mod metrics;
mod model;
mod model_ref;
mod model_store;
mod observer;
mod open;
mod opened_model;
pub mod parallel;
pub mod photos;
pub mod picture;
pub mod preprocess;
#[cfg(feature = "pull")]
pub mod pull;
pub mod quantize;
mod random;
mod record_photo;
pub mod report;
mod scores;
pub mod spreadsheet;
pub mod train;
pub mod trained;
pub mod watch;
pub mod wordnet;

pub use answer::{BlurAnswer, ClassifyAnswer, EmbedAnswer, FailedPhoto, MapAnswer};
pub use blur::Blurrer;
pub use catalogue::EMBEDDED_NAME;
pub use classify::{Classification, Classifier, Outputs, Prediction};
pub use dense::{Region, RegionOptions, SegmentationMap, SegmentationOptions, Segmenter};
pub use drawing::Drawing;
pub use embed::Embedder;
pub use error::{Error, Result, error_chain};
pub use labels::Labels;
pub use lorgnette_kernels as kernels;
pub use lorgnette_net as net;
pub use lorgnette_net::MapPadding;
pub use model::{Model, ModelOptions, PreprocessSource};
pub use model_ref::ModelRef;
pub use model_store::{DownloadRecord, ModelStore};
pub use observer::{Observer, Progress};
pub use opened_model::OpenedModel;
pub use picture::{Picture, PictureRef};
pub use preprocess::{PreprocessRule, Preprocessor};
