//! CSV tables.

use super::Report;
use crate::metrics::{Epoch, Evaluation, ScoredPhoto};
use crate::spreadsheet;

/// The confusion matrix: a row for each true class, a column for each class the model says, the
/// classes' names first.
#[must_use]
pub fn confusion_csv(evaluation: &Evaluation) -> String {
    let names = evaluation.names();
    let header = std::iter::once(r"true class \ said".to_owned()).chain(names.iter().cloned());
    let row = |(class, name): (usize, &String)| {
        let counts = evaluation.confusion().row(class).iter().map(ToString::to_string);
        std::iter::once(name.clone()).chain(counts).collect()
    };
    csv(std::iter::once(header.collect()).chain(names.iter().enumerate().map(row)))
}

/// Precision, recall, F1 and numbers of photos, a row for each class. What cannot be known is left
/// empty.
#[must_use]
pub fn classes_csv(evaluation: &Evaluation) -> String {
    let header = ["class", "photos", "said", "right", "precision", "recall", "f1"]
        .map(String::from)
        .to_vec();
    let share = |share: Option<f64>| share.map_or_else(String::new, |share| format!("{share:.6}"));
    let row = |(name, class): (&String, &crate::metrics::ClassMetrics)| {
        let counts = [class.support, class.predicted, class.correct].map(|count| count.to_string());
        let shares = [class.precision(), class.recall(), class.f1()].map(share);
        std::iter::once(name.clone()).chain(counts).chain(shares).collect()
    };
    csv(std::iter::once(header).chain(evaluation.names().iter().zip(evaluation.classes()).map(row)))
}

/// A row for each photo: its file, its true classes, the class the model says and how probable that
/// is, whether it is right, the probability of the (first) true class, and its rank, which is 1 for
/// the most probable.
#[must_use]
pub fn photos_csv(evaluation: &Evaluation, scored: &[ScoredPhoto]) -> String {
    let header =
        ["photo", "true", "said", "probability", "right", "probability of true", "rank of true"];
    let names = evaluation.names();
    let row = |scored: &ScoredPhoto| {
        let truth: Vec<&str> = scored.truth.iter().map(|&class| names[class].as_str()).collect();
        vec![
            scored.photo.display().to_string(),
            truth.join("; "),
            names[scored.predicted_class()].clone(),
            scored.confidence().to_string(),
            scored.is_correct().to_string(),
            scored.probability(scored.truth[0]).to_string(),
            (scored.rank() + 1).to_string(),
        ]
    };
    csv(std::iter::once(header.map(String::from).to_vec()).chain(scored.iter().map(row)))
}

/// A row for each photo whose label may be wrong, the most certain first: its file, its label, the
/// class it looks like, by how much that is more probable, and what the photo was used for.
pub(super) fn label_issues_csv(report: &Report<'_>) -> String {
    let header = ["photo", "label", "looks like", "margin", "split"].map(String::from).to_vec();
    let names = report.evaluation.names();
    let (label_issues, among) = report.label_issues();
    let rows = label_issues.iter().map(|label_issue| {
        let (scored, split) = among[label_issue.photo];
        let [label, predicted] =
            [label_issue.label, label_issue.predicted].map(|class| names[class].clone());
        vec![
            scored.photo.display().to_string(),
            label,
            predicted,
            format!("{:.6}", label_issue.margin),
            split.to_owned(),
        ]
    });
    csv(std::iter::once(header).chain(rows))
}

/// A row for each epoch: its number, its seconds, accuracy and loss of training and validation.
#[must_use]
pub fn epochs_csv(epochs: &[Epoch]) -> String {
    let header = [
        "epoch",
        "seconds",
        "training accuracy",
        "training loss",
        "validation accuracy",
        "validation loss",
    ];
    let row = |epoch: &Epoch| {
        let values = [
            epoch.seconds,
            epoch.training_accuracy,
            epoch.training_loss,
            epoch.validation_accuracy,
            epoch.validation_loss,
        ];
        std::iter::once(epoch.epoch.to_string())
            .chain(values.map(|value| format!("{value:.6}")))
            .collect()
    };
    csv(std::iter::once(header.map(String::from).to_vec()).chain(epochs.iter().map(row)))
}

fn csv(rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        writer.write_record(row).expect("rows are as long as their header, and memory takes them");
    }
    let bytes = writer.into_inner().expect("memory takes what is written");
    let bytes = spreadsheet::cells(bytes).expect("these lines were just written");
    String::from_utf8(bytes).expect("it was written from text")
}
