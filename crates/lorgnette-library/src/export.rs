//! What is in a library as a table for other programs: Parquet or CSV.

mod csv;
mod parquet;

use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::path::Path;

use crate::contents::Finding;
use crate::error::{Error, Result};
use crate::feature::Feature;
use crate::library::{Library, name};
use crate::photo::{Photo, Source, State};
use crate::{bytes, similar};

/// Which table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sheet {
    /// A row for each photo.
    Photos,
    /// A row for each thing found in a photo.
    Findings,
    /// A row for each photo that a model has looked at, with its features.
    Features {
        /// The model's number in the library.
        model: i64,
    },
}

/// What a column holds; any may be empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Bytes,
    Whole,
    Real,
    /// A list of so many numbers.
    Numbers(usize),
}

/// What is in a place of a table.
#[derive(Clone, Debug, PartialEq)]
enum Cell {
    Empty,
    Text(String),
    Bytes(Vec<u8>),
    Whole(i64),
    Real(f64),
    Numbers(Vec<f32>),
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

/// Takes the rows of a table.
trait Table {
    fn row(&mut self, cells: Vec<Cell>) -> io::Result<()>;
    /// Writes what is left.
    fn end(self: Box<Self>) -> io::Result<()>;
}

const PATH: [(&str, Kind); 2] = [("photo", Kind::Text), ("path_bytes", Kind::Bytes)];

impl Sheet {
    fn columns(self, features: usize) -> Vec<(&'static str, Kind)> {
        use Kind::{Numbers, Real, Text, Whole};
        let mut columns = PATH.to_vec();
        columns.extend_from_slice(match self {
            Self::Photos => &[
                ("state", Text),
                ("reason", Text),
                ("sha256", Text),
                ("bytes", Whole),
                ("modified_ns", Whole),
                ("taken", Text),
                ("width", Whole),
                ("height", Whole),
                ("orientation", Whole),
            ],
            Self::Findings => &[
                ("model", Text),
                ("index", Whole),
                ("synset", Text),
                ("name", Text),
                ("left", Real),
                ("top", Real),
                ("right", Real),
                ("bottom", Real),
                ("share", Real),
                ("probability", Real),
                ("peak", Real),
                ("source", Text),
            ],
            Self::Features { .. } => return [&columns[..], &[("features", Numbers(features))]].concat(),
        });
        columns
    }
}

impl Library {
    /// Writes a table to a file, Parquet or CSV by its ending; how many rows. In `path_bytes` are the paths that are no
    /// text, whose `photo` is only nearly right.
    ///
    /// # Errors
    /// If the ending is another, or the file cannot be written.
    pub fn export(&self, path: &Path, sheet: Sheet) -> Result<usize> {
        let failed = |source| Error::File { name: name(path), source };
        let features = match sheet {
            Sheet::Features { model } => similar::length(self.connection(), model)?,
            Sheet::Photos | Sheet::Findings => 0,
        };
        let columns = sheet.columns(features);
        let ending = path.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase);
        let open = match ending.as_deref() {
            Some("csv") => csv::open,
            Some("parquet") => parquet::open,
            _ => return Err(Error::Request(format!("{}: end the name in .parquet or .csv", name(path)))),
        };
        // Under another name until it is whole, so that nobody takes half a table for all of it.
        let mut part = path.as_os_str().to_owned();
        part.push(".part");
        let mut table = open(BufWriter::new(File::create(&part).map_err(failed)?), &columns).map_err(failed)?;
        let mut rows = 0;
        let written = self.rows(sheet, &mut |cells| {
            rows += 1;
            table.row(cells).map_err(failed)
        });
        let written = written.and_then(|()| table.end().map_err(failed));
        let written = written.and_then(|()| fs::rename(&part, path).map_err(failed));
        if written.is_err() {
            let _ = fs::remove_file(&part);
        }
        written.map(|()| rows)
    }

    fn rows(&self, sheet: Sheet, take: &mut dyn FnMut(Vec<Cell>) -> Result<()>) -> Result<()> {
        match sheet {
            Sheet::Photos => self.each_photo(None, |photo| take(photo_cells(&photo))),
            Sheet::Findings => self.each_finding(|path, finding| take(finding_cells(path, finding))),
            Sheet::Features { model } => self.each_feature(model, |path, feature| {
                let mut cells = path_cells(path);
                cells.push(Cell::Numbers(feature.numbers().collect()));
                take(cells)
            }),
        }
    }

    fn each_feature(&self, model: i64, mut take: impl FnMut(&Path, &Feature) -> Result<()>) -> Result<()> {
        let length = similar::length(self.connection(), model)?;
        let sql = "SELECT path, vector FROM feature JOIN photo ON photo.id = photo WHERE model = ? ORDER BY path";
        let mut statement = self.connection().prepare(sql)?;
        let mut rows = statement.query([model])?;
        while let Some(row) = rows.next()? {
            let path = bytes::to_path(row.get_ref(0)?.as_blob()?);
            if let Some(feature) = Feature::from_bytes(row.get_ref(1)?.as_blob()?, length) {
                take(&path, &feature)?;
            }
        }
        Ok(())
    }
}

fn path_cells(path: &Path) -> Vec<Cell> {
    let bytes = path.to_str().is_none().then(|| Cell::Bytes(bytes::of_path(path).to_vec()));
    vec![Cell::Text(path.to_string_lossy().into_owned()), bytes.unwrap_or(Cell::Empty)]
}

fn photo_cells(photo: &Photo) -> Vec<Cell> {
    let state = match photo.state {
        State::Present => "present",
        State::Vanished => "vanished",
        State::Unreadable => "unreadable",
    };
    let whole = |number: Option<u32>| number.map_or(Cell::Empty, |number| Cell::Whole(number.into()));
    let hex = |digest: [u8; 32]| digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let mut cells = path_cells(&photo.path);
    cells.extend([
        state.into(),
        photo.reason.as_deref().into(),
        photo.digest.map(hex).as_deref().into(),
        Cell::Whole(photo.bytes as i64),
        Cell::Whole(photo.modified),
        photo.taken.as_deref().into(),
        whole(photo.size.map(|[width, _]| width)),
        whole(photo.size.map(|[_, height]| height)),
        whole(photo.orientation.map(u32::from)),
    ]);
    cells
}

fn finding_cells(path: &Path, finding: &Finding) -> Vec<Cell> {
    let source = match finding.source {
        Source::Model => "model",
        Source::User => "user",
        Source::Refuted => "refuted",
    };
    let side = |at: usize| finding.bounds.map_or(Cell::Empty, |bounds| Cell::Real(bounds[at]));
    let mut cells = path_cells(path);
    cells.extend([
        finding.model.as_str().into(),
        Cell::Whole(finding.class as i64),
        finding.synset.as_deref().into(),
        finding.name.as_str().into(),
        side(0),
        side(1),
        side(2),
        side(3),
        Cell::Real(finding.share),
        Cell::Real(finding.probability),
        Cell::Real(finding.peak),
        source.into(),
    ]);
    cells
}
