//! Words that people write before their query: "show me", "give me all images where".

use super::super::scan::{Scanner, Token, TokenKind};
use super::when;
use super::words::{ARTICLES, ASKING_VERBS, is_photos, take_negation};

/// Skips "give me all images where" and "show me" in their forms, if something follows.
pub(super) fn skip(scanner: &mut Scanner<'_>) {
    let mut ahead = *scanner;
    let asks = skip_request(&mut ahead);
    let asked = ahead;
    if skip_something_with(&mut ahead) {
        *scanner = ahead;
        return;
    }
    // The best photos come first anyway.
    while ahead.take_one(&ARTICLES)
        || ahead.take_one(&["of", "which", "best", "that", "those", "these"])
    {}
    if ahead.word_ahead().is_some_and(|word| is_photos(&word)) {
        // It is a word.
        let _ = ahead.next();
        skip_after_photos(&mut ahead);
        if !is_end(&ahead) {
            *scanner = ahead;
            return;
        }
    }
    if asks && !is_end(&asked) {
        *scanner = asked;
    }
}

/// Skips "something with" and "anything that has", if a name follows.
fn skip_something_with(scanner: &mut Scanner<'_>) -> bool {
    let mut ahead = *scanner;
    if !ahead.take_one(&["something", "anything", "everything", "things"]) {
        return false;
    }
    let before = ahead.position();
    skip_after_photos(&mut ahead);
    // "anything from 2016"
    let is_dated = when::period_ahead(&ahead).is_some();
    let is_skipped = is_dated || ahead.position() > before && !is_end(&ahead);
    if is_skipped {
        *scanner = ahead;
    }
    is_skipped
}

/// Returns a query without the words at its end that ask nothing more: "a car in them?", "how many
/// dogs are there". Question marks stay.
pub(super) fn without_ending(text: &str) -> &str {
    const ENDINGS: [&str; 17] = [
        " please",
        " for me",
        " are there",
        " is there",
        " do i have",
        " do we have",
        " in them",
        " in it",
        " in there",
        " in my photos",
        " in my pictures",
        " in my library",
        " in the same photo",
        " in the same picture",
        " in the same image",
        " in one photo",
        " in one picture",
    ];
    let text = text.trim_end();
    let mut asked = text.trim_end_matches(['?', '!', ' ']);
    let mut is_shorter = false;
    while let Some(ending) = ENDINGS.iter().find(|ending| ends_with(asked, ending)) {
        asked = asked[..asked.len() - ending.len()].trim_end_matches([',', ' ']);
        is_shorter = true;
    }
    if is_shorter { asked } else { text }
}

/// Returns whether a text ends in words in small letters, whatever its own letters are.
fn ends_with(text: &str, ending: &str) -> bool {
    text.len()
        .checked_sub(ending.len())
        .and_then(|start| text.get(start..))
        .is_some_and(|end| end.eq_ignore_ascii_case(ending))
}

/// Skips "please show me", "I am looking for" and the like; returns whether there was any.
fn skip_request(scanner: &mut Scanner<'_>) -> bool {
    const PHRASES: [&[&str]; 25] = [
        &["i", "want", "to", "see"],
        &["i", "would", "like", "to", "see"],
        &["i", "am", "looking", "for"],
        &["i'm", "looking", "for"],
        &["i", "want"],
        &["looking", "for"],
        &["do", "i", "have"],
        &["do", "you", "have"],
        &["have", "i", "got"],
        &["how", "many"],
        &["i", "would", "like"],
        &["got"],
        &["do", "we", "have"],
        &["where", "are"],
        &["where", "is"],
        &["where's"],
        &["is", "there"],
        &["are", "there"],
        &["i", "need"],
        &["where", "did", "i", "put"],
        &["where", "did", "i", "save"],
        &["where", "have", "i", "put"],
        &["what's", "in"],
        &["whats", "in"],
        &["what", "is", "in"],
    ];
    let please = scanner.take_one(&["please"]);
    let can_you = ["can", "could"].iter().any(|can| scanner.take_words(&[can, "you"]));
    let mut asks = PHRASES.iter().any(|words| scanner.take_words(words));
    if !asks && scanner.take_one(&ASKING_VERBS) {
        scanner.take_one(&["me", "us", "for"]);
        asks = true;
    }
    // "everything except cars"
    let mut ahead = *scanner;
    if ahead.take_one(&["everything", "anything", "all"]) && take_negation(&mut ahead.clone()) {
        *scanner = ahead;
        asks = true;
    }
    please || can_you || asks
}

/// Skips "that contain", "where", "of" and the like after "photos".
fn skip_after_photos(scanner: &mut Scanner<'_>) {
    if scanner.take_words(&["in", "which"]) {
        return;
    }
    // "photos that are not of dogs" is not understood; "photos that have dogs" is.
    const VERBS: [&str; 7] = ["have", "has", "show", "shows", "contain", "contains", "include"];
    if scanner.take_one(&["that", "which"]) {
        scanner.take_one(&VERBS);
    } else if !scanner.take_one(&VERBS) {
        scanner.take_one(&[
            "where",
            "with",
            "w/",
            "showing",
            "containing",
            "of",
            "having",
            "featuring",
        ]);
    }
}

fn is_end(scanner: &Scanner<'_>) -> bool {
    matches!(scanner.clone().next(), Ok(Token { kind: TokenKind::End, .. }))
}
