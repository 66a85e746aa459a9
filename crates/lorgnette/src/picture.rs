//! Photos: any common file in, RGB pixels out, as TensorFlow would have decoded them.
//!
//! The format is detected by content, never by name. The size in the header is checked against
//! [`OpenOptions`] before any pixel is decoded, so that a hostile file causes an error and not
//! exhausted memory.
//!
//! Sources of pixels:
//! - JPEG pixels equal those of TensorFlow's `decode_jpeg` (libjpeg-turbo's fast integer inverse
//!   transform, smooth chroma upsampling); CMYK and YCCK become RGB by TensorFlow's own rule.
//! - An alpha channel is dropped and not blended, as `tf.io.decode_png(channels=3)` does: the
//!   network sees the colour stored under a transparent pixel.
//! - HEIC, AVIF and JPEG XL are read with the features `heic`, `avif` and `jxl`; ten and twelve
//!   bits of HEIC and AVIF become eight.
//! - Of a file of several pictures (MPO, a gain map, a film behind the photo) the main one counts.
//! - A camera's raw file gives the largest JPEG in it, with the file's orientation.
//! - Sixteen-bit PNG and TIFF keep their sixteen bits; a floating-point TIFF becomes sixteen bits.
//! - [`OpenOptions::min_decode_size`] decodes a JPEG at a half, a quarter or an eighth of its size,
//!   equal to `decode_jpeg(ratio=…)` byte for byte.
//! - Colour profiles (ICC) and gamma are ignored, as TensorFlow ignores them.

use std::path::Path;
use std::sync::Arc;

use lorgnette_kernels::ThreadPool;
use lorgnette_net::memory::Reservation;

pub use self::error::PictureError;
pub use self::exif::exif_block;
pub use self::format::PictureFormat;
pub use self::metadata::Metadata;
pub use self::open::{OpenOptions, catch_decoder, is_decoding};
pub use self::picture_ref::PictureRef;
pub(crate) use self::picture_ref::PixelsRef;
pub use lorgnette_jpeg::Transform;

#[cfg(feature = "avif")]
mod avif;
mod error;
mod exif;
mod format;
mod gif;
#[cfg(feature = "heic")]
mod heic;
mod jpeg;
#[cfg(feature = "jxl")]
mod jpeg_xl;
mod metadata;
mod open;
mod orientation;
mod picture_ref;
mod raster;
mod raw;
mod save;
mod scale;
mod single;
mod tiff;
mod xmp;

/// The pixels of a picture: rows from the top, pixels from the left, red, green, blue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pixels {
    /// Eight bits a sample, 0 to 255.
    Rgb8(Vec<u8>),
    /// Sixteen bits a sample, 0 to 65535.
    Rgb16(Vec<u16>),
}

/// A decoded photo: a name, a size and RGB pixels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    name: String,
    width: usize,
    height: usize,
    source_size: (usize, usize),
    source_channels: u8,
    format: Option<PictureFormat>,
    /// Rows and columns of TensorFlow's canvas, if they are not those of a GIF's screen.
    canvas: Option<[usize; 2]>,
    pixels: Pixels,
    reserved: Reserved,
}

/// The memory that was reserved for a picture's pixels. It does not distinguish pictures.
#[derive(Clone, Debug, Default)]
struct Reserved {
    /// Released with the last copy.
    _reservation: Option<Arc<Reservation>>,
}

impl PartialEq for Reserved {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Reserved {}

impl Picture {
    /// Opens a picture file with the default [`OpenOptions`]: orientation honoured, up to 200
    /// megapixels.
    ///
    /// # Errors
    /// [`PictureError`], which names the file, the problem and a remedy.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, PictureError> {
        OpenOptions::default().open(path)
    }

    /// Decodes a picture file in memory; `name` identifies it in errors and results.
    ///
    /// # Errors
    /// [`PictureError`], as [`Picture::open`].
    pub fn from_bytes(bytes: &[u8], name: &str) -> Result<Self, PictureError> {
        OpenOptions::default().decode(bytes, name)
    }

