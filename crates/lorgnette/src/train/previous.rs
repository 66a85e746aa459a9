//! A trained model whose photos, splits and classes another training takes over.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::TrainError;
use super::tables::{SplitRow, read_splits};
use crate::dataset::{Dataset, Digest, Example};
use crate::head::OutputKind;
use crate::photos::path_from_bytes;
use crate::trained::{self, TrainedModel};

/// A trained model and its photos.
#[derive(Clone, Debug)]
pub struct PreviousModel {
    folder: PathBuf,
    model: TrainedModel,
    rows: Vec<SplitRow>,
}

impl PreviousModel {
    /// Reads a model's folder.
    ///
    /// # Errors
    /// If the folder has no trained model, or its list of photos is damaged.
    pub fn read(folder: &Path) -> Result<Self, TrainError> {
        let model = TrainedModel::read(folder)?;
        let rows = read_splits(folder)?;
        Ok(Self { folder: folder.into(), model, rows })
    }

    /// The model's folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The model.
    #[must_use]
    pub fn model(&self) -> &TrainedModel {
        &self.model
    }

    /// Whether the model was trained on photos with several labels.
    #[must_use]
    pub fn is_multi_label(&self) -> bool {
        self.model.card.answer() == OutputKind::Sigmoid
    }

    /// Puts the model's classes and photos before those of a dataset.
    ///
    /// A photo in both has the dataset's classes and the model's split.
    ///
    /// # Errors
    /// If the model's list of photos is damaged.
    pub fn join(&self, dataset: Dataset) -> Result<Dataset, TrainError> {
        let mut classes = self.model.card.classes.clone();
        let known = classes.clone();
        classes.extend(dataset.classes.iter().filter(|class| !known.contains(class)).cloned());
        let indices: HashMap<&str, usize> =
            classes.iter().enumerate().map(|(index, name)| (name.as_str(), index)).collect();
        let mut examples: Vec<Example> = Vec::new();
        for example in dataset.examples {
            let names = example.classes.iter().map(|&class| dataset.classes[class].as_str());
            let classes = names.map(|name| indices[name]).collect();
            examples.push(Example { classes, ..example });
        }
        let mut by_digest: HashMap<Digest, usize> =
            examples.iter().enumerate().map(|(index, example)| (example.digest, index)).collect();
        for row in &self.rows {
            let example = self.example(row, &indices)?;
            match by_digest.get(&example.digest) {
                Some(&index) => examples[index].split = example.split,
                None => {
                    by_digest.insert(example.digest, examples.len());
                    examples.push(example);
                }
            }
        }
        let multi_label =
            dataset.multi_label || examples.iter().any(|example| example.classes.len() != 1);
        Ok(Dataset { classes, examples, multi_label, ..dataset })
    }

    fn example(
        &self,
        row: &SplitRow,
        classes: &HashMap<&str, usize>,
    ) -> Result<Example, TrainError> {
        let digest = row.sha256.parse().map_err(|what| self.damaged(what))?;
        let mut indices = Vec::new();
        for name in row.classes.split('|').filter(|name| !name.is_empty()) {
            let index = classes.get(name);
            indices.push(
                *index.ok_or_else(|| self.damaged(format!("the model has no class '{name}'")))?,
            );
        }
        Ok(Example {
            photo: path_from_bytes(&row.path_bytes).unwrap_or_else(|| PathBuf::from(&row.path)),
            digest,
            classes: indices,
            split: Some(row.split),
        })
    }

    fn damaged(&self, what: String) -> TrainError {
        TrainError::Damaged { path: self.folder.join(trained::SPLIT), what }
    }
}
