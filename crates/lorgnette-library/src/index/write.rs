//! Writing of photos and detections; no other module changes them.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension as _, params};

use super::discover::{Discovered, File};
use super::read::Digest;
use super::{Outcome, Record, Summary};
use crate::analyse::ModelRecord;
use crate::detections::{self, StoredDetections};
use crate::error::Result;
use crate::library::Library;
use crate::photo::State;
use crate::{bytes, classes, correct};

/// Returns the id of the model; inserts it and its classes if it is new.
pub(super) fn model(library: &mut Library, model_record: &ModelRecord) -> Result<i64> {
    let transaction = library.transaction()?;
    let sql = "SELECT id FROM model WHERE fingerprint = ?";
    let existing =
        transaction.query_row(sql, [model_record.fingerprint], |row| row.get(0)).optional()?;
    let model = match existing {
        Some(model) => model,
        None => match former(&transaction, model_record)? {
            Some(model) => model,
            None => new_model(&transaction, model_record)?,
        },
    };
    transaction.commit()?;
    Ok(model)
}

/// Finds the model as an earlier program stored it, and gives it its present fingerprint.
fn former(connection: &Connection, model_record: &ModelRecord) -> Result<Option<i64>> {
    let Some(former) = model_record.former_fingerprint else { return Ok(None) };
    let sql = "UPDATE model SET fingerprint = ?1 WHERE fingerprint = ?2 RETURNING id";
    let updated =
        connection.query_row(sql, params![model_record.fingerprint, former], |row| row.get(0));
    Ok(updated.optional()?)
}

fn new_model(connection: &Connection, model_record: &ModelRecord) -> Result<i64> {
    let sql = "INSERT INTO model (name, fingerprint, settings, features) VALUES (?, ?, ?, ?)";
    connection.execute(
        sql,
        params![
            model_record.name,
            model_record.fingerprint,
            model_record.settings,
            model_record.features as i64
        ],
    )?;
    let model = connection.last_insert_rowid();
    for (number, (synset, name)) in model_record.classes.iter().enumerate() {
        classes::insert(connection, model, number, synset.as_deref(), name)?;
    }
    Ok(model)
}

/// Stores the indexed folders.
pub(super) fn folders(library: &mut Library, roots: &[PathBuf]) -> Result<()> {
    let transaction = library.transaction()?;
    for root in roots {
        transaction
            .execute("INSERT OR IGNORE INTO folder (path) VALUES (?)", [bytes::from_path(root)])?;
    }
    Ok(transaction.commit()?)
}

/// Marks photos that have come back unchanged as present.
pub(super) fn mark_returned(library: &mut Library, paths: &[&PathBuf]) -> Result<()> {
    let transaction = library.transaction()?;
    for path in paths {
        let mut statement =
            transaction.prepare_cached("UPDATE photo SET state = ? WHERE path = ?")?;
        statement.execute(params![State::Present, bytes::from_path(path)])?;
    }
    Ok(transaction.commit()?)
}

/// Marks photos in the roots whose files are gone as missing; returns their number.
pub(super) fn mark_missing(library: &mut Library, discovered: &Discovered) -> Result<usize> {
    let found = super::paths(discovered);
    let transaction = library.transaction()?;
    let mut missing_ids = Vec::new();
    for root in &discovered.roots {
        let (from, to) = bytes::prefix_range(root);
        let sql = "SELECT id, path FROM photo WHERE (path = ?3 OR path >= ?1 AND path < ?2) \
                   AND state <> ?4";
        let mut statement = transaction.prepare(sql)?;
        let mut rows =
            statement.query(params![from, to, bytes::from_path(root), State::Missing])?;
        while let Some(row) = rows.next()? {
            let path = bytes::path_at(row, 1)?;
            // Hidden files and those in unreadable folders are not discovered but may exist.
            if !found.contains(path.as_path())
                && !discovered.is_inaccessible(&path)
                && is_missing(&path)
            {
                missing_ids.push(row.get::<_, i64>(0)?);
            }
        }
    }
    for id in &missing_ids {
        transaction
            .prepare_cached("UPDATE photo SET state = ? WHERE id = ?")?
            .execute(params![State::Missing, id])?;
    }
    transaction.commit()?;
    Ok(missing_ids.len())
}

