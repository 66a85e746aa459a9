//! Verification of a library and of its photos.

use std::ops::ControlFlow;
use std::path::Path;

use lorgnette::picture::OpenOptions;
use rusqlite::ErrorCode;

use crate::error::{DatabaseErrorKind, Error, Result};
use crate::feature::Feature;
use crate::index::file_digest;
use crate::library::Library;
use crate::photo::{Photo, State};
use crate::signature;

/// Maximum number of complaints of one check.
const MAX_COMPLAINTS: usize = 100;

/// Queries that return rows only if the library is inconsistent, with their meaning.
const INCONSISTENCIES: [(&str, &str); 12] = [
    ("SELECT id FROM photo WHERE instr(path, x'00') > 0", "the path of a photo has a zero byte"),
    ("SELECT id FROM region WHERE id NOT IN (SELECT id FROM region_box)", "a region has no box"),
    ("SELECT id FROM region_box WHERE id NOT IN (SELECT id FROM region)", "a box has no region"),
    (
        "SELECT region.id FROM region JOIN region_box ON region_box.id = region.id \
         WHERE class <> class0 OR class <> class1",
        "a region's box is of another class",
    ),
    (
        "SELECT id FROM region_box WHERE x0 < 0 OR y0 < 0 OR x1 > 1.000001 OR y1 > 1.000001",
        "a box is outside of its photo",
    ),
    (
        "SELECT id FROM region WHERE NOT (share BETWEEN 0 AND 1.000001 \
         AND mean BETWEEN 0 AND 1.000001 AND peak BETWEEN 0 AND 1.000001)",
        "a region's share or probability is not from 0 to 1",
    ),
    (
        "SELECT photo FROM whole WHERE NOT probability BETWEEN 0 AND 1.000001",
        "a photo's probability is not from 0 to 1",
    ),
    ("SELECT id FROM region WHERE class NOT IN (SELECT id FROM class)", "a region is of no class"),
    ("SELECT photo FROM whole WHERE class NOT IN (SELECT id FROM class)", "a photo is of no class"),
    (
        "SELECT region.id FROM region JOIN class ON class.id = class WHERE source <> 1 AND NOT \
         EXISTS (SELECT 1 FROM analysis WHERE analysis.photo = region.photo \
         AND analysis.model = class.model)",
        "a region was found by a model that has not looked",
    ),
    (
        "SELECT id FROM feature WHERE NOT EXISTS (SELECT 1 FROM analysis \
         WHERE analysis.photo = feature.photo AND analysis.model = feature.model)",
        "a feature is of a model that has not looked",
    ),
    (
        "SELECT analysis.photo FROM analysis JOIN model ON model.id = analysis.model WHERE \
         features > 0 AND NOT EXISTS (SELECT 1 FROM feature \
         WHERE feature.photo = analysis.photo AND feature.model = analysis.model)",
        "a photo lacks its feature",
    ),
];

/// A check that appends its complaints.
type Check = fn(&Library, &mut Vec<String>) -> Result<()>;

impl Library {
    /// Reads the whole library and returns what is inconsistent in it; empty for a sound one.
    ///
    /// # Errors
    /// If the library cannot be read at all. Damage is part of the result.
    pub fn integrity(&self) -> Result<Vec<String>> {
        let mut wrong = Vec::new();
        let checks: [Check; 4] =
            [Self::check_pages, Self::check_words, Self::check_consistency, Self::check_features];
        for check in checks {
            match check(self, &mut wrong) {
                // A damaged page may stop a later check; the check of the pages has reported it.
                Err(Error::Database(error)) if error.kind() == DatabaseErrorKind::Corrupt => {
                    wrong.push(error.to_string());
                }
                other => other?,
            }
        }
        Ok(wrong)
    }

    /// Runs SQLite's checks of pages, indices, references and the R*Tree.
    fn check_pages(&self, wrong: &mut Vec<String>) -> Result<()> {
        for sql in ["PRAGMA integrity_check", "SELECT rtreecheck('region_box')"] {
            let mut statement = self.connection().prepare(sql)?;
            for line in statement.query_map([], |row| row.get::<_, String>(0))?.take(MAX_COMPLAINTS)
            {
                wrong.extend(Some(line?).filter(|line| line != "ok"));
            }
        }
        let mut statement =
            self.connection().prepare("SELECT \"table\", rowid FROM pragma_foreign_key_check")?;
        let orphan =
            |row: &rusqlite::Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, Option<i64>>(1)?));
        for orphan in statement.query_map([], orphan)?.take(MAX_COMPLAINTS) {
            let (table, row) = orphan?;
            wrong.push(format!("row {} of {table} belongs to nothing", row.unwrap_or_default()));
        }
        Ok(())
    }

    /// Checks the full-text index of class names.
    fn check_words(&self, wrong: &mut Vec<String>) -> Result<()> {
        let sql = "INSERT INTO class_name (class_name, rank) VALUES ('integrity-check', 1)";
        match self.connection().execute(sql, []) {
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseCorrupt) => {
                wrong.push("the words of the classes' names are not those of the classes".into());
                Ok(())
            }
            // FTS5 treats its check as a write; on a read-only library only its tables are checked,
            // with the pages.
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::ReadOnly) => Ok(()),
            other => Ok(other.map(|_| ())?),
        }
    }

    fn check_consistency(&self, wrong: &mut Vec<String>) -> Result<()> {
        for (sql, meaning) in INCONSISTENCIES {
            let mut statement = self.connection().prepare(sql)?;
            for id in statement.query_map([], |row| row.get::<_, i64>(0))?.take(MAX_COMPLAINTS) {
                wrong.push(format!("{meaning} ({})", id?));
            }
        }
        Ok(())
    }

    /// Checks that features are valid and match their signatures.
    fn check_features(&self, wrong: &mut Vec<String>) -> Result<()> {
        let sql = "SELECT feature.id, vector, features, model.id FROM feature \
                   JOIN model ON model.id = model
                   ORDER BY model.id, feature.id";
        let mut statement = self.connection().prepare(sql)?;
        let mut rows = statement.query([])?;
        let mut signatures = signature::Reader::new(self.connection());
        while let Some(row) = rows.next()? {
            let (id, model) = (row.get(0)?, row.get(3)?);
            let feature = Feature::from_bytes(row.get_ref(1)?.as_blob()?, row.get(2)?);
            let signature = feature.map(|feature| feature.signature());
            if signature.is_none() || signature != signatures.get(model, id)? {
                wrong.push(format!("the feature {id} is damaged, or its signature is of another"));
            }
            if wrong.len() > MAX_COMPLAINTS {
                break;
            }
        }
        Ok(())
    }

    /// Reads every present photo and passes it to `on_photo`, with the difference from its record,
    /// if any. `on_photo` may stop the check.
    ///
    /// # Errors
    /// If the library cannot be read.
    pub fn verify_files(
        &self,
        options: &OpenOptions,
        mut on_photo: impl FnMut(&Path, Option<&str>) -> ControlFlow<()>,
    ) -> Result<()> {
        let mut stopped = false;
        self.each_photo(Some(State::Present), |photo| {
            stopped =
                stopped || on_photo(&photo.path, difference(&photo, options).as_deref()).is_break();
            Ok(())
        })
    }
}

/// Describes the difference of a photo's file from its record.
fn difference(photo: &Photo, options: &OpenOptions) -> Option<String> {
    match file_digest(&photo.path, options) {
        Err(error) => Some(error.to_string()),
        Ok(digest) if Some(digest) == photo.digest => None,
        Ok(_) => Some(format!("{}: changed since it was indexed", photo.path.display())),
    }
}
