//! Translation of a query to one SQL statement. The text depends on the shape of the query alone;
//! all values are bound.

use rusqlite::types::Value;

use super::functions::{place_number, relation_number};
use super::resolve::{ResolvedQuery, SAME_OBJECT_OVERLAP, Target};
use crate::query::{Comparator, Count, DateRange, Relation};

/// Regions of a photo, in the columns of `DetectionRow::read`.
pub(super) const REGIONS_OF_PHOTO: &str = "
    SELECT r.id, r.class, b.x0, b.x1, b.y0, b.y1, r.share, r.mean, 0
    FROM region AS r JOIN region_box AS b ON b.id = r.id WHERE r.photo = ? \
    AND r.source <> 2 ORDER BY r.id";
/// Image-level classes of a photo, in the columns of `DetectionRow::read`.
pub(super) const IMAGE_SCORES_OF_PHOTO: &str = "
    SELECT 0, w.class, 0.0, 1.0, 0.0, 1.0, 1.0, w.probability, c.model
    FROM whole AS w JOIN class AS c ON c.id = w.class WHERE w.photo = ? AND w.source <> 2 \
    ORDER BY w.class";

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

    fn nest(mut self, part: Self) -> Self {
        self.text += &format!("({})", part.text);
        self.values.extend(part.values);
        self
    }
}

/// Selects the best photos: id, path, width, height, taken, modified, score, and the total number.
pub(super) fn ranked(resolved: &ResolvedQuery, limit: usize) -> Sql {
    Sql::new(
        "SELECT p.id, p.path, p.width, p.height, p.taken, p.modified, s.score, \
         count(*) OVER () FROM ",
    )
    .nest(scored(resolved))
    .then(
        " AS s CROSS JOIN photo AS p WHERE p.id = s.photo AND p.state = 0 \
         ORDER BY s.score DESC, p.path LIMIT ",
    )
    .bind(i64::try_from(limit).unwrap_or(i64::MAX))
}

/// Selects the photos that match a condition, with their scores.
fn scored(resolved: &ResolvedQuery) -> Sql {
    match resolved {
        ResolvedQuery::All(parts) => intersection(parts),
        ResolvedQuery::Any(parts) => {
            let union = parts
                .iter()
                .map(scored)
                .reduce(|union, part| union.then(" UNION ALL ").nest_select(part));
            Sql::new("SELECT photo, max(score) AS score FROM ")
                .nest(union.unwrap_or_default())
                .then(" GROUP BY photo")
        }
        ResolvedQuery::Has(target, count) => has(target, *count),
        ResolvedQuery::Like { similar, .. } => {
            let pairs: Vec<String> =
                similar.iter().map(|(photo, score)| format!("[{photo},{score:?}]")).collect();
            Sql::new("SELECT value ->> 0 AS photo, value ->> 1 AS score FROM json_each(")
                .bind(format!("[{}]", pairs.join(",")))
                .then(")")
        }
        ResolvedQuery::Not(_) | ResolvedQuery::Path(_) | ResolvedQuery::DateRange(_) => {
            intersection(std::slice::from_ref(resolved))
        }
    }
}

impl Sql {
    /// Appends a nested statement after UNION ALL.
    fn nest_select(self, part: Self) -> Self {
        self.then("SELECT photo, score FROM ").nest(part)
    }
}

/// Selects the photos in all scored sets, then applies the filters to them.
fn intersection(parts: &[ResolvedQuery]) -> Sql {
    let is_filter = |resolved: &&ResolvedQuery| {
        matches!(
            resolved,
            ResolvedQuery::Not(_) | ResolvedQuery::Path(_) | ResolvedQuery::DateRange(_)
        )
    };
    let (filters, sets): (Vec<&ResolvedQuery>, Vec<&ResolvedQuery>) =
        parts.iter().partition(is_filter);
    let mut sql = match sets.len() {
        0 => Sql::new("SELECT id AS photo, 1.0 AS score FROM photo AS s0 WHERE state = 0"),
        _ => joined(&sets),
    };
    let photo = if sets.is_empty() { "s0.id" } else { "s0.photo" };
    for filter in filters {
        sql = sql.then(" AND ").nest(filter_condition(filter, photo));
    }
    sql
}

