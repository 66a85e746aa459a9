//! The range of a graph's input, from the arithmetic that the graph does on it.

use lorgnette_net::DType;
use lorgnette_net::import::InputCandidate;
use lorgnette_net::network::{InputArithmetic, InputLimits};

use super::super::{ChannelOrder, Preprocessing};
use super::Style;

/// Ranges that networks take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InputRange {
    /// 0 to 255.
    Levels,
    /// 0 to 1.
    Unit,
    /// -1 to 1.
    Symmetric,
}

impl InputRange {
    const ALL: [Self; 3] = [Self::Levels, Self::Unit, Self::Symmetric];

    /// Returns the range that the arithmetic brings into one that layers are trained with; `None`
    /// if none or several do.
    pub(super) fn of(arithmetic: &InputArithmetic) -> Option<Self> {
        if arithmetic.normalises_itself {
            return Some(Self::Levels);
        }
        if let Some(range) = arithmetic.limits.and_then(Self::from_limits) {
            return Some(range);
        }
        let (factors, summands) = (&arithmetic.factors, &arithmetic.summands);
        let changes_nothing = factors.iter().all(|&factor| factor == 1.0)
            && summands.iter().all(|&summand| summand == 0.0);
        if changes_nothing {
            return None;
        }
        let fits = |range: &Self| {
            let channels = factors.iter().zip(summands);
            channels.into_iter().all(|(factor, summand)| {
                let (low, high) = range.limits();
                is_layer_range(low * factor + summand, high * factor + summand)
            })
        };
        let mut fitting = Self::ALL.into_iter().filter(fits);
        match (fitting.next(), fitting.next()) {
            (Some(first), None) => Some(first),
            (None, _) if factors.iter().all(|&factor| leaves_levels_alone(factor)) => {
                Some(Self::Levels)
            }
            _ => None,
        }
    }

    /// Returns the range of the numbers that a quantised input's integers stand for; `None` for any
    /// other range, and for inputs that are not quantised.
    pub(super) fn of_quantised(input: &InputCandidate) -> Option<Self> {
        let scale = input.quantization?;
        let lowest = if input.dtype == DType::I8 { i8::MIN.into() } else { 0 };
        let step = f64::from(scale.scale);
        let low = step * f64::from(lowest - scale.zero_point);
        Self::from_limits(InputLimits { low, high: low + step * 255.0 })
    }

    /// Returns the range with these ends.
    fn from_limits(limits: InputLimits) -> Option<Self> {
        /// Share of the range by which its ends may differ: one step of 255, and its rounding.
        const TOLERANCE: f64 = 0.01;
        Self::ALL.into_iter().find(|range| {
            let (from, to) = range.limits();
            let allowed = TOLERANCE * (to - from);
            (limits.low - from).abs() <= allowed && (limits.high - to).abs() <= allowed
        })
    }

    fn limits(self) -> (f64, f64) {
        match self {
            Self::Levels => (0.0, 255.0),
            Self::Unit => (0.0, 1.0),
            Self::Symmetric => (-1.0, 1.0),
        }
    }

    pub(super) fn preprocessing(self) -> Preprocessing {
        match self {
            Self::Levels => Preprocessing::Raw,
            Self::Unit => Preprocessing::Unit,
            Self::Symmetric => Preprocessing::Symmetric,
        }
    }

    pub(super) fn description(self) -> &'static str {
        match self {
            Self::Levels => "0 to 255",
            Self::Unit => "0 to 1",
            Self::Symmetric => "-1 to 1",
        }
    }
}

/// True for a range that first layers are trained with: from 0 to 1, 2 or 255; or roughly centred,
/// as wide as levels or as a few deviations.
fn is_layer_range(low: f64, high: f64) -> bool {
    let span = (high - low).abs();
    let centre = (low + high).abs() / 2.0;
    // White may be the lowest.
    let from_zero = low.min(high).abs() <= 1e-3 * span;
    let is_centred = centre <= 0.2 * span;
    let spans = |from: f64, to: f64| (from..=to).contains(&span);
    (from_zero && (spans(0.9, 2.1) || spans(250.0, 260.0)))
        || (is_centred && (spans(0.8, 8.0) || spans(200.0, 260.0)))
}

