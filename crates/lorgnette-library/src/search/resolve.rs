//! A query with names resolved to classes: the input of the statements and of the scorer.

use std::collections::{HashMap, HashSet};

use rusqlite::params_from_iter;

use super::fit::BoundingBox;
use super::{MAX_SIMILAR, MIN_SIMILARITY, SearchOptions};
use crate::error::{Error, Result};
use crate::hierarchy::Vocabulary;
use crate::library::Library;
use crate::query::{
    Comparator, Condition, Constraint, Count, DateRange, Like, Object, Place, Query, Relation,
};

/// Minimum probability of a detection, unless the query gives one.
pub const MIN_PROBABILITY: f64 = 0.2;

/// Regions count as one object if their boxes overlap by more than this fraction of the smaller
/// one.
pub(super) const SAME_OBJECT_OVERLAP: f64 = 0.5;

/// A condition on a photo.
#[derive(Debug)]
pub(super) enum ResolvedQuery {
    All(Vec<ResolvedQuery>),
    Any(Vec<ResolvedQuery>),
    Not(Box<ResolvedQuery>),
    Has(Box<Target>, Option<Count>),
    Path(String),
    DateRange(DateRange),
    /// Photos that are similar enough, with their similarity.
    Like {
        text: String,
        similar: HashMap<i64, f64>,
    },
}

/// An object to find.
#[derive(Debug)]
pub(super) struct Target {
    /// Name in the query.
    pub(super) name: String,
    /// Text of the object and its constraints in the query.
    pub(super) text: String,
    /// Classes in ascending order.
    pub(super) classes: Vec<i64>,
    pub(super) places: Vec<Place>,
    pub(super) covering: Vec<(Comparator, f64)>,
    pub(super) probability: Vec<(Comparator, f64)>,
    pub(super) related: Option<(Relation, Box<Target>)>,
    /// Present photos that no model with one of the classes has looked at; empty outside negations,
    /// which alone ask.
    pub(super) unsearched: HashSet<i64>,
}

/// Whether a condition stands in a negation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Polarity {
    Positive,
    Negated,
}

/// Context for resolving a query.
pub(super) struct Resolver<'a> {
    pub(super) library: &'a Library,
    pub(super) vocabulary: &'a Vocabulary,
    pub(super) options: &'a SearchOptions<'a>,
}

impl ResolvedQuery {
    /// Resolves names to classes and `like` to similar photos.
    pub(super) fn new(query: &Query, resolver: &Resolver<'_>) -> Result<Self> {
        Self::resolve(query, resolver, Polarity::Positive)
    }

    fn resolve(query: &Query, resolver: &Resolver<'_>, polarity: Polarity) -> Result<Self> {
        let parts = |parts: &[Query]| {
            parts.iter().map(|part| Self::resolve(part, resolver, polarity)).collect::<Result<_>>()
        };
        Ok(match query {
            Query::All(all) => Self::All(parts(all)?),
            Query::Any(any) => Self::Any(parts(any)?),
            Query::Not(part) => {
                Self::Not(Box::new(Self::resolve(part, resolver, Polarity::Negated)?))
            }
            Query::Has(condition) => Self::has(condition, resolver, polarity)?,
            Query::Path(pattern) => Self::Path(pattern.clone()),
            Query::DateRange(dates) => Self::DateRange(*dates),
            Query::Like(like) => Self::like(like, resolver)?,
        })
    }

    /// Returns whether the condition only lets photos through or not.
    pub(super) fn is_filter(&self) -> bool {
        matches!(self, Self::Not(_) | Self::Path(_) | Self::DateRange(_))
    }

    fn has(condition: &Condition, resolver: &Resolver<'_>, polarity: Polarity) -> Result<Self> {
        let target = |count, polarity| -> Result<Self> {
            let mut target = Target::new(&condition.object, resolver)?;
            if polarity == Polarity::Negated {
                target.find_unsearched(resolver.library)?;
            }
            Ok(Self::Has(Box::new(target), count))
        };
        match condition.count {
            // Photos without the object also match but have no detections of it, so the condition
            // is negated.
            Some(count) if count.comparator.holds(0, count.value) => {
                Ok(Self::Not(Box::new(target(Some(negated(count)), Polarity::Negated)?)))
            }
            count => target(count, polarity),
        }
    }

