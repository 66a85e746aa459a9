//! Features of many photos, computed once and cached in one file. Features are the activations that
//! the classification layer reads.
//!
//! ```text
//! photo's bytes ─▶ digest ─┬─▶ in the cache? ─▶ features
//!                          └─▶ decode, (augment), run the network ─▶ features ─▶ into the cache
//! ```
//! The cache key covers everything that features depend on: the photo's content, the network's
//! operations and weights, preprocessing and augmentation. A changed photo or model has another
//! key.

mod augment;
mod cache;
mod retrain;

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};

use crate::dataset::{Digest, Example};
use crate::embed::Embedder;
use crate::error::Result;
use crate::model::Model;
use crate::observer::Observer;
use crate::parallel::{WorkSplit, par_collect_ordered};
use crate::picture::OpenOptions;
use crate::preprocess::{ChannelOrder, Preprocessing, Preprocessor};

pub use augment::{Augmentation, AugmentationOptions};
pub use cache::{CacheError, CacheSummary, FeatureCache, Key};
pub use retrain::{Deviation, Imported, OtherPreprocessing, import_retrain, nearest_preprocessing};

/// Version of the computation. It changes with results that the rest of the key does not cover.
const VERSION: u32 = 1;

/// Computes features of photos for training.
#[derive(Clone, Debug)]
pub struct Extractor {
    embedder: Embedder,
    open: OpenOptions,
    /// Digest of everything that features depend on except the photo and its augmentation.
    source: Digest,
    /// Shared by clones.
    timings: Arc<Mutex<Timings>>,
}

/// Time spent on features, summed over threads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timings {
    /// Reading files and computing their digests.
    pub reading: Duration,
    /// Decoding.
    pub decoding: Duration,
    /// Augmentation.
    pub augmenting: Duration,
    /// Preprocessing: cropping, resizing, normalisation.
    pub preprocessing: Duration,
    /// Inference.
    pub network: Duration,
}

impl Timings {
    fn add(&mut self, more: &Self) {
        self.reading += more.reading;
        self.decoding += more.decoding;
        self.augmenting += more.augmenting;
        self.preprocessing += more.preprocessing;
        self.network += more.network;
    }
}

/// Returns a result and the time it took.
fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let started = Instant::now();
    let done = work();
    (done, started.elapsed())
}

impl Extractor {
    /// Creates an extractor at `end_point`, by default at the input of the classification layer.
    /// Reads all weights that features depend on, for their digest.
    ///
    /// # Errors
    /// As [`Embedder::new`]; if a weight cannot be read.
    pub fn new(model: Model, end_point: Option<&str>, open: OpenOptions) -> Result<Self> {
        let embedder = Embedder::new(model, end_point)?;
        let mut digest = Sha256::new();
        digest.update(VERSION.to_le_bytes());
        digest.update(embedder.model().network().fingerprint(embedder.end_point())?);
        let Preprocessor { preprocessing, height, width, channels, order, mean, scale } =
            embedder.model().preprocess();
        digest.update(format!(
            "Preprocess {{ style: {preprocessing:?}, height: {height:?}, width: {width:?}, \
             channels: {channels:?}, mean: {mean:?}, scale: {scale:?} }}"
        ));
        if *order != ChannelOrder::default() {
            digest.update(format!(" {order:?}"));
        }
        digest.update(format!("{:?} {:?}", open.ignore_orientation, open.jpeg_transform));
        if embedder.model().takes_whole_pictures() {
            digest.update(" at its own size");
        }
        if let Some(min_decode_size) = open.min_decode_size {
            digest.update(format!(" at least {min_decode_size:?}"));
        }
        let source = Digest(digest.finalize().into());
        Ok(Self { embedder, open, source, timings: Arc::default() })
    }

    /// The embedder that computes features.
    #[must_use]
    pub fn embedder(&self) -> &Embedder {
        &self.embedder
    }

    /// Digest of everything that features depend on except the photo and its augmentation.
    #[must_use]
    pub fn source(&self) -> Digest {
        self.source
    }

    /// Returns the sources of a network's features, for photos that are decoded at full and at
    /// reduced size: the keys to [`FeatureCache::prune`] by.
    ///
    /// # Errors
    /// As [`Extractor::new`].
    pub fn sources(model: &Model, end_point: Option<&str>) -> Result<HashSet<Digest>> {
        let mut sources = HashSet::new();
        for min_decode_size in [None, model.min_decode_size()] {
            let open = OpenOptions { min_decode_size, ..OpenOptions::default() };
            sources.insert(Self::new(model.clone(), end_point, open)?.source());
        }
        Ok(sources)
    }

    /// The same extractor on a pool of `threads` threads of its own.
    #[must_use]
    pub fn with_threads(&self, threads: usize) -> Self {
        Self { embedder: self.embedder.with_threads(threads), ..self.clone() }
    }

    /// The same extractor for another preprocessing. Its features are not for a cache.
    fn with_preprocessing(&self, preprocessing: Preprocessing, order: ChannelOrder) -> Self {
        Self { embedder: self.embedder.with_preprocessing(preprocessing, order), ..self.clone() }
    }

    /// Cache key for a photo's features.
    #[must_use]
    pub fn key(&self, photo: Digest, augmentation: Option<&Augmentation>) -> Key {
        let source = match augmentation {
            None => self.source,
            Some(augmentation) => {
                let mut digest = Sha256::new();
                digest.update(self.source.0);
                digest.update(augmentation.key_text());
                Digest(digest.finalize().into())
            }
        };
        Key { photo, source }
    }

