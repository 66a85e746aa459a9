//! Search for photos that match a query, in descending order of score.
//!
//! The score of an object is its probability times the fit of its box to the place and relation
//! asked for (`fit`). AND multiplies, OR takes the maximum; NOT, `path:` and `date:` are filters.
//! [`Hit::explanation`] shows how a score was computed.
//!
//! SQL finds candidates: the detections that may be an object of the query, by class, place,
//! probability and size. They are scored here, photo by photo, and the best photos explained. A
//! test compares the results with those of scoring every photo with all of its detections.

use std::cmp::Ordering;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, Row, params, params_from_iter};

pub use self::fit::BoundingBox;
pub use self::resolve::MIN_PROBABILITY;
pub use self::score::Explanation;

use self::candidates::{Candidates, PhotoRow};
use self::resolve::{ResolvedQuery, Resolver};
use self::score::{MatchedRow, PhotoFacts, ScoredPhoto};
use crate::bytes;
use crate::duplicates::order_of_copies;
use crate::error::{Error, Result};
use crate::hierarchy::{Class, Vocabulary};
use crate::library::Library;
use crate::query::Query;

mod candidates;
mod fit;
mod people;
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
    /// Id of the model whose detections count, beside the user's; all models if `None`.
    pub model: Option<i64>,
    /// Minimum probability of a detection, unless the query gives one.
    pub min_probability: f64,
    /// Whether photos of equal bytes are one hit, the best of them.
    pub fold_copies: bool,
    /// The [`vocabulary`] of `model`, if the caller has it already; it takes a millisecond or two
    /// to make.
    pub vocabulary: Option<&'a Vocabulary>,
}

impl Default for SearchOptions<'_> {
    /// Returns a limit of twenty hits, the features of photos in the library, all models,
    /// [`MIN_PROBABILITY`], and a hit for each copy.
    fn default() -> Self {
        Self {
            limit: 20,
            provider: &LibraryFeatures,
            model: None,
            min_probability: MIN_PROBABILITY,
            fold_copies: false,
            vocabulary: None,
        }
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
    /// Number of photos that match; copies count once if they are folded.
    pub total: usize,
    /// Best matches in descending order of score, then by path.
    pub hits: Vec<Hit>,
}

/// Results of one search, photo by photo and picture by picture.
#[derive(Clone, Debug, PartialEq)]
pub struct FoldedResults {
    /// Each matching photo is a hit.
    pub photos: SearchResults,
    /// Photos of equal bytes are one hit.
    pub pictures: SearchResults,
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
    /// Paths of the other present photos of equal bytes, if copies are folded.
    pub copies: Vec<PathBuf>,
}

impl Hit {
    /// Converts a box to pixels of the upright photo: left, top, right, bottom.
    #[must_use]
    pub fn pixels(&self, bounds: Option<BoundingBox>) -> Option<[u32; 4]> {
        let (bounds, (width, height)) = bounds.zip(self.width.zip(self.height))?;
        let pixel =
            |share: f64, side: u32| (share.clamp(0.0, 1.0) * f64::from(side)).round() as u32;
        Some([
            pixel(bounds.x0, width),
            pixel(bounds.y0, height),
            pixel(bounds.x1, width),
            pixel(bounds.y1, height),
        ])
    }
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

/// A class of a library.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LibraryClass {
    /// Id in the library.
    pub id: i64,
    /// WordNet synset, if any.
    pub synset: Option<String>,
    /// Names, separated by commas.
    pub name: String,
}

/// Returns the class names of a library: of one model and of the user, or of all models.
///
/// # Errors
/// If the library cannot be read.
pub fn vocabulary(library: &Library, model: Option<i64>) -> Result<Vocabulary> {
    let classes = library.class_list(model)?;
    Ok(Vocabulary::new(classes.iter().map(|class| Class {
        id: class.id,
        synset: class.synset.as_deref(),
        name: &class.name,
    })))
}

impl Library {
    /// Returns the best matches of a query. Parse the query with [`Query::parse_with`] and check
    /// its names with [`Vocabulary::check`] for errors that point at the word.
    ///
    /// # Errors
    /// If a name is unknown, `like` cannot be computed, or the library cannot be read.
    pub fn search(&self, query: &Query, options: &SearchOptions<'_>) -> Result<SearchResults> {
        let _snapshot = self.connection().unchecked_transaction()?;
        let mut best = Best::new(options.limit, options.fold_copies);
        let resolved = self.each_match(query, options, |score, photo| best.add(score, photo))?;
        self.results(&resolved, best)
    }

