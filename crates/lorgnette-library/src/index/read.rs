//! Reading of photo files: bytes, digest and EXIF.

use std::fs::{self, File};
use std::io::{self, Cursor, Read as _};
use std::path::Path;

use exif::{In, Tag, Value};
use lorgnette::Picture;
use lorgnette::picture::{Metadata, OpenOptions, PictureError, exif_block};
use sha2::{Digest as _, Sha256};

/// SHA-256 of a file.
pub(crate) type Digest = [u8; 32];

/// Bytes of a photo's file and their digest.
pub(crate) struct Contents {
    name: String,
    bytes: Vec<u8>,
    pub(crate) digest: Digest,
}

/// Metadata of the camera.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CaptureInfo {
    /// Local time of capture, `YYYY-MM-DDTHH:MM:SS`.
    pub(crate) taken: Option<String>,
    /// EXIF orientation, 1 to 8.
    pub(crate) orientation: Option<u32>,
}

/// Reads a file and computes its digest.
pub(crate) fn contents(path: &Path, options: &OpenOptions) -> Result<Contents, PictureError> {
    Contents::read(path, &path.display().to_string(), options)
}

/// Reads up to one byte past the limit, so that the decoder can refuse a larger file.
fn bytes(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    // Opening a pipe would wait for a writer.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    let file = File::open(path)?;
    let length = file.metadata()?.len().min(limit);
    let mut bytes = Vec::with_capacity(length as usize + 1);
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(bytes)
}

impl Contents {
    /// The content of a file that the caller has.
    pub(crate) fn new(name: String, bytes: Vec<u8>) -> Self {
        let digest = Sha256::digest(&bytes).into();
        Self { name, bytes, digest }
    }

    /// Reads a file, which is called `name` in errors.
    pub(crate) fn read(
        path: &Path,
        name: &str,
        options: &OpenOptions,
    ) -> Result<Self, PictureError> {
        let bytes = bytes(path, options.max_bytes)
            .map_err(|source| PictureError::Read { name: name.to_owned(), source })?;
        Ok(Self::new(name.to_owned(), bytes))
    }

    /// Returns the size of the file in bytes.
    pub(crate) fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    pub(crate) fn picture(&self, options: &OpenOptions) -> Result<Picture, PictureError> {
        options.decode(&self.bytes, &self.name)
    }

    /// Returns the camera's metadata; fields that are missing or invalid are `None`.
    pub(crate) fn capture(&self) -> CaptureInfo {
        let CaptureInfo { taken, orientation } = self.capture_of_block();
        if taken.is_some() && orientation.is_some() {
            return CaptureInfo { taken, orientation };
        }
        // Some raw files have several blocks, and XMP may turn a picture.
        let metadata = Metadata::from_bytes(&self.bytes);
        let turn = u32::from(metadata.orientation().to_exif());
        CaptureInfo {
            taken: taken.or_else(|| iso_time(metadata.taken()?.as_bytes())),
            orientation: orientation.or_else(|| (turn > 1).then_some(turn)),
        }
    }

    /// Returns the metadata of the file's EXIF block.
    fn capture_of_block(&self) -> CaptureInfo {
        let mut reader = exif::Reader::new();
        reader.continue_on_error(true);
        let read = match exif_block(&self.bytes) {
            Some(block) => reader.read_raw(block.into_owned()),
            None => reader.read_from_container(&mut Cursor::new(&self.bytes)),
        };
        let Ok(exif) = read.or_else(|error| error.distill_partial_result(|_| {})) else {
            return CaptureInfo::default();
        };
        let times = [Tag::DateTimeOriginal, Tag::DateTimeDigitized, Tag::DateTime];
        let taken = times.iter().find_map(|&tag| time(&exif.get_field(tag, In::PRIMARY)?.value));
        let orientation =
            exif.get_field(Tag::Orientation, In::PRIMARY).and_then(|field| field.value.get_uint(0));
        CaptureInfo { taken, orientation: orientation.filter(|number| (1..=8).contains(number)) }
    }
}

/// Converts an EXIF time, `YYYY:MM:DD HH:MM:SS`, to ISO 8601. Cameras without a clock write blanks
/// or zeros, which give `None`.
fn time(value: &Value) -> Option<String> {
    let Value::Ascii(texts) = value else { return None };
    iso_time(texts.first()?)
}

fn iso_time(text: &[u8]) -> Option<String> {
    let time = exif::DateTime::from_ascii(text).ok()?;
    let sound = time.year > 0 && (1..=12).contains(&time.month) && (1..=31).contains(&time.day);
    let exif::DateTime { year, month, day, hour, minute, second, .. } = time;
    (sound && hour < 24 && minute < 60 && second <= 60)
        .then(|| format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}"))
}