    /// Time spent so far by this extractor and its clones.
    #[must_use]
    pub fn timings(&self) -> Timings {
        *self.timings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn compute(&self, requests: &FeatureRequest) -> Features {
        let mut timings = Timings::default();
        let features = self.compute_timed(requests, &mut timings);
        self.timings.lock().unwrap_or_else(PoisonError::into_inner).add(&timings);
        features
    }

    fn compute_timed(&self, requests: &FeatureRequest, timings: &mut Timings) -> Features {
        let photo = &requests.example.photo;
        let name = photo.display().to_string();
        let (read, reading) =
            timed(|| self.open.read(photo).map(|bytes| (Digest::from_bytes(&bytes), bytes)));
        timings.reading = reading;
        let (digest, bytes) = read.map_err(|error| error.to_string())?;
        if digest != requests.example.digest {
            return Err(format!("{name}: it was changed while it was read: start again"));
        }
        let (picture, decoding) = timed(|| self.open.decode(&bytes, &name));
        timings.decoding = decoding;
        let picture = picture.map_err(|error| error.to_string())?;
        let (picture, augmenting) = timed(|| match &requests.augmentation {
            None => picture,
            Some(augmentation) => augmentation.apply(&picture),
        });
        timings.augmenting = augmenting;
        let (features, embedding) = timed(|| self.embedder.embed_timed((&picture).into()));
        let (features, preprocessing) = features.map_err(|error| format!("{name}: {error}"))?;
        (timings.preprocessing, timings.network) =
            (preprocessing, embedding.saturating_sub(preprocessing));
        match features.iter().all(|value| value.is_finite()) {
            true => Ok(features),
            false => Err(format!(
                "{name}: its features are not numbers: is this the right preprocessing?"
            )),
        }
    }

    /// Returns the features of each request, or why it has none, from the cache or computed on
    /// `threads` threads.
    ///
    /// Computed features are written to the cache at once.
    ///
    /// # Errors
    /// [`ExtractError::Cancelled`] if the observer cancels; all that was computed is in the cache.
    /// [`ExtractError::Cache`] if the cache cannot be read or written.
    pub fn extract_all(
        &self,
        requests: &[FeatureRequest],
        cache: &mut FeatureCache,
        threads: usize,
        observer: &mut dyn Observer<Extraction>,
    ) -> Result<Vec<Features>, ExtractError> {
        let mut found: Vec<Option<Features>> = Vec::with_capacity(requests.len());
        for request in requests {
            found.push(cache.get(&request.key(self))?.map(Ok));
        }
        let missing: Vec<usize> = (0..requests.len()).filter(|&i| found[i].is_none()).collect();
        let total = requests.len();
        let mut extraction = Extraction { done: total - missing.len(), computed: 0, total };
        if observer.event(&extraction).is_break() {
            return Err(ExtractError::Cancelled);
        }
        let workers = self.workers(requests, threads, missing.len());
        let mut cache_error = None;
        let results = par_collect_ordered(&missing, workers, &mut |&index, result| {
            extraction.done += 1;
            extraction.computed += 1;
            if let Ok(features) = result {
                cache_error = cache.put(&requests[index].key(self), features).err();
            }
            let flow = observer.event(&extraction);
            if cache_error.is_some() { ControlFlow::Break(()) } else { flow }
        });
        if let Some(error) = cache_error {
            return Err(error.into());
        }
        let results = results.continue_value().ok_or(ExtractError::Cancelled)?;
        let mut computed = results.into_iter();
        Ok(found.into_iter().filter_map(|cached| cached.or_else(|| computed.next())).collect())
    }

    /// Shares `threads` threads among workers that each compute one request at a time.
    fn workers<'r>(
        &self,
        requests: &'r [FeatureRequest],
        threads: usize,
        missing: usize,
    ) -> Vec<impl FnMut(usize, &usize) -> Features + Send + use<'r>> {
        let WorkSplit { workers, threads } = WorkSplit::new(threads.max(1), missing);
        let extractor = |_| match workers {
            1 => self.clone(),
            _ => self.with_threads(threads),
        };
        (0..workers)
            .map(extractor)
            .map(|extractor| move |_: usize, &index: &usize| extractor.compute(&requests[index]))
            .collect()
    }
}

/// Why [`Extractor::extract_all`] failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExtractError {
    /// The observer cancelled.
    #[error("cancelled")]
    Cancelled,
    /// The cache cannot be read or written.
    #[error(transparent)]
    Cache(#[from] CacheError),
}

/// Progress of [`Extractor::extract_all`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Extraction {
    /// Requests that are finished, cached ones included.
    pub done: usize,
    /// Requests that were computed.
    pub computed: usize,
    /// All requests.
    pub total: usize,
}

/// Features of a photo, or an error message.
pub type Features = Result<Vec<f32>, String>;

/// A photo whose features are requested, unchanged or augmented.
#[derive(Clone, Debug)]
pub struct FeatureRequest {
    /// The photo.
    pub example: Example,
    /// Augmentation to apply first.
    pub augmentation: Option<Augmentation>,
}

impl FeatureRequest {
    fn key(&self, extractor: &Extractor) -> Key {
        extractor.key(self.example.digest, self.augmentation.as_ref())
    }
}
