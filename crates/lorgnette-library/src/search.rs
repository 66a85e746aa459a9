//! Search for photos that match a query, in descending order of score.
//!
//! The score of an object is its probability times the fit of its box to the place and relation
//! asked for (`fit`). AND multiplies, OR takes the maximum; NOT, `path:` and `date:` are filters.
//! [`Hit::explanation`] shows how a score was computed.
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

/// Default minimum similarity for `like`.
pub const MIN_SIMILARITY: f64 = 0.7;

/// Maximum number of photos that match `like`.
const MAX_SIMILAR: usize = 1000;

/// Options of a search.
#[derive(Clone, Copy)]
pub struct SearchOptions<'a> {
    /// Maximum number of hits returned.
    pub limit: usize,
    /// Computes the features of the photo of `like PHOTO`.
    pub provider: &'a dyn FeatureProvider,
}

impl Default for SearchOptions<'_> {
    /// Returns a limit of twenty hits, and the features of photos in the library.
    fn default() -> Self {
        Self { limit: 20, provider: &LibraryFeatures }
    }
}

/// Computes the features of the photo of `like PHOTO`.
pub trait FeatureProvider {
    /// Returns the id of a model with features in the library, and the features of `photo` by that
    /// model.
    ///
    /// # Errors
    /// If the photo cannot be opened, or no such model is available.
    fn features(&self, library: &Library, photo: &Path) -> Result<(i64, Vec<f32>)>;
}

/// Reads features that are in the library.
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

/// Results of a search.
#[derive(Clone, Debug, PartialEq)]
pub struct SearchResults {
    /// Number of photos that match.
    pub total: usize,
    /// Best matches in descending order of score, then by path.
    pub hits: Vec<Hit>,
}

/// A photo that matches.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit {
    /// Id in the library.
    pub photo: i64,
    /// Path.
    pub path: PathBuf,
    /// Width in pixels, upright, if known.
    pub width: Option<u32>,
    /// Height in pixels, upright, if known.
    pub height: Option<u32>,
    /// Time of capture by the camera's clock, `YYYY-MM-DDTHH:MM:SS`.
    pub taken: Option<String>,
    /// Score, 0 to 1.
    pub score: f64,
    /// Matching detections in the order of the query.
    pub matches: Vec<Match>,
    /// Computation of the score.
    pub explanation: Explanation,
}

/// A detection that matches part of a query.
#[derive(Clone, Debug, PartialEq)]
pub struct Match {
    /// Name in the query.
    pub asked: String,
    /// Names of the class.
    pub name: String,
    /// WordNet synset, if any.
    pub synset: Option<String>,
    /// Bounding box; `None` for an image-level class.
    pub bounds: Option<BoundingBox>,
    /// Fraction of the photo that it covers, 0 to 1.
    pub share: f64,
    /// Probability, 0 to 1.
    pub probability: f64,
    /// Contribution to the score, 0 to 1.
    pub score: f64,
}

/// Returns the class names of a library.
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
    /// Returns the best matches of a query. Parse the query with [`Query::parse_with`] and check
    /// its names with [`Vocabulary::check`] for errors that point at the word.
    ///
    /// # Errors
    /// If a name is unknown, `like` cannot be computed, or the library cannot be read.
    pub fn search(&self, query: &Query, options: &SearchOptions<'_>) -> Result<SearchResults> {
        // The transaction gives ranking and explanation one snapshot while other processes write.
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

    /// Returns the hit of a ranked photo.
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

    /// Returns the SQL statement of a query and SQLite's plan for it.
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

/// A row of the ranking.
struct RankedRow {
    total: usize,
    score: f64,
    width: Option<u32>,
    height: Option<u32>,
    facts: PhotoFacts,
}

impl RankedRow {
    /// Reads the columns of [`sql::ranked`].
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
    /// Reads the detections of the photo.
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
