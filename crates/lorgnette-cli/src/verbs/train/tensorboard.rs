//! The training for TensorBoard.

use anyhow::{Context as _, Result};
use lorgnette::metrics::Evaluation;
use lorgnette::report::{Point, TensorBoard};

use super::fit::{Fitted, Run};

/// The folder within the model's, for `tensorboard --logdir`.
const FOLDER: &str = "tensorboard";

/// Writes event files; for `--projector`, features and small pictures of photos too.
pub(super) fn write(run: &Run<'_>, fitted: &Fitted, test: &Evaluation) -> Result<()> {
    let folder = run.arguments.out.join(FOLDER);
    let layer = &fitted.layers.last;
    let mut distributions: Vec<(&str, &[f32])> =
        vec![("weights", &layer.weights), ("biases", &layer.biases)];
    if let Some(hidden) = &fitted.layers.hidden {
        distributions
            .extend([("hidden/weights", &hidden.weights[..]), ("hidden/biases", &hidden.biases)]);
    }
    let dataset = run.bottlenecks.dataset;
    let features = run.bottlenecks.features.first();
    distributions.extend(features.map(|features| ("features of one photo", &features[..])));
    let labels: Vec<String> =
        dataset.examples.iter().map(|example| name(&dataset.classes, &example.classes)).collect();
    let with_photos = dataset
        .examples
        .iter()
        .zip(&labels)
        .zip(run.bottlenecks.splits)
        .zip(run.bottlenecks.features);
    let points: Vec<Point<'_>> = with_photos
        .filter(|_| run.arguments.projector)
        .map(|(((example, label), split), features)| Point {
            photo: &example.photo,
            features,
            label,
            split: split.name(),
        })
        .collect();
    let shown = TensorBoard {
        epochs: &fitted.trained.epochs,
        distributions: &distributions,
        evaluation: Some(test),
        points: &points,
    };
    let open_options = run.arguments.open_options();
    shown
        .write(&folder, &|path| open_options.open(path).ok())
        .with_context(|| folder.display().to_string())
}

fn name(names: &[String], classes: &[usize]) -> String {
    classes.iter().map(|&class| names[class].as_str()).collect::<Vec<_>>().join(" and ")
}
