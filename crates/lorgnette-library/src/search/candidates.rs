//! Candidates of a query: the photos that may match, and the detections that their scores need.

use std::collections::{HashMap, HashSet};

use rusqlite::{Connection, OptionalExtension as _, Row, params_from_iter};

use super::fit::BoundingBox;
use super::resolve::{ResolvedQuery, Target};
use super::score::{DetectionRow, PhotoFacts};
use super::sql::{self, Sql};
use crate::error::Result;
use crate::query::Count;

/// Columns of [`PhotoRow::read`].
const PHOTO_COLUMNS: &str = "id, path, width, height, taken, modified, digest";

/// A set of photos, by id.
#[derive(Clone, Debug)]
enum PhotoSet {
    /// All photos of the library.
    All,
    Ids(HashSet<i64>),
}

/// The photos that may match, and their detections.
pub(super) struct Candidates<'a> {
    connection: &'a Connection,
    photos: PhotoSet,
    by_photo: HashMap<i64, PhotoFacts>,
}

/// A present photo.
#[derive(Clone)]
pub(super) struct PhotoRow {
    pub(super) width: Option<u32>,
    pub(super) height: Option<u32>,
    /// SHA-256 of the file.
    pub(super) digest: Option<[u8; 32]>,
    /// The photo and its detections.
    pub(super) facts: PhotoFacts,
}

impl<'a> Candidates<'a> {
    /// Reads the detections that may match, each object's with one statement or two.
    pub(super) fn read(connection: &'a Connection, resolved: &ResolvedQuery) -> Result<Self> {
        let mut candidates = Self { connection, photos: PhotoSet::All, by_photo: HashMap::new() };
        candidates.photos = candidates.collect(resolved, &PhotoSet::All)?;
        for facts in candidates.by_photo.values_mut() {
            facts.remove_duplicates();
        }
        Ok(candidates)
    }

    /// Passes each present candidate to `visit`.
    pub(super) fn each_photo(mut self, mut visit: impl FnMut(PhotoRow)) -> Result<()> {
        let all: usize =
            self.connection.query_row("SELECT count(*) FROM photo", [], |row| row.get(0))?;
        match std::mem::replace(&mut self.photos, PhotoSet::All) {
            // A look-up costs about four rows of a scan.
            PhotoSet::Ids(ids) if ids.len() < all / 4 => {
                let sql = format!("SELECT {PHOTO_COLUMNS} FROM photo WHERE id = ? AND state = 0");
                let mut statement = self.connection.prepare_cached(&sql)?;
                for id in ids {
                    let row = statement.query_row([id], PhotoRow::read).optional()?;
                    row.into_iter().for_each(|row| visit(self.with_detections(row)));
                }
            }
            photos => {
                let sql = format!("SELECT {PHOTO_COLUMNS} FROM photo WHERE state = 0");
                let mut statement = self.connection.prepare_cached(&sql)?;
                let mut rows = statement.query([])?;
                while let Some(row) = rows.next()? {
                    if photos.contains(row.get(0)?) {
                        visit(self.with_detections(PhotoRow::read(row)?));
                    }
                }
            }
        }
        Ok(())
    }

    /// Adds the detections of the photos of `within` that may match, and returns those photos.
    fn collect(&mut self, resolved: &ResolvedQuery, within: &PhotoSet) -> Result<PhotoSet> {
        match resolved {
            ResolvedQuery::All(parts) => {
                // Filters come last: they need the detections of fewer photos.
                let (filters, sets): (Vec<_>, Vec<_>) = parts.iter().partition(|p| p.is_filter());
                let mut photos = within.clone();
                for part in sets.into_iter().chain(filters) {
                    photos = self.collect(part, &photos)?;
                }
                Ok(photos)
            }
            ResolvedQuery::Any(parts) => {
                let mut photos = PhotoSet::Ids(HashSet::new());
                for part in parts {
                    photos = photos.union(self.collect(part, within)?);
                }
                Ok(photos)
            }
            ResolvedQuery::Not(part) => self.collect(part, within).map(|_| within.clone()),
            ResolvedQuery::Has(target, count) => self.collect_target(target, *count, within),
            ResolvedQuery::Path(_) | ResolvedQuery::DateRange(_) => Ok(within.clone()),
            ResolvedQuery::Like { similar, .. } => {
                let ids = similar.keys().copied().filter(|&photo| within.contains(photo));
                Ok(PhotoSet::Ids(ids.collect()))
            }
        }
    }

