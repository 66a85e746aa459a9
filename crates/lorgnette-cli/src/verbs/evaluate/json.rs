//! The figures as one JSON object.

use std::io::{self, Write};

use lorgnette::metrics::{ClassMetrics, Evaluation};
use serde::Serialize;

use crate::stream::write_json;

#[derive(Serialize)]
struct EvaluationJson<'a> {
    photos: usize,
    failed: usize,
    accuracy: f64,
    /// Of 95 %.
    accuracy_interval: [f64; 2],
    top5: f64,
    loss: f64,
    balanced_accuracy: f64,
    f1: f64,
    calibration_error: f64,
    classes: &'a [String],
    #[serde(rename = "class_figures")]
    class_metrics: Vec<ClassJson<'a>>,
    /// A row for each true class, a column for each class that was said.
    confusion: Vec<&'a [u32]>,
}

#[derive(Serialize)]
struct ClassJson<'a> {
    name: &'a str,
    support: usize,
    precision: Option<f64>,
    recall: Option<f64>,
    f1: Option<f64>,
}

impl<'a> ClassJson<'a> {
    fn new((name, class): (&'a String, &ClassMetrics)) -> Self {
        let (precision, recall, f1) = (class.precision(), class.recall(), class.f1());
        Self { name, support: class.support, precision, recall, f1 }
    }
}

pub(super) fn write(out: &mut dyn Write, evaluation: &Evaluation, failed: usize) -> io::Result<()> {
    let macro_averages = evaluation.macro_averages();
    let confusion = evaluation.confusion();
    write_json(
        out,
        &EvaluationJson {
            photos: evaluation.photos(),
            failed,
            accuracy: evaluation.accuracy().value(),
            accuracy_interval: evaluation.accuracy().interval(),
            top5: evaluation.top5().value(),
            loss: evaluation.loss(),
            balanced_accuracy: macro_averages.recall,
            f1: macro_averages.f1,
            calibration_error: evaluation.reliability().expected_calibration_error(),
            classes: evaluation.names(),
            class_metrics: evaluation
                .names()
                .iter()
                .zip(evaluation.classes())
                .map(ClassJson::new)
                .collect(),
            confusion: (0..confusion.classes()).map(|truth| confusion.row(truth)).collect(),
        },
    )
}
