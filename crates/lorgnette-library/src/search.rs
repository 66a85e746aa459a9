//! Photos that are as a query says, the best first.
//!
//! A photo's score is made as people would: a thing's is its probability times how well it lies
//! where it should (`fit`); AND multiplies, OR takes the best, NOT, `path:` and `date:` let through
//! or do not. [`Hit::explanation`] says how each came about.
//!
//! SQLite finds and ranks the photos: [`Library::search`] translates the query into one statement
//! and binds every value. The reference scorer then names the matching regions of the photos that
//! are returned and explains their scores. A test compares the two on random queries.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, Row, params, params_from_iter};

pub use self::fit::BoundingBox;
pub use self::resolve::MIN_PROBABILITY;
pub use self::score::Explanation;

use self::resolve::{ResolvedQuery, Resolver};
use self::score::{DetectionRow, MatchedRow, PhotoFacts, ScoredPhoto};
use crate::bytes;
use crate::error::{Error, Result};
use crate::hierarchy::{Class, Vocabulary};
use crate::library::Library;
use crate::query::Query;

mod fit;
mod functions;
mod pattern;
mod resolve;
mod score;
mod sql;

/// The least similarity of a photo that is `like` another, if the query names none.
pub const MIN_SIMILARITY: f64 = 0.7;

/// The most photos that are `like` another: the most similar ones.
const MAX_SIMILAR: usize = 1000;

/// How many photos are wanted, and who looks at the photo that they are to be like.
#[derive(Clone, Copy)]
pub struct SearchOptions<'a> {
    /// The most photos given; the best ones.
    pub limit: usize,
    /// Looks at the photo of `like PHOTO`.
    pub provider: &'a dyn FeatureProvider,
}

impl Default for SearchOptions<'_> {
    /// Twenty photos, like photos of the library itself.
    fn default() -> Self {
        Self { limit: 20, provider: &LibraryFeatures }
    }
}

/// Looks at the photo that others are to be `like`.
pub trait FeatureProvider {
    /// The library's number of a model that has looked at its photos, and what that model computes
    /// of `photo`.
    ///
    /// # Errors
    /// If the photo cannot be opened, or no such model is at hand.
    fn features(&self, library: &Library, photo: &Path) -> Result<(i64, Vec<f32>)>;
}

/// Looks at no photos, but knows those that are in the library.
#[derive(Clone, Copy, Debug, Default)]
pub struct LibraryFeatures;

impl FeatureProvider for LibraryFeatures {
    fn features(&self, library: &Library, photo: &Path) -> Result<(i64, Vec<f32>)> {
        let photo = photo.canonicalize().unwrap_or_else(|_| photo.to_owned());
        for model in library.models()?.iter().filter(|model| model.features > 0) {
            if let Some(features) = library.features(&photo, model.id)? {
                return Ok((model.id, features));
            }
        }
        Err(Error::Request(format!("{}: no model has looked at it", photo.display())))
    }
}

/// What a search found.
#[derive(Clone, Debug, PartialEq)]
pub struct SearchResults {
    /// How many photos are as the query says.
    pub total: usize,
    /// The best of them, the best one first; equal ones by their path.
    pub hits: Vec<Hit>,
}

/// A photo that was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit {
    /// Its `photo.id` in the library.
    pub photo: i64,
    /// Its file.
    pub path: PathBuf,
    /// Width in pixels, upright, where the library knows it.
    pub width: Option<u32>,
    /// Height in pixels, upright, where the library knows it.
    pub height: Option<u32>,
    /// When it was taken by the camera's clock, `YYYY-MM-DDTHH:MM:SS`.
    pub taken: Option<String>,
    /// How well it is as the query says, 0 to 1.
    pub score: f64,
    /// What meets the query, in the order of the query.
    pub matches: Vec<Match>,
    /// How the score came about.
    pub explanation: Explanation,
}

/// Something in a photo that meets a query.
#[derive(Clone, Debug, PartialEq)]
pub struct Match {
    /// What the query calls it.
    pub asked: String,
    /// What the network calls it.
    pub name: String,
    /// Its WordNet synset, if it has one.
    pub synset: Option<String>,
    /// Where it is; none if the network says so of the photo as a whole.
    pub bounds: Option<BoundingBox>,
    /// Its share of the photo, 0 to 1.
    pub share: f64,
    /// How sure the network is, 0 to 1.
    pub probability: f64,
    /// What it contributes to the score, 0 to 1.
    pub score: f64,
}

/// The names that can be asked for in a library.
///
/// # Errors
/// If the library cannot be read.
pub fn vocabulary(library: &Library) -> Result<Vocabulary> {
    let mut statement =
        library.connection().prepare_cached("SELECT id, synset, name FROM class ORDER BY id")?;
    let class = |row: &Row<'_>| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, Option<String>>(1)?, row.get::<_, String>(2)?))
    };
    let classes: Vec<_> = statement.query_map([], class)?.collect::<Result<_, _>>()?;
    Ok(Vocabulary::new(classes.iter().map(|(id, synset, name)| Class {
        id: *id,
        synset: synset.as_deref(),
        name,
    })))
}

