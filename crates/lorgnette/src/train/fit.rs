//! Training and calibrating the head.

use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::event::{Event, TrainObserver, send};
use super::folder::CHECKPOINT;
use super::samples::{PhotoCopy, Samples};
use super::{TrainError, TrainerOptions};
use crate::dataset::{Digest, Split};
use crate::features::Extractor;
use crate::head::{
    self, Calibration, Checkpoint, Examples, Layers, Recipe, ScoredExamples, TrainOptions, Trained,
    TrainingTask,
};
use crate::observer::Observer;

/// Shortest time between two checkpoints. Writing them takes at most the 20th part of the time.
const MIN_CHECKPOINT_INTERVAL: Duration = Duration::from_millis(500);
const MAX_CHECKPOINT_SHARE: u32 = 20;
/// Folds of the search for label issues.
const LABEL_ISSUE_FOLDS: usize = 5;

/// Inputs of a training.
pub(super) struct Run<'a> {
    pub(super) samples: Samples<'a>,
    pub(super) copies: &'a [PhotoCopy],
    pub(super) extractor: &'a Extractor,
    pub(super) options: &'a TrainerOptions,
}

/// A trained and calibrated head.
pub(super) struct Fitted {
    pub(super) options: TrainOptions,
    pub(super) trained: Trained,
    /// Layers whose scores are divided by the temperature.
    pub(super) layers: Layers,
    pub(super) calibration: Calibration,
}

impl Run<'_> {
    /// Trains on the dataset's own splits, with checkpoints.
    pub(super) fn fit(&self, observer: &mut TrainObserver<'_>) -> Result<Fitted, TrainError> {
        let examples = self.examples(self.samples.splits);
        let [training, validation, _] = &examples;
        let options = self.head_options();
        let task = self.task(training, validation, &options);
        let path = self.options.folder.path().join(CHECKPOINT);
        let digest = task.digest();
        let resumes = self.options.folder.resumes();
        let checkpoint = Checkpoint::read(&path, digest).filter(|_| resumes);
        if resumes && checkpoint.is_none() && path.is_file() {
            send(observer, &Event::StaleCheckpoint)?;
        }
        send(observer, &Event::Examples(&examples))?;
        let mut writer = CheckpointWriter::new(observer, &path, digest);
        let trained = head::train(&task, checkpoint, &mut writer)?;
        writer.finish()?;
        let _ = observer.event(&Event::Trained(&trained));
        Ok(self.calibrate(options, trained, validation))
    }

    /// Trains on other splits, without checkpoints. Returns the test examples too.
    pub(super) fn fit_fold(
        &self,
        splits: &[Split],
        observer: &mut TrainObserver<'_>,
    ) -> Result<(Fitted, Examples), TrainError> {
        let [training, validation, test] = self.examples(splits);
        let options = self.head_options();
        let task = self.task(&training, &validation, &options);
        let trained = head::train(&task, None, &mut forward(observer))?;
        if trained.interrupted {
            return Err(TrainError::Cancelled);
        }
        Ok((self.calibrate(options, trained, &validation), test))
    }

    /// Returns the probabilities of each training example by a head that was trained without it;
    /// `None` if cancelled.
    pub(super) fn out_of_fold(
        &self,
        fitted: &Fitted,
        observer: &mut TrainObserver<'_>,
    ) -> Option<Vec<Vec<f32>>> {
        let [training, validation, _] = self.examples(self.samples.splits);
        let folds_of_photos = self.samples.dataset.folds(LABEL_ISSUE_FOLDS, &self.options.split);
        let folds: Vec<usize> =
            training.photos().iter().map(|&photo| folds_of_photos[photo]).collect();
        let task = self.task(&training, &validation, &fitted.options);
        let penalty = fitted.trained.penalty;
        let mut forward = forward(observer);
        let scores = head::out_of_fold_scores(&task, &folds, penalty, &mut forward)?;
        let temperature = fitted.calibration.temperature;
        let scaled: Vec<f32> =
            scores.iter().map(|&score| (f64::from(score) / temperature) as f32).collect();
        let rows = scaled.chunks_exact(task.classes);
        Some(rows.map(|scores| head::probabilities(scores, fitted.options.answer)).collect())
    }

    /// Returns the probabilities of examples.
    pub(super) fn probabilities(&self, fitted: &Fitted, examples: &Examples) -> Vec<Vec<f32>> {
        let options = self.extractor.embedder().model().network().run_options();
        let (level, pool) = (options.level, &options.pool);
        fitted.layers.probabilities(examples, fitted.options.answer, level, pool)
    }

    fn head_options(&self) -> TrainOptions {
        self.options.head.clone()
    }

    fn examples(&self, splits: &[Split]) -> [Examples; 3] {
        Split::ALL.map(|split| self.samples.examples(splits, split, self.copies))
    }

    fn task<'t>(
        &'t self,
        training: &'t Examples,
        validation: &'t Examples,
        options: &'t TrainOptions,
    ) -> TrainingTask<'t> {
        let network = self.extractor.embedder().model().network().run_options();
        let classes = self.samples.dataset.classes.len();
        let (pool, level) = (&network.pool, network.level);
        TrainingTask { training, validation, classes, options, pool, level }
    }

    /// Calibrates a head on validation examples.
    ///
    /// The default recipe takes the temperature that cross-validation found with the penalty, if
    /// any. The other recipes reproduce earlier programs, so their scores stay as they are.
    fn calibrate(&self, options: TrainOptions, trained: Trained, validation: &Examples) -> Fitted {
        let network = self.extractor.embedder().model().network().run_options();
        let scores = trained.layers.scores(validation.features(), network.level, &network.pool);
        let classes = self.samples.dataset.classes.len();
        let (truth, answer) = (validation.truth(), options.answer);
        let examples = ScoredExamples { scores: &scores, truth, classes, answer };
        let rejected = self.options.rejected_share;
        let temperature = match options.recipe {
            Recipe::Default => trained.temperature(),
            Recipe::Tutorial | Recipe::Retrain => Some(1.0),
        };
        let calibration = match temperature {
            Some(temperature) => Calibration::for_temperature(examples, temperature, rejected),
            None => Calibration::fit(examples, rejected),
        };
        let layers = trained.layers.clone().with_temperature(calibration.temperature);
        Fitted { options, trained, layers, calibration }
    }
}

