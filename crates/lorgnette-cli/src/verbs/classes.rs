//! `lorgnette classes`: what can be asked for, and which classes a word covers.

use std::ffi::OsStr;
use std::io::{self, Write};
use std::path::Path;

use anyhow::{Result, anyhow};
use clap::Args;
use lorgnette::ModelOptions;
use lorgnette_library::hierarchy::{Class, Vocabulary};
use lorgnette_library::{Library, printable};
use serde::Serialize;

use super::library::{in_library, model_named};
use crate::Outcome;
use crate::arguments::{Global, LibraryArguments, ReportFormat};
use crate::memory_limit;
use crate::messages::{Messages, count};
use crate::model;
use crate::stream::{write_json, write_report};

/// List the classes of a model or a library, or those that a word covers
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// A name as in a query, such as dog; or a model's path, for all its classes; without it, all
    /// classes
    #[arg(value_name = "WORD")]
    word: Vec<String>,

    /// Output format; json: one object a class
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    format: ReportFormat,

    #[command(flatten)]
    library: LibraryArguments,
}

const EXAMPLES: &str = "\
Without --library the classes are those of --model.

Examples:
  lorgnette classes
      everything that the embedded network tells apart
  lorgnette classes vehicle
      what `search vehicle` and `blur --class vehicle` cover
  lorgnette classes sea
      nothing is called so: what comes near
  lorgnette classes --library pictures.lgn
      the classes of all models of a library, and of your corrections";

/// A class.
#[derive(Serialize)]
struct Entry {
    #[serde(skip)]
    id: i64,
    synset: Option<String>,
    name: String,
}

/// Runs the verb.
pub(crate) fn run(arguments: &Arguments, global: &Global, messages: Messages) -> Result<Outcome> {
    let mut entries = entries(arguments, global, messages)?;
    let word = arguments.word.join(" ");
    if let Some(path) = own_model(arguments, &entries) {
        entries = entries_of_model(Some(path.as_os_str()), global, messages)?;
    } else if !word.is_empty() {
        let vocabulary = vocabulary(&entries);
        let covered = vocabulary.find(&word).map_err(|unknown| anyhow!("{unknown}"))?;
        entries.retain(|entry| covered.binary_search(&entry.id).is_ok());
        messages.note(&format_args!("{word} covers {}", count(entries.len(), "class")));
    }
    write_report(|out| match arguments.format {
        ReportFormat::Text => entries.iter().try_for_each(|entry| entry.write(out)),
        ReportFormat::Json => entries.iter().try_for_each(|entry| write_json(out, entry)),
    })?;
    Ok(Outcome::Done)
}

/// Returns the path of a model that stands in the place of a word, which no class has for a name.
fn own_model<'a>(arguments: &'a Arguments, entries: &[Entry]) -> Option<&'a Path> {
    let [word] = arguments.word.as_slice() else { return None };
    let path = Path::new(word);
    let is_model = arguments.library.named().is_none() && path.exists();
    (is_model && vocabulary(entries).find(word).is_err()).then_some(path)
}

fn vocabulary(entries: &[Entry]) -> Vocabulary {
    Vocabulary::new(entries.iter().map(|entry| Class {
        id: entry.id,
        synset: entry.synset.as_deref(),
        name: &entry.name,
    }))
}

/// Returns the classes of a model, by default that of `--model`.
fn entries_of_model(
    named: Option<&OsStr>,
    global: &Global,
    messages: Messages,
) -> Result<Vec<Entry>> {
    let model = model::open(named, global, &ModelOptions::default(), messages)?;
    let entry = |label: lorgnette::labels::Label<'_>| Entry {
        id: label.index as i64,
        synset: label.synset.map(str::to_owned),
        name: label.name.to_owned(),
    };
    Ok(model.labels().iter().map(entry).collect())
}

/// Returns the classes of the library, if one was named, or else of the model.
fn entries(arguments: &Arguments, global: &Global, messages: Messages) -> Result<Vec<Entry>> {
    let Some(path) = arguments.library.named() else {
        return entries_of_model(None, global, messages);
    };
    memory_limit::share_with_sqlite()?;
    entries_of_library(path, global).map_err(|error| in_library(error, path))
}

fn entries_of_library(path: &Path, global: &Global) -> Result<Vec<Entry>> {
    let library = Library::open_read_only(path)?;
    let models = match &global.model {
        Some(name) => model_named(&library, &name.to_string_lossy())?,
        None => Vec::new(),
    };
    let classes = library.class_list(models.first().map(|model| model.id))?;
    let mut entries: Vec<Entry> = classes
        .into_iter()
        .map(|class| Entry { id: class.id, synset: class.synset, name: class.name })
        .collect();
    // Several models have the same classes.
    entries.sort_by(|a, b| (&a.synset, &a.name, a.id).cmp(&(&b.synset, &b.name, b.id)));
    entries.dedup_by(|a, b| (&a.synset, &a.name) == (&b.synset, &b.name));
    entries.sort_by_key(|entry| entry.id);
    Ok(entries)
}

impl Entry {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        match &self.synset {
            Some(synset) => writeln!(out, "{synset}  {}", printable(&self.name)),
            None => writeln!(out, "{}", printable(&self.name)),
        }
    }
}
