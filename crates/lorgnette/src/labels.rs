//! What a network's outputs are called.
//!
//! The class count of the network chooses ImageNet's labels, never the user: of the networks
//! trained on its thousand synsets some have 1000 outputs and some 1001, with a background first,
//! and the wrong list is off by one everywhere. A name alone does not tell a class either ("crane"
//! is a bird and a machine), so the synset stays beside it.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::OnceLock;

use self::parse::Entry;
use crate::wordnet;

mod folder;
mod map;
mod nearest;
mod parse;
mod sidecar;

pub use folder::FolderClassError;
pub use nearest::nearest_names;
pub(crate) use sidecar::SidecarLabels;

/// ImageNet's thousand synsets, in their order, with their names (`oracle/make_labels.py`).
const IMAGENET: &str = include_str!("labels/imagenet.txt");
/// What output 0 of a 1001-class network stands for.
const BACKGROUND: &str = "background";
/// Most bytes of a label file: far more than any list of names, far less than a weights file given
/// by mistake.
const MAX_BYTES: u64 = 16 << 20;

/// The names of a network's outputs, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labels {
    entries: Vec<Entry>,
}

/// One output's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Label<'a> {
    /// The network's own output index, from 0.
    pub index: usize,
    /// The WordNet synset, such as `n01440764`, where the list has one.
    pub synset: Option<&'a str>,
    /// The name, or several with commas between them.
    pub name: &'a str,
}

impl<'a> Label<'a> {
    /// The first of its names: what fits on a picture. It need not be unique.
    #[must_use]
    pub fn first_name(&self) -> &'a str {
        self.name.split(',').next().unwrap_or(self.name).trim()
    }
}

impl Labels {
    /// ImageNet's labels for a network of 1000 outputs, or of 1001 with the background first;
    /// `None` for any other.
    #[must_use]
    pub fn imagenet(class_count: usize) -> Option<Self> {
        static ENTRIES: OnceLock<Vec<Entry>> = OnceLock::new();
        let entries = ENTRIES.get_or_init(|| IMAGENET.lines().map(Entry::parse).collect());
        let background = match class_count.checked_sub(entries.len())? {
            0 => None,
            1 => Some(Entry::named(BACKGROUND)),
            _ => return None,
        };
        Some(Self { entries: background.into_iter().chain(entries.iter().cloned()).collect() })
    }

    /// Reads a label file: one name a line, in output order.
    ///
    /// A line may start with a synset (`n01440764 tench, Tinca tinca`); if every line starts with a
    /// number and a colon or space (`0:background`), and the numbers are each output once, they
    /// give the order.
    ///
    /// # Errors
    /// [`LabelsError`], which names the file, what is wrong with it and what to do.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, LabelsError> {
        let path = path.as_ref();
        let format_error = |what| LabelsError::NotLabels { name: path.display().to_string(), what };
        Ok(Self { entries: parse::lines(&read(path)?).map_err(format_error)? })
    }

    /// Reads the labels of a network of `outputs` outputs: a label file as [`open`](Self::open)
    /// takes it; the label map of the 2015 graph (`imagenet_2012_challenge_label_map_proto.pbtxt`),
    /// with the names of its synsets from `imagenet_synset_to_human_label_map.txt` beside it, else
    /// ImageNet's; or a folder with one of these.
    ///
    /// # Errors
    /// As [`open`](Self::open), and [`LabelsError::OtherCount`] if they are not as many as the
    /// outputs.
    pub fn open_for(path: impl AsRef<Path>, outputs: usize) -> Result<Self, LabelsError> {
        let path = path.as_ref();
        if path.is_dir() {
            return Self::open_for(sidecar::in_folder(path)?, outputs);
        }
        let name = || path.display().to_string();
        if path.extension().is_some_and(|extension| extension == "pbtxt") {
            let map_entries = map::parse(&read(path)?)
                .map_err(|what| LabelsError::NotLabels { name: name(), what })?;
            let human = path.with_file_name(sidecar::NAMES);
            let human = if human.is_file() { read(&human)? } else { IMAGENET.to_owned() };
            let entries = map::entries(&map_entries, &map::names(&human), outputs);
            let other =
                || LabelsError::OtherCount { name: name(), labels: map_entries.len(), outputs };
            return entries.map(|entries| Self { entries }).ok_or_else(other);
        }
        let labels = Self::open(path)?;
        match labels.len() == outputs {
            true => Ok(labels),
            false => Err(LabelsError::OtherCount { name: name(), labels: labels.len(), outputs }),
        }
    }

    /// Labels from names in output order.
    pub fn from_names<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Self {
        Self { entries: names.into_iter().map(|name| Entry::named(name)).collect() }
    }

    /// Labels for outputs nobody named: "class 0" and so on.
    #[must_use]
    pub fn numbered(class_count: usize) -> Self {
        Self { entries: (0..class_count).map(Entry::numbered).collect() }
    }

    /// The labels as a label file that [`open`](Self::open) reads: one name a line, in output
    /// order.
    ///
    /// # Errors
    /// [`LabelsError::NotLabels`] for a name that a line cannot hold; `name` is what the message
    /// calls the file.
    pub fn to_text(&self, name: &str) -> Result<String, LabelsError> {
        let mut text = String::new();
        for label in self.iter() {
            if label.name.contains(['\n', '\r']) {
                let what = format!("the class {:?} has several lines", label.name);
                return Err(LabelsError::NotLabels { name: name.into(), what });
            }
            text += label.name;
            text.push('\n');
        }
        Ok(text)
    }

    /// How many outputs have a label.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The output that stands for nothing in particular, which networks of 1001 classes have first.
    #[must_use]
    pub fn background(&self) -> Option<usize> {
        self.get(0)
            .filter(|label| label.synset.is_none() && label.name == BACKGROUND)
            .map(|label| label.index)
    }

    /// The label of an output; `None` past the last.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<Label<'_>> {
        self.entries.get(index).map(|entry| entry.label(index))
    }

    /// Every label, in output order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Label<'_>> {
        self.entries.iter().enumerate().map(|(index, entry)| entry.label(index))
    }

    /// The labels a user means: those with this synset, or this whole name, or this as one of their
    /// names, and all that are a kind of what has this name ([`wordnet`]); failing these, the one
    /// with this index, or those of which this is the plural. Capitals do not matter. More than one
    /// for an ambiguous name, never none.
    ///
    /// # Errors
    /// [`UnknownLabel`], with the names it may have been meant for.
    pub fn find(&self, query: &str) -> Result<Vec<Label<'_>>, UnknownLabel> {
        let query_text = query.trim().to_lowercase();
        let matches_name = |name: &str| {
            let kinds = wordnet::hyponyms(name);
            let is_kind = |label: &Label<'_>| {
                label.synset.is_some_and(|synset| kinds.binary_search(&synset).is_ok())
            };
            self.matching(|label| has_name(label, name) || is_kind(label))
        };
        let plural =
            || wordnet::singulars(&query_text).iter().find_map(|singular| matches_name(singular));
        let found =
            matches_name(&query_text).or_else(|| self.by_index(&query_text)).or_else(plural);
        found.ok_or_else(|| UnknownLabel::new(query, nearest::nearest(self, &query_text)))
    }

    /// The labels that are called just so, or else have this index.
    fn named(&self, name: &str) -> Option<Vec<Label<'_>>> {
        let query_text = name.trim().to_lowercase();
        self.matching(|label| has_name(label, &query_text)).or_else(|| self.by_index(&query_text))
    }

    /// Those of which something holds; `None` if there are none.
    fn matching(&self, holds: impl Fn(&Label<'_>) -> bool) -> Option<Vec<Label<'_>>> {
        Some(self.iter().filter(holds).collect()).filter(|found: &Vec<_>| !found.is_empty())
    }

    fn by_index(&self, index: &str) -> Option<Vec<Label<'_>>> {
        index.parse().ok().and_then(|index| self.get(index)).map(|label| vec![label])
    }
}

