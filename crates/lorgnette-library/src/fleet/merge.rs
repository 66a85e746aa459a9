//! One library from parts.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use lorgnette::{Observer, Progress};

use super::Shard;
use super::manifest::file_path;
use super::part::{Answers, Description, Part, Row};
use crate::error::{Error, Result};
use crate::index::{self, File, Outcome, Record};
use crate::library::{Library, name};

/// Options of [`merge`].
#[derive(Clone, Debug, Default)]
pub struct MergeOptions {
    /// The folder at which relative paths begin.
    pub root: Option<PathBuf>,
    /// Whether shards may be missing.
    pub partial: bool,
}

/// The counts of a merged library.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MergeSummary {
    /// Number of shards; 0 for parts of another scheduler.
    pub shards: usize,
    /// Number of shards without a part.
    pub missing_shards: usize,
    /// Number of photos in the library.
    pub photos: usize,
    /// Number of photos that were analysed.
    pub analysed: usize,
    /// Number of photos that failed.
    pub failed: usize,
    /// Number of rows beyond the first of a photo.
    pub repeated: usize,
}

/// Builds a library from parts, which are files, or in folders. The library is that of
/// [`index`](crate::index()) with the same photos, model and options, but for the folders. `None`
/// if the observer cancels the call; there is no library then.
///
/// # Errors
/// If the library exists or cannot be written; if parts are missing, damaged, or of different
/// manifests, models or options.
pub fn merge(
    parts: &[PathBuf],
    library: &Path,
    options: &MergeOptions,
    observer: &mut dyn Observer,
) -> Result<Option<MergeSummary>> {
    if library.exists() {
        let what = "it exists: name a new file, or remove it".into();
        return Err(Error::Unusable { name: name(library), what });
    }
    let found = Found::new(parts)?;
    let mut summary = found.check(options)?;
    let partial = with_suffix(library, ".partial");
    remove_library(&partial)?;
    let merged =
        Merging { found: &found, options, summary: &mut summary }.write(&partial, observer);
    match merged {
        Ok(ControlFlow::Continue(())) => {}
        stopped => {
            let _ = remove_library(&partial);
            return stopped.map(|_| None);
        }
    }
    fs::rename(&partial, library).map_err(|source| Error::File { name: name(library), source })?;
    Ok(Some(summary))
}

/// The parts that were found.
struct Found {
    /// Parts that are merged row by row: those of each shard, or each one of another scheduler.
    groups: Vec<Vec<PathBuf>>,
    description: Description,
    /// The shard of each group, or 0.
    indices: Vec<usize>,
    rows: usize,
}

impl Found {
    fn new(parts: &[PathBuf]) -> Result<Self> {
        let mut groups: BTreeMap<(usize, PathBuf), Vec<PathBuf>> = BTreeMap::new();
        let mut rows = 0;
        let files = files(parts)?;
        let (expected, other) = first_description(&files)?;
        for path in files {
            let part = Part::open_like(&path, &expected)?;
            let description = &part.description;
            rows += part.rows();
            if let Some(what) = description.difference(&expected) {
                let what = format!("this part is of {what} than {}", name(&other));
                return Err(Error::Unusable { name: name(&path), what });
            }
            let key = match &description.shard {
                Some(shard) => (shard.index, PathBuf::new()),
                None => (0, path.clone()),
            };
            groups.entry(key).or_default().push(path);
        }
        let indices = groups.keys().map(|(index, _)| *index).collect();
        let groups = groups.into_values().collect();
        Ok(Self { groups, description: expected, indices, rows })
    }

    /// Checks that every photo of the manifest is there once.
    fn check(&self, options: &MergeOptions) -> Result<MergeSummary> {
        let Some(shard) = &self.description.shard else { return Ok(MergeSummary::default()) };
        let (indices, count) = (&self.indices, shard.count);
        let missing: Vec<usize> =
            (0..count).filter(|index| indices.binary_search(index).is_err()).collect();
        if !missing.is_empty() && !options.partial {
            let some: Vec<String> =
                missing.iter().take(10).map(|index| format!("{index}/{count}")).collect();
            let more = if missing.len() > some.len() { ", …" } else { "" };
            return Err(Error::Request(format!(
                "{} of {count} shards are missing: {}{more}: run them first",
                missing.len(),
                some.join(", "),
            )));
        }
        let photos =
            indices.iter().map(|&index| Shard { index, count }.rows(shard.manifest_photos).len());
        let expected: usize = photos.sum();
        if expected != self.rows {
            return Err(Error::Request(format!(
                "the parts have {} photos, and their shards {expected}: a part or its failures \
                 (.failed.parquet) is missing or damaged",
                self.rows
            )));
        }
        Ok(MergeSummary { shards: count, missing_shards: missing.len(), ..MergeSummary::default() })
    }
}

struct Merging<'a> {
    found: &'a Found,
    options: &'a MergeOptions,
    summary: &'a mut MergeSummary,
}

