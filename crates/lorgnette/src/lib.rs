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
//! | a large photo, a small network | [`picture::OpenOptions::min_decode_size`], [`Model::min_decode_size`] | the [`Picture`] at a reduced size, sooner |
//! | nothing, or a frozen graph | [`Model::embedded`], [`Model::open`], [`Model::from_bytes`] | a [`Model`]: network, preprocessing, names |
//! | whatever a user names a model by | [`ModelRef::parse`], [`ModelRef::open`] | a [`Model`] |
//! | a model and a picture | [`Classifier::classify`] | the most probable classes |
//! | a model and a picture | [`Embedder::embed`] | its features |
//! | a model and a picture of any size | [`Segmenter::segment`] | a [`SegmentationMap`]: a class for every place, its [`Region`]s |
//! | a picture of any size | [`faces::FaceDetector::detect`] | the faces in it, with landmarks |
//! | a model, classes, a picture | [`Blurrer::blur`] | the photo with everything of these classes blurred |
//! | something to print or send | [`answer`] | the answers as `Serialize` types |
//! | a map | [`draw::map`], [`draw::Overlay`], [`draw::heat`] | a [`Drawing`]: PNG, JPEG or SVG |
//! | a prediction | [`draw::annotate`] | the picture with names and probabilities over it |
//! | what a model said of photos of known classes | [`metrics::Evaluation::new`] | accuracy, confusion, reliability, … |
//! | labelled photos and a model | [`evaluate::Evaluator::run`] | an evaluation and its report |
//! | an evaluation | [`report::Report::write`], [`report::TensorBoard::write`] | figures, tables, a page; event files |
//! | a published model's name | [`catalogue::find`], [`pull::pull`] | its file, in the [`ModelStore`] |
//! | a folder of classes | [`dataset::Listing::open`], [`dataset::Dataset::read`] | photos told apart by content, dealt out to splits |
//! | a model and a dataset | [`features::Extractor::extract_all`] | features, computed once and cached |
//! | a dataset, an extractor | [`train::Trainer::run`] | a trained model and its report |
//! | features and classes | [`head::train`] | a classification layer |
//! | a model | [`Model::export`] | a file for TensorFlow or ONNX Runtime |
//! | a classification layer | [`trained::TrainedModel::write`] | a folder that [`Model::open`] takes |
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
//! the highest throughput; results do not depend on it.
//!
//! ```
//! use lorgnette::{Classification, Classifier, Model, ModelOptions, Picture};
//!
//! async fn classify(classifier: Classifier, photo: Vec<u8>) -> Result<Classification, lorgnette::Error> {
//!     let answer = move || {
//!         let picture = Picture::from_bytes(&photo, "the photo of this request")?;
//!         classifier.classify(&picture, 5)
//!     };
//!     tokio::task::spawn_blocking(answer).await.expect("no photo makes it panic")
//! }
//!
//! # fn main() -> Result<(), lorgnette::Error> {
//! let cores = std::thread::available_parallelism().map_or(1, usize::from);
//! let runtime = tokio::runtime::Builder::new_multi_thread().max_blocking_threads(cores).build().unwrap();
//! // Clones share the weights, and this one has no threads but those that call it.
//! let classifier = Classifier::new(Model::embedded(&ModelOptions::default())?)?.with_threads(1);
//! let photo = std::fs::read("../../photos/chelsea.jpg").unwrap();
//! let requests: Vec<_> = (0..4).map(|_| runtime.spawn(classify(classifier.clone(), photo.clone()))).collect();
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
pub mod parallel;
pub mod photos;
pub mod picture;
pub mod preprocess;
#[cfg(feature = "pull")]
pub mod pull;
pub mod report;
pub mod train;
pub mod trained;
pub mod wordnet;

pub use answer::{BlurAnswer, ClassifyAnswer, EmbedAnswer, FailedPhoto, MapAnswer};
pub use blur::Blurrer;
pub use classify::{Classification, Classifier, Outputs, Prediction};
pub use dense::{Region, RegionOptions, SegmentationMap, SegmentationOptions, Segmenter};
pub use drawing::Drawing;
pub use embed::Embedder;
pub use error::{Error, Result, error_chain};
pub use labels::Labels;
pub use lorgnette_kernels as kernels;
pub use lorgnette_net as net;
pub use lorgnette_net::MapPadding;
pub use model::{EMBEDDED_NAME, Model, ModelOptions, PreprocessSource};
pub use model_ref::ModelRef;
pub use model_store::{DownloadRecord, ModelStore};
pub use observer::{Observer, Progress};
pub use picture::{Picture, PictureRef};
pub use preprocess::Preprocessor;
