//! Manifests: the photos of a fleet, in a fixed order.
//!
//! A manifest is Parquet (`.parquet`), CSV with a header (`.csv`), or text with a path on each line
//! (any other name). Its columns are `path` (or `uri`, or `photo`), and optionally `path_bytes`,
//! `size`, `modified_ns` and `bytes`, a photo's content.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::ops::Range;
use std::path::{Path, PathBuf};

use lorgnette::net::AtomicFile;
use lorgnette::net::file::open_regular;
use lorgnette::photos::{Exclusion, PassedOver, path_from_bytes};
use sha2::{Digest as _, Sha256};

use super::columns::{Columns, Value};
use crate::bytes;
use crate::error::{Error, Result};
use crate::export::{Cell, ColumnType, Table, open_table, path_cells};
use crate::index::{Discovered, discover};
use crate::library::name;

/// Maximum bytes of a Parquet manifest that is hashed as a whole; of a larger one, the footer is,
/// which has sizes and limits of all its columns.
const MAX_HASHED: u64 = 64 << 20;
/// Maximum bytes of a manifest that is text.
const MAX_TEXT: u64 = 4 << 30;
/// Length of the end of a Parquet file: the length of the footer, and a mark.
const PARQUET_END: u64 = 8;
/// Names of the column with the path, in the order in which they are looked for.
const PATH_COLUMNS: [&str; 3] = ["path", "uri", "photo"];

/// The photos of a fleet: their paths, in a fixed order.
pub struct Manifest {
    path: PathBuf,
    digest: [u8; 32],
    source: Source,
}

enum Source {
    Parquet { columns: Columns, path_column: &'static str },
    Listed(Vec<Listing>),
}

/// A photo, as a manifest lists it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Listing {
    /// The path, as the manifest has it.
    pub(super) path: PathBuf,
    /// Size of the file in bytes.
    pub(super) size: Option<u64>,
    /// Modification time in nanoseconds since 1970.
    pub(super) modified: Option<i64>,
    /// The content of the file, where the manifest has it.
    pub(super) contents: Option<Vec<u8>>,
}

/// The counts of a manifest made from folders.
#[derive(Debug)]
pub struct Listed {
    /// Number of photos.
    pub photos: usize,
    /// Files and folders that are no photos, or were left out.
    pub passed_over: PassedOver,
    /// Folders that cannot be read, and broken links, each with the error.
    pub inaccessible: Vec<(PathBuf, String)>,
}

