//! Selection of the L2 penalty on held-out examples.
//!
//! With many validation photos, these are the held-out examples. With few, cross-validation on the
//! training photos is added. Penalties are tried from strong to weak, each with a warm start. The
//! lowest loss would favour strong penalties, because weak ones are overconfident, which
//! [calibration](super::Calibration) corrects later. Therefore the weakest penalty is selected
//! whose loss is not significantly above the lowest.

use super::PenaltyTrial;
use super::calibration::ScoredExamples;
use super::checkpoint::Checkpoint;
use super::examples::Examples;
use super::lbfgs::Lbfgs;
use super::lbfgs_trainer::{LbfgsTrainer, read_descent, write_descent};
use super::objective::Measured;
use super::progressive;
use super::watcher::Watcher;

/// Penalties as `λ·n`: for features of mean square deviation 1, the inverse of
/// scikit-learn's `C`.
const CANDIDATES: [f64; 10] = [1000.0, 300.0, 100.0, 30.0, 10.0, 3.0, 1.0, 0.3, 0.1, 0.03];
/// Stride through the candidates when early stopping on many validation photos limits overfitting.
const COARSE_STRIDE: usize = 2;
/// Number of weaker penalties with a higher loss after which the search stops.
const MAX_WORSE: usize = 2;
/// Maximum number of iterations for each penalty.
const TRIAL_ITERATIONS: usize = 40;
/// Maximum number of iterations on a sample of many examples.
const TRIAL_ITERATIONS_ON_SAMPLE: usize = 15;
/// Relative decrease of the loss below which a trial has converged.
const CONVERGED: f64 = 1e-4;
/// Number of folds.
const FOLDS: usize = 5;

/// Outcome of the search.
pub(super) enum Chosen {
    /// Selected penalty, all trials, and a warm start from the last trial on a sample.
    Penalty(f64, Vec<PenaltyTrial>, Option<WarmStart>),
    /// The observer cancelled: the current point and the trials.
    Interrupted(Vec<f64>, Vec<PenaltyTrial>),
}

/// State of L-BFGS at the minimum for a penalty.
pub(super) struct WarmStart {
    pub(super) descent: Lbfgs,
    pub(super) penalty: f64,
}

/// Training and held-out examples, and the state of L-BFGS after the last penalty.
struct Trial {
    /// Number in checkpoints.
    number: usize,
    training: Option<Examples>,
    held_out: Option<Examples>,
    descent: Option<Lbfgs>,
}

/// Scores and classes of held-out examples.
struct HeldOut {
    scores: Vec<f32>,
    truth: Vec<Vec<usize>>,
}

/// Tries penalties, from the start or from a checkpoint.
pub(super) fn choose(
    trainer: &LbfgsTrainer<'_>,
    from: &Checkpoint,
    watcher: &mut Watcher<'_>,
) -> Chosen {
    let mut trials = trials(trainer, from);
    let mut tried = read_trials(from);
    let stride = if trainer.validates_alone() { COARSE_STRIDE } else { 1 };
    let strengths: Vec<f64> = CANDIDATES.into_iter().step_by(stride).collect();
    while let Some(&strength) = strengths.get(tried.len()) {
        if enough(&tried) {
            break;
        }
        let mut held = Vec::new();
        for trial in &mut trials {
            if !watcher.should_continue() {
                let whole =
                    trials.pop().and_then(|trial| trial.descent).map(|descent| descent.point);
                return Chosen::Interrupted(whole.unwrap_or_else(|| trainer.origin.clone()), tried);
            }
            trial.resume(trainer, tried.len().checked_sub(1).map(|last| strengths[last]), strength);
            held.push(trial.evaluated(trainer));
        }
        let found = evaluated(trainer, strength / trainer.training.len() as f64, &held);
        watcher.trial(&found);
        tried.push(found);
        watcher.checkpoint(&|| state(&trials, &tried));
    }
    let penalty = tried[weakest_good(&tried)].penalty;
    Chosen::Penalty(penalty, tried.clone(), warm_start(trials, strengths[tried.len() - 1]))
}

