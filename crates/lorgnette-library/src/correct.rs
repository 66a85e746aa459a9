//! Corrections by the user. They are stored apart from detections and applied again after each
//! analysis of the photo.

use std::path::Path;

use lorgnette::Labels;
use rusqlite::{Connection, OptionalExtension as _, params};

use crate::bytes;
use crate::classes;
use crate::detections::RegionRow;
use crate::error::{Error, Result};
use crate::library::{Library, name};
use crate::photo::Source;

/// Name of the model that holds the user's classes; its fingerprint is empty, which no network's
/// is.
const USER: &str = "you";

/// A correction of a photo's detections.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Correction {
    /// A detected class that is wrong: a name or a synset.
    pub wrong: Option<String>,
    /// A class that is in the photo; with `wrong`, at the places where that was detected.
    pub right: Option<String>,
    /// Left, top, right and bottom of `right` as fractions of the upright photo.
    pub bounds: Option<[f64; 4]>,
    /// Whether `right` may be a new name that no model has.
    pub new_name: bool,
}

/// A correction stored in a library.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredCorrection {
    /// Path of the photo.
    pub photo: std::path::PathBuf,
    /// Synset of the wrong class if it has one, else its name.
    pub wrong: Option<String>,
    /// Name of the right class.
    pub right: Option<String>,
}

/// Name and synset of a class.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Label {
    synset: Option<String>,
    name: String,
}

impl Label {
    fn from_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self { synset: row.get(0)?, name: row.get(1)? })
    }

    /// Identifies a class across models.
    fn key(&self) -> &str {
        self.synset.as_deref().unwrap_or(&self.name)
    }
}

impl Library {
    /// Stores and applies a correction.
    ///
    /// # Errors
    /// If the photo is not in the library, or a name is unknown.
    pub fn correct(&mut self, photo: &Path, correction: &Correction) -> Result<()> {
        let id = self.photo_id(photo)?;
        check_bounds(correction)?;
        let transaction = self.transaction()?;
        let wrong = correction
            .wrong
            .as_deref()
            .map(|wrong| detected_label(&transaction, id, photo, wrong))
            .transpose()?;
        let right = correction
            .right
            .as_deref()
            .map(|right| known_label(&transaction, right, correction.new_name));
        let right =
            right.transpose()?.map(|label| class_of_user(&transaction, &label)).transpose()?;
        let [x0, y0, x1, y1] = correction.bounds.map_or([None; 4], |bounds| bounds.map(Some));
        let sql = "INSERT INTO correction (photo, wrong, right, x0, x1, y0, y1) \
                   VALUES (?, ?, ?, ?, ?, ?, ?)";
        let wrong = wrong.as_ref().map(Label::key);
        transaction.execute(sql, params![id, wrong, right, x0, x1, y0, y1])?;
        apply(&transaction, id)?;
        Ok(transaction.commit()?)
    }

    /// Removes all corrections of a photo; returns their number.
    ///
    /// # Errors
    /// If the photo is not in the library.
    pub fn uncorrect(&mut self, photo: &Path) -> Result<usize> {
        let id = self.photo_id(photo)?;
        let transaction = self.transaction()?;
        let corrections = transaction.execute("DELETE FROM correction WHERE photo = ?", [id])?;
        reset(&transaction, id)?;
        transaction.commit()?;
        Ok(corrections)
    }

    /// Returns all corrections in the order of paths.
    ///
    /// # Errors
    /// If the library cannot be read.
    pub fn corrections(&self) -> Result<Vec<StoredCorrection>> {
        let sql = "SELECT path, wrong, class.name FROM correction JOIN photo ON photo.id = photo
                   LEFT JOIN class ON class.id = right ORDER BY path, correction.id";
        let mut statement = self.connection().prepare(sql)?;
        let row = |row: &rusqlite::Row<'_>| {
            let photo = bytes::path_at(row, 0)?;
            Ok(StoredCorrection { photo, wrong: row.get(1)?, right: row.get(2)? })
        };
        Ok(statement.query_map([], row)?.collect::<Result<_, _>>()?)
    }
}

