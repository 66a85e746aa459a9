//! Comparisons and their numbers.

use super::super::scan::{Token, TokenKind};
use super::super::{Comparator, Comparison, Count, QueryError, place};
use super::words::{CLOSE_UPS, LARGE, NUMBERS, SMALL, begins_qualifier};
use super::{Parser, Scanner};

/// Words before a number, or behind it.
const COMPARISONS: [(&[&str], Comparator); 13] = [
    (&["more", "than"], Comparator::Greater),
    (&["less", "than"], Comparator::Less),
    (&["fewer", "than"], Comparator::Less),
    (&["at", "least"], Comparator::GreaterOrEqual),
    (&["at", "most"], Comparator::LessOrEqual),
    // As people type them.
    (&["more", "then"], Comparator::Greater),
    (&["less", "then"], Comparator::Less),
    (&["fewer", "then"], Comparator::Less),
    (&["atleast"], Comparator::GreaterOrEqual),
    (&["atmost"], Comparator::LessOrEqual),
    (&["exactly"], Comparator::Equal),
    (&["only"], Comparator::Equal),
    (&["just"], Comparator::Equal),
];
/// Words behind a number or a name.
const ENDS: [(&[&str], Comparator); 5] = [
    (&["or", "more"], Comparator::GreaterOrEqual),
    (&["at", "least"], Comparator::GreaterOrEqual),
    (&["or", "fewer"], Comparator::LessOrEqual),
    (&["or", "less"], Comparator::LessOrEqual),
    (&["at", "most"], Comparator::LessOrEqual),
];

const SHARE: &str = "a number from 0 to 1, or with a percent sign: 0.2 or 20%";

