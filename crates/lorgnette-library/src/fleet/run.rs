//! Analysis of one shard.

use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use lorgnette::net::AtomicFile;
use lorgnette::parallel::par_map_ordered;
use lorgnette::{Observer, Progress};

use super::Shard;
use super::analyse::{FleetAnalyser, FleetWorker};
use super::manifest::{self, Listing, Manifest};
use super::part::{self, Description, Part, Row, ShardDescription};
use crate::error::{Error, Result};
use crate::export::hex;
use crate::library::name;

/// Photos that are listed at a time.
const CHUNK: usize = 4096;
/// The same for each worker, of a manifest with the photos' contents.
const LOADED_PER_WORKER: usize = 32;

/// The treatment of a part that exists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Existing {
    /// It stays.
    #[default]
    Keep,
    /// It is computed again if a photo of it could not be opened.
    RetryUnread,
}

/// A shard to analyse.
#[derive(Debug)]
pub struct FleetRun<'a> {
    /// The photos.
    pub manifest: &'a Manifest,
    /// Which of them.
    pub shard: Shard,
    /// The folder of parts, which exists.
    pub out: &'a Path,
    /// The folder at which relative paths begin; by default the manifest's.
    pub root: Option<PathBuf>,
    /// The treatment of a part that exists.
    pub existing: Existing,
}

/// The outcome of a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardSummary {
    /// File of the photos that were analysed.
    pub part: PathBuf,
    /// File of the photos that failed.
    pub failed_part: PathBuf,
    /// Number of photos that were analysed.
    pub analysed: usize,
    /// Number of photos that failed.
    pub failed: usize,
    /// Whether the part existed.
    pub existed: bool,
}

impl FleetRun<'_> {
    /// Analyses the photos of the shard and writes its part and its failures, unless both exist.
    /// `None` if the observer cancels the run; nothing is written then.
    ///
    /// # Errors
    /// If `out` has parts of another manifest, model or options; if no photo at all can be opened;
    /// if a photo is neither in a file of this machine nor in the manifest; if `out` cannot be
    /// written.
    pub fn run(
        &self,
        analyser: &FleetAnalyser,
        workers: Vec<FleetWorker<'_>>,
        observer: &mut dyn Observer,
    ) -> Result<Option<ShardSummary>> {
        let description = self.description(analyser);
        if let Some(summary) = self.existing(&description)? {
            return Ok(Some(summary));
        }
        let [part, failed_part] = part::paths(self.out, self.shard);
        let mut output = Output::create(&description, &part, &failed_part)?;
        if self.fill(analyser, workers, &mut output, observer)?.is_break() {
            return Ok(None);
        }
        let (analysed, failed) = (output.analysed, output.failed);
        output.commit()?;
        Ok(Some(ShardSummary { part, failed_part, analysed, failed, existed: false }))
    }

    fn description(&self, analyser: &FleetAnalyser) -> Description {
        let shard = ShardDescription {
            index: self.shard.index,
            count: self.shard.count,
            manifest_photos: self.manifest.photos(),
            manifest: hex(self.manifest.digest()),
        };
        Description { shard: Some(shard), ..analyser.description() }
    }

    fn existing(&self, description: &Description) -> Result<Option<ShardSummary>> {
        let [part, failed_part] = part::paths(self.out, self.shard);
        if !part.exists() || !failed_part.exists() {
            if let Some(other) = any_part(self.out)? {
                check_belongs(&Part::open(&other)?, description)?;
            }
            return Ok(None);
        }
        let (found, found_failed) = (Part::open(&part)?, Part::open(&failed_part)?);
        check_belongs(&found, description)?;
        check_belongs(&found_failed, description)?;
        if self.existing == Existing::RetryUnread && found_failed.has_unread_photos()? {
            return Ok(None);
        }
        let (analysed, failed) = (found.rows(), found_failed.rows());
        Ok(Some(ShardSummary { part, failed_part, analysed, failed, existed: true }))
    }

    fn fill(
        &self,
        analyser: &FleetAnalyser,
        mut workers: Vec<FleetWorker<'_>>,
        output: &mut Output<'_>,
        observer: &mut dyn Observer,
    ) -> Result<ControlFlow<()>> {
        let rows = self.shard.rows(self.manifest.photos());
        let root = self.root.clone();
        let root = root.unwrap_or_else(|| manifest::default_root(self.manifest.path()));
        let chunk = match self.manifest.has_contents() {
            true => LOADED_PER_WORKER * workers.len(),
            false => CHUNK,
        };
        let total = rows.len();
        let mut next = rows.start;
        while next < rows.end {
            let end = rows.end.min(next + chunk);
            let listings = self.manifest.listings(next..end)?;
            for listing in listings.iter().filter(|listing| listing.contents.is_none()) {
                manifest::file_path(&listing.path, &root)?;
            }
            let work = workers.iter_mut().map(|worker| {
                let root = &root;
                move |at: usize, listing: &Listing| {
                    analyser.analyse(next + at, listing.clone(), root, worker)
                }
            });
            let mut ended = Ok(ControlFlow::Continue(()));
            par_map_ordered(&listings, work.collect(), |_, row: Row| {
                let written = output.write(&row);
                let done = output.analysed + output.failed;
                ended = written.map(|()| observer.event(&Progress { done, total }));
                match ended {
                    Ok(flow) => flow,
                    Err(_) => ControlFlow::Break(()),
                }
            });
            if ended?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
            next = end;
        }
        output.check_any_was_opened()?;
        Ok(ControlFlow::Continue(()))
    }
}

