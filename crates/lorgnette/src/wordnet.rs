//! WordNet's noun hierarchy above ImageNet's thousand synsets.
//!
//! A beagle is a hound, a dog and an animal, so "dog" means 118 classes. A name may have several
//! meanings ("crane" is a bird and a machine); all of them count.
//!
//! ```
//! use lorgnette::wordnet;
//!
//! assert!(wordnet::hyponyms("bus").contains(&"n04146614"), "a school bus is a bus");
//! assert_eq!(wordnet::singulars("school buses")[0], "school bus");
//! ```

use std::collections::{BTreeSet, HashMap};
use std::sync::OnceLock;

pub use self::plural::singulars;

mod plural;

/// Each line is a synset, its direct hypernyms, and its names (`oracle/make_hierarchy.py`).
const NOUNS: &str = include_str!("wordnet/nouns.txt");
/// Each line is a noun that is not in the hierarchy, and the names in it that are nearest in
/// meaning, behind a `-` if none of them is what the noun is a kind of
/// (`oracle/make_hierarchy.py`).
const RELATED: &str = include_str!("wordnet/related.txt");

/// The synsets with this name and all their hyponyms, in ascending order. A synset's number may
/// stand for its name; case, spaces and punctuation are ignored.
#[must_use]
pub fn hyponyms(name: &str) -> Vec<&'static str> {
    WordNet::get().hyponyms(&key(name))
}

/// The synsets with this name, without their hyponyms.
#[must_use]
pub fn synsets_named(name: &str) -> Vec<&'static str> {
    let wordnet = WordNet::get();
    let named = wordnet.by_key.get(&key(name)).into_iter().flatten();
    named.map(|&noun| wordnet.nouns[noun].synset).collect()
}

/// The names in this hierarchy that are nearest in meaning to an everyday noun that is not in it,
/// the nearest first: seashore for sea. None for other words. Singular, case and spaces as in
/// [`hyponyms`].
#[must_use]
pub fn related(name: &str) -> Vec<&'static str> {
    let names = noun_outside(name).unwrap_or_default();
    let near = names.strip_prefix('-').unwrap_or(names).trim_start();
    near.split(", ").filter(|name| !name.is_empty()).collect()
}

/// Returns whether a word is an everyday noun of whose kind nothing in this hierarchy is, such as
/// receipt. [`related`] may still have what comes near it.
#[must_use]
pub fn is_of_no_kind(name: &str) -> bool {
    noun_outside(name).is_some_and(|names| names.starts_with('-'))
}

/// Returns what [`RELATED`] has of a noun.
fn noun_outside(name: &str) -> Option<&'static str> {
    let key = key(name);
    let mut nouns = RELATED.lines().filter_map(|line| line.split_once('\t'));
    nouns.find(|(noun, _)| self::key(noun) == key).map(|(_, names)| names)
}

/// The names of these synsets and of all their hypernyms.
#[must_use]
pub fn hypernym_names<'a>(synsets: impl IntoIterator<Item = &'a str>) -> Vec<&'static str> {
    WordNet::get().hypernym_names(synsets.into_iter())
}

/// The comparison key of a name: letters and digits alone, so that "flower pot", "flower-pot" and
/// "flowerpot" are equal.
#[must_use]
pub fn key(name: &str) -> String {
    name.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// The nouns.
struct WordNet {
    nouns: Vec<Noun>,
    by_synset: HashMap<&'static str, usize>,
    by_key: HashMap<String, Vec<usize>>,
}

struct Noun {
    synset: &'static str,
    names: &'static str,
    parents: Vec<usize>,
    children: Vec<usize>,
}

impl WordNet {
    fn get() -> &'static Self {
        static WORDNET: OnceLock<WordNet> = OnceLock::new();
        WORDNET.get_or_init(Self::read)
    }

    fn hyponyms(&self, key: &str) -> Vec<&'static str> {
        let by_number = self.by_synset.get(key).into_iter();
        let named = self.by_key.get(key).into_iter().flatten().chain(by_number).copied();
        self.transitive_closure(named, |noun| &noun.children)
            .into_iter()
            .map(|noun| self.nouns[noun].synset)
            .collect()
    }

    fn hypernym_names<'a>(&self, synsets: impl Iterator<Item = &'a str>) -> Vec<&'static str> {
        let nouns = synsets.filter_map(|synset| self.by_synset.get(synset).copied());
        let hypernyms = self.transitive_closure(nouns, |noun| &noun.parents);
        hypernyms.into_iter().flat_map(|noun| self.nouns[noun].names.split(", ")).collect()
    }

    fn transitive_closure(
        &self,
        from: impl Iterator<Item = usize>,
        next: impl Fn(&Noun) -> &Vec<usize>,
    ) -> BTreeSet<usize> {
        let (mut transitive_closure, mut stack) = (BTreeSet::new(), from.collect::<Vec<_>>());
        while let Some(noun) = stack.pop() {
            if transitive_closure.insert(noun) {
                stack.extend(next(&self.nouns[noun]));
            }
        }
        transitive_closure
    }

    fn read() -> Self {
        let lines: Vec<[&'static str; 3]> = NOUNS.lines().map(fields).collect();
        let by_synset: HashMap<&str, usize> =
            lines.iter().enumerate().map(|(noun, [synset, ..])| (*synset, noun)).collect();
        let parents = |parents: &str| {
            parents.split(',').filter_map(|synset| by_synset.get(synset).copied()).collect()
        };
        let noun = |&[synset, hypernyms, names]: &[&'static str; 3]| Noun {
            synset,
            names,
            parents: parents(hypernyms),
            children: Vec::new(),
        };
        let mut nouns: Vec<Noun> = lines.iter().map(noun).collect();
        let mut by_key: HashMap<String, Vec<usize>> = HashMap::new();
        for noun in 0..nouns.len() {
            for parent in nouns[noun].parents.clone() {
                nouns[parent].children.push(noun);
            }
            for name in nouns[noun].names.split(", ") {
                by_key.entry(key(name)).or_default().push(noun);
            }
        }
        Self { nouns, by_synset, by_key }
    }
}

fn fields(line: &'static str) -> [&'static str; 3] {
    let mut fields = line.splitn(3, ' ');
    std::array::from_fn(|_| {
        fields.next().expect("a line of nouns.txt has three fields: a test reads them all")
    })
}
