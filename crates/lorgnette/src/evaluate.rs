//! Evaluation of a model, from labelled photos to a report.
//!
//! ```text
//! Listing ─▶ true classes ─▶ (photos of one split) ─▶ probabilities ─▶ Evaluation ─▶ report
//! ```
//! Folders and labels are matched with the model's classes by name; see
//! [`Labels::class_of_folder`](crate::Labels::class_of_folder).
//!
//! ```no_run
//! use lorgnette::dataset::{Listing, ListingOptions};
//! use lorgnette::evaluate::{Evaluator, EvaluatorOptions};
//! use lorgnette::{Model, ModelOptions};
//!
//! let listing = Listing::open("imagenet/val".as_ref(), &ListingOptions::default())?;
//! let model = Model::embedded(&ModelOptions::default())?;
//! let evaluator = Evaluator::new(model, EvaluatorOptions::default())?;
//! let result = evaluator.run(listing, &mut ())?;
//! println!("accuracy {:.3}", result.evaluation.accuracy().value());
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```

mod error;
mod event;
mod ground_truth;
mod request;
mod score;
mod trained_on;

use std::path::{Path, PathBuf};

use crate::classify::Classifier;
use crate::dataset::{Listing, Split};
use crate::error::Result;
use crate::labels::{Label, Labels};
use crate::metrics::{
    Evaluation, EvaluationSummary, NEAR_DUPLICATE_COSINE, NearDuplicateFinder, ScoredPhoto,
};
use crate::model::Model;
use crate::photos::PassedOver;
use crate::picture::OpenOptions;
use crate::report::{NearDuplicatePair, Report, ReportError};

use ground_truth::GroundTruth;
use score::Scored;
use trained_on::TrainedOn;

pub use error::EvaluateError;
pub use event::{EvaluationObserver, Event};
pub use request::EvaluationRequest;

/// Options of an [`Evaluator`].
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct EvaluatorOptions {
    /// How photos are opened for the network.
    pub open: OpenOptions,
    /// Folder of the model, if it may have been trained by [`crate::train`]: its photos are
    /// recognised by content.
    pub folder: Option<PathBuf>,
    /// Evaluates only photos that had this use in the training of the model in
    /// [`folder`](Self::folder). Default: all photos.
    pub split: Option<Split>,
    /// Whether features are kept, for near-duplicates in the report. Default: no.
    pub features: bool,
}

/// Evaluates a model on labelled photos.
#[derive(Clone, Debug)]
pub struct Evaluator {
    classifier: Classifier,
    options: EvaluatorOptions,
}

/// An evaluation with the predictions it is computed from.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct EvaluationResult {
    /// Metrics.
    pub evaluation: Evaluation,
    /// The evaluated photos.
    pub scored: Vec<ScoredPhoto>,
    /// Features of the evaluated photos, if requested and known.
    pub features: Vec<Vec<f32>>,
    /// Number of photos that could not be opened or run.
    pub failed: usize,
    /// Number of photos that were rejected when they were listed.
    pub rejected: usize,
    /// Names of folders and labels that are no class of the model.
    pub unmatched: Vec<String>,
    /// Number of labelled photos, before those of one split were taken.
    pub listed: usize,
    /// Files and folders that are no photos, or were left out.
    pub passed_over: PassedOver,
    /// Notes about the dataset, such as how labels are counted.
    pub notes: Vec<String>,
}

impl Evaluator {
    /// Creates an evaluator of a model.
    ///
    /// # Errors
    /// As [`Classifier::new`].
    pub fn new(model: Model, options: EvaluatorOptions) -> Result<Self> {
        Ok(Self { classifier: Classifier::new(model)?, options })
    }

    /// Runs the model on the listed photos, on all its threads, and evaluates its predictions.
    /// Photos that fail are events and do not stop the run.
    ///
    /// # Errors
    /// [`EvaluateError::Cancelled`] if the observer cancels; any other [`EvaluateError`] if no
    /// photo can be evaluated.
    pub fn run(
        &self,
        listing: Listing,
        observer: &mut EvaluationObserver<'_>,
    ) -> Result<EvaluationResult, EvaluateError> {
        let model = self.classifier.model();
        let (path, passed_over) = (listing.path.clone(), listing.passed_over.clone());
        let mut ground_truth = GroundTruth::new(listing, model.labels(), observer)?;
        let listed = ground_truth.photos.len();
        self.keep_split(&mut ground_truth, observer)?;
        let Scored { photos, features, failed } =
            score::score(&ground_truth.photos, &self.classifier, &self.options, observer)?;
        if photos.is_empty() {
            return Err(EvaluateError::NothingScored { path });
        }
        Ok(EvaluationResult {
            evaluation: Evaluation::new(&class_names(model), &photos)?,
            scored: photos,
            features,
            failed,
            rejected: ground_truth.rejected,
            unmatched: ground_truth.unmatched,
            listed,
            passed_over,
            notes: ground_truth.notes,
        })
    }

    /// Keeps the photos of the requested split, or reports how many the model was trained on.
    fn keep_split(
        &self,
        ground_truth: &mut GroundTruth,
        observer: &mut EvaluationObserver<'_>,
    ) -> Result<(), EvaluateError> {
        let trained_on = match &self.options.folder {
            Some(folder) => TrainedOn::read(folder)?,
            None => None,
        };
        let threads = self.classifier.model().threads();
        match (trained_on, self.options.split) {
            (Some(trained_on), Some(split)) => {
                trained_on.keep_split(ground_truth, split, threads, observer)
            }
            (Some(trained_on), None) => trained_on.report(ground_truth, threads, observer),
            (None, Some(_)) => Err(EvaluateError::NotTrained),
            (None, None) => Ok(()),
        }
    }
}

impl EvaluationResult {
    /// Returns the metrics as they are written as JSON.
    #[must_use]
    pub fn summary(&self) -> EvaluationSummary<'_> {
        EvaluationSummary {
            listed: Some(self.listed),
            passed_over: Some(&self.passed_over),
            notes: &self.notes,
            ..self.evaluation.summary(self.failed)
        }
    }

    /// Returns the number of photos that could not be evaluated.
    #[must_use]
    pub fn left_out(&self) -> usize {
        self.failed + self.rejected
    }

    /// Writes [`Report`] into a folder. `about` are names and values to begin with, such as the
    /// model's file; `open` is how photos are opened for thumbnails.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn write_report(
        &self,
        folder: &Path,
        title: &str,
        about: &[(String, String)],
        open: &OpenOptions,
    ) -> Result<(), ReportError> {
        let mut about = about.to_vec();
        let judged = self.evaluation.photos() + self.failed;
        if judged < self.listed {
            about.push(("judged".into(), format!("{judged} of {} photos", self.listed)));
        }
        if self.left_out() > 0 {
            let noun = if self.left_out() == 1 { "photo" } else { "photos" };
            let text = format!("{} {noun} that could not be judged", self.left_out());
            about.push(("left out".into(), text));
        }
        if !self.unmatched.is_empty() {
            about.push(("folders of no class".into(), self.unmatched.join(", ")));
        }
        let near_duplicates = self.near_duplicates();
        // One of the photos, as an example.
        let shown = self.scored.len() / 2;
        let features = self.features.get(shown);
        let features = features.map(|features| (&*self.scored[shown].photo, features.as_slice()));
        let report = Report {
            near_duplicates: &near_duplicates,
            features,
            about: &about,
            ..Report::new(title, &self.evaluation, &self.scored)
        };
        report.write(folder, &|path| open.open(path).ok())
    }

    /// Finds near-duplicates of different classes.
    fn near_duplicates(&self) -> Vec<NearDuplicatePair> {
        let features: Vec<&[f32]> = self.features.iter().map(Vec::as_slice).collect();
        NearDuplicateFinder::new(&features)
            .pairs(NEAR_DUPLICATE_COSINE, |first, second| {
                self.scored[first].truth != self.scored[second].truth
            })
            .into_iter()
            .map(|pair| NearDuplicatePair {
                photos: [pair.first, pair.second].map(|photo| self.scored[photo].photo.clone()),
                places: [pair.first, pair.second].map(|photo| self.true_classes(photo)),
                cosine: pair.cosine,
            })
            .collect()
    }

    /// Returns the names of a photo's true classes.
    fn true_classes(&self, photo: usize) -> String {
        let names = self.evaluation.names();
        let truth = &self.scored[photo].truth;
        truth.iter().map(|&class| names[class].as_str()).collect::<Vec<_>>().join(" and ")
    }
}

/// Returns the names of a model's classes. Equal names get their synset or index.
fn class_names(model: &Model) -> Vec<String> {
    let labels = model.labels();
    labels.iter().map(|label| unique_name(label, labels)).collect()
}

fn unique_name(label: Label<'_>, labels: &Labels) -> String {
    let first = label.first_name();
    if labels.iter().filter(|other| other.first_name() == first).count() == 1 {
        return first.to_owned();
    }
    let index = label.index.to_string();
    format!("{first} ({})", label.synset.unwrap_or(&index))
}