/// Returns the warm start of the last trial, if it was on a sample of the examples.
fn warm_start(mut trials: Vec<Trial>, strength: f64) -> Option<WarmStart> {
    let Trial { training, held_out: None, descent, .. } = trials.pop()? else { return None };
    let (examples, descent) = (training?, descent?);
    Some(WarmStart { descent, penalty: strength / examples.len() as f64 })
}

/// Returns the trials; the last one has all training examples.
fn trials(trainer: &LbfgsTrainer<'_>, from: &Checkpoint) -> Vec<Trial> {
    let descent = |number: usize| read_descent(from, &name(number));
    let part = progressive::first(trainer);
    if trainer.validates_alone() {
        return vec![Trial {
            number: FOLDS,
            training: part,
            held_out: None,
            descent: descent(FOLDS),
        }];
    }
    let all = part.as_ref().unwrap_or(&trainer.training);
    let fold = |number: usize| {
        let of = |is_held: bool| {
            let photos = all.photos().iter().enumerate();
            let own =
                photos.filter(|(_, photo)| (**photo % FOLDS == number) == is_held).map(|(i, _)| i);
            all.select(&own.collect::<Vec<_>>())
        };
        Trial {
            number,
            training: Some(of(false)),
            held_out: Some(of(true)),
            descent: descent(number),
        }
    };
    let folds = (0..FOLDS).map(fold).filter(|trial| {
        let is_some = |examples: &Option<Examples>| {
            examples.as_ref().is_some_and(|examples| !examples.is_empty())
        };
        is_some(&trial.training) && is_some(&trial.held_out)
    });
    let mut trials: Vec<Trial> = folds.collect();
    trials.push(Trial { number: FOLDS, training: part, held_out: None, descent: descent(FOLDS) });
    trials
}

impl Trial {
    /// Minimises the loss for a penalty, with a warm start from the previous one.
    fn resume(&mut self, trainer: &LbfgsTrainer<'_>, before: Option<f64>, strength: f64) {
        let examples = self.training.as_ref().unwrap_or(&trainer.training);
        let count = examples.len() as f64;
        let mut measured = Measured::default();
        let mut function = trainer.function(examples, strength / count, &mut measured);
        let mut descent = match (self.descent.take(), before) {
            (Some(descent), Some(before)) => {
                descent.with_penalty((strength - before) / count, &mut function)
            }
            _ => Lbfgs::from(trainer.origin.clone(), &mut function),
        };
        let most =
            if trainer.validates_alone() { TRIAL_ITERATIONS_ON_SAMPLE } else { TRIAL_ITERATIONS };
        for _ in 0..most {
            let before = descent.value;
            if !descent.step(&mut function) || before - descent.value < CONVERGED * before.abs() {
                break;
            }
        }
        self.descent = Some(descent);
    }

    /// Returns the scores of held-out examples.
    fn evaluated<'t>(&'t self, trainer: &'t LbfgsTrainer<'_>) -> HeldOut {
        let examples = self.held_out.as_ref().unwrap_or(&trainer.validation);
        let point = self.descent.as_ref().map_or(&trainer.origin, |descent| &descent.point);
        let layers = trainer.scaled_layers(point);
        let scores = layers.scores(examples.features(), trainer.task.level, trainer.task.pool);
        HeldOut { scores, truth: examples.truth().to_vec() }
    }
}