/// The two files of a shard, while they are written.
struct Output<'a> {
    description: &'a Description,
    part: PartFile,
    failed_part: PartFile,
    analysed: usize,
    failed: usize,
    /// The error of the first photo, while no photo was opened.
    first_error: Option<String>,
    is_any_opened: bool,
}

/// A part while it is written.
struct PartFile {
    path: PathBuf,
    writer: crate::export::ParquetWriter<AtomicFile>,
}

impl PartFile {
    fn create(path: &Path, description: &Description) -> Result<Self> {
        let unwritable = |source| Error::File { name: name(path), source };
        let file = AtomicFile::create(path).map_err(unwritable)?;
        let writer = description.writer(file).map_err(unwritable)?;
        Ok(Self { path: path.to_owned(), writer })
    }

    fn row(&mut self, description: &Description, row: &Row) -> Result<()> {
        let written = self.writer.row(description.cells(row));
        written.map_err(|source| Error::File { name: name(&self.path), source })
    }

    fn commit(self) -> Result<()> {
        let committed = self.writer.finish().and_then(AtomicFile::commit);
        committed.map_err(|source| Error::File { name: name(&self.path), source })
    }
}

impl<'a> Output<'a> {
    fn create(description: &'a Description, part: &Path, failed_part: &Path) -> Result<Self> {
        Ok(Self {
            description,
            part: PartFile::create(part, description)?,
            failed_part: PartFile::create(failed_part, description)?,
            analysed: 0,
            failed: 0,
            first_error: None,
            is_any_opened: false,
        })
    }

    fn write(&mut self, row: &Row) -> Result<()> {
        self.is_any_opened |= row.record.digest.is_some();
        match row.error() {
            Some(error) => {
                self.failed += 1;
                self.first_error.get_or_insert_with(|| error.to_owned());
                self.failed_part.row(self.description, row)
            }
            None => {
                self.analysed += 1;
                self.part.row(self.description, row)
            }
        }
    }

    /// Refuses a shard of which no photo could be opened: the storage is not there, and such a part
    /// would be skipped for ever.
    fn check_any_was_opened(&self) -> Result<()> {
        match &self.first_error {
            Some(error) if !self.is_any_opened => Err(Error::Request(format!(
                "none of {} photos could be opened, so nothing was written; the first: {error}",
                self.failed
            ))),
            _ => Ok(()),
        }
    }

    /// Gives both files their names. The part is the last: a shard without it is not complete.
    fn commit(self) -> Result<()> {
        self.failed_part.commit()?;
        self.part.commit()
    }
}

/// Returns the first part in a folder, if there is any.
fn any_part(folder: &Path) -> Result<Option<PathBuf>> {
    let unreadable = |source: io::Error| Error::File { name: name(folder), source };
    let mut first: Option<PathBuf> = None;
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let file_name = path.file_name().unwrap_or_default().to_string_lossy();
        let is_part = file_name.starts_with("part-") && file_name.ends_with(".parquet");
        if is_part && first.as_ref().is_none_or(|first| path < *first) {
            first = Some(path);
        }
    }
    Ok(first)
}

fn check_belongs(part: &Part, description: &Description) -> Result<()> {
    match part.description.difference(description) {
        None => Ok(()),
        Some(what) => Err(Error::Unusable {
            name: name(part.path()),
            what: format!("this part is of {what}: name another folder, or remove its parts"),
        }),
    }
}
