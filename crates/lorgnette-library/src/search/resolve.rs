//! A query whose names are classes: what SQL is made of, and what a photo is judged by.

use std::collections::HashMap;

use super::fit::BoundingBox;
use super::{FeatureProvider, MAX_SIMILAR, MIN_SIMILARITY};
use crate::error::{Error, Result};
use crate::hierarchy::Vocabulary;
use crate::library::Library;
use crate::query::{
    Comparator, Condition, Constraint, Count, DateRange, Like, Object, Place, Query, Relation,
};

/// What the network is less sure of does not count, unless the query says how sure it must be.
pub const MIN_PROBABILITY: f64 = 0.1;

/// Regions whose boxes share more than this part of the smaller one count as one thing.
pub(super) const SAME_OBJECT_OVERLAP: f64 = 0.5;

/// What a photo must have.
#[derive(Debug)]
pub(super) enum ResolvedQuery {
    All(Vec<ResolvedQuery>),
    Any(Vec<ResolvedQuery>),
    Not(Box<ResolvedQuery>),
    Has(Box<Target>, Option<Count>),
    Path(String),
    DateRange(DateRange),
    /// The photos that are similar enough, and how similar they are.
    Like {
        text: String,
        similar: HashMap<i64, f64>,
    },
}

/// A thing that is looked for.
#[derive(Debug)]
pub(super) struct Target {
    /// What the query calls it.
    pub(super) name: String,
    /// The query's words for it and what is said of it.
    pub(super) text: String,
    /// Its classes, in ascending order.
    pub(super) classes: Vec<i64>,
    pub(super) places: Vec<Place>,
    pub(super) covering: Vec<(Comparator, f64)>,
    pub(super) probability: Vec<(Comparator, f64)>,
    pub(super) related: Option<(Relation, Box<Target>)>,
}

/// What settles what a query means.
pub(super) struct Resolver<'a> {
    pub(super) library: &'a Library,
    pub(super) vocabulary: Vocabulary,
    pub(super) provider: &'a dyn FeatureProvider,
}

impl ResolvedQuery {
    /// Settles what names mean and which photos are similar.
    pub(super) fn new(query: &Query, resolver: &Resolver<'_>) -> Result<Self> {
        let parts = |parts: &[Query]| {
            parts.iter().map(|part| Self::new(part, resolver)).collect::<Result<_>>()
        };
        Ok(match query {
            Query::All(all) => Self::All(parts(all)?),
            Query::Any(any) => Self::Any(parts(any)?),
            Query::Not(part) => Self::Not(Box::new(Self::new(part, resolver)?)),
            Query::Has(condition) => Self::has(condition, &resolver.vocabulary)?,
            Query::Path(pattern) => Self::Path(pattern.clone()),
            Query::DateRange(dates) => Self::DateRange(*dates),
            Query::Like(like) => Self::like(like, resolver)?,
        })
    }

    fn has(condition: &Condition, vocabulary: &Vocabulary) -> Result<Self> {
        let target =
            |count| Ok(Self::Has(Box::new(Target::new(&condition.object, vocabulary)?), count));
        match condition.count {
            // A photo without any has it too, and in no table: so it is the others that are looked
            // for.
            Some(count) if count.comparator.holds(0, count.value) => {
                Ok(Self::Not(Box::new(target(Some(negated(count)))?)))
            }
            count => target(count),
        }
    }

    fn like(like: &Like, resolver: &Resolver<'_>) -> Result<Self> {
        let threshold = like.threshold.unwrap_or(MIN_SIMILARITY);
        let (model, features) =
            resolver.provider.features(resolver.library, like.photo.as_ref())?;
        let neighbours = resolver.library.similar(model, &features, MAX_SIMILAR, threshold)?;
        let named = Query::Like(Like { threshold: Some(threshold), ..like.clone() });
        let similar = neighbours.into_iter().map(|photo| (photo.id, photo.similarity)).collect();
        Ok(Self::Like { text: named.to_string(), similar })
    }
}

/// The comparison that holds for the same numbers above 0 as this one does not.
fn negated(count: Count) -> Count {
    let comparator = match count.comparator {
        Comparator::Less => Comparator::GreaterOrEqual,
        Comparator::LessOrEqual => Comparator::Greater,
        Comparator::GreaterOrEqual => Comparator::Less,
        // It holds for 0, so it says "= 0".
        Comparator::Equal => Comparator::Greater,
        Comparator::Greater => Comparator::LessOrEqual,
    };
    Count { comparator, ..count }
}

impl Target {
    fn new(object: &Object, vocabulary: &Vocabulary) -> Result<Self> {
        let classes = vocabulary
            .find(&object.name.text)
            .map_err(|unknown| Error::Request(unknown.to_string()))?;
        let related = match &object.related {
            Some(related) => {
                Some((related.relation, Box::new(Self::new(&related.object, vocabulary)?)))
            }
            None => None,
        };
        let text = Object { related: None, ..object.clone() }.to_string();
        let name = object.name.text.clone();
        let (places, covering, probability) = (Vec::new(), Vec::new(), Vec::new());
        let mut target = Self { name, text, classes, places, covering, probability, related };
        for constraint in &object.constraints {
            match constraint {
                Constraint::In(Place::Anywhere) => {}
                Constraint::In(place) => target.places.push(*place),
                Constraint::Covering(comparison) => {
                    target.covering.push((comparison.comparator, comparison.value))
                }
                Constraint::Probability(comparison) => {
                    target.probability.push((comparison.comparator, comparison.value))
                }
            }
        }
        if target.probability.is_empty() {
            target.probability.push((Comparator::GreaterOrEqual, MIN_PROBABILITY));
        }
        Ok(target)
    }

    /// Whether only its being there matters, so that the network's answer for the photo as a whole
    /// is as good.
    pub(super) fn is_anywhere(&self, count: Option<Count>) -> bool {
        self.places.is_empty()
            && self.covering.is_empty()
            && self.related.is_none()
            && count.is_none()
    }

    /// How well a box lies in all the places.
    pub(super) fn place_fit(&self, bounds: &BoundingBox) -> f64 {
        self.places.iter().map(|place| place.fit(bounds)).product()
    }

    /// Its classes as runs of successive numbers: WordNet's kinds lie near to one another.
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
