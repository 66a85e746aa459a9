//! How much of classes there must be at a place, or more than elsewhere, for it to count.

use crate::blur::BlurOptions;

/// Minimum probability of one class at a region's surest place, as the geometric mean of three
/// scales.
const MIN_PEAK: f32 = 0.3;
/// The same down to which a region extends, of one class and of several together, unless the
/// options give one for both.
const MIN_EXTENT: f32 = 0.05;
const MIN_EXTENT_OF_SEVERAL: f32 = 0.1;
/// Minimum evidence beyond what is common in the photo, in standard deviations of a place's scores
/// over the classes, as the mean of three scales: at the place that stands out most of a region,
/// and down to which the region extends.
pub(super) const MIN_SURPLUS: f32 = 2.8;
pub(super) const MIN_SURPLUS_EXTENT: f32 = 1.4;
/// The same for a place to be looked at closer: by the narrow mean of the finest scale that is
/// looked at everywhere; by the wide one, where there is no narrow one; and by that and the next.
const MIN_LIKELY: f32 = 2.4;
const MIN_LIKELY_WIDE: f32 = 1.5;
const MIN_LIKELY_CLOSER: f32 = 2.6;

/// The least probabilities of the classes together that count.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// At a region's surest place.
    pub(super) peak: f32,
    /// Down to which a region extends.
    pub(super) extent: f32,
    /// At one of the scales at least, where classes stand out.
    pub(super) surplus_probability: f32,
}

impl Limits {
    pub(super) fn new(classes: usize, options: &BlurOptions) -> Self {
        let peak = of_several(MIN_PEAK, classes);
        let (peak, extent) = match options.min_probability {
            0.0 if classes > 1 => (peak, MIN_EXTENT_OF_SEVERAL),
            0.0 => (peak, MIN_EXTENT),
            given => (given.max(peak), given),
        };
        Self { peak, extent, surplus_probability: options.min_probability }
    }
}

/// The least surplus of a place that is looked at closer, by the number of scales that it is known
/// from, the first of them with a narrow mean or not.
pub(super) fn likely(scales: usize, has_narrow: bool) -> f32 {
    match (scales, has_narrow) {
        (1, true) => MIN_LIKELY,
        (1, false) => MIN_LIKELY_WIDE,
        _ => MIN_LIKELY_CLOSER,
    }
}

/// A minimum probability of one class as one of several classes together, which are likelier by
/// chance: the odds grow with the root of their number.
fn of_several(probability: f32, classes: usize) -> f32 {
    let odds = probability / (1.0 - probability) * (classes.max(1) as f32).sqrt();
    odds / (1.0 + odds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_classes_must_be_surer_together() {
        assert!((of_several(0.5, 1) - 0.5).abs() < 1e-6);
        assert!((of_several(0.5, 118) - 0.916).abs() < 1e-3);
        assert!((of_several(0.9, 118) - 0.990).abs() < 1e-3);
    }
}
