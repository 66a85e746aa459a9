//! Parts: rows of photos, and what they have in common.
//!
//! Photos with answers and photos that failed have the same columns, so that any mixture of rows is
//! a part, too: other schedulers write their own files of them.

use std::path::{Path, PathBuf};
use std::vec::IntoIter;

use lorgnette::dataset;
use lorgnette::picture::OpenOptions;
use parquet::file::metadata::KeyValue;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::Shard;
use super::columns::{Columns, Value};
use crate::analyse::{Detections, ImageScore, ModelRecord, Region};
use crate::bytes;
use crate::error::{Error, Result};
use crate::export::{Cell, ColumnType, ParquetWriter, hex, path_cells};
use crate::index::{CaptureInfo, Digest, Outcome, Record};

/// Key of the description in a part's metadata.
const KEY: &str = "lorgnette.part";
/// Version of parts.
const VERSION: u32 = 1;

/// The common facts of a part's rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Description {
    pub(super) version: u32,
    /// The rows of a manifest; `None` if another scheduler distributes photos.
    pub(super) shard: Option<ShardDescription>,
    pub(super) model: ModelDescription,
    /// The face detector; `None` if faces are not searched for.
    pub(super) faces: Option<ModelDescription>,
    /// The instruction set. Numbers of two sets differ in their last bits.
    pub(super) level: String,
    pub(super) ignore_orientation: bool,
    pub(super) max_pixels: u64,
}

/// The rows of a manifest that are a shard.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct ShardDescription {
    pub(super) index: usize,
    pub(super) count: usize,
    /// Number of photos of the whole manifest.
    pub(super) manifest_photos: usize,
    /// SHA-256 that tells the manifest from others.
    pub(super) manifest: String,
}

/// A model, as [`ModelRecord`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct ModelDescription {
    name: String,
    fingerprint: String,
    settings: String,
    features: usize,
    /// Synset, if any, and name of each class.
    classes: Vec<(Option<String>, String)>,
}

/// A photo, and what was found in it.
#[derive(Debug)]
pub(super) struct Row {
    /// Number of the photo in the manifest.
    pub(super) number: Option<usize>,
    /// Path, as the manifest has it.
    pub(super) path: PathBuf,
    /// Size of the file in bytes; 0 if it could not be read.
    pub(super) bytes: u64,
    pub(super) modified: Option<i64>,
    pub(super) record: Record,
    /// The faces; the error of the detector. `None` if it was not run.
    pub(super) faces: Option<Result<Detections, String>>,
}

/// Where a photo failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// It could not be read or decoded.
    Read,
    /// The network failed.
    Network,
    /// The face detector failed; the rest is there.
    Faces,
}

const CLASS: [(&str, ColumnType); 4] = [
    ("class_index", ColumnType::Integer),
    ("synset", ColumnType::Text),
    ("name", ColumnType::Text),
    ("probability", ColumnType::Float),
];
const REGION: [(&str, ColumnType); 10] = [
    ("class_index", ColumnType::Integer),
    ("synset", ColumnType::Text),
    ("name", ColumnType::Text),
    ("box_left", ColumnType::Float),
    ("box_top", ColumnType::Float),
    ("box_right", ColumnType::Float),
    ("box_bottom", ColumnType::Float),
    ("share", ColumnType::Float),
    ("probability", ColumnType::Float),
    ("peak", ColumnType::Float),
];
const FACE: [(&str, ColumnType); 6] = [
    ("box_left", ColumnType::Float),
    ("box_top", ColumnType::Float),
    ("box_right", ColumnType::Float),
    ("box_bottom", ColumnType::Float),
    ("share", ColumnType::Float),
    ("probability", ColumnType::Float),
];

impl ModelDescription {
    pub(super) fn new(record: &ModelRecord) -> Self {
        Self {
            name: record.name.clone(),
            fingerprint: hex(record.fingerprint),
            settings: record.settings.clone(),
            features: record.features,
            classes: record.classes.clone(),
        }
    }

    /// Returns the record for a library.
    ///
    /// # Errors
    /// If the fingerprint is none.
    pub(super) fn record(&self) -> Result<ModelRecord> {
        let fingerprint = digest_of(&self.fingerprint)
            .ok_or_else(|| Error::Request(format!("{}: not a fingerprint", self.fingerprint)))?;
        Ok(ModelRecord {
            name: self.name.clone(),
            fingerprint,
            former_fingerprint: None,
            settings: self.settings.clone(),
            classes: self.classes.clone(),
            features: self.features,
        })
    }
}

