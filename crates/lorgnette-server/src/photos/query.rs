//! The query of a URL.

use std::str::FromStr;

use crate::app::percent_decoded;
use crate::failure::{Failure, Outcome};

/// Names and values; names may repeat.
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn parse(text: &str) -> Outcome<Self> {
        let decoded = |part: &str| percent_decoded(&part.replace('+', " "));
        let pair = |part: &str| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            Ok((decoded(name)?, decoded(value)?))
        };
        text.split('&').filter(|part| !part.is_empty()).map(pair).collect::<Outcome<_>>().map(Self)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.all(name).last()
    }

    /// True if a flag is given, and not as `false`.
    pub(crate) fn is_on(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value != "false")
    }

    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Refuses names that nothing reads.
    ///
    /// # Errors
    /// The first such name, and those that there are.
    pub(crate) fn check(&self, known: &[&str]) -> Outcome<()> {
        match self.0.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            Some((name, _)) => {
                let known = known.join(", ");
                Err(Failure::invalid(format!("there is no parameter '{name}': there are {known}")))
            }
            None => Ok(()),
        }
    }

    /// A number of a parameter.
    ///
    /// # Errors
    /// If it is no number that `fits`.
    pub(crate) fn number<T: FromStr>(
        &self,
        name: &str,
        what: &str,
        fits: impl Fn(&T) -> bool,
    ) -> Outcome<Option<T>> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let number = text.parse().ok().filter(fits);
        number.map(Some).ok_or_else(|| Failure::invalid(format!("{name}={text}: give {what}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_are_decoded() {
        let query = Query::parse("class=school+bus&class=caf%C3%A9&top=3&x").expect("it is right");
        assert_eq!(query.all("class").collect::<Vec<_>>(), ["school bus", "café"]);
        assert_eq!(query.number("top", "a number", |n: &usize| *n > 0), Ok(Some(3)));
        assert_eq!(query.get("x"), Some(""));
        assert!(query.is_on("x") && !query.is_on("y"));
        assert!(!Query::parse("x=false").expect("it is right").is_on("x"));
        assert!(
            query.check(&["class", "top"]).is_err_and(|failure| failure.message.contains("'x'"))
        );
        assert!(query.number("class", "a number", |_: &usize| true).is_err());
        assert!(Query::parse("a=%ff").is_err());
    }
}
