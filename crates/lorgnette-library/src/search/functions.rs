//! SQL functions that share their code with the reference scorer.

use rusqlite::Connection;
use rusqlite::functions::{Context, FunctionFlags};

use super::fit::BoundingBox;
use super::pattern;
use crate::query::{Place, Relation, Side, Third};

const THIRDS: [Third; 3] = [Third::First, Third::Middle, Third::Last];
const RELATIONS: [Relation; 6] = [
    Relation::LeftOf,
    Relation::RightOf,
    Relation::Above,
    Relation::Below,
    Relation::Inside,
    Relation::Overlapping,
];

/// Registers `place_fit(place, x0, x1, y0, y1)`, `relation_fit(relation, x0, x1, y0, y1, x0, x1,
/// y0, y1)` and `path_fits(pattern, path)`. Places and relations are numbers: see [`place_number`]
/// and [`relation_number`].
pub(super) fn register(connection: &Connection) -> rusqlite::Result<()> {
    // Only statements of this crate may use them, not the schema of a file.
    let flags = FunctionFlags::SQLITE_UTF8
        | FunctionFlags::SQLITE_DETERMINISTIC
        | FunctionFlags::SQLITE_DIRECTONLY;
    let places = places();
    connection.create_scalar_function("place_fit", 5, flags, move |context| {
        let bounds = bounding_box(context, 1)?;
        Ok(places.get(number(context)?).map(|place| place.fit(&bounds)))
    })?;
    connection.create_scalar_function("relation_fit", 9, flags, |context| {
        let (a, b) = (bounding_box(context, 1)?, bounding_box(context, 5)?);
        Ok(RELATIONS.get(number(context)?).map(|relation| relation.fit(&a, &b)))
    })?;
    connection.create_scalar_function("path_fits", 2, flags, |context| {
        Ok(pattern::glob_matches(context.get_raw(0).as_bytes()?, context.get_raw(1).as_bytes()?))
    })
}

/// Returns the number of a place for `place_fit`.
pub(super) fn place_number(place: Place) -> i64 {
    places().iter().position(|known| *known == place).map_or(-1, |number| number as i64)
}

/// Returns the number of a relation for `relation_fit`.
pub(super) fn relation_number(relation: Relation) -> i64 {
    RELATIONS.iter().position(|known| *known == relation).map_or(-1, |number| number as i64)
}

/// Returns all places.
fn places() -> Vec<Place> {
    let third = || std::iter::once(None).chain(THIRDS.map(Some));
    let thirds = third().flat_map(|row| third().map(move |column| Place::Thirds { row, column }));
    let halves = [Side::Top, Side::Bottom, Side::Left, Side::Right].map(Place::Half);
    let quarter = |number| Place::Quarter { lower: number & 2 > 0, right: number & 1 > 0 };
    [Place::Anywhere, Place::Corner]
        .into_iter()
        .chain(thirds)
        .chain(halves)
        .chain((0..4).map(quarter))
        .collect()
}

/// Returns the first argument.
fn number(context: &Context<'_>) -> rusqlite::Result<usize> {
    context.get::<u8>(0).map(usize::from)
}

fn bounding_box(context: &Context<'_>, first: usize) -> rusqlite::Result<BoundingBox> {
    let side = |number: usize| context.get(first + number);
    Ok(BoundingBox { x0: side(0)?, x1: side(1)?, y0: side(2)?, y1: side(3)? })
}