/// True for a factor that makes levels a few deviations wide, and pictures of other ranges one
/// colour.
fn leaves_levels_alone(factor: f64) -> bool {
    /// Widths of first layers' inputs, wherever their middle is.
    const SPANS: std::ops::RangeInclusive<f64> = 0.4..=12.0;
    SPANS.contains(&(255.0 * factor.abs()))
}

/// Caffe's means, in the order of blue, green, red.
const CAFFE_MEANS: [f64; 3] = [103.939, 116.779, 123.68];

/// Returns the order of channels that are fed: that of the means, if those are Caffe's.
pub(super) fn order(arithmetic: &InputArithmetic) -> ChannelOrder {
    let means: Vec<f64> = arithmetic
        .factors
        .iter()
        .zip(&arithmetic.summands)
        .map(|(factor, summand)| -summand / factor)
        .collect();
    let is_near = |(mean, known): (&f64, f64)| (mean - known).abs() < 1.0;
    match means.len() == 3 && means.iter().zip(CAFFE_MEANS).all(is_near) {
        true => ChannelOrder::Bgr,
        false => ChannelOrder::Rgb,
    }
}

/// Returns the preprocessing that does on levels what nodes before the input would do; `None` if
/// none does, or if the range that these nodes take is not known.
pub(super) fn linear(arithmetic: &InputArithmetic) -> Option<Style> {
    let range = match arithmetic.starts_from_integers {
        true => InputRange::Levels,
        false => InputRange::of(arithmetic)?,
    };
    let (low, high) = range.limits();
    let step = (high - low) / 255.0;
    let factors: Vec<f64> = arithmetic.factors.iter().map(|factor| factor * step).collect();
    let on_low = |(factor, summand): (&f64, &f64)| factor * low + summand;
    let summands: Vec<f64> =
        arithmetic.factors.iter().zip(&arithmetic.summands).map(on_low).collect();
    let factor = *factors.first()?;
    if factors.iter().any(|&other| other != factor) || factor == 0.0 {
        return None;
    }
    let mean = |channel: usize| {
        let summand = summands.get(channel).or(summands.first()).copied().unwrap_or(0.0);
        (-summand / factor) as f32
    };
    let means: [f32; 3] = std::array::from_fn(mean);
    let scale = factor as f32;
    let order = if arithmetic.reverses_channels { ChannelOrder::Bgr } else { ChannelOrder::Rgb };
    let is_near = |a: f32, b: f32| (a - b).abs() <= 1e-5 * b.abs().max(1e-3);
    let known = [
        (Preprocessing::Raw, 0.0, 1.0),
        (Preprocessing::Unit, 0.0, 1.0 / 255.0),
        (Preprocessing::Symmetric, 127.5, 1.0 / 127.5),
        (Preprocessing::Inception2015, 128.0, 0.007_812_5),
    ];
    let named = known.into_iter().find(|&(_, mean, known_scale)| {
        is_near(scale, known_scale) && means.iter().all(|&own| is_near(own, mean))
    });
    Some(match named {
        Some((preprocessing, ..)) => Style { order, ..Style::new(preprocessing) },
        None => {
            Style { order, mean: Some(means), scale: Some(scale), ..Style::new(Preprocessing::Raw) }
        }
    })
}

#[cfg(test)]
mod tests {
    use lorgnette_kernels::integer::Scale;

    use super::*;

    fn arithmetic(factors: &[f64], summands: &[f64]) -> InputArithmetic {
        InputArithmetic {
            factors: factors.to_vec(),
            summands: summands.to_vec(),
            ..InputArithmetic::default()
        }
    }

