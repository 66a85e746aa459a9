//! Evaluation of a trained head, the model's folder and its report.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use lorgnette_net::Error as NetworkError;
use sha2::{Digest as _, Sha256};

use super::event::{Event, Stage, TrainObserver};
use super::fit::{Fitted, Run};
use super::folder::{CHECKPOINT, LEFT_OUT};
use super::folds::FOLDS;
use super::tables;
use super::{TrainError, TrainingResult};
use crate::dataset::{Dataset, Digest, Example, RejectionReason, Split};
use crate::error::Error;
use crate::head::OutputKind;
use crate::metrics::{Evaluation, NEAR_DUPLICATE_COSINE, NearDuplicateFinder, ScoredPhoto};
use crate::picture::PictureError;
use crate::report::{
    HeldOut, NearDuplicatePair, Point, Report, ReportError, TENSORBOARD, TensorBoard,
};
use crate::trained::files::StagedFiles;
use crate::trained::{
    self, BaseCard, Card, DataCard, FORMAT, InputSpec, SplitCounts, TrainedModel, TrainingCard,
    VERSION,
};

/// Writes the model and the report on it, which replace an earlier model and its report together.
/// The first model of a folder is there before its report. A report that cannot be written does
/// not keep the model from its place.
///
/// `folds` is the table of a cross-validation.
pub(super) fn write(
    run: &Run<'_>,
    fitted: &Fitted,
    folds: Option<&str>,
    observer: &mut TrainObserver<'_>,
) -> Result<TrainingResult, TrainError> {
    let scored = Split::ALL.map(|split| scored(run, fitted, split));
    let names = &run.samples.dataset.classes;
    let [training, validation, test] =
        scored.each_ref().map(|scored| Evaluation::new(names, scored));
    let evaluations = [training?, validation?, test?];
    let model = TrainedModel {
        card: card(run, fitted, &evaluations)?,
        head: fitted.layers.head(run.extractor.embedder().end_point(), fitted.options.answer),
    };
    let folder = run.options.folder.path();
    let is_first = !TrainedModel::is_in(folder);
    let mut model_files = Some(stage_model(run, &model, folds)?);
    let _ = observer.event(&Event::Finished(Stage::Evaluation));
    if is_first && let Some(files) = model_files.take() {
        commit_model(files, run, fitted)?;
    }
    let held_out = held_out(run, fitted, &scored, observer);
    let _ = observer.event(&Event::Finished(Stage::LabelIssues));
    let tested = Tested {
        card: &model.card,
        evaluations: &evaluations,
        scored: &scored[2],
        held_out: &held_out,
    };
    let report_files = StagedFiles::create(folder)?;
    let reported = stage_report(run, fitted, &tested, &report_files, observer);
    match (model_files, reported) {
        (None, reported) => reported.and_then(|()| Ok(report_files.commit()?))?,
        (Some(files), Ok(())) => {
            files.join(&report_files)?;
            commit_model(files, run, fitted)?;
        }
        (Some(files), Err(error)) => {
            commit_model(files, run, fitted)?;
            return Err(error);
        }
    }
    let has_unusable_photos = run.samples.dataset.rejected.iter().any(|rejected| {
        matches!(
            rejected.reason,
            RejectionReason::Unreadable
                | RejectionReason::ConflictingLabels
                | RejectionReason::Unlabelled
        )
    });
    let interrupted = fitted.trained.interrupted;
    let passed_over = run.samples.dataset.passed_over.clone();
    let notes = run.samples.dataset.notes.iter().map(ToString::to_string).collect();
    Ok(TrainingResult { model, evaluations, has_unusable_photos, interrupted, passed_over, notes })
}