impl Description {
    pub(super) fn new(
        model: &ModelRecord,
        faces: Option<&ModelRecord>,
        level: &str,
        open: &OpenOptions,
    ) -> Self {
        Self {
            version: VERSION,
            shard: None,
            model: ModelDescription::new(model),
            faces: faces.map(ModelDescription::new),
            level: level.to_owned(),
            ignore_orientation: open.ignore_orientation,
            max_pixels: open.max_pixels,
        }
    }

    /// Returns what differs from another part's description; `None` if both belong together.
    pub(super) fn difference(&self, other: &Self) -> Option<&'static str> {
        let manifest = |shard: &Option<ShardDescription>| {
            shard.as_ref().map(|shard| (shard.manifest.clone(), shard.manifest_photos))
        };
        let count = |shard: &Option<ShardDescription>| shard.as_ref().map(|shard| shard.count);
        let options = |part: &Self| (part.ignore_orientation, part.max_pixels);
        [
            (manifest(&self.shard) != manifest(&other.shard), "another manifest"),
            (count(&self.shard) != count(&other.shard), "another number of shards"),
            (self.model != other.model, "another model, or other options of it"),
            (self.faces != other.faces, "another face detector, or none"),
            (options(self) != options(other), "other options for opening photos"),
        ]
        .into_iter()
        .find_map(|(differs, what)| differs.then_some(what))
    }

    /// Returns a short text that tells rows of this model and these options from others.
    fn analysis(&self) -> String {
        let mut sha = Sha256::new();
        for model in [Some(&self.model), self.faces.as_ref()] {
            sha.update(model.map_or("", |model| &model.fingerprint));
            sha.update([0]);
        }
        sha.update([u8::from(self.ignore_orientation)]);
        sha.update(self.max_pixels.to_le_bytes());
        hex(sha.finalize().into())[..16].to_owned()
    }

    /// Returns the columns of the part.
    pub(super) fn columns(&self) -> Vec<(&'static str, ColumnType)> {
        use ColumnType::{Bytes, FloatList, Integer, List, Text};
        let mut columns = vec![
            ("number", Integer),
            ("photo", Text),
            ("path_bytes", Bytes),
            ("sha256", Text),
            ("size", Integer),
            ("modified_ns", Integer),
            ("taken", Text),
            ("width", Integer),
            ("height", Integer),
            ("orientation", Integer),
            ("classes", List(&CLASS)),
            ("regions", List(&REGION)),
            ("features", FloatList(self.model.features)),
        ];
        if self.faces.is_some() {
            columns.push(("faces", List(&FACE)));
        }
        columns.extend([("stage", Text), ("error", Text), ("analysis", Text)]);
        columns
    }

    /// Begins a part in `out`.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(super) fn writer<W: std::io::Write + Send>(
        &self,
        out: W,
    ) -> std::io::Result<ParquetWriter<W>> {
        let text = serde_json::to_string(self)?;
        ParquetWriter::new(out, &self.columns(), vec![KeyValue::new(KEY.to_owned(), text)])
    }

    /// Returns the cells of a row.
    pub(super) fn cells(&self, row: &Row) -> Vec<Cell> {
        let none = Detections::default();
        let found = if let Outcome::Analysed(found) = &row.record.outcome { found } else { &none };
        let Record { digest, capture, size, .. } = &row.record;
        let failure = row.failure();
        let mut cells = vec![row.number.map_or(Cell::Empty, |number| Cell::Integer(number as i64))];
        cells.extend(path_cells(&row.path));
        let side = |at: usize| size.map_or(Cell::Empty, |size| Cell::Integer(size[at] as i64));
        cells.extend([
            digest.map(hex).as_deref().into(),
            Cell::Integer(row.bytes as i64),
            row.modified.map_or(Cell::Empty, Cell::Integer),
            capture.taken.as_deref().into(),
            side(0),
            side(1),
            capture.orientation.map_or(Cell::Empty, |number| Cell::Integer(number.into())),
            Cell::List(found.classes.iter().map(|score| self.class_cells(score)).collect()),
            Cell::List(found.regions.iter().map(|region| self.region_cells(region)).collect()),
            Cell::FloatList(found.features.clone()),
        ]);
        if self.faces.is_some() {
            let faces = row.faces.as_ref().and_then(|faces| faces.as_ref().ok()).unwrap_or(&none);
            cells.push(Cell::List(faces.regions.iter().map(face_cells).collect()));
        }
        cells.extend([
            failure.map(|(stage, _)| stage.name()).into(),
            failure.map(|(_, error)| error).into(),
            Cell::Text(self.analysis()),
        ]);
        cells
    }

    fn names(&self, class: usize) -> [Cell; 3] {
        let (synset, name) = match self.model.classes.get(class) {
            Some((synset, name)) => (synset.as_deref(), Some(&name[..])),
            None => (None, None),
        };
        [Cell::Integer(class as i64), synset.into(), name.into()]
    }

    fn class_cells(&self, score: &ImageScore) -> Vec<Cell> {
        let mut cells = self.names(score.class).to_vec();
        cells.push(Cell::Float(score.probability.into()));
        cells
    }

    fn region_cells(&self, region: &Region) -> Vec<Cell> {
        let mut cells = self.names(region.class).to_vec();
        cells.extend(region.bounds.map(Cell::Float));
        cells.extend([region.share, region.mean, region.peak].map(|n| Cell::Float(n.into())));
        cells
    }
}

