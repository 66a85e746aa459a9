//! The query language: syntax tree, parser and errors.
//!
//! ```
//! use lorgnette_library::query::Query;
//!
//! let query = Query::parse(
//!     "give me all images where the school bus is in the middle \
//!      AND a flower pot in the top left corner",
//! )?;
//! assert_eq!(query.to_string(), "school bus in middle AND flower pot in top left");
//! let error = Query::parse("dog in the midle").unwrap_err();
//! assert!(error.to_string().ends_with("dog in the midle\n             ^^^^^"));
//! # Ok::<(), lorgnette_library::query::QueryError>(())
//! ```
//!
//! The grammar is in `docs/search.md`. [`crate::hierarchy`] resolves names to classes, and
//! [`crate::search`] finds photos. `Query::parse(&query.to_string())` equals the query.

use std::ops::Range;
use std::path::Path;

pub use self::dates::{DateRange, Day};
pub use self::drawing::{DrawnPart, DrawnThing};
pub use self::error::QueryError;
pub(crate) use self::parse::{needs_no_quotes, seems_a_date};
pub use self::place::{Place, PlaceBox, Side, Third};

mod dates;
mod display;
mod drawing;
mod error;
mod parse;
mod place;
mod scan;

/// A condition on photos.
#[derive(Clone, Debug, PartialEq)]
pub enum Query {
    /// All conditions hold; at least two.
    All(Vec<Query>),
    /// At least one of the conditions holds; at least two.
    Any(Vec<Query>),
    /// The condition does not hold.
    Not(Box<Query>),
    /// The photo has an object.
    Has(Condition),
    /// The path matches a pattern: as a substring, or, with `*` or `?`, from the beginning of the
    /// name of a folder or file to the end. Case is ignored.
    Path(String),
    /// The photo is of a range of days.
    DateRange(DateRange),
    /// The photo is similar to another.
    Like(Like),
}

/// An object and the number of its regions.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// The object.
    pub object: Object,
    /// Required number of regions; at least one if `None`.
    pub count: Option<Count>,
}

/// An object in a photo.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// Name of its class.
    pub name: Name,
    /// Constraints on place, size and probability; all must hold.
    pub constraints: Vec<Constraint>,
    /// Relation to another object.
    pub related: Option<Box<Related>>,
}

/// A class name and its position in the query. Equality ignores the position.
#[derive(Clone, Debug)]
pub struct Name {
    /// Words, separated by single spaces.
    pub text: String,
    /// Byte range in the query.
    pub span: Range<usize>,
}

/// A constraint on one object.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Constraint {
    /// The object is in this place.
    In(Place),
    /// Fraction of the photo that it covers, 0 to 1.
    Covering(Comparison),
    /// Probability, 0 to 1.
    Probability(Comparison),
}

/// A relation to another object.
#[derive(Clone, Debug, PartialEq)]
pub struct Related {
    /// How.
    pub relation: Relation,
    /// The other object.
    pub object: Object,
}

/// Spatial relation of two objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Relation {
    /// Nearer to the photo's left edge.
    LeftOf,
    /// Nearer to the photo's right edge.
    RightOf,
    /// Nearer to the photo's upper edge.
    Above,
    /// Nearer to the photo's lower edge.
    Below,
    /// Inside the box of the other.
    Inside,
    /// The boxes intersect.
    Overlapping,
    /// The boxes touch, or the gap between them is small.
    Near,
}

/// A comparison with a value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comparison {
    /// How.
    pub comparator: Comparator,
    /// Value, from 0 to 1.
    pub value: f64,
}

/// A comparison with a count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// Comparator.
    pub comparator: Comparator,
    /// Value.
    pub value: u32,
}

/// `<`, `<=`, `=`, `>=`, `>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "they are what they are called")]
pub enum Comparator {
    Less,
    LessOrEqual,
    Equal,
    GreaterOrEqual,
    Greater,
}

/// Similarity to a photo.
#[derive(Clone, Debug, PartialEq)]
pub struct Like {
    /// Path of the photo.
    pub photo: String,
    /// Byte range in the query.
    pub span: Span,
    /// Minimum similarity, 0 to 1; [`crate::search::MIN_SIMILARITY`] if not given.
    pub threshold: Option<f64>,
}

/// Position in a query. All positions compare equal, so that queries are compared by meaning.
#[derive(Clone, Debug, Default)]
pub struct Span(pub Range<usize>);

impl PartialEq for Span {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Query {
    /// Parses a query.
    ///
    /// # Errors
    /// [`QueryError`], which shows the wrong word.
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        Self::parse_with(text, &[])
    }

    /// Parses a query in which these names need no quotation marks, although they contain words of
    /// the language or commas: "black and gold garden spider"
    /// ([`crate::hierarchy::Vocabulary::phrases`]).
    ///
    /// # Errors
    /// As [`Query::parse`].
    pub fn parse_with(text: &str, phrases: &[String]) -> Result<Self, QueryError> {
        parse::query(text, phrases)
    }

    /// Returns the query for photos similar to one.
    #[must_use]
    pub fn similar_to(photo: &Path) -> Self {
        let photo = photo.to_string_lossy().into_owned();
        Self::Like(Like { photo, span: Span::default(), threshold: None })
    }

    /// Returns the names of all objects from left to right.
    #[must_use]
    pub fn objects(&self) -> Vec<&Object> {
        let mut objects = Vec::new();
        self.each_condition(&mut |condition| {
            let mut next = Some(&condition.object);
            while let Some(object) = next {
                objects.push(object);
                next = object.related.as_deref().map(|related| &related.object);
            }
        });
        objects
    }

    fn each_condition<'a>(&'a self, visit: &mut impl FnMut(&'a Condition)) {
        match self {
            Self::All(parts) | Self::Any(parts) => {
                parts.iter().for_each(|part| part.each_condition(visit));
            }
            Self::Not(part) => part.each_condition(visit),
            Self::Has(condition) => visit(condition),
            Self::Path(_) | Self::DateRange(_) | Self::Like(_) => {}
        }
    }
}

impl Comparator {
    /// Returns whether the comparison holds for two values.
    #[must_use]
    pub fn holds<T: PartialOrd + Copy>(self, a: T, b: T) -> bool {
        match self {
            Self::Less => a < b,
            Self::LessOrEqual => a <= b,
            Self::Equal => a == b,
            Self::GreaterOrEqual => a >= b,
            Self::Greater => a > b,
        }
    }

    /// Returns the comparator as text.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Equal => "=",
            Self::GreaterOrEqual => ">=",
            Self::Greater => ">",
        }
    }
}
