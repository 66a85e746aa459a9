//! Cross-validation: every photo is a test photo once.

use anyhow::{Result, ensure};
use lorgnette::dataset::Split;
use lorgnette::trained;

use super::fit::Run;

/// Trains and tests so many times, and tells how well that went. Fold `k` is for test, the next one
/// for validation.
pub(super) fn cross_validate(run: &Run<'_>, folds: u8) -> Result<()> {
    let folds = usize::from(folds);
    let dataset = run.bottlenecks.dataset;
    let folds_of_photos = dataset.folds(folds, run.split_options);
    let options = run.extractor.embedder().model().network().run_options();
    let mut lines = String::from("fold,photos,accuracy\n");
    let mut accuracies = Vec::new();
    for fold in 0..folds {
        let split = |&fold_of_photo: &usize| match fold_of_photo {
            _ if fold_of_photo == fold => Split::Test,
            _ if folds > 2 && fold_of_photo == (fold + 1) % folds => Split::Validation,
            _ => Split::Training,
        };
        let mut splits: Vec<Split> = folds_of_photos.iter().map(split).collect();
        if folds == 2 {
            // The other half is for both: every fifth photo of it chooses.
            let training = splits.iter_mut().filter(|split| **split == Split::Training);
            training.step_by(5).for_each(|split| *split = Split::Validation);
        }
        let missing = Split::ALL.iter().find(|split| !splits.contains(split));
        ensure!(
            missing.is_none(),
            "there are too few photos for {folds} folds: one of them is empty"
        );
        let (fitted, test) = run.fit_fold(&splits)?;
        let predicted =
            fitted.layers.probabilities(&test, fitted.options.answer, options.level, &options.pool);
        let right = predicted
            .iter()
            .zip(test.truth())
            .filter(|(predicted, truth)| truth.contains(&largest(predicted)))
            .count();
        let accuracy = right as f64 / test.len() as f64;
        run.messages.note(&format_args!(
            "fold {} of {folds}: {right} of {} right",
            fold + 1,
            test.len()
        ));
        lines += &format!("{},{},{accuracy}\n", fold + 1, test.len());
        accuracies.push(accuracy);
    }
    let mean = accuracies.iter().sum::<f64>() / folds as f64;
    let deviation =
        (accuracies.iter().map(|a| (a - mean).powi(2)).sum::<f64>() / (folds - 1) as f64).sqrt();
    run.messages.note(&format_args!(
        "cross-validation: accuracy {mean:.4} ± {deviation:.4} over {folds} folds"
    ));
    Ok(trained::replace(&run.arguments.out.join("folds.csv"), lines.as_bytes())?)
}

fn largest(values: &[f32]) -> usize {
    (0..values.len()).fold(0, |best, at| if values[at] > values[best] { at } else { best })
}
