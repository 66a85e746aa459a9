//! Classification: the most probable classes of a picture.

use lorgnette_net::scores::{Ranked, top_k_with_ties};
use serde::Serialize;

use crate::answer::ClassifyAnswer;
use crate::embed::features;
use crate::error::Result;
use crate::model::{Model, Output};
use crate::observer::Observer;
use crate::picture::{Picture, PictureRef};
use crate::scores::{ClassScores, score_names};

/// Classifies pictures. Cheap to clone and to share between threads.
#[derive(Clone, Debug)]
pub struct Classifier {
    model: Model,
}

/// The classification of one picture.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Classification {
    /// The most probable classes, best first.
    pub predictions: Vec<Prediction>,
    /// True if even the best probability is below the model's [rejection
    /// threshold](Model::rejection_threshold).
    pub is_rejected: bool,
}

/// A class with its probability and logit.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Prediction {
    /// The network's output index; in networks of 1001 classes 0 is the background.
    pub index: usize,
    /// The WordNet synset, such as `n01440764`, where the label set has them.
    pub synset: Option<String>,
    /// The class's name, or several synonyms separated by commas.
    pub name: String,
    /// From 0 to 1.
    pub probability: f32,
    /// The score before softmax; the probability's logarithm where the graph has no such score.
    pub logit: f32,
}

/// The probabilities and features of a picture, from one run.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Outputs {
    /// Probability of each class, 0 to 1, in the network's order.
    pub probabilities: Vec<f32>,
    /// Features in front of the classification layer, one for each channel; averaged over all
    /// positions where that layer's input is a map.
    pub features: Option<Vec<f32>>,
}

impl Classifier {
    /// Creates a classifier that uses `model`.
    ///
    /// # Errors
    /// If the network does not give one score for each class.
    pub fn new(model: Model) -> Result<Self> {
        if model.classifies() { Ok(Self { model }) } else { Err(model.no_class_scores_error()) }
    }

    /// The underlying model.
    #[must_use]
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Returns the same classifier on its own pool of `threads` threads.
    #[must_use]
    pub fn with_threads(&self, threads: usize) -> Self {
        Self { model: self.model.with_threads(threads) }
    }

    /// Returns the `top` most probable classes of a picture.
    ///
    /// # Errors
    /// If memory is insufficient; for graphs that decode photos themselves, if the photo's size
    /// does not fit them.
    pub fn classify<'p>(
        &self,
        picture: impl Into<PictureRef<'p>>,
        top: usize,
    ) -> Result<Classification> {
        let fetches = score_names(self.model.signature());
        self.model.run(picture.into(), &fetches, |outputs| {
            self.classification(&self.class_scores(outputs), top)
        })
    }

    /// Returns the `top` most probable classes of each picture. Where the network allows it,
    /// several pictures are computed at once, which is faster for networks with large fully
    /// connected layers. The results equal those of [`classify`](Self::classify) to the last bit.
    /// Reports the number of finished pictures, before the first and after each batch.
    ///
    /// # Errors
    /// As [`classify`](Self::classify); [`Error::Cancelled`](crate::Error::Cancelled).
    pub fn classify_batch(
        &self,
        pictures: &[PictureRef<'_>],
        top: usize,
        observer: &mut dyn Observer,
    ) -> Result<Vec<Classification>> {
        let fetches = score_names(self.model.signature());
        self.model.run_batch(pictures, &fetches, observer, |outputs| {
            self.classification(&self.class_scores(outputs), top)
        })
    }

    /// Classifies a picture, with the [answer](crate::answer) as the program prints it.
    ///
    /// # Errors
    /// As [`classify`](Self::classify).
    pub fn answer(&self, picture: &Picture, top: usize) -> Result<ClassifyAnswer> {
        Ok(ClassifyAnswer::new(picture, &self.model, self.classify(picture, top)?))
    }

    /// Computes in one run the probability of every class, and the features if the classification
    /// layer can be identified.
    ///
    /// # Errors
    /// As [`classify`](Self::classify).
    pub fn outputs<'p>(&self, picture: impl Into<PictureRef<'p>>) -> Result<Outputs> {
        let signature = self.model.signature();
        let mut fetches = score_names(signature);
        let score_count = fetches.len();
        fetches.extend(signature.features.as_deref());
        self.model.run(picture.into(), &fetches, |outputs| Outputs {
            probabilities: self.class_scores(&outputs[..score_count]).probabilities,
            features: outputs.get(score_count).map(|output| features(output.shape, output.values)),
        })
    }

    fn class_scores(&self, outputs: &[Output<'_>]) -> ClassScores {
        let values: Vec<&[f32]> = outputs.iter().map(|output| output.values).collect();
        ClassScores::new(self.model.signature(), &values, self.model.labels().len())
    }

    fn classification(&self, scores: &ClassScores, top: usize) -> Classification {
        let probabilities = &scores.probabilities;
        let best = probabilities.iter().copied().fold(0.0, f32::max);
        let is_rejected =
            self.model.rejection_threshold().is_some_and(|threshold| best < threshold);
        let mut predictions = Vec::new();
        for Ranked { index, score } in top_k_with_ties(probabilities, &scores.logits, top) {
            let label = self.model.labels().get(index);
            predictions.push(Prediction {
                index,
                synset: label.and_then(|label| label.synset).map(str::to_owned),
                name: label.map_or_else(|| format!("class {index}"), |label| label.name.to_owned()),
                probability: score,
                logit: scores.logits[index],
            });
        }
        Classification { predictions, is_rejected }
    }
}
