//! Three scales that follow each other, as one: what is of a size is known at all of them.

use std::iter::repeat_n;

use crate::dense::{Common, Evidence, ScaleLevel};

use super::limits::Limits;

/// Number of scales that are one octave: from the coarsest to one of twice its size.
const SCALES: usize = 3;

/// The map of one scale on the grid, as far as it concerns some classes.
pub(super) struct ScaleGrid {
    pub(super) scale: f64,
    /// Probability of the classes together.
    pub(super) probabilities: Vec<f32>,
    /// The most probable of them.
    pub(super) labels: Vec<u32>,
    /// How they stand out by the mean over the features that the network was trained with.
    pub(super) wide: Option<Surplus>,
    /// The same by a narrower one.
    pub(super) narrow: Option<Surplus>,
    /// True if it was looked at everywhere.
    pub(super) is_whole: bool,
}

/// How much more evidence for the classes there is at each point of the grid than is common in the
/// photo.
#[derive(Clone)]
pub(super) struct Surplus {
    beyond: Vec<f32>,
    common: Common,
}

/// Three scales as one.
pub(super) struct Octave {
    /// The one in the middle.
    pub(super) scale: f64,
    /// The geometric mean of the probabilities of the classes together.
    pub(super) probabilities: Vec<f32>,
    /// The mean surplus of evidence, in standard deviations of a place's scores over the classes.
    /// Minus infinity where it is unknown.
    pub(super) surplus: Vec<f32>,
}

impl ScaleGrid {
    /// The level of a scale on a grid of `size`, height and width. `coarser` is the next coarser
    /// one: where few places were looked at, what is common is what was there.
    pub(super) fn new(
        scale: f64,
        level: ScaleLevel,
        classes: &[usize],
        size: [usize; 2],
        coarser: Option<&Self>,
    ) -> Self {
        let evidence = level.evidence(classes, size);
        let is_whole = evidence.as_ref().is_some_and(|evidence| evidence.common.is_some());
        let common = coarser.and_then(|coarser| Some(coarser.wide.as_ref()?.common));
        let wide = evidence.and_then(|evidence| Surplus::new(&evidence, common));
        let narrow = level.second_evidence(classes, size);
        let narrow = narrow.and_then(|narrow| Surplus::new(&narrow, None));
        let map = level.into_map();
        let probabilities = map.probability_grid(classes, size);
        let labels = map.class_grid(classes, size);
        Self { scale, probabilities, labels, wide, narrow, is_whole }
    }
}

impl Surplus {
    fn new(evidence: &Evidence, otherwise: Option<Common>) -> Option<Self> {
        let common = evidence.common.or(otherwise)?;
        Some(Self { beyond: evidence.beyond(common).collect(), common })
    }
}

/// The mean surplus of some scales at each point, ascending: by the narrow mean of the first, which
/// knows what would be large enough only at a finer scale, and by the wide ones of the others.
pub(super) fn surplus<'a>(scales: impl IntoIterator<Item = &'a ScaleGrid>) -> Option<Vec<f32>> {
    let mut scales = scales.into_iter();
    let first = scales.next()?;
    let mut sum = first.narrow.as_ref().or(first.wide.as_ref())?.clone();
    for scale in scales {
        let wide = scale.wide.as_ref()?;
        sum.beyond.iter_mut().zip(&wide.beyond).for_each(|(sum, beyond)| *sum += beyond);
        sum.common.spread += wide.common.spread;
    }
    let spread = sum.common.spread.max(f32::MIN_POSITIVE);
    sum.beyond.iter_mut().for_each(|beyond| *beyond /= spread);
    Some(sum.beyond)
}

/// The octaves among some scales, ascending, from the finest to the coarsest. One more begins below
/// the coarsest scale, which stands for the missing one too, as it does where there are too few:
/// the whole photo looks the same from farther.
pub(super) fn octaves(scales: &[ScaleGrid], limits: Limits) -> impl Iterator<Item = Octave> + '_ {
    let missing = SCALES.saturating_sub(scales.len()).max(1);
    let farther = scales.first().into_iter().flat_map(move |scale| repeat_n(scale, missing));
    let all: Vec<&ScaleGrid> = farther.chain(scales).collect();
    let firsts = 0..(all.len() + 1).saturating_sub(SCALES);
    firsts.rev().map(move |first| Octave::new(&all[first..first + SCALES], limits))
}

