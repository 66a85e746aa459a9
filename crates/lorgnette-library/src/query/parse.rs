//! Recursive descent parser: one function for each rule of the grammar in `docs/search.md`.

use super::scan::{Scanner, Token, TokenKind};
use super::{
    Condition, Constraint, Count, DateRange, Like, Name, Object, Query, QueryError, Related,
    Relation, Span,
};

mod number;
mod place;

/// Maximum length of a query in bytes.
const MAX_QUERY_BYTES: usize = 8 << 10;
/// Maximum depth of parentheses and NOTs.
const MAX_DEPTH: usize = 64;
/// Maximum number of objects in a query. SQLite joins at most 64 tables, and each object is up to
/// two.
const MAX_OBJECTS: usize = 24;

/// Words that begin a constraint and end a name.
const QUALIFIER_WORDS: [&str; 21] = [
    "in",
    "at",
    "on",
    "is",
    "are",
    "that",
    "which",
    "above",
    "over",
    "below",
    "under",
    "beneath",
    "inside",
    "within",
    "overlapping",
    "overlaps",
    "covering",
    "covers",
    "probability",
    "count",
    "anywhere",
];
/// Words that end a condition.
const CONNECTIVES: [&str; 7] = ["and", "or", "not", "without", "no", "like", "but"];
/// Articles and similar words, skipped before a name.
pub(super) const ARTICLES: [&str; 5] = ["a", "an", "the", "some", "any"];

const MISSING: &str = "a name is missing here, such as dog or \"school bus\"";

/// Parses a whole query.
pub(super) fn query(text: &str, phrases: &[String]) -> Result<Query, QueryError> {
    if text.len() > MAX_QUERY_BYTES {
        let what = format!(
            "a query of {} bytes: the longest that is taken has {MAX_QUERY_BYTES}",
            text.len()
        );
        return Err(QueryError::new("", 0..0, what));
    }
    let mut parser = Parser { scanner: Scanner::new(text), phrases, depth: 0, objects: 0 };
    parser.skip_preamble();
    let query = parser.any()?;
    match parser.scanner.next()? {
        Token { kind: TokenKind::End, .. } => Ok(query),
        Token { kind: TokenKind::Close, span } => {
            Err(parser.error(span, "this parenthesis closes none"))
        }
        Token { kind: TokenKind::Comparator(_), span } => {
            let what =
                "what is compared here? Before it goes covering, probability, count, or like PHOTO";
            Err(parser.error(span, what))
        }
        Token { span, .. } => Err(parser.error(span, "an AND or an OR is missing before this")),
    }
}

/// Returns whether a name needs no quotation marks: it is parsed as itself.
pub(crate) fn needs_no_quotes(name: &str) -> bool {
    let mut scanner = Scanner::new(name);
    let mut first = true;
    loop {
        let Ok(token) = scanner.next() else { return false };
        match token.kind {
            TokenKind::End => return !first,
            TokenKind::Word(word) if is_name_word(&word.to_lowercase(), first) => first = false,
            _ => return false,
        }
    }
}

/// Returns whether a word can be part of a name in any position. Conservative: more names are
/// quoted than necessary.
fn is_name_word(word: &str, first: bool) -> bool {
    const OPENINGS: [&str; 9] =
        ["give", "show", "find", "list", "get", "search", "all", "every", "there"];
    // "inside of", "left of each photo", "left of the frame"
    const AFTER_RELATIONS: [&str; 3] = ["of", "each", "frame"];
    let opening = first
        && (OPENINGS.contains(&word)
            || AFTER_RELATIONS.contains(&word)
            || is_photos(word)
            || ARTICLES.contains(&word));
    !opening
        && !QUALIFIER_WORDS.contains(&word)
        && !CONNECTIVES.contains(&word)
        && !matches!(word, "to" | "left" | "right" | "with")
}

fn is_photos(word: &str) -> bool {
    matches!(word, "photos" | "images" | "pictures" | "photo" | "image" | "picture")
}

struct Parser<'a> {
    scanner: Scanner<'a>,
    phrases: &'a [String],
    depth: usize,
    objects: usize,
}

/// Tokens that can follow an object.
enum Qualifier {
    Constraint(Constraint),
    Count(Count),
    Relation(Relation),
}

impl<'a> Parser<'a> {
    fn error(&self, span: std::ops::Range<usize>, what: impl Into<String>) -> QueryError {
        QueryError::new(self.scanner.text(), span, what)
    }