    fn like(like: &Like, resolver: &Resolver<'_>) -> Result<Self> {
        let threshold = like.threshold.unwrap_or(MIN_SIMILARITY);
        let (model, features) =
            resolver.options.provider.features(resolver.library, like.photo.as_ref())?;
        let neighbours = resolver.library.similar(model, &features, MAX_SIMILAR, threshold)?;
        let named = Query::Like(Like { threshold: Some(threshold), ..like.clone() });
        let similar = neighbours.into_iter().map(|photo| (photo.id, photo.similarity)).collect();
        Ok(Self::Like { text: named.to_string(), similar })
    }
}

/// Returns the complement of a comparison for counts above 0.
fn negated(count: Count) -> Count {
    let comparator = match count.comparator {
        Comparator::Less => Comparator::GreaterOrEqual,
        Comparator::LessOrEqual => Comparator::Greater,
        Comparator::GreaterOrEqual => Comparator::Less,
        // The comparison holds for 0, so it is "= 0".
        Comparator::Equal => Comparator::Greater,
        Comparator::Greater => Comparator::LessOrEqual,
    };
    Count { comparator, ..count }
}

impl Target {
    fn new(object: &Object, resolver: &Resolver<'_>) -> Result<Self> {
        let classes = resolver
            .vocabulary
            .find(&object.name.text)
            .map_err(|unknown| Error::Request(unknown.to_string()))?;
        let related = match &object.related {
            Some(related) => {
                Some((related.relation, Box::new(Self::new(&related.object, resolver)?)))
            }
            None => None,
        };
        let text = Object { related: None, ..object.clone() }.to_string();
        let name = object.name.text.clone();
        let (places, covering, probability) = (Vec::new(), Vec::new(), Vec::new());
        let unsearched = HashSet::new();
        let mut target =
            Self { name, text, classes, places, covering, probability, related, unsearched };
        for constraint in &object.constraints {
            match constraint {
                Constraint::In(Place::Anywhere) => {}
                Constraint::In(place) => target.places.push(*place),
                Constraint::Covering(comparison) => {
                    target.covering.push((comparison.comparator, comparison.value));
                }
                Constraint::Probability(comparison) => {
                    target.probability.push((comparison.comparator, comparison.value));
                }
            }
        }
        if target.probability.is_empty() {
            target.probability.push((Comparator::GreaterOrEqual, resolver.options.min_probability));
        }
        Ok(target)
    }

    /// Finds the photos that were not searched for the object, nor for those it is related to.
    fn find_unsearched(&mut self, library: &Library) -> Result<()> {
        let models = self.models(library)?;
        if !models.is_empty() {
            let marks = vec!["?"; models.len()].join(", ");
            let sql = format!(
                "SELECT id FROM photo WHERE state = 0 AND NOT EXISTS \
                 (SELECT 1 FROM analysis WHERE photo = photo.id AND model IN ({marks}))"
            );
            let mut statement = library.connection().prepare_cached(&sql)?;
            let photos = statement.query_map(params_from_iter(&models), |row| row.get(0))?;
            self.unsearched = photos.collect::<Result<_, _>>()?;
        }
        match &mut self.related {
            Some((_, other)) => other.find_unsearched(library),
            None => Ok(()),
        }
    }

    /// Returns the ids of the models that have one of the classes, without the user's own.
    fn models(&self, library: &Library) -> Result<HashSet<i64>> {
        let sql = "SELECT DISTINCT model FROM class JOIN model ON model.id = model
                   WHERE fingerprint <> x'' AND class.id BETWEEN ? AND ?";
        let mut statement = library.connection().prepare_cached(sql)?;
        let mut models = HashSet::new();
        for (first, last) in self.class_ranges() {
            let found = statement.query_map([first, last], |row| row.get(0))?;
            models.extend(found.collect::<Result<Vec<i64>, _>>()?);
        }
        Ok(models)
    }

    /// Returns whether the object has no constraint on place, size, relation or count, so that
    /// image-level classes match too.
    pub(super) fn is_anywhere(&self, count: Option<Count>) -> bool {
        self.places.is_empty()
            && self.covering.is_empty()
            && self.related.is_none()
            && count.is_none()
    }

    /// Returns the product of the fits of a box to all places.
    pub(super) fn place_fit(&self, bounds: &BoundingBox) -> f64 {
        self.places.iter().map(|place| place.fit(bounds)).product()
    }

    /// Returns the classes as ranges of consecutive ids: hyponyms of a synset are close to each
    /// other.
    pub(super) fn class_ranges(&self) -> Vec<(i64, i64)> {
        let mut class_ranges: Vec<(i64, i64)> = Vec::new();
        for &class in &self.classes {
            match class_ranges.last_mut() {
                Some(range) if range.1 + 1 == class => range.1 = class,
                _ => class_ranges.push((class, class)),
            }
        }
        class_ranges
    }
}