    /// Wraps decoded pixels: `width * height * 3` bytes, red, green, blue, rows from the top.
    ///
    /// # Errors
    /// [`PictureError::WrongLength`] if the pixels do not fill the size exactly, or the size is
    /// zero.
    pub fn from_rgb8(width: usize, height: usize, pixels: Vec<u8>) -> Result<Self, PictureError> {
        Self::from_pixels(width, height, Pixels::Rgb8(pixels))
    }

    /// Wraps decoded pixels of either depth; as [`Picture::from_rgb8`].
    ///
    /// # Errors
    /// [`PictureError::WrongLength`] if the pixels do not fill the size exactly, or the size is
    /// zero.
    pub fn from_pixels(width: usize, height: usize, pixels: Pixels) -> Result<Self, PictureError> {
        picture_ref::check_length(width, height, 3, pixels.len())?;
        let source_size = (width, height);
        Ok(Self {
            name: String::new(),
            width,
            height,
            source_size,
            source_channels: 3,
            format: None,
            canvas: None,
            pixels,
            reserved: Reserved::default(),
        })
    }

    /// Returns the same picture under another name.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// The path or name it was opened with; empty for a picture made from pixels.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Width in pixels, at least 1, after orientation.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// Height in pixels, at least 1, after orientation.
    #[must_use]
    pub fn height(&self) -> usize {
        self.height
    }

    /// Width and height of the upright picture in its file: larger than [`Picture::width`] and
    /// [`Picture::height`] if [`OpenOptions::min_decode_size`] reduced it.
    #[must_use]
    pub fn source_size(&self) -> (usize, usize) {
        self.source_size
    }

    /// The file format it was decoded from; `None` for a picture made from pixels.
    #[must_use]
    pub fn format(&self) -> Option<PictureFormat> {
        self.format
    }

    /// Channels in the file: 1 grey, 2 grey and alpha, 3 colour, 4 colour and alpha or CMYK.
    /// The pixels here are always three.
    #[must_use]
    pub fn source_channels(&self) -> u8 {
        self.source_channels
    }

    /// True if the file is grey, so that all three channels are equal.
    #[must_use]
    pub fn is_grey(&self) -> bool {
        self.source_channels < 3
    }

    /// The pixels at the file's depth.
    #[must_use]
    pub fn pixels(&self) -> &Pixels {
        &self.pixels
    }

    /// Copies the pixels at eight bits; sixteen bits are rounded to the nearest of 256 levels.
    #[must_use]
    pub fn to_rgb8(&self) -> Vec<u8> {
        match &self.pixels {
            Pixels::Rgb8(samples) => samples.clone(),
            Pixels::Rgb16(samples) => samples.iter().map(|&sample| to_eight_bits(sample)).collect(),
        }
    }

    /// Resizes the picture, each side times `scale` and at least one pixel; low-pass filtered where
    /// it shrinks.
    ///
    /// # Panics
    /// If `scale` is not above 0, or makes a side longer than 2³² pixels.
    #[must_use]
    pub fn scaled(&self, scale: f64) -> Self {
        scale::scaled(self, scale)
    }

    /// Returns the picture stretched to a width and height, each at least one pixel; low-pass
    /// filtered where it shrinks. The rows are distributed among the threads of `pool`.
    pub(crate) fn resized(&self, width: usize, height: usize, pool: &ThreadPool) -> Self {
        scale::resized(self, width.max(1), height.max(1), pool)
    }