    fn collect_target(
        &mut self,
        target: &Target,
        count: Option<Count>,
        within: &PhotoSet,
    ) -> Result<PhotoSet> {
        let mut photos = self.add(&sql::regions(target), within)?;
        if target.is_anywhere(count) {
            photos.extend(self.add(&sql::image_scores(target), within)?);
        }
        let mut next = &target.related;
        while let Some((_, other)) = next {
            photos = self.add(&sql::regions(other), &PhotoSet::Ids(photos))?;
            next = &other.related;
        }
        Ok(PhotoSet::Ids(photos))
    }

    /// Adds the rows of a statement; returns their photos.
    fn add(&mut self, sql: &Sql, within: &PhotoSet) -> Result<HashSet<i64>> {
        let mut photos = HashSet::new();
        let mut statement = self.connection.prepare_cached(&sql.text)?;
        let mut rows = statement.query(params_from_iter(&sql.values))?;
        while let Some(row) = rows.next()? {
            let photo = row.get(0)?;
            if within.contains(photo) {
                photos.insert(photo);
                self.by_photo.entry(photo).or_default().add(DetectionRow::read(row)?);
            }
        }
        Ok(photos)
    }

    fn with_detections(&mut self, row: PhotoRow) -> PhotoRow {
        let Some(found) = self.by_photo.remove(&row.facts.photo) else { return row };
        let PhotoFacts { regions, image_scores, .. } = found;
        PhotoRow { facts: PhotoFacts { regions, image_scores, ..row.facts }, ..row }
    }
}

/// Returns the statements that read the candidates of a query, in order.
pub(super) fn statements(resolved: &ResolvedQuery) -> Vec<Sql> {
    match resolved {
        ResolvedQuery::All(parts) | ResolvedQuery::Any(parts) => {
            parts.iter().flat_map(statements).collect()
        }
        ResolvedQuery::Not(part) => statements(part),
        ResolvedQuery::Has(target, count) => {
            let mut statements = vec![sql::regions(target)];
            if target.is_anywhere(*count) {
                statements.push(sql::image_scores(target));
            }
            let mut next = &target.related;
            while let Some((_, other)) = next {
                statements.push(sql::regions(other));
                next = &other.related;
            }
            statements
        }
        ResolvedQuery::Path(_) | ResolvedQuery::DateRange(_) | ResolvedQuery::Like { .. } => {
            Vec::new()
        }
    }
}

impl PhotoSet {
    fn contains(&self, photo: i64) -> bool {
        match self {
            Self::All => true,
            Self::Ids(ids) => ids.contains(&photo),
        }
    }

    fn union(self, other: Self) -> Self {
        match (self, other) {
            (Self::Ids(mut ids), Self::Ids(others)) => {
                ids.extend(others);
                Self::Ids(ids)
            }
            _ => Self::All,
        }
    }
}

impl PhotoRow {
    /// Reads [`PHOTO_COLUMNS`].
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let facts = PhotoFacts {
            photo: row.get(0)?,
            path: row.get_ref(1)?.as_blob()?.to_vec(),
            taken: row.get(4)?,
            modified: row.get(5)?,
            ..PhotoFacts::default()
        };
        Ok(Self { width: row.get(2)?, height: row.get(3)?, digest: row.get(6)?, facts })
    }
}

impl PhotoFacts {
    pub(super) fn add(&mut self, row: DetectionRow) {
        if row.is_image_level() { &mut self.image_scores } else { &mut self.regions }.push(row);
    }

    /// Removes what several objects of a query asked for, and sorts by id and class.
    fn remove_duplicates(&mut self) {
        self.regions.sort_unstable_by_key(|row| row.id);
        self.regions.dedup_by_key(|row| row.id);
        self.image_scores.sort_unstable_by_key(|row| row.class);
        self.image_scores.dedup_by_key(|row| row.class);
    }
}

impl DetectionRow {
    /// Reads the columns after the photo's id.
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let bounds =
            BoundingBox { x0: row.get(3)?, x1: row.get(4)?, y0: row.get(5)?, y1: row.get(6)? };
        Ok(Self {
            id: row.get(1)?,
            class: row.get(2)?,
            bounds,
            share: row.get(7)?,
            probability: row.get(8)?,
            model: row.get(9)?,
        })
    }
}
