//! Names of a network's outputs.
//!
//! ImageNet's labels are chosen by the network's class count: networks trained on its thousand
//! synsets have 1000 outputs, or 1001 with a background first, and the wrong list is off by one
//! everywhere. A name alone does not identify a class ("crane" is a bird and a machine), so labels
//! keep the synset.

use std::fmt::Write as _;
use std::io::{self, Read};
use std::path::Path;
use std::sync::OnceLock;

use lorgnette_net::file::open_regular;

use self::parse::Entry;
use crate::photos::nfc;
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
/// The name of output 0 in networks of 1001 classes.
const BACKGROUND: &str = "background";
/// Maximum bytes of a label file: far more than any list of names, far less than a weights file
/// given by mistake.
const MAX_BYTES: u64 = 16 << 20;

/// The names of a network's outputs, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labels {
    entries: Vec<Entry>,
}

/// One output's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Label<'a> {
    /// The network's output index, from 0.
    pub index: usize,
    /// The WordNet synset, such as `n01440764`, where the list has one.
    pub synset: Option<&'a str>,
    /// The name, or several synonyms separated by commas.
    pub name: &'a str,
}

impl<'a> Label<'a> {
    /// The first of its synonyms, short enough for a picture. It need not be unique.
    #[must_use]
    pub fn first_name(&self) -> &'a str {
        self.name.split(',').next().unwrap_or(self.name).trim()
    }
}

impl Labels {
    /// ImageNet's labels for a network of 1000 outputs, or of 1001 with the background first;
    /// `None` for any other count.
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

    /// Reads a label file: one name per line, in output order.
    ///
    /// A line may start with a synset (`n01440764 tench, Tinca tinca`). If every line starts with a
    /// number and a colon (`0:background`), and the numbers count from 0 or 1, they give the order.
    /// Numbers before a space are removed if the lines are in their order (`0 Class 1`), else they
    /// belong to the names (`2 euro`). The file is UTF-8 or UTF-16.
    ///
    /// # Errors
    /// [`LabelsError`], which names the file, the problem and a remedy.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, LabelsError> {
        let path = path.as_ref();
        let format_error = |what| LabelsError::NotLabels { name: path.display().to_string(), what };
        Ok(Self { entries: parse::lines(&read(path)?).map_err(format_error)? })
    }

    /// Reads the labels of a network of `outputs` outputs: a label file as for
    /// [`open`](Self::open); the label map of the 2015 graph
    /// (`imagenet_2012_challenge_label_map_proto.pbtxt`), with names from
    /// `imagenet_synset_to_human_label_map.txt` in the same folder, else ImageNet's; or a folder
    /// that contains one of these.
    ///
    /// # Errors
    /// As [`open`](Self::open), and [`LabelsError::OtherCount`] if the number of labels differs
    /// from `outputs`.
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
        let mut labels = Self::open(path)?;
        // Names numbered from 1 leave output 0 to the background.
        if labels.len() + 1 == outputs && parse::counts_from_one(&read(path)?) {
            labels.entries.insert(0, Entry::named(BACKGROUND));
        }
        match labels.len() == outputs {
            true => Ok(labels),
            false => Err(LabelsError::OtherCount { name: name(), labels: labels.len(), outputs }),
        }
    }

    /// Labels from names in output order.
    pub fn from_names<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Self {
        Self { entries: names.into_iter().map(|name| Entry::named(name)).collect() }
    }

    /// Labels for unnamed outputs: "class 0" and so on.
    #[must_use]
    pub fn numbered(class_count: usize) -> Self {
        Self { entries: (0..class_count).map(Entry::numbered).collect() }
    }

    /// The labels as a label file for [`open`](Self::open): one name per line, in output order.
    ///
    /// # Errors
    /// [`LabelsError::NotLabels`] for a name that does not fit on a line; `name` identifies the
    /// file in the message.
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

    /// Number of labels.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// True if there are no labels.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The background output, the first of networks with 1001 classes.
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

    /// Finds labels by synset, full name or synonym, and all hyponyms of that name ([`wordnet`]);
    /// otherwise by index, or by singular. Case is ignored. An ambiguous name gives several labels;
    /// the result is never empty.
    ///
    /// # Errors
    /// [`UnknownLabel`], with similar names.
    pub fn find(&self, query: &str) -> Result<Vec<Label<'_>>, UnknownLabel> {
        let query_text = nfc(query.trim()).to_lowercase();
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

    /// True if a label has exactly this name or synonym, in lower case.
    pub(crate) fn has_name(&self, name: &str) -> bool {
        self.iter().any(|label| has_name(&label, name))
    }

    /// The labels with exactly this name, or else this index.
    fn named(&self, name: &str) -> Option<Vec<Label<'_>>> {
        let query_text = nfc(name.trim()).to_lowercase();
        self.matching(|label| has_name(label, &query_text)).or_else(|| self.by_index(&query_text))
    }

    /// The labels for which `holds` is true; `None` if there are none.
    fn matching(&self, holds: impl Fn(&Label<'_>) -> bool) -> Option<Vec<Label<'_>>> {
        Some(self.iter().filter(holds).collect()).filter(|found: &Vec<_>| !found.is_empty())
    }

    fn by_index(&self, index: &str) -> Option<Vec<Label<'_>>> {
        index.parse().ok().and_then(|index| self.get(index)).map(|label| vec![label])
    }
}

/// Reads a file if it can be a list of names.
fn read(path: &Path) -> Result<String, LabelsError> {
    let name = path.display().to_string();
    let unreadable = |source| LabelsError::Read { name: name.clone(), source };
    let mut bytes = Vec::new();
    open_regular(path)
        .and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes))
        .map_err(unreadable)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(LabelsError::NotLabels {
            name,
            what: "it is far too large for a list of names".into(),
        });
    }
    parse::decode(bytes).ok_or_else(|| LabelsError::NotLabels {
        name,
        what: "it is not UTF-8 text: save it as UTF-8".into(),
    })
}

/// True for the name of the first of ImageNet's 1001 outputs: `background`, or `dummy` as in 2015.
pub(crate) fn is_background(name: &str) -> bool {
    name == BACKGROUND || name == "dummy"
}

/// True if the label has a name in lower case and with composed letters.
fn has_name(label: &Label<'_>, query_text: &str) -> bool {
    let whole = nfc(label.name).to_lowercase();
    label.synset == Some(query_text)
        || whole == query_text
        || whole.split(',').any(|name| name.trim() == query_text)
}

/// Why a label file is rejected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LabelsError {
    /// The file cannot be read.
    #[error("{name}: cannot be read: {source}")]
    Read {
        /// The file, as the caller named it.
        name: String,
        /// The system's error.
        source: io::Error,
    },

    /// The file is not a list of names.
    #[error(
        "{name}: not a label file: {what}: give one name a line, in the order of the network's \
         outputs"
    )]
    NotLabels {
        /// The file, as the caller named it.
        name: String,
        /// The problem.
        what: String,
    },

    /// The number of labels differs from the network's classes.
    #[error("{name}: it names {labels} classes, and the network has {outputs} outputs")]
    OtherCount {
        /// The file, as the caller named it.
        name: String,
        /// Number of labels.
        labels: usize,
        /// Number of the network's classes.
        outputs: usize,
    },
}

/// A name that no label has.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("no class is called {query:?}{}", advice(.suggestions))]
pub struct UnknownLabel {
    /// The name.
    pub query: String,
    /// Similar names, nearest first; may be empty.
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
