//! Opens pictures: checks limits, then calls the decoder of the format.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use image::metadata::Orientation;
use lorgnette_jpeg::Transform;
use lorgnette_net::memory::{self, Reservation};

use super::orientation::reorient;
use super::{Picture, PictureError, PictureFormat, Pixels, Reserved, format, jpeg, raster, raw};
use crate::record_photo;

/// Options and limits for opening pictures.
///
/// ```
/// # fn main() -> Result<(), lorgnette::Error> {
/// use lorgnette::picture::OpenOptions;
/// use lorgnette::{Classifier, Model, ModelOptions};
///
/// let classifier = Classifier::new(Model::embedded(&ModelOptions::default())?)?;
/// // Photos of many megapixels at no more of them than the network needs.
/// let min_decode_size = classifier.model().min_decode_size();
/// let options = OpenOptions { min_decode_size, ..OpenOptions::default() };
/// let picture = options.open("../../photos/chelsea.jpg")?;
/// // This one is small already.
/// assert_eq!((picture.width(), picture.height()), picture.source_size());
/// let prediction = classifier.classify(&picture, 1)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenOptions {
    /// Leaves pixels as they are stored, as TensorFlow does, instead of applying the EXIF
    /// orientation. Default: no.
    pub ignore_orientation: bool,
    /// Maximum number of pixels, checked in the header before decoding. Default: 200,000,000.
    pub max_pixels: u64,
    /// Maximum bytes of a file. Default: 512 MiB.
    pub max_bytes: u64,
    /// The inverse transform of JPEGs. Default: [`Transform::Fast`], as in TensorFlow.
    pub jpeg_transform: Transform,
    /// Rows and columns of the upright picture that suffice. A JPEG is decoded at the smallest of
    /// full, half, quarter and eighth size (rounded up) that has as many of both, or at full size
    /// if none has. Other formats are always decoded at full size. Default: none, full size.
    ///
    /// A reduced size saves most of the arithmetic and memory. The pixels equal those of
    /// TensorFlow's `decode_jpeg` with this `ratio`: means of the file's pixels.
    /// [`Model::min_decode_size`](crate::Model::min_decode_size) gives the size a network needs,
    /// [`Picture::source_size`] the size in the file.
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

/// A decoder's result: pixels as stored, and their orientation.
pub(super) struct Decoded {
    pub(super) width: usize,
    pub(super) height: usize,
    /// Width and height before reduction.
    pub(super) source_size: (usize, usize),
    pub(super) source_channels: u8,
    pub(super) pixels: Pixels,
    pub(super) orientation: Orientation,
}

impl OpenOptions {
    /// Opens a picture file.
    ///
    /// # Errors
    /// [`PictureError`], which names the file, the problem and a remedy.
    pub fn open(&self, path: impl AsRef<Path>) -> Result<Picture, PictureError> {
        let path = path.as_ref();
        self.decode(&self.read(path)?, &path.display().to_string())
    }

    /// Decodes a picture file in memory; `name` identifies it in errors and results.
    ///
    /// # Errors
    /// [`PictureError`], as [`OpenOptions::open`].
    pub fn decode(&self, bytes: &[u8], name: &str) -> Result<Picture, PictureError> {
        self.check_bytes(bytes.len() as u64, name)?;
        let format = format::detect(bytes, name)?;
        let reservation = RefCell::new(None);
        let source = Source { bytes, name, format, options: self, reservation: &reservation };
        let mut decoded = catch_panic(&source, || match format {
            PictureFormat::Jpeg => jpeg::decode(&source),
            PictureFormat::Raw => raw::decode(&source),
            #[cfg(feature = "heic")]
            PictureFormat::Heic => super::heic::decode(&source),
            #[cfg(feature = "avif")]
            PictureFormat::Avif => super::avif::decode(&source),
            #[cfg(feature = "jxl")]
            PictureFormat::JpegXl => super::jpeg_xl::decode(&source),
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
            canvas: (format == PictureFormat::Gif).then(|| super::gif::canvas(bytes)).flatten(),
            pixels,
            reserved: Reserved { _reservation: reservation.into_inner().map(Arc::new) },
        })
    }

