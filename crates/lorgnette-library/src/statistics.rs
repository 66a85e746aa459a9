//! Statistics of a library.

use rusqlite::params;

use crate::error::Result;
use crate::library::Library;
use crate::photo::State;

/// Counts and sizes of a library.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Statistics {
    /// Present photos.
    pub present: usize,
    /// Missing photos.
    pub missing: usize,
    /// Unreadable photos.
    pub unreadable: usize,
    /// Total bytes of the files of present photos.
    pub photo_bytes: u64,
    /// Bytes of the library file.
    pub library_bytes: u64,
    /// First and last day of capture, by the cameras' clocks.
    pub taken: Option<(String, String)>,
    /// Regions of all photos, of the model or of all.
    pub regions: usize,
    /// Number of corrections.
    pub corrections: usize,
    /// Classes in descending order of the number of photos.
    pub classes: Vec<ClassCount>,
    /// Number of photos by year of capture.
    pub years: Vec<(String, usize)>,
}

/// Counts of a class.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassCount {
    /// WordNet synset, if any.
    pub synset: Option<String>,
    /// Names of the class.
    pub name: String,
    /// Photos with a probability of at least 0.5, in whole or in a region.
    pub photos: usize,
    /// Regions with a probability of at least 0.5.
    pub regions: usize,
    /// Mean fraction of those photos that its regions cover.
    pub share: f64,
}

/// Counts by class; classes of several models with one synset or name are merged.
const CLASSES: &str = "
    WITH seen AS (
      SELECT class, photo, 0 AS regions, 0.0 AS share FROM whole WHERE source < 2 \
      AND probability >= 0.5
      UNION ALL SELECT class, photo, 1, share FROM region WHERE source < 2 AND peak >= 0.5)
    SELECT synset, name, count(DISTINCT photo), sum(regions), min(1.0, sum(share) / count(DISTINCT \
    photo))
    FROM seen JOIN class ON class.id = class AND (?1 IS NULL OR model = ?1)
    JOIN photo ON photo.id = photo AND state = 0
    GROUP BY coalesce(synset, name) ORDER BY 3 DESC, 4 DESC, name LIMIT ?2";

/// Number of regions of a model, or of all.
const REGIONS: &str = "
    SELECT count(*) FROM region JOIN class ON class.id = class
    WHERE source < 2 AND (?1 IS NULL OR model = ?1)";

impl Library {
    /// Returns the statistics with the `limit` most frequent classes, of one model or of all.
    ///
    /// # Errors
    /// If the library cannot be read.
    pub fn statistics(&self, model: Option<i64>, limit: usize) -> Result<Statistics> {
        let number = |sql: &str| -> Result<u64> {
            Ok(self.connection().query_row(sql, [], |row| row.get(0))?)
        };
        let state = |state: State| {
            number(&format!("SELECT count(*) FROM photo WHERE state = {}", state as i64))
        };
        let days = "SELECT substr(min(taken), 1, 10), substr(max(taken), 1, 10) FROM photo \
                    WHERE state = 0";
        let pair = |row: &rusqlite::Row<'_>| {
            Ok((row.get::<_, Option<String>>(0)?, row.get::<_, Option<String>>(1)?))
        };
        let taken = self.connection().query_row(days, [], pair)?;
        Ok(Statistics {
            present: state(State::Present)? as usize,
            missing: state(State::Missing)? as usize,
            unreadable: state(State::Unreadable)? as usize,
            photo_bytes: number("SELECT coalesce(sum(bytes), 0) FROM photo WHERE state = 0")?,
            library_bytes: number(
                "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size",
            )?,
            taken: taken.0.zip(taken.1),
            regions: self.connection().query_row(REGIONS, [model], |row| row.get(0))?,
            corrections: number("SELECT count(*) FROM correction")? as usize,
            classes: self.classes(model, limit)?,
            years: self.years()?,
        })
    }

    fn classes(&self, model: Option<i64>, limit: usize) -> Result<Vec<ClassCount>> {
        let mut statement = self.connection().prepare(CLASSES)?;
        let class = |row: &rusqlite::Row<'_>| {
            let (synset, name) = (row.get(0)?, row.get(1)?);
            Ok(ClassCount {
                synset,
                name,
                photos: row.get(2)?,
                regions: row.get(3)?,
                share: row.get(4)?,
            })
        };
        Ok(statement.query_map(params![model, limit as i64], class)?.collect::<Result<_, _>>()?)
    }

    fn years(&self) -> Result<Vec<(String, usize)>> {
        let sql = "SELECT substr(taken, 1, 4) AS year, count(*) FROM photo WHERE state = 0 \
                   AND taken IS NOT NULL
                   GROUP BY year ORDER BY year";
        let mut statement = self.connection().prepare(sql)?;
        Ok(statement
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<_, _>>()?)
    }

    /// Returns the space of removed rows to the file system, and updates the planner's statistics.
    ///
    /// # Errors
    /// If the library cannot be written, or the disk has no room for a second copy.
    pub fn vacuum(&mut self) -> Result<()> {
        let connection = self.connection();
        connection.execute("INSERT INTO class_name (class_name) VALUES ('optimize')", [])?;
        connection.execute_batch("VACUUM; ANALYZE")?;
        self.checkpoint()
    }

    /// Moves all that was written to the library's own file.
    pub(crate) fn checkpoint(&self) -> Result<()> {
        let connection = self.connection();
        connection.pragma_update_and_check(None, "wal_checkpoint", "TRUNCATE", |_| Ok(()))?;
        Ok(())
    }
}
