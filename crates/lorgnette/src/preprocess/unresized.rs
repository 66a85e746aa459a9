//! Normalisation of a picture at its own size, one tile at a time: for segmentation maps, and for
//! graphs that resize pictures themselves.

use std::ops::Range;

use lorgnette_kernels::ThreadPool;

use super::Preprocessor;
use super::normalise::{Normaliser, moments};
use super::resize_crop::ResizeCrop;
use super::sample::Source;
use crate::parallel::{BAND_ROWS, for_each_part};
use crate::picture::PictureRef;

/// A picture that is neither resized nor cropped, read in tiles.
pub(crate) struct Unresized<'a> {
    source: Source<'a>,
    preprocess: Preprocessor,
    normaliser: Normaliser,
}

impl<'a> Unresized<'a> {
    /// Prepares a picture for the normalisation of `preprocess`, at any size. Statistics of the
    /// whole picture are computed here, so that tiles agree.
    ///
    /// # Panics
    /// If `channels` is neither 1 nor 3.
    pub(crate) fn new(preprocess: &Preprocessor, picture: impl Into<PictureRef<'a>>) -> Self {
        let picture = picture.into();
        let channels = preprocess.channels;
        assert!(channels == 1 || channels == 3, "an input has one channel or three");
        let source = Source::new(picture, channels, preprocess.unit());
        let normaliser = match preprocess.normaliser() {
            Normaliser::Standardise => standardised(&source, channels, picture),
            other => other,
        };
        Self { source, preprocess: preprocess.clone(), normaliser }
    }

    /// Writes the values of some rows and columns: `rows * columns * channels`.
    pub(crate) fn tile(&self, rows: Range<usize>, columns: Range<usize>, values: &mut [f32]) {
        let channels = self.preprocess.channels;
        ResizeCrop::tile(rows, columns).sample(&self.source, channels, values);
        self.normaliser.apply(values, channels);
        self.preprocess.reorder(values);
    }

    /// As [`Unresized::tile`]; the rows are distributed among the threads of `pool`.
    pub(crate) fn tile_on(
        &self,
        pool: &ThreadPool,
        [rows, columns]: [&Range<usize>; 2],
        values: &mut [f32],
    ) {
        let bands = values.chunks_mut(BAND_ROWS * columns.len() * self.preprocess.channels);
        for_each_part(pool, bands, |number, values| {
            let first = rows.start + number * BAND_ROWS;
            let rows = first..rows.end.min(first + BAND_ROWS);
            self.tile(rows, columns.clone(), values);
        });
    }
}

/// CifarNet's normalisation with the mean and deviation of the whole picture.
fn standardised(source: &Source<'_>, channels: usize, picture: PictureRef<'_>) -> Normaliser {
    let mut values = vec![0.0; picture.height * picture.width * channels];
    ResizeCrop::tile(0..picture.height, 0..picture.width).sample(source, channels, &mut values);
    let (mean, deviation) = moments(&values);
    Normaliser::Standardised { mean, deviation }
}