fn check_bounds(correction: &Correction) -> Result<()> {
    if correction.wrong.is_none() && correction.right.is_none() {
        return Err(Error::Request("say what is wrong, or what is right".into()));
    }
    match correction.bounds {
        Some(_) if correction.right.is_none() => {
            Err(Error::Request("a box needs the class that is in it".into()))
        }
        Some([left, top, right, bottom])
            if !(0.0 <= left
                && left < right
                && right <= 1.0
                && 0.0 <= top
                && top < bottom
                && bottom <= 1.0) =>
        {
            Err(Error::Request(
                "a box is left,top,right,bottom in fractions of the photo, such as 0,0,0.5,0.5"
                    .into(),
            ))
        }
        _ => Ok(()),
    }
}

/// Returns the detected class of that name.
fn detected_label(
    connection: &Connection,
    id: i64,
    photo: &Path,
    name_or_synset: &str,
) -> Result<Label> {
    let sql = "SELECT DISTINCT synset, name FROM class WHERE id IN (SELECT class FROM whole \
         WHERE photo = ?1 AND source <> 1
               UNION SELECT class FROM region WHERE photo = ?1 AND source <> 1) ORDER BY id";
    let mut statement = connection.prepare(sql)?;
    let labels = statement.query_map([id], Label::from_row)?.collect::<Result<Vec<_>, _>>()?;
    find(&labels, name_or_synset)?.ok_or_else(|| {
        let names: Vec<&str> = labels.iter().map(|label| label.name.as_str()).collect();
        let names = if names.is_empty() { "nothing".into() } else { names.join("; ") };
        Error::Request(format!(
            "{}: {name_or_synset:?} was not found in it; found were {names}",
            name(photo)
        ))
    })
}

/// Returns the class of that name of any model, or a new one.
fn known_label(connection: &Connection, name_or_synset: &str, new_name: bool) -> Result<Label> {
    let mut statement =
        connection.prepare("SELECT DISTINCT synset, name FROM class ORDER BY id")?;
    let labels = statement.query_map([], Label::from_row)?.collect::<Result<Vec<_>, _>>()?;
    if let Some(label) = find(&labels, name_or_synset)? {
        return Ok(label);
    }
    let name_or_synset = name_or_synset.trim();
    if new_name && !name_or_synset.is_empty() {
        return Ok(Label { synset: None, name: name_or_synset.to_owned() });
    }
    let names = Labels::from_names(labels.into_iter().map(|label| label.name));
    let unknown = names.find(name_or_synset).err().map_or_else(
        || format!("no class is called {name_or_synset:?}"),
        |error| error.to_string(),
    );
    Err(Error::UnknownClass(unknown))
}

/// Finds the label by name or synset, ignoring case; `None` if there is none.
fn find(labels: &[Label], name_or_synset: &str) -> Result<Option<Label>> {
    let name_or_synset = name_or_synset.trim().to_lowercase();
    let is_called = |label: &&Label| {
        let label_name = label.name.to_lowercase();
        label.synset.as_deref() == Some(&*name_or_synset)
            || label_name == name_or_synset
            || label_name.split(',').any(|name| name.trim() == name_or_synset)
    };
    let matching: Vec<&Label> = labels.iter().filter(is_called).collect();
    match matching[..] {
        [] => Ok(None),
        [label, ..] if matching.iter().all(|other| other.key() == label.key()) => {
            Ok(Some(label.clone()))
        }
        _ => {
            let describe = |label: &&Label| format!("{} ({})", label.key(), label.name);
            let descriptions: Vec<String> = matching.iter().map(describe).collect();
            Err(Error::Request(format!(
                "{name_or_synset:?} may be {}: give the synset",
                descriptions.join(" or ")
            )))
        }
    }
}

/// Returns the id of the user's class of that label; inserts it if it is new.
fn class_of_user(connection: &Connection, label: &Label) -> Result<i64> {
    let sql = "INSERT OR IGNORE INTO model (name, fingerprint, settings, features) \
               VALUES (?, x'', '{}', 0)";
    connection.execute(sql, [USER])?;
    let model: i64 =
        connection
            .query_row("SELECT id FROM model WHERE fingerprint = x''", [], |row| row.get(0))?;
    let sql = "SELECT id FROM class WHERE model = ? AND coalesce(synset, name) = ?";
    if let Some(class) =
        connection.query_row(sql, params![model, label.key()], |row| row.get(0)).optional()?
    {
        return Ok(class);
    }
    let sql = "SELECT coalesce(max(number) + 1, 0) FROM class WHERE model = ?";
    let number: u32 = connection.query_row(sql, [model], |row| row.get(0))?;
    classes::insert(connection, model, number as usize, label.synset.as_deref(), &label.name)
}

