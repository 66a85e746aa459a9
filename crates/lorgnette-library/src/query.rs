//! What people ask a library: a small language, its tree, and its errors.
//!
//! ```
//! use lorgnette_library::query::Query;
//!
//! let query = Query::parse("give me all images where the school bus is in the middle AND a flower pot in the top left corner")?;
//! assert_eq!(query.to_string(), "school bus in middle AND flower pot in top left");
//! let error = Query::parse("dog in the midle").unwrap_err();
//! assert!(error.to_string().ends_with("dog in the midle\n             ^^^^^"));
//! # Ok::<(), lorgnette_library::query::QueryError>(())
//! ```
//!
//! The grammar is in `docs/search.md`. This module knows words and no photos: which classes a name
//! means is settled by [`crate::hierarchy`], what is found by [`crate::search`]. A query's text and
//! its tree are worth the same: `Query::parse(&query.to_string())` is the query again.

use std::ops::Range;

pub use self::dates::{DateRange, Day};
pub use self::error::QueryError;
pub(crate) use self::parse::needs_no_quotes;
pub use self::place::{Place, Side, Third};

mod dates;
mod display;
mod error;
mod parse;
mod place;
mod scan;

/// A question about photos.
#[derive(Clone, Debug, PartialEq)]
pub enum Query {
    /// Photos for which all of these hold; at least two.
    All(Vec<Query>),
    /// Photos for which one of these holds; at least two.
    Any(Vec<Query>),
    /// Photos for which this does not hold.
    Not(Box<Query>),
    /// Photos with a thing.
    Has(Condition),
    /// Photos whose path fits a pattern: somewhere in it, or, with `*` or `?`, from the beginning
    /// of a folder's or file's name to its end. Capitals do not matter.
    Path(String),
    /// Photos of some days.
    DateRange(DateRange),
    /// Photos similar to one.
    Like(Like),
}

/// A thing, and how many there are of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// What is looked for.
    pub object: Object,
    /// How many regions must be so; at least one if not given.
    pub count: Option<Count>,
}

/// Something seen in a photo.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// What it is.
    pub name: Name,
    /// Where, how large, how sure: all must hold.
    pub constraints: Vec<Constraint>,
    /// Where another thing is.
    pub related: Option<Box<Related>>,
}

/// What a thing is called, and where the query says so. Names are equal wherever they stand.
#[derive(Clone, Debug)]
pub struct Name {
    /// The words, with one space between them.
    pub text: String,
    /// Its bytes in the query.
    pub span: Range<usize>,
}

/// Something that is said of one thing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Constraint {
    /// It is there.
    In(Place),
    /// Its share of the photo, 0 to 1.
    Covering(Comparison),
    /// How sure the network is, 0 to 1.
    Probability(Comparison),
}

/// Another thing, and how the first lies to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Related {
    /// How.
    pub relation: Relation,
    /// To what.
    pub object: Object,
}

/// How one thing lies to another.
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
    /// Within the other's box.
    Inside,
    /// Their boxes share some of the photo.
    Overlapping,
}

/// A value and what it is compared by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comparison {
    /// How.
    pub comparator: Comparator,
    /// With what: from 0 to 1.
    pub value: f64,
}

/// How many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// How it is compared.
    pub comparator: Comparator,
    /// With what.
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

/// A photo others are to be like.
#[derive(Clone, Debug, PartialEq)]
pub struct Like {
    /// Its file.
    pub photo: String,
    /// Its bytes in the query.
    pub span: Span,
    /// The least similarity, 0 to 1; [`crate::search::MIN_SIMILARITY`] if not given.
    pub threshold: Option<f64>,
}

/// Where something stands in a query. All are equal: a query is what it says, not where.
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
    /// Reads a query.
    ///
    /// # Errors
    /// [`QueryError`], which shows the word at which it is wrong.
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        Self::parse_with(text, &[])
    }

    /// Reads a query that may have these names in it without quotation marks, although they have
    /// words of the language among theirs: "black and gold garden spider"
    /// ([`crate::hierarchy::Vocabulary::phrases`]).
    ///
    /// # Errors
    /// As [`Query::parse`].
    pub fn parse_with(text: &str, phrases: &[String]) -> Result<Self, QueryError> {
        parse::query(text, phrases)
    }

    /// Every thing that is named, from left to right.
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
                parts.iter().for_each(|part| part.each_condition(visit))
            }
            Self::Not(part) => part.each_condition(visit),
            Self::Has(condition) => visit(condition),
            Self::Path(_) | Self::DateRange(_) | Self::Like(_) => {}
        }
    }
}

impl Comparator {
    /// Whether it holds between two values.
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

    /// As it is written.
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
