//! Scanner of a query: words, quoted words and signs.

use std::ops::Range;

use super::{Comparator, QueryError};

/// A position in a query. A copy looks ahead.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scanner<'a> {
    text: &'a str,
    position: usize,
}

/// A word or a sign, and its byte range in the query.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token<'a> {
    pub(super) kind: TokenKind<'a>,
    pub(super) span: Range<usize>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum TokenKind<'a> {
    Word(&'a str),
    Quoted(String),
    /// A word and the colon after it; [`Scanner::value`] reads the value.
    Field(&'a str),
    Comparator(Comparator),
    Comma,
    Open,
    Close,
    End,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, position: 0 }
    }

    pub(super) fn text(&self) -> &'a str {
        self.text
    }

    /// Returns the position of the next byte.
    pub(super) fn position(&self) -> usize {
        self.position
    }

    /// Reads a token.
    pub(super) fn next(&mut self) -> Result<Token<'a>, QueryError> {
        let start = self.skip_space();
        let kind = self.kind(start)?;
        Ok(Token { kind, span: start..self.position })
    }

    /// Returns the next token in lower case if it is a word, without reading it.
    pub(super) fn word_ahead(&self) -> Option<String> {
        match self.clone().next() {
            Ok(Token { kind: TokenKind::Word(word), .. }) => Some(word.to_lowercase()),
            _ => None,
        }
    }

    /// Returns up to `limit` next words in lower case without reading them, each with the scanner
    /// after it.
    pub(super) fn words_ahead(&self, limit: usize) -> Vec<(String, Self)> {
        let mut ahead = *self;
        let mut words = Vec::new();
        while let (true, Some(word)) = (words.len() < limit, ahead.word_ahead()) {
            // The word was peeked.
            let _ = ahead.next();
            words.push((word, ahead));
        }
        words
    }

    /// Returns up to `limit` next words as [`Scanner::words_ahead`], and whether a comma follows
    /// each.
    pub(super) fn words_and_commas_ahead(&self, limit: usize) -> Vec<(String, Self, bool)> {
        let mut words = Vec::new();
        let mut ahead = *self;
        while let (true, Some(word)) = (words.len() < limit, ahead.word_ahead()) {
            // The word was peeked.
            let _ = ahead.next();
            let after = ahead;
            words.push((word, after, ahead.take_comma()));
        }
        words
    }

    /// Reads these words, if they are next.
    pub(super) fn take_words(&mut self, expected: &[&str]) -> bool {
        let ahead = self.words_ahead(expected.len());
        let there = ahead.len() == expected.len()
            && ahead.iter().zip(expected).all(|((word, _), expected)| word == expected);
        if let (true, Some((_, after))) = (there, ahead.last()) {
            *self = *after;
        }
        there
    }

    /// Reads one of these words, if one is next.
    pub(super) fn take_one(&mut self, expected: &[&str]) -> bool {
        self.word_ahead()
            .is_some_and(|word| expected.contains(&word.as_str()) && self.take_words(&[&word]))
    }

    /// Reads a value: a quoted text, or everything up to a space, a comma before one, or an
    /// unmatched closing parenthesis.
    pub(super) fn value(&mut self) -> Result<(String, Range<usize>), QueryError> {
        self.value_before(&[])
    }

    /// Reads a value as [`Scanner::value`], which also ends before these characters.
    pub(super) fn value_before(
        &mut self,
        ends: &[char],
    ) -> Result<(String, Range<usize>), QueryError> {
        let start = self.skip_space();
        if let Some(closing) = self.letter().and_then(closing_mark) {
            return self.quoted(start, closing).map(|text| (text, start..self.position));
        }
        let mut open = 0_u32;
        while let Some(letter) = self.letter().filter(|letter| !letter.is_whitespace()) {
            match letter {
                '(' => open += 1,
                ')' if open == 0 => break,
                ')' => open -= 1,
                _ if ends.contains(&letter) => break,
                _ => {}
            }
            self.position += letter.len_utf8();
        }
        // "path:holidays, dog": the comma joins.
        let is_joined = self.text[start..self.position].ends_with(',');
        self.position -= usize::from(is_joined);
        Ok((self.text[start..self.position].into(), start..self.position))
    }

    fn kind(&mut self, start: usize) -> Result<TokenKind<'a>, QueryError> {
        let Some(first) = self.letter() else { return Ok(TokenKind::End) };
        if let Some(closing) = closing_mark(first).filter(|_| !self.is_short_year()) {
            return self.quoted(start, closing).map(TokenKind::Quoted);
        }
        self.position += first.len_utf8();
        match first {
            '(' => Ok(TokenKind::Open),
            ')' => Ok(TokenKind::Close),
            ',' => Ok(TokenKind::Comma),
            '<' | '>' | '=' | '≤' | '≥' => Ok(TokenKind::Comparator(self.comparator(first))),
            _ => Ok(self.word(start)),
        }
    }

    /// Returns whether an apostrophe and two digits are next, as in "summer '22".
    fn is_short_year(&self) -> bool {
        let mut letters = self.text[self.position..].chars();
        let [mark, tens, ones, after] = std::array::from_fn(|_| letters.next());
        let is_digit = |letter: Option<char>| letter.is_some_and(|letter| letter.is_ascii_digit());
        matches!(mark, Some('\'' | '‘'))
            && is_digit(tens)
            && is_digit(ones)
            && after.is_none_or(|letter| !letter.is_alphanumeric() && !"'’".contains(letter))
            && !letters.any(|letter| "'’".contains(letter))
    }

    fn comparator(&mut self, first: char) -> Comparator {
        let or_equal = self.letter() == Some('=');
        self.position += usize::from(or_equal);
        match first {
            '≤' => Comparator::LessOrEqual,
            '≥' => Comparator::GreaterOrEqual,
            '<' if or_equal => Comparator::LessOrEqual,
            '>' if or_equal => Comparator::GreaterOrEqual,
            '<' => Comparator::Less,
            '>' => Comparator::Greater,
            _ => Comparator::Equal,
        }
    }

    fn word(&mut self, start: usize) -> TokenKind<'a> {
        while let Some(letter) = self.letter().filter(|&letter| is_word_char(letter)) {
            if letter == ',' && self.is_comma_between_words() {
                break;
            }
            self.position += letter.len_utf8();
            if letter == ':' {
                return TokenKind::Field(&self.text[start..self.position - 1]);
            }
        }
        TokenKind::Word(&self.text[start..self.position])
    }

    /// Returns whether the comma here ends a word: what follows is no digit or letter.
    fn is_comma_between_words(&self) -> bool {
        let after = self.text[self.position + 1..].chars().next();
        !after.is_some_and(|letter| is_word_char(letter) && letter != ',')
    }

    /// Reads a comma, if one is next.
    pub(super) fn take_comma(&mut self) -> bool {
        let mut ahead = *self;
        let is_comma = matches!(ahead.next(), Ok(Token { kind: TokenKind::Comma, .. }));
        if is_comma {
            *self = ahead;
        }
        is_comma
    }

    /// Reads one of these signs, if it stands before a name and belongs to it: "-cat".
    pub(super) fn take_sign(&mut self, signs: &[char]) -> bool {
        let mut ahead = *self;
        ahead.skip_space();
        let Some(sign) = ahead.letter().filter(|letter| signs.contains(letter)) else {
            return false;
        };
        ahead.position += sign.len_utf8();
        let is_before_name =
            ahead.letter().is_some_and(|letter| letter.is_alphabetic() || "\"(“".contains(letter));
        if is_before_name {
            *self = ahead;
        }
        is_before_name
    }

    /// Reads everything up to a closing parenthesis, and that, if an opening one is next.
    pub(super) fn parenthesised(&mut self) -> Option<(&'a str, Range<usize>)> {
        let mut ahead = *self;
        let Ok(Token { kind: TokenKind::Open, .. }) = ahead.next() else { return None };
        let start = ahead.position;
        let end = start + self.text[start..].find(')')?;
        self.position = end + 1;
        Some((&self.text[start..end], start..end))
    }

    /// Reads a quoted text; two closing marks stand for one.
    fn quoted(&mut self, start: usize, closing: char) -> Result<String, QueryError> {
        self.position += self.letter().map_or(0, char::len_utf8);
        let mut text = String::new();
        while let Some(letter) = self.letter() {
            self.position += letter.len_utf8();
            if letter != closing {
                text.push(letter);
            } else if self.letter() == Some(closing) {
                text.push(letter);
                self.position += letter.len_utf8();
            } else {
                return Ok(text);
            }
        }
        Err(QueryError::new(self.text, start..self.text.len(), "this quotation mark is not closed"))
    }

    fn skip_space(&mut self) -> usize {
        let rest = &self.text[self.position..];
        self.position += rest.len() - rest.trim_start().len();
        self.position
    }

    fn letter(&self) -> Option<char> {
        self.text[self.position..].chars().next()
    }
}

/// Returns the closing mark of an opening mark.
fn closing_mark(mark: char) -> Option<char> {
    match mark {
        '"' | '\'' => Some(mark),
        '“' => Some('”'),
        '‘' => Some('’'),
        _ => None,
    }
}

/// Returns whether a word can contain this character; names have apostrophes and hyphens.
fn is_word_char(letter: char) -> bool {
    !letter.is_whitespace()
        && !matches!(letter, '(' | ')' | '<' | '>' | '=' | '≤' | '≥' | '"' | '“' | '”')
}
