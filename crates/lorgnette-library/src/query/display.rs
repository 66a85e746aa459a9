//! Formatting of a query. Parsing the text gives the same query.

use std::fmt::{self, Display, Formatter};

use super::{
    Comparison, Condition, Constraint, Count, Like, Name, Object, Query, Related, Relation, parse,
};

impl Display for Query {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::All(parts) => joined(f, parts, " AND "),
            Self::Any(parts) => joined(f, parts, " OR "),
            Self::Not(part) => {
                write!(f, "NOT {}", Within(part))
            }
            Self::Has(condition) => condition.fmt(f),
            Self::Path(pattern) => write!(f, "path:{}", Value(pattern)),
            Self::DateRange(dates) => dates.fmt(f),
            Self::Like(like) => like.fmt(f),
        }
    }
}

fn joined(f: &mut Formatter<'_>, parts: &[Query], joint: &str) -> fmt::Result {
    for (number, part) in parts.iter().enumerate() {
        write!(f, "{}{}", if number > 0 { joint } else { "" }, Within(part))?;
    }
    Ok(())
}

/// Part of a larger query, in parentheses if it has parts itself.
pub(super) struct Within<'a>(pub(super) &'a Query);

impl Display for Within<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            Query::All(_) | Query::Any(_) => write!(f, "({})", self.0),
            part => part.fmt(f),
        }
    }
}

impl Display for Condition {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.object.fmt_counted(f, self.count)
    }
}

impl Display for Object {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.fmt_counted(f, None)
    }
}

impl Object {
    /// Writes the count before the related object, where the parser attributes it to this object.
    fn fmt_counted(&self, f: &mut Formatter<'_>, count: Option<Count>) -> fmt::Result {
        self.name.fmt(f)?;
        self.constraints.iter().try_for_each(|constraint| write!(f, " {constraint}"))?;
        count.map_or(Ok(()), |count| write!(f, " {count}"))?;
        self.related.as_ref().map_or(Ok(()), |related| write!(f, " {related}"))
    }
}

impl Display for Count {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "count {} {}", self.comparator.text(), self.value)
    }
}

impl Display for Related {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.relation, self.object)
    }
}

impl Display for Name {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if parse::needs_no_quotes(&self.text) {
            f.write_str(&self.text)
        } else {
            quoted(f, &self.text)
        }
    }
}

impl Display for Constraint {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::In(super::Place::Anywhere) => f.write_str("anywhere"),
            Self::In(place) => write!(f, "in {place}"),
            Self::Covering(value) => write!(f, "covering {value}"),
            Self::Probability(value) => write!(f, "probability {value}"),
        }
    }
}

impl Display for Comparison {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.comparator.text(), self.value)
    }
}

impl Display for Relation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LeftOf => "left of",
            Self::RightOf => "right of",
            Self::Above => "above",
            Self::Below => "below",
            Self::Inside => "inside",
            Self::Overlapping => "overlapping",
            Self::Near => "near",
        })
    }
}

impl Display for Like {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "like {}", Value(&self.photo))?;
        self.threshold.map_or(Ok(()), |threshold| write!(f, " >= {threshold}"))
    }
}

/// Writes a path or pattern, in quotation marks unless all its characters are allowed in a bare
/// value.
struct Value<'a>(&'a str);

impl Display for Value<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let plain = |letter: char| letter.is_alphanumeric() || "/._-*?~:+,".contains(letter);
        let is_plain = self.0.chars().all(plain) && !self.0.ends_with(',');
        if is_plain { f.write_str(self.0) } else { quoted(f, self.0) }
    }
}

/// Writes a text in quotation marks; one within is doubled.
fn quoted(f: &mut Formatter<'_>, text: &str) -> fmt::Result {
    write!(f, "\"{}\"", text.replace('"', "\"\""))
}