    /// Returns the best matches of a query with and without their copies folded, from one search.
    /// [`SearchOptions::fold_copies`] does not matter.
    ///
    /// # Errors
    /// As [`Library::search`].
    pub fn search_folding(
        &self,
        query: &Query,
        options: &SearchOptions<'_>,
    ) -> Result<FoldedResults> {
        let _snapshot = self.connection().unchecked_transaction()?;
        let mut photos = Best::new(options.limit, false);
        let mut pictures = Best::new(options.limit, true);
        let resolved = self.each_match(query, options, |score, photo| {
            photos.add(score, photo.clone());
            pictures.add(score, photo);
        })?;
        let photos = self.results(&resolved, photos)?;
        Ok(FoldedResults { photos, pictures: self.results(&resolved, pictures)? })
    }

    /// Passes each photo that matches to `visit`, with its score. The caller has begun a
    /// transaction, which gives all statements one snapshot while other processes write.
    fn each_match(
        &self,
        query: &Query,
        options: &SearchOptions<'_>,
        mut visit: impl FnMut(f64, PhotoRow),
    ) -> Result<ResolvedQuery> {
        let resolved = self.resolve(query, options)?;
        Candidates::read(self.connection(), &resolved)?.each_photo(|photo| {
            if let Some(scored) = resolved.score_photo(&photo.facts) {
                visit(scored.score, photo);
            }
        })?;
        Ok(resolved)
    }

    /// Returns the ranked photos as hits, with their copies if they are folded.
    fn results(&self, resolved: &ResolvedQuery, best: Best) -> Result<SearchResults> {
        let (total, folds) = (best.total, best.by_digest.is_some());
        let hits = best
            .sorted()
            .map(|(score, photo)| {
                let copies = if folds { self.copies(&photo)? } else { Vec::new() };
                Ok(Hit { copies, ..self.hit(resolved, score, photo)? })
            })
            .collect::<Result<_>>()?;
        Ok(SearchResults { total, hits })
    }

    /// Returns the classes of one model and of the user, or of all models, in the order of their
    /// ids.
    ///
    /// # Errors
    /// If the library cannot be read.
    pub fn class_list(&self, model: Option<i64>) -> Result<Vec<LibraryClass>> {
        let sql = "SELECT class.id, synset, class.name FROM class JOIN model ON model.id = model
                   WHERE ?1 IS NULL OR model = ?1 OR fingerprint = x'' ORDER BY class.id";
        let mut statement = self.connection().prepare_cached(sql)?;
        let class = |row: &Row<'_>| {
            Ok(LibraryClass { id: row.get(0)?, synset: row.get(1)?, name: row.get(2)? })
        };
        let classes = statement.query_map([model], class)?;
        Ok(classes.collect::<Result<_, _>>()?)
    }

    fn resolve(&self, query: &Query, options: &SearchOptions<'_>) -> Result<ResolvedQuery> {
        let made;
        let vocabulary = match options.vocabulary {
            Some(known) => known,
            None => {
                made = vocabulary(self, options.model)?;
                &made
            }
        };
        ResolvedQuery::new(query, &Resolver { library: self, vocabulary, options })
    }

    /// Returns the hit of a ranked photo.
    fn hit(&self, resolved: &ResolvedQuery, score: f64, photo: PhotoRow) -> Result<Hit> {
        let PhotoRow { width, height, facts, .. } = photo;
        // The same function of the same facts gave the rank.
        let scored = resolved.score_photo(&facts);
        let matched = scored.as_ref().map(ScoredPhoto::matched).unwrap_or_default();
        let matches = matched
            .into_iter()
            .map(|matched| to_match(self.connection(), matched))
            .collect::<Result<_>>()?;
        let explanation = scored.as_ref().map(ScoredPhoto::explanation).unwrap_or_default();
        let (path, taken) = (bytes::stored_path(&facts.path)?, facts.taken);
        let (photo, copies) = (facts.photo, Vec::new());
        Ok(Hit { photo, path, width, height, taken, score, matches, explanation, copies })
    }

    /// Returns the paths of the other present photos of equal bytes.
    fn copies(&self, photo: &PhotoRow) -> Result<Vec<PathBuf>> {
        let sql = "SELECT path FROM photo WHERE digest = ? AND state = 0 AND id <> ? ORDER BY path";
        let mut statement = self.connection().prepare_cached(sql)?;
        let path = |row: &Row<'_>| bytes::path_at(row, 0);
        let paths = statement.query_map(params![photo.digest, photo.facts.photo], path)?;
        Ok(paths.collect::<Result<_, _>>()?)
    }

    /// Returns the SQL statements of a query and SQLite's plan for each.
    ///
    /// # Errors
    /// As [`Library::search`].
    pub fn explain_search(&self, query: &Query, options: &SearchOptions<'_>) -> Result<String> {
        let resolved = self.resolve(query, options)?;
        let mut text = String::new();
        for sql in candidates::statements(&resolved) {
            let mut statement =
                self.connection().prepare(&format!("EXPLAIN QUERY PLAN {}", sql.text))?;
            let lines = statement
                .query_map(params_from_iter(&sql.values), |row| row.get::<_, String>(3))?;
            let lines: Vec<String> = lines.collect::<Result<_, _>>()?;
            text += &format!("{}\n\n{}\n\n", sql.text, lines.join("\n"));
        }
        Ok(text.trim_end().to_owned())
    }
}

