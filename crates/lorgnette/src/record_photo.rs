//! Photos in TFRecord files.
//!
//! Such a photo is named by a path: its file, and in it the byte at which its record begins, as in
//! `flowers_train-00000-of-00005.tfrecord/81920`.

use std::io;
use std::path::{Path, PathBuf};

use lorgnette_net::tfrecord::{Example, TfRecordFile};

/// Names of the picture in an example: TF-Slim's, TensorFlow Datasets'.
const PICTURES: [&str; 2] = ["image/encoded", "image"];
/// Bytes of a record beside its picture.
const MAX_OTHER_BYTES: u64 = 1 << 20;

/// Returns the path of the photo in the record that begins at byte `position`.
pub(crate) fn path(file: &Path, position: u64) -> PathBuf {
    file.join(position.to_string())
}

/// Splits the path of a photo in a TFRecord file; `None` for any other path.
pub(crate) fn split(path: &Path) -> Option<(&Path, u64)> {
    let name = path.file_name()?.to_str()?;
    let is_number = name.bytes().all(|byte| byte.is_ascii_digit());
    let position = name.parse().ok().filter(|_| is_number)?;
    path.parent().filter(|file| file.is_file()).map(|file| (file, position))
}

/// Opens a TFRecord file of photos of at most `max_bytes`.
///
/// # Errors
/// What the system refuses.
pub(crate) fn open(file: &Path, max_bytes: u64) -> io::Result<TfRecordFile> {
    TfRecordFile::open(file, max_bytes.saturating_add(MAX_OTHER_BYTES))
}

/// Reads the bytes of a photo in a TFRecord file.
///
/// # Errors
/// What the system refuses; if the record is damaged or has no picture.
pub(crate) fn read(file: &Path, position: u64, max_bytes: u64) -> io::Result<Vec<u8>> {
    let damaged = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
    let mut records = open(file, max_bytes)?;
    records.seek(position)?;
    let record = records.next().ok_or_else(|| damaged("no record begins there".into()))?;
    let example = record.data.and_then(|data| Example::decode(data.into())).map_err(damaged)?;
    match picture(&example) {
        Some(bytes) => Ok(bytes.to_vec()),
        None => Err(damaged("the record has no picture".into())),
    }
}

/// Returns the encoded picture of an example.
pub(crate) fn picture(example: &Example) -> Option<&[u8]> {
    PICTURES.iter().find_map(|name| example.bytes(name))
}