/// Applies the corrections of a photo to its detections.
pub(crate) fn apply(connection: &Connection, photo: i64) -> Result<()> {
    let sql = "SELECT wrong, right, x0, x1, y0, y1 FROM correction WHERE photo = ? ORDER BY id";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([photo])?;
    let mut is_reset = false;
    while let Some(row) = rows.next()? {
        if !is_reset {
            reset(connection, photo)?;
            is_reset = true;
        }
        let (wrong, right): (Option<String>, Option<i64>) = (row.get(0)?, row.get(1)?);
        let sides: [Option<f64>; 4] = [row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?];
        if let Some(right) = right {
            let [Some(x0), Some(x1), Some(y0), Some(y1)] = sides else {
                add(
                    connection,
                    photo,
                    right,
                    wrong.as_deref().map_or(Location::Anywhere, Location::RegionsOf),
                )?;
                refute(connection, photo, wrong.as_deref())?;
                continue;
            };
            add(connection, photo, right, Location::Box([x0, x1, y0, y1]))?;
        }
        refute(connection, photo, wrong.as_deref())?;
    }
    Ok(())
}

/// Location of a corrected class.
#[derive(Clone, Copy)]
enum Location<'a> {
    Anywhere,
    /// The regions of this wrong class.
    RegionsOf(&'a str),
    /// Left, right, top, bottom.
    Box([f64; 4]),
}

/// Undoes the effect of all corrections.
fn reset(connection: &Connection, photo: i64) -> Result<()> {
    for sql in [
        "DELETE FROM region_box WHERE id IN (SELECT id FROM region WHERE photo = ? AND source = 1)",
        "DELETE FROM region WHERE photo = ? AND source = 1",
        "DELETE FROM whole WHERE photo = ? AND source = 1",
        "UPDATE region SET source = 0 WHERE photo = ? AND source = 2",
        "UPDATE whole SET source = 0 WHERE photo = ? AND source = 2",
    ] {
        connection.prepare_cached(sql)?.execute([photo])?;
    }
    Ok(())
}

fn refute(connection: &Connection, photo: i64, wrong: Option<&str>) -> Result<()> {
    let Some(wrong) = wrong else { return Ok(()) };
    for table in ["whole", "region"] {
        let sql = format!(
            "UPDATE {table} SET source = 2 WHERE photo = ? AND source = 0
             AND class IN (SELECT id FROM class WHERE coalesce(synset, name) = ?)"
        );
        connection.prepare_cached(&sql)?.execute(params![photo, wrong])?;
    }
    Ok(())
}

fn add(connection: &Connection, photo: i64, class: i64, location: Location<'_>) -> Result<()> {
    let sql =
        "INSERT OR REPLACE INTO whole (class, photo, probability, source) VALUES (?, ?, 1, ?)";
    connection.prepare_cached(sql)?.execute(params![class, photo, Source::User])?;
    let user_region =
        |sides: [f64; 4], share| RegionRow { class, sides, share, mean: 1.0, peak: 1.0 };
    match location {
        Location::Anywhere => Ok(()),
        Location::Box(sides) => {
            let [x0, x1, y0, y1] = sides;
            user_region(sides, (x1 - x0) * (y1 - y0)).write(connection, photo, Source::User)
        }
        Location::RegionsOf(wrong) => {
            let sql = "SELECT x0, x1, y0, y1, share FROM region \
                       JOIN region_box ON region_box.id = region.id
                       WHERE photo = ? AND source = 0
                       AND class IN (SELECT id FROM class \
                       WHERE coalesce(synset, name) = ?) ORDER BY region.id";
            let mut statement = connection.prepare_cached(sql)?;
            let region = |row: &rusqlite::Row<'_>| {
                Ok(user_region([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?], row.get(4)?))
            };
            let regions = statement
                .query_map(params![photo, wrong], region)?
                .collect::<Result<Vec<_>, _>>()?;
            regions.iter().try_for_each(|region| region.write(connection, photo, Source::User))
        }
    }
}

/// Removes the corrections of a photo and their effect.
pub(crate) fn forget(connection: &Connection, photo: i64) -> Result<()> {
    reset(connection, photo)?;
    connection.prepare_cached("DELETE FROM correction WHERE photo = ?")?.execute([photo])?;
    Ok(())
}
