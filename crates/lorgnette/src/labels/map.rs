//! Label maps: the synset or name of each output, as for the 2015 graph and for object detectors.
//!
//! `imagenet_2012_challenge_label_map_proto.pbtxt` is a protocol buffer in text form, `entry {
//! target_class: 449 target_class_string: "n01440764" }` and so on; names of synsets are in
//! `imagenet_synset_to_human_label_map.txt`, one per line after a tab. Object detectors use `item {
//! id: 1 name: "n…" display_name: "person" }`.

use std::collections::HashMap;

use super::parse::{Entry, is_synset};

/// The class of an output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MapEntry {
    /// The output.
    pub(super) index: usize,
    /// A synset, or a name.
    pub(super) class: String,
    /// A display name, if the map has one.
    pub(super) display_name: Option<String>,
}

/// Largest output index allowed in a map, against mistakes and attacks.
const MAX_INDEX: usize = 1 << 20;

/// Parses a label map; errors name the line.
pub(super) fn parse(text: &str) -> Result<Vec<MapEntry>, String> {
    let mut tokens = Tokens { rest: text, line: 1 };
    let mut map_entries = Vec::new();
    while let Some(block) = tokens.next()? {
        let Token::Word("entry" | "item") = block else {
            return Err(tokens.unexpected(&block, "'entry' or 'item'"));
        };
        map_entries.push(entry(&mut tokens)?);
    }
    Ok(map_entries)
}

/// Parses an entry between its braces.
fn entry(tokens: &mut Tokens<'_>) -> Result<MapEntry, String> {
    let line = tokens.line;
    tokens.optional(&Token::Mark(':'))?;
    tokens.expect(&Token::Mark('{'), "'{'")?;
    let (mut index, mut class, mut display_name) = (None, None, None);
    loop {
        match tokens.next_required()? {
            Token::Mark('}') => break,
            Token::Word(field) => {
                tokens.expect(&Token::Mark(':'), "':'")?;
                match (field, tokens.next_required()?) {
                    ("target_class" | "id", Token::Word(number)) => {
                        index = Some(tokens.index(number)?);
                    }
                    ("target_class_string" | "name", Token::Text(text)) => class = Some(text),
                    ("display_name", Token::Text(text)) => display_name = Some(text),
                    // Fields that are not names.
                    _ => {}
                }
            }
            other => return Err(tokens.unexpected(&other, "a field or '}'")),
        }
    }
    let class = class.or_else(|| display_name.clone());
    match (index, class) {
        (Some(index), Some(class)) => Ok(MapEntry { index, class, display_name }),
        _ => Err(format!("line {line}: an entry without a class and its name")),
    }
}

/// The labels of a network of `outputs` outputs; outputs that the map omits are numbered. `None` if
/// the map names outputs that the network does not have, or one of them twice.
pub(super) fn entries(
    map_entries: &[MapEntry],
    names: &HashMap<&str, &str>,
    outputs: usize,
) -> Option<Vec<Entry>> {
    let mut entries = vec![None; outputs];
    for MapEntry { index, class, display_name } in map_entries {
        let name =
            display_name.as_deref().or_else(|| names.get(class.as_str()).copied()).unwrap_or(class);
        let entry =
            if is_synset(class) { Entry::with_synset(class, name) } else { Entry::named(name) };
        if entries.get_mut(*index)?.replace(entry).is_some() {
            return None;
        }
    }
    Some(
        entries
            .into_iter()
            .enumerate()
            .map(|(i, entry)| entry.unwrap_or_else(|| Entry::numbered(i)))
            .collect(),
    )
}

/// Names by synset, from lines of a synset, a tab and its names.
pub(super) fn names(text: &str) -> HashMap<&str, &str> {
    let lines = text.lines().filter_map(|line| line.split_once(['\t', ' ']));
    lines
        .filter(|(synset, _)| is_synset(synset))
        .map(|(synset, name)| (synset, name.trim()))
        .collect()
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token<'a> {
    Word(&'a str),
    Text(String),
    Mark(char),
}

/// The tokens of a protocol buffer in text form, without comments and separators.
struct Tokens<'a> {
    rest: &'a str,
    line: usize,
}

