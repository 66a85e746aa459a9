//! Blurs all regions of given classes in a photo.
//!
//! ```text
//! SegmentationMap, classes ─▶ Mask (coverage of pixels) ─▶ Mask::apply ─▶ Picture
//!                             mask                         mosaic, gaussian, fill
//! ```
//!
//! A [`Blurrer`] does all of it for photos by the names of classes.

use std::fmt;
use std::str::FromStr;

pub use self::area::Area;
pub use self::blurrer::{BlurredPhoto, Blurrer};
pub use self::mask::{Mask, Search};

mod area;
mod blurrer;
mod effect;
mod face_cover;
mod mask;
mod pyramid;
mod subject;

/// The name of faces among the classes.
pub const FACE: &str = "face";

/// How pixels are made unrecognisable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BlurMode {
    /// Squares, each filled with its mean: no detail finer than a square remains.
    Mosaic,
    /// Gaussian blur. It can be undone in part, so it is unfit for hiding secrets.
    Gaussian,
    /// One colour.
    Fill([u8; 3]),
}

/// Options of a [`Mask`] and its application. Lengths are in pixels of the photo.
#[derive(Clone, Debug, PartialEq)]
pub struct BlurOptions {
    /// How pixels are made unrecognisable.
    pub mode: BlurMode,
    /// Minimum probability, 0 to 1, of the classes at a pixel, and of a face. At 0, faces of a
    /// probability above a fifth are taken, and with a pyramid of scales regions in which the
    /// classes are probable enough somewhere, or have far more of a score than elsewhere in the
    /// photo.
    pub min_probability: f32,
    /// Width of the margin around the classes' pixels; default: one cell at the network's own
    /// stride. Around a face: a fifth of its longer side.
    pub margin: Option<usize>,
    /// Width over which the mask fades beyond the margin; default: half the margin.
    pub feather: Option<usize>,
    /// Side of a mosaic's squares, and four times the standard deviation of a Gaussian blur.
    /// Default: one cell at the network's own stride, or a thirtieth of the photo's longer side if
    /// that is more, or a sixth of the longest side of a face (a half, if Gaussian).
    pub block: Option<usize>,
}

impl Default for BlurOptions {
    /// A mosaic of every pixel whose best class is selected.
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
    /// The names that [`BlurMode::from_str`] accepts.
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

/// The name of no blur mode.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is no way to blur: choose one of mosaic, gaussian, fill")]
pub struct UnknownBlurMode(pub String);