impl fmt::Debug for Manifest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Manifest").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Manifest {
    /// Opens a manifest.
    ///
    /// # Errors
    /// If the file cannot be read, or has no paths.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let extension = path.extension().and_then(|extension| extension.to_str());
        let manifest = match extension.map(str::to_ascii_lowercase).as_deref() {
            Some("parquet") => Self::open_parquet(path)?,
            kind => {
                let content = read_text(path)?;
                let listings = match kind {
                    Some("csv") => from_csv(path, &content)?,
                    _ => from_lines(&content),
                };
                let digest = Sha256::digest(&content).into();
                Self { path: path.to_owned(), digest, source: Source::Listed(listings) }
            }
        };
        if manifest.photos() == 0 {
            return Err(Error::Unusable {
                name: name(path),
                what: "the manifest lists no photos".into(),
            });
        }
        Ok(manifest)
    }

    /// Returns the path of the manifest.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the number of photos.
    #[must_use]
    pub fn photos(&self) -> usize {
        match &self.source {
            Source::Parquet { columns, .. } => columns.rows(),
            Source::Listed(listings) => listings.len(),
        }
    }

    /// Returns the paths of all photos, as the manifest has them.
    ///
    /// # Errors
    /// If the file is damaged, or a row has no path.
    pub fn paths(&self) -> Result<Vec<PathBuf>> {
        let listings = self.listings(0..self.photos())?;
        Ok(listings.into_iter().map(|listing| listing.path).collect())
    }

    /// Returns the SHA-256 that tells this manifest from others.
    pub(super) fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// Returns whether the manifest has the photos' contents.
    pub(super) fn has_contents(&self) -> bool {
        match &self.source {
            Source::Parquet { columns, .. } => columns.has("bytes"),
            Source::Listed(_) => false,
        }
    }

    /// Returns the photos of these rows.
    ///
    /// # Errors
    /// If the file is damaged, or a row has no path.
    pub(super) fn listings(&self, rows: Range<usize>) -> Result<Vec<Listing>> {
        let (columns, path_column) = match &self.source {
            Source::Listed(listings) => return Ok(listings[rows].to_vec()),
            Source::Parquet { columns, path_column } => (columns, path_column),
        };
        let mut listings = Vec::with_capacity(rows.len());
        let mut first = 0;
        for (group, count) in columns.group_rows().into_iter().enumerate() {
            let from = rows.start.clamp(first, first + count) - first;
            let to = rows.end.clamp(first, first + count) - first;
            if from < to {
                listings.extend(read_group(columns, path_column, group, from..to)?);
            }
            first += count;
        }
        Ok(listings)
    }

    fn open_parquet(path: &Path) -> Result<Self> {
        let columns = Columns::open(path)?;
        let path_column = PATH_COLUMNS.into_iter().find(|column| columns.has(column));
        let path_column = path_column.ok_or_else(|| no_path_column(path))?;
        let digest = digest(path).map_err(|source| Error::File { name: name(path), source })?;
        let source = Source::Parquet { columns, path_column };
        Ok(Self { path: path.to_owned(), digest, source })
    }

    /// Writes a manifest of the photos in folders and their subfolders, in the order of their
    /// absolute paths: Parquet, CSV or text by the ending of `path`.
    ///
    /// # Errors
    /// If a folder does not exist, there are no photos, the manifest cannot be written, or a path
    /// cannot be a line of text.
    pub fn write(
        path: impl AsRef<Path>,
        folders: &[PathBuf],
        exclude: &[Exclusion],
    ) -> Result<Listed> {
        let path = path.as_ref();
        let discovered = discover(folders, exclude, |_| false)?;
        if discovered.files.is_empty() {
            return Err(Error::Request("there are no photos in these folders".into()));
        }
        let unwritable = |source| Error::File { name: name(path), source };
        let extension = path.extension().and_then(|extension| extension.to_str());
        match extension.map(str::to_ascii_lowercase).as_deref() {
            Some("parquet" | "csv") => {
                let table = open_table(path, &MANIFEST_COLUMNS)?;
                write_table(table, &discovered).map_err(unwritable)?;
            }
            _ => {
                let file = AtomicFile::create(path).map_err(unwritable)?;
                write_lines(file, &discovered).map_err(unwritable)?;
            }
        }
        Ok(Listed {
            photos: discovered.files.len(),
            passed_over: discovered.passed_over,
            inaccessible: discovered.inaccessible.into_iter().collect(),
        })
    }
}

/// Columns of a manifest that this program writes.
const MANIFEST_COLUMNS: [(&str, ColumnType); 4] = [
    ("path", ColumnType::Text),
    ("path_bytes", ColumnType::Bytes),
    ("size", ColumnType::Integer),
    ("modified_ns", ColumnType::Integer),
];

fn write_table(mut table: Box<dyn Table>, discovered: &Discovered) -> io::Result<()> {
    for file in &discovered.files {
        let mut cells = path_cells(&file.path);
        cells.extend([Cell::Integer(file.bytes as i64), Cell::Integer(file.modified)]);
        table.row(cells)?;
    }
    table.finish()
}

fn write_lines(mut out: AtomicFile, discovered: &Discovered) -> io::Result<()> {
    for file in &discovered.files {
        let line = bytes::from_path(&file.path);
        if line.contains(&b'\n') || line.contains(&b'\r') {
            let what = format!(
                "the path {:?} is no line of text: write a manifest that ends in .parquet",
                file.path
            );
            return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        }
        out.write_all(line)?;
        out.write_all(b"\n")?;
    }
    out.commit()
}

