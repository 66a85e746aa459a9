//! Photos of a library and the detections in them.

use std::path::Path;

use rusqlite::{OptionalExtension as _, params};

use crate::bytes;
use crate::error::Result;
use crate::library::Library;
use crate::photo::{COLUMNS, Photo, Source, State};

/// A detection with the names of its class and model.
#[derive(Clone, Debug, PartialEq)]
pub struct Detection {
    /// Name of the model; "you" for corrections of the user.
    pub model: String,
    /// Output index of the model.
    pub class: usize,
    /// WordNet synset of the class, if any.
    pub synset: Option<String>,
    /// Names of the class, separated by commas.
    pub name: String,
    /// Left, top, right and bottom as fractions of the upright photo; `None` for an image-level
    /// class.
    pub bounds: Option<[f64; 4]>,
    /// Fraction of the photo that it covers; 1 for an image-level class.
    pub share: f64,
    /// Mean probability over the cells of a region, or that of the whole photo; from 0 to 1.
    pub probability: f64,
    /// Maximum probability over the cells of a region.
    pub peak: f64,
    /// Origin of the detection.
    pub source: Source,
}

/// Columns of [`Detection::from_row`] for image-level classes.
const WHOLE: &str = "
    SELECT model.name, number, synset, class.name, NULL, NULL, NULL, NULL, 1.0, probability,
           probability, source, photo, 0
    FROM whole JOIN class ON class.id = class JOIN model ON model.id = class.model";
/// Columns of [`Detection::from_row`] for regions.
const REGIONS: &str = "
    SELECT model.name, number, synset, class.name, x0, y0, x1, y1, share, mean, peak, source,
           photo, region.id
    FROM region JOIN region_box ON region_box.id = region.id
    JOIN class ON class.id = class JOIN model ON model.id = class.model";

impl Detection {
    fn from_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        let sides: [Option<f64>; 4] = [row.get(4)?, row.get(5)?, row.get(6)?, row.get(7)?];
        let bounds = sides
            .iter()
            .copied()
            .collect::<Option<Vec<f64>>>()
            .and_then(|sides| sides.try_into().ok());
        Ok(Self {
            model: row.get(0)?,
            class: row.get(1)?,
            synset: row.get(2)?,
            name: row.get(3)?,
            bounds,
            share: row.get(8)?,
            probability: row.get(9)?,
            peak: row.get(10)?,
            source: row.get(11)?,
        })
    }

    /// Returns the first of the class's names.
    #[must_use]
    pub fn first_name(&self) -> &str {
        self.name.split(',').next().unwrap_or(&self.name).trim()
    }
}

impl Library {
    /// Returns the number of photos, in every state.
    ///
    /// # Errors
    /// If the library cannot be read.
    pub fn count(&self) -> Result<usize> {
        Ok(self.connection().query_row("SELECT count(*) FROM photo", [], |row| row.get(0))?)
    }

    /// Returns the record of a photo, by its path.
    ///
    /// # Errors
    /// If the photo is not in the library.
    pub fn photo(&self, path: &Path) -> Result<Photo> {
        let sql = format!("SELECT {COLUMNS} FROM photo WHERE id = ?");
        Ok(self.connection().query_row(&sql, [self.photo_id(path)?], Photo::from_row)?)
    }

    /// Returns the record of a photo, by its id; `None` if there is no such photo.
    ///
    /// # Errors
    /// If the library cannot be read.
    pub fn photo_by_id(&self, id: i64) -> Result<Option<Photo>> {
        let sql = format!("SELECT {COLUMNS} FROM photo WHERE id = ?");
        Ok(self.connection().query_row(&sql, [id], Photo::from_row).optional()?)
    }

    /// Passes each photo to `visit` in the order of paths; only photos of `state`, if given.
    ///
    /// # Errors
    /// If the library cannot be read, or `visit` fails.
    pub fn each_photo(
        &self,
        state: Option<State>,
        mut visit: impl FnMut(Photo) -> Result<()>,
    ) -> Result<()> {
        let sql =
            format!("SELECT {COLUMNS} FROM photo WHERE ?1 IS NULL OR state = ?1 ORDER BY path");
        let mut statement = self.connection().prepare(&sql)?;
        let photos = statement.query_map([state], Photo::from_row)?;
        for photo in photos {
            visit(photo?)?;
        }
        Ok(())
    }

    /// Returns the detections of a photo: image-level classes in descending order of probability,
    /// then regions in descending order of size.
    ///
    /// # Errors
    /// If the photo is not in the library.
    pub fn detections(&self, photo: &Path) -> Result<Vec<Detection>> {
        self.detections_by_id(self.photo_id(photo)?)
    }

