//! A trained model on disk: a folder that [`Model::open`] takes like any other model.
//!
//! ```text
//! model.json       the card: classes, base network, preprocessing, training, metrics
//! weights.npy      the classification layer, [features, classes], and biases.npy, [classes]; of a
//!                  hidden layer, hidden_weights.npy and hidden_biases.npy
//! labels.txt       the classes, one a line
//! split.csv        every photo: path, SHA-256 of its content, classes, split
//! ```
//! The base network is not copied: the card has its path and a fingerprint.

mod base;
pub(crate) mod card;

use std::fs;
use std::io::Write as _;
use std::path::Path;

use lorgnette_net::head::{Head, Layer, OutputKind};
use lorgnette_net::{AtomicFile, Tensor, npy, write_atomically};

use crate::error::{Result, format_error, io_error};
use crate::labels::Labels;
use crate::model::{Model, ModelOptions};

pub use card::{BaseCard, Card, DataCard, FORMAT, InputSpec, SplitCounts, TrainingCard, VERSION};

/// File that makes a folder a trained model.
pub const CARD: &str = "model.json";
/// File of class names.
pub const LABELS: &str = "labels.txt";
/// File of photos and splits.
pub const SPLIT: &str = "split.csv";

/// Contents of a trained model's folder.
#[derive(Clone, Debug)]
pub struct TrainedModel {
    /// Card.
    pub card: Card,
    /// Head.
    pub head: Head,
}

impl TrainedModel {
    /// Whether a folder holds a trained model.
    #[must_use]
    pub fn is_in(folder: &Path) -> bool {
        folder.join(CARD).is_file()
    }

    /// Reads a folder without opening the base network.
    ///
    /// # Errors
    /// If it is no trained model, or damaged.
    pub fn read(folder: &Path) -> Result<Self> {
        let card = Card::read(&folder.join(CARD))?;
        let layer = |prefix: &str| -> Result<Layer> {
            let tensor = |name: &str| read_array(&folder.join(format!("{prefix}{name}.npy")));
            Ok(Layer { weights: tensor("weights")?, biases: tensor("biases")? })
        };
        let hidden = card.hidden.map(|_| layer("hidden_")).transpose()?;
        let head = Head {
            features: card.base.features.clone(),
            hidden,
            last: layer("")?,
            answer: card.answer(),
        };
        let classes = card.classes.len();
        let fits = head.last.biases.shape() == [classes]
            && head.last.weights.shape().get(1) == Some(&classes);
        if !fits || head.last.weights.shape().len() != 2 {
            let shape = head.last.weights.shape();
            let what =
                format!("its weights, of shape {shape:?}, are not those of its {classes} classes");
            return Err(format_error(folder, what));
        }
        Ok(Self { card, head })
    }

    /// Writes the folder, replacing a model in it as a whole.
    ///
    /// All files are first written under temporary names. The old card is removed before the first
    /// file is replaced, and the new one comes last: a folder with a card is one model, whenever
    /// the process ends.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        fs::create_dir_all(folder).map_err(|source| io_error(folder, source))?;
        let mut staged = Vec::new();
        for (name, content) in self.files() {
            let path = folder.join(name);
            let mut file = AtomicFile::create(&path).map_err(|source| io_error(&path, source))?;
            file.write_all(&content).map_err(|source| io_error(&path, source))?;
            staged.push((file, path));
        }
        let card = folder.join(CARD);
        if card.exists() {
            fs::remove_file(&card).map_err(|source| io_error(&card, source))?;
        }
        for (file, path) in staged {
            file.commit().map_err(|source| io_error(&path, source))?;
        }
        Ok(())
    }

    /// Returns the names and contents of all files; the card is the last.
    fn files(&self) -> Vec<(String, Vec<u8>)> {
        let mut files = Vec::new();
        let hidden = self.head.hidden.iter().map(|layer| ("hidden_", layer));
        for (prefix, layer) in hidden.chain([("", &self.head.last)]) {
            for (name, tensor) in [("weights", &layer.weights), ("biases", &layer.biases)] {
                files.push((format!("{prefix}{name}.npy"), npy::write(tensor)));
            }
        }
        files.push((LABELS.into(), labels_text(&self.card.classes).into_bytes()));
        files.push((CARD.into(), self.card.to_json()));
        files
    }

    /// Opens the base network and attaches the head.
    ///
    /// # Errors
    /// If the network is not where it was, or is another one now; as [`Model::open`].
    pub fn open(&self, folder: &Path, options: &ModelOptions) -> Result<Model> {
        let base = self.card.base.open(folder, &self.card.shape, options)?;
        base.with_head(
            &self.card.name,
            self.head.clone(),
            Labels::from_names(&self.card.classes),
            &self.card,
        )
    }
}

/// Returns one name a line; line breaks in names become spaces.
fn labels_text(classes: &[String]) -> String {
    classes.iter().map(|class| class.replace(['\n', '\r'], " ") + "\n").collect()
}

fn read_array(path: &Path) -> Result<Tensor> {
    let bytes = fs::read(path).map_err(|source| io_error(path, source))?;
    let tensor = npy::read(&bytes).map_err(|what| format_error(path, what))?;
    Ok(Tensor::from_f32(tensor.shape(), tensor.to_f32()))
}

/// Replaces a file.
///
/// # Errors
/// If the file cannot be written.
pub(crate) fn replace(path: &Path, content: &[u8]) -> Result<()> {
    write_atomically(path, content).map_err(|source| io_error(path, source))
}

impl Card {
    /// Output kind: how scores become probabilities.
    #[must_use]
    pub fn answer(&self) -> OutputKind {
        self.training.options.answer
    }
}
