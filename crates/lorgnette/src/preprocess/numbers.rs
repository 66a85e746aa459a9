//! A preprocessing in numbers, for other programs and for people.

use std::fmt;

use serde::Serialize;

use super::resize_crop::{CENTRAL_FRACTION, vgg_side};
use super::{ChannelOrder, Preprocessing, Preprocessor, normalise};

/// Ways to bring a picture to the size of the input.
const BILINEAR: &str = "bilinear";
const CROP: &str = "crop";
const GRAPH: &str = "graph";

/// A preprocessing in numbers: the crop, the resize, and `(v - mean) * factor` for each value `v`
/// of 0 to 255.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PreprocessingNumbers {
    /// Share of each side that is kept, around the centre.
    pub central_share: f64,
    /// Length that the smaller side is resized to before the centre is cropped; `None` if both
    /// sides are resized to the input's.
    pub smaller_side: Option<usize>,
    /// `bilinear`, as in TensorFlow 1 (`source = destination * in / out`); `crop` if the centre is
    /// taken without resizing, with zeros around a small picture; `graph` if pictures are fed at
    /// their own size and the graph resizes them.
    pub resize: &'static str,
    /// Rows of the input, or those that the graph resizes to.
    pub rows: usize,
    /// Columns of the input, or those that the graph resizes to.
    pub columns: usize,
    /// The order of the channels: `rgb`, `bgr` or `grey`.
    pub channels: &'static str,
    /// Subtracted from each channel, in the order red, green, blue; `None` if the mean of each
    /// picture is.
    pub mean: Option<[f32; 3]>,
    /// Multiplies each channel after that; `None` if each picture is divided by its deviation.
    pub factor: Option<[f32; 3]>,
    /// Whether the largest square around the centre is resized, in place of the whole picture.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub central_square: bool,
}

impl Preprocessor {
    /// Returns the preprocessing in numbers.
    #[must_use]
    pub fn numbers(&self) -> PreprocessingNumbers {
        let Self { preprocessing, height, width, channels, order, mean, scale } = *self;
        let is_standardised = preprocessing == Preprocessing::Cifarnet && mean.is_none();
        let (own_mean, own_factor) = normalise::constants(preprocessing);
        let factor = scale.map_or(own_factor, |scale| [scale; 3]);
        let is_cropped = matches!(preprocessing, Preprocessing::Lenet | Preprocessing::Cifarnet);
        PreprocessingNumbers {
            central_share: match preprocessing {
                Preprocessing::Inception => CENTRAL_FRACTION,
                _ => 1.0,
            },
            smaller_side: (preprocessing == Preprocessing::Vgg).then(|| vgg_side((height, width))),
            resize: if is_cropped { CROP } else { BILINEAR },
            rows: height,
            columns: width,
            channels: match (channels, order) {
                (1, _) => "grey",
                (_, ChannelOrder::Rgb) => "rgb",
                (_, ChannelOrder::Bgr) => "bgr",
            },
            mean: (!is_standardised).then(|| mean.unwrap_or(own_mean)),
            factor: (!is_standardised).then_some(factor),
            central_square: preprocessing == Preprocessing::TeachableMachine,
        }
    }
}

impl PreprocessingNumbers {
    /// Returns the numbers for a graph that takes pictures at their own size.
    pub(crate) fn resized_by_graph(self) -> Self {
        let central_square = false;
        Self { central_share: 1.0, smaller_side: None, resize: GRAPH, central_square, ..self }
    }
}

impl fmt::Display for PreprocessingNumbers {
    /// As in `central 87.5 %, to 224 x 224 (bilinear), (v - 127.5) / 127.5, rgb`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { central_share, smaller_side, resize, rows, columns, channels, .. } = self;
        match smaller_side {
            None if *resize == GRAPH => f.write_str("whole picture, which the graph brings to ")?,
            Some(side) => write!(f, "smaller side to {side} ({resize}), central ")?,
            None if *resize == CROP => f.write_str("central ")?,
            None if *central_share < 1.0 => {
                write!(f, "central {} % to ", 100.0 * central_share)?;
            }
            None if self.central_square => f.write_str("central square to ")?,
            None => f.write_str("whole picture to ")?,
        }
        write!(f, "{rows} x {columns}")?;
        if smaller_side.is_none() && *resize == BILINEAR {
            write!(f, " ({resize})")?;
        }
        match (self.mean, self.factor) {
            (Some(mean), Some(factor)) => {
                write!(f, ", {}{}", Subtracted(mean), Multiplied(factor))?;
            }
            _ => f.write_str(", (v - its mean) / its deviation")?,
        }
        write!(f, ", {channels}")
    }
}

