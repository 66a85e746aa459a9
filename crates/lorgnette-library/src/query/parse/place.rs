//! Parsing of places.

use lorgnette::labels::nearest_names;
use lorgnette::wordnet;

use super::super::{Place, QueryError};
use super::words::{CONNECTIVES, begins_qualifier, is_photos};
use super::{ARTICLES, Parser, Relation};
use crate::query::place::PlaceBox;
use crate::query::scan::Scanner;

/// Words of places, for suggestions.
const WORDS: [&str; 20] = [
    "top",
    "middle",
    "bottom",
    "left",
    "center",
    "right",
    "corner",
    "half",
    "quarter",
    "upper",
    "lower",
    "side",
    "row",
    "column",
    "foreground",
    "background",
    "front",
    "back",
    "distance",
    "anywhere",
];

/// Words before "photo".
const PHOTO_ARTICLES: [&str; 3] = ["the", "a", "each"];

impl Parser<'_> {
    /// `[article] place [of the photo]`
    pub(super) fn place(&mut self) -> Result<Place, QueryError> {
        let mut start = self.scanner;
        skip_before_place(&mut start);
        if let Some(place) = self.place_box()? {
            return Ok(place);
        }
        let words = split(&start);
        let longest = words.len().min(Place::MAX_WORDS);
        let longest_match = (1..=longest).rev().find_map(|length| {
            let (names, after) = (&words[..length], words[length - 1].1?);
            let names: Vec<&str> = names.iter().map(|(word, _)| word.as_str()).collect();
            // The place of "in the middle left of cat" is the middle.
            let taken = matches!(names[..], [_, .., "left" | "right"]) && is_of_object(&after);
            Place::from_words(&names).filter(|_| !taken).map(|place| (place, after))
        });
        let Some((place, after)) = longest_match else {
            return Err(self.place_error(start, &words));
        };
        self.scanner = after;
        skip_of_the_photo(&mut self.scanner);
        self.reject_misspelling()?;
        Ok(place)
    }

    /// `box(x0, y0, x1, y1)`
    fn place_box(&mut self) -> Result<Option<Place>, QueryError> {
        let mut ahead = self.scanner;
        skip_before_place(&mut ahead);
        if !ahead.take_one(&["box"]) {
            return Ok(None);
        }
        let Some((text, span)) = ahead.parenthesised() else { return Ok(None) };
        self.scanner = ahead;
        PlaceBox::parse(text).map(|place_box| Some(Place::Box(place_box))).ok_or_else(|| {
            self.error(
                span,
                "a box is left, top, right and bottom as fractions of the photo, such as \
                 box(0, 0.5, 0.25, 1)",
            )
        })
    }

    /// Reads "in a car", "on a sofa" and "at a desk": the preposition and the relation to what
    /// follows, unless a place follows, or what could be a misspelt one.
    pub(super) fn relation_by_preposition(&mut self) -> Option<Relation> {
        let mut ahead = self.scanner;
        let relation = if ahead.take_one(&["in"]) {
            Relation::Inside
        } else if ahead.take_one(&["on"]) {
            Relation::Overlapping
        } else if ahead.take_one(&["at"]) {
            Relation::Near
        } else {
            return None;
        };
        let mut after = ahead;
        skip_before_place(&mut after);
        let word = after.word_ahead()?;
        let is_box = after.take_one(&["box"]) && after.parenthesised().is_some();
        let parts: Vec<&str> = word.split('-').collect();
        let resembles_place = parts.iter().any(|part| WORDS.contains(part))
            || is_misspelt_place(&word)
            || word == "central"
            || word == "centre"
            || word.ends_with("most");
        if is_box || resembles_place || is_photo_ahead(ahead) {
            return None;
        }
        self.scanner = ahead;
        Some(relation)
    }

    /// Refuses "in the top lefft" and "in the top middle corner": a place is not followed by
    /// another word of a place, or one that resembles it.
    fn reject_misspelling(&self) -> Result<(), QueryError> {
        let next = self.scanner.word_ahead().filter(|word| !CONNECTIVES.contains(&word.as_str()));
        let Some(word) = next.filter(|_| !begins_qualifier(&self.scanner)) else { return Ok(()) };
        match nearest_names(WORDS, &word).first() {
            None => Ok(()),
            Some(near) if *near == word => Err(self.error_here(
                "no place is called so: write top left, left half, corner and the like",
            )),
            Some(near) => {
                Err(self.error_here(format!("no place has {word:?} in it: did you mean {near:?}?")))
            }
        }
    }

    fn place_error(
        &mut self,
        start: Scanner<'_>,
        words: &[(String, Option<Scanner<'_>>)],
    ) -> QueryError {
        let mut ahead = start;
        let span = match ahead.next() {
            Ok(token) => token.span,
            Err(error) => return error,
        };
        let Some((word, _)) = words.first() else {
            return self.error(span, "a place is missing here, such as middle or top left");
        };
        // The error is at the first word that no place has.
        let wrong = words
            .iter()
            .find(|(word, _)| !WORDS.contains(&word.as_str()))
            .map_or(word, |(word, _)| word);
        let near = nearest_names(WORDS, wrong);
        // "in a row" is not misspelt.
        let advice = match near.first().filter(|near| *near != wrong) {
            Some(near) => format!("did you mean {near:?}?"),
            None => "places are top, middle, bottom, left, right, top left and so on, corner, \
                     left half \
                     and so on, foreground, background, box(x0,y0,x1,y1) and anywhere"
                .into(),
        };
        self.error(span, format!("no place is called {wrong:?}: {advice}"))
    }
}

/// Skips "in the", "in one of the", "in the very" before a place.
fn skip_before_place(scanner: &mut Scanner<'_>) {
    while scanner.take_one(&ARTICLES) || scanner.take_one(&["one", "of", "either", "very"]) {}
}

/// Returns whether a word is no noun but resembles a word of places.
fn is_misspelt_place(word: &str) -> bool {
    let is_noun = std::iter::once(word.to_owned())
        .chain(wordnet::singulars(word))
        .any(|word| !wordnet::hyponyms(&word).is_empty() || !wordnet::related(&word).is_empty());
    !is_noun && !nearest_names(WORDS, word).is_empty()
}

/// Returns the next words, each with the scanner after it. `top-left` gives two words; the first
/// has no scanner of its own. `left hand` and `left-hand` are `left`.
fn split<'a>(start: &Scanner<'a>) -> Vec<(String, Option<Scanner<'a>>)> {
    let mut words = Vec::new();
    for (word, after) in start.words_ahead(Place::MAX_WORDS + 1) {
        let mut parts: Vec<(String, Option<Scanner<'a>>)> =
            word.split('-').map(|part| (part.into(), None)).collect();
        if let Some(last) = parts.last_mut() {
            last.1 = Some(after);
        }
        words.append(&mut parts);
    }
    for hand in (1..words.len()).rev() {
        if words[hand].0 == "hand" && ["left", "right"].contains(&words[hand - 1].0.as_str()) {
            words[hand - 1].1 = words.remove(hand).1;
        }
    }
    words.truncate(Place::MAX_WORDS);
    words
}

/// Returns whether `of` and an object follow, rather than `of the photo`.
fn is_of_object(after: &Scanner<'_>) -> bool {
    let mut ahead = *after;
    ahead.take_one(&["of"]) && !skip_of_the_photo(&mut after.clone())
}

fn skip_of_the_photo(scanner: &mut Scanner<'_>) -> bool {
    let mut ahead = *scanner;
    if !ahead.take_one(&["of"]) {
        return false;
    }
    let photo = is_photo_ahead(ahead);
    if photo {
        ahead.take_one(&PHOTO_ARTICLES);
        // The token is a word.
        let _ = ahead.next();
        *scanner = ahead;
    }
    photo
}

/// Returns whether "the photo" is next.
pub(super) fn is_photo_ahead(mut scanner: Scanner<'_>) -> bool {
    scanner.take_one(&PHOTO_ARTICLES);
    scanner.word_ahead().is_some_and(|word| is_photos(&word) || word == "frame")
}
