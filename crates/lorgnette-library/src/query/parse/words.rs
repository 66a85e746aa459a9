//! Words of the language, which end a name unless it is quoted.

use super::super::scan::{Scanner, TokenKind};
use super::{folder, when};

/// Words that begin a constraint and end a name.
const QUALIFIER_WORDS: [&str; 25] = [
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
    "behind",
    "near",
    "beside",
    "alongside",
    "covering",
    "covers",
    "probability",
    "count",
    "anywhere",
];
/// Words that end a condition.
pub(super) const CONNECTIVES: [&str; 22] = [
    "n",
    "&&",
    "||",
    "w/",
    "w/o",
    "and",
    "or",
    "not",
    "without",
    "no",
    "like",
    "but",
    "with",
    "plus",
    "&",
    "+",
    "except",
    "excluding",
    "neither",
    "nor",
    "showing",
    "containing",
];
/// Articles and similar words, skipped before a name.
pub(super) const ARTICLES: [&str; 11] =
    ["a", "an", "the", "some", "any", "all", "every", "my", "our", "both", "either"];
/// Words before "of" that say of several things no more than their plural does.
pub(super) const COLLECTIVES: [&str; 8] =
    ["herd", "flock", "bunch", "pack", "swarm", "crowd", "pile", "row"];
/// Words before a place or a relation that say nothing more: "a car parked next to a truck".
pub(super) const POSTURES: [&str; 24] = [
    "parked", "standing", "sitting", "lying", "sleeping", "resting", "hanging", "placed",
    "located", "playing", "running", "walking", "swimming", "flying", "stands", "sits", "lies",
    "sleeps", "rests", "hangs", "plays", "runs", "walks", "swims",
];
/// Verbs that a query can begin with.
pub(super) const ASKING_VERBS: [&str; 8] =
    ["give", "show", "find", "list", "get", "search", "display", "see"];
/// Other words that are skipped at the beginning of a query.
const OPENINGS: [&str; 20] = [
    "please",
    "there",
    "can",
    "could",
    "i",
    "i'm",
    "looking",
    "do",
    "want",
    "where",
    "where's",
    "is",
    "are",
    "everything",
    "anything",
    "something",
    "things",
    "how",
    "got",
    "have",
];
/// Adjectives of size, with the fraction of the photo that a thing must at least or at most cover.
pub(super) const LARGE: [(&str, f64); 3] = [("big", 0.25), ("large", 0.25), ("huge", 0.5)];
/// As [`LARGE`].
pub(super) const SMALL: [(&str, f64); 3] = [("small", 0.05), ("little", 0.05), ("tiny", 0.01)];
/// Words that say that a thing fills much of the photo, as the first of [`LARGE`].
pub(super) const CLOSE_UPS: [&[&str]; 5] = [
    &["close", "up", "of"],
    &["close-up", "of"],
    &["close-ups", "of"],
    &["closeup", "of"],
    &["closeups", "of"],
];
/// Numbers in words, from one.
pub(super) const NUMBERS: [&str; 12] = [
    "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
    "twelve",
];
/// Words that begin a count before a name.
const COUNTING: [&str; 22] = [
    "half", "dozens", "tons", "loads", "plenty", "atleast", "atmost", "more", "less", "fewer",
    "exactly", "only", "just", "between", "zero", "several", "many", "multiple", "couple", "pair",
    "few", "lots",
];

/// Returns whether a name needs no quotation marks: it is parsed as itself.
pub(crate) fn needs_no_quotes(name: &str) -> bool {
    let mut scanner = Scanner::new(name);
    let mut words = Vec::new();
    loop {
        let Ok(token) = scanner.next() else { return false };
        match token.kind {
            TokenKind::End => break,
            TokenKind::Word(word) => words.push(word.to_lowercase()),
            _ => return false,
        }
    }
    let Some((first, others)) = words.split_first() else { return false };
    is_first_word(first) && others.iter().all(|word| is_name_word(word))
}

/// Returns whether a word can begin a name. Conservative, as [`is_name_word`].
fn is_first_word(word: &str) -> bool {
    // "inside of", "left of each photo", "left of the frame"
    const AFTER_RELATIONS: [&str; 3] = ["of", "each", "frame"];
    let is_size = LARGE.iter().chain(&SMALL).any(|(size, _)| *size == word);
    let is_number = NUMBERS.contains(&word) || word.bytes().all(|byte| byte.is_ascii_digit());
    is_name_word(word)
        && !is_size
        && !is_number
        && !ASKING_VERBS.contains(&word)
        && !OPENINGS.contains(&word)
        && !COUNTING.contains(&word)
        && !AFTER_RELATIONS.contains(&word)
        && !COLLECTIVES.contains(&word)
        && !word.starts_with("close")
        && !ARTICLES.contains(&word)
}

