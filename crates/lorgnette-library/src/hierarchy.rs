//! Names of classes, and of the WordNet hypernyms of classes.
//!
//! In WordNet a beagle is a hound, a dog and an animal ([`lorgnette::wordnet`]), so "dog" means 118
//! classes. A name with several meanings ("crane" is a bird and a machine) means all of them.
//!
//! ```
//! use lorgnette_library::hierarchy::{Class, Vocabulary};
//!
//! let labels = lorgnette::Labels::imagenet(1000).unwrap();
//! let classes = labels.iter().map(|label| Class::from_label(label.index as i64, &label));
//! let vocabulary = Vocabulary::new(classes);
//! assert_eq!(vocabulary.find("dogs").unwrap().len(), 118);
//! assert_eq!(vocabulary.find("flower pot").unwrap(), [738]);
//! assert_eq!(vocabulary.find("vehicel").unwrap_err().suggestions[0], "vehicle");
//! ```

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use lorgnette::labels::{Label, nearest_names};
use lorgnette::net::names::edit_distance;
use lorgnette::picture::has_photo_extension;
use lorgnette::wordnet::{self, key};

use crate::query::{Query, QueryError, needs_no_quotes, seems_a_date};

/// Maximum number of suggestions for an unknown name.
const MAX_SUGGESTIONS: usize = 5;
/// Minimum length of a name that is suggested for a longer one that begins with it.
const MIN_BEGINNING: usize = 3;
/// Maximum number of letters of the longer one behind it.
const MAX_ENDING: usize = 3;
/// Minimum length of a singular that names are compared with in their spelling.
const MIN_SINGULAR: usize = 5;
/// Minimum length of a part of a name that may be misspelt.
const MIN_MISSPELT: usize = 6;
/// Words for photos, and not for the things in them.
const LOOKS: [&str; 50] = [
    "blurry",
    "blurred",
    "unsharp",
    "sharp",
    "fuzzy",
    "dark",
    "bright",
    "colourful",
    "colorful",
    "black",
    "white",
    "grey",
    "gray",
    "red",
    "yellow",
    "green",
    "blue",
    "purple",
    "pink",
    "brown",
    "sepia",
    "panorama",
    "panoramic",
    "vertical",
    "horizontal",
    "square",
    "landscape",
    "best",
    "favourite",
    "favorite",
    "beautiful",
    "nice",
    "good",
    "bad",
    "funny",
    "overexposed",
    "underexposed",
    "indoor",
    "indoors",
    "outdoor",
    "outdoors",
    "outside",
    "night",
    "sunny",
    "colour",
    "color",
    "panoramas",
    "landscapes",
    "orientation",
    "mode",
];
/// Words that stand for a thing that was named before.
const PRONOUNS: [&str; 13] = [
    "one",
    "ones",
    "it",
    "them",
    "both",
    "same",
    "other",
    "others",
    "another",
    "something",
    "anything",
    "thing",
    "things",
];

/// A class and its names.
#[derive(Clone, Copy, Debug)]
pub struct Class<'a> {
    /// Id of the caller.
    pub id: i64,
    /// WordNet synset, if any.
    pub synset: Option<&'a str>,
    /// Name, or several separated by commas.
    pub name: &'a str,
}

/// Names of classes and of their hypernyms.
#[derive(Clone, Debug, Default)]
pub struct Vocabulary {
    by_key: HashMap<String, Vec<i64>>,
    /// By the possible singulars of names in the plural: "rose" for a class "roses".
    by_singular: HashMap<String, Vec<i64>>,
    by_synset: HashMap<String, Vec<i64>>,
    names: Vec<String>,
}

/// A name that no class or hypernym has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("nothing here is called {name:?}{}", hint(self))]
pub struct UnknownName {
    /// The unknown name.
    pub name: String,
    /// Known names that may have been meant: those near in meaning, then those spelt alike; may be
    /// empty.
    pub suggestions: Vec<String>,
    /// Whether it is an everyday noun of whose kind no class is: a receipt, a tree. The
    /// suggestions are then what comes nearest.
    pub is_of_no_kind: bool,
}

impl<'a> Class<'a> {
    /// Returns the class of a network's output.
    #[must_use]
    pub fn from_label(id: i64, label: &Label<'a>) -> Self {
        Self { id, synset: label.synset, name: label.name }
    }
}

