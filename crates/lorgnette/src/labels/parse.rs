//! Parses lists of names.

use std::collections::BTreeMap;

use super::Label;

/// A stored name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    synset: Option<String>,
    name: String,
}

impl Entry {
    pub(super) fn named(name: impl Into<String>) -> Self {
        Self { synset: None, name: name.into() }
    }

    pub(super) fn with_synset(synset: &str, name: &str) -> Self {
        Self { synset: Some(synset.into()), name: name.into() }
    }

    /// The name of an unnamed output.
    pub(super) fn numbered(index: usize) -> Self {
        Self::named(format!("class {index}"))
    }

    /// Parses a name with an optional synset; a synset alone is its own name.
    pub(super) fn parse(line: &str) -> Self {
        let line = line.trim();
        let (first, rest) =
            line.split_once(|c: char| c.is_whitespace() || c == ',').unwrap_or((line, ""));
        if !is_synset(first) {
            return Self::named(line);
        }
        let name = if rest.trim().is_empty() { first } else { rest.trim() };
        Self { synset: Some(first.into()), name: name.into() }
    }

    pub(super) fn label(&self, index: usize) -> Label<'_> {
        Label { index, synset: self.synset.as_deref(), name: &self.name }
    }
}

/// A noun's offset in WordNet 3.0: `n` and eight digits.
pub(super) fn is_synset(word: &str) -> bool {
    word.len() == 9 && word.starts_with('n') && word[1..].bytes().all(|byte| byte.is_ascii_digit())
}

/// Parses a label file; the error describes the problem.
pub(super) fn lines(text: &str) -> Result<Vec<Entry>, String> {
    let text = text.trim_start_matches('\u{feff}').trim_end();
    if text.is_empty() {
        return Err("it is empty".into());
    }
    if let Some(entries) = json(text) {
        return Ok(entries);
    }
    // As Python writes a dictionary. A name may begin with a bracket, such as [UNK].
    if text.starts_with('{') {
        return Err("it is neither a list of names nor JSON".into());
    }
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    if let Some(blank) = lines.iter().position(|line| line.is_empty()) {
        return Err(format!("line {} is empty", blank + 1));
    }
    if text.contains(|c: char| c.is_control() && !c.is_whitespace()) {
        return Err("it has control characters".into());
    }
    let lines = numbered(&lines).unwrap_or(lines);
    Ok(lines.into_iter().map(Entry::parse).collect())
}

/// The description of one of Teachable Machine's models.
#[derive(serde::Deserialize)]
struct Description {
    labels: Vec<String>,
}

/// Parses a JSON array of names, Teachable Machine's `metadata.json`, or an object of names by
/// output number, also with their synsets (Keras's `imagenet_class_index.json`) or turned around
/// (Keras's `class_indices`).
fn json(text: &str) -> Option<Vec<Entry>> {
    if let Ok(names) = serde_json::from_str::<Vec<String>>(text) {
        return Some(names.into_iter().map(Entry::named).collect());
    }
    if let Ok(Description { labels }) = serde_json::from_str(text) {
        return Some(labels.into_iter().map(Entry::named).collect());
    }
    let by_number = by_number(text)?;
    let counts = by_number.keys().copied().eq(0..by_number.len());
    counts.then(|| by_number.into_values().collect())
}

/// Parses a JSON object of names and numbers.
fn by_number(text: &str) -> Option<BTreeMap<usize, Entry>> {
    if let Ok(names) = serde_json::from_str::<BTreeMap<usize, String>>(text) {
        return Some(names.into_iter().map(|(at, name)| (at, Entry::named(name))).collect());
    }
    if let Ok(pairs) = serde_json::from_str::<BTreeMap<usize, (String, String)>>(text) {
        let entry = |(synset, name): (String, String)| match is_synset(&synset) {
            true => Some(Entry::with_synset(&synset, &name)),
            false => None,
        };
        return pairs.into_iter().map(|(at, pair)| Some((at, entry(pair)?))).collect();
    }
    let numbers: BTreeMap<String, usize> = serde_json::from_str(text).ok()?;
    let count = numbers.len();
    let entries: BTreeMap<usize, Entry> =
        numbers.into_iter().map(|(name, at)| (at, Entry::named(name))).collect();
    (entries.len() == count).then_some(entries)
}