    /// Returns an error at the next token.
    fn error_here(&self, what: impl Into<String>) -> QueryError {
        let mut ahead = self.scanner;
        match ahead.next() {
            Ok(token) => self.error(token.span, what),
            Err(error) => error,
        }
    }

    /// Skips "give me all images where" in its forms, if something follows.
    fn skip_preamble(&mut self) {
        let mut ahead = self.scanner;
        ahead.take_one(&["please"]);
        if ahead.take_one(&["give", "show", "find", "list", "get", "search"]) {
            ahead.take_one(&["me", "for"]);
        }
        ahead.take_one(&["all", "every", "any"]);
        ahead.take_one(&["the", "my", "of"]);
        if !ahead.word_ahead().is_some_and(|word| is_photos(&word)) {
            return;
        }
        // It is a word.
        let _ = ahead.next();
        if ahead.take_one(&["that", "which"]) {
            ahead.take_one(&["have", "has", "show", "shows", "contain", "contains"]);
        } else {
            ahead.take_one(&["where", "with", "showing", "containing", "of"]);
        }
        if !matches!(ahead.clone().next(), Ok(Token { kind: TokenKind::End, .. })) {
            self.scanner = ahead;
        }
    }

    /// `all { OR all }`
    fn any(&mut self) -> Result<Query, QueryError> {
        let mut parts = vec![self.all()?];
        while self.scanner.take_one(&["or"]) {
            parts.push(self.all()?);
        }
        Ok(single_or(parts, Query::Any))
    }

    /// `not { [AND] not }`
    fn all(&mut self) -> Result<Query, QueryError> {
        let mut parts = vec![self.not()?];
        while self.scanner.take_one(&["and", "but"]) || self.begins_condition() {
            parts.push(self.not()?);
        }
        Ok(single_or(parts, Query::All))
    }

    /// Returns whether an unambiguous new condition begins here, so that AND can be omitted.
    fn begins_condition(&self) -> bool {
        match self.scanner.clone().next() {
            Ok(Token { kind: TokenKind::Word(word), .. }) => {
                ["not", "without", "no", "like"].contains(&word.to_lowercase().as_str())
            }
            Ok(Token {
                kind: TokenKind::Quoted(_) | TokenKind::Field(_) | TokenKind::Open,
                ..
            }) => true,
            _ => false,
        }
    }

    /// `{ NOT } primary`
    fn not(&mut self) -> Result<Query, QueryError> {
        if self.depth >= MAX_DEPTH {
            return Err(self.error_here(format!(
                "more than {MAX_DEPTH} parentheses and NOTs are within one another"
            )));
        }
        self.depth += 1;
        let read = match self.scanner.take_one(&["not", "without", "no"]) {
            true => self.not().map(|query| Query::Not(Box::new(query))),
            false => self.primary(),
        };
        self.depth -= 1;
        read
    }

    /// `( any ) | path: | date: | like | condition`
    fn primary(&mut self) -> Result<Query, QueryError> {
        let before = self.scanner;
        if self.scanner.take_one(&["like"]) {
            return self.like();
        }
        let Token { kind, span } = self.scanner.next()?;
        match kind {
            TokenKind::Open => {
                let query = self.any()?;
                match self.scanner.next()?.kind {
                    TokenKind::Close => Ok(query),
                    _ => Err(self.error(span, "this parenthesis is not closed")),
                }
            }
            TokenKind::Field(field) => self.field(&field.to_lowercase(), span),
            _ => {
                self.scanner = before;
                self.condition()
            }
        }
    }

    fn field(&mut self, field: &str, span: std::ops::Range<usize>) -> Result<Query, QueryError> {
        let value = self.scanner.value()?;
        match (field, value) {
            ("path", (pattern, _)) if !pattern.is_empty() => Ok(Query::Path(pattern)),
            ("date", (text, place)) => {
                DateRange::parse(&text).map(Query::DateRange).ok_or_else(|| {
                    self.error(
                        place,
                        "no date: write 2024, 2024-05, 2024-05-17, >2024, or \
                                   2023..2024-06 for a span",
                    )
                })
            }
            ("path", (_, place)) => Err(self.error(
                place,
                "after path: goes a part of a path, such \
                                                           as path:holidays",
            )),
            _ => Err(self.error(span, format!("there is no {field}: only path: and date:"))),
        }
    }

