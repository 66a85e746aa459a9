//! Photos of a library.

use std::path::PathBuf;

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};

/// Where a photo is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// In its place, and readable.
    Present = 0,
    /// Not where it was. What is known of it is kept.
    Missing = 1,
    /// In its place, but not readable.
    Unreadable = 2,
}

/// Who says that something is in a photo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// The model.
    Model = 0,
    /// The user.
    User = 1,
    /// The model, and the user says that it is not so.
    Refuted = 2,
}

/// What a library notes of a photo itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Photo {
    /// Its number in this library.
    pub id: i64,
    /// Its path, absolute.
    pub path: PathBuf,
    /// SHA-256 of its file; `None` if it could never be read.
    pub digest: Option<[u8; 32]>,
    /// Bytes of its file.
    pub bytes: u64,
    /// When its file was changed last, in nanoseconds since 1970.
    pub modified: i64,
    /// When it was taken, by the camera's clock: `YYYY-MM-DDTHH:MM:SS`.
    pub taken: Option<String>,
    /// Width and height in pixels, upright; `None` if it could not be decoded.
    pub size: Option<[u32; 2]>,
    /// EXIF's number for how the camera was held, 1 to 8.
    pub orientation: Option<u8>,
    /// Where it is.
    pub state: State,
    /// Why it is unreadable.
    pub reason: Option<String>,
}

/// The columns of [`Photo::from_row`], in its order.
pub(crate) const COLUMNS: &str =
    "photo.id, path, digest, bytes, modified, taken, width, height, orientation, state, reason";

impl Photo {
    /// From a row that begins with [`COLUMNS`].
    pub(crate) fn from_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        let size: (Option<u32>, Option<u32>) = (row.get(6)?, row.get(7)?);
        Ok(Self {
            id: row.get(0)?,
            path: crate::bytes::to_path(row.get_ref(1)?.as_blob()?),
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