/// Writes the model's files, with its lists of photos.
fn stage_model(
    run: &Run<'_>,
    model: &TrainedModel,
    folds: Option<&str>,
) -> Result<StagedFiles, TrainError> {
    let (folder, dataset) = (run.options.folder.path(), run.samples.dataset);
    let splits = tables::splits(&folder.join(trained::SPLIT), dataset, run.samples.splits)?;
    let left_out = tables::left_out(&folder.join(LEFT_OUT), dataset)?;
    let files = StagedFiles::create(folder)?;
    files.add(trained::SPLIT, &splits)?;
    files.add(LEFT_OUT, &left_out)?;
    if let Some(folds) = folds {
        files.add(FOLDS, folds.as_bytes())?;
    }
    model.stage(&files)?;
    Ok(files)
}

/// Gives the model its place, and removes the checkpoint that it makes needless.
fn commit_model(files: StagedFiles, run: &Run<'_>, fitted: &Fitted) -> Result<(), TrainError> {
    files.commit()?;
    if !fitted.trained.interrupted {
        // One that stays is stale, which the next training notices.
        let _ = fs::remove_file(run.options.folder.path().join(CHECKPOINT));
    }
    Ok(())
}

/// Writes the report's files, and checks that they can take their places.
fn stage_report(
    run: &Run<'_>,
    fitted: &Fitted,
    tested: &Tested<'_>,
    files: &StagedFiles,
    observer: &mut TrainObserver<'_>,
) -> Result<(), TrainError> {
    let folder = run.options.folder.path();
    let failed = |source| {
        let source = in_place(source, files.path(), folder);
        TrainError::Report { folder: folder.into(), source }
    };
    write_report(run, fitted, tested, files.path()).map_err(failed)?;
    let _ = observer.event(&Event::Finished(Stage::Report));
    let test = &tested.evaluations[Split::Test as usize];
    write_tensorboard(run, fitted, test, &files.path().join(TENSORBOARD)).map_err(failed)?;
    let _ = observer.event(&Event::Finished(Stage::TensorBoard));
    Ok(files.check()?)
}

/// Returns an error about a file in the folder `from` as one about that file in the folder `to`.
fn in_place(error: ReportError, from: &Path, to: &Path) -> ReportError {
    let moved = |path: &Path| match path.strip_prefix(from) {
        Ok(name) => to.join(name),
        Err(_) => path.to_owned(),
    };
    match error {
        ReportError::Write { path, source } => ReportError::Write { path: moved(&path), source },
        ReportError::Picture(PictureError::Write { name, source }) => {
            let name = moved(&PathBuf::from(name)).display().to_string();
            ReportError::Picture(PictureError::Write { name, source })
        }
        ReportError::Events(Error::Network(NetworkError::Io { path, source })) => {
            ReportError::Events(Error::Network(NetworkError::Io { path: moved(&path), source }))
        }
        other => other,
    }
}

/// Returns the probabilities of the photos of a split.
fn scored(run: &Run<'_>, fitted: &Fitted, split: Split) -> Vec<ScoredPhoto> {
    let samples = &run.samples;
    let examples = samples.examples(samples.splits, split, &[]);
    let probabilities = run.probabilities(fitted, &examples);
    let photos = samples.dataset.examples.iter().zip(samples.splits);
    photos
        .filter(|(_, photo_split)| **photo_split == split)
        .zip(probabilities)
        .map(|((example, _), probabilities)| ScoredPhoto {
            photo: example.photo.clone(),
            truth: example.classes.clone(),
            probabilities,
        })
        .collect()
}

