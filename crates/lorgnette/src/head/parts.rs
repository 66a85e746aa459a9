//! Parts of very many examples: penalties are tried on the first, and the way to where the chosen
//! one leads begins on each in turn. The smallest sum of a part is near that of all, and a step
//! towards it takes a fraction of the time.

use super::Watch;
use super::choose::Led;
use super::examples::Examples;
use super::lbfgs::{Descent, Function};
use super::objective::Measured;
use super::random::Random;
use super::solve::Solving;

/// Products of a pass through the first part, at most.
const FIRST_PRODUCTS: usize = 1 << 31;
/// Fewer examples than this say too little.
const FIRST_LEAST: usize = 2048;
/// Each part has so many times the examples of the one before, which are among them.
const GROWTH: usize = 4;
/// Iterations on each part, at most.
const ITERATIONS: usize = 40;
/// A penalised loss that falls by a smaller share than this has come as far as a part can lead.
const ARRIVED: f64 = 3e-3;

/// The first part, if the examples are so many.
pub(super) fn first(solving: &Solving<'_>) -> Option<Examples> {
    (solving.training.len() > solving.part)
        .then(|| solving.training.picked(&order(solving)[..solving.part]))
}

/// How many examples the first part has, of a layer with so many weights and biases.
pub(super) fn first_size(parameters: usize) -> usize {
    (FIRST_PRODUCTS / parameters.max(1)).max(FIRST_LEAST)
}

/// A descent on all examples, begun where parts lead that grow to all of them; `led` is where the
/// first led before. Nothing if it was stopped.
pub(super) fn begun(
    solving: &Solving<'_>,
    penalty: f64,
    mut led: Option<Led>,
    watch: &mut dyn Watch,
) -> Option<Descent> {
    let count = solving.training.len();
    let order = order(solving);
    let sizes = std::iter::successors(Some(solving.part), |size| size.checked_mul(GROWTH));
    for size in sizes.take_while(|&size| size < count) {
        let examples = solving.training.picked(&order[..size]);
        // The fewer the examples, the more of a penalty they need.
        let penalty = penalty * count as f64 / size as f64;
        let mut measured = Measured::default();
        let mut function = solving.function(&examples, penalty, &mut measured);
        let mut descent = from(solving, led, penalty, &mut function);
        for _ in 0..ITERATIONS {
            if !watch.goes_on() {
                return None;
            }
            let before = descent.value;
            if !descent.step(&mut function) || before - descent.value < ARRIVED * before.abs() {
                break;
            }
        }
        led = Some(Led { descent, penalty });
    }
    let mut measured = Measured::default();
    Some(from(
        solving,
        led,
        penalty,
        &mut solving.function(&solving.training, penalty, &mut measured),
    ))
}

fn from(
    solving: &Solving<'_>,
    led: Option<Led>,
    penalty: f64,
    function: &mut Function<'_>,
) -> Descent {
    match led {
        Some(led) => led.descent.bent(penalty - led.penalty, function),
        None => Descent::from(solving.origin.clone(), function),
    }
}

fn order(solving: &Solving<'_>) -> Vec<usize> {
    Random::at(solving.task.options.seed, u64::MAX).order(solving.training.len())
}

#[cfg(test)]
mod tests {
    use lorgnette_kernels::{Level, ThreadPool};

    use super::super::{State, Task, TrainOptions, Trained};
    use super::*;

    /// Examples of three classes, of which a few features tell.
    fn examples(count: usize) -> Examples {
        let mut random = Random::at(7, count as u64);
        let mut value = |row: usize, feature: usize| {
            random.unit() as f32 - 0.5 + if feature % 3 == row % 3 { 0.4 } else { 0.0 }
        };
        let features = (0..count * 12).map(|i| value(i / 12, i % 12)).collect();
        Examples::new(12, features, (0..count).map(|row| vec![row % 3]).collect())
    }

    /// Stops when it is asked for the so-and-so-many-th time, and keeps where it stood last.
    struct Stopper(usize, State);

    impl Watch for Stopper {
        fn stands(&mut self, state: &dyn Fn() -> State) {
            self.1 = state();
        }

        fn goes_on(&mut self) -> bool {
            self.0 = self.0.saturating_sub(1);
            self.0 > 0
        }
    }

    /// With parts of 32, 128 and 512 examples before all of them.
    fn trained(validation: usize, threads: usize, from: &State, watch: &mut dyn Watch) -> Trained {
        let (training, validation, pool) =
            (examples(1500), examples(validation), ThreadPool::new(threads));
        let (options, level) =
            (TrainOptions { epochs: 12, ..TrainOptions::default() }, Level::best());
        let task = Task {
            training: &training,
            validation: &validation,
            classes: 3,
            options: &options,
            pool: &pool,
            level,
        };
        let mut solving = Solving::new(&task);
        solving.part = 32;
        solving.train(from, watch)
    }

    #[test]
    fn parts_lead_there_however_often_it_is_stopped() {
        for validation in [90, 600] {
            let whole = trained(validation, 2, &State::default(), &mut ());
            let best = whole.epochs[whole.best_epoch - 1];
            assert!(best.validation_accuracy > 0.8 && whole.epochs.len() <= 12, "{best:?}");
            assert!(
                whole.tried.iter().all(|tried| tried.temperature.is_some() == (validation < 500))
            );
            for after in [1, 2, 4, 8, 9, 12, 16, 24, 32, 48, 64, 80] {
                let mut stopper = Stopper(after, State::default());
                trained(validation, 1, &State::default(), &mut stopper);
                let resumed = trained(validation, 1, &stopper.1, &mut ());
                assert_eq!(resumed.layers, whole.layers, "stopped after {after}");
            }
        }
    }
}