    pub(crate) fn detections_by_id(&self, photo: i64) -> Result<Vec<Detection>> {
        let mut detections = Vec::new();
        for (sql, order) in
            [(WHOLE, "probability DESC, class.id"), (REGIONS, "share DESC, region.id")]
        {
            let sql = format!("{sql} WHERE photo = ? ORDER BY {order}");
            let mut statement = self.connection().prepare_cached(&sql)?;
            for detection in statement.query_map([photo], Detection::from_row)? {
                detections.push(detection?);
            }
        }
        Ok(detections)
    }

    /// Passes every detection to `visit` with its photo's path, in the order of paths.
    ///
    /// # Errors
    /// If the library cannot be read, or `visit` fails.
    pub fn each_detection(
        &self,
        mut visit: impl FnMut(&Path, &Detection) -> Result<()>,
    ) -> Result<()> {
        let mut statement =
            self.connection().prepare("SELECT id, path FROM photo ORDER BY path")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let path = bytes::path_at(row, 1)?;
            for detection in self.detections_by_id(row.get(0)?)? {
                visit(&path, &detection)?;
            }
        }
        Ok(())
    }

    /// Removes the photo at `path`, or all photos in that folder, or all photos if `path` is
    /// `None`; only missing ones if `only_missing`. Returns the number removed. The files are not
    /// touched.
    ///
    /// # Errors
    /// If the library cannot be written.
    pub fn forget(&mut self, path: Option<&Path>, only_missing: bool) -> Result<usize> {
        let range = PathRange::new(path);
        let transaction = self.transaction()?;
        let ids = range.photos(&transaction, only_missing)?;
        for &id in &ids {
            crate::detections::remove(&transaction, id)?;
            crate::correct::forget(&transaction, id)?;
            transaction.prepare_cached("DELETE FROM photo WHERE id = ?")?.execute([id])?;
        }
        if !only_missing {
            let sql = "DELETE FROM folder WHERE path = ?1 OR path >= ?2 AND path < ?3";
            transaction.execute(sql, params![range.exact, range.from, range.to])?;
        }
        transaction.commit()?;
        Ok(ids.len())
    }

    /// Removes the detections and features of one model in the photos that [`Library::forget`]
    /// would remove; the photos stay. Without a path the model itself is removed too. Returns the
    /// number of photos that it had analysed.
    ///
    /// # Errors
    /// If the library cannot be written.
    pub fn forget_model(
        &mut self,
        model: i64,
        path: Option<&Path>,
        only_missing: bool,
    ) -> Result<usize> {
        let range = PathRange::new(path);
        let transaction = self.transaction()?;
        let mut forgotten = 0;
        for id in range.photos(&transaction, only_missing)? {
            let mut analysed = transaction
                .prepare_cached("SELECT 1 FROM analysis WHERE photo = ? AND model = ?")?;
            forgotten += usize::from(analysed.exists([id, model])?);
            crate::detections::remove_of_model(&transaction, id, model)?;
        }
        if path.is_none() && !only_missing {
            crate::classes::remove(&transaction, model)?;
        }
        transaction.commit()?;
        Ok(forgotten)
    }
}

/// The stored paths of a photo, or of all photos in a folder, or of all photos.
struct PathRange {
    exact: Vec<u8>,
    /// First path of the folder.
    from: Vec<u8>,
    /// First path after the folder.
    to: Vec<u8>,
}

impl PathRange {
    fn new(path: Option<&Path>) -> Self {
        let Some(path) = path else {
            // All stored paths are absolute, so they sort within this range.
            return Self { exact: Vec::new(), from: Vec::new(), to: vec![0xff; 8] };
        };
        let path = std::fs::canonicalize(path)
            .or_else(|_| std::path::absolute(path))
            .unwrap_or(path.into());
        let (from, to) = bytes::prefix_range(&path);
        Self { exact: bytes::from_path(&path).to_vec(), from, to }
    }

    /// Returns the ids of the photos; only of missing ones if `only_missing`.
    fn photos(&self, connection: &rusqlite::Connection, only_missing: bool) -> Result<Vec<i64>> {
        let sql = "SELECT id FROM photo WHERE (path = ?1 OR path >= ?2 AND path < ?3) \
                   AND (NOT ?4 OR state = 1)";
        let mut statement = connection.prepare(sql)?;
        let values = params![self.exact, self.from, self.to, only_missing];
        let ids = statement.query_map(values, |row| row.get(0))?;
        Ok(ids.collect::<Result<_, _>>()?)
    }
}