/// A file's text, if it can be one of names.
fn read(path: &Path) -> Result<String, LabelsError> {
    let name = path.display().to_string();
    let unreadable = |source| LabelsError::Read { name: name.clone(), source };
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes))
        .map_err(unreadable)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(LabelsError::NotLabels {
            name,
            what: "it is far too large for a list of names".into(),
        });
    }
    String::from_utf8(bytes)
        .map_err(|_| LabelsError::NotLabels { name, what: "it is not UTF-8 text".into() })
}

/// Whether a label goes by a name in small letters.
fn has_name(label: &Label<'_>, query_text: &str) -> bool {
    let whole = label.name.to_lowercase();
    label.synset == Some(query_text)
        || whole == query_text
        || whole.split(',').any(|name| name.trim() == query_text)
}

/// Why a label file was not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LabelsError {
    /// The system would not give us the file.
    #[error("{name}: cannot be read: {source}")]
    Read {
        /// The file, as the caller named it.
        name: String,
        /// What the system said.
        source: io::Error,
    },

    /// The file is no list of names.
    #[error(
        "{name}: not a label file: {what}: give one name a line, in the order of the network's outputs"
    )]
    NotLabels {
        /// The file, as the caller named it.
        name: String,
        /// What is wrong with it.
        what: String,
    },

    /// The labels are not this network's.
    #[error("{name}: it names {labels} classes, and the network has {outputs} outputs")]
    OtherCount {
        /// The file, as the caller named it.
        name: String,
        /// How many classes it names.
        labels: usize,
        /// How many the network has.
        outputs: usize,
    },
}

/// A name no label has.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("no class is called {query:?}{}", advice(.suggestions))]
pub struct UnknownLabel {
    /// What was asked for.
    pub query: String,
    /// Names near to it, the nearest first; may be empty.
    pub suggestions: Vec<String>,
}

impl UnknownLabel {
    fn new(query: &str, suggestions: Vec<String>) -> Self {
        Self { query: query.into(), suggestions }
    }
}

fn advice(suggestions: &[String]) -> String {
    let Some((first, others)) = suggestions.split_first() else {
        return ": give a name, a synset or an index of this network's labels".into();
    };
    let mut advice = format!(": did you mean {first:?}");
    for other in others {
        // Writing to a string cannot fail.
        let _ = write!(advice, " or {other:?}");
    }
    advice + "?"
}
