//! A query as things at places, for a canvas on which it is drawn.

use std::fmt::{self, Display, Formatter};

use serde::Serialize;

use super::display::Within;
use super::{Condition, Constraint, Place, Query};

/// A part of a query. Its parts, joined with AND, are the query.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DrawnPart {
    /// The part as text.
    pub text: String,
    /// The part as a thing at a place; `None` if it says something that no drawing can.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub thing: Option<DrawnThing>,
}

/// A thing at a place, or one that must not be there. Displays as its text.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DrawnThing {
    /// Name as a query has it, in quotation marks if it needs them.
    pub name: String,
    /// Whether the thing must not be there.
    pub negated: bool,
    /// Place as a query has it behind `in`.
    pub place: Option<String>,
    /// Left, top, right and bottom of the place as fractions of the photo; `None` for places such
    /// as `corner` that are no box.
    #[serde(rename = "box")]
    pub bounds: Option<[f64; 4]>,
    /// The other conditions on the thing: size, probability, number, relation. May be empty.
    pub rest: String,
}

impl Query {
    /// Returns the conditions that must all hold, as a canvas shows them.
    #[must_use]
    pub fn drawing(&self) -> Vec<DrawnPart> {
        match self {
            Self::All(parts) => parts.iter().map(DrawnPart::new).collect(),
            query => vec![DrawnPart::new(query)],
        }
    }
}

impl DrawnPart {
    fn new(query: &Query) -> Self {
        let thing = match query {
            Query::Has(condition) => DrawnThing::new(condition, false),
            Query::Not(inner) => match &**inner {
                Query::Has(condition) => DrawnThing::new(condition, true),
                _ => None,
            },
            _ => None,
        };
        Self { text: Within(query).to_string(), thing }
    }
}

impl DrawnThing {
    /// Returns the thing of a condition; `None` if it is in two places at once.
    fn new(condition: &Condition, negated: bool) -> Option<Self> {
        let Condition { object, count } = condition;
        let mut places = Vec::new();
        let mut rest = Vec::new();
        for constraint in &object.constraints {
            match constraint {
                Constraint::In(place) if *place != Place::Anywhere => places.push(*place),
                constraint => rest.push(constraint.to_string()),
            }
        }
        if places.len() > 1 {
            return None;
        }
        rest.extend(count.map(|count| count.to_string()));
        rest.extend(object.related.as_ref().map(ToString::to_string));
        Some(Self {
            name: object.name.to_string(),
            negated,
            place: places.first().map(Place::to_string),
            bounds: places.first().and_then(|place| place.bounds()),
            rest: rest.join(" "),
        })
    }
}

impl Display for DrawnThing {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(if self.negated { "NOT " } else { "" })?;
        f.write_str(&self.name)?;
        self.place.as_ref().map_or(Ok(()), |place| write!(f, " in {place}"))?;
        if self.rest.is_empty() { Ok(()) } else { write!(f, " {}", self.rest) }
    }
}

#[cfg(test)]
mod tests {
    use super::DrawnPart;
    use crate::query::{Constraint, Place, Query};

    fn drawing(text: &str) -> Vec<DrawnPart> {
        Query::parse(text).unwrap().drawing()
    }

    /// Returns the text of a drawing, from its things where it has them.
    fn text_of(drawing: &[DrawnPart]) -> String {
        let part = |part: &DrawnPart| match &part.thing {
            Some(thing) => thing.to_string(),
            None => part.text.clone(),
        };
        drawing.iter().map(part).collect::<Vec<_>>().join(" AND ")
    }

    #[test]
    fn things_have_boxes() {
        let drawn = drawing("school bus in the middle, NOT flower pot in box(0, 0, 25%, 0.5)");
        let boxes: Vec<_> = drawn
            .iter()
            .map(|part| part.thing.as_ref().unwrap())
            .map(|thing| (thing.name.as_str(), thing.negated, thing.bounds.unwrap()))
            .collect();
        let third = 1.0 / 3.0;
        assert_eq!(boxes[0], ("school bus", false, [third, third, 2.0 * third, 2.0 * third]));
        assert_eq!(boxes[1], ("flower pot", true, [0.0, 0.0, 0.25, 0.5]));
    }

    #[test]
    fn a_drawing_gives_the_query_back() {
        for text in [
            "dog",
            "school bus in middle AND flower pot in top left",
            "NOT dog in left half",
            "dog in top row covering > 0.2 count >= 2 left of cat in middle",
            "dog covering > 0.2 in corner probability > 0.5",
            "dog anywhere",
            "\"black and gold garden spider\" in box(0.1,0.2,0.3,0.4)",
            "(dog OR cat) AND date:2024 AND path:holidays AND NOT (bird OR fish)",
            "dog OR cat",
            "dog in top left in left half",
            "like \"my beach.jpg\" >= 0.8 AND NOT dog",
            "NOT NOT dog",
        ] {
            let drawn = drawing(text);
            let again = drawing(&text_of(&drawn));
            assert_eq!(again.len(), drawn.len(), "{text}");
            for (again, drawn) in again.iter().zip(&drawn) {
                assert_eq!(again.thing, drawn.thing, "{text}");
            }
        }
    }

    #[test]
    fn what_cannot_be_drawn_is_text() {
        let drawn = drawing("dog in left half AND (cat OR bird) AND date:2024");
        assert!(drawn[0].thing.is_some());
        let texts: Vec<&str> = drawn[1..].iter().map(|part| part.text.as_str()).collect();
        assert_eq!(texts, ["(cat OR bird)", "date:2024-01-01..2024-12-31"]);
        assert!(drawn[1..].iter().all(|part| part.thing.is_none()));
    }

    #[test]
    fn a_thing_at_two_places_is_text() {
        let Query::Has(mut condition) = Query::parse("dog in left half").unwrap() else {
            panic!("it is a thing")
        };
        condition.object.constraints.push(Constraint::In(Place::Corner));
        assert_eq!(DrawnPart::new(&Query::Has(condition)).thing, None);
    }
}
