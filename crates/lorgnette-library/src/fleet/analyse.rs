//! From a photo of a manifest to a row.

use std::path::{Path, PathBuf};

use lorgnette::Picture;
use lorgnette::picture::{OpenOptions, PictureError};

use super::manifest::{Listing, file_path};
use super::part::{Description, Row};
use crate::analyse::{Detections, ModelRecord, PhotoAnalyser};
use crate::error::{Error, Result};
use crate::index::{Contents, Outcome, Record, modified_time};

/// Analyses photos on one thread.
pub struct FleetWorker<'a> {
    /// The network.
    pub network: Box<dyn PhotoAnalyser + 'a>,
    /// The face detector, if faces are searched for.
    pub faces: Option<Box<dyn PhotoAnalyser + 'a>>,
}

/// The common part of a fleet's machines: the model, the face detector, the options.
#[derive(Clone, Debug)]
pub struct FleetAnalyser {
    /// The model.
    pub model: ModelRecord,
    /// The face detector; `None` if faces are not searched for.
    pub faces: Option<ModelRecord>,
    /// The name of the instruction set.
    pub level: String,
    /// How photos are opened for the model. Faces are searched for at full size.
    pub open: OpenOptions,
}

impl std::fmt::Debug for FleetWorker<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let is_searching = self.faces.is_some();
        formatter.debug_struct("FleetWorker").field("faces", &is_searching).finish_non_exhaustive()
    }
}

/// A photo whose content the caller has.
#[derive(Clone, Debug)]
pub struct LoadedPhoto {
    /// The photo's path or URI.
    pub path: PathBuf,
    /// Modification time in nanoseconds since 1970, if known.
    pub modified: Option<i64>,
    /// The content of its file; the error where it could not be had.
    pub contents: Result<Vec<u8>, String>,
}

impl FleetAnalyser {
    /// Returns photos as a part in memory: a Parquet file with a row for each, in their order.
    /// Photos that failed are among them, with an `error`.
    ///
    /// # Errors
    /// If the part cannot be written.
    pub fn part(&self, photos: Vec<LoadedPhoto>, worker: &mut FleetWorker<'_>) -> Result<Vec<u8>> {
        let unwritable = |source| Error::File { name: "a part in memory".into(), source };
        let description = self.description();
        let mut writer = description.writer(Vec::new()).map_err(unwritable)?;
        for photo in photos {
            let name = photo.path.display().to_string();
            let contents = photo
                .contents
                .map(|bytes| Contents::new(name.clone(), bytes))
                .map_err(|error| format!("{name}: {error}"));
            let listing =
                Listing { path: photo.path, modified: photo.modified, ..Listing::default() };
            let row = self.row(None, listing, contents, worker);
            writer.row(description.cells(&row)).map_err(unwritable)?;
        }
        writer.finish().map_err(unwritable)
    }

    pub(super) fn description(&self) -> Description {
        Description::new(&self.model, self.faces.as_ref(), &self.level, &self.open)
    }

    /// Analyses a photo of a manifest: in a file whose path begins at `root`, or in the manifest.
    pub(super) fn analyse(
        &self,
        number: usize,
        mut listing: Listing,
        root: &Path,
        worker: &mut FleetWorker<'_>,
    ) -> Row {
        let name = listing.path.display().to_string();
        let contents = match listing.contents.take() {
            Some(bytes) => Ok(Contents::new(name, bytes)),
            None => self.read(&mut listing, root).map_err(|error| error.to_string()),
        };
        self.row(Some(number), listing, contents, worker)
    }

    /// Reads the file of a photo. Its modification time is the manifest's, if that has one.
    fn read(&self, listing: &mut Listing, root: &Path) -> Result<Contents, PictureError> {
        let name = listing.path.display().to_string();
        let unreadable = |source| PictureError::Read { name: name.clone(), source };
        let path = file_path(&listing.path, root)
            .map_err(|error| unreadable(std::io::Error::other(error)))?;
        let metadata = path.metadata().map_err(unreadable)?;
        if let Some(size) = listing.size.filter(|size| *size != metadata.len()) {
            let found = metadata.len();
            let what = format!(
                "its file has {found} bytes, and the manifest says {size}: copy the photo again, \
                 or write the manifest anew"
            );
            return Err(unreadable(std::io::Error::other(what)));
        }
        listing.modified = listing.modified.or_else(|| Some(modified_time(&metadata)));
        Contents::read(&path, &name, &self.open)
    }

    fn row(
        &self,
        number: Option<usize>,
        listing: Listing,
        contents: Result<Contents, String>,
        worker: &mut FleetWorker<'_>,
    ) -> Row {
        let Listing { path, modified, .. } = listing;
        let contents = match contents {
            Ok(contents) => contents,
            Err(error) => {
                let record = Record::unreadable(None, error);
                return Row { number, path, bytes: 0, modified, record, faces: None };
            }
        };
        let (digest, bytes) = (Some(contents.digest), contents.len());
        let picture = match contents.picture(&self.open) {
            Ok(picture) => picture,
            Err(error) => {
                let record = Record::unreadable(digest, error.to_string());
                return Row { number, path, bytes, modified, record, faces: None };
            }
        };
        let record = Record::analysed(&contents, &picture, &mut *worker.network);
        let is_analysed = matches!(record.outcome, Outcome::Analysed(_));
        let faces = worker.faces.as_mut().filter(|_| is_analysed);
        let faces = faces.map(|faces| self.find_faces(&contents, &picture, &mut **faces));
        Row { number, path, bytes, modified, record, faces }
    }

    /// Searches for faces in a photo, decoded anew if `picture` is of reduced size.
    fn find_faces(
        &self,
        contents: &Contents,
        picture: &Picture,
        detector: &mut (dyn PhotoAnalyser + '_),
    ) -> Result<Detections, String> {
        let detected = match self.open.min_decode_size {
            None => detector.analyse(picture),
            Some(_) => {
                let open = OpenOptions { min_decode_size: None, ..self.open.clone() };
                let whole = contents.picture(&open).map_err(|error| error.to_string())?;
                detector.analyse(&whole)
            }
        };
        detected.map_err(|error| format!("{}: {error}", picture.name()))
    }
}