impl Library {
    /// The best photos that are as a query says. Read it with [`Query::parse_with`] and check its
    /// names with [`Vocabulary::check`], for errors that point at the word.
    ///
    /// # Errors
    /// If a name means nothing here, `like` cannot be answered, or the library cannot be read.
    pub fn search(&self, query: &Query, options: &SearchOptions<'_>) -> Result<SearchResults> {
        // What is found and what explains it are read as they were at one moment, whatever another
        // process writes.
        let _snapshot = self.connection().unchecked_transaction()?;
        let resolved = ResolvedQuery::new(
            query,
            &Resolver { library: self, vocabulary: vocabulary(self)?, provider: options.provider },
        )?;
        let connection = self.connection();
        functions::register(connection)?;
        let sql = sql::ranked(&resolved, options.limit);
        let mut statement = connection.prepare_cached(&sql.text)?;
        let ranked = statement.query_map(params_from_iter(&sql.values), RankedRow::read)?;
        let ranked: Vec<RankedRow> = ranked.collect::<Result<_, _>>()?;
        let total = ranked.first().map_or(0, |first| first.total);
        let hits =
            ranked.into_iter().map(|ranked| self.hit(&resolved, ranked)).collect::<Result<_>>()?;
        Ok(SearchResults { total, hits })
    }

    /// A found photo with what meets the query in it.
    fn hit(&self, resolved: &ResolvedQuery, ranked: RankedRow) -> Result<Hit> {
        let RankedRow { score, width, height, mut facts, .. } = ranked;
        facts.load_detections(self.connection())?;
        let ScoredPhoto { explanation, matched } =
            resolved.score_photo(&facts).unwrap_or_else(|| resolved.unexplained(score));
        let matches = matched
            .into_iter()
            .map(|matched| to_match(self.connection(), matched))
            .collect::<Result<_>>()?;
        let (path, taken) = (bytes::to_path(&facts.path), facts.taken);
        Ok(Hit { photo: facts.photo, path, width, height, taken, score, matches, explanation })
    }

    /// The statement that a search makes of a query, and SQLite's plan for it, for those who want
    /// to know why it takes its time.
    ///
    /// # Errors
    /// As [`Library::search`].
    pub fn explain_search(&self, query: &Query, options: &SearchOptions<'_>) -> Result<String> {
        let resolved = ResolvedQuery::new(
            query,
            &Resolver { library: self, vocabulary: vocabulary(self)?, provider: options.provider },
        )?;
        functions::register(self.connection())?;
        let sql = sql::ranked(&resolved, options.limit);
        let mut statement =
            self.connection().prepare(&format!("EXPLAIN QUERY PLAN {}", sql.text))?;
        let lines =
            statement.query_map(params_from_iter(&sql.values), |row| row.get::<_, String>(3))?;
        let lines: Vec<String> = lines.collect::<Result<_, _>>()?;
        Ok(format!("{}\n\n{}", sql.text, lines.join("\n")))
    }
}

/// A row of what was found.
struct RankedRow {
    total: usize,
    score: f64,
    width: Option<u32>,
    height: Option<u32>,
    facts: PhotoFacts,
}

impl RankedRow {
    /// In the order of [`sql::ranked`].
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let facts = PhotoFacts {
            photo: row.get(0)?,
            path: row.get_ref(1)?.as_blob()?.to_vec(),
            taken: row.get(4)?,
            modified: row.get(5)?,
            ..PhotoFacts::default()
        };
        let (width, height) = (row.get(2)?, row.get(3)?);
        Ok(Self { score: row.get(6)?, total: row.get::<_, i64>(7)? as usize, width, height, facts })
    }
}

fn to_match(connection: &Connection, matched: MatchedRow) -> Result<Match> {
    let MatchedRow { name: asked, row, whole, score } = matched;
    let mut statement = connection.prepare_cached("SELECT name, synset FROM class WHERE id = ?")?;
    let (name, synset) = statement.query_row([row.class], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let bounds = (!whole).then_some(row.bounds);
    Ok(Match { asked, name, synset, bounds, share: row.share, probability: row.probability, score })
}

impl PhotoFacts {
    /// Reads what the networks saw in the photo.
    fn load_detections(&mut self, connection: &Connection) -> Result<()> {
        let mut statement = connection.prepare_cached(sql::REGIONS_OF_PHOTO)?;
        self.regions =
            statement.query_map([self.photo], DetectionRow::read)?.collect::<Result<_, _>>()?;
        let mut statement = connection.prepare_cached(sql::IMAGE_SCORES_OF_PHOTO)?;
        self.image_scores = statement
            .query_map(params![self.photo], DetectionRow::read)?
            .collect::<Result<_, _>>()?;
        Ok(())
    }
}

impl DetectionRow {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let bounds =
            BoundingBox { x0: row.get(2)?, x1: row.get(3)?, y0: row.get(4)?, y1: row.get(5)? };
        Ok(Self {
            id: row.get(0)?,
            class: row.get(1)?,
            bounds,
            share: row.get(6)?,
            probability: row.get(7)?,
            model: row.get(8)?,
        })
    }
}

#[cfg(test)]
mod tests;
