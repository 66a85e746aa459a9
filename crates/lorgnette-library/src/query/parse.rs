//! Recursive descent parser: one function for each rule of the grammar in `docs/search.md`.

use super::scan::{Scanner, Token, TokenKind};
use super::{
    Comparator, Condition, Constraint, Count, DateRange, Like, Name, Object, Query, QueryError,
    Related, Relation, Span,
};

mod folder;
mod number;
mod opening;
mod place;
mod when;
mod words;

pub(crate) use self::when::seems_a_date;
pub(crate) use self::words::needs_no_quotes;
use self::words::{
    ARTICLES, COLLECTIVES, POSTURES, begins_and, begins_qualifier, is_photos, take_and,
    take_negation, take_not_both,
};

/// Maximum length of a query in bytes.
const MAX_QUERY_BYTES: usize = 8 << 10;
/// Maximum depth of parentheses and NOTs.
const MAX_DEPTH: usize = 64;
/// Maximum number of objects in a query.
const MAX_OBJECTS: usize = 24;

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
    let text = opening::without_ending(text);
    let scanner = Scanner::new(text.trim_end_matches(['?', '!']));
    // "path:IMG_???" keeps its question marks.
    let ends_in_name = !text.rsplit(char::is_whitespace).next().unwrap_or(text).contains(':');
    let scanner = if ends_in_name { scanner } else { Scanner::new(text) };
    let mut parser = Parser { scanner, phrases, depth: 0, objects: 0, ends_in_name: false };
    opening::skip(&mut parser.scanner);
    // "+dog +cat"
    parser.scanner.take_sign(&['+']);
    let query = parser.any()?;
    let before = parser.scanner;
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
        Token { span, .. } => {
            parser.scanner = before;
            parser.refuse_uncertain_date()?;
            Err(parser.error(span, "an AND or an OR is missing before this"))
        }
    }
}

struct Parser<'a> {
    scanner: Scanner<'a>,
    phrases: &'a [String],
    depth: usize,
    objects: usize,
    /// Whether the last condition ends in a name, so that AND cannot be omitted before another.
    ends_in_name: bool,
}

