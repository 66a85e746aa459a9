//! Indexing of folders of photos.
//!
//! ```text
//! discover ─▶ compare with the library ─▶ workers: read, digest, decode, analyse
//!          ─▶ in order ─▶ one writer
//! ```
//!
//! Each worker processes whole photos, so that decoding and inference overlap. Results are written
//! in the order of paths, in short transactions of a few dozen, so that other processes rarely
//! wait. A killed run has written all photos up to some path, and the next run continues there. The
//! library then equals that of an undisturbed run, including its ids.

mod discover;
mod read;
mod request;
mod write;

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use lorgnette::parallel::par_map_ordered;
use lorgnette::photos::{Exclusion, PassedOver};
use lorgnette::picture::{OpenOptions, PictureError};
use lorgnette::{Observer, Picture};
use rusqlite::{Connection, OptionalExtension as _, params};
use serde::Serialize;

pub(crate) use self::discover::{Discovered, File, discover, modified as modified_time};
pub(crate) use self::read::{CaptureInfo, Contents, Digest};
pub use self::request::IndexRequest;
use crate::analyse::{Detections, ModelRecord, PhotoAnalyser};
use crate::bytes;
use crate::error::Result;
use crate::library::Library;
use crate::photo::State;

/// Maximum number of photos of a transaction.
const MAX_BATCH: usize = 64;
/// Photos of a transaction of [`import`].
const IMPORT_BATCH: usize = 4096;
/// Maximum delay before a result is written.
const MAX_WRITE_DELAY: Duration = Duration::from_millis(500);

/// Options of [`index`].
#[derive(Clone, Debug, Default)]
pub struct IndexOptions {
    /// Options for opening photos.
    pub open: OpenOptions,
    /// Whether unreadable photos that have not changed are tried again.
    pub retry: bool,
    /// Files and folders to leave out. Photos of an earlier run among them count as missing.
    pub exclude: Vec<Exclusion>,
}

/// Progress of [`index`].
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The folders were walked; the photos to analyse are known.
    Started {
        /// Number of photos that are new, changed, or not analysed by this model.
        photos: usize,
    },
    /// A photo was processed.
    Done {
        /// Path.
        photo: &'a Path,
        /// Error of the photo, if any.
        error: Option<&'a str>,
    },
    /// Files and folders were passed over that are no photos, or were left out.
    PassedOver(&'a PassedOver),
    /// A folder cannot be read, or a link is broken.
    Inaccessible {
        /// Path.
        path: &'a Path,
        /// Error of the operating system.
        error: &'a str,
    },
}

/// Counts of photos by outcome; the JSON of what indexing reports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Photos found in the folders.
    pub found: usize,
    /// Photos analysed by the model.
    pub analysed: usize,
    /// Photos with the bytes of an analysed photo; its detections were copied.
    pub copied: usize,
    /// Photos that were stored under another path.
    pub moved: usize,
    /// Unchanged photos.
    pub unchanged: usize,
    /// Photos that could not be read or analysed.
    pub failed: usize,
    /// Those of `unchanged` that could not be decoded before.
    pub still_unreadable: usize,
    /// Photos whose files are gone.
    #[serde(rename = "vanished")]
    pub missing: usize,
    /// Folders that could not be read, and broken links.
    #[serde(rename = "closed")]
    pub inaccessible: usize,
}

/// A photo to process, and its record in the library.
struct Work {
    file: File,
    known_file: Option<KnownFile>,
}

/// Record of a path in the library.
struct KnownFile {
    digest: Option<Digest>,
    bytes: u64,
    modified: i64,
    state: State,
    /// Whether this model has analysed the photo.
    analysed: bool,
}

impl KnownFile {
    fn from_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            digest: row.get(0)?,
            bytes: row.get(1)?,
            modified: row.get(2)?,
            state: row.get(3)?,
            analysed: row.get(4)?,
        })
    }
}

/// Result of a worker.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) digest: Option<Digest>,
    pub(crate) capture: CaptureInfo,
    pub(crate) size: Option<[usize; 2]>,
    pub(crate) outcome: Outcome,
}

#[derive(Debug)]
pub(crate) enum Outcome {
    Analysed(Detections),
    /// This model has analysed a photo with the same bytes.
    AlreadyAnalysed,
    /// The file cannot be read or decoded, with the error.
    Unreadable(String),
    /// The model failed, with the error.
    AnalysisFailed(String),
}

/// Watches a run of [`index`], and may stop it.
pub type IndexObserver<'a> = dyn for<'e> Observer<Event<'e>> + 'a;