fn read_group(
    columns: &Columns,
    path_column: &str,
    group: usize,
    rows: Range<usize>,
) -> Result<Vec<Listing>> {
    let column = |column| columns.column(group, column, rows.clone());
    let paths = column(path_column)?.unwrap_or_default();
    let mut path_bytes = column("path_bytes")?.unwrap_or_default().into_iter();
    let mut sizes = column("size")?.unwrap_or_default().into_iter();
    let mut times = column("modified_ns")?.unwrap_or_default().into_iter();
    let mut contents = column("bytes")?.unwrap_or_default().into_iter();
    let mut listings = Vec::with_capacity(paths.len());
    for (row, path) in paths.into_iter().enumerate() {
        let bytes = path_bytes.next().and_then(Value::bytes).or_else(|| path.bytes());
        let Some(bytes) = bytes.filter(|bytes| !bytes.is_empty()) else {
            let row = rows.start + row;
            return Err(columns.wrong(&format!("row {row} of row group {group} has no path")));
        };
        listings.push(Listing {
            path: bytes::to_path(&bytes),
            size: sizes.next().and_then(|size| u64::try_from(size.integer()?).ok()),
            modified: times.next().and_then(|time| time.integer()),
            contents: contents.next().and_then(Value::bytes),
        });
    }
    Ok(listings)
}

fn no_path_column(path: &Path) -> Error {
    let what = format!("the manifest has no column of paths: name it {}", PATH_COLUMNS.join(", "));
    Error::Unusable { name: name(path), what }
}

fn read_text(path: &Path) -> Result<Vec<u8>> {
    let unreadable = |source| Error::File { name: name(path), source };
    let file = open_regular(path).map_err(unreadable)?;
    let mut content = Vec::new();
    file.take(MAX_TEXT + 1).read_to_end(&mut content).map_err(unreadable)?;
    if content.len() as u64 > MAX_TEXT {
        let what = "more than 4 GiB of text: write such a manifest as Parquet".into();
        return Err(Error::Unusable { name: name(path), what });
    }
    Ok(content)
}

fn from_lines(content: &[u8]) -> Vec<Listing> {
    let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content);
    let lines = content.split(|byte| *byte == b'\n');
    lines
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .filter(|line| !line.is_empty())
        .map(|line| Listing { path: bytes::to_path(line), ..Listing::default() })
        .collect()
}

fn from_csv(path: &Path, content: &[u8]) -> Result<Vec<Listing>> {
    let wrong = |what: String| Error::Unusable { name: name(path), what };
    let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content);
    let mut reader = csv::Reader::from_reader(content);
    let header = reader.byte_headers().map_err(|error| wrong(error.to_string()))?.clone();
    let position = |wanted: &str| header.iter().position(|column| column == wanted.as_bytes());
    let path_at =
        PATH_COLUMNS.into_iter().find_map(position).ok_or_else(|| no_path_column(path))?;
    let (bytes_at, size_at, time_at) =
        (position("path_bytes"), position("size"), position("modified_ns"));
    let mut listings = Vec::new();
    for record in reader.byte_records() {
        let record = record.map_err(|error| wrong(error.to_string()))?;
        let line = record.position().map_or(0, csv::Position::line);
        let cell = |at: Option<usize>| record.get(at?).filter(|cell| !cell.is_empty());
        let number = |at: Option<usize>| -> Result<Option<i64>> {
            let Some(cell) = cell(at) else { return Ok(None) };
            let number = str::from_utf8(cell).ok().and_then(|text| text.trim().parse().ok());
            let text = || String::from_utf8_lossy(cell).into_owned();
            number
                .map(Some)
                .ok_or_else(|| wrong(format!("line {line}: '{}' is not a whole number", text())))
        };
        let digits = cell(bytes_at).and_then(|digits| str::from_utf8(digits).ok());
        let exact = digits.and_then(path_from_bytes);
        let Some(path) = exact.or_else(|| cell(Some(path_at)).map(bytes::to_path)) else {
            return Err(wrong(format!("line {line} has no path")));
        };
        listings.push(Listing {
            path,
            size: number(size_at)?.and_then(|size| u64::try_from(size).ok()),
            modified: number(time_at)?,
            contents: None,
        });
    }
    Ok(listings)
}

/// Returns the SHA-256 of a Parquet file, or of its length and footer if it is large.
fn digest(path: &Path) -> io::Result<[u8; 32]> {
    let mut file: File = open_regular(path)?;
    let length = file.metadata()?.len();
    let mut sha = Sha256::new();
    sha.update(length.to_le_bytes());
    if length > MAX_HASHED {
        file.seek(SeekFrom::Start(length - PARQUET_END))?;
        let mut footer = [0; 4];
        file.read_exact(&mut footer)?;
        let footer = u64::from(u32::from_le_bytes(footer));
        file.seek(SeekFrom::Start(length.saturating_sub(PARQUET_END + footer)))?;
    }
    io::copy(&mut file, &mut sha)?;
    Ok(sha.finalize().into())
}

