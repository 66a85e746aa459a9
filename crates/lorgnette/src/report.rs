//! Reports: confusion matrices, curves, reliability diagrams, tables, and a page of HTML.
//!
//! ```no_run
//! use lorgnette::Picture;
//! use lorgnette::metrics::{Evaluation, ScoredPhoto};
//! use lorgnette::report::Report;
//!
//! # fn scored() -> Vec<ScoredPhoto> { Vec::new() }
//! let (classes, scored) = (["cat", "dog"].map(String::from), scored());
//! let evaluation = Evaluation::new(&classes, &scored)?;
//! let report = Report::new("Cats and dogs", &evaluation, &scored);
//! report.write("judged".as_ref(), &|path| Picture::open(path).ok())?;
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```

mod confusion;
mod curves;
mod features;
mod html;
mod page;
mod palette;
mod plot;
mod reliability;
mod tables;
mod tensorboard;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

pub use confusion::{Scale, confusion};
pub use curves::curves;
pub use features::features;
pub use page::page;
pub use reliability::reliability;
pub use tables::{classes_csv, confusion_csv, epochs_csv, photos_csv};
pub use tensorboard::{Point, TensorBoard};
pub(crate) use tensorboard::{TENSORBOARD, tensorboard_files};

use lorgnette_net::write_atomically;

use crate::error::Error;
use crate::metrics::{Epoch, Evaluation, LabelIssue, ScoredPhoto, label_issues};
use crate::picture::{Picture, PictureError};

/// Names of the files that [`Report::write`] may write.
pub(crate) const FILES: [&str; 16] = [
    "report.html",
    "confusion.csv",
    "classes.csv",
    "photos.csv",
    "suspects.csv",
    "epochs.csv",
    "confusion.png",
    "confusion.svg",
    "confusion_normalised.png",
    "confusion_normalised.svg",
    "reliability.png",
    "reliability.svg",
    "curves.png",
    "curves.svg",
    "photos.png",
    "features.png",
];

/// Opens a photo for a thumbnail; `None` if it cannot be opened.
pub type PictureLoader<'a> = &'a dyn Fn(&Path) -> Option<Picture>;

/// Contents of a report. Empty parts are left out.
#[derive(Clone, Debug)]
pub struct Report<'a> {
    /// Title.
    pub title: &'a str,
    /// Metrics.
    pub evaluation: &'a Evaluation,
    /// The evaluated photos.
    pub scored: &'a [ScoredPhoto],
    /// Metrics of the training's epochs.
    pub epochs: &'a [Epoch],
    /// Name and metrics of the final model on each split of the training.
    pub splits: &'a [(&'static str, &'a Evaluation)],
    /// Out-of-fold predictions of all photos, to find label issues; if empty, `scored` is used.
    pub held_out: &'a [HeldOut],
    /// Near-duplicates in different splits or classes.
    pub near_duplicates: &'a [NearDuplicatePair],
    /// A photo and its features.
    pub features: Option<(&'a Path, &'a [f32])>,
    /// More names and values, such as the model's file.
    pub about: &'a [(String, String)],
}

/// A photo with predictions by a model that was not trained on it.
#[derive(Clone, Debug, PartialEq)]
pub struct HeldOut {
    /// The prediction.
    pub scored: ScoredPhoto,
    /// The photo's split.
    pub split: &'static str,
}

/// Two near-duplicates.
#[derive(Clone, Debug, PartialEq)]
pub struct NearDuplicatePair {
    /// Their files.
    pub photos: [PathBuf; 2],
    /// Split or class of each.
    pub places: [String; 2],
    /// The cosine of their features, from −1 to 1.
    pub cosine: f32,
}

/// Error of a report.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// A file cannot be written.
    #[error("{path}: cannot be written: {source}", path = .path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A figure could not be written.
    #[error(transparent)]
    Picture(#[from] PictureError),
    /// An event file could not be written.
    #[error(transparent)]
    Events(#[from] Error),
}

impl<'a> Report<'a> {
    /// Creates a report of an evaluation.
    #[must_use]
    pub fn new(title: &'a str, evaluation: &'a Evaluation, scored: &'a [ScoredPhoto]) -> Self {
        Self {
            title,
            evaluation,
            scored,
            epochs: &[],
            splits: &[],
            held_out: &[],
            near_duplicates: &[],
            features: None,
            about: &[],
        }
    }

    /// The report as one page of HTML that needs no other file, with small pictures of photos that
    /// `open` opens.
    #[must_use]
    pub fn html(&self, open: PictureLoader<'_>) -> String {
        html::html(self, open)
    }

    /// Writes the report into a folder, which is made if need be: `report.html`; the figures
    /// `confusion`, `confusion_normalised`, `reliability` and, after training, `curves`, each as
    /// `.png` and `.svg`; the tables `confusion.csv`, `classes.csv`, `photos.csv`,
    /// `label_issues.csv` and `epochs.csv`; and `photos.png`, nine photos with their names.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn write(&self, folder: &Path, open: PictureLoader<'_>) -> Result<(), ReportError> {
        let failed = |path: &Path, source| ReportError::Write { path: path.into(), source };
        fs::create_dir_all(folder).map_err(|source| failed(folder, source))?;
        // Figures are drawn while the page's photos are decoded.
        std::thread::scope(|scope| {
            let drawing = std::thread::Builder::new().spawn_scoped(scope, || self.draw(folder));
            for (name, text) in self.texts(open) {
                let path = folder.join(name);
                write_atomically(&path, text.as_bytes()).map_err(|source| failed(&path, source))?;
            }
            let Ok(drawing) = drawing else { return self.draw(folder) };
            drawing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })?;
        if let Some(page) = page(self.evaluation, self.scored, open) {
            page.save(folder.join("photos.png"))?;
        }
        if let Some((_, values)) = self.features {
            features(values).save(folder.join("features.png"))?;
        }
        Ok(())
    }

    /// Returns the label issues, and the photos they were searched in with their splits.
    fn label_issues(&self) -> (Vec<LabelIssue>, Vec<(&ScoredPhoto, &'static str)>) {
        let among: Vec<(&ScoredPhoto, &'static str)> = match self.held_out.is_empty() {
            true => self.scored.iter().map(|scored| (scored, "")).collect(),
            false => self.held_out.iter().map(|held| (&held.scored, held.split)).collect(),
        };
        let scored: Vec<&ScoredPhoto> = among.iter().map(|(scored, _)| *scored).collect();
        (label_issues(self.evaluation.names().len(), &scored), among)
    }

    fn texts(&self, open: PictureLoader<'_>) -> Vec<(&'static str, String)> {
        let mut texts = vec![
            ("report.html", self.html(open)),
            ("confusion.csv", confusion_csv(self.evaluation)),
            ("classes.csv", classes_csv(self.evaluation)),
            ("photos.csv", photos_csv(self.evaluation, self.scored)),
            ("suspects.csv", tables::label_issues_csv(self)),
        ];
        if !self.epochs.is_empty() {
            texts.push(("epochs.csv", epochs_csv(self.epochs)));
        }
        texts
    }

    fn draw(&self, folder: &Path) -> Result<(), ReportError> {
        for (name, figure) in self.figures() {
            figure.save(&folder.join(format!("{name}.png")))?;
            figure.save(&folder.join(format!("{name}.svg")))?;
        }
        Ok(())
    }

    fn figures(&self) -> Vec<(&'static str, crate::Drawing)> {
        let mut figures = vec![
            ("confusion", confusion(self.evaluation, Scale::Counts)),
            ("confusion_normalised", confusion(self.evaluation, Scale::Shares)),
            ("reliability", reliability(self.evaluation.reliability())),
        ];
        if !self.epochs.is_empty() {
            figures.push(("curves", curves(self.epochs)));
        }
        figures
    }
}
