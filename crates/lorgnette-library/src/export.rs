//! Tables of a library as Parquet or CSV.

mod arrow_schema;
mod csv;
mod parquet;

use std::io;
use std::path::Path;

use lorgnette::dataset::Digest;
use lorgnette::net::AtomicFile;

pub(crate) use self::parquet::ParquetWriter;
use crate::contents::Detection;
use crate::error::{Error, Result};
use crate::feature::Feature;
use crate::library::{Library, name};
use crate::photo::{Photo, Source, State};
use crate::{bytes, similar};

/// Table to export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportTable {
    /// A row for each photo.
    Photos,
    /// A row for each detection.
    Detections,
    /// A row for each photo analysed by a model, with its features.
    Features {
        /// Id of the model in the library.
        model: i64,
    },
}

/// Type of a column; every column is nullable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ColumnType {
    Text,
    Bytes,
    Integer,
    Float,
    /// A list of this many numbers.
    FloatList(usize),
    /// A list of items with these fields, which are no lists.
    List(&'static [(&'static str, ColumnType)]),
}

/// Value of a cell.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell {
    Empty,
    Text(String),
    Bytes(Vec<u8>),
    Integer(i64),
    Float(f64),
    FloatList(Vec<f32>),
    /// Items, each with a cell for each field.
    List(Vec<Vec<Cell>>),
}

impl<T: Into<Self>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Empty, Into::into)
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// Writes the rows of a table.
pub(crate) trait Table {
    /// Appends a row with a cell for each column.
    fn row(&mut self, cells: Vec<Cell>) -> io::Result<()>;
    /// Writes buffered rows and gives the file its name.
    fn finish(self: Box<Self>) -> io::Result<()>;
}

const PATH: [(&str, ColumnType); 2] =
    [("photo", ColumnType::Text), ("path_bytes", ColumnType::Bytes)];

impl ExportTable {
    fn columns(self, features: usize) -> Vec<(&'static str, ColumnType)> {
        use ColumnType::{Float, FloatList, Integer, Text};
        let mut columns = PATH.to_vec();
        columns.extend_from_slice(match self {
            Self::Photos => &[
                ("state", Text),
                ("reason", Text),
                ("sha256", Text),
                ("bytes", Integer),
                ("modified_ns", Integer),
                ("taken", Text),
                ("width", Integer),
                ("height", Integer),
                ("orientation", Integer),
            ],
            Self::Detections => &[
                ("model", Text),
                ("class_index", Integer),
                ("synset", Text),
                ("name", Text),
                ("box_left", Float),
                ("box_top", Float),
                ("box_right", Float),
                ("box_bottom", Float),
                ("share", Float),
                ("probability", Float),
                ("peak", Float),
                ("source", Text),
            ],
            Self::Features { .. } => {
                return [&columns[..], &[("features", FloatList(features))]].concat();
            }
        });
        columns
    }
}

impl Library {
    /// Writes a table to a file, Parquet or CSV by its ending; how many rows. In `path_bytes` are
    /// the paths that are no text, whose `photo` is only nearly right.
    ///
    /// # Errors
    /// If the ending is another, or the file cannot be written.
    pub fn export(&self, path: &Path, table_kind: ExportTable) -> Result<usize> {
        let file_error = |source| Error::File { name: name(path), source };
        let features = match table_kind {
            ExportTable::Features { model } => similar::feature_length(self.connection(), model)?,
            ExportTable::Photos | ExportTable::Detections => 0,
        };
        let mut table = open_table(path, &table_kind.columns(features))?;
        let mut rows = 0;
        self.rows(table_kind, &mut |cells| {
            rows += 1;
            table.row(cells).map_err(file_error)
        })?;
        table.finish().map_err(file_error)?;
        Ok(rows)
    }