impl Parser<'_> {
    /// Returns whether a comparison is next.
    pub(super) fn comparison_follows(&mut self) -> bool {
        let before = self.scanner;
        let comparator = self.comparator();
        self.scanner = before;
        comparator.is_some()
    }

    /// `[comparator] share`; a value without a comparator is the minimum.
    pub(super) fn comparison(&mut self) -> Result<Comparison, QueryError> {
        let comparator = self.comparator().unwrap_or(Comparator::GreaterOrEqual);
        Ok(Comparison { comparator, value: self.share()? })
    }

    /// `[comparator] integer`
    pub(super) fn count(&mut self) -> Result<Count, QueryError> {
        let comparator = self.comparator().unwrap_or(Comparator::Equal);
        let Token { kind, span } = self.scanner.next()?;
        let value = match kind {
            TokenKind::Word(word) => word.parse().ok(),
            _ => None,
        };
        let value =
            value.ok_or_else(|| self.error(span, "a whole number is missing here: count >= 2"))?;
        Ok(Count { comparator, value })
    }

    /// Returns whether a comparison with a whole number is next: "faces >= 3". Shares and
    /// probabilities have a point or a percent sign.
    pub(super) fn count_follows(&self) -> bool {
        let mut ahead = self.scanner;
        matches!(ahead.next(), Ok(Token { kind: TokenKind::Comparator(_), .. }))
            && matches!(ahead.next(), Ok(Token { kind: TokenKind::Word(word), .. })
                if word.parse::<u32>().is_ok())
            && !ahead.take_one(&["%", "percent"])
    }

    /// Parses the minimum similarity.
    pub(super) fn threshold(&mut self) -> Result<f64, QueryError> {
        let before = self.scanner;
        match self.comparator() {
            None | Some(Comparator::Greater | Comparator::GreaterOrEqual) => self.share(),
            Some(_) => {
                self.scanner = before;
                Err(self.error_here("a similarity has a least value: like cat.jpg > 0.7"))
            }
        }
    }

    fn comparator(&mut self) -> Option<Comparator> {
        let mut ahead = self.scanner;
        if let Ok(Token { kind: TokenKind::Comparator(comparator), .. }) = ahead.next() {
            self.scanner = ahead;
            return Some(comparator);
        }
        const WORDS: [([&str; 2], Comparator); 4] = [
            (["more", "than"], Comparator::Greater),
            (["less", "than"], Comparator::Less),
            (["at", "least"], Comparator::GreaterOrEqual),
            (["at", "most"], Comparator::LessOrEqual),
        ];
        WORDS
            .iter()
            .find(|(words, _)| self.scanner.take_words(words))
            .map(|&(_, comparator)| comparator)
    }

    fn share(&mut self) -> Result<f64, QueryError> {
        let Token { kind, span } = self.scanner.next()?;
        let TokenKind::Word(word) = kind else {
            return Err(self.error(span, format!("here goes {SHARE}")));
        };
        let percent = self.scanner.take_one(&["%", "percent"]);
        let text = if percent { format!("{word}%") } else { word.into() };
        place::share(&text).ok_or_else(|| self.error(span, format!("this is not {SHARE}")))
    }

    /// Reads a number before a name: "two", "more than one", "several"; of "two or three" and "2-4"
    /// each number. None if no name follows.
    pub(super) fn counts_before_name(&mut self) -> Vec<Count> {
        let mut ahead = self.scanner;
        let mut counts = alternative_counts(&mut ahead);
        if counts.is_empty() {
            counts.extend(count_in_words(&mut ahead));
        }
        ahead.take_words(&["of"]);
        if counts.is_empty() || !begins_name(&ahead) || self.phrase_ahead().is_some() {
            return Vec::new();
        }
        self.scanner = ahead;
        counts
    }

    /// Reads what is said of a number behind the name: "three ducks or more".
    pub(super) fn end_of_count(&mut self) -> Option<Comparator> {
        let mut ahead = self.scanner;
        let &(_, comparator) = ENDS.iter().find(|(words, _)| ahead.take_words(words))?;
        // "two ducks or more geese" are two things.
        if begins_name(&ahead) {
            return None;
        }
        self.scanner = ahead;
        Some(comparator)
    }

    /// Reads a number behind the name: "dogs, at least two".
    pub(super) fn count_behind_name(&mut self) -> Option<Count> {
        let mut ahead = self.scanner;
        ahead.take_comma();
        let is_compared = COMPARISONS.iter().any(|(words, _)| ahead.clone().take_words(words));
        let count = count_in_words(&mut ahead).filter(|_| is_compared)?;
        // "a dog and at most two cats"
        if begins_name(&ahead) {
            return None;
        }
        self.scanner = ahead;
        Some(count)
    }

    /// Reads an adjective of size before a name, as the fraction of the photo that is covered.
    pub(super) fn size_before_name(&mut self) -> Option<Comparison> {
        if self.phrase_ahead().is_some() {
            return None;
        }
        let mut ahead = self.scanner;
        if CLOSE_UPS.iter().any(|words| ahead.take_words(words)) && begins_name(&ahead) {
            self.scanner = ahead;
            let (_, value) = LARGE[0];
            return Some(Comparison { comparator: Comparator::GreaterOrEqual, value });
        }
        let mut ahead = self.scanner;
        let word = ahead.word_ahead()?;
        // It is a word.
        let _ = ahead.next();
        let size = |sizes: &[(&str, f64)]| {
            sizes.iter().find(|(size, _)| *size == word).map(|&(_, value)| value)
        };
        let large =
            size(&LARGE).map(|value| Comparison { comparator: Comparator::GreaterOrEqual, value });
        let small = size(&SMALL).map(|value| Comparison { comparator: Comparator::Less, value });
        let comparison = large.or(small).filter(|_| begins_name(&ahead))?;
        self.scanner = ahead;
        Some(comparison)
    }
}

/// Returns whether a word is next that can be part of a name.
fn begins_name(scanner: &Scanner<'_>) -> bool {
    let mut ahead = *scanner;
    match ahead.next() {
        Ok(Token { kind: TokenKind::Quoted(_), .. }) => true,
        Ok(Token { kind: TokenKind::Word(word), .. }) => {
            !begins_qualifier(scanner)
                && !["and", "or", "but", "not", "no", "%", "percent"]
                    .contains(&word.to_lowercase().as_str())
        }
        _ => false,
    }
}

