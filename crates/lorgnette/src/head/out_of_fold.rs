//! Out-of-fold predictions: scores of training photos by layers that were trained without them.
//! They reveal label errors, which a layer that was trained on them reproduces.

use super::layers::Layers;
use super::lbfgs_trainer::LbfgsTrainer;
use super::watcher::{HeadObserver, Watcher};
use super::{Checkpoint, Examples, Recipe, TrainOptions, TrainingTask};
use crate::random::Random;

/// Maximum number of products of a pass; more examples are sampled.
const MAX_PRODUCTS: usize = 1 << 31;
/// Minimum size of a sample.
const MIN_EXAMPLES: usize = 4096;
/// Maximum number of epochs.
const MAX_EPOCHS: usize = 30;
/// Penalty as `λ·n` for recipes without one.
const DEFAULT_STRENGTH: f64 = 10.0;

/// Returns the scores of each training example, `[examples][classes]`, by a layer that was trained
/// on the other folds with the default recipe; `None` if cancelled. `folds` has the fold of each
/// example. `penalty` is the final head's, if any.
///
/// # Panics
/// If `folds` has another length.
#[must_use]
pub fn out_of_fold_scores(
    task: &TrainingTask<'_>,
    folds: &[usize],
    penalty: Option<f64>,
    observer: &mut HeadObserver<'_>,
) -> Option<Vec<f32>> {
    let mut watcher = Watcher::quiet(observer);
    assert_eq!(folds.len(), task.training.len(), "a fold for each example");
    let penalty = penalty.unwrap_or(DEFAULT_STRENGTH / task.training.len() as f64);
    let (recipe, hidden) = (Recipe::Default, None);
    let options = TrainOptions {
        recipe,
        hidden,
        penalty: Some(penalty),
        epochs: MAX_EPOCHS,
        ..task.options.clone()
    };
    let mut scores = vec![0.0; folds.len() * task.classes];
    for fold in 0..folds.iter().max().map_or(0, |last| last + 1) {
        let held: Vec<usize> = (0..folds.len()).filter(|&i| folds[i] == fold).collect();
        if held.is_empty() {
            continue;
        }
        let layers = trained_without(task, &options, folds, fold, &mut watcher)?;
        let found = layers.scores(task.training.select(&held).features(), task.level, task.pool);
        for (&example, found) in held.iter().zip(found.chunks_exact(task.classes)) {
            scores[example * task.classes..][..task.classes].copy_from_slice(found);
        }
    }
    Some(scores)
}

fn trained_without(
    task: &TrainingTask<'_>,
    options: &TrainOptions,
    folds: &[usize],
    fold: usize,
    watcher: &mut Watcher<'_>,
) -> Option<Layers> {
    let mut others: Vec<usize> = (0..folds.len()).filter(|&i| folds[i] != fold).collect();
    let most = (MAX_PRODUCTS / (task.training.width() * task.classes).max(1)).max(MIN_EXAMPLES);
    if others.len() > most {
        let permutation = Random::at(options.seed, fold as u64).permutation(others.len());
        others = permutation[..most].iter().map(|&i| others[i]).collect();
    }
    let training: Examples = task.training.select(&others);
    if training.is_empty() {
        return None;
    }
    let task = TrainingTask { training: &training, options, ..*task };
    let trained = LbfgsTrainer::new(&task).train(&Checkpoint::default(), watcher);
    (!trained.interrupted).then_some(trained.layers)
}
