//! Makes everything of a class in a photo unrecognisable.
//!
//! ```text
//! LabelMap, classes ─▶ Mask (which pixels, how much) ─▶ Mask::apply ─▶ Picture
//!                       mask                             mosaic, gaussian, fill
//! ```

use std::fmt;
use std::str::FromStr;

pub use self::area::Area;
pub use self::mask::Mask;

mod area;
mod effect;
mod mask;

/// What becomes of the pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlurMode {
    /// Squares, each the mean of what was in it: nothing finer than a square is left.
    Mosaic,
    /// Smooth. What is left can in part be sharpened again: for looks, not for secrets.
    Gaussian,
    /// One colour.
    Fill([u8; 3]),
}

/// How a [`Mask`] is made and applied. Lengths are pixels of the photo.
#[derive(Clone, Debug, PartialEq)]
pub struct BlurOptions {
    /// What becomes of the pixels.
    pub mode: BlurMode,
    /// The probability, 0 to 1, that a pixel's best class must have, if that is one of those to
    /// blur.
    pub min_probability: f32,
    /// How far beyond the class's pixels it goes, so that nothing peeks out; a cell of the
    /// network's own stride if not given.
    pub margin: Option<usize>,
    /// Over how many more pixels it fades; half the margin if not given.
    pub feather: Option<usize>,
    /// The side of a mosaic's squares, and four times the deviation of a blur; if not given, a cell
    /// of the network's own stride, or a thirtieth of the photo's longer side if that is more.
    pub block: Option<usize>,
}

impl Default for BlurOptions {
    /// A mosaic over every pixel whose best class it is.
    fn default() -> Self {
        Self {
            mode: BlurMode::Mosaic,
            min_probability: 0.0,
            margin: None,
            feather: None,
            block: None,
        }
    }
}

impl BlurMode {
    /// The names that [`BlurMode::from_str`] knows.
    pub const NAMES: [&'static str; 3] = ["mosaic", "gaussian", "fill"];
    /// A middle grey.
    const GREY: Self = Self::Fill([0x80; 3]);
}

impl FromStr for BlurMode {
    type Err = UnknownBlurMode;

    fn from_str(name: &str) -> Result<Self, UnknownBlurMode> {
        match name {
            "mosaic" => Ok(Self::Mosaic),
            "gaussian" => Ok(Self::Gaussian),
            "fill" => Ok(Self::GREY),
            other => Err(UnknownBlurMode(other.into())),
        }
    }
}

impl fmt::Display for BlurMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mosaic => "mosaic",
            Self::Gaussian => "gaussian",
            Self::Fill(_) => "fill",
        })
    }
}

/// A name that is no way to blur.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is no way to blur: choose one of mosaic, gaussian, fill")]
pub struct UnknownBlurMode(pub String);