/// Returns the held-out loss of a penalty.
fn evaluated(trainer: &LbfgsTrainer<'_>, penalty: f64, held: &[HeldOut]) -> PenaltyTrial {
    let scores: Vec<f32> = held.iter().flat_map(|held| &held.scores).copied().collect();
    let truth: Vec<Vec<usize>> = held.iter().flat_map(|held| &held.truth).cloned().collect();
    let (classes, answer) = (trainer.task.classes, trainer.task.options.answer);
    let examples = ScoredExamples { scores: &scores, truth: &truth, classes, answer };
    let losses = examples.losses(1.0);
    let count = losses.len() as f64;
    let loss = losses.iter().sum::<f64>() / count;
    let variance = losses.iter().map(|one| (one - loss).powi(2)).sum::<f64>() / count;
    // With many validation photos, these calibrate the final head.
    let calibrates = !trainer.validates_alone();
    PenaltyTrial {
        penalty,
        loss,
        error: (variance / count).sqrt(),
        temperature: calibrates.then(|| examples.temperature()),
    }
}

fn best(tried: &[PenaltyTrial]) -> usize {
    (1..tried.len()).fold(0, |best, at| if tried[at].loss < tried[best].loss { at } else { best })
}

/// Number of standard errors above the lowest loss within which losses count as equal.
const SELECTION_TOLERANCE: f64 = 0.5;

/// Whether a penalty's loss is not significantly above the lowest.
fn is_good(tried: &[PenaltyTrial], at: usize) -> bool {
    let best = tried[best(tried)];
    tried[at].loss <= best.loss + SELECTION_TOLERANCE * best.error
}

fn weakest_good(tried: &[PenaltyTrial]) -> usize {
    (0..tried.len()).rev().find(|&at| is_good(tried, at)).unwrap_or(0)
}

fn enough(tried: &[PenaltyTrial]) -> bool {
    !tried.is_empty() && tried.len() - 1 - weakest_good(tried) >= MAX_WORSE
}

fn state(trials: &[Trial], tried: &[PenaltyTrial]) -> Checkpoint {
    let mut state = Checkpoint::default();
    write_trials(&mut state, tried);
    for trial in trials {
        if let Some(descent) = &trial.descent {
            write_descent(&mut state, &name(trial.number), descent);
        }
    }
    state
}

/// Name of a trial in checkpoints.
fn name(number: usize) -> String {
    format!("trial {number} ")
}

pub(super) fn write_trials(state: &mut Checkpoint, tried: &[PenaltyTrial]) {
    let flat = tried
        .iter()
        .flat_map(|one| [one.penalty, one.loss, one.error, one.temperature.unwrap_or(f64::NAN)]);
    state.arrays.insert("tried".into(), flat.collect());
}

fn read_trials(state: &Checkpoint) -> Vec<PenaltyTrial> {
    let flat = state.arrays.get("tried").map_or(&[][..], Vec::as_slice);
    let one = |&[penalty, loss, error, temperature]: &[f64; 4]| {
        let temperature = (!temperature.is_nan()).then_some(temperature);
        PenaltyTrial { penalty, loss, error, temperature }
    };
    flat.as_chunks().0.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tried(losses: &[f64]) -> Vec<PenaltyTrial> {
        let one = |(i, &loss): (usize, &f64)| {
            let temperature = (i % 2 == 0).then_some(1.0);
            PenaltyTrial { penalty: 0.5f64.powi(i as i32), loss, error: 0.05, temperature }
        };
        losses.iter().enumerate().map(one).collect()
    }

    #[test]
    fn the_weakest_that_cannot_be_told_from_the_best_is_taken() {
        assert_eq!(weakest_good(&tried(&[0.9, 0.6, 0.5, 0.51, 0.52, 0.6])), 4);
        assert_eq!(weakest_good(&tried(&[0.5])), 0);
        assert!(!enough(&tried(&[0.9, 0.5, 0.6])) && enough(&tried(&[0.9, 0.5, 0.6, 0.7])));
    }

    #[test]
    fn what_was_tried_survives_a_state() {
        let (mut state, all) = (Checkpoint::default(), tried(&[0.3, 0.2]));
        write_trials(&mut state, &all);
        assert_eq!(read_trials(&state), all);
    }
}
