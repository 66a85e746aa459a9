//! A training for TensorBoard: curves, distributions, figures, and the features of photos in its
//! projector.

use std::fs;
use std::path::{Path, PathBuf};

use lorgnette_net::events::EventFile;
use lorgnette_net::write_atomically;

use super::{PictureLoader, ReportError, Scale, confusion};
use crate::draw::canvas::{Canvas, Colour};
use crate::error::Error;
use crate::metrics::{Epoch, Evaluation};
use crate::picture::Picture;

/// Folder of a training's event files, in its model's folder.
pub(crate) const TENSORBOARD: &str = "tensorboard";
/// Its runs.
const RUNS: [&str; 3] = ["training", "validation", "test"];
/// Beginning of an event file's name.
const EVENTS: &str = "events.out.tfevents.";
/// The projector's files.
const PROJECTOR: [&str; 4] = ["features.tsv", "labels.tsv", "projector_config.pbtxt", "photos.png"];

/// Photos that the projector gets, evenly from all: more make it slow, and their picture too large.
const MAX_PROJECTED: usize = 2000;
/// Pixels a side of a photo in the projector.
const SPRITE: usize = 48;

/// Contents of TensorBoard's files.
#[derive(Clone, Debug, Default)]
pub struct TensorBoard<'a> {
    /// The training, round by round: the runs `training` and `validation` have `accuracy` and
    /// `loss`.
    pub epochs: &'a [Epoch],
    /// Numbers whose distribution is shown at the last epoch, such as weights, by name.
    pub distributions: &'a [(&'a str, &'a [f32])],
    /// The figures of the test photos, drawn in the run `test`.
    pub evaluation: Option<&'a Evaluation>,
    /// Photos for the projector.
    pub points: &'a [Point<'a>],
}

/// A photo in the projector.
#[derive(Clone, Copy, Debug)]
pub struct Point<'a> {
    /// Its file.
    pub photo: &'a Path,
    /// Its features; as many for every photo.
    pub features: &'a [f32],
    /// Its class, or several.
    pub label: &'a str,
    /// Its split.
    pub split: &'a str,
}

impl TensorBoard<'_> {
    /// Writes a folder for `tensorboard --logdir`. Event files that are in its runs already are
    /// removed: they would be shown as one with these.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn write(&self, folder: &Path, open: PictureLoader<'_>) -> Result<(), ReportError> {
        self.write_events(folder)?;
        let points: Vec<&Point<'_>> = evenly(self.points, MAX_PROJECTED).collect();
        if points.is_empty() { Ok(()) } else { write_projector(folder, &points, open) }
    }

    fn write_events(&self, folder: &Path) -> Result<(), ReportError> {
        let last = self.epochs.last().map_or(0, |epoch| epoch.epoch);
        type Values = fn(&Epoch) -> [f64; 2];
        let runs: [(&str, Values); 2] = [
            ("training", |epoch| [epoch.training_accuracy, epoch.training_loss]),
            ("validation", |epoch| [epoch.validation_accuracy, epoch.validation_loss]),
        ];
        for (run, values) in runs {
            let mut events = begin(&folder.join(run))?;
            for epoch in self.epochs {
                for (tag, value) in ["accuracy", "loss"].into_iter().zip(values(epoch)) {
                    events.scalar(tag, epoch.epoch, value as f32).map_err(Error::from)?;
                }
            }
            let distributions = self.distributions.iter().filter(|_| run == "training");
            for (name, values) in distributions {
                events.histogram(name, last, values).map_err(Error::from)?;
            }
        }
        let Some(evaluation) = self.evaluation else { return Ok(()) };
        let mut events = begin(&folder.join("test"))?;
        events
            .scalar("accuracy", last, evaluation.accuracy().value() as f32)
            .map_err(Error::from)?;
        events.scalar("loss", last, evaluation.loss() as f32).map_err(Error::from)?;
        let picture = confusion(evaluation, Scale::Shares).picture(1.0);
        let size = [picture.width(), picture.height()];
        Ok(events.image("confusion", last, size, picture.to_png()?).map_err(Error::from)?)
    }
}

