//! What came of a training: the model's folder, the report, a few lines for the user.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

use anyhow::{Context as _, Result};
use lorgnette::ModelOptions;
use lorgnette::dataset::{Dataset, Example, RejectionReason, Split};
use lorgnette::head::OutputKind;
use lorgnette::metrics::{
    Evaluation, NEAR_DUPLICATE_COSINE, NearDuplicate, NearDuplicateFinder, Proportion, ScoredPhoto,
};
use lorgnette::report::{HeldOut, NearDuplicatePair, Report};
use lorgnette::trained::{
    self, Base, BaseCard, Card, DataCard, FORMAT, InputSpec, SplitCounts, TrainedModel,
    TrainingCard, VERSION,
};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::fit::{Fitted, Run};
use super::photos;
use super::tensorboard;
use crate::Outcome;
use crate::arguments::ReportFormat;
use crate::stream::{write_json, write_report};

/// Writes all of it.
pub(super) fn write(
    run: &Run<'_>,
    fitted: &Fitted,
    base: (&Base, &ModelOptions),
) -> Result<Outcome> {
    let out = &run.arguments.out;
    let judged = Split::ALL.map(|split| scored(run, fitted, split));
    let names = &run.bottlenecks.dataset.classes;
    let [training, validation, test] =
        judged.each_ref().map(|scored| Evaluation::new(names, scored));
    let evaluations = [training?, validation?, test?];
    let model = TrainedModel {
        card: card(run, fitted, base, &evaluations)?,
        head: fitted.layers.head(run.extractor.embedder().end_point(), fitted.options.answer),
    };
    run.stopwatch.lap("judgement");
    photos::write_split(
        &out.join(trained::SPLIT),
        run.bottlenecks.dataset,
        run.bottlenecks.splits,
    )?;
    let held_out = held_out(run, fitted, &judged);
    run.stopwatch.lap("labels that may be wrong");
    report(run, fitted, (&evaluations[2], &judged[2]), &held_out, &model.card)?;
    run.stopwatch.lap("report");
    tensorboard::write(run, fitted, &evaluations[2])?;
    run.stopwatch.lap("TensorBoard");
    model.write(out)?;
    write_report(|to| match run.arguments.format {
        ReportFormat::Text => write_text(to, run, &evaluations),
        ReportFormat::Json => write_json(to, &Summary::new(run, &model.card, &evaluations)),
    })?;
    let failed = |kind| {
        matches!(
            kind,
            RejectionReason::Unreadable
                | RejectionReason::ConflictingLabels
                | RejectionReason::Unlabelled
        )
    };
    let some_failed =
        run.bottlenecks.dataset.rejected.iter().any(|rejection| failed(rejection.reason));
    Ok(if some_failed || fitted.trained.interrupted { Outcome::SomeFailed } else { Outcome::Done })
}

/// What the head says of the photos of a split.
fn scored(run: &Run<'_>, fitted: &Fitted, split: Split) -> Vec<ScoredPhoto> {
    let bottlenecks = &run.bottlenecks;
    let examples = bottlenecks.examples(bottlenecks.splits, split, &[]);
    let options = run.extractor.embedder().model().network().run_options();
    let predicted =
        fitted.layers.probabilities(&examples, fitted.options.answer, options.level, &options.pool);
    let photos = bottlenecks
        .dataset
        .examples
        .iter()
        .zip(bottlenecks.splits)
        .filter(|(_, found)| **found == split);
    let scored = |((example, _), probabilities): ((&Example, _), Vec<f32>)| ScoredPhoto {
        photo: example.photo.clone(),
        truth: example.classes.clone(),
        probabilities,
    };
    photos.zip(predicted).map(scored).collect()
}