/// The photos that are in all sets, with the product of their scores.
fn joined(sets: &[&ResolvedQuery]) -> Sql {
    let score: Vec<String> = (0..sets.len()).map(|number| format!("s{number}.score")).collect();
    let mut sql =
        Sql::new(&format!("SELECT s0.photo AS photo, {} AS score FROM ", score.join(" * ")));
    for (number, set) in sets.iter().enumerate() {
        sql = sql
            .then(if number > 0 { " JOIN " } else { "" })
            .nest(scored(set))
            .then(&format!(" AS s{number}"));
    }
    let equal = (1..sets.len()).map(|number| format!(" AND s{number}.photo = s0.photo"));
    sql.then(" WHERE true").then(&equal.collect::<String>())
}

/// Whether a goal is met by one photo.
fn filter_condition(resolved: &ResolvedQuery, photo: &str) -> Sql {
    match resolved {
        ResolvedQuery::Not(part) => Sql::new("NOT ").nest(filter_condition(part, photo)),
        ResolvedQuery::Path(pattern) => Sql::new("path_fits(")
            .bind(pattern.clone())
            .then(&format!(", (SELECT path FROM photo AS p WHERE p.id = {photo}))")),
        ResolvedQuery::DateRange(dates) => {
            Sql::new(&format!("EXISTS (SELECT 1 FROM photo AS p WHERE p.id = {photo} AND "))
                .nest(within(dates))
                .then(")")
        }
        _ => Sql::new(&format!("{photo} IN "))
            .nest(Sql::new("SELECT photo FROM ").nest(scored(resolved))),
    }
}

/// Returns whether photo `p`'s time of capture, or if unknown its modification time, is within the
/// dates.
fn within(dates: &DateRange) -> Sql {
    let (from, to) = dates.seconds();
    let mut sql = Sql::new("CASE WHEN p.taken IS NULL THEN true");
    if let Some(from) = from {
        sql = sql.then(" AND p.modified >= ").bind(from.saturating_mul(1_000_000_000));
    }
    if let Some(to) = to {
        sql = sql.then(" AND p.modified < ").bind(to.saturating_mul(1_000_000_000));
    }
    sql = sql.then(" ELSE true");
    if let Some(from) = dates.from {
        sql = sql.then(" AND substr(p.taken, 1, 10) >= ").bind(from.to_string());
    }
    if let Some(to) = dates.to {
        sql = sql.then(" AND substr(p.taken, 1, 10) <= ").bind(to.to_string());
    }
    sql.then(" END")
}

/// Selects photos with an object.
fn has(target: &Target, count: Option<Count>) -> Sql {
    match count {
        Some(count) => counted(target, count),
        None => {
            let mut candidates = Sql::new("SELECT photo, score FROM ").nest(regions(target));
            if target.is_anywhere(count) {
                candidates = candidates.then(" UNION ALL ").nest_select(image_scores(target));
            }
            Sql::new("SELECT photo, max(score) AS score FROM ")
                .nest(candidates)
                .then(" GROUP BY photo")
        }
    }
}

/// Selects photos by their number of regions. Of overlapping regions the best one counts: a dog may
/// be regions of two breeds.
fn counted(target: &Target, count: Count) -> Sql {
    Sql::new("WITH found AS MATERIALIZED ")
        .nest(regions(target))
        .then(
            " SELECT photo, avg(score) AS score FROM found AS a \
             WHERE NOT EXISTS (SELECT 1 FROM found AS b",
        )
        .then(
            " WHERE b.photo = a.photo \
             AND (b.score > a.score OR b.score = a.score AND b.id < a.id) AND relation_fit(",
        )
        .bind(relation_number(Relation::Overlapping))
        .then(", a.x0, a.x1, a.y0, a.y1, b.x0, b.x1, b.y0, b.y1) > ")
        .bind(SAME_OBJECT_OVERLAP)
        .then(&format!(") GROUP BY photo HAVING count(*) {} ", count.comparator.text()))
        .bind(i64::from(count.value))
}

