//! The face detector that all requests share.

use std::sync::{Arc, Mutex, PoisonError};

use lorgnette::faces::{FaceDetector, FaceOptions};
use lorgnette::{ModelOptions, Picture};

use crate::failure::Outcome;
use crate::metrics::{Metrics, ModelMetrics};
use crate::scheduler::Turn;
use crate::served::Limits;

/// The name under which its requests are counted.
const NAME: &str = "centerface";

/// The embedded face detector; the first request for faces opens it.
#[derive(Debug)]
pub(crate) struct Faces {
    options: ModelOptions,
    pub(super) limits: Limits,
    metrics: Arc<Metrics>,
    opened: Mutex<Option<Opened>>,
}

/// A detector on all cores, and on the calling thread alone; weights are shared.
#[derive(Clone, Debug)]
struct Opened {
    wide: FaceDetector,
    narrow: FaceDetector,
}

impl Faces {
    pub(crate) fn new(options: ModelOptions, limits: Limits, metrics: Arc<Metrics>) -> Self {
        Self { options, limits, metrics, opened: Mutex::default() }
    }

    /// Its counters.
    pub(super) fn metrics(&self) -> Arc<ModelMetrics> {
        self.metrics.model(NAME, 1)
    }

    /// Opens a photo of a request.
    ///
    /// # Errors
    /// If it is no photo, or too large.
    pub(super) fn open_photo(&self, file: &[u8], name: &str) -> Outcome<Picture> {
        Ok(self.limits.photos.decode(file, name)?)
    }

    /// The detector for a turn: on all cores if it is alone.
    ///
    /// # Errors
    /// If it does not fit the memory limit.
    pub(super) fn detector(&self, turn: &Turn) -> Outcome<FaceDetector> {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        let opened = match &mut *opened {
            Some(opened) => opened,
            none => {
                let wide = FaceDetector::embedded(&self.options, FaceOptions::default())?;
                none.insert(Opened { narrow: wide.with_threads(1), wide })
            }
        };
        Ok(if turn.is_alone { opened.wide.clone() } else { opened.narrow.clone() })
    }
}