/// A model and its analysers, one for each worker thread.
#[derive(Clone, Debug)]
pub struct Analysers<'a, A> {
    /// Describes the model in the library.
    pub model: &'a ModelRecord,
    /// Analyse photos in parallel, each on its own thread.
    pub workers: Vec<A>,
}

/// Updates a library with the photos in `folders`, or in the folders indexed before if there are
/// none. Analyses photos that are new, changed or not analysed by this model, and marks missing
/// ones. If the observer cancels the run, finished photos stay stored, and the summary counts them.
///
/// # Errors
/// If a folder does not exist, or the library cannot be written. Errors of single photos are events
/// and do not stop the run.
pub fn index<A: PhotoAnalyser>(
    library: &mut Library,
    folders: &[PathBuf],
    analysers: Analysers<'_, A>,
    options: &IndexOptions,
    observer: &mut IndexObserver<'_>,
) -> Result<Summary> {
    let name = crate::library::name(library.path());
    index_folders(library, folders, analysers, options, observer)
        .map_err(|error| error.in_library(&name))
}

fn index_folders<A: PhotoAnalyser>(
    library: &mut Library,
    folders: &[PathBuf],
    analysers: Analysers<'_, A>,
    options: &IndexOptions,
    observer: &mut IndexObserver<'_>,
) -> Result<Summary> {
    let Analysers { model: model_record, workers } = analysers;
    let model = write::model(library, model_record)?;
    let folders = if folders.is_empty() { library.folders()? } else { folders.to_vec() };
    let discovered =
        discover(&folders, &options.exclude, |root| is_indexed(library.connection(), root))?;
    write::folders(library, &discovered.roots)?;
    let mut begun = ControlFlow::Continue(());
    if !discovered.passed_over.is_empty() {
        begun = observer.event(&Event::PassedOver(&discovered.passed_over));
    }
    for (path, error) in &discovered.inaccessible {
        if begun.is_continue() {
            begun = observer.event(&Event::Inaccessible { path, error });
        }
    }
    let mut indexing = Indexing { store: Store::of_model(library, model), options };
    indexing.store.summary.inaccessible = discovered.inaccessible.len();
    let work = indexing.compare(&discovered)?;
    if begun.is_continue() {
        begun = observer.event(&Event::Started { photos: work.len() });
    }
    if begun.is_continue() && indexing.work(&work, workers, observer)?.is_continue() {
        indexing.store.summary.missing = write::mark_missing(indexing.store.library, &discovered)?;
    }
    Ok(indexing.store.summary)
}

/// A photo analysed elsewhere.
#[derive(Clone, Debug)]
pub struct ImportedPhoto {
    /// Absolute path.
    pub path: PathBuf,
    /// SHA-256 of the file.
    pub digest: [u8; 32],
    /// Size of the file in bytes.
    pub bytes: u64,
    /// Modification time of the file, in nanoseconds since 1970.
    pub modified: i64,
    /// Time of capture: `YYYY-MM-DDTHH:MM:SS`.
    pub taken: Option<String>,
    /// Width and height in pixels, upright.
    pub size: [usize; 2],
    /// Detections in the photo.
    pub detections: Detections,
}

/// Stores photos that were analysed elsewhere by the model of `model_record`; returns their number.
/// Their files need not exist.
///
/// # Errors
/// If the library cannot be written, or a class index is out of range for the model.
pub fn import(
    library: &mut Library,
    model_record: &ModelRecord,
    photos: impl IntoIterator<Item = ImportedPhoto>,
) -> Result<usize> {
    let mut store = Store::new(library, model_record)?;
    for photo in photos {
        let ImportedPhoto { path, digest, bytes, modified, taken, size, detections } = photo;
        let capture = CaptureInfo { taken, orientation: None };
        let record = Record {
            digest: Some(digest),
            capture,
            size: Some(size),
            outcome: Outcome::Analysed(detections),
        };
        store.push(File { path, bytes, modified }, record)?;
    }
    Ok(store.finish()?.analysed)
}

/// Stores results of one model in transactions.
pub(crate) struct Store<'a> {
    library: &'a mut Library,
    model: i64,
    summary: Summary,
    copies: write::Copies,
    /// Results of the next transaction.
    pending: Vec<(File, Record)>,
}

impl<'a> Store<'a> {
    /// Stores photos that were analysed elsewhere, whose files need not exist.
    pub(crate) fn new(library: &'a mut Library, model_record: &ModelRecord) -> Result<Self> {
        let model = write::model(library, model_record)?;
        let copies = write::Copies::without_files();
        Ok(Self { copies, ..Self::of_model(library, model) })
    }