/// The best photos so far.
struct Best {
    limit: usize,
    /// Number of photos that match.
    total: usize,
    /// Up to `limit` photos, the worst first; their paths are in their ranks.
    photos: BTreeMap<Rank, PhotoRow>,
    /// The best photo of each content, if copies are folded.
    by_digest: Option<HashMap<[u8; 32], Folded>>,
}

/// Photos of equal bytes that match.
struct Folded {
    /// The best one's.
    rank: Rank,
    /// Of those with its score, the one that is to be kept ([`Library::best_first`]).
    kept: Copied,
}

/// One of several photos of equal bytes.
#[derive(Clone)]
struct Copied {
    photo: i64,
    path: Vec<u8>,
    modified: i64,
}

/// The place of a photo among others; a better one is greater.
#[derive(Clone)]
struct Rank {
    score: f64,
    path: Vec<u8>,
}

impl Best {
    fn new(limit: usize, fold_copies: bool) -> Self {
        let by_digest = fold_copies.then(HashMap::new);
        Self { limit, total: 0, photos: BTreeMap::new(), by_digest }
    }

    fn add(&mut self, score: f64, mut photo: PhotoRow) {
        let rank = Rank { score, path: std::mem::take(&mut photo.facts.path) };
        match self.by_digest.as_mut().zip(photo.digest).map(|(folded, key)| folded.entry(key)) {
            None => self.total += 1,
            Some(Entry::Vacant(entry)) => {
                self.total += 1;
                let kept = Copied::new(&photo, &rank);
                entry.insert(Folded { rank: rank.clone(), kept });
            }
            Some(Entry::Occupied(mut entry)) => {
                let folded = entry.get_mut();
                folded.keep(Copied::new(&photo, &rank), score);
                if folded.rank >= rank {
                    return;
                }
                self.photos.remove(&std::mem::replace(&mut folded.rank, rank.clone()));
            }
        }
        self.photos.insert(rank, photo);
        if self.photos.len() > self.limit {
            self.photos.pop_first();
        }
    }

    /// Returns the photos with their scores, the best first; of folded ones that to be kept.
    fn sorted(self) -> impl Iterator<Item = (f64, PhotoRow)> {
        let mut by_digest = self.by_digest.unwrap_or_default();
        self.photos.into_iter().rev().map(move |(Rank { score, path }, mut photo)| {
            photo.facts.path = path;
            // Copies of one score have the same detections.
            if let Some(folded) = photo.digest.and_then(|digest| by_digest.remove(&digest)) {
                let Copied { photo: id, path, modified } = folded.kept;
                let facts = PhotoFacts { photo: id, path, modified, ..photo.facts };
                photo = PhotoRow { facts, ..photo };
            }
            (score, photo)
        })
    }
}

impl Folded {
    /// Takes a copy into account, before its rank is.
    fn keep(&mut self, copy: Copied, score: f64) {
        let is_kept = match score.total_cmp(&self.rank.score) {
            Ordering::Less => false,
            Ordering::Equal => copy.order() < self.kept.order(),
            Ordering::Greater => true,
        };
        if is_kept {
            self.kept = copy;
        }
    }
}

impl Copied {
    fn new(photo: &PhotoRow, rank: &Rank) -> Self {
        let PhotoFacts { photo, modified, .. } = photo.facts;
        Self { photo, path: rank.path.clone(), modified }
    }

    fn order(&self) -> impl Ord + '_ {
        order_of_copies(self.modified, &self.path)
    }
}

impl Ord for Rank {
    fn cmp(&self, other: &Self) -> Ordering {
        self.score.total_cmp(&other.score).then_with(|| other.path.cmp(&self.path))
    }
}

impl PartialOrd for Rank {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Rank {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Rank {}

fn to_match(connection: &Connection, matched: MatchedRow<'_>) -> Result<Match> {
    let MatchedRow { name: asked, row, whole, score } = matched;
    let mut statement = connection.prepare_cached("SELECT name, synset FROM class WHERE id = ?")?;
    let (name, synset) = statement.query_row([row.class], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let bounds = (!whole).then_some(row.bounds);
    let asked = asked.to_owned();
    Ok(Match { asked, name, synset, bounds, share: row.share, probability: row.probability, score })
}

#[cfg(test)]
mod tests;