impl Vocabulary {
    /// Builds the vocabulary of these classes.
    pub fn new<'a>(classes: impl IntoIterator<Item = Class<'a>>) -> Self {
        let mut vocabulary = Self::default();
        for Class { id, synset, name } in classes {
            for alias in std::iter::once(name).chain(name.split(',')) {
                push_new(vocabulary.by_key.entry(key(alias)).or_default(), id);
                for singular in wordnet::singulars(alias.trim()) {
                    push_new(vocabulary.by_singular.entry(key(&singular)).or_default(), id);
                }
            }
            vocabulary.names.extend(name.split(',').map(|name| name.trim().to_owned()));
            if name.contains(',') {
                vocabulary.names.push(name.to_owned());
            }
            // A class of one's own is a kind of what WordNet's noun of its name is a kind of.
            let synsets = match synset {
                Some(synset) => vec![synset],
                None => name.split(',').flat_map(|name| synsets_of(name.trim())).collect(),
            };
            for synset in synsets {
                push_new(vocabulary.by_synset.entry(synset.into()).or_default(), id);
            }
        }
        vocabulary
    }

    /// Whether there are no names.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The classes that a name means, in ascending order: a synset's number, any of a class's
    /// names, or any name of what it is a kind of; in the plural too. Capitals, spaces, hyphens and
    /// apostrophes do not matter.
    ///
    /// # Errors
    /// If there are none; with the names that may have been meant.
    pub fn find(&self, name: &str) -> Result<Vec<i64>, UnknownName> {
        self.matching(name).ok_or_else(|| self.unknown_name(name))
    }

    fn matching(&self, name: &str) -> Option<Vec<i64>> {
        let meanings = std::iter::once(name.to_owned()).chain(wordnet::singulars(name));
        let mut matching =
            meanings.map(|name| self.classes_named(&name)).filter(|classes| !classes.is_empty());
        matching.next().map(|classes| classes.into_iter().collect())
    }

    /// Parses a query of these names.
    ///
    /// # Errors
    /// At the word that cannot be read, or at the first name that means nothing.
    pub fn parse(&self, text: &str) -> Result<Query, QueryError> {
        let query = Query::parse_with(text, &self.phrases())?;
        self.check(&query, text)?;
        Ok(query)
    }

    /// Refuses a query with a name that means nothing, at that name.
    ///
    /// # Errors
    /// At the first such name; `text` is the query's.
    pub fn check(&self, query: &Query, text: &str) -> Result<(), QueryError> {
        query.objects().into_iter().try_for_each(|object| match self.find(&object.name.text) {
            Ok(_) => Ok(()),
            Err(unknown_name) => {
                Err(QueryError::new(text, object.name.span.clone(), unknown_name.to_string()))
            }
        })
    }

    /// Names in small letters that would be taken apart in a query if it did not know them: "black
    /// and gold garden spider", "tabby, tabby cat".
    #[must_use]
    pub fn phrases(&self) -> Vec<String> {
        let names = self.all_names().into_iter().map(str::to_lowercase);
        names.filter(|name| name.contains(' ') && !needs_no_quotes(name)).collect()
    }

    /// Returns all names as a query has them, for completion: those of classes, and those of what
    /// they are kinds of; in quotation marks if a query would not read them otherwise.
    #[must_use]
    pub fn query_names(&self) -> Vec<String> {
        let names = self.all_names().into_iter().filter(|name| !name.contains(','));
        let written = names.map(|name| match name.contains(' ') || needs_no_quotes(name) {
            // Phrases need none either.
            true => name.to_owned(),
            false => format!("\"{}\"", name.replace('"', "\"\"")),
        });
        let by_key: BTreeMap<String, String> =
            written.map(|name| (name.to_lowercase(), name)).collect();
        by_key.into_values().collect()
    }

    fn classes_named(&self, name: &str) -> BTreeSet<i64> {
        let key = key(name);
        let kinds = wordnet::hyponyms(name).into_iter();
        let from_synsets = kinds.filter_map(|synset| self.by_synset.get(synset)).flatten();
        let own = [&self.by_synset, &self.by_key, &self.by_singular].map(|index| index.get(&key));
        own.into_iter().flatten().flatten().chain(from_synsets).copied().collect()
    }

    /// Returns all names, those of classes before hypernyms.
    fn all_names(&self) -> Vec<&str> {
        let above = wordnet::hypernym_names(self.by_synset.keys().map(String::as_str));
        self.names.iter().map(String::as_str).chain(above).collect()
    }

    fn unknown_name(&self, name: &str) -> UnknownName {
        let candidates = match noun(name) {
            // A noun of the language is not misspelt.
            Some(noun) => wordnet::related(&noun).into_iter().map(str::to_owned).collect(),
            None => Vec::new(),
        };
        let mut suggestions = self.suggested(candidates);
        if suggestions.is_empty() {
            suggestions = self.suggested(self.candidates(name));
        }
        let is_of_no_kind = [name, head(name)].into_iter().any(is_of_no_kind)
            && !parts(name).any(|part| self.matching(&part).is_some());
        UnknownName { name: name.into(), suggestions, is_of_no_kind }
    }

    /// Returns what may have been meant by a name that is no noun of the language: names spelt
    /// alike, then what is known of its words, or near them in meaning.
    fn candidates(&self, name: &str) -> Vec<String> {
        if is_of_no_kind(name) {
            // "shopping receipt" for "receipt".
            return names(self.spelt_alike(name).into_iter().filter(|near| near.0 == 0));
        }
        // "sleeping cat" is a cat rather than a sleeping bag.
        let (nearest, near): (Vec<_>, Vec<_>) = self
            .spelt_alike(name)
            .into_iter()
            .partition(|(distance, _)| *distance <= 1 || !name.contains(' '));
        let (whole, in_part): (Vec<_>, Vec<_>) =
            parts(name).partition(|part| self.matching(part).is_some());
        // "golden retreiver" of "golden retreiver puppy"; a noun of the language is not misspelt.
        let misspelt = in_part
            .iter()
            .filter(|part| {
                part.len() >= MIN_MISSPELT && parts(part).all(|part| noun(&part).is_none())
            })
            .filter(|part| noun(part).is_none());
        let mended = misspelt.flat_map(|part| {
            let most = if part.len() < 2 * MIN_MISSPELT { 1 } else { 2 };
            self.spelt_alike(part).into_iter().filter(move |near| near.0 <= most)
        });
        // "white" is also a person.
        let nouns = in_part.iter().filter(|part| !LOOKS.contains(&part.as_str()));
        let mut candidates = names(nearest);
        candidates.extend(whole);
        candidates.extend(names(mended));
        candidates.extend(nouns.flat_map(|part| related_to(part)));
        candidates.extend(names(near));
        candidates
    }

    /// Returns the first of these names that are known.
    fn suggested(&self, candidates: Vec<String>) -> Vec<String> {
        let mut suggestions: Vec<String> = Vec::new();
        for candidate in candidates {
            if suggestions.len() < MAX_SUGGESTIONS
                // A class's first name stands for all of them.
                && !candidate.contains(',')
                && !suggestions.contains(&candidate)
                && self.matching(&candidate).is_some()
            {
                suggestions.push(candidate);
            }
        }
        suggestions
    }

    /// Returns names spelt like the singular of another, or like itself, with the number of edits
    /// between them; and the longest that begins it: "dog" of "doggo".
    fn spelt_alike(&self, name: &str) -> Vec<(usize, String)> {
        let name = name.to_lowercase();
        let names = self.all_names();
        let mut alike = Vec::new();
        for form in wordnet::singulars(&name).into_iter().chain([name.clone()]) {
            // "pari" of "paris" is like many words.
            if form != name && form.len() < MIN_SINGULAR {
                continue;
            }
            for near in nearest_names(names.iter().copied(), &form) {
                alike.push((edit_distance(&near.to_lowercase(), &form), near));
            }
        }
        let begins_it = |known: &&&str| {
            known.len() >= MIN_BEGINNING
                && known.len() + MAX_ENDING >= name.len()
                && name.starts_with(&known.to_lowercase())
        };
        let longest = names.iter().filter(begins_it).max_by_key(|known| known.len());
        alike.extend(longest.map(|&known| (MAX_ENDING, known.to_owned())));
        alike
    }
}