    fn rows(
        &self,
        table_kind: ExportTable,
        visit: &mut dyn FnMut(Vec<Cell>) -> Result<()>,
    ) -> Result<()> {
        match table_kind {
            ExportTable::Photos => self.each_photo(None, |photo| visit(photo_cells(&photo))),
            ExportTable::Detections => {
                self.each_detection(|path, detection| visit(detection_cells(path, detection)))
            }
            ExportTable::Features { model } => self.each_feature(model, |path, feature| {
                let mut cells = path_cells(path);
                cells.push(Cell::FloatList(feature.numbers().collect()));
                visit(cells)
            }),
        }
    }

    fn each_feature(
        &self,
        model: i64,
        mut visit: impl FnMut(&Path, &Feature) -> Result<()>,
    ) -> Result<()> {
        let length = similar::feature_length(self.connection(), model)?;
        let sql = "SELECT path, vector FROM feature JOIN photo ON photo.id = photo \
                   WHERE model = ? ORDER BY path";
        let mut statement = self.connection().prepare(sql)?;
        let mut rows = statement.query([model])?;
        while let Some(row) = rows.next()? {
            let path = bytes::path_at(row, 0)?;
            if let Some(feature) = Feature::from_bytes(row.get_ref(1)?.as_blob()?, length) {
                visit(&path, &feature)?;
            }
        }
        Ok(())
    }
}

/// Begins a table in a file, Parquet or CSV by its ending.
///
/// # Errors
/// If the ending is another, or the file cannot be written.
pub(crate) fn open_table(
    path: &Path,
    columns: &[(&'static str, ColumnType)],
) -> Result<Box<dyn Table>> {
    let extension =
        path.extension().and_then(|extension| extension.to_str()).map(str::to_ascii_lowercase);
    let open = match extension.as_deref() {
        Some("csv") => csv::open,
        Some("parquet") => parquet::open,
        _ => {
            let name = name(path);
            return Err(Error::Request(format!("{name}: end the name in .parquet or .csv")));
        }
    };
    let file_error = |source| Error::File { name: name(path), source };
    let file = AtomicFile::create(path).map_err(file_error)?;
    open(file, columns).map_err(file_error)
}

/// Formats a digest as hexadecimal digits.
pub(crate) fn hex(digest: [u8; 32]) -> String {
    Digest(digest).to_string()
}

/// Returns the cells of a path: its text, and its bytes if it is no text.
pub(crate) fn path_cells(path: &Path) -> Vec<Cell> {
    let bytes = path.to_str().is_none().then(|| Cell::Bytes(bytes::from_path(path).to_vec()));
    vec![Cell::Text(path.to_string_lossy().into_owned()), bytes.unwrap_or(Cell::Empty)]
}

fn photo_cells(photo: &Photo) -> Vec<Cell> {
    let state = match photo.state {
        State::Present => "present",
        State::Missing => "vanished",
        State::Unreadable => "unreadable",
    };
    let integer =
        |number: Option<u32>| number.map_or(Cell::Empty, |number| Cell::Integer(number.into()));
    let mut cells = path_cells(&photo.path);
    cells.extend([
        state.into(),
        photo.reason.as_deref().into(),
        photo.digest.map(hex).as_deref().into(),
        Cell::Integer(photo.bytes as i64),
        Cell::Integer(photo.modified),
        photo.taken.as_deref().into(),
        integer(photo.size.map(|[width, _]| width)),
        integer(photo.size.map(|[_, height]| height)),
        integer(photo.orientation.map(u32::from)),
    ]);
    cells
}

fn detection_cells(path: &Path, detection: &Detection) -> Vec<Cell> {
    let source = match detection.source {
        Source::Model => "model",
        Source::User => "user",
        Source::Refuted => "refuted",
    };
    let side = |at: usize| detection.bounds.map_or(Cell::Empty, |bounds| Cell::Float(bounds[at]));
    let mut cells = path_cells(path);
    cells.extend([
        detection.model.as_str().into(),
        Cell::Integer(detection.class as i64),
        detection.synset.as_deref().into(),
        detection.name.as_str().into(),
        side(0),
        side(1),
        side(2),
        side(3),
        Cell::Float(detection.share),
        Cell::Float(detection.probability),
        Cell::Float(detection.peak),
        source.into(),
    ]);
    cells
}
