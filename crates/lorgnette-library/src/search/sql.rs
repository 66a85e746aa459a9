//! SQL statements that find candidates: rows that may match an object, by class, place,
//! probability and size. The text depends on the shape of the object alone; all values are bound.

use rusqlite::types::Value;

use super::resolve::Target;
use crate::query::Comparator;

/// Regions of a photo, in the columns of `DetectionRow::read`.
#[cfg(test)]
pub(super) const REGIONS_OF_PHOTO: &str = "
    SELECT r.photo, r.id, r.class, b.x0, b.x1, b.y0, b.y1, r.share, r.mean, 0
    FROM region AS r JOIN region_box AS b ON b.id = r.id
    WHERE r.photo = ? AND r.source <> 2 ORDER BY r.id";
/// Image-level classes of a photo, in the columns of `DetectionRow::read`.
#[cfg(test)]
pub(super) const IMAGE_SCORES_OF_PHOTO: &str = "
    SELECT w.photo, 0, w.class, 0.0, 1.0, 0.0, 1.0, 1.0, w.probability, c.model
    FROM whole AS w JOIN class AS c ON c.id = w.class
    WHERE w.photo = ? AND w.source <> 2 ORDER BY w.class";

/// A statement or part of one, with the values of its parameters in order.
#[derive(Debug, Default)]
pub(super) struct Sql {
    pub(super) text: String,
    pub(super) values: Vec<Value>,
}

impl Sql {
    fn new(text: &str) -> Self {
        Self { text: text.into(), values: Vec::new() }
    }

    fn then(mut self, text: &str) -> Self {
        self.text += text;
        self
    }

    fn bind(mut self, value: impl Into<Value>) -> Self {
        self.text.push('?');
        self.values.push(value.into());
        self
    }
}

/// Selects the regions that may be an object, in the columns of `DetectionRow::read`. The box comes
/// first in the join: its R*Tree filters by class and place at once.
pub(super) fn regions(target: &Target) -> Sql {
    let mut sql =
        Sql::new("SELECT r.photo, b.id, r.class, b.x0, b.x1, b.y0, b.y1, r.share, r.mean, 0 FROM ");
    sql = class_ranges(sql, target)
        .then(" AS run CROSS JOIN region_box AS b CROSS JOIN region AS r")
        .then(" WHERE b.class0 >= run.first AND b.class1 <= run.last");
    for place in &target.places {
        let ((left, right), (top, bottom)) = place.search_bounds();
        for (side, bound) in
            [("b.x0 <= ", right), ("b.x1 >= ", left), ("b.y0 <= ", bottom), ("b.y1 >= ", top)]
        {
            sql = sql.then(" AND ").then(side).bind(bound);
        }
    }
    sql = sql.then(" AND r.id = b.id AND r.source <> 2");
    sql = compared(sql, "r.mean", &target.probability);
    compared(sql, "r.share", &target.covering)
}

/// Selects the image-level classes that may be an object, in the columns of `DetectionRow::read`.
/// Their probabilities add up, so each may be small.
pub(super) fn image_scores(target: &Target) -> Sql {
    let sql = Sql::new(
        "SELECT w.photo, 0, w.class, 0.0, 1.0, 0.0, 1.0, 1.0, w.probability, c.model FROM ",
    );
    class_ranges(sql, target)
        .then(" AS run CROSS JOIN whole AS w CROSS JOIN class AS c")
        .then(" WHERE w.class BETWEEN run.first AND run.last AND w.source <> 2 AND c.id = w.class")
}

/// Appends the ranges of an object's classes as a table.
fn class_ranges(sql: Sql, target: &Target) -> Sql {
    let mut sql = sql.then("(SELECT column1 AS first, column2 AS last FROM (VALUES ");
    for (number, (first, last)) in target.class_ranges().into_iter().enumerate() {
        let open = if number > 0 { ", (" } else { "(" };
        sql = sql.then(open).bind(first).then(", ").bind(last).then(")");
    }
    sql.then("))")
}

fn compared(mut sql: Sql, column: &str, conditions: &[(Comparator, f64)]) -> Sql {
    for &(comparator, value) in conditions {
        sql = sql.then(&format!(" AND {column} {} ", comparator.text())).bind(value);
    }
    sql
}
