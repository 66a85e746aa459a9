//! Detections as rows of a library.

use rusqlite::{Connection, OptionalExtension as _, params};

use crate::analyse::Detections;
use crate::error::Result;
use crate::feature::Feature;
use crate::photo::Source;
use crate::signature;

/// Detections of one model in one photo. Class ids are the library's.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct StoredDetections {
    classes: Vec<(i64, f64)>,
    regions: Vec<RegionRow>,
    feature: Option<Feature>,
}

/// Row of a region and of its box.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct RegionRow {
    pub(crate) class: i64,
    /// Left, right, top and bottom: the order of the R*Tree's columns.
    pub(crate) sides: [f64; 4],
    pub(crate) share: f64,
    pub(crate) mean: f64,
    pub(crate) peak: f64,
}

impl StoredDetections {
    /// Converts new detections of `model`.
    pub(crate) fn new(
        connection: &Connection,
        model: i64,
        detections: &Detections,
    ) -> Result<Self> {
        let mut statement =
            connection.prepare_cached("SELECT id FROM class WHERE model = ? AND number = ?")?;
        let mut class = |number: usize| {
            statement.query_row(params![model, number as i64], |row| row.get::<_, i64>(0))
        };
        let mut stored = Self::default();
        for score in &detections.classes {
            stored.classes.push((class(score.class)?, probability(score.probability)));
        }
        for region in &detections.regions {
            let [left, top, right, bottom] = region.bounds;
            stored.regions.push(RegionRow {
                class: class(region.class)?,
                sides: [left, right, top, bottom],
                share: probability(region.share),
                mean: probability(region.mean),
                peak: probability(region.peak),
            });
        }
        stored.feature =
            (!detections.features.is_empty()).then(|| Feature::new(&detections.features));
        Ok(stored)
    }

    /// Reads the stored detections of `model` in `photo`.
    pub(crate) fn read(connection: &Connection, photo: i64, model: i64) -> Result<Self> {
        let sql = "SELECT class, probability FROM whole JOIN class ON class.id = class
                   WHERE photo = ? AND model = ? ORDER BY probability DESC, class";
        let mut statement = connection.prepare_cached(sql)?;
        let classes = statement.query_map([photo, model], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let classes = classes.collect::<Result<_, _>>()?;
        let sql = "SELECT class, x0, x1, y0, y1, share, mean, peak
                   FROM region JOIN class ON class.id = class \
                   JOIN region_box ON region_box.id = region.id
                   WHERE photo = ? AND model = ? ORDER BY region.id";
        let mut statement = connection.prepare_cached(sql)?;
        let regions =
            statement.query_map([photo, model], RegionRow::from_row)?.collect::<Result<_, _>>()?;
        let sql = "SELECT vector, features FROM feature JOIN model ON model.id = model \
                   WHERE photo = ? AND model = ?";
        let feature = connection
            .prepare_cached(sql)?
            .query_row([photo, model], Feature::from_row)
            .optional()?
            .flatten();
        Ok(Self { classes, regions, feature })
    }

    /// Replaces the stored detections of `model` in `photo`.
    pub(crate) fn write(&self, connection: &Connection, photo: i64, model: i64) -> Result<()> {
        remove_of_model(connection, photo, model)?;
        for (class, probability) in &self.classes {
            let sql = "INSERT INTO whole (class, photo, probability, source) VALUES (?, ?, ?, ?)";
            connection.prepare_cached(sql)?.execute(params![
                class,
                photo,
                probability,
                Source::Model
            ])?;
        }
        for region in &self.regions {
            region.write(connection, photo, Source::Model)?;
        }
        if let Some(feature) = &self.feature {
            let sql = "INSERT INTO feature (photo, model, vector) VALUES (?, ?, ?)";
            connection.prepare_cached(sql)?.execute(params![photo, model, feature.to_bytes()])?;
            signature::set(
                connection,
                model,
                connection.last_insert_rowid(),
                &feature.signature(),
            )?;
        }
        connection
            .prepare_cached("INSERT INTO analysis (photo, model) VALUES (?, ?)")?
            .execute([photo, model])?;
        Ok(())
    }
}

impl RegionRow {
    fn from_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            class: row.get(0)?,
            sides: [row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?],
            share: row.get(5)?,
            mean: row.get(6)?,
            peak: row.get(7)?,
        })
    }

    /// Inserts the region and its box.
    pub(crate) fn write(&self, connection: &Connection, photo: i64, source: Source) -> Result<()> {
        let Self { class, sides: [x0, x1, y0, y1], share, mean, peak } = *self;
        let sql = "INSERT INTO region (photo, class, share, mean, peak, source) \
                   VALUES (?, ?, ?, ?, ?, ?)";
        connection
            .prepare_cached(sql)?
            .execute(params![photo, class, share, mean, peak, source])?;
        let sql = "INSERT INTO region_box (id, class0, class1, x0, x1, y0, y1) \
                   VALUES (?1, ?2, ?2, ?3, ?4, ?5, ?6)";
        let id = connection.last_insert_rowid();
        connection.prepare_cached(sql)?.execute(params![id, class, x0, x1, y0, y1])?;
        Ok(())
    }
}

/// Removes the detections of all models in a photo.
pub(crate) fn remove(connection: &Connection, photo: i64) -> Result<()> {
    let mut statement = connection.prepare_cached("SELECT model FROM analysis WHERE photo = ?")?;
    let models =
        statement.query_map([photo], |row| row.get(0))?.collect::<Result<Vec<i64>, _>>()?;
    models.into_iter().try_for_each(|model| remove_of_model(connection, photo, model))
}

/// Removes the detections of one model in a photo; those of the user stay.
pub(crate) fn remove_of_model(connection: &Connection, photo: i64, model: i64) -> Result<()> {
    let condition = "photo = ?1 AND (SELECT model FROM class WHERE class.id = class) = ?2";
    let id = "SELECT id FROM feature WHERE photo = ? AND model = ?";
    let feature =
        connection.prepare_cached(id)?.query_row([photo, model], |row| row.get(0)).optional()?;
    if let Some(feature) = feature {
        signature::set(connection, model, feature, &signature::NONE)?;
    }
    for sql in [
        &format!("DELETE FROM region_box WHERE id IN (SELECT id FROM region WHERE {condition})"),
        &format!("DELETE FROM region WHERE {condition}"),
        &format!("DELETE FROM whole WHERE {condition}"),
        "DELETE FROM feature WHERE photo = ? AND model = ?",
        "DELETE FROM analysis WHERE photo = ? AND model = ?",
    ] {
        connection.prepare_cached(sql)?.execute([photo, model])?;
    }
    Ok(())
}

/// Converts a probability for storage; NaN and infinities become 0.
fn probability(number: f32) -> f64 {
    if number.is_finite() { f64::from(number) } else { 0.0 }
}
