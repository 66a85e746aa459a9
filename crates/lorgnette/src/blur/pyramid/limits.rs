//! The probabilities from which classes count.

use crate::blur::BlurOptions;

/// Minimum probability of one class at a region's surest place, and of several classes together
/// down to which it extends, unless the options give one for both.
pub(super) const MIN_PEAK: f32 = 0.5;
const MIN_EXTENT: f32 = 0.05;
const MIN_EXTENT_OF_SEVERAL: f32 = 0.1;
/// Probability of one class from which one scale alone is believed, and that another must have
/// somewhere in the region otherwise.
const MIN_LONE_PEAK: f32 = 0.9;
pub(super) const MIN_SUPPORT: f32 = 0.1;
/// Probability that is enough of one class at one scale above 1 if another above 1 has
/// [`MIN_SUPPORT`] in the region: enlarged textures are hardly ever taken for one thing, but often
/// for one of several.
const MIN_FINE_PEAK: f32 = 0.15;
/// Probability of one class from which a place is looked at at the first fine scale: at the next
/// coarser scale, and where small things were screened for. Of several classes, for one of them.
const MIN_LIKELY: f32 = 0.02;
const MIN_SCREENED: f32 = 0.01;
const MIN_LIKELY_OF_SEVERAL: f32 = 0.05;

/// The least probabilities of the classes together that count.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// At a region's surest place.
    pub(super) peak: f32,
    /// There, where no other scale sees anything.
    pub(super) lone_peak: f32,
    /// There, at a fine scale, where another one sees something.
    pub(super) fine_peak: f32,
    /// Somewhere in a region of a fine scale, at another scale.
    pub(super) fine_support: f32,
    /// Down to which a region extends.
    pub(super) extent: f32,
    /// Of a place at which the first fine scale looks.
    pub(super) likely: f32,
    /// The same where small things were screened for.
    pub(super) screened: f32,
}

impl Limits {
    pub(super) fn new(classes: usize, options: &BlurOptions) -> Self {
        let of_these = |probability| of_several(probability, classes);
        let (peak, extent) = match options.min_probability {
            0.0 if classes > 1 => (of_these(MIN_PEAK), MIN_EXTENT_OF_SEVERAL),
            0.0 => (MIN_PEAK, MIN_EXTENT),
            given => (given.max(MIN_PEAK), given),
        };
        let (fine_peak, likely, screened) = match classes {
            1 => (MIN_FINE_PEAK.max(options.min_probability), MIN_LIKELY, MIN_SCREENED),
            _ => (peak, of_these(MIN_LIKELY_OF_SEVERAL), of_these(MIN_LIKELY_OF_SEVERAL)),
        };
        let lone_peak = of_these(MIN_LONE_PEAK).max(peak);
        let fine_support = of_these(MIN_SUPPORT);
        Self { peak, lone_peak, fine_peak, fine_support, extent, likely, screened }
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