/// `(v - 127.5)`, or `v`.
struct Subtracted([f32; 3]);

impl fmt::Display for Subtracted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [0.0, 0.0, 0.0] => f.write_str("v"),
            mean => {
                let rounded = mean.map(|mean| (1000.0 * mean).round() / 1000.0);
                write!(f, "(v - {})", Channels(rounded))
            }
        }
    }
}

/// ` / 127.5`, ` * 2` or nothing.
struct Multiplied([f32; 3]);

impl fmt::Display for Multiplied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [1.0, 1.0, 1.0] => Ok(()),
            factor if factor.iter().all(|factor| *factor > 0.0 && *factor < 1.0) => {
                let divisors = factor.map(|factor| (100.0 / factor).round() / 100.0);
                write!(f, " / {}", Channels(divisors))
            }
            factor => write!(f, " * {}", Channels(factor)),
        }
    }
}

/// One number, or one for each channel.
struct Channels([f32; 3]);

impl fmt::Display for Channels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [a, b, c] if a == b && b == c => write!(f, "{a}"),
            [a, b, c] => write!(f, "[{a}, {b}, {c}]"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preprocessing_is_said_in_numbers() {
        let text = |preprocessing| Preprocessor::new(preprocessing, 224, 224).numbers().to_string();
        let expected = [
            (
                Preprocessing::Vgg,
                "smaller side to 256 (bilinear), central 224 x 224, \
              (v - [123.68, 116.78, 103.94]), rgb",
            ),
            (
                Preprocessing::Inception,
                "central 87.5 % to 224 x 224 (bilinear), (v - 127.5) / 127.5, rgb",
            ),
            (
                Preprocessing::Inception2015,
                "whole picture to 224 x 224 (bilinear), (v - 128) / 128, rgb",
            ),
            (Preprocessing::Lenet, "central 224 x 224, (v - 128) / 128, grey"),
            (Preprocessing::Cifarnet, "central 224 x 224, (v - its mean) / its deviation, rgb"),
            (Preprocessing::Raw, "whole picture to 224 x 224 (bilinear), v, rgb"),
            (
                Preprocessing::TeachableMachine,
                "central square to 224 x 224 (bilinear), (v - 127.5) / 127.5, rgb",
            ),
            (Preprocessing::Unit, "whole picture to 224 x 224 (bilinear), v / 255, rgb"),
            (
                Preprocessing::Caffe,
                "whole picture to 224 x 224 (bilinear), \
              (v - [123.68, 116.779, 103.939]), bgr",
            ),
        ];
        for (preprocessing, expected) in expected {
            assert_eq!(text(preprocessing), expected);
        }
    }

    #[test]
    fn a_graph_that_resizes_is_fed_the_whole_picture() {
        let numbers = Preprocessor::new(Preprocessing::Inception, 224, 224).numbers();
        assert_eq!(
            numbers.resized_by_graph().to_string(),
            "whole picture, which the graph brings to 224 x 224, (v - 127.5) / 127.5, rgb"
        );
    }

    /// The numbers are those that [`Preprocessor::apply`] computes with.
    #[test]
    fn numbers_give_what_the_network_is_fed() {
        for preprocessing in Preprocessing::ALL {
            let preprocessor = Preprocessor::new(preprocessing, 2, 2);
            let numbers = preprocessor.numbers();
            let (Some(mean), Some(factor)) = (numbers.mean, numbers.factor) else { continue };
            let colour = [200u8, 100, 50];
            let picture = crate::Picture::from_rgb8(2, 2, colour.repeat(4)).unwrap();
            let fed = preprocessor.input(&picture);
            if numbers.channels == "grey" {
                continue;
            }
            let value = |c: usize| (f32::from(colour[c]) - mean[c]) * factor[c];
            let order = if numbers.channels == "bgr" { [2, 1, 0] } else { [0, 1, 2] };
            for (at, channel) in order.into_iter().enumerate() {
                assert!((fed[at] - value(channel)).abs() < 1e-5, "{preprocessing}: {fed:?}");
            }
        }
    }
}