/// Returns the form of a name that is a noun of the language: in the singular, if it is a plural.
fn noun(name: &str) -> Option<String> {
    let forms = std::iter::once(name.to_owned()).chain(wordnet::singulars(name));
    forms
        .into_iter()
        .find(|form| wordnet::is_of_no_kind(form) || !wordnet::related(form).is_empty())
}

/// Returns whether nothing is of the kind of a noun, in the singular or the plural.
fn is_of_no_kind(name: &str) -> bool {
    noun(name).is_some_and(|noun| wordnet::is_of_no_kind(&noun))
}

/// Returns names near a noun in meaning, in the singular or the plural.
fn related_to(name: &str) -> Vec<String> {
    let near = noun(name).map(|noun| wordnet::related(&noun)).unwrap_or_default();
    near.into_iter().map(str::to_owned).collect()
}

/// Returns the word that says what kind of thing a name is of: "drawing" of "kids drawing",
/// "ticket" of "ticket of a concert".
fn head(name: &str) -> &str {
    let before = name.split_once(" of ").map_or(name, |(thing, _)| thing);
    before.rsplit(' ').next().unwrap_or(before)
}

/// Returns what may be known of a name of several words: "car" of "red car", "dog" of "dog house",
/// "wine bottle" of "bottle of wine".
fn parts(name: &str) -> impl Iterator<Item = String> {
    let words: Vec<&str> = name.split(' ').collect();
    let turned = name.split_once(" of ").map(|(thing, kind)| format!("{kind} {thing}"));
    let inner: Vec<String> = words.iter().skip(1).map(|&word| word.to_owned()).collect();
    let ends: Vec<String> = (1..words.len()).map(|start| words[start..].join(" ")).collect();
    let starts: Vec<String> = (1..words.len()).rev().map(|end| words[..end].join(" ")).collect();
    let all = turned.into_iter().chain(ends).chain(starts).chain(inner);
    all.filter(|part| part.split(' ').all(|word| word.starts_with(char::is_alphanumeric)))
}