    /// Writes the picture at eight bits, as PNG or JPEG by the extension of `path` (`.png`, `.jpg`,
    /// `.jpeg`).
    ///
    /// # Errors
    /// [`PictureError::UnknownExtension`] for any other extension, [`PictureError::Write`] if the
    /// file cannot be written, [`PictureError::TooLargeToSave`] for a side above the format's
    /// limit.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), PictureError> {
        save::save(self, path.as_ref())
    }

    /// Encodes the picture as JPEG, or as PNG for every other format, with `metadata`. JPEG quality
    /// is that of [`Picture::save`].
    ///
    /// # Errors
    /// [`PictureError::TooLargeToSave`] for a side above the format's limit.
    pub fn encode_with(
        &self,
        format: PictureFormat,
        metadata: &Metadata,
    ) -> Result<Vec<u8>, PictureError> {
        save::encode(self, format, save::JPEG_QUALITY, metadata)
    }

    /// Copies `file`, which this picture was decoded from, as it is but for everything that its
    /// pixels do not depend on: metadata is written anew, other pictures are left out.
    /// `auto_oriented` says whether the picture was turned as its EXIF orientation says. `None` for
    /// files other than JPEG and PNG, and where the copy would not have the same pixels.
    #[must_use]
    pub fn copy_alone(
        &self,
        file: &[u8],
        metadata: &Metadata,
        auto_oriented: bool,
    ) -> Option<Vec<u8>> {
        let copy = single::copy(file, self.format?, metadata)?;
        let options = OpenOptions {
            ignore_orientation: !auto_oriented,
            max_pixels: u64::MAX,
            ..OpenOptions::default()
        };
        let decoded = options.decode(&copy, &self.name).ok()?;
        (decoded.pixels == self.pixels && decoded.width == self.width).then_some(copy)
    }

    /// Encodes the picture as JPEG with a quality of 1 to 100.
    ///
    /// # Errors
    /// [`PictureError::TooLargeToSave`] for a side above the format's limit.
    pub fn to_jpeg(&self, quality: u8) -> Result<Vec<u8>, PictureError> {
        save::encode(self, PictureFormat::Jpeg, quality, &Metadata::default())
    }

    /// Encodes the picture as PNG.
    ///
    /// # Errors
    /// As [`Picture::to_jpeg`].
    pub fn to_png(&self) -> Result<Vec<u8>, PictureError> {
        save::encode(self, PictureFormat::Png, 0, &Metadata::default())
    }
}

impl Pixels {
    /// Number of samples: three a pixel.
    fn len(&self) -> usize {
        match self {
            Self::Rgb8(samples) => samples.len(),
            Self::Rgb16(samples) => samples.len(),
        }
    }
}

/// The nearest of 256 levels: 65535 is 257 times 255.
fn to_eight_bits(sample: u16) -> u8 {
    ((u32::from(sample) + 128) / 257) as u8
}

/// Extensions of photos in folders, those of formats without a decoder too, so that such photos are
/// named and not passed over. A file that is named explicitly may have any.
const PHOTO_EXTENSIONS: [&str; 31] = [
    "jpg", "jpeg", "jpe", "jfif", "pjpeg", "mpo", "png", "gif", "bmp", "dib", "tif", "tiff",
    "webp", "heic", "heif", "hif", "avif", "jxl", "dng", "nef", "nrw", "cr2", "cr3", "arw", "sr2",
    "raf", "orf", "rw2", "pef", "srw", "rwl",
];

/// Those of them that raw files of cameras have.
const RAW_EXTENSIONS: [&str; 13] =
    ["dng", "nef", "nrw", "cr2", "cr3", "arw", "sr2", "raf", "orf", "rw2", "pef", "srw", "rwl"];

/// True if the file's extension is one of a photo format.
#[must_use]
pub fn has_photo_extension(path: &Path) -> bool {
    has_one_of(path, &PHOTO_EXTENSIONS)
}

/// True if the file's extension is one of a camera's raw format.
#[must_use]
pub fn has_raw_extension(path: &Path) -> bool {
    has_one_of(path, &RAW_EXTENSIONS)
}

fn has_one_of(path: &Path, extensions: &[&str]) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| {
        extensions.iter().any(|known| known.eq_ignore_ascii_case(extension))
    })
}