fn card(run: &Run<'_>, fitted: &Fitted, evaluations: &[Evaluation; 3]) -> Result<Card, TrainError> {
    let folder = run.options.folder.path();
    let absolute = std::path::absolute(folder)
        .map_err(|source| TrainError::Io { path: folder.into(), source })?;
    let name = absolute.file_name().map(|name| name.to_string_lossy().into_owned());
    let mut metrics = BTreeMap::new();
    for (split, evaluation) in Split::ALL.iter().zip(evaluations) {
        metrics.insert(format!("{}_accuracy", split.name()), evaluation.accuracy().value());
        metrics.insert(format!("{}_loss", split.name()), evaluation.loss());
    }
    let (base, options, extractor) = (&run.options.base, &run.options.model, run.extractor);
    Ok(Card {
        format: FORMAT.into(),
        version: VERSION,
        lorgnette: env!("CARGO_PKG_VERSION").into(),
        name: name.unwrap_or_else(|| "model".into()),
        classes: run.samples.dataset.classes.clone(),
        hidden: fitted.options.hidden,
        base: BaseCard::new(base, options, extractor, run.samples.width(), folder)?,
        shape: InputSpec::new(extractor.embedder().model()),
        calibration: Some(fitted.calibration),
        training: TrainingCard {
            options: fitted.options.clone(),
            penalty: fitted.trained.penalty,
            epochs: fitted.trained.epochs.len(),
            best_epoch: fitted.trained.best_epoch,
            copies: run.options.augmentation.copies,
            distortions: run.options.augmentation.describe(),
            interrupted: fitted.trained.interrupted,
        },
        data: data_card(run),
        metrics,
    })
}

fn data_card(run: &Run<'_>) -> DataCard {
    let (dataset, splits, options) = (run.samples.dataset, run.samples.splits, &run.options.split);
    let [training, validation, test] = Split::counts(splits);
    let mut digest = Sha256::new();
    for (example, split) in dataset.examples.iter().zip(splits) {
        digest.update(format!("{} {:?} {}\n", example.digest, example.classes, split.name()));
    }
    DataCard {
        photos: SplitCounts { training, validation, test },
        per_class: dataset.counts(),
        left_out: dataset.rejected.len(),
        split: format!("{:?}", options.by).to_lowercase(),
        validation_percentage: options.validation,
        test_percentage: options.test,
        split_seed: options.seed,
        digest: Digest(digest.finalize().into()).to_string(),
    }
}

/// Returns the probabilities of each photo by a head that was not trained with it; empty where
/// label issues are not looked for.
fn held_out(
    run: &Run<'_>,
    fitted: &Fitted,
    scored: &[Vec<ScoredPhoto>; 3],
    observer: &mut TrainObserver<'_>,
) -> Vec<HeldOut> {
    if fitted.options.answer == OutputKind::Sigmoid || fitted.trained.interrupted {
        return Vec::new();
    }
    let Some(out_of_fold) = run.out_of_fold(fitted, observer) else {
        let _ = observer.event(&Event::NoOutOfFold);
        return Vec::new();
    };
    let [training, validation, test] = scored;
    let mut held_out = Vec::new();
    // Copies come after all photos, and are not shown.
    for (photo, probabilities) in training.iter().zip(out_of_fold) {
        let scored = ScoredPhoto { probabilities, ..photo.clone() };
        held_out.push(HeldOut { scored, split: Split::Training.name() });
    }
    for (split, photos) in [(Split::Validation, validation), (Split::Test, test)] {
        for photo in photos {
            held_out.push(HeldOut { scored: photo.clone(), split: split.name() });
        }
    }
    held_out
}

/// Predictions for photos that the head was not trained with.
struct Tested<'a> {
    /// Card of the model that has the head.
    card: &'a Card,
    /// Evaluations of the splits, in the order of [`Split::ALL`].
    evaluations: &'a [Evaluation; 3],
    /// The test photos.
    scored: &'a [ScoredPhoto],
    /// Photos of all splits.
    held_out: &'a [HeldOut],
}

fn write_report(
    run: &Run<'_>,
    fitted: &Fitted,
    tested: &Tested<'_>,
    folder: &Path,
) -> Result<(), ReportError> {
    let card = tested.card;
    let title = format!("{}: {} classes on {}", card.name, card.classes.len(), card.base.name);
    let about = about(fitted, card);
    let near_duplicates = near_duplicates(run);
    let names = Split::ALL.map(Split::name);
    let splits: Vec<(&str, &Evaluation)> = names.into_iter().zip(tested.evaluations).collect();
    let report = Report {
        splits: &splits,
        epochs: &fitted.trained.epochs,
        held_out: tested.held_out,
        near_duplicates: &near_duplicates,
        features: example_features(run),
        about: &about,
        ..Report::new(&title, &tested.evaluations[Split::Test as usize], tested.scored)
    };
    report.write(folder, &|path| run.options.open.open(path).ok())
}

