//! Metrics of a classifier on labelled photos.
//!
//! All functions are pure. [`ScoredPhoto`] is a photo with its true and predicted classes,
//! [`Epoch`] has the metrics of an epoch. [`crate::report`] draws and writes them.
//!
//! ```
//! use lorgnette::metrics::{Evaluation, ScoredPhoto};
//!
//! let classes = ["cat", "dog"].map(String::from);
//! let scored = |photo: &str, truth, cat| ScoredPhoto {
//!     photo: photo.into(),
//!     truth: vec![truth],
//!     probabilities: vec![cat, 1.0 - cat],
//! };
//! let scored = [
//!     scored("a.jpg", 0, 0.9),
//!     scored("b.jpg", 0, 0.8),
//!     scored("c.jpg", 1, 0.3),
//!     scored("d.jpg", 1, 0.6),
//! ];
//! let evaluation = Evaluation::new(&classes, &scored)?;
//! assert_eq!(evaluation.accuracy().value(), 0.75);
//! assert_eq!(evaluation.confusion().count(1, 0), 1);
//! # Ok::<_, lorgnette::metrics::EvaluationError>(())
//! ```

mod class;
mod confusion;
mod coverage;
mod epoch;
mod evaluation;
mod label_issues;
mod near_duplicates;
mod proportion;
mod reliability;
mod scored;
mod summary;

pub use class::{ClassMetrics, MacroAverages};
pub use confusion::{ConfusedPair, Confusion};
pub use coverage::Coverage;
pub use epoch::Epoch;
pub use evaluation::{Evaluation, EvaluationError, confident_mistakes};
pub use label_issues::{LabelIssue, label_issues};
pub use near_duplicates::{NEAR_DUPLICATE_COSINE, NearDuplicate, NearDuplicateFinder};
pub use proportion::Proportion;
pub use reliability::{Bin, Reliability};
pub use scored::ScoredPhoto;
pub use summary::{ClassSummary, EvaluationSummary};