/// Returns whether a word can be part of a name in any position. Conservative: more names are
/// quoted than necessary.
fn is_name_word(word: &str) -> bool {
    // "to the left of", "next to", "close to", "by", "as well as", "along with"
    const PARTS: [&str; 12] = [
        "to", "left", "right", "next", "close", "adjacent", "by", "together", "along", "well",
        "taken", "from",
    ];
    !QUALIFIER_WORDS.contains(&word)
        && !CONNECTIVES.contains(&word)
        && !POSTURES.contains(&word)
        && !PARTS.contains(&word)
        && !is_photos(word)
        && !when::is_time_word(word)
        && !word.starts_with(['!', '-', '−', '+'])
        && !word.ends_with(['?', '!', '.'])
}

pub(super) fn is_photos(word: &str) -> bool {
    matches!(
        word,
        "photos"
            | "images"
            | "pictures"
            | "photo"
            | "image"
            | "picture"
            | "pics"
            | "pic"
            | "pix"
            | "photographs"
            | "photograph"
            | "foto"
            | "fotos"
            | "snaps"
            | "shots"
    )
}

/// Returns whether a constraint begins here, rather than the name going on.
pub(super) fn begins_qualifier(scanner: &Scanner<'_>) -> bool {
    if begins_negation(scanner)
        || when::period_ahead(scanner).is_some()
        || folder::ahead(scanner).is_some()
    {
        return false;
    }
    let words = scanner.words_ahead(4);
    let words: Vec<&str> = words.iter().map(|(word, _)| word.as_str()).collect();
    match words[..] {
        ["left" | "right", "of", ..]
        | ["to", "left" | "right", "of", ..]
        | ["next" | "close" | "adjacent", "to", ..]
        | ["by", ..]
        | ["to", "the", "left" | "right", "of"] => true,
        ["with", next, ..] => matches!(next, "probability" | "count"),
        [first, ..] => QUALIFIER_WORDS.contains(&first),
        [] => false,
    }
}

/// Returns whether NOT in one of its forms is next.
fn begins_negation(scanner: &Scanner<'_>) -> bool {
    take_negation(&mut scanner.clone())
}

/// Reads NOT in one of its forms.
pub(super) fn take_negation(scanner: &mut Scanner<'_>) -> bool {
    // "that are not cars" is a condition of its own; "that is not in the middle" is not.
    let mut ahead = *scanner;
    let relative = ahead.take_one(&["that", "which"])
        && ahead.take_one(&["is", "are"])
        && ahead.take_one(&["not"])
        && !begins_qualifier(&ahead);
    if relative {
        *scanner = ahead;
        return true;
    }
    if take_negated_verb(scanner) {
        return true;
    }
    if ["anything", "everything", "all"].iter().any(|all| scanner.take_words(&[all, "but"])) {
        return true;
    }
    if scanner.take_one(&["except", "excluding"]) {
        scanner.take_one(&["for", "with"]);
        return true;
    }
    scanner.take_one(&["not", "without", "w/o", "no", "neither", "nor"])
        || scanner.take_sign(&['!', '-', '−'])
}

/// Reads "that don't have", "do not show" and "that isn't".
fn take_negated_verb(scanner: &mut Scanner<'_>) -> bool {
    const VERBS: [&str; 7] = ["have", "show", "contain", "include", "feature", "display", "has"];
    let mut ahead = *scanner;
    let is_relative = ahead.take_one(&["that", "which", "who"]);
    if ahead.take_one(&["don't", "dont", "doesn't", "doesnt", "don’t", "doesn’t"])
        || ahead.take_words(&["do", "not"])
        || ahead.take_words(&["does", "not"])
    {
        if !ahead.take_one(&VERBS) {
            return false;
        }
    } else if ahead.take_one(&["isn't", "isnt", "aren't", "arent", "isn’t", "aren’t"]) {
        // "that isn't in the middle" is said of the thing before it.
        if !is_relative || begins_qualifier(&ahead) {
            return false;
        }
    } else if !is_relative
        || !ahead.take_words(&["has", "no"]) && !ahead.take_words(&["have", "no"])
    {
        return false;
    }
    *scanner = ahead;
    true
}

/// Reads "but not both" behind alternatives.
pub(super) fn take_not_both(scanner: &mut Scanner<'_>) -> bool {
    let mut ahead = *scanner;
    ahead.take_comma();
    ahead.take_one(&["but", "and"]);
    let there = ahead.take_words(&["not", "both"]) || ahead.take_words(&["never", "both"]);
    if there {
        ahead.take_words(&["of", "them"]);
        ahead.take_words(&["together"]);
        *scanner = ahead;
    }
    there
}

/// Reads AND in one of its forms.
pub(super) fn take_and(scanner: &mut Scanner<'_>) -> bool {
    const SEQUENCES: [&[&str]; 6] = [
        &["as", "well", "as"],
        &["together", "with"],
        &["along", "with"],
        &["and", "also"],
        &["and", "with"],
        &["but", "with"],
    ];
    SEQUENCES.iter().any(|words| scanner.take_words(words))
        || scanner.take_sign(&['+'])
        || scanner.take_one(&[
            "and",
            "n",
            "but",
            "with",
            "w/",
            "plus",
            "&",
            "&&",
            "+",
            "showing",
            "containing",
        ])
}

/// Returns whether a word ends a name: AND in one of its longer forms begins here.
pub(super) fn begins_and(scanner: &Scanner<'_>) -> bool {
    take_and(&mut scanner.clone())
}