/// Reads "two or three", "two to four" and "2-4", as the numbers that are meant; none if they are
/// not ascending.
fn alternative_counts(scanner: &mut Scanner<'_>) -> Vec<Count> {
    /// Maximum number of numbers.
    const MAX_NUMBERS: u32 = 12;
    let mut ahead = *scanner;
    ahead.take_one(&["between"]);
    let words = ahead.words_ahead(3);
    let (low, high, is_span, after) = match &words[..] {
        [(both, after), ..] if both.contains(['-', '–']) => {
            let (low, high) = both.split_once(['-', '–']).unwrap_or_default();
            (number(low), number(high), true, *after)
        }
        [(low, _), (joint, _), (high, after)] if ["or", "to", "and"].contains(&joint.as_str()) => {
            let is_span = joint != "or";
            // "two and three dogs" is no number, but "between two and three dogs".
            let is_and = joint == "and" && ahead.position() == scanner.position();
            (number(low).filter(|_| !is_and), number(high), is_span, *after)
        }
        _ => return Vec::new(),
    };
    let numbers = match (low, high) {
        (Some(low), Some(high)) if low < high && high - low < MAX_NUMBERS => low..=high,
        _ => return Vec::new(),
    };
    *scanner = after;
    let is_meant = |value: &u32| is_span || [low, high].contains(&Some(*value));
    let count = |value| Count { comparator: Comparator::Equal, value };
    numbers.filter(is_meant).map(count).collect()
}

/// Reads "two", "more than one", "two or more", "several" and the like.
fn count_in_words(scanner: &mut Scanner<'_>) -> Option<Count> {
    const WORDS: [(&[&str], Comparator, u32); 22] = [
        (&["half", "a", "dozen"], Comparator::Equal, 6),
        (&["a", "dozen"], Comparator::Equal, 12),
        (&["dozens", "of"], Comparator::GreaterOrEqual, 12),
        (&["a", "ton", "of"], Comparator::GreaterOrEqual, 3),
        (&["a", "load", "of"], Comparator::GreaterOrEqual, 3),
        (&["tons", "of"], Comparator::GreaterOrEqual, 3),
        (&["loads", "of"], Comparator::GreaterOrEqual, 3),
        (&["plenty", "of"], Comparator::GreaterOrEqual, 3),
        (&["a", "couple", "of"], Comparator::Equal, 2),
        (&["a", "pair", "of"], Comparator::Equal, 2),
        (&["a", "few"], Comparator::GreaterOrEqual, 3),
        (&["a", "lot", "of"], Comparator::GreaterOrEqual, 3),
        (&["a", "group", "of"], Comparator::GreaterOrEqual, 3),
        (&["a", "single"], Comparator::Equal, 1),
        (&["lots", "of"], Comparator::GreaterOrEqual, 3),
        (&["couple", "of"], Comparator::Equal, 2),
        (&["pair", "of"], Comparator::Equal, 2),
        (&["several"], Comparator::GreaterOrEqual, 3),
        (&["many"], Comparator::GreaterOrEqual, 3),
        (&["few"], Comparator::GreaterOrEqual, 3),
        (&["multiple"], Comparator::GreaterOrEqual, 2),
        (&["zero"], Comparator::Equal, 0),
    ];
    if let Some(&(_, comparator, value)) =
        WORDS.iter().find(|(words, ..)| scanner.take_words(words))
    {
        return Some(Count { comparator, value });
    }
    let mut ahead = *scanner;
    let compared = COMPARISONS.iter().find(|(words, _)| ahead.take_words(words));
    let word = ahead.word_ahead()?;
    let or_more = word.strip_suffix('+');
    let value = number(or_more.unwrap_or(&word))?;
    // It is a word.
    let _ = ahead.next();
    let comparator = match compared {
        Some(&(_, comparator)) => comparator,
        None if or_more.is_some() => Comparator::GreaterOrEqual,
        None => ENDS
            .iter()
            .find(|(words, _)| ahead.take_words(words))
            .map_or(Comparator::Equal, |&(_, comparator)| comparator),
    };
    *scanner = ahead;
    Some(Count { comparator, value })
}

/// Returns a whole number in digits or words.
fn number(word: &str) -> Option<u32> {
    let in_words = NUMBERS.iter().position(|number| *number == word);
    in_words.map(|place| place as u32 + 1).or_else(|| word.parse().ok())
}