fn face_cells(face: &Region) -> Vec<Cell> {
    let mut cells = face.bounds.map(Cell::Float).to_vec();
    cells.extend([face.share, face.mean].map(|number| Cell::Float(number.into())));
    cells
}

impl Row {
    /// Returns the error of the photo; `None` if all went well.
    pub(super) fn error(&self) -> Option<&str> {
        Some(self.failure()?.1)
    }

    fn failure(&self) -> Option<(Stage, &str)> {
        match (&self.record.outcome, &self.faces) {
            (Outcome::Unreadable(error), _) => Some((Stage::Read, error)),
            (Outcome::AnalysisFailed(error), _) => Some((Stage::Network, error)),
            (_, Some(Err(error))) => Some((Stage::Faces, error)),
            _ => None,
        }
    }
}

impl Stage {
    const ALL: [Self; 3] = [Self::Read, Self::Network, Self::Faces];

    fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Network => "network",
            Self::Faces => "faces",
        }
    }
}

/// Which of its rows' answers a part is read for; the others are empty.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Answers {
    Model,
    Faces,
}

/// A part that is open for reading.
pub(super) struct Part {
    columns: Columns,
    pub(super) description: Description,
}

impl Part {
    /// Opens a part.
    ///
    /// # Errors
    /// If the file cannot be read, is no part, or was written by a later program.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let columns = Columns::open(path)?;
        match read_description(&columns)? {
            Some(description) => Ok(Self { columns, description }),
            None => Err(columns.wrong("a Parquet file that is no part of a fleet")),
        }
    }

    /// Opens a part that another program may have written without its description, which is that of
    /// another part then.
    ///
    /// # Errors
    /// If the file cannot be read, or was written by a later program.
    pub(super) fn open_like(path: &Path, other: &Description) -> Result<Self> {
        let columns = Columns::open(path)?;
        let description = read_description(&columns)?.unwrap_or_else(|| other.clone());
        Ok(Self { columns, description })
    }

    /// Returns the description that a file has; `None` if it has none.
    ///
    /// # Errors
    /// As [`Part::open_like`].
    pub(super) fn description_in(path: &Path) -> Result<Option<Description>> {
        read_description(&Columns::open(path)?)
    }

    pub(super) fn path(&self) -> &Path {
        self.columns.path()
    }

    /// Returns the number of rows.
    pub(super) fn rows(&self) -> usize {
        self.columns.rows()
    }

    /// Returns the number of row groups.
    pub(super) fn groups(&self) -> usize {
        self.columns.group_rows().len()
    }

    /// Returns whether a photo of a failures' part could not be opened at all, which another run
    /// may mend.
    ///
    /// # Errors
    /// If the file is damaged.
    pub(super) fn has_unread_photos(&self) -> Result<bool> {
        for (group, rows) in self.columns.group_rows().into_iter().enumerate() {
            let digests = self.columns.column(group, "sha256", 0..rows)?.unwrap_or_default();
            if digests.contains(&Value::Empty) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Reads the rows of a row group, with these answers.
    ///
    /// # Errors
    /// If the file is damaged.
    pub(super) fn read(&self, group: usize, answers: Answers) -> Result<Vec<Row>> {
        let count = self.columns.group_rows()[group];
        let flat = |column| -> Result<IntoIter<Value>> {
            let values = self.columns.column(group, column, 0..count)?;
            Ok(values.unwrap_or_else(|| vec![Value::Empty; count]).into_iter())
        };
        let mut numbers = flat("number")?;
        let (mut photos, mut path_bytes) = (flat("photo")?, flat("path_bytes")?);
        let (mut digests, mut sizes) = (flat("sha256")?, flat("size")?);
        let (mut times, mut taken) = (flat("modified_ns")?, flat("taken")?);
        let (mut widths, mut heights) = (flat("width")?, flat("height")?);
        let (mut orientations, mut stages) = (flat("orientation")?, flat("stage")?);
        let (mut errors, analyses) = (flat("error")?, flat("analysis")?);
        let expected = Value::Bytes(self.description.analysis().into_bytes());
        if let Some(other) = analyses.into_iter().find(|analysis| *analysis != expected) {
            let other = other.text().unwrap_or_default();
            return Err(self.columns.wrong(&format!(
                "its rows are of another model or other options ('{other}') than its description \
                 or the other parts say"
            )));
        }
        let (detections, faces) = match answers {
            Answers::Model => (self.read_detections(group)?, Vec::new()),
            Answers::Faces => (Vec::new(), self.read_faces(group)?),
        };
        let (mut detections, mut faces) = (detections.into_iter(), faces.into_iter());
        let mut rows = Vec::with_capacity(count);
        for _ in 0..count {
            let next = |column: &mut IntoIter<Value>| column.next().unwrap_or(Value::Empty);
            let photo = next(&mut photos).bytes();
            let path = next(&mut path_bytes).bytes().or(photo);
            let path = path.ok_or_else(|| self.columns.wrong("a row has no photo"))?;
            let integer = |value: Value| value.integer().and_then(|n| u64::try_from(n).ok());
            let size = integer(next(&mut widths)).zip(integer(next(&mut heights)));
            let orientation = integer(next(&mut orientations));
            let stage = next(&mut stages).text();
            let stage = Stage::ALL.into_iter().find(|known| stage.as_deref() == Some(known.name()));
            let error = next(&mut errors).text();
            let found = detections.next().unwrap_or_default();
            let mut found_faces = faces.next().map(Ok);
            let outcome = match (stage, error) {
                (None, None) => Outcome::Analysed(found),
                (Some(Stage::Faces), Some(error)) => {
                    found_faces = Some(Err(error));
                    Outcome::Analysed(found)
                }
                (Some(Stage::Network), Some(error)) => Outcome::AnalysisFailed(error),
                (_, error) => Outcome::Unreadable(error.unwrap_or_default()),
            };
            if !matches!(outcome, Outcome::Analysed(_)) {
                found_faces = None;
            }
            rows.push(Row {
                number: integer(next(&mut numbers)).map(|number| number as usize),
                path: bytes::to_path(&path),
                bytes: integer(next(&mut sizes)).unwrap_or(0),
                modified: next(&mut times).integer(),
                record: Record {
                    digest: next(&mut digests).text().as_deref().and_then(digest_of),
                    capture: CaptureInfo {
                        taken: next(&mut taken).text(),
                        orientation: orientation.and_then(|number| u32::try_from(number).ok()),
                    },
                    size: size.map(|(width, height)| [width as usize, height as usize]),
                    outcome,
                },
                faces: found_faces,
            });
        }
        Ok(rows)
    }

    fn read_detections(&self, group: usize) -> Result<Vec<Detections>> {
        let classes = self.lists(group, "classes", &["class_index", "probability"])?;
        let regions = self.lists(group, "regions", &REGION_NUMBERS)?;
        let features = self.columns.lists(group, "features")?;
        let count = self.description.model.classes.len();
        let mut detections = Vec::with_capacity(features.len());
        for ((classes, regions), features) in classes.into_iter().zip(regions).zip(features) {
            let is_class = |numbers: &Vec<f64>| (0.0..count as f64).contains(&numbers[0]);
            if !classes.iter().chain(&regions).all(is_class) {
                return Err(self.columns.wrong("it has a class that its model has not"));
            }
            detections.push(Detections {
                classes: classes.iter().map(|numbers| image_score(numbers)).collect(),
                regions: regions.iter().map(|numbers| region(numbers)).collect(),
                features: features.iter().filter_map(Value::float).map(|n| n as f32).collect(),
            });
        }
        Ok(detections)
    }

    /// Reads the faces of photos; none at all where they were not searched for.
    fn read_faces(&self, group: usize) -> Result<Vec<Detections>> {
        if self.description.faces.is_none() {
            return Ok(Vec::new());
        }
        let faces = self.lists(group, "faces", &FACE_NUMBERS)?;
        let regions = |faces: Vec<Vec<f64>>| faces.iter().map(|numbers| face(numbers)).collect();
        let detections = |faces| Detections { regions: regions(faces), ..Detections::default() };
        Ok(faces.into_iter().map(detections).collect())
    }

    /// Reads numbers of the items of a list: for each row the items, for each item these fields.
    fn lists(&self, group: usize, list: &str, fields: &[&str]) -> Result<Vec<Vec<Vec<f64>>>> {
        let mut rows: Vec<Vec<Vec<f64>>> = vec![Vec::new(); self.columns.group_rows()[group]];
        for field in fields {
            let values = self.columns.lists(group, &format!("{list}.{field}"))?;
            for (row, values) in rows.iter_mut().zip(values) {
                row.resize_with(values.len(), Vec::new);
                for (item, value) in row.iter_mut().zip(values) {
                    let number = value.float().or(value.integer().map(|number| number as f64));
                    item.push(number.ok_or_else(|| {
                        self.columns.wrong(&format!("its column '{list}' has no {field}"))
                    })?);
                }
            }
        }
        // Levels of two columns of a damaged file may differ.
        match rows.iter().flatten().all(|item| item.len() == fields.len()) {
            true => Ok(rows),
            false => Err(self.columns.wrong(&format!("its column '{list}' is damaged"))),
        }
    }
}

fn read_description(columns: &Columns) -> Result<Option<Description>> {
    let Some(text) = columns.metadata_value(KEY) else { return Ok(None) };
    let description: Description = serde_json::from_str(text)
        .map_err(|error| columns.wrong(&format!("its description cannot be read: {error}")))?;
    let version = description.version;
    if version != VERSION {
        return Err(columns.wrong(&format!(
            "a part of version {version}, and this program knows version {VERSION}: use a later one"
        )));
    }
    Ok(Some(description))
}

const REGION_NUMBERS: [&str; 8] = [
    "class_index",
    "box_left",
    "box_top",
    "box_right",
    "box_bottom",
    "share",
    "probability",
    "peak",
];
const FACE_NUMBERS: [&str; 6] =
    ["box_left", "box_top", "box_right", "box_bottom", "share", "probability"];

fn image_score(numbers: &[f64]) -> ImageScore {
    ImageScore { class: numbers[0] as usize, probability: numbers[1] as f32 }
}

fn region(numbers: &[f64]) -> Region {
    Region {
        class: numbers[0] as usize,
        bounds: [numbers[1], numbers[2], numbers[3], numbers[4]],
        share: numbers[5] as f32,
        mean: numbers[6] as f32,
        peak: numbers[7] as f32,
    }
}

fn face(numbers: &[f64]) -> Region {
    let probability = numbers[5] as f32;
    Region {
        class: 0,
        bounds: [numbers[0], numbers[1], numbers[2], numbers[3]],
        share: numbers[4] as f32,
        mean: probability,
        peak: probability,
    }
}

fn digest_of(text: &str) -> Option<Digest> {
    text.parse::<dataset::Digest>().ok().map(|digest| digest.0)
}

/// Returns the paths of a shard's part and of its failures.
pub(super) fn paths(out: &Path, shard: Shard) -> [PathBuf; 2] {
    let Shard { index, count } = shard;
    [".parquet", ".failed.parquet"]
        .map(|ending| out.join(format!("part-{index:05}-of-{count:05}{ending}")))
}
