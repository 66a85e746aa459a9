//! Classification: the most probable classes of a picture.

use serde::Serialize;

use crate::answer::ClassifyAnswer;
use crate::embed::features;
use crate::error::Result;
use crate::model::{Model, score_names};
use crate::picture::Picture;

/// Classifies pictures. Cheap to clone and to share between threads.
#[derive(Clone, Debug)]
pub struct Classifier {
    model: Model,
}

/// The classification of one picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Classification {
    /// The most probable classes, best first.
    pub predictions: Vec<Prediction>,
    /// True if even the best probability is below the model's [rejection
    /// threshold](Model::rejection_threshold).
    pub is_rejected: bool,
}

/// A class with its probability and logit.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Prediction {
    /// The network's output index; in networks of 1001 classes 0 is the background.
    pub index: usize,
    /// The WordNet synset, such as `n01440764`, where the label set has them.
    pub synset: Option<String>,
    /// The class's name, or several synonyms separated by commas.
    pub name: String,
    /// From 0 to 1.
    pub probability: f32,
    /// The score before softmax.
    pub logit: f32,
}

/// The probabilities and features of a picture, from one run.
#[derive(Clone, Debug, PartialEq)]
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
    pub fn classify(&self, picture: &Picture, top: usize) -> Result<Classification> {
        self.model.run(picture, &score_names(self.model.signature()), |values| {
            let logits = values[0].1;
            let probabilities =
                values.get(1).map_or_else(|| softmax(logits), |(_, values)| values.to_vec());
            let best = probabilities.iter().copied().fold(0.0, f32::max);
            let is_rejected =
                self.model.rejection_threshold().is_some_and(|threshold| best < threshold);
            Classification { predictions: self.best(logits, &probabilities, top), is_rejected }
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
    pub fn outputs(&self, picture: &Picture) -> Result<Outputs> {
        let signature = self.model.signature();
        let mut fetches = score_names(signature);
        let score_names = fetches.len();
        fetches.extend(signature.features.as_deref());
        self.model.run(picture, &fetches, |values| Outputs {
            probabilities: if score_names == 1 {
                softmax(values[0].1)
            } else {
                values[1].1.to_vec()
            },
            features: values.get(score_names).map(|(shape, values)| features(shape, values)),
        })
    }

    fn best(&self, logits: &[f32], probabilities: &[f32], top: usize) -> Vec<Prediction> {
        let mut order: Vec<usize> = (0..probabilities.len()).collect();
        // Ties by index and NaN last, so that the order is deterministic.
        order.sort_by(|&a, &b| {
            sort_key(probabilities[b]).total_cmp(&sort_key(probabilities[a])).then(a.cmp(&b))
        });
        let prediction = |index: usize| {
            let label = self.model.labels().get(index);
            Prediction {
                index,
                synset: label.and_then(|label| label.synset).map(str::to_owned),
                name: label.map_or_else(|| format!("class {index}"), |label| label.name.to_owned()),
                probability: probabilities[index],
                logit: logits[index],
            }
        };
        order.into_iter().take(top).map(prediction).collect()
    }
}

fn sort_key(probability: f32) -> f32 {
    if probability.is_nan() { f32::NEG_INFINITY } else { probability }
}

/// Softmax: `eˣ / Σ eˣ`, shifted by the maximum against overflow.
fn softmax(logits: &[f32]) -> Vec<f32> {
    let max_logit = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f64> = logits.iter().map(|&x| f64::from(x - max_logit).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.into_iter().map(|power| (power / sum) as f32).collect()
}
