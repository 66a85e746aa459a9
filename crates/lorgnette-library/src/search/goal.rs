//! A query whose names are classes: what SQL is made of, and what a photo is judged by.

use std::collections::HashMap;

use super::fit::Extent;
use super::{Look, MOST_SIMILAR, SIMILARITY};
use crate::error::{Error, Result};
use crate::hierarchy::Vocabulary;
use crate::library::Library;
use crate::query::{Condition, Count, Dates, Like, Place, Query, Relation, Sign, Thing, Trait};

/// What the network is less sure of does not count, unless the query says how sure it must be.
pub const LEAST_PROBABILITY: f64 = 0.1;

/// Regions whose boxes share more than this part of the smaller one count as one thing.
pub(super) const SAME: f64 = 0.5;

/// What a photo must have.
#[derive(Debug)]
pub(super) enum Goal {
    All(Vec<Goal>),
    Any(Vec<Goal>),
    Not(Box<Goal>),
    Has(Box<Wanted>, Option<Count>),
    Path(String),
    Dates(Dates),
    /// The photos that are similar enough, and how similar they are.
    Like {
        text: String,
        similar: HashMap<i64, f64>,
    },
}

/// A thing that is looked for.
#[derive(Debug)]
pub(super) struct Wanted {
    /// What the query calls it.
    pub(super) name: String,
    /// The query's words for it and what is said of it.
    pub(super) text: String,
    /// Its classes, in ascending order.
    pub(super) classes: Vec<i64>,
    pub(super) places: Vec<Place>,
    pub(super) covering: Vec<(Sign, f64)>,
    pub(super) probability: Vec<(Sign, f64)>,
    pub(super) related: Option<(Relation, Box<Wanted>)>,
}

/// What settles what a query means.
pub(super) struct Settling<'a> {
    pub(super) library: &'a Library,
    pub(super) vocabulary: Vocabulary,
    pub(super) look: &'a dyn Look,
}

impl Goal {
    /// Settles what names mean and which photos are similar.
    pub(super) fn new(query: &Query, by: &Settling<'_>) -> Result<Self> {
        let parts = |parts: &[Query]| parts.iter().map(|part| Self::new(part, by)).collect::<Result<_>>();
        Ok(match query {
            Query::All(all) => Self::All(parts(all)?),
            Query::Any(any) => Self::Any(parts(any)?),
            Query::Not(part) => Self::Not(Box::new(Self::new(part, by)?)),
            Query::Has(condition) => Self::has(condition, &by.vocabulary)?,
            Query::Path(pattern) => Self::Path(pattern.clone()),
            Query::Dates(dates) => Self::Dates(*dates),
            Query::Like(like) => Self::like(like, by)?,
        })
    }

    fn has(condition: &Condition, vocabulary: &Vocabulary) -> Result<Self> {
        let wanted = |count| Ok(Self::Has(Box::new(Wanted::new(&condition.thing, vocabulary)?), count));
        match condition.count {
            // A photo without any has it too, and in no table: so it is the others that are looked for.
            Some(count) if count.sign.holds(0, count.value) => Ok(Self::Not(Box::new(wanted(Some(opposite(count)))?))),
            count => wanted(count),
        }
    }

    fn like(like: &Like, by: &Settling<'_>) -> Result<Self> {
        let threshold = like.threshold.unwrap_or(SIMILARITY);
        let (model, features) = by.look.features(by.library, like.photo.as_ref())?;
        let found = by.library.similar(model, &features, MOST_SIMILAR, threshold)?;
        let named = Query::Like(Like { threshold: Some(threshold), ..like.clone() });
        let similar = found.into_iter().map(|photo| (photo.id, photo.similarity)).collect();
        Ok(Self::Like { text: named.to_string(), similar })
    }
}

/// The comparison that holds for the same numbers above 0 as this one does not.
fn opposite(count: Count) -> Count {
    let sign = match count.sign {
        Sign::Less => Sign::AtLeast,
        Sign::AtMost => Sign::More,
        Sign::AtLeast => Sign::Less,
        // It holds for 0, so it says "= 0".
        Sign::Equal => Sign::More,
        Sign::More => Sign::AtMost,
    };
    Count { sign, ..count }
}

impl Wanted {
    fn new(thing: &Thing, vocabulary: &Vocabulary) -> Result<Self> {
        let classes = vocabulary.find(&thing.name.text).map_err(|unknown| Error::Request(unknown.to_string()))?;
        let related = match &thing.related {
            Some(related) => Some((related.relation, Box::new(Self::new(&related.thing, vocabulary)?))),
            None => None,
        };
        let text = Thing { related: None, ..thing.clone() }.to_string();
        let name = thing.name.text.clone();
        let (places, covering, probability) = (Vec::new(), Vec::new(), Vec::new());
        let mut wanted = Self { name, text, classes, places, covering, probability, related };
        for said in &thing.traits {
            match said {
                Trait::In(Place::Anywhere) => {}
                Trait::In(place) => wanted.places.push(*place),
                Trait::Covering(than) => wanted.covering.push((than.sign, than.value)),
                Trait::Probability(than) => wanted.probability.push((than.sign, than.value)),
            }
        }
        if wanted.probability.is_empty() {
            wanted.probability.push((Sign::AtLeast, LEAST_PROBABILITY));
        }
        Ok(wanted)
    }

    /// Whether only its being there matters, so that the network's answer for the photo as a whole is as good.
    pub(super) fn is_anywhere(&self, count: Option<Count>) -> bool {
        self.places.is_empty() && self.covering.is_empty() && self.related.is_none() && count.is_none()
    }

    /// How well a box lies in all the places.
    pub(super) fn place_fit(&self, at: &Extent) -> f64 {
        self.places.iter().map(|place| place.fit(at)).product()
    }

    /// Its classes as runs of successive numbers: WordNet's kinds lie near to one another.
    pub(super) fn runs(&self) -> Vec<(i64, i64)> {
        let mut runs: Vec<(i64, i64)> = Vec::new();
        for &class in &self.classes {
            match runs.last_mut() {
                Some(run) if run.1 + 1 == class => run.1 = class,
                _ => runs.push((class, class)),
            }
        }
        runs
    }
}
