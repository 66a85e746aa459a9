//! A trained model on disk: a folder that [`Model::open`] takes like any other model.
//!
//! ```text
//! model.json       the card: classes, base network, preprocessing, training, metrics
//! weights.npy      the classification layer, [features, classes], and biases.npy, [classes]; of a
//!                  hidden layer, hidden_weights.npy and hidden_biases.npy
//! labels.txt       the classes, one a line
//! split.csv        every photo: path, SHA-256 of its content, classes, split
//! ```
//! Training adds a report, whose files are replaced with the model's.
//!
//! The base network is not copied: the card has its path and a fingerprint. It also has checksums
//! of the layers' files.

mod base;
pub(crate) mod card;
pub(crate) mod files;

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read as _};
use std::path::Path;

use lorgnette_net::file::{open_regular, read_regular};
use lorgnette_net::head::{Head, Layer, OutputKind};
use lorgnette_net::{Tensor, npy, write_atomically};

use crate::error::{Error, Result, format_error, io_error};
use crate::labels::Labels;
use crate::model::{Model, ModelOptions};

use self::files::StagedFiles;

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
        let card = files::path_in(folder, CARD);
        card.is_file() && !is_tensorflow_js(&card)
    }

    /// Reads a folder without opening the base network.
    ///
    /// # Errors
    /// If it is no trained model, or damaged.
    pub fn read(folder: &Path) -> Result<Self> {
        /// A model may be replaced while it is read.
        const MAX_ATTEMPTS: u32 = 3;
        let mut read = Self::read_once(folder);
        for _ in 1..MAX_ATTEMPTS {
            if !read.as_ref().is_err_and(may_be_replaced) {
                break;
            }
            read = Self::read_once(folder);
        }
        read
    }

    fn read_once(folder: &Path) -> Result<Self> {
        Self::from_reader(folder, |name, max_bytes| {
            let path = files::path_in(folder, name);
            read_regular(&path, max_bytes).map_err(|source| io_error(&path, source))
        })
    }

    /// Reads a folder whose files are in memory, by their names. `name` is the folder's, which only
    /// messages use.
    ///
    /// # Errors
    /// If it is no trained model, damaged, or a file is missing.
    pub fn from_files(name: &str, files: &BTreeMap<String, Vec<u8>>) -> Result<Self> {
        let folder = Path::new(name);
        Self::from_reader(folder, |name, _| {
            files.get(name).cloned().ok_or_else(|| {
                let what = "this file is missing: a trained model is its whole folder";
                format_error(&folder.join(name), what)
            })
        })
    }

    /// Reads a folder whose files `read` gives, by name and maximum length.
    fn from_reader(folder: &Path, read: impl Fn(&str, u64) -> Result<Vec<u8>>) -> Result<Self> {
        let content = read(CARD, card::MAX_BYTES)?;
        let (card, checksums) = Card::from_bytes(&content, &folder.join(CARD))?;
        let layer = |prefix: &str| -> Result<Layer> {
            let tensor = |name: &str| {
                let name = format!("{prefix}{name}.npy");
                let checksum = checksums.get(&name).map(String::as_str);
                let content = read(&name, MAX_ARRAY_BYTES)?;
                array_from_bytes(&content, &folder.join(&name), checksum)
            };
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

    /// Writes the folder, replacing a model in it as a whole. Files of a report on that model are
    /// removed.
    ///
    /// Whenever the process ends, the folder has the model that was in it or this one, whole.
    ///
    /// # Errors
    /// If a file cannot be written; the model that was in the folder is then unchanged.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let staged = StagedFiles::create(folder)?;
        self.stage(&staged)?;
        staged.commit()
    }

    /// Adds the model's files to those that replace a model.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub(crate) fn stage(&self, staged: &StagedFiles) -> Result<()> {
        self.files().iter().try_for_each(|(name, content)| staged.add(name, content))
    }

    /// Returns the names and contents of all files.
    fn files(&self) -> Vec<(String, Vec<u8>)> {
        let mut files = Vec::new();
        let hidden = self.head.hidden.iter().map(|layer| ("hidden_", layer));
        for (prefix, layer) in hidden.chain([("", &self.head.last)]) {
            for (name, tensor) in [("weights", &layer.weights), ("biases", &layer.biases)] {
                files.push((format!("{prefix}{name}.npy"), npy::write(tensor)));
            }
        }
        let checksums =
            files.iter().map(|(name, content)| (name.clone(), checksum(content))).collect();
        files.push((LABELS.into(), labels_text(&self.card.classes).into_bytes()));
        files.push((CARD.into(), self.card.to_json(&checksums)));
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

    /// Attaches the head to the network that it was trained on, which is open already: `base`, on
    /// whose threads it runs. Preprocessing is the card's.
    ///
    /// # Errors
    /// If `base` is another network.
    pub fn open_on(&self, base: &Model) -> Result<Model> {
        let base = self.card.base.reopen(base, &self.card.shape)?;
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

/// True if an error may come from a model that is being replaced by another.
fn may_be_replaced(error: &Error) -> bool {
    match error {
        Error::Network(lorgnette_net::Error::Io { source, .. }) => {
            source.kind() == ErrorKind::NotFound
        }
        Error::Network(lorgnette_net::Error::Format { .. }) => true,
        _ => false,
    }
}

/// Returns the checksum of a file as the card has it.
fn checksum(content: &[u8]) -> String {
    format!("crc32c:{:08x}", crc32c::crc32c(content))
}

/// Maximum bytes of an array's file: a layer of 100,000 features and 10,000 classes.
const MAX_ARRAY_BYTES: u64 = 4 << 30;

/// Reads an array of finite numbers, the content of the file `path`, which only messages use.
/// `stored` is its checksum on the card.
fn array_from_bytes(bytes: &[u8], path: &Path, stored: Option<&str>) -> Result<Tensor> {
    if stored.is_some_and(|stored| stored != checksum(bytes)) {
        let what = "its checksum is not that on the card (model.json): the file is damaged, or of \
                    another model; train it again";
        return Err(format_error(path, what));
    }
    let tensor = npy::read(bytes).map_err(|what| format_error(path, what))?;
    let values = tensor.to_f32();
    if !values.iter().all(|value| value.is_finite()) {
        return Err(format_error(path, "it has numbers that are not finite: train it again"));
    }
    Ok(Tensor::from_f32(tensor.shape(), values))
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

/// Returns true for the `model.json` of TensorFlow.js.
fn is_tensorflow_js(card: &Path) -> bool {
    const MAX_BYTES: u64 = 1 << 20;
    let mut start = Vec::new();
    let file = open_regular(card);
    let _ = file.and_then(|file| file.take(MAX_BYTES).read_to_end(&mut start));
    let text = String::from_utf8_lossy(&start);
    ["\"modelTopology\"", "\"weightsManifest\""].iter().any(|key| text.contains(key))
}
