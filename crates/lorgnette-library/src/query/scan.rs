//! A query as words, quoted words and signs.

use std::ops::Range;

use super::{QueryError, Sign};

/// A place in a query; a copy of it looks ahead.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

/// A word or a sign, and its bytes in the query.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind<'a>,
    pub(super) span: Range<usize>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind<'a> {
    Word(&'a str),
    Quoted(String),
    /// A word and the colon after it; what follows is for [`Scanner::value`] to read.
    Field(&'a str),
    Sign(Sign),
    Open,
    Close,
    End,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    pub(super) fn text(&self) -> &'a str {
        self.text
    }

    /// The byte that is next.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Reads a token.
    pub(super) fn next(&mut self) -> Result<Token<'a>, QueryError> {
        let start = self.skip_space();
        let kind = self.kind(start)?;
        Ok(Token { kind, span: start..self.at })
    }

    /// The next word in small letters, if a word is next; nothing is read.
    pub(super) fn word_ahead(&self) -> Option<String> {
        match self.clone().next() {
            Ok(Token { kind: Kind::Word(word), .. }) => Some(word.to_lowercase()),
            _ => None,
        }
    }

    /// The next words in small letters, at most `most`, each with the scanner after it; nothing is read.
    pub(super) fn words_ahead(&self, most: usize) -> Vec<(String, Self)> {
        let mut ahead = *self;
        let mut words = Vec::new();
        while let (true, Some(word)) = (words.len() < most, ahead.word_ahead()) {
            // It was a word a moment ago.
            let _ = ahead.next();
            words.push((word, ahead));
        }
        words
    }

    /// Reads these words, if they are next.
    pub(super) fn take_words(&mut self, wanted: &[&str]) -> bool {
        let ahead = self.words_ahead(wanted.len());
        let there = ahead.len() == wanted.len() && ahead.iter().zip(wanted).all(|((word, _), wanted)| word == wanted);
        if let (true, Some((_, after))) = (there, ahead.last()) {
            *self = *after;
        }
        there
    }

    /// Reads one of these words, if one is next.
    pub(super) fn take_one(&mut self, wanted: &[&str]) -> bool {
        self.word_ahead().is_some_and(|word| wanted.contains(&word.as_str()) && self.take_words(&[&word]))
    }

    /// Reads a value: what is in quotation marks, or everything up to a space or a parenthesis that was opened before.
    pub(super) fn value(&mut self) -> Result<(String, Range<usize>), QueryError> {
        let start = self.skip_space();
        if let Some(closing) = self.letter().and_then(closing_of) {
            return self.quoted(start, closing).map(|text| (text, start..self.at));
        }
        let mut open = 0_u32;
        while let Some(letter) = self.letter().filter(|letter| !letter.is_whitespace()) {
            match letter {
                '(' => open += 1,
                ')' if open == 0 => break,
                ')' => open -= 1,
                _ => {}
            }
            self.at += letter.len_utf8();
        }
        Ok((self.text[start..self.at].into(), start..self.at))
    }

    fn kind(&mut self, start: usize) -> Result<Kind<'a>, QueryError> {
        let Some(first) = self.letter() else { return Ok(Kind::End) };
        if let Some(closing) = closing_of(first) {
            return self.quoted(start, closing).map(Kind::Quoted);
        }
        self.at += first.len_utf8();
        match first {
            '(' => Ok(Kind::Open),
            ')' => Ok(Kind::Close),
            '<' | '>' | '=' | '≤' | '≥' => Ok(Kind::Sign(self.sign(first))),
            _ => Ok(self.word(start)),
        }
    }

    fn sign(&mut self, first: char) -> Sign {
        let or_equal = self.letter() == Some('=');
        self.at += usize::from(or_equal);
        match first {
            '≤' => Sign::AtMost,
            '≥' => Sign::AtLeast,
            '<' if or_equal => Sign::AtMost,
            '>' if or_equal => Sign::AtLeast,
            '<' => Sign::Less,
            '>' => Sign::More,
            _ => Sign::Equal,
        }
    }

    fn word(&mut self, start: usize) -> Kind<'a> {
        while let Some(letter) = self.letter().filter(|&letter| is_of_word(letter)) {
            self.at += letter.len_utf8();
            if letter == ':' {
                return Kind::Field(&self.text[start..self.at - 1]);
            }
        }
        Kind::Word(&self.text[start..self.at])
    }

    /// What is between quotation marks; two closing ones stand for one.
    fn quoted(&mut self, start: usize, closing: char) -> Result<String, QueryError> {
        self.at += self.letter().map_or(0, char::len_utf8);
        let mut text = String::new();
        while let Some(letter) = self.letter() {
            self.at += letter.len_utf8();
            if letter != closing {
                text.push(letter);
            } else if self.letter() == Some(closing) {
                text.push(letter);
                self.at += letter.len_utf8();
            } else {
                return Ok(text);
            }
        }
        Err(QueryError::new(self.text, start..self.text.len(), "this quotation mark is not closed"))
    }

    fn skip_space(&mut self) -> usize {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
        self.at
    }

    fn letter(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }
}

/// The mark that ends what this one begins.
fn closing_of(mark: char) -> Option<char> {
    match mark {
        '"' | '\'' => Some(mark),
        '“' => Some('”'),
        '‘' => Some('’'),
        _ => None,
    }
}

/// Whether a word may have this letter in it; apostrophes, hyphens and commas are in names.
fn is_of_word(letter: char) -> bool {
    !letter.is_whitespace() && !matches!(letter, '(' | ')' | '<' | '>' | '=' | '≤' | '≥' | '"' | '“' | '”')
}
