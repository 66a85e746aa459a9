//! Training the head, with somebody watching.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use lorgnette::dataset::{Digest, Split, SplitOptions};
use lorgnette::features::Extractor;
use lorgnette::head::{
    self, Calibration, Checkpoint, Examples, Layers, PenaltyTrial, Recipe, TrainOptions, Trained,
    TrainingTask, Watch,
};
use lorgnette::metrics::Epoch;
use lorgnette::net::{Tensor, npy};

use super::bottlenecks::Bottlenecks;
use super::stopwatch::Stopwatch;
use super::{Arguments, with_path};
use crate::interrupt::Interrupt;
use crate::messages::Messages;
use crate::progress::Progress;

/// The file with where a training stands.
pub(super) const STATE: &str = "training.state";
/// How often that is written, at most; and not more often than takes a small share of the time.
const WRITE_EVERY: Duration = Duration::from_millis(500);
const SHARE_OF_WRITING: u32 = 20;

/// All that a training needs.
pub(super) struct Run<'a> {
    pub(super) arguments: &'a Arguments,
    pub(super) bottlenecks: Bottlenecks<'a>,
    /// Features of distorted copies, with their photos' numbers.
    pub(super) extra: &'a [(usize, Vec<f32>)],
    pub(super) extractor: &'a Extractor,
    /// How photos were dealt out.
    pub(super) split_options: &'a SplitOptions,
    pub(super) messages: Messages,
    pub(super) interrupt: &'a Interrupt,
    pub(super) stopwatch: &'a Stopwatch,
}

/// A head that was trained, calibrated or not.
pub(super) struct Fitted {
    pub(super) options: TrainOptions,
    pub(super) trained: Trained,
    pub(super) layers: Layers,
    pub(super) calibration: Option<Calibration>,
}

