//! JSON of an evaluation.

use serde::Serialize;

use super::{ClassMetrics, Evaluation};
use crate::photos::PassedOver;

/// JSON of an evaluation.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct EvaluationSummary<'a> {
    /// Number of photos that were evaluated.
    pub photos: usize,
    /// Number of photos that could not be opened.
    pub failed: usize,
    /// Accuracy, from 0 to 1.
    pub accuracy: f64,
    /// 95 % confidence interval of the accuracy.
    pub accuracy_interval: [f64; 2],
    /// Top-5 accuracy.
    pub top5: f64,
    /// Mean cross entropy, in nats.
    pub loss: f64,
    /// Mean recall of the classes.
    pub balanced_accuracy: f64,
    /// Mean F1 of the classes.
    pub f1: f64,
    /// Expected calibration error.
    pub calibration_error: f64,
    /// Names of the classes.
    pub classes: &'a [String],
    /// Metrics of each class.
    #[serde(rename = "class_figures")]
    pub class_metrics: Vec<ClassSummary<'a>>,
    /// Confusion matrix: a row for each true class, a column for each predicted class.
    pub confusion: Vec<&'a [u32]>,
    /// Number of labelled photos, before those of one split were taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listed: Option<usize>,
    /// Files and folders that are no photos, or were left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub passed_over: Option<&'a PassedOver>,
    /// Notes about the dataset, such as how labels are counted.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub notes: &'a [String],
}

/// JSON of a class's metrics.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct ClassSummary<'a> {
    /// Name of the class.
    pub name: &'a str,
    /// Number of photos of the class.
    pub support: usize,
    /// Precision, if the class was predicted.
    pub precision: Option<f64>,
    /// Recall, if the class has photos.
    pub recall: Option<f64>,
    /// F1, if either is known.
    pub f1: Option<f64>,
}

impl<'a> ClassSummary<'a> {
    fn new(name: &'a str, class: &ClassMetrics) -> Self {
        Self {
            name,
            support: class.support,
            precision: class.precision(),
            recall: class.recall(),
            f1: class.f1(),
        }
    }
}

impl Evaluation {
    /// Returns the evaluation as it is written as JSON; `failed` photos could not be opened.
    #[must_use]
    pub fn summary(&self, failed: usize) -> EvaluationSummary<'_> {
        let (accuracy, means) = (self.accuracy(), self.macro_averages());
        let classes = self.names().iter().zip(self.classes());
        EvaluationSummary {
            photos: self.photos(),
            failed,
            accuracy: accuracy.value(),
            accuracy_interval: accuracy.interval(),
            top5: self.top5().value(),
            loss: self.loss(),
            balanced_accuracy: means.recall,
            f1: means.f1,
            calibration_error: self.reliability().expected_calibration_error(),
            classes: self.names(),
            class_metrics: classes.map(|(name, class)| ClassSummary::new(name, class)).collect(),
            confusion: (0..self.names().len()).map(|truth| self.confusion().row(truth)).collect(),
            listed: None,
            passed_over: None,
            notes: &[],
        }
    }
}