fn about(fitted: &Fitted, card: &Card) -> Vec<(String, String)> {
    let SplitCounts { training, validation, test } = card.data.photos;
    let left_out = card.data.left_out;
    let photos =
        format!("{training} training, {validation} validation, {test} test; {left_out} left out");
    [
        ("network", format!("{} ({})", card.base.name, card.base.features)),
        ("photos", photos),
        ("recipe", fitted.options.recipe.to_string()),
        ("program", format!("lorgnette {}", card.lorgnette)),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}

/// Returns the names of an example's classes.
fn label(dataset: &Dataset, example: &Example) -> String {
    let names: Vec<&str> =
        example.classes.iter().map(|&class| dataset.classes[class].as_str()).collect();
    names.join(" and ")
}

/// Finds near-duplicates of different splits or classes.
fn near_duplicates(run: &Run<'_>) -> Vec<NearDuplicatePair> {
    let (dataset, splits) = (run.samples.dataset, run.samples.splits);
    let features: Vec<&[f32]> = run.samples.features.iter().map(Vec::as_slice).collect();
    let differ = |first: usize, second: usize| {
        splits[first] != splits[second]
            || dataset.examples[first].classes != dataset.examples[second].classes
    };
    let place = |photo: usize| {
        format!("{}, {}", label(dataset, &dataset.examples[photo]), splits[photo].name())
    };
    let pairs = NearDuplicateFinder::new(&features).pairs(NEAR_DUPLICATE_COSINE, differ);
    pairs
        .into_iter()
        .map(|pair| NearDuplicatePair {
            photos: [pair.first, pair.second].map(|photo| dataset.examples[photo].photo.clone()),
            places: [pair.first, pair.second].map(place),
            cosine: pair.cosine,
        })
        .collect()
}

/// Returns a test photo and its features, for the report.
fn example_features<'a>(run: &Run<'a>) -> Option<(&'a Path, &'a [f32])> {
    let samples = &run.samples;
    let photo = samples.splits.iter().position(|&split| split == Split::Test)?;
    Some((&samples.dataset.examples[photo].photo, &samples.features[photo]))
}

/// Writes TensorBoard's event files; for the projector, features and thumbnails of photos too.
fn write_tensorboard(
    run: &Run<'_>,
    fitted: &Fitted,
    test: &Evaluation,
    folder: &Path,
) -> Result<(), ReportError> {
    let samples = &run.samples;
    let last = &fitted.layers.last;
    let mut distributions: Vec<(&str, &[f32])> =
        vec![("weights", &last.weights), ("biases", &last.biases)];
    if let Some(hidden) = &fitted.layers.hidden {
        distributions.push(("hidden/weights", &hidden.weights));
        distributions.push(("hidden/biases", &hidden.biases));
    }
    if let Some(features) = samples.features.first() {
        distributions.push(("features of one photo", features));
    }
    let examples = &samples.dataset.examples;
    let labels: Vec<String> =
        examples.iter().map(|example| label(samples.dataset, example)).collect();
    let mut points = Vec::new();
    if run.options.projector {
        for (index, example) in examples.iter().enumerate() {
            points.push(Point {
                photo: &example.photo,
                features: &samples.features[index],
                label: &labels[index],
                split: samples.splits[index].name(),
            });
        }
    }
    let tensorboard = TensorBoard {
        epochs: &fitted.trained.epochs,
        distributions: &distributions,
        evaluation: Some(test),
        points: &points,
    };
    tensorboard.write(folder, &|path| run.options.open.open(path).ok())
}
