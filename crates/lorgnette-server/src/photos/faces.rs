//! The face detector that all requests share.

use std::sync::{Arc, OnceLock};

use lorgnette::ModelOptions;
use lorgnette::faces::{FaceDetector, FaceOptions};

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
    opened: OnceLock<Opened>,
}

/// A detector on all cores, and on the calling thread alone; weights are shared.
#[derive(Debug)]
struct Opened {
    wide: FaceDetector,
    narrow: FaceDetector,
}

impl Faces {
    pub(crate) fn new(options: ModelOptions, limits: Limits, metrics: Arc<Metrics>) -> Self {
        Self { options, limits, metrics, opened: OnceLock::new() }
    }

    /// Its counters.
    pub(super) fn metrics(&self) -> Arc<ModelMetrics> {
        self.metrics.model(NAME, 1)
    }

    /// The detector for a turn: on all cores if it is alone.
    ///
    /// # Errors
    /// If it does not fit the memory limit.
    pub(super) fn detector(&self, turn: &Turn) -> Outcome<FaceDetector> {
        let opened = match self.opened.get() {
            Some(opened) => opened,
            // Others do not wait for it: a request that takes too much memory may stop in here for
            // good. Two first requests open one each, and the first of these is kept.
            None => {
                let wide = FaceDetector::embedded(&self.options, FaceOptions::default())?;
                let opened = Opened { narrow: wide.with_threads(1), wide };
                self.opened.get_or_init(|| opened)
            }
        };
        Ok(if turn.is_alone { opened.wide.clone() } else { opened.narrow.clone() })
    }
}
