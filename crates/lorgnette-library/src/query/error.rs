//! Errors of the query parser.

use std::fmt;
use std::ops::Range;

/// Characters of a query that are shown around the wrong word.
const MAX_SHOWN_CHARS: usize = 100;

/// A parse error. Displays the query with carets below the wrong words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryError {
    query: String,
    span: Range<usize>,
    what: String,
}

impl QueryError {
    /// Creates an error for a byte range of the query.
    pub(crate) fn new(query: &str, span: Range<usize>, what: impl Into<String>) -> Self {
        Self { query: query.into(), span, what: what.into() }
    }

    /// Returns the cause and the remedy.
    #[must_use]
    pub fn what(&self) -> &str {
        &self.what
    }

    /// Returns the byte range of the query; empty, at the end, if something is missing.
    #[must_use]
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }
}

impl std::error::Error for QueryError {}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let char_count = |bytes: &str| bytes.chars().count();
        let start = char_count(&self.query[..self.span.start]);
        let length = char_count(&self.query[self.span.clone()]).clamp(1, MAX_SHOWN_CHARS);
        // A long query is shown from shortly before the word.
        let skipped = if start + length > MAX_SHOWN_CHARS {
            start - (MAX_SHOWN_CHARS / 4).min(start)
        } else {
            0
        };
        let before = if skipped > 0 { "…" } else { "" };
        let shown = self
            .query
            .chars()
            .skip(skipped)
            .take(MAX_SHOWN_CHARS + MAX_SHOWN_CHARS / 4)
            .map(on_one_line)
            .collect::<String>();
        let space = " ".repeat(char_count(before) + start - skipped);
        write!(f, "{}\n  {before}{}\n  {space}{}", self.what, shown.trim_end(), "^".repeat(length))
    }
}

/// Replaces characters that break the line or control the terminal.
fn on_one_line(letter: char) -> char {
    if letter.is_control() { ' ' } else { letter }
}