    /// `LIKE photo [[similarity] comparator number]`
    fn like(&mut self) -> Result<Query, QueryError> {
        let (photo, span) = self.scanner.value()?;
        if photo.is_empty() {
            return Err(
                self.error(span, "after like goes the file of a photo, such as like cat.jpg")
            );
        }
        let named = self.scanner.take_one(&["similarity"]);
        let threshold = match named || self.comparison_follows() {
            true => Some(self.threshold()?),
            false => None,
        };
        Ok(Query::Like(Like { photo, span: Span(span), threshold }))
    }

    fn condition(&mut self) -> Result<Query, QueryError> {
        let _ =
            self.scanner.take_words(&["there", "is"]) || self.scanner.take_words(&["there", "are"]);
        let counted = self.scanner.take_words(&["count", "of"]);
        let (mut object, mut count) = (self.bare_object()?, None);
        loop {
            self.skip_and_before_qualifier();
            let before = self.scanner;
            match self.qualifier()? {
                None => break,
                Some(Qualifier::Constraint(constraint)) => object.constraints.push(constraint),
                Some(Qualifier::Count(_)) if count.is_some() || counted => {
                    self.scanner = before;
                    return Err(self.error_here("how many of it was said before"));
                }
                Some(Qualifier::Count(new_count)) => count = Some(new_count),
                Some(Qualifier::Relation(relation)) => {
                    object.related = Some(Box::new(Related { relation, object: self.object()? }));
                    break;
                }
            }
        }
        // The count can come first: "count of dog >= 2".
        let count = if counted { Some(self.count()?) } else { count };
        Ok(Query::Has(Condition { object, count }))
    }

    /// Parses the object of a relation; constraints that follow apply to it.
    fn object(&mut self) -> Result<Object, QueryError> {
        let mut object = self.bare_object()?;
        loop {
            let before = self.scanner;
            match self.qualifier()? {
                None => return Ok(object),
                Some(Qualifier::Constraint(constraint)) => object.constraints.push(constraint),
                Some(Qualifier::Relation(relation)) => {
                    object.related = Some(Box::new(Related { relation, object: self.object()? }));
                    return Ok(object);
                }
                Some(Qualifier::Count(_)) => {
                    self.scanner = before;
                    return Err(self
                        .error_here("count is of the first thing: write it before the other one"));
                }
            }
        }
    }

    /// "in the middle and above a cat": both apply to the same object.
    fn skip_and_before_qualifier(&mut self) {
        let mut ahead = self.scanner;
        if ahead.take_one(&["and", "but"]) && begins_qualifier(&ahead) {
            self.scanner = ahead;
        }
    }

    /// Creates an object without constraints.
    fn bare_object(&mut self) -> Result<Object, QueryError> {
        let name = self.name()?;
        self.objects += 1;
        if self.objects > MAX_OBJECTS {
            return Err(
                self.error(name.span, format!("more than {MAX_OBJECTS} things are asked for"))
            );
        }
        Ok(Object { name, constraints: Vec::new(), related: None })
    }

    /// `[article] word { word } | "words"`
    fn name(&mut self) -> Result<Name, QueryError> {
        self.skip_article();
        if let Some(name) = self.phrase() {
            return Ok(name);
        }
        let mut ahead = self.scanner;
        if let Token { kind: TokenKind::Quoted(text), span } = ahead.next()? {
            self.scanner = ahead;
            let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
            return if text.is_empty() {
                Err(self.error(span, MISSING))
            } else {
                Ok(Name { text, span })
            };
        }
        let mut words: Vec<&str> = Vec::new();
        let mut span = None;
        while let Some((word, place)) = self.name_word()? {
            words.push(word);
            span = Some(
                span.map_or(place.clone(), |span: std::ops::Range<usize>| span.start..place.end),
            );
        }
        match span {
            Some(span) => Ok(Name { text: words.join(" "), span }),
            None if begins_qualifier(&self.scanner) => {
                Err(self.error_here(format!("of what is this said? {MISSING}")))
            }
            None => Err(self.error_here(MISSING)),
        }
    }

    /// Skips an article, unless it is the whole name.
    fn skip_article(&mut self) {
        let mut ahead = self.scanner;
        if ahead.take_one(&ARTICLES)
            && matches!(
                ahead.clone().next(),
                Ok(Token { kind: TokenKind::Word(_) | TokenKind::Quoted(_), .. })
            )
        {
            self.scanner = ahead;
        }
    }

    /// Parses a word that can only be part of a name.
    fn name_word(&mut self) -> Result<Option<(&'a str, std::ops::Range<usize>)>, QueryError> {
        let mut ahead = self.scanner;
        let Token { kind: TokenKind::Word(word), span } = ahead.next()? else { return Ok(None) };
        if CONNECTIVES.contains(&word.to_lowercase().as_str()) || begins_qualifier(&self.scanner) {
            return Ok(None);
        }
        self.scanner = ahead;
        Ok(Some((word, span)))
    }