impl Run<'_> {
    /// Trains with the dataset's own splits.
    pub(super) fn fit(&self) -> Result<Fitted> {
        self.messages.note(&super::describe(self.bottlenecks.dataset, self.bottlenecks.splits));
        let examples = self.examples(self.bottlenecks.splits);
        let [training, validation, _] = &examples;
        let options = self.options();
        let task = self.task(training, validation, &options);
        let path = self.arguments.out.join(STATE);
        let digest = task.digest();
        let state = Checkpoint::read(&path, digest).filter(|_| self.arguments.resume);
        if self.arguments.resume && state.is_none() && path.is_file() {
            let what =
                "what was trained so far was with other photos or settings: training starts again";
            self.messages.note(&format_args!("{}: {what}", path.display()));
        }
        let trace = self.arguments.trace.as_deref();
        let trace = trace.map(|folder| Trace::new(folder, &examples)).transpose()?;
        let progress = Progress::new(options.epochs, "epochs", self.messages);
        let mut observer = TrainingObserver {
            progress,
            checkpoint: Some((&path, digest)),
            trace,
            ..self.observer()
        };
        let trained = head::train(&task, state, &mut observer)?;
        observer.finish(&trained)?;
        let fitted = self.calibrated(options, trained, validation);
        if !fitted.trained.interrupted {
            let _ = fs::remove_file(&path);
        }
        Ok(fitted)
    }

    /// Trains with other splits, without keeping anything.
    pub(super) fn fit_fold(&self, splits: &[Split]) -> Result<(Fitted, Examples)> {
        let [training, validation, test] = self.examples(splits);
        let options = self.options();
        let mut observer = self.observer();
        let trained =
            head::train(&self.task(&training, &validation, &options), None, &mut observer)?;
        Ok((self.calibrated(options, trained, &validation), test))
    }

    /// What layers say of the training photos that were trained without them, a row of
    /// probabilities for each; nothing if it was interrupted.
    pub(super) fn held_out(&self, fitted: &Fitted) -> Option<Vec<Vec<f32>>> {
        /// Parts of the photos that are left out in turn.
        const FOLDS: usize = 5;
        let [training, validation, _] = self.examples(self.bottlenecks.splits);
        let fold_of_photo = self.bottlenecks.dataset.folds(FOLDS, self.split_options);
        let folds: Vec<usize> =
            training.photos().iter().map(|&photo| fold_of_photo[photo]).collect();
        let mut observer = self.observer();
        let task = self.task(&training, &validation, &fitted.options);
        let scores =
            head::out_of_fold_scores(&task, &folds, fitted.trained.penalty, &mut observer)?;
        let temperature = fitted.calibration.map_or(1.0, |calibration| calibration.temperature);
        let scaled: Vec<f32> =
            scores.iter().map(|&score| (f64::from(score) / temperature) as f32).collect();
        Some(
            scaled
                .chunks_exact(task.classes)
                .map(|scores| head::probabilities(scores, fitted.options.answer))
                .collect(),
        )
    }

    /// One who shows no progress and keeps nothing.
    fn observer(&self) -> TrainingObserver<'_> {
        TrainingObserver {
            interrupt: self.interrupt,
            messages: self.messages,
            progress: Progress::new(0, "epochs", self.messages),
            checkpoint: None,
            written: Instant::now(),
            writing: Duration::ZERO,
            trace: None,
            failed: None,
        }
    }

    fn options(&self) -> TrainOptions {
        let multi_label = self.bottlenecks.dataset.multi_label;
        self.arguments.head.options(self.arguments.splitting.seed, multi_label)
    }

    fn examples(&self, splits: &[Split]) -> [Examples; 3] {
        Split::ALL.map(|split| self.bottlenecks.examples(splits, split, self.extra))
    }

    fn task<'t>(
        &'t self,
        training: &'t Examples,
        validation: &'t Examples,
        options: &'t TrainOptions,
    ) -> TrainingTask<'t> {
        let run = self.extractor.embedder().model().network().run_options();
        let classes = self.bottlenecks.dataset.classes.len();
        TrainingTask { training, validation, classes, options, pool: &run.pool, level: run.level }
    }

    fn calibrated(&self, options: TrainOptions, trained: Trained, validation: &Examples) -> Fitted {
        let run = self.extractor.embedder().model().network().run_options();
        let scores = trained.layers.scores(validation.features(), run.level, &run.pool);
        let classes = self.bottlenecks.dataset.classes.len();
        let rejected_share = f64::from(self.arguments.head.unknown) / 100.0;
        let (truth, answer) = (validation.truth(), options.answer);
        let calibration = match (options.recipe, trained.temperature()) {
            // What was held out while the penalty was chosen is more than the validation photos
            // alone.
            (Recipe::Default, Some(temperature)) => Calibration::for_temperature(
                temperature,
                &scores,
                truth,
                classes,
                (answer, rejected_share),
            ),
            (Recipe::Default, None) => {
                Calibration::fit(&scores, truth, classes, answer, rejected_share)
            }
            // The recipes are to give what they always gave.
            _ => {
                Calibration::for_temperature(1.0, &scores, truth, classes, (answer, rejected_share))
            }
        };
        let layers = trained.layers.clone().with_temperature(calibration.temperature);
        Fitted { options, trained, layers, calibration: Some(calibration) }
    }
}

/// Shows how it goes, writes down where it stands, stops it on Ctrl-C.
struct TrainingObserver<'a> {
    interrupt: &'a Interrupt,
    messages: Messages,
    progress: Progress,
    /// Where the state is kept, and of which task it is.
    checkpoint: Option<(&'a Path, Digest)>,
    written: Instant,
    /// How long that took.
    writing: Duration,
    trace: Option<Trace>,
    /// Why something could not be written.
    failed: Option<anyhow::Error>,
}

impl TrainingObserver<'_> {
    fn note<T>(&mut self, result: Result<T>) {
        if let Err(error) = result {
            self.failed.get_or_insert(error);
        }
    }

    fn write_checkpoint(&mut self, state: &Checkpoint) {
        if let Some((path, digest)) = self.checkpoint {
            let started = Instant::now();
            let result = with_path(state.write(path, digest), path);
            self.note(result);
            (self.written, self.writing) = (Instant::now(), started.elapsed());
        }
    }

    fn finish(mut self, trained: &Trained) -> Result<()> {
        let (messages, epochs) = (self.messages, trained.epochs.len());
        let seconds: f64 = trained.epochs.iter().map(|epoch| epoch.seconds).sum();
        let penalty =
            trained.penalty.map(|penalty| format!(", penalty {penalty:.2e}")).unwrap_or_default();
        let best = trained.best_epoch;
        self.progress.suspend(|| {
            messages.detail(&format_args!(
                "trained for {epochs} epochs in {seconds:.2} s, best {best}{penalty}"
            ));
        });
        if let Some(trace) = self.trace.take() {
            trace.finish()?;
        }
        self.failed.map_or(Ok(()), Err)
    }
}