    #[test]
    fn a_range_is_told_by_what_becomes_of_it() {
        let range = |factor, summand| InputRange::of(&arithmetic(&[factor], &[summand]));
        for (factor, summand) in [
            (1.0 / 255.0, 0.0),
            (1.0 / 127.5, -1.0),
            (1.0, -127.5),
            (1.0 / 58.0, -2.0),
            (1.0 / 128.0, 0.0),
            (-1.0 / 255.0, 1.0),
            (1.0 / 255.0, 0.1),
            (1.0 / 58.0, 0.0),
            (1.0 / 40.0, -1.0),
        ] {
            assert_eq!(range(factor, summand), Some(InputRange::Levels), "{factor} {summand}");
        }
        for (factor, summand) in
            [(2.0, -1.0), (1.0, -0.5), (255.0, 0.0), (255.0, -117.0), (4.4, -2.1)]
        {
            assert_eq!(range(factor, summand), Some(InputRange::Unit), "{factor} {summand}");
        }
        for (factor, summand) in [(0.5, 0.5), (127.5, 127.5)] {
            assert_eq!(range(factor, summand), Some(InputRange::Symmetric), "{factor} {summand}");
        }
        for (factor, summand) in [(1.0, 0.0), (2.0, 0.0), (1.0, 7.0), (0.0, 1.0)] {
            assert_eq!(range(factor, summand), None, "{factor} {summand}");
        }
    }

    #[test]
    fn nodes_before_the_input_are_done_on_levels() {
        let done = |factor, summand, starts_from_integers| {
            let before = arithmetic(&[factor], &[summand]);
            linear(&InputArithmetic { starts_from_integers, ..before })
        };
        let named = |preprocessing| Some(Style::new(preprocessing));
        assert_eq!(done(1.0, 0.0, true), named(Preprocessing::Raw));
        assert_eq!(done(1.0 / 127.5, -1.0, true), named(Preprocessing::Symmetric));
        // What takes floats says their range by what it does with them.
        assert_eq!(done(1.0 / 127.5, -1.0, false), named(Preprocessing::Symmetric));
        assert_eq!(done(2.0, -1.0, false), named(Preprocessing::Symmetric));
        assert_eq!(done(0.5, 0.5, false), named(Preprocessing::Unit));
        // A transposition says nothing of it.
        assert_eq!(done(1.0, 0.0, false), None);
    }

    #[test]
    fn limits_tell_a_range() {
        let range = |low, high| {
            let limits = Some(InputLimits { low, high });
            InputRange::of(&InputArithmetic { limits, ..arithmetic(&[1.0], &[0.0]) })
        };
        assert_eq!(range(0.0, 1.0), Some(InputRange::Unit));
        assert_eq!(range(-1.0, 1.0), Some(InputRange::Symmetric));
        assert_eq!(range(0.0, 255.0), Some(InputRange::Levels));
        assert_eq!(range(0.0, 6.0), None);
    }

    #[test]
    fn the_scale_of_a_quantised_input_tells_its_range() {
        let range = |dtype, scale, zero_point| {
            InputRange::of_quantised(&InputCandidate {
                name: "input".into(),
                dtype,
                shape: Some(vec![Some(1), Some(224), Some(224), Some(3)]),
                takes_decoded_image: false,
                quantization: Some(Scale { scale, zero_point }),
            })
        };
        assert_eq!(range(DType::U8, 1.0 / 128.0, 128), Some(InputRange::Symmetric));
        assert_eq!(range(DType::I8, 2.0 / 255.0, -1), Some(InputRange::Symmetric));
        assert_eq!(range(DType::U8, 1.0, 0), Some(InputRange::Levels));
        assert_eq!(range(DType::I8, 1.0, -128), Some(InputRange::Levels));
        assert_eq!(range(DType::U8, 1.0 / 255.0, 0), Some(InputRange::Unit));
        assert_eq!(range(DType::U8, 0.1, 0), None);
    }

    #[test]
    fn caffes_means_tell_the_order() {
        let means = [103.939, 116.779, 123.68];
        let negative = |means: [f64; 3]| means.map(|mean| -mean);
        let of = |means| order(&arithmetic(&[1.0; 3], &negative(means)));
        assert_eq!(of(means), ChannelOrder::Bgr);
        assert_eq!(of([123.68, 116.779, 103.939]), ChannelOrder::Rgb);
    }
}