fn card(
    run: &Run<'_>,
    fitted: &Fitted,
    (base, options): (&Base, &ModelOptions),
    evaluations: &[Evaluation; 3],
) -> Result<Card> {
    let out = &run.arguments.out;
    let dataset = run.bottlenecks.dataset;
    let width = run.bottlenecks.features.first().map_or(0, Vec::len);
    let name = std::path::absolute(out)?
        .file_name()
        .map_or_else(|| "model".into(), |name| name.to_string_lossy().into());
    let mut metrics = BTreeMap::new();
    for (split, evaluation) in Split::ALL.iter().zip(evaluations) {
        metrics.insert(format!("{}_accuracy", split.name()), evaluation.accuracy().value());
        metrics.insert(format!("{}_loss", split.name()), evaluation.loss());
    }
    let augmentations = run.arguments.augmentation.augmentations(run.arguments.splitting.seed);
    Ok(Card {
        format: FORMAT.into(),
        version: VERSION,
        lorgnette: env!("CARGO_PKG_VERSION").into(),
        name,
        classes: dataset.classes.clone(),
        hidden: fitted.options.hidden,
        base: BaseCard::new(base, options, run.extractor, width, out)?,
        shape: InputSpec::new(run.extractor.embedder().model()),
        calibration: fitted.calibration,
        training: TrainingCard {
            options: fitted.options.clone(),
            penalty: fitted.trained.penalty,
            epochs: fitted.trained.epochs.len(),
            best_epoch: fitted.trained.best_epoch,
            copies: augmentations.copies,
            distortions: augmentations.describe(),
            interrupted: fitted.trained.interrupted,
        },
        data: data(run),
        metrics,
    })
}

fn data(run: &Run<'_>) -> DataCard {
    let (dataset, splits) = (run.bottlenecks.dataset, run.bottlenecks.splits);
    let [training, validation, test] = super::counts(splits);
    let options = run.split_options;
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
        digest: lorgnette::dataset::Digest(digest.finalize().into()).to_string(),
    }
}

/// What was said of each photo by a layer that was not trained with it; nothing where labels are
/// not suspected.
fn held_out(run: &Run<'_>, fitted: &Fitted, judged: &[Vec<ScoredPhoto>; 3]) -> Vec<HeldOut> {
    if fitted.options.answer == OutputKind::Sigmoid || fitted.trained.interrupted {
        return Vec::new();
    }
    let Some(training_probabilities) = run.held_out(fitted) else {
        run.messages
            .note(&"interrupted: labels that may be wrong were looked for among test photos only");
        return Vec::new();
    };
    let [training, validation, test] = judged;
    // Copies come after all photos, and are not shown.
    let training = training
        .iter()
        .zip(training_probabilities)
        .map(|(predicted, probabilities)| ScoredPhoto { probabilities, ..predicted.clone() });
    let others = [(Split::Validation, validation), (Split::Test, test)].into_iter();
    let others = others
        .flat_map(|(split, scored)| scored.iter().cloned().map(move |scored| (split, scored)));
    let all = training.map(|scored| (Split::Training, scored)).chain(others);
    all.map(|(split, scored)| HeldOut { scored, split: split.name() }).collect()
}

fn report(
    run: &Run<'_>,
    fitted: &Fitted,
    (test, scored): (&Evaluation, &[ScoredPhoto]),
    held_out: &[HeldOut],
    card: &Card,
) -> Result<()> {
    let title = format!("{}: {} classes on {}", card.name, card.classes.len(), card.base.name);
    let SplitCounts { training, validation, test: tested } = card.data.photos;
    let about = [
        ("network", format!("{} ({})", card.base.name, card.base.features)),
        (
            "photos",
            format!(
                "{training} training, {validation} validation, {tested} test; {} left out",
                card.data.left_out
            ),
        ),
        ("recipe", fitted.options.recipe.to_string()),
        ("program", format!("lorgnette {}", card.lorgnette)),
    ];
    let about: Vec<(String, String)> =
        about.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let near_duplicates = near_duplicates(run);
    let features = example_features(run);
    let epochs = &fitted.trained.epochs;
    let report = Report {
        epochs,
        held_out,
        near_duplicates: &near_duplicates,
        features,
        about: &about,
        ..Report::new(&title, test, scored)
    };
    let open_options = run.arguments.open_options();
    let (out, open) = (&run.arguments.out, |path: &Path| open_options.open(path).ok());
    report.write(out, &open).with_context(|| out.display().to_string())
}