/// Passes a head's events on.
fn forward<'f>(
    observer: &'f mut TrainObserver<'_>,
) -> impl FnMut(&head::Event<'_>) -> ControlFlow<()> + 'f {
    move |event: &head::Event<'_>| observer.event(&Event::Head(event))
}

/// Passes a head's events on, and writes checkpoints.
struct CheckpointWriter<'a> {
    observer: &'a mut TrainObserver<'a>,
    path: &'a Path,
    digest: Digest,
    written: Instant,
    /// Duration of the last write.
    writing: Duration,
    is_cancelled: bool,
    failed: Option<io::Error>,
}

impl<'a> CheckpointWriter<'a> {
    fn new(observer: &'a mut TrainObserver<'a>, path: &'a Path, digest: Digest) -> Self {
        let (written, writing) = (Instant::now(), Duration::ZERO);
        Self { observer, path, digest, written, writing, is_cancelled: false, failed: None }
    }

    fn write(&mut self, checkpoint: &Checkpoint) {
        let started = Instant::now();
        if let Err(error) = checkpoint.write(self.path, self.digest) {
            self.failed.get_or_insert(error);
        }
        (self.written, self.writing) = (Instant::now(), started.elapsed());
    }

    fn finish(self) -> Result<(), TrainError> {
        let path: PathBuf = self.path.into();
        self.failed.map_or(Ok(()), |source| Err(TrainError::Io { path, source }))
    }
}

impl Observer<head::Event<'_>> for CheckpointWriter<'_> {
    fn event(&mut self, event: &head::Event<'_>) -> ControlFlow<()> {
        self.is_cancelled |= self.observer.event(&Event::Head(event)).is_break();
        if let head::Event::Checkpoint(checkpoint) = event {
            let interval = MIN_CHECKPOINT_INTERVAL.max(self.writing * MAX_CHECKPOINT_SHARE);
            if self.is_cancelled || self.written.elapsed() >= interval {
                self.write(&checkpoint());
            }
        }
        match self.is_cancelled || self.failed.is_some() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }
}