/// Returns the path of a photo's file. Relative paths begin at `root`.
///
/// # Errors
/// If the path is a URI of another kind than `file:`.
pub(super) fn file_path(listed: &Path, root: &Path) -> Result<PathBuf> {
    let text = listed.to_string_lossy();
    let Some((scheme, rest)) = text.split_once("://") else { return Ok(root.join(listed)) };
    let is_scheme = !scheme.is_empty()
        && scheme.chars().all(|letter| letter.is_ascii_alphanumeric() || "+-.".contains(letter));
    match scheme {
        "file" => {
            // file://host/path: the host is this one.
            let path = rest.find('/').map_or(rest, |at| &rest[at..]);
            Ok(bytes::to_path(&percent_decoded(path.as_bytes())))
        }
        _ if is_scheme => Err(Error::Request(format!(
            "{text}: only files of this machine are read: let Ray Data, Spark or another program \
             download the photos (docs/fleet.md)"
        ))),
        _ => Ok(root.join(listed)),
    }
}

fn percent_decoded(text: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, after)) = rest.split_first() {
        let digit = |digit: &u8| char::from(*digit).to_digit(16);
        let byte = match after {
            [high, low, ..] if first == b'%' => digit(high).zip(digit(low)),
            _ => None,
        };
        match byte {
            Some((high, low)) => {
                decoded.push((16 * high + low) as u8);
                rest = &after[2..];
            }
            None => {
                decoded.push(first);
                rest = after;
            }
        }
    }
    decoded
}

/// Returns the folder at which relative paths of a manifest begin where none is given: its own.
pub(super) fn default_root(manifest: &Path) -> PathBuf {
    let folder = manifest.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_of_files_are_paths() {
        let root = Path::new("/photos");
        let path = |listed: &str| file_path(Path::new(listed), root).unwrap();
        assert_eq!(path("a b.jpg"), Path::new("/photos/a b.jpg"));
        assert_eq!(path("/x/a%20b.jpg"), Path::new("/x/a%20b.jpg"), "a path, not a URI");
        assert_eq!(path("file:///x/a%20b%.jpg"), Path::new("/x/a b%.jpg"));
        assert_eq!(path("file:///x/a%+b.jpg"), Path::new("/x/a%+b.jpg"));
        assert_eq!(path("file://localhost/x.jpg"), Path::new("/x.jpg"));
        let error = file_path(Path::new("s3://bucket/a.jpg"), root).unwrap_err().to_string();
        assert!(error.starts_with("s3://bucket/a.jpg: only files of this machine"), "{error}");
    }

    #[test]
    fn lines_may_end_as_on_windows() {
        let listings = from_lines(b"\xef\xbb\xbfa.jpg\r\n\r\nb c.jpg\nlast.jpg");
        let paths: Vec<_> = listings.iter().map(|listing| listing.path.to_str().unwrap()).collect();
        assert_eq!(paths, ["a.jpg", "b c.jpg", "last.jpg"]);
    }

    #[test]
    fn cells_of_csv_are_found_by_their_header() {
        let text = b"size,photo,modified_ns\n12,\"a,b.jpg\",-5\n,c.jpg,\n";
        let listings = from_csv(Path::new("m.csv"), text).unwrap();
        assert_eq!((listings[0].size, listings[0].modified), (Some(12), Some(-5)));
        assert_eq!(listings[0].path, Path::new("a,b.jpg"));
        assert_eq!((listings[1].size, listings[1].modified), (None, None));
        for (text, what) in [
            (&b"name\na.jpg\n"[..], "no column of paths"),
            (b"path,size\na.jpg,big\n", "line 2: 'big' is not a whole number"),
            (b"path,size\n,5\n", "line 2 has no path"),
        ] {
            let error = from_csv(Path::new("m.csv"), text).unwrap_err().to_string();
            assert!(error.contains(what), "{error}");
        }
    }
}