/// Selects image-level scores: the sum of the probabilities of matching classes, by model.
fn image_scores(target: &Target) -> Sql {
    let sql = Sql::new("SELECT w.photo AS photo, min(1.0, sum(w.probability)) AS score FROM ")
        .nest(class_ranges(target));
    let sql = sql.then(" AS run CROSS JOIN whole AS w CROSS JOIN class AS c");
    let sql = sql
        .then(" WHERE w.class BETWEEN run.first AND run.last AND w.source <> 2 AND c.id = w.class");
    let sql = Sql::new("SELECT photo, score FROM ")
        .nest(sql.then(" GROUP BY w.photo, c.model"))
        .then(" WHERE true");
    compared(sql, "score", &target.probability)
}

/// Selects the regions of an object: id, photo, box and score. Both sides of a relation are
/// materialised before the join; otherwise SQLite evaluates the second once for each row of the
/// first.
fn regions(target: &Target) -> Sql {
    let own = Sql::new("SELECT * FROM ").nest(own_regions(target)).then(" WHERE score > 0");
    let Some((relation, other)) = &target.related else { return own };
    let best = Sql::new("WITH a AS MATERIALIZED ")
        .nest(own)
        .then(", b AS MATERIALIZED ")
        .nest(regions(other))
        .then(
            " SELECT a.id AS id, a.photo AS photo, a.x0 AS x0, a.x1 AS x1, a.y0 AS y0, a.y1 AS \
               y1, ",
        )
        .then("max(a.score * b.score * relation_fit(")
        .bind(relation_number(*relation))
        .then(", a.x0, a.x1, a.y0, a.y1, b.x0, b.x1, b.y0, b.y1)) AS best FROM a CROSS JOIN b")
        .then(" WHERE b.photo = a.photo AND b.id <> a.id GROUP BY a.id HAVING best > 0");
    Sql::new("SELECT id, photo, x0, x1, y0, y1, best AS score FROM ").nest(best)
}

/// Selects the regions of an object without its relation. The box comes first in the join: its
/// R*Tree filters by class and place at once.
fn own_regions(target: &Target) -> Sql {
    let mut sql = Sql::new(
        "SELECT b.id AS id, r.photo AS photo, b.x0 AS x0, b.x1 AS x1, b.y0 AS y0, b.y1 AS y1, \
         r.mean",
    );
    for place in &target.places {
        sql =
            sql.then(" * place_fit(").bind(place_number(*place)).then(", b.x0, b.x1, b.y0, b.y1)");
    }
    sql = sql
        .then(" AS score FROM ")
        .nest(class_ranges(target))
        .then(" AS run CROSS JOIN region_box AS b CROSS JOIN region AS r");
    sql = sql.then(" WHERE b.class0 >= run.first AND b.class1 <= run.last");
    for place in &target.places {
        let ((left, right), (top, bottom)) = place.search_bounds();
        for (side, bound) in
            [("b.x0 <= ", right), ("b.x1 >= ", left), ("b.y0 <= ", bottom), ("b.y1 >= ", top)]
        {
            sql = sql.then(" AND ").then(side).bind(bound);
        }
    }
    sql = sql.then(" AND r.id = b.id AND r.source <> 2");
    compared(compared(sql, "r.mean", &target.probability), "r.share", &target.covering)
}

/// Selects the ranges of an object's classes as a table.
fn class_ranges(target: &Target) -> Sql {
    let mut sql = Sql::new("SELECT column1 AS first, column2 AS last FROM (VALUES ");
    for (number, (first, last)) in target.class_ranges().into_iter().enumerate() {
        sql = sql
            .then(if number > 0 { ", (" } else { "(" })
            .bind(first)
            .then(", ")
            .bind(last)
            .then(")");
    }
    sql.then(")")
}

fn compared(mut sql: Sql, column: &str, conditions: &[(Comparator, f64)]) -> Sql {
    for &(comparator, value) in conditions {
        sql = sql.then(&format!(" AND {column} {} ", comparator.text())).bind(value);
    }
    sql
}
