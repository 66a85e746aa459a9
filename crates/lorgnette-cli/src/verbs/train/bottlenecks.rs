//! The features of all photos, with a bar for those who wait.

use anyhow::Result;
use lorgnette::dataset::{Dataset, Split};
use lorgnette::features::{AugmentationOptions, Extractor, FeatureCache, FeatureRequest, Features};
use lorgnette::head::Examples;

use crate::interrupt::Interrupt;
use crate::messages::Messages;
use crate::progress::Progress;

/// Photos with their features and what they are for.
#[derive(Clone, Copy)]
pub(super) struct Bottlenecks<'a> {
    pub(super) dataset: &'a Dataset,
    pub(super) splits: &'a [Split],
    pub(super) features: &'a [Vec<f32>],
}

/// Features of distorted copies, with the number of the photo each is of.
pub(super) type Copies = Vec<(usize, Vec<f32>)>;

/// How features are computed: on so many threads, telling whom, until what.
type Computing<'a> = (usize, Messages, &'a Interrupt);

/// The features of every photo as it is; nothing if it was interrupted.
pub(super) fn extract_all(
    dataset: &mut Dataset,
    extractor: &Extractor,
    cache: &mut FeatureCache,
    computing: Computing<'_>,
) -> Result<Option<Vec<Features>>> {
    let requests: Vec<FeatureRequest> = dataset
        .examples
        .iter()
        .map(|example| FeatureRequest { example: example.clone(), augmentation: None })
        .collect();
    compute(&requests, extractor, cache, computing)
}

fn compute(
    requests: &[FeatureRequest],
    extractor: &Extractor,
    cache: &mut FeatureCache,
    (threads, messages, interrupt): Computing<'_>,
) -> Result<Option<Vec<Features>>> {
    let started = std::time::Instant::now();
    let mut progress = Progress::new(requests.len(), "photos", messages);
    let mut computed = 0;
    let features = extractor.extract_all(requests, cache, threads, &mut |done, new| {
        computed = new;
        progress.set_position(done);
        !interrupt.is_pressed()
    })?;
    drop(progress);
    let seconds = started.elapsed().as_secs_f64();
    messages.detail(&format_args!(
        "features of {} photos, {computed} of them computed, {} found in {}: {seconds:.2} s, {:.1} computed a second",
        requests.len(),
        requests.len() - computed,
        cache.path().display(),
        computed as f64 / seconds
    ));
    Ok(features)
}

impl Bottlenecks<'_> {
    /// The features of distorted copies of the training photos, with the number of the photo each
    /// is of; nothing if it was interrupted.
    pub(super) fn distorted(
        &self,
        augmentations: &AugmentationOptions,
        extractor: &Extractor,
        cache: &mut FeatureCache,
        computing: Computing<'_>,
    ) -> Result<Option<Copies>> {
        if !augmentations.any() {
            return Ok(Some(Vec::new()));
        }
        let mut requests = Vec::new();
        let mut photos = Vec::new();
        for (number, example) in self.dataset.examples.iter().enumerate() {
            for copy in (0..augmentations.copies).filter(|_| self.splits[number] == Split::Training)
            {
                let augmentation = Some(augmentations.for_copy(example.digest, copy));
                requests.push(FeatureRequest { example: example.clone(), augmentation });
                photos.push(number);
            }
        }
        let Some(features) = compute(&requests, extractor, cache, computing)? else {
            return Ok(None);
        };
        let sound = photos
            .into_iter()
            .zip(features)
            .filter_map(|(number, features)| Some((number, features.ok()?)));
        Ok(Some(sound.collect()))
    }

    /// The examples of a split.
    pub(super) fn examples(
        &self,
        splits: &[Split],
        split: Split,
        extra: &[(usize, Vec<f32>)],
    ) -> Examples {
        let width = self.features.first().map_or(0, Vec::len);
        let (mut features, mut truth, mut photos) = (Vec::new(), Vec::new(), Vec::new());
        let copies = extra.iter().filter(|_| split == Split::Training);
        let plain = self.features.iter().enumerate();
        for (number, row) in plain.chain(copies.map(|(number, row)| (*number, row))) {
            if splits[number] == split {
                features.extend_from_slice(row);
                truth.push(self.dataset.examples[number].classes.clone());
                photos.push(number);
            }
        }
        Examples::new(width, features, truth).with_photos(photos)
    }
}