    /// Reads a whole file, whatever length it states: one byte past the limit is an error.
    ///
    /// # Errors
    /// [`PictureError::Read`], [`PictureError::Folder`], [`PictureError::NotAFile`] or
    /// [`PictureError::TooLarge`].
    pub fn read(&self, path: impl AsRef<Path>) -> Result<Vec<u8>, PictureError> {
        let path = path.as_ref();
        let name = || path.display().to_string();
        let unreadable = |source| PictureError::Read { name: name(), source };
        if let Some((file, position)) = record_photo::split(path) {
            return record_photo::read(file, position, self.max_bytes).map_err(unreadable);
        }
        let metadata = path.metadata().map_err(unreadable)?;
        if metadata.is_dir() {
            return Err(PictureError::Folder { name: name() });
        }
        // Opening a pipe would wait for a writer.
        if !metadata.is_file() {
            return Err(PictureError::NotAFile { name: name() });
        }
        let length = metadata.len();
        self.check_bytes(length, &name())?;
        // Files of the system say so whatever is in them, and reading some of them waits.
        if length == 0 {
            return Ok(Vec::new());
        }
        let file = File::open(path).map_err(unreadable)?;
        // A growing file exceeds its stated length.
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

/// A file during decoding, and constructors of its errors.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) name: &'a str,
    pub(super) format: PictureFormat,
    pub(super) options: &'a OpenOptions,
    /// The memory reserved for a large picture.
    pub(super) reservation: &'a RefCell<Option<Reservation>>,
}

impl Source<'_> {
    /// Rejects a header that states no pixels, or more than allowed. Reserves memory for many, for
    /// which other threads that decode photos may have to be waited for.
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
        self.reserve(pixels)
    }

    fn reserve(&self, pixels: u64) -> Result<(), PictureError> {
        /// Bytes from which a picture counts, where the limit is not low.
        const MIN_BYTES: u64 = 128 << 20;
        /// Bytes of each pixel at its most: sixteen bits of each channel, as stored and converted.
        const PIXEL_BYTES: u64 = 16;
        /// Those of a JPEG, which has eight.
        const JPEG_PIXEL_BYTES: u64 = 8;
        if self.reservation.borrow().is_some() {
            return Ok(());
        }
        let bytes = match self.format {
            PictureFormat::Jpeg => JPEG_PIXEL_BYTES * pixels,
            _ => PIXEL_BYTES * pixels,
        };
        if bytes < MIN_BYTES.min(memory::limit() / 32) {
            return Ok(());
        }
        let reserved = memory::reserve("its decoder", bytes).map_err(|error| {
            PictureError::TooLarge { name: self.name.into(), what: error.to_string() }
        })?;
        *self.reservation.borrow_mut() = Some(reserved);
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

thread_local! {
    static IS_DECODING: Cell<bool> = const { Cell::new(false) };
}

/// Returns whether this thread is within a decoder, whose panics become errors: a panic hook need
/// not print them.
#[must_use]
pub fn is_decoding() -> bool {
    IS_DECODING.get()
}

/// Runs a decoder, which may panic at a damaged file; [`is_decoding`] is true in it.
///
/// # Errors
/// The decoder's panic.
pub fn catch_decoder<T>(decode: impl FnOnce() -> T) -> std::thread::Result<T> {
    // The closure only reads the file, and its partial result is lost with the panic: no broken
    // state remains.
    let was_decoding = IS_DECODING.replace(true);
    let decoded = catch_unwind(AssertUnwindSafe(decode));
    IS_DECODING.set(was_decoding);
    decoded
}

/// Converts a decoder's panic, which only damaged files cause, into an error about the file.
fn catch_panic(
    source: &Source<'_>,
    decode: impl FnOnce() -> Result<Decoded, PictureError>,
) -> Result<Decoded, PictureError> {
    catch_decoder(decode).unwrap_or_else(|panic| {
        let what = panic_message(panic.as_ref());
        Err(PictureError::Decoder { name: source.name.into(), format: source.format, what })
    })
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no reason given").into()
}
