//! Embedding: the features in front of a network's classification layer, as one vector.

use std::time::Duration;

use crate::answer::EmbedAnswer;
use crate::error::{Error, Result};
use crate::model::Model;
use crate::observer::Observer;
use crate::picture::{Picture, PictureRef};
use crate::preprocess::{ChannelOrder, Preprocessing};

/// Computes features of pictures. Cheap to clone and to share between threads.
#[derive(Clone, Debug)]
pub struct Embedder {
    model: Model,
    end_point: String,
}

impl Embedder {
    /// Creates an embedder for the node `end_point`; by default, for the input of the
    /// classification layer.
    ///
    /// # Errors
    /// If there is no such node, or the classification layer cannot be identified.
    pub fn new(model: Model, end_point: Option<&str>) -> Result<Self> {
        let end_point = match (end_point, &model.signature().features) {
            (Some(name), _) => name.to_owned(),
            (None, Some(features)) => features.clone(),
            (None, None) => {
                return Err(Error::UnknownFeatures { model: model.name().to_owned() });
            }
        };
        // Reports a wrong name now, not at the first photo.
        model.network().check_node(&end_point)?;
        Ok(Self { model, end_point })
    }

    /// The underlying model.
    #[must_use]
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The node that gives the features.
    #[must_use]
    pub fn end_point(&self) -> &str {
        &self.end_point
    }

    /// Returns the same embedder on its own pool of `threads` threads.
    #[must_use]
    pub fn with_threads(&self, threads: usize) -> Self {
        Self { model: self.model.with_threads(threads), end_point: self.end_point.clone() }
    }

    /// Returns the same embedder with another preprocessing.
    pub(crate) fn with_preprocessing(
        &self,
        preprocessing: Preprocessing,
        order: ChannelOrder,
    ) -> Self {
        let model = self.model.with_preprocessing(preprocessing).with_channel_order(order);
        Self { model, end_point: self.end_point.clone() }
    }

    /// Computes a picture's features: one number for each channel of the end point, averaged over
    /// all positions where the end point is a map.
    ///
    /// # Errors
    /// As [`crate::Classifier::classify`].
    pub fn embed<'p>(&self, picture: impl Into<PictureRef<'p>>) -> Result<Vec<f32>> {
        self.model.run(picture.into(), &[&self.end_point], |outputs| {
            features(outputs[0].shape, outputs[0].values)
        })
    }

    /// Computes the features of each picture. Where the network allows it, several pictures are
    /// computed at once. The results equal those of [`embed`](Self::embed) to the last bit. Reports
    /// the number of finished pictures, before the first and after each batch.
    ///
    /// # Errors
    /// As [`embed`](Self::embed); [`Error::Cancelled`](crate::Error::Cancelled).
    pub fn embed_batch(
        &self,
        pictures: &[PictureRef<'_>],
        observer: &mut dyn Observer,
    ) -> Result<Vec<Vec<f32>>> {
        self.model.run_batch(pictures, &[&self.end_point], observer, |outputs| {
            features(outputs[0].shape, outputs[0].values)
        })
    }

    /// Computes a picture's features, with the [answer](crate::answer) as the program prints it.
    ///
    /// # Errors
    /// As [`Embedder::embed`].
    pub fn answer(&self, picture: &Picture) -> Result<EmbedAnswer> {
        let embedding = self.embed(picture)?;
        Ok(EmbedAnswer::new(picture, &self.model, &self.end_point, embedding))
    }

    /// As [`Embedder::embed`]; also returns the time of preprocessing.
    pub(crate) fn embed_timed(&self, picture: PictureRef<'_>) -> Result<(Vec<f32>, Duration)> {
        self.model.run_timed(picture, &[&self.end_point], |outputs| {
            features(outputs[0].shape, outputs[0].values)
        })
    }
}

/// Features from an end point's values: a map is averaged over all positions.
pub(crate) fn features(shape: &[usize], values: &[f32]) -> Vec<f32> {
    let channels = shape.last().copied().unwrap_or(1);
    if values.len() == channels {
        return values.to_vec();
    }
    let places = (values.len() / channels) as f64;
    let mut means = Vec::with_capacity(channels);
    for channel in 0..channels {
        let of_channel = values.iter().skip(channel).step_by(channels);
        let sum: f64 = of_channel.map(|&value| f64::from(value)).sum();
        means.push((sum / places) as f32);
    }
    means
}
