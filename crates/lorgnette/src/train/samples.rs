//! Features of all photos and of augmented copies.

use std::ops::ControlFlow;
use std::time::Instant;

use super::event::{Event, TrainObserver, send};
use super::{TrainError, TrainerOptions};
use crate::dataset::{Dataset, Split};
use crate::features::{Extraction, Extractor, FeatureCache, FeatureRequest, Features};
use crate::head::Examples;

/// Photos with their features and splits.
#[derive(Clone, Copy)]
pub(super) struct Samples<'a> {
    pub(super) dataset: &'a Dataset,
    pub(super) splits: &'a [Split],
    /// Features of each example of the dataset.
    pub(super) features: &'a [Vec<f32>],
}

/// Features of an augmented copy of a photo.
pub(super) struct PhotoCopy {
    /// Index of the example it is a copy of.
    pub(super) example: usize,
    pub(super) features: Vec<f32>,
}

impl Samples<'_> {
    /// Number of features.
    pub(super) fn width(&self) -> usize {
        self.features.first().map_or(0, Vec::len)
    }

    /// Returns the examples of one of `splits`; copies are training examples only.
    pub(super) fn examples(
        &self,
        splits: &[Split],
        split: Split,
        copies: &[PhotoCopy],
    ) -> Examples {
        let (mut features, mut truth, mut photos) = (Vec::new(), Vec::new(), Vec::new());
        let copies = copies.iter().filter(|_| split == Split::Training);
        let copies = copies.map(|copy| (copy.example, &copy.features));
        for (example, row) in self.features.iter().enumerate().chain(copies) {
            if splits[example] == split {
                features.extend_from_slice(row);
                truth.push(self.dataset.examples[example].classes.clone());
                photos.push(example);
            }
        }
        Examples::new(self.width(), features, truth).with_photos(photos)
    }
}

/// Returns the features of every photo as it is.
pub(super) fn extract(
    dataset: &Dataset,
    extractor: &Extractor,
    cache: &mut FeatureCache,
    threads: usize,
    observer: &mut TrainObserver<'_>,
) -> Result<Vec<Features>, TrainError> {
    let requests: Vec<FeatureRequest> = dataset
        .examples
        .iter()
        .map(|example| FeatureRequest { example: example.clone(), augmentation: None })
        .collect();
    extract_requests(&requests, extractor, cache, threads, observer)
}

/// Returns the features of the augmented copies of training photos.
pub(super) fn extract_copies(
    samples: &Samples<'_>,
    options: &TrainerOptions,
    extractor: &Extractor,
    cache: &mut FeatureCache,
    observer: &mut TrainObserver<'_>,
) -> Result<Vec<PhotoCopy>, TrainError> {
    if !options.augmentation.any() {
        return Ok(Vec::new());
    }
    let mut requests = Vec::new();
    let mut originals = Vec::new();
    for (number, example) in samples.dataset.examples.iter().enumerate() {
        if samples.splits[number] != Split::Training {
            continue;
        }
        for copy in 0..options.augmentation.copies {
            let augmentation = Some(options.augmentation.for_copy(example.digest, copy));
            requests.push(FeatureRequest { example: example.clone(), augmentation });
            originals.push(number);
        }
    }
    let features = extract_requests(&requests, extractor, cache, options.threads, observer)?;
    let copies = originals.into_iter().zip(features);
    Ok(copies
        .filter_map(|(example, features)| Some(PhotoCopy { example, features: features.ok()? }))
        .collect())
}

fn extract_requests(
    requests: &[FeatureRequest],
    extractor: &Extractor,
    cache: &mut FeatureCache,
    threads: usize,
    observer: &mut TrainObserver<'_>,
) -> Result<Vec<Features>, TrainError> {
    let started = Instant::now();
    let mut computed = 0;
    let mut forward = |extraction: &Extraction| -> ControlFlow<()> {
        computed = extraction.computed;
        observer.event(&Event::Extraction(extraction))
    };
    let features = extractor.extract_all(requests, cache, threads, &mut forward)?;
    let seconds = started.elapsed().as_secs_f64();
    send(observer, &Event::Extracted { total: requests.len(), computed, seconds })?;
    Ok(features)
}

/// Rejects photos without features, and drops classes without photos. Returns the features of the
/// others.
///
/// # Errors
/// [`TrainError::NothingUsable`].
pub(super) fn drop_unusable(
    dataset: &mut Dataset,
    features: Vec<Features>,
) -> Result<Vec<Vec<f32>>, TrainError> {
    let mut broken = Vec::new();
    let mut usable = Vec::with_capacity(features.len());
    for (index, features) in features.into_iter().enumerate() {
        match features {
            Ok(features) => usable.push(features),
            Err(message) => broken.push((index, message)),
        }
    }
    if usable.is_empty() {
        let first = broken.first().map(|(_, message)| message);
        let first = first.or(dataset.rejected.first().map(|rejected| &rejected.message));
        let first = first.cloned().unwrap_or_else(|| "none was found".into());
        return Err(TrainError::NothingUsable { first });
    }
    dataset.reject(broken);
    dataset.drop_empty_classes();
    Ok(usable)
}