    fn of_model(library: &'a mut Library, model: i64) -> Self {
        let (summary, copies) = (Summary::default(), write::Copies::default());
        Self { library, model, summary, copies, pending: Vec::new() }
    }

    /// Stores a result, with others in one transaction.
    pub(crate) fn push(&mut self, file: File, record: Record) -> Result<()> {
        self.pending.push((file, record));
        if self.pending.len() < IMPORT_BATCH { Ok(()) } else { self.flush() }
    }

    /// Stores the last results; returns the counts.
    pub(crate) fn finish(mut self) -> Result<Summary> {
        self.flush()?;
        Ok(self.summary)
    }

    /// Writes pending results in one transaction.
    fn flush(&mut self) -> Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let transaction = self.library.transaction()?;
        let mut summary = self.summary;
        for (file, record) in &self.pending {
            let mut writer = write::Writer::new(&transaction, self.model, &mut self.copies);
            writer.record(file, record, &mut summary)?;
        }
        transaction.commit()?;
        self.summary = summary;
        self.pending.clear();
        Ok(())
    }
}

fn is_indexed(connection: &Connection, root: &Path) -> bool {
    let found = connection.query_row(
        "SELECT 1 FROM folder WHERE path = ?",
        [bytes::from_path(root)],
        |_| Ok(()),
    );
    found.is_ok()
}

struct Indexing<'a> {
    store: Store<'a>,
    options: &'a IndexOptions,
}

impl Indexing<'_> {
    /// Returns the photos to process. Photos that have come back unchanged are marked at once.
    fn compare(&mut self, discovered: &Discovered) -> Result<Vec<Work>> {
        let mut work = Vec::new();
        let mut returned = Vec::new();
        for file in &discovered.files {
            let Store { library, model, .. } = &self.store;
            let known_file = known_file(library.connection(), *model, &file.path)?;
            match &known_file {
                Some(known_file) if self.is_up_to_date(known_file, file) => {
                    let summary = &mut self.store.summary;
                    summary.unchanged += 1;
                    summary.still_unreadable += usize::from(known_file.state == State::Unreadable);
                    if known_file.state == State::Missing {
                        returned.push(&file.path);
                    }
                }
                _ => work.push(Work { file: file.clone(), known_file }),
            }
        }
        self.store.summary.found = discovered.files.len();
        write::mark_returned(self.store.library, &returned)?;
        Ok(work)
    }

    /// Returns whether a file is unchanged and analysed by this model.
    fn is_up_to_date(&self, known_file: &KnownFile, file: &File) -> bool {
        let same = known_file.bytes == file.bytes
            && known_file.modified == file.modified
            && known_file.digest.is_some();
        same && match known_file.state {
            State::Unreadable => !self.options.retry,
            State::Present | State::Missing => known_file.analysed,
        }
    }

    fn work<A: PhotoAnalyser>(
        &mut self,
        work: &[Work],
        workers: Vec<A>,
        observer: &mut IndexObserver<'_>,
    ) -> Result<ControlFlow<()>> {
        let path = self.store.library.path().to_owned();
        let (model, open) = (self.store.model, &self.options.open);
        let worker = |mut analyser: A| -> Result<_> {
            let library = Library::open_read_only(&path)?;
            let mut unreadable = Unreadable::default();
            Ok(move |_: usize, work: &Work| {
                analyse_photo(&mut analyser, work, open, &mut unreadable, |digest| {
                    library.is_analysed(model, digest)
                })
            })
        };
        let workers = workers.into_iter().map(worker).collect::<Result<Vec<_>>>()?;
        let store = &mut self.store;
        let mut written = Instant::now();
        let mut ended = Ok(ControlFlow::Continue(()));
        par_map_ordered(work, workers, |work: &Work, record| {
            let done = Event::Done { photo: &work.file.path, error: record.error() };
            let flow = observer.event(&done);
            store.pending.push((work.file.clone(), record));
            let due = store.pending.len() >= MAX_BATCH
                || written.elapsed() >= MAX_WRITE_DELAY
                || flow.is_break();
            if due {
                ended = store.flush().map(|()| flow);
                written = Instant::now();
            }
            if matches!(ended, Ok(ControlFlow::Continue(()))) {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        });
        let ended = ended?;
        store.flush()?;
        Ok(ended)
    }
}

/// Returns the record of a path.
fn known_file(connection: &Connection, model: i64, path: &Path) -> Result<Option<KnownFile>> {
    let sql = "SELECT digest, bytes, modified, state,
                      EXISTS (SELECT 1 FROM analysis WHERE analysis.photo = photo.id AND model = ?2)
               FROM photo WHERE path = ?1";
    Ok(connection
        .prepare_cached(sql)?
        .query_row(params![bytes::from_path(path), model], KnownFile::from_row)
        .optional()?)
}