fn is_missing(path: &Path) -> bool {
    matches!(fs::exists(path), Ok(false))
}

/// Copies that were looked for on the disk.
#[derive(Debug, Default)]
pub(super) struct Copies {
    /// For each content, the last photo of those whose files are known to be there.
    last_present: HashMap<Digest, i64>,
    /// Whether files are elsewhere: then none is looked for, and no photo has moved.
    are_elsewhere: bool,
    /// Files that were looked for.
    #[cfg(test)]
    looked_for: usize,
}

impl Copies {
    /// For photos whose files are elsewhere.
    pub(super) fn without_files() -> Self {
        Self { are_elsewhere: true, ..Self::default() }
    }
}

/// Writes results of workers.
pub(super) struct Writer<'a> {
    connection: &'a Connection,
    model: i64,
    copies: &'a mut Copies,
}

impl<'a> Writer<'a> {
    pub(super) fn new(connection: &'a Connection, model: i64, copies: &'a mut Copies) -> Self {
        Self { connection, model, copies }
    }

    /// Writes a photo and its detections.
    pub(super) fn record(
        &mut self,
        file: &File,
        record: &Record,
        summary: &mut Summary,
    ) -> Result<()> {
        let photo = self.upsert_photo(file, record, summary)?;
        match &record.outcome {
            Outcome::Analysed(detections) => {
                summary.analysed += 1;
                let stored = StoredDetections::new(self.connection, self.model, detections)?;
                stored.write(self.connection, photo, self.model)?;
            }
            Outcome::AlreadyAnalysed => self.copy_detections(photo, record, summary)?,
            Outcome::Unreadable(_) | Outcome::AnalysisFailed(_) => summary.failed += 1,
        }
        correct::apply(self.connection, photo)
    }

