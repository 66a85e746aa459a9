//! What is in a library, and how much of what.

use crate::error::Result;
use crate::library::Library;
use crate::photo::State;

/// A library in figures.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Statistics {
    /// Photos in their places.
    pub present: usize,
    /// Photos that are not where they were.
    pub missing: usize,
    /// Photos that cannot be read.
    pub unreadable: usize,
    /// Bytes of the photos' files that are in their places.
    pub photo_bytes: u64,
    /// Bytes of the library's own file.
    pub library_bytes: u64,
    /// The first and the last day that a photo was taken on, by the cameras' clocks.
    pub taken: Option<(String, String)>,
    /// Regions of all photos.
    pub regions: usize,
    /// What the user said.
    pub corrections: usize,
    /// Classes by how many photos have them, the most frequent first.
    pub classes: Vec<ClassCount>,
    /// Photos by the year they were taken in.
    pub years: Vec<(String, usize)>,
}

/// How much there is of a class.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassCount {
    /// The WordNet synset, where the class has one.
    pub synset: Option<String>,
    /// The class's names.
    pub name: String,
    /// Photos that have it with a probability of at least a half, as a whole or somewhere in a
    /// region.
    pub photos: usize,
    /// Such regions.
    pub regions: usize,
    /// The part of those photos that its regions cover, on average.
    pub share: f64,
}

/// Classes by photos. A class of several models is one.
const CLASSES: &str = "
    WITH seen AS (
      SELECT class, photo, 0 AS regions, 0.0 AS share FROM whole WHERE source < 2 AND probability >= 0.5
      UNION ALL SELECT class, photo, 1, share FROM region WHERE source < 2 AND peak >= 0.5)
    SELECT synset, name, count(DISTINCT photo), sum(regions), min(1.0, sum(share) / count(DISTINCT photo))
    FROM seen JOIN class ON class.id = class JOIN photo ON photo.id = photo AND state = 0
    GROUP BY coalesce(synset, name) ORDER BY 3 DESC, 4 DESC, name LIMIT ?";

impl Library {
    /// The library in figures, with its `limit` most frequent classes.
    ///
    /// # Errors
    /// If the library cannot be read.
    pub fn statistics(&self, limit: usize) -> Result<Statistics> {
        let number = |sql: &str| -> Result<u64> {
            Ok(self.connection().query_row(sql, [], |row| row.get(0))?)
        };
        let state = |state: State| {
            number(&format!("SELECT count(*) FROM photo WHERE state = {}", state as i64))
        };
        let days = "SELECT substr(min(taken), 1, 10), substr(max(taken), 1, 10) FROM photo WHERE state = 0";
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
            regions: number("SELECT count(*) FROM region WHERE source < 2")? as usize,
            corrections: number("SELECT count(*) FROM correction")? as usize,
            classes: self.classes(limit)?,
            years: self.years()?,
        })
    }

    fn classes(&self, limit: usize) -> Result<Vec<ClassCount>> {
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
        Ok(statement.query_map([limit as i64], class)?.collect::<Result<_, _>>()?)
    }

    fn years(&self) -> Result<Vec<(String, usize)>> {
        let sql = "SELECT substr(taken, 1, 4) AS year, count(*) FROM photo WHERE state = 0 AND taken IS NOT NULL
                   GROUP BY year ORDER BY year";
        let mut statement = self.connection().prepare(sql)?;
        Ok(statement
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<_, _>>()?)
    }

    /// Gives the space of what was forgotten back to the system, and lets SQLite count its tables'
    /// rows anew.
    ///
    /// # Errors
    /// If the library cannot be written, or there is no room for a second copy of it.
    pub fn vacuum(&mut self) -> Result<()> {
        let connection = self.connection();
        connection.execute("INSERT INTO class_name (class_name) VALUES ('optimize')", [])?;
        connection.execute_batch("VACUUM; ANALYZE")?;
        connection.pragma_update_and_check(None, "wal_checkpoint", "TRUNCATE", |_| Ok(()))?;
        Ok(())
    }
}
