//! From a file to a picture: limits first, then the decoder of its format.

use std::any::Any;
use std::fs::File;
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use image::metadata::Orientation;

use super::jpeg::Transform;
use super::orientation::reorient;
use super::{Picture, PictureError, PictureFormat, Pixels, format, jpeg, raster};

/// How to open pictures, and how large they may be.
///
/// ```
/// # fn main() -> Result<(), lorgnette::Error> {
/// use lorgnette::picture::OpenOptions;
/// use lorgnette::{Classifier, Model, ModelOptions};
///
/// let classifier = Classifier::new(Model::embedded(&ModelOptions::default())?)?;
/// // Photos of many megapixels at no more of them than the network needs.
/// let options = OpenOptions { min_decode_size: classifier.model().min_decode_size(), ..OpenOptions::default() };
/// let picture = options.open("../../photos/chelsea.jpg")?;
/// // This one is small already.
/// assert_eq!((picture.width(), picture.height()), picture.stored_size());
/// let prediction = classifier.classify(&picture, 1)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenOptions {
    /// Leave the pixels as they are stored, as TensorFlow does, instead of turning them as EXIF
    /// says. Default: no.
    pub ignore_orientation: bool,
    /// Most pixels a picture may have, told by its header before anything is decoded. Default:
    /// 200,000,000.
    pub max_pixels: u64,
    /// Most bytes a file may have. Default: 512 MiB.
    pub max_bytes: u64,
    /// Which inverse transform decodes a JPEG. Default: [`Transform::Fast`], TensorFlow's own.
    pub jpeg_transform: Transform,
    /// Rows and columns of the upright picture that are enough. A JPEG is then decoded at the
    /// smallest of its full size, a half, a quarter and an eighth (rounded up) that has as many of
    /// both, or at full size if none has; other kinds of files always are at full size. Default:
    /// none, so that every pixel is decoded.
    ///
    /// It is faster, for most of the arithmetic and of the memory is saved. The pixels are those of
    /// TensorFlow's `decode_jpeg` with this `ratio`: means of the file's pixels.
    /// [`Model::min_decode_size`](crate::Model::min_decode_size) says what a network needs, and
    /// [`Picture::source_size`] how large the picture is in its file.
    pub min_decode_size: Option<[usize; 2]>,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self {
            ignore_orientation: false,
            max_pixels: 200_000_000,
            max_bytes: 512 << 20,
            jpeg_transform: Transform::Fast,
            min_decode_size: None,
        }
    }
}

/// What a decoder gives: pixels as they are stored, and how to turn them.
pub(super) struct Decoded {
    pub(super) width: usize,
    pub(super) height: usize,
    /// Width and height before they were reduced.
    pub(super) source_size: (usize, usize),
    pub(super) source_channels: u8,
    pub(super) pixels: Pixels,
    pub(super) orientation: Orientation,
}

impl OpenOptions {
    /// Opens a picture file.
    ///
    /// # Errors
    /// [`PictureError`], which names the file, what is wrong with it and what to do.
    pub fn open(&self, path: impl AsRef<Path>) -> Result<Picture, PictureError> {
        let path = path.as_ref();
        self.decode(&self.read(path)?, &path.display().to_string())
    }

    /// Decodes a picture file that is already in memory; `name` is what errors and results call it.
    ///
    /// # Errors
    /// [`PictureError`], as [`OpenOptions::open`].
    pub fn decode(&self, bytes: &[u8], name: &str) -> Result<Picture, PictureError> {
        self.check_bytes(bytes.len() as u64, name)?;
        let format = format::detect(bytes, name)?;
        let source = Source { bytes, name, format, options: self };
        let mut decoded = catch_panic(&source, || match format {
            PictureFormat::Jpeg => jpeg::decode(&source),
            _ => raster::decode(&source),
        })?;
        if !self.ignore_orientation {
            decoded = reorient(decoded);
        }
        let Decoded { width, height, source_size, source_channels, pixels, .. } = decoded;
        Ok(Picture {
            name: name.into(),
            width,
            height,
            source_size,
            source_channels,
            format: Some(format),
            pixels,
        })
    }

    /// Reads a file as a whole, however it calls itself: one byte past the limit is enough to
    /// refuse it.
    ///
    /// # Errors
    /// [`PictureError::Read`], [`PictureError::Folder`] or [`PictureError::TooLarge`].
    pub fn read(&self, path: impl AsRef<Path>) -> Result<Vec<u8>, PictureError> {
        let path = path.as_ref();
        let name = || path.display().to_string();
        let unreadable = |source| PictureError::Read { name: name(), source };
        if path.is_dir() {
            return Err(PictureError::Folder { name: name() });
        }
        let file = File::open(path).map_err(unreadable)?;
        let length = file.metadata().map_err(unreadable)?.len();
        self.check_bytes(length, &name())?;
        // A pipe has no length; a growing file has more than it says.
        let mut bytes = Vec::with_capacity(length as usize + 1);
        file.take(self.max_bytes.saturating_add(1)).read_to_end(&mut bytes).map_err(unreadable)?;
        Ok(bytes)
    }

    fn check_bytes(&self, length: u64, name: &str) -> Result<(), PictureError> {
        if length <= self.max_bytes {
            return Ok(());
        }
        let what = format!("the file has more than the {} bytes allowed", self.max_bytes);
        Err(PictureError::TooLarge { name: name.into(), what })
    }
}

/// One file on its way through a decoder, and the words for what is wrong with it.
pub(super) struct Source<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) name: &'a str,
    pub(super) format: PictureFormat,
    pub(super) options: &'a OpenOptions,
}

impl Source<'_> {
    /// Refuses a header that promises no pixels, or more than allowed.
    pub(super) fn check_size(&self, width: usize, height: usize) -> Result<(), PictureError> {
        if width == 0 || height == 0 {
            return Err(self.damaged(format!("its header says {width} x {height} pixels")));
        }
        let pixels = width as u64 * height as u64;
        if pixels > self.options.max_pixels {
            let what = format!(
                "{width} x {height} pixels are more than the {} allowed",
                self.options.max_pixels
            );
            return Err(PictureError::TooLarge { name: self.name.into(), what });
        }
        Ok(())
    }

    pub(super) fn damaged(&self, what: impl Into<String>) -> PictureError {
        PictureError::Damaged { name: self.name.into(), format: self.format, what: what.into() }
    }

    pub(super) fn ends_early(&self, what: impl Into<String>) -> PictureError {
        PictureError::EndsEarly { name: self.name.into(), format: self.format, what: what.into() }
    }

    pub(super) fn unsupported(&self, what: impl Into<String>) -> PictureError {
        PictureError::Unsupported { name: self.name.into(), what: what.into() }
    }
}

/// Runs a decoder so that its panic, which only a damaged file brings about, is an error about that
/// file.
fn catch_panic(
    source: &Source<'_>,
    decode: impl FnOnce() -> Result<Decoded, PictureError>,
) -> Result<Decoded, PictureError> {
    // The closure only reads the source, and what it was building is lost with the panic: nothing
    // is left half-made.
    catch_unwind(AssertUnwindSafe(decode)).unwrap_or_else(|panic| {
        let what = panic_message(panic.as_ref());
        Err(PictureError::Decoder { name: source.name.into(), format: source.format, what })
    })
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no reason given").into()
}