    /// Updates the row of the photo's path, else that of a missing photo with the same bytes, else
    /// inserts one. Returns its id.
    fn upsert_photo(&mut self, file: &File, record: &Record, summary: &mut Summary) -> Result<i64> {
        let sql = "SELECT id, digest FROM photo WHERE path = ?";
        let mut statement = self.connection.prepare_cached(sql)?;
        let existing: Option<(i64, Option<Digest>)> = statement
            .query_row([bytes::from_path(&file.path)], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let photo = match (existing, record.digest) {
            (Some((photo, before)), after) => {
                // Detections belong to the bytes. A file that cannot be read may be unchanged.
                if before.is_some() && after.is_some() && before != after {
                    detections::remove(self.connection, photo)?;
                }
                photo
            }
            (None, Some(digest)) => match self.find_orphan(&digest)? {
                Some(photo) => {
                    summary.moved += 1;
                    photo
                }
                None => self.new_photo(file)?,
            },
            (None, None) => self.new_photo(file)?,
        };
        self.update(photo, file, record)?;
        Ok(photo)
    }

    /// Finds a photo with these bytes whose file is gone. Each file is looked for once a run,
    /// however many copies there are.
    fn find_orphan(&mut self, digest: &Digest) -> Result<Option<i64>> {
        if self.copies.are_elsewhere {
            return Ok(None);
        }
        let sql = "SELECT id, path FROM photo WHERE digest = ?1 AND id > ?2 ORDER BY id";
        let mut statement = self.connection.prepare_cached(sql)?;
        let last_present = self.copies.last_present.get(digest).copied();
        let mut rows = statement.query(params![digest, last_present.unwrap_or(i64::MIN)])?;
        while let Some(row) = rows.next()? {
            let photo = row.get(0)?;
            // One that is gone gets the new path, so its file is there from now on.
            self.copies.last_present.insert(*digest, photo);
            #[cfg(test)]
            {
                self.copies.looked_for += 1;
            }
            if is_missing(&bytes::path_at(row, 1)?) {
                return Ok(Some(photo));
            }
        }
        Ok(None)
    }

    fn new_photo(&self, file: &File) -> Result<i64> {
        let sql = "INSERT INTO photo (path, bytes, modified, state) VALUES (?, 0, 0, 0)";
        self.connection.prepare_cached(sql)?.execute([bytes::from_path(&file.path)])?;
        Ok(self.connection.last_insert_rowid())
    }

    fn update(&self, photo: i64, file: &File, record: &Record) -> Result<()> {
        let (state, reason) = match &record.outcome {
            Outcome::Unreadable(why) => (State::Unreadable, Some(why)),
            Outcome::AnalysisFailed(_) | Outcome::Analysed(_) | Outcome::AlreadyAnalysed => {
                (State::Present, None)
            }
        };
        // A file that cannot be read is not known to have changed: its digest and its width and
        // height stay, as its detections do.
        let sql = "UPDATE photo
                   SET path = ?2, digest = coalesce(?3, digest), bytes = ?4, modified = ?5,
                       taken = ?6, orientation = ?7, width = coalesce(?8, width),
                       height = coalesce(?9, height), state = ?10, reason = ?11
                   WHERE id = ?1";
        let (width, height) =
            record.size.map(|[width, height]| (width as i64, height as i64)).unzip();
        self.connection.prepare_cached(sql)?.execute(params![
            photo,
            bytes::from_path(&file.path),
            record.digest,
            // A size of 0 makes the next run try an unreadable file again.
            record.digest.map_or(0, |_| file.bytes as i64),
            file.modified,
            record.capture.taken,
            record.capture.orientation,
            width,
            height,
            state,
            reason,
        ])?;
        Ok(())
    }

    /// Copies the detections of a photo with the same bytes, unless this photo has its own.
    fn copy_detections(&self, photo: i64, record: &Record, summary: &mut Summary) -> Result<()> {
        let mut analysed = self
            .connection
            .prepare_cached("SELECT 1 FROM analysis WHERE photo = ? AND model = ?")?;
        if analysed.exists([photo, self.model])? {
            return Ok(());
        }
        let sql =
            "SELECT photo.id FROM photo JOIN analysis ON analysis.photo = photo.id AND model = ?2
                   WHERE digest = ?1 ORDER BY photo.id LIMIT 1";
        let mut statement = self.connection.prepare_cached(sql)?;
        let duplicate: Option<i64> =
            statement.query_row(params![record.digest, self.model], |row| row.get(0)).optional()?;
        // If the other photo was just removed, the next run analyses this one.
        let Some(duplicate) = duplicate else { return Ok(()) };
        summary.copied += 1;
        let sql = "UPDATE photo SET (width, height) = (SELECT width, height FROM photo \
                   WHERE id = ?2) WHERE id = ?1";
        self.connection.prepare_cached(sql)?.execute([photo, duplicate])?;
        StoredDetections::read(self.connection, duplicate, self.model)?.write(
            self.connection,
            photo,
            self.model,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::read::CaptureInfo;

    /// Number of files that are looked for when `copies` photos of one content are indexed.
    fn looked_for(copies: usize) -> usize {
        let folder = tempfile::tempdir().unwrap();
        let library = Library::create(folder.path().join("photos.lgn")).unwrap();
        let (mut found, mut summary) = (Copies::default(), Summary::default());
        for number in 0..copies {
            let path = folder.path().join(format!("{number}.jpg"));
            fs::write(&path, "").unwrap();
            let file = File { path, bytes: 1, modified: 0 };
            let record = Record {
                digest: Some([7; 32]),
                capture: CaptureInfo::default(),
                size: None,
                outcome: Outcome::Unreadable("it is empty".into()),
            };
            let mut writer = Writer::new(library.connection(), 1, &mut found);
            writer.record(&file, &record, &mut summary).unwrap();
        }
        assert_eq!((summary.failed, summary.moved), (copies, 0));
        found.looked_for
    }

    #[test]
    fn each_copy_is_looked_for_once() {
        assert_eq!([10, 20, 40].map(looked_for), [9, 19, 39]);
    }
}