impl<'a> Tokens<'a> {
    fn next(&mut self) -> Result<Option<Token<'a>>, String> {
        self.skip();
        let Some(first) = self.rest.chars().next() else { return Ok(None) };
        if first == '"' || first == '\'' {
            return self.text(first).map(Some);
        }
        let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '+');
        let length = if is_word(first) {
            self.rest.find(|c| !is_word(c)).unwrap_or(self.rest.len())
        } else {
            first.len_utf8()
        };
        let token = self.take(length);
        Ok(Some(if is_word(first) { Token::Word(token) } else { Token::Mark(first) }))
    }

    /// Skips white space, separators and comments.
    fn skip(&mut self) {
        loop {
            let blank = self
                .rest
                .find(|c: char| !c.is_whitespace() && c != ',' && c != ';' && c != '\u{feff}');
            self.take(blank.unwrap_or(self.rest.len()));
            if !self.rest.starts_with('#') {
                return;
            }
            self.take(self.rest.find('\n').unwrap_or(self.rest.len()));
        }
    }

    fn take(&mut self, length: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(length);
        self.line += taken.matches('\n').count();
        self.rest = rest;
        taken
    }

    /// Parses a quoted text on one line; the supported escapes are quotes and the backslash.
    fn text(&mut self, quote: char) -> Result<Token<'a>, String> {
        let (mut text, mut escaped) = (String::new(), false);
        for (at, c) in self.rest.char_indices().skip(1) {
            match c {
                '\n' => break,
                _ if std::mem::take(&mut escaped) => text.push(c),
                '\\' => escaped = true,
                _ if c == quote => {
                    self.take(at + c.len_utf8());
                    return Ok(Token::Text(text));
                }
                _ => text.push(c),
            }
        }
        Err(format!("line {}: a quoted name has no end", self.line))
    }

    fn next_required(&mut self) -> Result<Token<'a>, String> {
        self.next()?.ok_or_else(|| format!("line {}: it ends within an entry", self.line))
    }

    fn expect(&mut self, expected: &Token<'_>, what: &str) -> Result<(), String> {
        let token = self.next_required()?;
        if token == *expected { Ok(()) } else { Err(self.unexpected(&token, what)) }
    }

    fn optional(&mut self, expected: &Token<'_>) -> Result<(), String> {
        let (rest, line) = (self.rest, self.line);
        if self.next()?.as_ref() != Some(expected) {
            (self.rest, self.line) = (rest, line);
        }
        Ok(())
    }

    fn index(&self, number: &str) -> Result<usize, String> {
        let index = number.parse().ok().filter(|&index| index <= MAX_INDEX);
        index.ok_or_else(|| format!("line {}: {number} is no output's number", self.line))
    }

    fn unexpected(&self, token: &Token<'_>, expected: &str) -> String {
        let found = match token {
            Token::Word(word) => (*word).to_owned(),
            Token::Text(text) => format!("{text:?}"),
            Token::Mark(mark) => mark.to_string(),
        };
        format!("line {}: {expected} is expected, not {found}", self.line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_map_are_read() {
        let text = "# a comment {\nentry {\n  target_class: 2\n  target_class_string: \"n02084071\"\n}\n\
                    item: { id: 1, name: 'n02121808' display_name: \"a \\\"cat\\\"\" other: 5 }";
        let map_entries = parse(text).unwrap();
        assert_eq!(map_entries.len(), 2);
        let names = names("n02084071\tdog, domestic dog\nno synset");
        let entries = entries(&map_entries, &names, 3).unwrap();
        let labels: Vec<_> = entries.iter().enumerate().map(|(i, entry)| entry.label(i)).collect();
        assert_eq!((labels[0].synset, labels[0].name), (None, "class 0"));
        assert_eq!((labels[1].synset, labels[1].name), (Some("n02121808"), "a \"cat\""));
        assert_eq!((labels[2].synset, labels[2].name), (Some("n02084071"), "dog, domestic dog"));
    }

    #[test]
    fn a_map_of_another_network_is_rejected() {
        let map_entries = |index| MapEntry { index, class: "a".into(), display_name: None };
        assert!(entries(&[map_entries(3)], &HashMap::new(), 3).is_none());
        assert!(entries(&[map_entries(1), map_entries(1)], &HashMap::new(), 3).is_none());
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        for (text, expected) in [
            ("entry {\n target_class: 1\n", "line 3: it ends within an entry"),
            ("entry {\n target_class: -1 }", "line 2: -1 is no output's number"),
            ("\nthing { }", "line 2: 'entry' or 'item' is expected, not thing"),
            ("entry { id: 1 }", "line 1: an entry without a class and its name"),
            ("entry { name: \"a\n\" }", "line 1: a quoted name has no end"),
            ("entry { id 1 }", "line 1: ':' is expected, not 1"),
        ] {
            assert_eq!(parse(text).unwrap_err(), expected, "{text}");
        }
    }
}