/// Returns names without their distances.
fn names(near: impl IntoIterator<Item = (usize, String)>) -> Vec<String> {
    near.into_iter().map(|(_, name)| name).collect()
}

fn synsets_of(name: &str) -> Vec<&'static str> {
    let singulars = wordnet::singulars(name);
    let meanings = std::iter::once(name).chain(singulars.iter().map(String::as_str));
    meanings.map(wordnet::synsets_named).find(|synsets| !synsets.is_empty()).unwrap_or_default()
}

/// Appends an id, unless it is the last one.
fn push_new(ids: &mut Vec<i64>, id: i64) {
    if ids.last() != Some(&id) {
        ids.push(id);
    }
}

fn hint(unknown: &UnknownName) -> String {
    const PLACES: [&str; 9] =
        ["top", "middle", "bottom", "left", "right", "center", "centre", "corner", "half"];
    let UnknownName { name, suggestions, is_of_no_kind } = unknown;
    let last = name.rsplit(' ').next().unwrap_or_default().to_lowercase();
    if ["face", "faces"].contains(&last.as_str()) {
        return ": no photo was searched for faces; `lorgnette index --faces` does".into();
    }
    if seems_a_date(name) {
        return ": for when a photo was taken write in June 2024, from summer 2022, or \
                date:2024-06"
            .into();
    }
    if is_file_name(name) {
        return format!(": for the name of a file or folder write path:{name}");
    }
    if ["duplicate", "duplicates", "copies"].contains(&last.as_str()) {
        return ": `lorgnette library duplicates` finds the photos that are there twice".into();
    }
    if ["nobody", "noone"].contains(&name.to_lowercase().as_str()) {
        return ": for photos without people write no people".into();
    }
    if PRONOUNS.contains(&name.to_lowercase().as_str()) {
        return ": write what is meant by it, as in dog in top right".into();
    }
    if PLACES.contains(&last.as_str()) && last != *name {
        return ": before a place goes `in`, as in dog in top left".into();
    }
    let lower = name.to_lowercase();
    let look = lower.strip_prefix("something ").unwrap_or(&lower);
    if look.split(' ').all(|word| LOOKS.contains(&word)) {
        return ": how a photo looks cannot be asked; what is in it can (`lorgnette classes` lists \
                it), and what is alike (like PHOTO)"
            .into();
    }
    let quoted: Vec<String> = suggestions.iter().map(|name| format!("{name:?}")).collect();
    let quoted = quoted.join(" or ");
    if !suggestions.is_empty() && !is_of_no_kind {
        return format!(": did you mean {quoted}?");
    }
    let word: String = last.chars().filter(|letter| letter.is_alphanumeric()).collect();
    let in_names = format!("path:{word} finds what is in the names of files and folders");
    match (is_of_no_kind, suggestions.is_empty()) {
        (true, true) => {
            format!(", and no class is of that kind: {in_names}, like PHOTO what looks alike")
        }
        (true, false) => {
            format!(", and no class is of that kind; what comes nearest is {quoted}; {in_names}")
        }
        (false, _) => format!(": `lorgnette classes` lists what can be asked; {in_names}"),
    }
}