/// A photo's classes, by name.
fn label(dataset: &Dataset, example: &Example) -> String {
    let names: Vec<&str> =
        example.classes.iter().map(|&class| dataset.classes[class].as_str()).collect();
    names.join(" and ")
}

/// Photos that are nearly the same, of different splits or classes.
fn near_duplicates(run: &Run<'_>) -> Vec<NearDuplicatePair> {
    let (dataset, splits) = (run.bottlenecks.dataset, run.bottlenecks.splits);
    let features: Vec<&[f32]> = run.bottlenecks.features.iter().map(Vec::as_slice).collect();
    let place = |photo: usize| (splits[photo], &dataset.examples[photo].classes);
    let pairs = NearDuplicateFinder::new(&features)
        .pairs(NEAR_DUPLICATE_COSINE, |one, other| place(one) != place(other));
    let shown = |photo: usize| {
        format!("{}, {}", label(dataset, &dataset.examples[photo]), splits[photo].name())
    };
    let near_duplicate = |pair: NearDuplicate| NearDuplicatePair {
        photos: [pair.first, pair.second].map(|photo| dataset.examples[photo].photo.clone()),
        places: [pair.first, pair.second].map(shown),
        cosine: pair.cosine,
    };
    pairs.into_iter().map(near_duplicate).collect()
}

/// A test photo and its features, to be drawn.
fn example_features<'a>(run: &Run<'a>) -> Option<(&'a Path, &'a [f32])> {
    let test_photo = run.bottlenecks.splits.iter().position(|&split| split == Split::Test)?;
    Some((
        &run.bottlenecks.dataset.examples[test_photo].photo,
        &run.bottlenecks.features[test_photo],
    ))
}

/// The JSON of what came of it.
#[derive(Serialize)]
struct Summary<'a> {
    model: &'a str,
    classes: &'a [String],
    photos: SplitCounts,
    left_out: usize,
    metrics: &'a BTreeMap<String, f64>,
    test_interval: [f64; 2],
    penalty: Option<f64>,
    epochs: usize,
    #[serde(rename = "unknown_below")]
    rejection_threshold: Option<f32>,
}

impl<'a> Summary<'a> {
    fn new(run: &'a Run<'_>, card: &'a Card, evaluations: &[Evaluation; 3]) -> Self {
        Self {
            model: run.arguments.out.to_str().unwrap_or_default(),
            classes: &card.classes,
            photos: card.data.photos,
            left_out: card.data.left_out,
            metrics: &card.metrics,
            test_interval: evaluations[2].accuracy().interval(),
            penalty: card.training.penalty,
            epochs: card.training.epochs,
            rejection_threshold: card
                .calibration
                .and_then(|calibration| calibration.rejection_threshold),
        }
    }
}

fn write_text(out: &mut dyn Write, run: &Run<'_>, evaluations: &[Evaluation; 3]) -> io::Result<()> {
    for (split, evaluation) in Split::ALL.iter().zip(evaluations) {
        let accuracy: Proportion = evaluation.accuracy();
        let [low, high] = accuracy.interval();
        writeln!(
            out,
            "{:<10}  {:>6.2} %  ({} of {}; 95 %: {:.1} to {:.1} %)  loss {:.4}",
            split.name(),
            100.0 * accuracy.value(),
            accuracy.correct,
            accuracy.total,
            100.0 * low,
            100.0 * high,
            evaluation.loss()
        )?;
    }
    writeln!(out, "{}", run.arguments.out.join("report.html").display())
}
