//! Decodes JPEG files to exactly the pixels that TensorFlow gives.
//!
//! TensorFlow's `decode_jpeg` uses libjpeg-turbo with the *fast* integer inverse transform unless
//! told otherwise (`decode_image_op.cc`: "IFAST, sacrificing image quality for speed") and smooth
//! ("fancy") chroma upsampling. Other decoders use the accurate transform, which is a level
//! brighter in red and blue. This decoder gives TensorFlow's pixels bit for bit.
//! [`Transform::Accurate`] gives the pixels of other programs that use libjpeg-turbo.
//!
//! ```
//! use lorgnette_jpeg::{DecodeOptions, Decoder};
//!
//! let file = std::fs::read("../../photos/chelsea.jpg").unwrap();
//! let decoder = Decoder::new(&file)?;
//! assert_eq!((decoder.width(), decoder.height(), decoder.components()), (451, 300, 3));
//! let image = decoder.decode(&DecodeOptions::default())?;
//! assert_eq!(image.pixels.len(), 3 * image.width * image.height);
//!
//! // The smallest of full, half, quarter and eighth size that has 100 rows and 100 columns.
//! let mut options = DecodeOptions::default();
//! options.min_size = Some([100, 100]);
//! let image = decoder.decode(&options)?;
//! assert_eq!((image.width, image.height), (226, 150));
//! # Ok::<_, lorgnette_jpeg::Error>(())
//! ```
//!
//! # Supported files
//!
//! Baseline, extended sequential and progressive files of 8 bits a sample with Huffman coding;
//! grey, YCbCr, RGB, CMYK and YCCK; sampling factors of 1 to 4 whose ratios are integers; any
//! restart interval. CMYK and YCCK become RGB by TensorFlow's rule. The result is always RGB.
//!
//! Like TensorFlow, the decoder refuses files without an end-of-image marker. Damage within the
//! coefficients is a warning in libjpeg, and TensorFlow uses the result; so does this decoder.
//!
//! # Limits
//!
//! Memory is bounded by the file before it is allocated: every block of 8 x 8 pixels takes at
//! least one bit. A file can still state many pixels, so check [`Decoder::width`] and
//! [`Decoder::height`] before [`Decoder::decode`]. At full size, decoding allocates up to 3 bytes
//! a pixel for the result, 1 byte a sample, and in progressive files 2 more bytes a sample.
//!
//! # Stages
//!
//! `markers` reads the file's markers once, for size, colour space and completeness; `tables` and
//! `scan` decode coefficients into the blocks of a `frame`; `transform` turns blocks into samples;
//! `upsample` brings every component to full size; `colour` converts to RGB.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod bits;
mod colour;
mod error;
mod frame;
mod markers;
mod options;
mod scan;
mod scans;
mod tables;
mod transform;
mod upsample;

pub use error::{Error, ErrorKind};
pub use options::DecodeOptions;
pub use transform::Transform;

use colour::Colour;
use frame::Frame;
use markers::Layout;

/// Every 8 x 8 block takes at least one bit, in the first scan of its DC coefficient.
const MAX_BLOCKS_PER_BYTE: u64 = 8;

/// Decoded pixels.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Image {
    /// Width in pixels, at least 1.
    pub width: usize,
    /// Height in pixels, at least 1.
    pub height: usize,
    /// `3 * width * height` samples: rows from the top, pixels from the left, red, green, blue.
    /// As stored: the orientation in EXIF is not applied.
    pub pixels: Vec<u8>,
}

/// Reads a JPEG file in memory: its header first, its pixels on request.
#[derive(Clone, Debug)]
pub struct Decoder<'a> {
    bytes: &'a [u8],
    layout: Layout<'a>,
}

impl<'a> Decoder<'a> {
    /// Reads the markers of a whole file, from the first to the end of the image, without decoding
    /// pixels.
    ///
    /// # Errors
    /// [`ErrorKind::EndsEarly`] for a file without an end-of-image marker,
    /// [`ErrorKind::Damaged`] for one without a frame or with a header that contradicts itself,
    /// [`ErrorKind::Unsupported`] for arithmetic, lossless and hierarchical coding and for other
    /// than 8 bits a sample.
    pub fn new(bytes: &'a [u8]) -> Result<Self, Error> {
        Ok(Self { bytes, layout: Layout::read(bytes)? })
    }

    /// Width in pixels that the header states, 0 to 65,535.
    #[must_use]
    pub fn width(&self) -> usize {
        self.layout.width
    }

    /// Height in pixels that the header states, 0 to 65,535.
    #[must_use]
    pub fn height(&self) -> usize {
        self.layout.height
    }

    /// Number of colour components: 1 grey, 3 colour, 4 CMYK or YCCK; others are not supported.
    #[must_use]
    pub fn components(&self) -> usize {
        self.layout.components.len()
    }

    /// Whether the file is progressive.
    #[must_use]
    pub fn is_progressive(&self) -> bool {
        self.layout.progressive
    }

    /// The EXIF block, beginning with its TIFF header.
    #[must_use]
    pub fn exif(&self) -> Option<&'a [u8]> {
        self.layout.exif
    }

    /// Decodes the pixels.
    ///
    /// # Errors
    /// [`ErrorKind::Damaged`] for a size of zero, tables and scans that contradict themselves or
    /// are missing, and more than 100 scans; [`ErrorKind::EndsEarly`] for a header that states more
    /// pixels than the file can contain; [`ErrorKind::Unsupported`] for other numbers of
    /// components and fractional chroma sampling.
    pub fn decode(&self, options: &DecodeOptions) -> Result<Image, Error> {
        let Layout { width, height, ref components, .. } = self.layout;
        if width == 0 || height == 0 {
            return Err(Error::damaged(format!("its header says {width} x {height} pixels")));
        }
        self.check_pixels_fit_file()?;
        let colour = Colour::from_layout(&self.layout).ok_or_else(|| {
            Error::unsupported(format!("a JPEG of {} components", components.len()))
        })?;
        let frame = scans::decode(self.bytes, &self.layout, options)?;
        Ok(Image { width: frame.width, height: frame.height, pixels: to_rgb(&frame, colour) })
    }

    /// Rejects a header that states more blocks than the file has bits, before memory is allocated.
    fn check_pixels_fit_file(&self) -> Result<(), Error> {
        let length = self.bytes.len();
        if self.layout.min_blocks() <= MAX_BLOCKS_PER_BYTE * length as u64 {
            return Ok(());
        }
        let Layout { width, height, .. } = self.layout;
        Err(Error::ends_early(format!(
            "{length} bytes cannot hold the {width} x {height} pixels its header promises"
        )))
    }
}

/// Upsamples and converts row by row, so that no component is ever stored at full size.
fn to_rgb(frame: &Frame, colour: Colour) -> Vec<u8> {
    let mut rgb = vec![0; 3 * frame.width * frame.height];
    let mut rows = vec![Vec::new(); frame.components.len()];
    for (y, out) in rgb.chunks_exact_mut(3 * frame.width).enumerate() {
        for (component, row) in frame.components.iter().zip(&mut rows) {
            upsample::row(frame, component, y, row);
        }
        colour.convert(&rows, out);
    }
    rgb
}
