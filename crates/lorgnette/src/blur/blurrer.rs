//! Blurring of everything of given classes.

use super::{BlurOptions, Mask};
use crate::answer::BlurAnswer;
use crate::dense::{SegmentationOptions, Segmenter};
use crate::error::Result;
use crate::labels::Labels;
use crate::model::Model;
use crate::observer::Observer;
use crate::picture::Picture;

/// Default output stride of the maps that masks are made from.
const OUTPUT_STRIDE: usize = 16;

/// Blurs everything of given classes in photos. Cheap to clone and to share between threads.
#[derive(Clone, Debug)]
pub struct Blurrer {
    segmenter: Segmenter,
    classes: Vec<usize>,
    options: BlurOptions,
}

/// A photo with its blurred areas.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BlurredPhoto {
    /// The photo after blurring; equal to the original if nothing was found.
    pub picture: Picture,
    /// The areas.
    pub answer: BlurAnswer,
}

impl Blurrer {
    /// Creates a blurrer of the classes that [`Labels::find`] finds by `names`. The output stride
    /// of `segmentation` is 16 by default.
    ///
    /// # Errors
    /// If a name is of no class; as [`Segmenter::new`].
    pub fn new<S: AsRef<str>>(
        model: Model,
        names: &[S],
        mut segmentation: SegmentationOptions,
        options: BlurOptions,
    ) -> Result<Self> {
        let classes = find_classes(model.labels(), names)?;
        segmentation.output_stride.get_or_insert(OUTPUT_STRIDE);
        Ok(Self { segmenter: Segmenter::new(model, segmentation)?, classes, options })
    }

    /// The segmenter that finds the classes.
    #[must_use]
    pub fn segmenter(&self) -> &Segmenter {
        &self.segmenter
    }

    /// The network's output indices of the classes.
    #[must_use]
    pub fn classes(&self) -> &[usize] {
        &self.classes
    }

    /// Returns the same blurrer on its own pool of `threads` threads.
    #[must_use]
    pub fn with_threads(&self, threads: usize) -> Self {
        Self { segmenter: self.segmenter.with_threads(threads), ..self.clone() }
    }

    /// Computes the mask of a photo.
    ///
    /// # Errors
    /// As [`Segmenter::segment`].
    pub fn mask(&self, picture: &Picture) -> Result<Mask> {
        self.mask_observed(picture, &mut ())
    }

    /// As [`Blurrer::mask`]; reports progress as [`Segmenter::segment_observed`] does.
    ///
    /// # Errors
    /// As [`Segmenter::segment_observed`].
    pub fn mask_observed(&self, picture: &Picture, observer: &mut dyn Observer) -> Result<Mask> {
        let map = self.segmenter.segment_observed(picture, observer)?;
        Ok(Mask::new(&map, &self.classes, &self.options))
    }

    /// Blurs a photo.
    ///
    /// # Errors
    /// As [`Blurrer::mask`].
    pub fn blur(&self, picture: &Picture) -> Result<BlurredPhoto> {
        let mask = self.mask(picture)?;
        let answer = BlurAnswer::new(picture, self.segmenter.model(), &mask, None);
        Ok(BlurredPhoto { picture: mask.apply(picture), answer })
    }
}

fn find_classes<S: AsRef<str>>(labels: &Labels, names: &[S]) -> Result<Vec<usize>> {
    let mut classes = Vec::new();
    for name in names {
        classes.extend(labels.find(name.as_ref())?.iter().map(|label| label.index));
    }
    Ok(classes)
}
