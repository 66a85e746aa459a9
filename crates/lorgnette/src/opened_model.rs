//! A model as host languages hold it.

#[cfg(feature = "faces")]
use std::sync::OnceLock;

use crate::error::Result;
#[cfg(feature = "faces")]
use crate::faces::{FaceDetector, FaceOptions};
use crate::model::{Model, ModelOptions};
use crate::model_ref::ModelRef;
use crate::parallel::WorkSplit;

/// A model with the name and the options that it was opened by, for training on it, and the face
/// detector on the same threads.
#[derive(Debug)]
pub struct OpenedModel {
    model: Model,
    model_ref: ModelRef,
    options: ModelOptions,
    /// The face detector, once faces are looked for.
    #[cfg(feature = "faces")]
    detector: OnceLock<FaceDetector>,
}

impl OpenedModel {
    /// Opens a model.
    ///
    /// # Errors
    /// As [`ModelRef::open`].
    pub fn open(model_ref: ModelRef, options: ModelOptions) -> Result<Self> {
        let model = model_ref.open(&options)?;
        Ok(Self {
            model,
            model_ref,
            options,
            #[cfg(feature = "faces")]
            detector: OnceLock::new(),
        })
    }

    /// The model.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The name it was opened by.
    pub fn model_ref(&self) -> &ModelRef {
        &self.model_ref
    }

    /// The options it was opened with.
    pub fn options(&self) -> &ModelOptions {
        &self.options
    }

    /// Distributes its threads among photos.
    pub fn split(&self, photos: usize) -> WorkSplit {
        WorkSplit::new(self.model.threads(), photos)
    }

    /// The embedded face detector, on the model's threads. The first call opens it.
    ///
    /// # Errors
    /// If it does not fit into the memory limit.
    #[cfg(feature = "faces")]
    pub fn detector(&self) -> Result<&FaceDetector> {
        if let Some(detector) = self.detector.get() {
            return Ok(detector);
        }
        let pool = self.model.network().run_options().pool.clone();
        let options = ModelOptions { pool: Some(pool), ..self.options.clone() };
        let detector = FaceDetector::embedded(&options, FaceOptions::default())?;
        Ok(self.detector.get_or_init(|| detector))
    }
}
