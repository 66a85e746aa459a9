//! Cross-validation: every photo is a test photo once.

use super::TrainError;
use super::event::{Event, TrainObserver, send};
use super::fit::Run;
use crate::dataset::Split;

/// File with the accuracy of each fold.
pub(super) const FOLDS: &str = "folds.csv";

/// Trains and tests once for each fold. Returns the content of `folds.csv`.
pub(super) fn cross_validate(
    run: &Run<'_>,
    folds: usize,
    observer: &mut TrainObserver<'_>,
) -> Result<String, TrainError> {
    let folds_of_photos = run.samples.dataset.folds(folds, &run.options.split);
    let mut lines = String::from("fold,photos,accuracy\n");
    let mut accuracies = Vec::new();
    for fold in 0..folds {
        let splits = splits(&folds_of_photos, fold, folds);
        if Split::ALL.iter().any(|split| !splits.contains(split)) {
            return Err(TrainError::EmptyFold { folds });
        }
        let (fitted, test) = run.fit_fold(&splits, observer)?;
        let probabilities = run.probabilities(&fitted, &test);
        let correct = probabilities
            .iter()
            .zip(test.truth())
            .filter(|(probabilities, truth)| truth.contains(&argmax(probabilities)))
            .count();
        let (fold, total) = (fold + 1, test.len());
        let accuracy = correct as f64 / total as f64;
        send(observer, &Event::Fold { fold, folds, correct, total })?;
        lines += &format!("{fold},{total},{accuracy}\n");
        accuracies.push(accuracy);
    }
    let mean = accuracies.iter().sum::<f64>() / folds as f64;
    let squares: f64 = accuracies.iter().map(|accuracy| (accuracy - mean).powi(2)).sum();
    let deviation = (squares / (folds - 1) as f64).sqrt();
    send(observer, &Event::CrossValidated { mean, deviation, folds })?;
    Ok(lines)
}

/// Returns the splits of a fold: its own photos are for test, those of the next fold for
/// validation. Of two folds, every fifth photo of the other one is for validation.
fn splits(folds_of_photos: &[usize], fold: usize, folds: usize) -> Vec<Split> {
    let mut training = 0;
    let mut splits = Vec::with_capacity(folds_of_photos.len());
    for &fold_of_photo in folds_of_photos {
        splits.push(if fold_of_photo == fold {
            Split::Test
        } else if folds > 2 && fold_of_photo == (fold + 1) % folds {
            Split::Validation
        } else if folds == 2 {
            training += 1;
            if training % 5 == 1 { Split::Validation } else { Split::Training }
        } else {
            Split::Training
        });
    }
    splits
}

fn argmax(values: &[f32]) -> usize {
    (0..values.len()).fold(0, |best, at| if values[at] > values[best] { at } else { best })
}
