//! Progress and messages of a training, and its interruption by Ctrl-C.

use std::ops::ControlFlow;

use anyhow::Result;
use lorgnette::Observer;
use lorgnette::head::{self, PenaltyTrial, Trained};
use lorgnette::metrics::Epoch;
use lorgnette::train::{CHECKPOINT, Event, Stage};

use super::Arguments;
use super::photos::{describe, report_rejected};
use super::stopwatch::{self, Stopwatch};
use super::trace::Trace;
use crate::Outcome;
use crate::hints;
use crate::interrupt::Interrupt;
use crate::messages::Messages;
use crate::progress::Progress;

/// Shows progress, writes messages and the trace, and cancels on Ctrl-C.
pub(super) struct TrainingObserver<'a> {
    arguments: &'a Arguments,
    messages: Messages,
    interrupt: &'a Interrupt,
    stopwatch: &'a mut Stopwatch,
    progress: Option<Progress>,
    trace: Option<Trace>,
    /// The first error of a message or the trace.
    failed: Option<anyhow::Error>,
}

impl<'a> TrainingObserver<'a> {
    pub(super) fn new(
        arguments: &'a Arguments,
        messages: Messages,
        interrupt: &'a Interrupt,
        stopwatch: &'a mut Stopwatch,
    ) -> Self {
        let (progress, trace, failed) = (None, None, None);
        Self { arguments, messages, interrupt, stopwatch, progress, trace, failed }
    }

    /// Returns the outcome of a training that was cancelled before it had a head.
    pub(super) fn cancelled(self) -> Result<Outcome> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let what = "interrupted: the features computed so far are kept; start it again to go on";
        self.messages.note(&what);
        Ok(Outcome::Interrupted)
    }

    /// Returns the first error of the trace.
    pub(super) fn finish(self) -> Result<()> {
        self.failed.map_or(Ok(()), Err)
    }

    fn note(&mut self, result: Result<()>) {
        if let Err(error) = result {
            self.failed.get_or_insert(error);
        }
    }

    fn handle(&mut self, event: &Event<'_>) {
        match event {
            Event::Extraction(extraction) => {
                let (total, messages) = (extraction.total, self.messages);
                self.progress
                    .get_or_insert_with(|| Progress::new(total, "photos", messages))
                    .set_position(extraction.done);
            }
            Event::Extracted { total, computed, seconds } => {
                self.progress = None;
                self.extracted(*total, *computed, *seconds);
            }
            Event::Usable(dataset) => {
                let reported = report_rejected(self.arguments, dataset, self.messages);
                self.note(reported);
                for note in &dataset.notes {
                    self.messages.note(&hints::with_hint(note));
                }
            }
            Event::Split { dataset, splits } => {
                for warning in dataset.warnings(splits) {
                    self.messages.note(&hints::with_hint(&warning));
                }
                self.messages.note(&describe(dataset, splits));
            }
            Event::Fold { fold, folds, correct, total } => self
                .messages
                .note(&format_args!("fold {fold} of {folds}: {correct} of {total} right")),
            Event::CrossValidated { mean, deviation, folds } => self.messages.note(&format_args!(
                "cross-validation: accuracy {mean:.4} ± {deviation:.4} over {folds} folds"
            )),
            Event::StaleCheckpoint => self.messages.note(&format_args!(
                "{}: what was trained so far was with other photos or settings: training starts \
                 again",
                self.arguments.out.join(CHECKPOINT).display()
            )),
            Event::Examples(examples) => {
                let epochs = self.arguments.head.epochs;
                self.progress = Some(Progress::new(epochs, "epochs", self.messages));
                if let Some(folder) = &self.arguments.trace {
                    match Trace::new(folder, examples) {
                        Ok(trace) => self.trace = Some(trace),
                        Err(error) => self.note(Err(error)),
                    }
                }
            }
            Event::Head(event) => self.handle_head(event),
            Event::Trained(trained) => self.trained(trained),
            Event::NoOutOfFold => self.messages.note(
                &"interrupted: labels that may be wrong were looked for among test photos only",
            ),
            Event::Finished(stage) => self.stopwatch.lap(stage_name(*stage)),
            _ => {}
        }
    }

    fn extracted(&self, total: usize, computed: usize, seconds: f64) {
        let cached = total - computed;
        let rate = computed as f64 / seconds;
        self.messages.detail(&format_args!(
            "features of {total} photos, {computed} of them computed, {cached} cached: \
             {seconds:.2} s, {rate:.1} computed a second"
        ));
    }

    fn handle_head(&mut self, event: &head::Event<'_>) {
        match event {
            head::Event::Start(layers) => {
                let started = self.trace.as_ref().map_or(Ok(()), |trace| trace.start(layers));
                self.note(started);
            }
            head::Event::Step { step, batch, loss } => {
                if let Some(trace) = &mut self.trace {
                    let written = trace.step(*step, batch, *loss);
                    self.note(written);
                }
            }
            head::Event::Trial(trial) => self.trial(trial),
            head::Event::Epoch(epoch) => self.epoch(epoch),
            _ => {}
        }
    }

    fn trial(&self, trial: &PenaltyTrial) {
        let PenaltyTrial { penalty, loss, error, .. } = trial;
        self.detail(&format!("penalty {penalty:.2e}: held-out loss {loss:.4} ± {error:.4}"));
    }

    fn epoch(&mut self, epoch: &Epoch) {
        let text = format!(
            "loss {:.4}, accuracy {:.3}; validation {:.4}, {:.3}",
            epoch.training_loss,
            epoch.training_accuracy,
            epoch.validation_loss,
            epoch.validation_accuracy
        );
        self.detail(&format!("epoch {}: {text}", epoch.epoch));
        if let Some(progress) = &mut self.progress {
            progress.set_message(&text);
            progress.set_position(epoch.epoch);
        }
    }

    fn trained(&mut self, trained: &Trained) {
        let (epochs, best) = (trained.epochs.len(), trained.best_epoch);
        let seconds: f64 = trained.epochs.iter().map(|epoch| epoch.seconds).sum();
        let penalty = trained.penalty.map(|penalty| format!(", penalty {penalty:.2e}"));
        self.progress = None;
        self.detail(&format!(
            "trained for {epochs} epochs in {seconds:.2} s, best {best}{}",
            penalty.unwrap_or_default()
        ));
        let finished = self.trace.take().map_or(Ok(()), Trace::finish);
        self.note(finished);
    }

    /// Writes a message with the progress bar out of the way.
    fn detail(&self, text: &str) {
        match &self.progress {
            Some(progress) => progress.suspend(|| self.messages.detail(&text)),
            None => self.messages.detail(&text),
        }
    }
}

impl Observer<Event<'_>> for TrainingObserver<'_> {
    fn event(&mut self, event: &Event<'_>) -> ControlFlow<()> {
        self.handle(event);
        match self.interrupt.is_pressed() || self.failed.is_some() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }
}

/// The name of a stage in the table of `--time`.
fn stage_name(stage: Stage) -> &'static str {
    match stage {
        Stage::Features => stopwatch::FEATURES,
        Stage::CrossValidation => "cross-validation",
        Stage::Head => "training the layer",
        Stage::Evaluation => "evaluation",
        Stage::LabelIssues => "labels that may be wrong",
        Stage::Report => "report",
        Stage::TensorBoard => "TensorBoard",
        _ => "other",
    }
}