    /// Parses a known name that contains words of the language.
    fn phrase(&mut self) -> Option<Name> {
        let longest = self.phrases.iter().map(|phrase| phrase.split(' ').count()).max()?;
        let ahead = self.scanner.words_ahead(longest);
        let words: Vec<&str> = ahead.iter().map(|(word, _)| word.as_str()).collect();
        let (text, after) = (1..=ahead.len()).rev().find_map(|length| {
            let text = words[..length].join(" ");
            self.phrases.contains(&text).then(|| (text, ahead[length - 1].1))
        })?;
        let start = self.scanner.next().ok()?.span.start;
        self.scanner = after;
        Some(Name { text, span: start..after.position() })
    }

    fn qualifier(&mut self) -> Result<Option<Qualifier>, QueryError> {
        if !begins_qualifier(&self.scanner) {
            return Ok(None);
        }
        self.scanner.take_one(&["that", "which", "with"]);
        let is = self.scanner.take_one(&["is", "are"]);
        if let Some(relation) = self.relation() {
            return Ok(Some(Qualifier::Relation(relation)));
        }
        if self.scanner.take_one(&["in", "at", "on"]) {
            return self.place().map(|place| Some(Qualifier::Constraint(Constraint::In(place))));
        }
        if self.scanner.take_one(&["anywhere"]) {
            return Ok(Some(Qualifier::Constraint(Constraint::In(super::Place::Anywhere))));
        }
        if self.scanner.take_one(&["covering", "covers"]) {
            return self
                .comparison()
                .map(|value| Some(Qualifier::Constraint(Constraint::Covering(value))));
        }
        if self.scanner.take_one(&["probability"]) {
            return self
                .comparison()
                .map(|value| Some(Qualifier::Constraint(Constraint::Probability(value))));
        }
        if self.scanner.take_one(&["count"]) {
            return self.count().map(|count| Some(Qualifier::Count(count)));
        }
        let is = if is { "after `is` goes" } else { "here goes" };
        Err(self.error_here(format!(
            "{is} a place (in the middle), or how it lies to another thing (left of cat)"
        )))
    }

    fn relation(&mut self) -> Option<Relation> {
        const WORDS: [(&[&str], Relation); 19] = [
            (&["on", "the", "left", "of"], Relation::LeftOf),
            (&["on", "the", "right", "of"], Relation::RightOf),
            (&["to", "the", "left", "of"], Relation::LeftOf),
            (&["to", "left", "of"], Relation::LeftOf),
            (&["left", "of"], Relation::LeftOf),
            (&["to", "the", "right", "of"], Relation::RightOf),
            (&["to", "right", "of"], Relation::RightOf),
            (&["right", "of"], Relation::RightOf),
            (&["on", "top", "of"], Relation::Above),
            (&["above"], Relation::Above),
            (&["over"], Relation::Above),
            (&["below"], Relation::Below),
            (&["beneath"], Relation::Below),
            (&["under"], Relation::Below),
            (&["inside", "of"], Relation::Inside),
            (&["inside"], Relation::Inside),
            (&["within"], Relation::Inside),
            (&["overlapping"], Relation::Overlapping),
            (&["overlaps"], Relation::Overlapping),
        ];
        let mut ahead = self.scanner;
        let &(_, relation) = WORDS.iter().find(|(words, _)| ahead.take_words(words))?;
        // "on the left of the photo" is a place.
        if place::is_photo_ahead(ahead) {
            return None;
        }
        self.scanner = ahead;
        Some(relation)
    }
}

/// Returns whether a constraint begins here, rather than the name going on.
fn begins_qualifier(scanner: &Scanner<'_>) -> bool {
    let words = scanner.words_ahead(4);
    let words: Vec<&str> = words.iter().map(|(word, _)| word.as_str()).collect();
    match words[..] {
        ["left" | "right", "of", ..]
        | ["to", "left" | "right", "of", ..]
        | ["to", "the", "left" | "right", "of"] => true,
        ["with", next, ..] => matches!(next, "probability" | "count"),
        [first, ..] => QUALIFIER_WORDS.contains(&first),
        [] => false,
    }
}

/// Returns the only part, or the combination of several.
fn single_or(mut parts: Vec<Query>, combine: impl FnOnce(Vec<Query>) -> Query) -> Query {
    if parts.len() == 1 { parts.remove(0) } else { combine(parts) }
}