impl Merging<'_> {
    fn write(self, path: &Path, observer: &mut dyn Observer) -> Result<ControlFlow<()>> {
        let mut library = Library::create(path)?;
        let description = &self.found.description;
        let mut passes = vec![(Answers::Model, description.model.record()?)];
        if let Some(faces) = &description.faces {
            passes.push((Answers::Faces, faces.record()?));
        }
        let total = self.found.rows * passes.len();
        let (mut done, mut failed) = (0, 0);
        for (answers, record) in passes {
            let mut store = index::Store::new(&mut library, &record)?;
            for group in &self.found.groups {
                let stored = self.group(group, answers, &mut |row| {
                    done += 1;
                    let is_failed = answers == Answers::Model && row.error().is_some();
                    failed += usize::from(is_failed);
                    let flow = observer.event(&Progress { done, total });
                    if let Some((file, record)) = self.options.record(row, answers)? {
                        store.push(file, record)?;
                    }
                    Ok(flow)
                })?;
                if stored.is_break() {
                    return Ok(stored);
                }
            }
            let summary = store.finish()?;
            if answers == Answers::Model {
                self.summary.analysed = summary.analysed;
            }
        }
        // On closing, SQLite does not tell of a disk without room.
        library.checkpoint()?;
        self.summary.failed = failed;
        self.summary.photos = library.count()?;
        self.summary.repeated = self.found.rows.saturating_sub(self.summary.photos);
        Ok(ControlFlow::Continue(()))
    }

    /// Visits the rows of a group in the order of their numbers.
    fn group(
        &self,
        group: &[PathBuf],
        answers: Answers,
        visit: &mut dyn FnMut(Row) -> Result<ControlFlow<()>>,
    ) -> Result<ControlFlow<()>> {
        let mut streams = Vec::with_capacity(group.len());
        for path in group {
            streams.push(Rows::open(path, &self.found.description, answers)?);
        }
        loop {
            let mut next: Option<(usize, usize)> = None;
            for (at, stream) in streams.iter_mut().enumerate() {
                if let Some(number) = stream.peek()? {
                    next = Some(next.map_or((number, at), |other| other.min((number, at))));
                }
            }
            let Some((_, at)) = next else { return Ok(ControlFlow::Continue(())) };
            if let Some(row) = streams[at].rows.next()
                && visit(row)?.is_break()
            {
                return Ok(ControlFlow::Break(()));
            }
        }
    }
}

impl MergeOptions {
    /// Returns the record for the library; `None` if it has no such answers.
    fn record(&self, row: Row, answers: Answers) -> Result<Option<(File, Record)>> {
        let Row { path, bytes, modified, mut record, faces, .. } = row;
        if answers == Answers::Faces {
            let Some(Ok(faces)) = faces else { return Ok(None) };
            record.outcome = Outcome::Analysed(faces);
        }
        let path = self.absolute(&path)?;
        Ok(Some((File { path, bytes, modified: modified.unwrap_or(0) }, record)))
    }

    /// Returns the absolute path of a photo. URIs of other machines stay as they are.
    fn absolute(&self, path: &Path) -> Result<PathBuf> {
        let Ok(path) = file_path(path, Path::new("")) else { return Ok(path.to_owned()) };
        match &self.root {
            _ if path.is_absolute() => Ok(path),
            Some(root) => Ok(root.join(path)),
            None => Err(Error::Request(format!(
                "{}: a relative path: name the folder at which it begins",
                name(&path)
            ))),
        }
    }
}

/// The rows of a part, one row group in memory at a time.
struct Rows {
    part: Part,
    answers: Answers,
    next_group: usize,
    rows: std::iter::Peekable<std::vec::IntoIter<Row>>,
}

impl Rows {
    fn open(path: &Path, like: &Description, answers: Answers) -> Result<Self> {
        let rows = Vec::new().into_iter().peekable();
        Ok(Self { part: Part::open_like(path, like)?, answers, next_group: 0, rows })
    }

    /// Returns the number of the next row, 0 if it has none; `None` at the end.
    fn peek(&mut self) -> Result<Option<usize>> {
        while self.rows.peek().is_none() && self.next_group < self.part.groups() {
            self.rows = self.part.read(self.next_group, self.answers)?.into_iter().peekable();
            self.next_group += 1;
        }
        Ok(self.rows.peek().map(|row| row.number.unwrap_or(0)))
    }
}

/// Returns the description of the first file that has one, and its path.
fn first_description(files: &[PathBuf]) -> Result<(Description, PathBuf)> {
    for path in files {
        if let Some(description) = Part::description_in(path)? {
            return Ok((description, path.clone()));
        }
    }
    Err(Error::Request(match files.first() {
        Some(path) => format!(
            "{}: no part of a fleet, or one that lost its description: put an empty part beside it \
             (docs/fleet_spark.md)",
            name(path)
        ),
        None => "there are no parts (*.parquet) to merge".into(),
    }))
}

/// Returns the files of parts: those that are named, and those in folders that are named.
fn files(parts: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in parts {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let unreadable = |source: io::Error| Error::File { name: name(path), source };
        for entry in fs::read_dir(path).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            let file_name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            // Spark and others keep hidden files beside theirs.
            if file_name.ends_with(".parquet") && !file_name.starts_with(['.', '_']) {
                files.push(path);
            }
        }
    }
    files.sort();
    files.dedup();
    Ok(files)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut text = path.as_os_str().to_owned();
    text.push(suffix);
    text.into()
}

/// Removes a library and SQLite's files beside it, if there are any.
fn remove_library(path: &Path) -> Result<()> {
    for suffix in ["", "-wal", "-shm"] {
        let path = with_suffix(path, suffix);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(Error::File { name: name(&path), source: error });
            }
            _ => {}
        }
    }
    Ok(())
}