impl Octave {
    fn new(scales: &[&ScaleGrid], limits: Limits) -> Self {
        let points = scales[0].probabilities.len();
        let surplus = surplus(scales.iter().copied());
        let mut surplus = surplus.unwrap_or_else(|| vec![f32::NEG_INFINITY; points]);
        let of_scales = |at: usize| scales.iter().map(move |scale| scale.probabilities[at]);
        for (at, surplus) in surplus.iter_mut().enumerate() {
            if of_scales(at).fold(0.0, f32::max) < limits.surplus_probability {
                *surplus = f32::NEG_INFINITY;
            }
        }
        let exponent = 1.0 / scales.len() as f32;
        let mean = |at: usize| of_scales(at).product::<f32>().powf(exponent);
        let probabilities = (0..points).map(mean).collect();
        Self { scale: scales[SCALES / 2].scale, probabilities, surplus }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blur::BlurOptions;

    /// A scale of one point: its probability, and how much it has beyond what is common.
    fn scale(scale: f64, probability: f32, wide: f32, narrow: Option<f32>) -> ScaleGrid {
        let surplus = |beyond: f32, spread: f32| Surplus {
            beyond: vec![beyond],
            common: Common { most: 0.0, spread },
        };
        ScaleGrid {
            scale,
            probabilities: vec![probability],
            labels: vec![0],
            wide: Some(surplus(wide, 2.0)),
            narrow: narrow.map(|narrow| surplus(narrow, 4.0)),
            is_whole: true,
        }
    }

    fn limits(min_probability: f32) -> Limits {
        Limits::new(1, &BlurOptions { min_probability, ..BlurOptions::default() })
    }

    #[test]
    fn an_octave_is_the_mean_of_three_scales_and_of_their_surplus() {
        let scales = [
            scale(0.5, 0.9, 1.0, Some(2.0)),
            scale(0.7, 0.1, 2.0, Some(6.0)),
            scale(1.0, 0.2, 4.0, None),
            scale(1.4, 0.4, 8.0, None),
        ];
        let found: Vec<Octave> = octaves(&scales, limits(0.0)).collect();
        let seen: Vec<_> = found.iter().map(|octave| (octave.scale, octave.surplus[0])).collect();
        // By the narrow mean of the coarsest, whose spread is 4, and two wide ones.
        let expected = [(1.0, 18.0 / 8.0), (0.7, 8.0 / 8.0), (0.5, 5.0 / 8.0)];
        assert_eq!(seen, expected);
        assert!((found[0].probabilities[0] - 0.2).abs() < 1e-6, "the cube root of 0.008");
        let coarsest = (0.9_f32 * 0.9 * 0.1).cbrt();
        assert!((found[2].probabilities[0] - coarsest).abs() < 1e-6, "the coarsest counts twice");
    }

    #[test]
    fn one_scale_is_an_octave_if_there_are_no_others() {
        let one = [scale(1.0, 0.5, 3.0, None)];
        let found: Vec<Octave> = octaves(&one, limits(0.0)).collect();
        assert_eq!((found.len(), found[0].surplus[0]), (1, 1.5));
        assert!((found[0].probabilities[0] - 0.5).abs() < 1e-6);
        assert_eq!(octaves(&[], limits(0.0)).count(), 0);
        let two = [scale(1.0, 0.5, 3.0, None), scale(1.4, 0.5, 3.0, None)];
        assert_eq!(octaves(&two, limits(0.0)).count(), 1);
    }

    #[test]
    fn a_given_probability_holds_for_what_stands_out_too() {
        let scales = [scale(0.5, 0.1, 9.0, None), scale(0.7, 0.3, 9.0, None)];
        let surplus = |limits| octaves(&scales, limits).next().unwrap().surplus[0];
        assert!((surplus(limits(0.25)) - 4.5).abs() < 1e-6);
        assert_eq!(surplus(limits(0.35)), f32::NEG_INFINITY);
    }
}