impl Watch for TrainingObserver<'_> {
    fn begins(&mut self, layers: &Layers) {
        let begun = self.trace.as_ref().map_or(Ok(()), |trace| trace.begin(layers));
        self.note(begun);
    }

    fn step(&mut self, step: usize, batch: &[usize], loss: f64) {
        if let Some(trace) = &mut self.trace {
            let noted = trace.step(step, batch, loss);
            self.note(noted);
        }
    }

    fn tried(&mut self, tried: &PenaltyTrial) {
        let (messages, PenaltyTrial { penalty, loss, error, .. }) = (self.messages, tried);
        self.progress.suspend(|| {
            messages.detail(&format_args!(
                "penalty {penalty:.2e}: held-out loss {loss:.4} ± {error:.4}"
            ));
        });
    }

    fn epoch(&mut self, epoch: &Epoch) {
        let Epoch {
            training_accuracy, training_loss, validation_accuracy, validation_loss, ..
        } = epoch;
        let text = format!(
            "loss {training_loss:.4}, accuracy {training_accuracy:.3}; validation {validation_loss:.4}, \
             {validation_accuracy:.3}"
        );
        let messages = self.messages;
        self.progress.suspend(|| messages.detail(&format_args!("epoch {}: {text}", epoch.epoch)));
        self.progress.set_message(&text);
        self.progress.set_position(epoch.epoch);
    }

    fn stands(&mut self, state: &dyn Fn() -> Checkpoint) {
        let due = self.written.elapsed() >= WRITE_EVERY.max(self.writing * SHARE_OF_WRITING);
        if self.checkpoint.is_some() && (due || self.interrupt.is_pressed()) {
            self.write_checkpoint(&state());
        }
    }

    fn should_continue(&mut self) -> bool {
        !self.interrupt.is_pressed() && self.failed.is_none()
    }
}

/// A training written down step by step.
struct Trace {
    folder: std::path::PathBuf,
    lines: std::io::BufWriter<fs::File>,
}

impl Trace {
    fn new(folder: &Path, examples: &[Examples; 3]) -> Result<Self> {
        with_path(fs::create_dir_all(folder), folder)?;
        for (split, examples) in Split::ALL.iter().zip(examples) {
            let name = split.name();
            let shape = [examples.len(), examples.width()];
            write_array(folder, &format!("{name}_features"), &shape, examples.features().to_vec())?;
            let first: Vec<f32> = examples
                .truth()
                .iter()
                .map(|truth| truth.first().map_or(-1.0, |&class| class as f32))
                .collect();
            write_array(folder, &format!("{name}_classes"), &[first.len()], first)?;
        }
        let path = folder.join("steps.csv");
        let mut lines = std::io::BufWriter::new(with_path(fs::File::create(&path), &path)?);
        with_path(writeln!(lines, "step,loss,batch"), &path)?;
        Ok(Self { folder: folder.into(), lines })
    }

    fn begin(&self, layers: &Layers) -> Result<()> {
        let hidden = layers.hidden.iter().map(|layer| ("initial_hidden_", layer));
        for (prefix, layer) in hidden.chain([("initial_", &layers.last)]) {
            let shape = [layer.inputs(), layer.outputs()];
            write_array(&self.folder, &format!("{prefix}weights"), &shape, layer.weights.clone())?;
            write_array(
                &self.folder,
                &format!("{prefix}biases"),
                &[layer.outputs()],
                layer.biases.clone(),
            )?;
        }
        Ok(())
    }

    fn step(&mut self, step: usize, batch: &[usize], loss: f64) -> Result<()> {
        let batch: Vec<String> = batch.iter().map(ToString::to_string).collect();
        with_path(writeln!(self.lines, "{step},{loss:.9},{}", batch.join(" ")), &self.folder)
    }

    fn finish(mut self) -> Result<()> {
        with_path(self.lines.flush(), &self.folder)
    }
}

fn write_array(folder: &Path, name: &str, shape: &[usize], values: Vec<f32>) -> Result<()> {
    let path = folder.join(format!("{name}.npy"));
    with_path(fs::write(&path, npy::write(&Tensor::from_f32(shape, values))), &path)
}