/// Removes the numbers in front of names, if every line has one.
///
/// Numbers before a colon (`0:background`) say which output a name is of: they put the lines in
/// order if they count from 0. Numbers before a comma or a space may belong to the names ("2
/// euro"), so they are removed only if the lines are in their order already. Any may count from 1.
fn numbered<'a>(lines: &[&'a str]) -> Option<Vec<&'a str>> {
    let split = |separator: fn(char) -> bool| {
        let parts = lines.iter().map(|line| {
            let (number, name) = line.split_once(separator)?;
            Some((number.parse::<usize>().ok()?, name.trim()))
        });
        parts.collect::<Option<Vec<(usize, &str)>>>()
    };
    let by_colon = split(|c| c == ':');
    let has_colons = by_colon.is_some();
    let mut numbered =
        by_colon.or_else(|| split(|c| c == ',')).or_else(|| split(char::is_whitespace))?;
    if has_colons {
        numbered.sort_by_key(|&(number, _)| number);
    }
    let first = numbered.first()?.0;
    let counts = numbered.iter().enumerate().all(|(index, &(number, _))| number == first + index);
    (counts && first <= 1).then(|| numbered.into_iter().map(|(_, name)| name).collect())
}

/// True if a label file numbers its names from 1, before colons.
pub(super) fn counts_from_one(text: &str) -> bool {
    let mut numbers = text.trim().lines().map(|line| {
        line.trim_start_matches('\u{feff}').split_once(':')?.0.trim().parse::<usize>().ok()
    });
    let numbers: Option<Vec<usize>> = numbers.by_ref().collect();
    numbers.is_some_and(|numbers| numbers.iter().min() == Some(&1))
}

/// Decodes a text file: UTF-8, or UTF-16 as Windows' editors write it. `None` if it is neither.
pub(super) fn decode(bytes: Vec<u8>) -> Option<String> {
    let utf16 = |bytes: &[u8], read: fn([u8; 2]) -> u16| {
        let (units, rest) = bytes.as_chunks::<2>();
        let units: Vec<u16> = units.iter().map(|&unit| read(unit)).collect();
        String::from_utf16(&units).ok().filter(|_| rest.is_empty())
    };
    let guessed = match bytes.as_slice() {
        [0xff, 0xfe, rest @ ..] => return utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => return utf16(rest, u16::from_be_bytes),
        [first, 0, ..] if *first != 0 => utf16(&bytes, u16::from_le_bytes),
        [0, second, ..] if *second != 0 => utf16(&bytes, u16::from_be_bytes),
        _ => None,
    };
    guessed.or_else(|| String::from_utf8(bytes).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        lines(text).unwrap().into_iter().map(|entry| entry.name).collect()
    }

    #[test]
    fn numbers_order_names_only_where_they_say_so() {
        assert_eq!(names("1:b\n0:a\n"), ["a", "b"]);
        assert_eq!(names("2:b\n1:a\n"), ["a", "b"]);
        assert_eq!(names("0 Class 1\n1 Class 2\n"), ["Class 1", "Class 2"]);
        assert_eq!(names("2 euro\n0 nothing\n1 euro\n"), ["2 euro", "0 nothing", "1 euro"]);
        assert_eq!(names("2 euro\n5 euro\n"), ["2 euro", "5 euro"]);
        assert_eq!(names("7:b\n0:a\n"), ["7:b", "0:a"]);
        assert_eq!(names("0,a\n1,b, c\n"), ["a", "b, c"]);
        assert_eq!(names("1,a\n0,b\n"), ["1,a", "0,b"]);
        assert!(counts_from_one("1:a\n2:b\n") && !counts_from_one("0:a\n1:b\n"));
        assert!(!counts_from_one("1 euro\n2 euro\n"));
    }

    #[test]
    fn names_may_be_json() {
        assert_eq!(names("[\"a\", \"b\"]"), ["a", "b"]);
        assert_eq!(names("{\"1\": \"b\", \"0\": \"a\"}"), ["a", "b"]);
        assert_eq!(names("{\"b\": 0, \"a\": 1}"), ["b", "a"]);
        let with_synsets =
            "{\"0\": [\"n01440764\", \"tench\"], \"1\": [\"n01443537\", \"goldfish\"]}";
        assert_eq!(names(with_synsets), ["tench", "goldfish"]);
        assert_eq!(lines(with_synsets).unwrap()[1].synset.as_deref(), Some("n01443537"));
        assert_eq!(names("[UNK]\ncat\n"), ["[UNK]", "cat"]);
        for wrong in ["{\"1\": \"b\"}", "{0: 'a'}", "{\"a\": 1}", "{\"a\": 0, \"b\": 0}"] {
            assert!(lines(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn text_is_utf_8_or_utf_16() {
        for bytes in [
            b"\xff\xfea\0\xfc\0".to_vec(),
            b"\xfe\xff\0a\0\xfc".to_vec(),
            b"a\0\xfc\0".to_vec(),
            "aü".into(),
        ] {
            assert_eq!(decode(bytes.clone()).as_deref(), Some("aü"), "{bytes:?}");
        }
        assert_eq!(decode(b"a\xfc".to_vec()), None);
        assert_eq!(decode(b"\xff\xfea".to_vec()), None);
    }
}