/// Returns the names of the files in a model's folder that [`TensorBoard::write`] may have written.
pub(crate) fn tensorboard_files(folder: &Path) -> Vec<PathBuf> {
    let place = Path::new(TENSORBOARD);
    let mut names: Vec<PathBuf> = PROJECTOR.iter().map(|name| place.join(name)).collect();
    for run in RUNS.map(|run| place.join(run)) {
        names.extend(event_files(&folder.join(&run)).map(|name| run.join(name)));
    }
    names
}

/// Returns the names of the event files in a folder.
fn event_files(folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let names = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.file_name());
    names.filter(|name| name.as_encoded_bytes().starts_with(EVENTS.as_bytes())).map(PathBuf::from)
}

/// An event file in a folder that has no other.
fn begin(folder: &Path) -> Result<EventFile, ReportError> {
    for name in event_files(folder) {
        let path = folder.join(name);
        fs::remove_file(&path).map_err(|source| ReportError::Write { path, source })?;
    }
    Ok(EventFile::create(folder).map_err(Error::from)?)
}

/// Features, labels and small pictures, and the file that tells TensorBoard of them.
fn write_projector(
    folder: &Path,
    points: &[&Point<'_>],
    open: PictureLoader<'_>,
) -> Result<(), ReportError> {
    let features = |point: &&Point<'_>| {
        let values: Vec<String> =
            point.features.iter().map(|value| format!("{value:.4}")).collect();
        values.join("\t") + "\n"
    };
    let label = |point: &&Point<'_>| {
        let photo = point.photo.to_string_lossy();
        format!("{}\t{}\t{}\n", one_field(point.label), one_field(point.split), one_field(&photo))
    };
    let config = format!(
        "embeddings {{\n  tensor_name: \"features\"\n  tensor_path: \"features.tsv\"\n  \
         metadata_path: \"labels.tsv\"\n  \
         sprite {{\n    image_path: \"photos.png\"\n    single_image_dim: {SPRITE}\n    \
         single_image_dim: {SPRITE}\n  }}\n}}\n"
    );
    let labels = format!("class\tsplit\tphoto\n{}", points.iter().map(label).collect::<String>());
    for (name, text) in [
        ("features.tsv", points.iter().map(features).collect::<String>()),
        ("labels.tsv", labels),
        ("projector_config.pbtxt", config),
    ] {
        let path = folder.join(name);
        write_atomically(&path, text.as_bytes())
            .map_err(|source| ReportError::Write { path, source })?;
    }
    Ok(sprites(points, open).save(folder.join("photos.png"))?)
}

/// The photos as one picture: as many rows as columns, the last ones perhaps empty.
fn sprites(points: &[&Point<'_>], open: PictureLoader<'_>) -> Picture {
    let columns = (points.len() as f64).sqrt().ceil() as usize;
    let mut canvas =
        Canvas::filled(columns * SPRITE, columns * SPRITE, Colour::opaque(0xff, 0xff, 0xff));
    for (place, point) in points.iter().enumerate() {
        let Some(picture) = open(point.photo) else { continue };
        let small = Canvas::from_picture(&picture).fitted(SPRITE, SPRITE);
        let (row, column) = (place / columns, place % columns);
        let inset = |side: usize| (SPRITE - side) / 2;
        canvas.draw_picture(
            &small,
            column * SPRITE + inset(small.width()),
            row * SPRITE + inset(small.height()),
        );
    }
    canvas.into_picture()
}

/// A text as a field of a table with tabs between.
fn one_field(text: &str) -> String {
    text.replace(['\t', '\n', '\r'], " ")
}

fn evenly<T>(items: &[T], max: usize) -> impl Iterator<Item = &T> {
    let count = max.min(items.len());
    (0..count).map(move |place| &items[(2 * place + 1) * items.len() / (2 * count)])
}
