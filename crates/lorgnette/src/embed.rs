//! A picture as a list of numbers: the features a network computes before it decides.

use std::time::Duration;

use crate::error::Result;
use crate::model::Model;
use crate::picture::Picture;

/// Computes features of pictures. Cheap to clone and to share between threads.
#[derive(Clone, Debug)]
pub struct Embedder {
    model: Model,
    end_point: String,
}

impl Embedder {
    /// Features from the node `end_point`; if none is given, from what the classification layer
    /// reads.
    ///
    /// # Errors
    /// If the network has no such node, or it is not clear where its classification layer is.
    pub fn new(model: Model, end_point: Option<&str>) -> Result<Self> {
        let unclear = || {
            model
                .model_error("it is not clear where its features are; name a node with --end-point")
        };
        let end_point = match end_point {
            Some(name) => name.to_owned(),
            None => model.signature().features.clone().ok_or_else(unclear)?,
        };
        // A wrong name is told now, not at the first photo.
        model.network().check_node(&end_point)?;
        Ok(Self { model, end_point })
    }

    /// The model it uses.
    #[must_use]
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The node the features come from.
    #[must_use]
    pub fn end_point(&self) -> &str {
        &self.end_point
    }

    /// The same embedder on a pool of `threads` threads of its own.
    #[must_use]
    pub fn with_threads(&self, threads: usize) -> Self {
        Self { model: self.model.with_threads(threads), end_point: self.end_point.clone() }
    }

    /// The features of a picture: one number for each channel of the end point. Where the end point
    /// is a map, its mean over all places.
    ///
    /// # Errors
    /// As [`crate::Classifier::classify`].
    pub fn embed(&self, picture: &Picture) -> Result<Vec<f32>> {
        self.embed_timed(picture).map(|(features, _)| features)
    }

    /// The same, and how long it took to make the network's input of the picture.
    pub(crate) fn embed_timed(&self, picture: &Picture) -> Result<(Vec<f32>, Duration)> {
        self.model.run_timed(picture, &[&self.end_point], |values| {
            let (shape, values) = values[0];
            features(shape, values)
        })
    }
}

/// An end point's values as features: of a map, the mean over all places.
pub(crate) fn features(shape: &[usize], values: &[f32]) -> Vec<f32> {
    let channels = shape.last().copied().unwrap_or(1);
    if values.len() == channels {
        return values.to_vec();
    }
    let places = (values.len() / channels) as f64;
    let mean = |c: usize| {
        values.iter().skip(c).step_by(channels).map(|&v| f64::from(v)).sum::<f64>() / places
    };
    (0..channels).map(|c| mean(c) as f32).collect()
}