/// The connective between two conditions.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Joint {
    And,
    /// "But", or nothing at all: AND, which a date, a path or a NOT at the end of a list says of
    /// the whole list.
    Loose,
    Or,
    /// The same as the next joint of the list: "dogs, cats or birds".
    Comma,
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

    /// `not { joint not }`; AND binds closer than OR.
    fn any(&mut self) -> Result<Query, QueryError> {
        let (mut parts, mut joints) = (vec![self.not()?], Vec::new());
        let mut not_both = false;
        loop {
            not_both |= joints.contains(&Joint::Or) && take_not_both(&mut self.scanner);
            let Some(joint) = self.joint() else { break };
            joints.push(joint);
            parts.push(self.not()?);
        }
        resolve_commas(&mut joints);
        let of_all = take_what_is_said_of_all(&mut parts, &mut joints);
        let mut parts = parts.into_iter();
        let mut groups: Vec<Vec<Query>> = vec![parts.by_ref().take(1).collect()];
        for (joint, part) in joints.into_iter().zip(parts) {
            match groups.last_mut().filter(|_| joint != Joint::Or) {
                Some(group) => group.push(part),
                None => groups.push(vec![part]),
            }
        }
        let groups: Vec<Query> =
            groups.into_iter().map(|group| single_or(group, Query::All)).collect();
        let both = not_both.then(|| Query::Not(Box::new(Query::All(groups.clone()))));
        let list = single_or(groups, Query::Any);
        Ok(single_or(std::iter::once(list).chain(both).chain(of_all).collect(), Query::All))
    }

    /// Reads what joins the next condition to the last one; nothing at all is AND where it is
    /// clear.
    fn joint(&mut self) -> Option<Joint> {
        let mut ahead = self.scanner;
        let comma = ahead.take_comma();
        // Before "photos of" stands a name of its own: "blurry photos of birds".
        let joint = if ahead.take_one(&["or", "||"]) {
            Some(Joint::Or)
        } else if ahead.take_one(&["but"]) {
            ahead.take_one(&["with"]);
            Some(Joint::Loose)
        } else if take_and(&mut ahead) || ahead.take_one(&["of"]) {
            Some(Joint::And)
        } else if comma && says_of_all(&ahead) {
            Some(Joint::Loose)
        } else if comma && !matches!(ahead.clone().next(), Ok(Token { kind: TokenKind::End, .. })) {
            Some(Joint::Comma)
        } else {
            (!comma && self.begins_condition()).then_some(Joint::Loose)
        };
        if joint.is_some() {
            self.scanner = ahead;
        } else if comma {
            // A comma at the end of a query says nothing.
            self.scanner.take_comma();
        }
        joint
    }

    /// Returns whether an unambiguous new condition begins here, so that AND can be omitted.
    fn begins_condition(&self) -> bool {
        if says_of_all(&self.scanner) {
            return true;
        }
        match self.scanner.clone().next() {
            Ok(Token { kind: TokenKind::Word(word), .. }) => {
                let word = word.to_lowercase();
                word == "like" || !self.ends_in_name && word != "or"
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
        let read = match take_negation(&mut self.scanner) {
            true => self.not().map(|query| Query::Not(Box::new(query))),
            false => self.primary(),
        };
        self.depth -= 1;
        read
    }

    /// `( any ) | path: | date: | date in words | like | condition`
    fn primary(&mut self) -> Result<Query, QueryError> {
        let before = self.scanner;
        self.ends_in_name = false;
        if self.scanner.take_one(&["like"]) {
            return self.like();
        }
        if self.phrase_ahead().is_some() {
            return self.condition();
        }
        if let Some((folder, after)) = folder::ahead(&self.scanner) {
            self.scanner = after;
            return Ok(Query::Path(folder));
        }
        if let Some(dates) = self.date_in_words()? {
            // "photos taken in June 2024 of dogs"
            self.scanner.take_one(&["of"]);
            return Ok(Query::DateRange(dates));
        }
        let Token { kind, span } = self.scanner.next()?;
        match kind {
            TokenKind::Open => {
                let query = self.any()?;
                self.ends_in_name = false;
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
        // No date has a comma.
        let ends: &[char] = if field == "date" { &[','] } else { &[] };
        let value = self.scanner.value_before(ends)?;
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
        self.ends_in_name = true;
        let counts = if counted { Vec::new() } else { self.counts_before_name() };
        let mut count = counts.first().copied();
        let mut object = self.bare_object()?;
        loop {
            if let Some(said) = count.as_mut().filter(|said| said.comparator == Comparator::Equal)
                && let Some(comparator) = self.end_of_count()
            {
                said.comparator = comparator;
            }
            let before = self.scanner;
            let behind = if counted { None } else { self.count_behind_name() };
            self.skip_and_before_qualifier();
            let qualifier = match behind {
                Some(count) => Some(Qualifier::Count(count)),
                None if !counted && self.count_follows() => Some(Qualifier::Count(self.count()?)),
                None => self.qualifier()?,
            };
            match qualifier {
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
        // "two or three dogs"
        let others = counts
            .into_iter()
            .skip(1)
            .map(|count| Condition { object: object.clone(), count: Some(count) });
        let others: Vec<Query> = others.map(Query::Has).collect();
        let first = Query::Has(Condition { object, count });
        Ok(single_or(std::iter::once(first).chain(others).collect(), Query::Any))
    }

    /// Parses the object of a relation; constraints that follow apply to it.
    fn object(&mut self) -> Result<Object, QueryError> {
        let before = self.scanner;
        if !self.counts_before_name().is_empty() {
            self.scanner = before;
            return Err(self.error_here("a number goes before the first thing alone"));
        }
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

    /// "in the middle and above a cat", "a dog, in the middle": both apply to the same object.
    fn skip_and_before_qualifier(&mut self) {
        let mut ahead = self.scanner;
        let comma = ahead.take_comma();
        if (ahead.take_one(&["and", "but"]) || comma) && begins_qualifier(&ahead) {
            self.scanner = ahead;
        }
    }

    /// Creates an object without constraints but the one of an adjective of size: "big dog".
    fn bare_object(&mut self) -> Result<Object, QueryError> {
        self.skip_article();
        let constraints = self.size_before_name().into_iter().map(Constraint::Covering).collect();
        // "a close-up of a flower"
        self.skip_article();
        let name = self.name()?;
        self.objects += 1;
        if self.objects > MAX_OBJECTS {
            return Err(
                self.error(name.span, format!("more than {MAX_OBJECTS} things are asked for"))
            );
        }
        Ok(Object { name, constraints, related: None })
    }

    /// `word { word } | "words"`
    fn name(&mut self) -> Result<Name, QueryError> {
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
            // "dog photos" are photos of dogs.
            if !words.is_empty() && is_photos(&word.to_lowercase()) {
                break;
            }
            words.push(word);
            span = Some(
                span.map_or(place.clone(), |span: std::ops::Range<usize>| span.start..place.end),
            );
        }
        // "a car parked next to a truck", "cats and dogs together"
        if let [_, .., last] = words[..] {
            let last = last.to_lowercase();
            let is_posture = POSTURES.contains(&last.as_str()) && begins_qualifier(&self.scanner);
            if is_posture || last == "together" {
                words.pop();
            }
        }
        match span {
            Some(span) => Ok(Name { text: words.join(" "), span }),
            None if begins_qualifier(&self.scanner) => {
                let word = self.scanner.words_ahead(8).into_iter().next_back();
                let of_place = word.map_or(String::new(), |(word, _)| {
                    format!("; path:{word} finds what is in the names of files and folders")
                });
                Err(self.error_here(format!("of what is this said? {MISSING}{of_place}")))
            }
            None => Err(self.error_here(MISSING)),
        }
    }

    /// Skips an article, unless it is the whole name.
    fn skip_article(&mut self) {
        let mut ahead = self.scanner;
        // "all of my dogs", "a herd of elephants"
        while (ahead.take_one(&ARTICLES)
            || ahead.take_words(&["of", "my"])
            || COLLECTIVES.iter().any(|herd| ahead.take_words(&[herd, "of"])))
            && matches!(
                ahead.clone().next(),
                Ok(Token { kind: TokenKind::Word(_) | TokenKind::Quoted(_), .. })
            )
        {
            if self.phrase_ahead().is_some() {
                return;
            }
            self.scanner = ahead;
        }
    }

    /// Parses a word that can only be part of a name.
    fn name_word(&mut self) -> Result<Option<(&'a str, std::ops::Range<usize>)>, QueryError> {
        let mut ahead = self.scanner;
        let Token { kind: TokenKind::Word(word), span } = ahead.next()? else { return Ok(None) };
        self.refuse_uncertain_date()?;
        let ends = begins_and(&self.scanner)
            || take_negation(&mut self.scanner.clone())
            || begins_qualifier(&self.scanner)
            || when::period_ahead(&self.scanner).is_some()
            || folder::ahead(&self.scanner).is_some()
            || ["or", "||", "like"].contains(&word.to_lowercase().as_str());
        if ends {
            return Ok(None);
        }
        self.scanner = ahead;
        Ok(Some((word, span)))
    }

    /// Parses a known name that contains words of the language or commas.
    fn phrase(&mut self) -> Option<Name> {
        let (text, after) = self.phrase_ahead()?;
        let start = self.scanner.next().ok()?.span.start;
        self.scanner = after;
        Some(Name { text, span: start..after.position() })
    }

    /// Returns the longest known name of this kind that begins here, with the scanner after it.
    fn phrase_ahead(&self) -> Option<(String, Scanner<'a>)> {
        let longest = self.phrases.iter().map(|phrase| phrase.split(' ').count()).max()?;
        let words = self.scanner.words_and_commas_ahead(longest);
        (1..=words.len()).rev().find_map(|length| {
            let (before, last) = words[..length].split_at(length - 1);
            let before = before
                .iter()
                .map(|(word, _, comma)| format!("{word}{} ", if *comma { "," } else { "" }));
            let text = before.chain([last[0].0.clone()]).collect::<String>();
            self.phrases.contains(&text).then_some((text, last[0].1))
        })
    }

    fn qualifier(&mut self) -> Result<Option<Qualifier>, QueryError> {
        if !begins_qualifier(&self.scanner) {
            return Ok(None);
        }
        self.scanner.take_one(&["that", "which", "with"]);
        let is = self.scanner.take_one(&["is", "are"]);
        self.refuse_uncertain_date()?;
        if let Some(relation) = self.relation() {
            return Ok(Some(Qualifier::Relation(relation)));
        }
        if let Some(relation) = self.relation_by_preposition() {
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
        const WORDS: [(&[&str], Relation); 30] = [
            (&["next", "to"], Relation::Near),
            (&["close", "to"], Relation::Near),
            (&["adjacent", "to"], Relation::Near),
            (&["near", "to"], Relation::Near),
            (&["near"], Relation::Near),
            (&["beside"], Relation::Near),
            (&["alongside"], Relation::Near),
            (&["by", "the", "side", "of"], Relation::Near),
            (&["by"], Relation::Near),
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
            (&["behind"], Relation::Overlapping),
            (&["in", "front", "of"], Relation::Overlapping),
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

/// Returns whether a NOT, a date in words or a folder begins here, which behind a comma is said of
/// the whole list: "pizza or burgers, no people".
fn says_of_all(scanner: &Scanner<'_>) -> bool {
    take_negation(&mut scanner.clone())
        || when::period_ahead(scanner).is_some()
        || folder::ahead(scanner).is_some()
}

/// Gives each comma the meaning of the next joint after it, or AND.
fn resolve_commas(joints: &mut [Joint]) {
    let mut next = Joint::And;
    for joint in joints.iter_mut().rev() {
        if *joint == Joint::Comma {
            *joint = next;
        }
        next = *joint;
    }
}

/// Removes the dates, paths and NOTs before and behind alternatives that say something of all of
/// them: "lake or river taken in 2023", "cats or dogs without people".
fn take_what_is_said_of_all(parts: &mut Vec<Query>, joints: &mut Vec<Joint>) -> Vec<Query> {
    let mut of_all = Vec::new();
    let is_filter = |part: Option<&Query>| {
        matches!(part, Some(Query::DateRange(_) | Query::Path(_) | Query::Not(_)))
    };
    while joints.contains(&Joint::Or)
        && joints.last() == Some(&Joint::Loose)
        && is_filter(parts.last())
    {
        joints.pop();
        of_all.extend(parts.pop());
    }
    of_all.reverse();
    while joints.contains(&Joint::Or)
        && joints.first() == Some(&Joint::Loose)
        && matches!(parts.first(), Some(Query::DateRange(_) | Query::Path(_)))
    {
        joints.remove(0);
        of_all.push(parts.remove(0));
    }
    of_all
}

/// Returns the only part, or the combination of several.
fn single_or(mut parts: Vec<Query>, combine: impl FnOnce(Vec<Query>) -> Query) -> Query {
    if parts.len() == 1 { parts.remove(0) } else { combine(parts) }
}
