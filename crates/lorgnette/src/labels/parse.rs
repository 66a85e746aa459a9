//! Parses lists of names.

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

/// Sorts lines by their leading numbers, if every line has one and they are a permutation of 0 to n
/// - 1.
fn numbered<'a>(lines: &[&'a str]) -> Option<Vec<&'a str>> {
    let mut ordered = vec![None; lines.len()];
    for line in lines {
        let (number, name) = line.split_once(|c: char| c == ':' || c.is_whitespace())?;
        let slot = ordered.get_mut(number.parse::<usize>().ok()?)?;
        if slot.replace(name.trim()).is_some() {
            return None;
        }
    }
    ordered.into_iter().collect()
}
