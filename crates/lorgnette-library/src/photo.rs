//! Records of photos.

use std::path::PathBuf;

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};

/// State of a photo's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// The file exists and is readable.
    Present = 0,
    /// The file is gone. The record and its detections are kept.
    Missing = 1,
    /// The file exists but cannot be read or decoded.
    Unreadable = 2,
}

/// Origin of a detection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// Detected by the model.
    Model = 0,
    /// Added by the user.
    User = 1,
    /// Detected by the model and marked wrong by the user.
    Refuted = 2,
}

/// Record of a photo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Photo {
    /// Id in this library.
    pub id: i64,
    /// Absolute path.
    pub path: PathBuf,
    /// SHA-256 of the file; `None` if it was never readable.
    pub digest: Option<[u8; 32]>,
    /// Size of the file in bytes.
    pub bytes: u64,
    /// Modification time of the file, in nanoseconds since 1970.
    pub modified: i64,
    /// Time of capture by the camera's clock: `YYYY-MM-DDTHH:MM:SS`.
    pub taken: Option<String>,
    /// Width and height in pixels, upright; `None` if it could not be decoded.
    pub size: Option<[u32; 2]>,
    /// EXIF orientation, 1 to 8.
    pub orientation: Option<u8>,
    /// State of the file.
    pub state: State,
    /// Error, if the file is unreadable.
    pub reason: Option<String>,
}

/// Columns of [`Photo::from_row`], in order.
pub(crate) const COLUMNS: &str =
    "photo.id, path, digest, bytes, modified, taken, width, height, orientation, state, reason";

impl Photo {
    /// Reads a row that begins with [`COLUMNS`].
    pub(crate) fn from_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        let size: (Option<u32>, Option<u32>) = (row.get(6)?, row.get(7)?);
        Ok(Self {
            id: row.get(0)?,
            path: crate::bytes::path_at(row, 1)?,
            digest: row.get(2)?,
            bytes: row.get(3)?,
            modified: row.get(4)?,
            taken: row.get(5)?,
            size: size.0.zip(size.1).map(|(width, height)| [width, height]),
            orientation: row.get(8)?,
            state: row.get(9)?,
            reason: row.get(10)?,
        })
    }
}

impl ToSql for State {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok((*self as i64).into())
    }
}

impl FromSql for State {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let states = [Self::Present, Self::Missing, Self::Unreadable];
        states
            .into_iter()
            .find(|&state| value == ValueRef::Integer(state as i64))
            .ok_or(FromSqlError::InvalidType)
    }
}

impl ToSql for Source {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok((*self as i64).into())
    }
}

impl FromSql for Source {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let sources = [Self::Model, Self::User, Self::Refuted];
        sources
            .into_iter()
            .find(|&source| value == ValueRef::Integer(source as i64))
            .ok_or(FromSqlError::InvalidType)
    }
}