/// Returns whether a name is a photo's file: `beach.jpg`, `IMG_1234`.
fn is_file_name(name: &str) -> bool {
    let is_word = !name.contains(char::is_whitespace);
    let digits = name.chars().rev().take_while(char::is_ascii_digit).count();
    let before = &name[..name.len() - digits];
    let is_numbered = (3..=8).contains(&digits)
        && (3..=5).contains(&before.len())
        && before.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'_')
        && before.to_uppercase() == before;
    is_word && (is_numbered || has_photo_extension(Path::new(name)))
}

#[cfg(test)]
mod tests {
    use lorgnette::Labels;

    use super::{Class, Vocabulary};
    use crate::query::Query;

    fn imagenet() -> Vocabulary {
        let labels = Labels::imagenet(1000).unwrap();
        Vocabulary::new(labels.iter().map(|label| Class::from_label(label.index as i64, &label)))
    }

    fn count(name: &str) -> usize {
        imagenet().find(name).map_or(0, |classes| classes.len())
    }

    #[test]
    fn every_name_of_every_class_means_it() {
        let (labels, vocabulary) = (Labels::imagenet(1000).unwrap(), imagenet());
        for label in labels.iter() {
            let names =
                std::iter::once(label.name).chain(label.name.split(',')).chain(label.synset);
            for name in names {
                let matching = vocabulary.find(name).unwrap();
                assert!(matching.contains(&(label.index as i64)), "{name}: {matching:?}");
            }
        }
    }

    #[test]
    fn kinds_are_found_by_what_they_are_kinds_of() {
        // WordNet 3.0 has 118 of the thousand below n02084071, "dog"; 59 below n01503061, "bird".
        assert_eq!(count("dog"), 118);
        assert_eq!(count("n02084071"), 118);
        assert_eq!(count("Canis familiaris"), 118);
        assert_eq!(count("bird"), 59);
        assert_eq!(count("entity"), 1000);
        assert!(imagenet().find("vehicle").unwrap().contains(&779));
        assert!(imagenet().find("bus").unwrap().contains(&779));
    }

    #[test]
    fn both_meanings_are_meant() {
        assert_eq!(imagenet().find("crane").unwrap(), [134, 517]);
        assert_eq!(imagenet().find("maillot").unwrap(), [638, 639]);
    }

    #[test]
    fn spelling_and_number_matter_little() {
        for name in ["flower pot", "flowerpot", "Flower-Pot", "flower pots", "FLOWERPOTS"] {
            assert_eq!(imagenet().find(name).unwrap(), [738], "{name}");
        }
        assert_eq!(imagenet().find("school buses").unwrap(), [779]);
        assert_eq!(count("foxes"), count("fox"));
        assert_eq!(count("butterflies"), count("butterfly"));
        assert_eq!(count("wolves"), count("wolf"));
        assert_eq!(
            imagenet().find("jack-o'-lanterns").unwrap(),
            imagenet().find("jack o lantern").unwrap()
        );
    }

    #[test]
    fn unknown_names_get_suggestions() {
        let suggested = |name: &str| imagenet().find(name).unwrap_err();
        assert_eq!(suggested("vehicel").suggestions[0], "vehicle");
        assert_eq!(suggested("scool bus").suggestions[0], "school bus");
        assert!(suggested("zzz").to_string().contains("`lorgnette classes` lists"));
        assert_eq!(suggested("red car").suggestions.last().unwrap(), "car");
        assert!(suggested("dogs last June").to_string().contains("date:2024-06"));
    }

    #[test]
    fn what_is_no_thing_gets_a_pointer_to_what_can_be_asked() {
        let pointer = |name: &str| imagenet().find(name).unwrap_err().to_string();
        for (name, expected) in [
            ("IMG_1234.jpg", "write path:IMG_1234.jpg"),
            ("DSC01234", "write path:DSC01234"),
            ("old", "date:2024-06"),
            ("newest", "date:2024-06"),
            ("blurry", "how a photo looks"),
            ("Landscape", "how a photo looks"),
            ("trip to Zermatt", "path:zermatt finds"),
            ("old car", "\"car\""),
        ] {
            assert!(pointer(name).contains(expected), "{name}: {}", pointer(name));
        }
    }