/// Contents that a worker could not decode, and why. A folder may have thousands of copies of one,
/// none of which the library has an analysis of.
#[derive(Debug, Default)]
struct Unreadable {
    reasons: HashMap<Digest, String>,
}

impl Unreadable {
    /// Notes the error of a photo without the photo's name.
    fn insert(&mut self, digest: Digest, photo: &Path, error: &str) {
        let reason = error.strip_prefix(&format!("{}: ", photo.display())).unwrap_or(error);
        self.reasons.insert(digest, reason.to_owned());
    }

    /// Returns the error for a photo of the same content.
    fn error(&self, digest: &Digest, photo: &Path) -> Option<String> {
        let reason = self.reasons.get(digest)?;
        Some(format!("{}: {reason}", photo.display()))
    }
}

/// Processes a photo.
fn analyse_photo(
    analyser: &mut impl PhotoAnalyser,
    work: &Work,
    open: &OpenOptions,
    unreadable: &mut Unreadable,
    is_analysed: impl Fn(&Digest) -> bool,
) -> Record {
    let contents = match read::contents(&work.file.path, open) {
        Ok(contents) => contents,
        Err(error) => return Record::unreadable(None, error.to_string()),
    };
    let digest = contents.digest;
    if let Some(error) = unreadable.error(&digest, &work.file.path) {
        return Record::unreadable(Some(digest), error);
    }
    let same = work
        .known_file
        .as_ref()
        .is_some_and(|known_file| known_file.digest == Some(digest) && known_file.analysed);
    if same || is_analysed(&digest) {
        return Record {
            digest: Some(digest),
            capture: contents.capture(),
            size: None,
            outcome: Outcome::AlreadyAnalysed,
        };
    }
    let picture = match contents.picture(open) {
        Ok(picture) => picture,
        Err(error) => {
            let error = error.to_string();
            unreadable.insert(digest, &work.file.path, &error);
            return Record::unreadable(Some(digest), error);
        }
    };
    Record::analysed(&contents, &picture, analyser)
}

impl Record {
    /// Analyses a photo.
    pub(crate) fn analysed(
        contents: &Contents,
        picture: &Picture,
        analyser: &mut (impl PhotoAnalyser + ?Sized),
    ) -> Self {
        let outcome = match analyser.analyse(picture) {
            Ok(detections) => Outcome::Analysed(detections),
            Err(error) => Outcome::AnalysisFailed(format!("{}: {error}", picture.name())),
        };
        let size = Some(picture.source_size().into());
        Self { digest: Some(contents.digest), capture: contents.capture(), size, outcome }
    }

    pub(crate) fn unreadable(digest: Option<Digest>, why: String) -> Self {
        Self {
            digest,
            capture: CaptureInfo::default(),
            size: None,
            outcome: Outcome::Unreadable(why),
        }
    }

    fn error(&self) -> Option<&str> {
        match &self.outcome {
            Outcome::Unreadable(why) | Outcome::AnalysisFailed(why) => Some(why),
            Outcome::Analysed(_) | Outcome::AlreadyAnalysed => None,
        }
    }
}

impl Library {
    /// Returns whether a model has analysed a photo with these bytes.
    fn is_analysed(&self, model: i64, digest: &Digest) -> bool {
        let sql = "SELECT 1 FROM photo JOIN analysis ON analysis.photo = photo.id \
                   AND model = ?2 WHERE digest = ?1";
        let statement = self.connection().prepare_cached(sql);
        // If the library cannot be read now, the photo is analysed again.
        statement
            .and_then(|mut statement| statement.exists(params![digest, model]))
            .unwrap_or(false)
    }

    /// Returns the absolute paths of the indexed folders.
    ///
    /// # Errors
    /// If the library cannot be read.
    pub fn folders(&self) -> Result<Vec<PathBuf>> {
        let mut statement = self.connection().prepare("SELECT path FROM folder ORDER BY path")?;
        let folders = statement.query_map([], |row| bytes::path_at(row, 0))?;
        Ok(folders.collect::<Result<_, _>>()?)
    }
}

/// Returns the digest of a photo's file.
pub(crate) fn file_digest(path: &Path, options: &OpenOptions) -> Result<Digest, PictureError> {
    Ok(read::contents(path, options)?.digest)
}

/// Returns the paths of the discovered files.
fn paths(discovered: &Discovered) -> HashSet<&Path> {
    discovered.files.iter().map(|file| file.path.as_path()).collect()
}
