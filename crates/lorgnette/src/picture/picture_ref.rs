//! Borrowed pixels.

use super::{Picture, PictureError, Pixels};

/// A picture whose pixels are borrowed, such as from an array of another language. Classifying and
/// embedding read the pixels where they are.
///
/// ```
/// use lorgnette::picture::PictureRef;
/// use lorgnette::{Classifier, Model, ModelOptions};
///
/// # fn main() -> Result<(), lorgnette::Error> {
/// let grey = vec![128; 640 * 480];
/// let classifier = Classifier::new(Model::embedded(&ModelOptions::default())?)?;
/// let classification = classifier.classify(PictureRef::from_grey8(640, 480, &grey)?, 5)?;
/// assert_eq!(classification.predictions.len(), 5);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct PictureRef<'a> {
    pub(crate) width: usize,
    pub(crate) height: usize,
    /// Rows and columns of TensorFlow's canvas, if they are not those of a GIF's screen.
    pub(crate) canvas: Option<[usize; 2]>,
    pub(crate) pixels: PixelsRef<'a>,
}

/// Borrowed samples: rows from the top, pixels from the left.
#[derive(Clone, Copy, Debug)]
pub(crate) enum PixelsRef<'a> {
    /// Red, green, blue. `is_grey` if they are equal in every pixel.
    Rgb8 { samples: &'a [u8], is_grey: bool },
    /// As `Rgb8`.
    Rgb16 { samples: &'a [u16], is_grey: bool },
    /// One sample a pixel.
    Grey8(&'a [u8]),
}

impl<'a> PictureRef<'a> {
    /// Borrows `width * height * 3` bytes: red, green, blue, rows from the top.
    ///
    /// # Errors
    /// [`PictureError::WrongLength`] if the pixels do not fill the size exactly, or the size is
    /// zero.
    pub fn from_rgb8(width: usize, height: usize, samples: &'a [u8]) -> Result<Self, PictureError> {
        check_length(width, height, 3, samples.len())?;
        let pixels = PixelsRef::Rgb8 { samples, is_grey: false };
        Ok(Self { width, height, canvas: None, pixels })
    }

    /// Borrows `width * height` bytes: one level of grey a pixel, rows from the top. Answers equal
    /// those for a grey photo.
    ///
    /// # Errors
    /// As [`PictureRef::from_rgb8`].
    pub fn from_grey8(
        width: usize,
        height: usize,
        samples: &'a [u8],
    ) -> Result<Self, PictureError> {
        check_length(width, height, 1, samples.len())?;
        Ok(Self { width, height, canvas: None, pixels: PixelsRef::Grey8(samples) })
    }

    /// Rows and columns that TensorFlow's decoders give.
    pub(crate) fn decoded_size(&self) -> [usize; 2] {
        self.canvas.unwrap_or([self.height, self.width])
    }

    /// Width in pixels.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// Height in pixels.
    #[must_use]
    pub fn height(&self) -> usize {
        self.height
    }
}

impl<'a> From<&'a Picture> for PictureRef<'a> {
    fn from(picture: &'a Picture) -> Self {
        let is_grey = picture.is_grey();
        let pixels = match picture.pixels() {
            Pixels::Rgb8(samples) => PixelsRef::Rgb8 { samples, is_grey },
            Pixels::Rgb16(samples) => PixelsRef::Rgb16 { samples, is_grey },
        };
        let (width, height) = (picture.width(), picture.height());
        Self { width, height, canvas: picture.canvas, pixels }
    }
}

/// Checks that samples fill a picture of this size, which has at least one pixel.
pub(super) fn check_length(
    width: usize,
    height: usize,
    channels: usize,
    samples: usize,
) -> Result<(), PictureError> {
    let expected = width.checked_mul(height).and_then(|area| area.checked_mul(channels));
    if samples == 0 || expected != Some(samples) {
        return Err(PictureError::WrongLength { width, height, channels, samples });
    }
    Ok(())
}