    #[test]
    fn suggestions_are_by_meaning_before_spelling() {
        let first = |name: &str| imagenet().find(name).unwrap_err().suggestions[0].clone();
        assert_eq!(first("sea"), "seashore");
        assert_eq!(first("puppies"), "dog");
        assert_eq!(first("cow"), "cattle");
        // By spelling alone these are lamp, bridge and hooter.
        assert_eq!(first("lamb"), "sheep");
        assert_eq!(first("fridge"), "refrigerator");
        assert_eq!(first("hoover"), "vacuum");
        assert_eq!(first("kitties"), "cat");
        assert_eq!(first("mosquitoes"), "fly");
    }

    #[test]
    fn where_nothing_is_of_a_kind_that_is_said() {
        let unknown = |name: &str| imagenet().find(name).unwrap_err();
        for (name, nearest) in
            [("receipts", "menu"), ("memes", "comic book"), ("kids drawings", "comic book")]
        {
            let unknown = unknown(name);
            assert!(unknown.is_of_no_kind, "{name}: {unknown}");
            assert_eq!(unknown.suggestions[0], nearest, "{name}");
            assert!(unknown.to_string().contains("no class is of that kind"), "{unknown}");
        }
        let tattoo = unknown("tattoos");
        assert!(tattoo.is_of_no_kind && tattoo.suggestions.is_empty(), "{tattoo}");
        // A bottle is known, and a sneaker is a shoe and no snake.
        for (name, nearest) in [("ketchup bottle", "bottle"), ("white sneakers", "running shoe")] {
            let unknown = unknown(name);
            assert!(!unknown.is_of_no_kind, "{name}: {unknown}");
            assert_eq!(unknown.suggestions[0], nearest, "{name}");
        }
        // A model of one's own may have receipts.
        let own = Vocabulary::new([Class { id: 1, synset: None, name: "receipt, bill" }]);
        assert_eq!(own.find("receipts").unwrap(), [1]);
    }

    #[test]
    fn every_suggestion_by_meaning_is_known() {
        let vocabulary = imagenet();
        for line in include_str!("../../lorgnette/src/wordnet/related.txt").lines() {
            let (noun, names) = line.split_once('\t').unwrap();
            let names = names.strip_prefix('-').unwrap_or(names).trim_start();
            if names.is_empty() {
                continue;
            }
            let unknown = names.split(", ").find(|name| vocabulary.matching(name).is_none());
            assert_eq!(unknown, None, "{noun}");
        }
    }

    #[test]
    fn classes_of_ones_own_have_a_singular_a_plural_and_kinds() {
        let names = ["roses", "daisy", "my cats"];
        let classes = (0..).zip(names).map(|(id, name)| Class { id, synset: None, name });
        let vocabulary = Vocabulary::new(classes);
        for (name, class) in
            [("rose", 0), ("Roses", 0), ("daisies", 1), ("flower", 1), ("my cat", 2)]
        {
            assert_eq!(vocabulary.find(name).unwrap(), [class], "{name}");
        }
    }

    #[test]
    fn names_with_words_of_the_language_need_no_quotation_marks() {
        let phrases = imagenet().phrases();
        assert!(phrases.contains(&"black and gold garden spider".into()), "{phrases:?}");
        let query =
            Query::parse_with("a Black and gold garden spider and a dog", &phrases).unwrap();
        assert_eq!(query.to_string(), "\"black and gold garden spider\" AND dog");
    }

    #[test]
    fn every_name_of_a_completion_can_be_asked_for() {
        let vocabulary = imagenet();
        let (names, phrases) = (vocabulary.query_names(), vocabulary.phrases());
        for expected in ["school bus", "animal", "black and gold garden spider"] {
            assert!(names.contains(&expected.into()), "{expected}");
        }
        for name in names {
            let text = format!("{name} in box(0,0,0.5,0.5) AND NOT {name} in top left");
            let query = Query::parse_with(&text, &phrases).unwrap_or_else(|e| panic!("{e}"));
            vocabulary.check(&query, &text).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(query.objects().len(), 2, "{text}: {query}");
        }
    }

    #[test]
    fn a_class_without_a_synset_has_its_name_alone() {
        let vocabulary = Vocabulary::new([Class { id: 7, synset: None, name: "roses" }]);
        assert_eq!(vocabulary.find("Roses").unwrap(), [7]);
        assert!(vocabulary.find("dog").is_err());
    }
}
