//! Events of a training, and the observer that receives them.

use super::{Checkpoint, Layers, PenaltyTrial};
use crate::metrics::Epoch;
use crate::observer::Observer;

/// An event of a training.
#[non_exhaustive]
pub enum Event<'a> {
    /// Gradient descent starts with these weights.
    Start(&'a Layers),
    /// The next iteration begins. `Break` stops the training here.
    Iteration,
    /// Gradient descent took a step.
    Step {
        /// Number of the step, from 0.
        step: usize,
        /// Indices of the batch's examples.
        batch: &'a [usize],
        /// Mean loss of the batch before the step.
        loss: f64,
    },
    /// A penalty was tried.
    Trial(&'a PenaltyTrial),
    /// An epoch ended.
    Epoch(&'a Epoch),
    /// The training can resume from here. Calling the function makes the checkpoint.
    Checkpoint(&'a dyn Fn() -> Checkpoint),
}

/// An observer of a training.
pub type HeadObserver<'o> = dyn for<'e> Observer<Event<'e>> + 'o;

/// Passes events on, and remembers whether the observer cancelled.
pub(super) struct Watcher<'a> {
    observer: &'a mut HeadObserver<'a>,
    /// Whether only iterations are reported.
    is_quiet: bool,
    is_cancelled: bool,
}

impl<'a> Watcher<'a> {
    pub(super) fn new(observer: &'a mut HeadObserver<'a>) -> Self {
        Self { observer, is_quiet: false, is_cancelled: false }
    }

    /// Reports iterations only.
    pub(super) fn quiet(observer: &'a mut HeadObserver<'a>) -> Self {
        Self { is_quiet: true, ..Self::new(observer) }
    }

    pub(super) fn start(&mut self, layers: &Layers) {
        self.report(&Event::Start(layers));
    }

    pub(super) fn step(&mut self, step: usize, batch: &[usize], loss: f64) {
        self.report(&Event::Step { step, batch, loss });
    }

    pub(super) fn trial(&mut self, trial: &PenaltyTrial) {
        self.report(&Event::Trial(trial));
    }

    pub(super) fn epoch(&mut self, epoch: &Epoch) {
        self.report(&Event::Epoch(epoch));
    }

    pub(super) fn checkpoint(&mut self, checkpoint: &dyn Fn() -> Checkpoint) {
        self.report(&Event::Checkpoint(checkpoint));
    }

    /// Asks the observer whether to run the next iteration.
    pub(super) fn should_continue(&mut self) -> bool {
        self.is_cancelled |= self.observer.event(&Event::Iteration).is_break();
        !self.is_cancelled
    }

    fn report(&mut self, event: &Event<'_>) {
        if !self.is_quiet {
            self.is_cancelled |= self.observer.event(event).is_break();
        }
    }
}
