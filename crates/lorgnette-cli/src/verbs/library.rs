//! `lorgnette library`: inspects and maintains a library of photos.

mod correct;
mod duplicates;
mod export;
mod forget;
mod list;
mod show;
pub(super) mod similar;
mod statistics;
mod verify;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand};
use lorgnette::photos::{existing_path, path_bytes, path_text};
use lorgnette_library::{Library, ModelEntry, printable, short_size};

use crate::Outcome;
use crate::arguments::{Global, LibraryArguments};
use crate::memory_limit;
use crate::messages::Messages;
use crate::stream::NAME_BYTES;

/// Inspect a library, find similar photos, correct it, export it, maintain it
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    library: LibraryArguments,
}

const EXAMPLES: &str = "\
Examples (with LORGNETTE_LIBRARY set, or --library FILE):
  lorgnette library statistics
      what is in it, and how much of what
  lorgnette library list --state unreadable
      the photos that could not be read, and why
  lorgnette library duplicates --near
      photos that are nearly the same
  lorgnette library similar cat.jpg
      photos that look like one
  lorgnette library correct cat.jpg --wrong tabby --right 'Egyptian cat'
  lorgnette library export findings.parquet
      everything that was found, for pandas, \
  DuckDB or R";

#[derive(Debug, Subcommand)]
enum Verb {
    Statistics(statistics::Arguments),
    List(list::Arguments),
    Show(show::Arguments),
    Similar(similar::Arguments),
    Duplicates(duplicates::Arguments),
    Correct(correct::Arguments),
    Export(export::Arguments),
    Forget(forget::Arguments),
    Verify(verify::Arguments),
    /// Return the space of removed photos to the system
    Vacuum,
}

/// Runs the verb.
pub(crate) fn run(arguments: &Arguments, global: &Global, messages: Messages) -> Result<Outcome> {
    let path = arguments.library.path()?;
    memory_limit::share_with_sqlite()?;
    run_in(&path, &arguments.verb, global, messages).map_err(|error| in_library(error, &path))
}

/// Names the library in an error of its database.
pub(super) fn in_library(error: anyhow::Error, path: &Path) -> anyhow::Error {
    match error.downcast::<lorgnette_library::Error>() {
        Ok(error) => error.in_library(&path.display().to_string()).into(),
        Err(error) => error,
    }
}

fn run_in(path: &Path, verb: &Verb, global: &Global, messages: Messages) -> Result<Outcome> {
    let read = || Library::open_read_only(path);
    match verb {
        Verb::Statistics(arguments) => statistics::run(arguments, &read()?, global),
        Verb::List(arguments) => list::run(arguments, &read()?),
        Verb::Show(arguments) => show::run(arguments, &read()?, messages),
        Verb::Similar(arguments) => similar::run(arguments, &read()?, global, messages),
        Verb::Duplicates(arguments) => duplicates::run(arguments, &read()?, global, messages),
        Verb::Export(arguments) => export::run(arguments, &read()?, messages),
        Verb::Verify(arguments) => verify::run(arguments, path, messages),
        Verb::Correct(arguments) => correct::run(arguments, &mut Library::open(path)?, messages),
        Verb::Forget(arguments) => {
            forget::run(arguments, &mut Library::open(path)?, global, messages)
        }
        Verb::Vacuum => vacuum(path, messages),
    }
}

fn vacuum(path: &Path, messages: Messages) -> Result<Outcome> {
    let bytes = || {
        Ok::<_, anyhow::Error>(path.metadata().with_context(|| path.display().to_string())?.len())
    };
    let mut library = Library::open(path)?;
    let before = bytes()?;
    library.vacuum()?;
    let after = bytes()?;
    messages.note(&format_args!(
        "{}: {} before, {} now",
        path.display(),
        short_size(before),
        short_size(after)
    ));
    Ok(Outcome::Done)
}

/// Returns the model of that name, else the one that has analysed the most photos.
fn model_with_features(library: &Library, named: Option<&str>) -> Result<ModelEntry> {
    let mut models = library.models()?;
    models.retain(|model| model.features > 0);
    let candidates = models.iter().filter(|model| named.is_none_or(|name| model.name == name));
    // The first of equal ones.
    let best = candidates.rev().max_by_key(|model| model.photos);
    best.cloned().with_context(|| match (named, models.first()) {
        (Some(name), Some(other)) => format!(
            "the library has no features of {name}, but of {0}: name it with --model {0}, or index \
             the photos with --model {name}",
            other.name
        ),
        _ => "the library has no features of any model".into(),
    })
}

/// Returns the models of that name, which may be a path: the name is that of the file without its
/// extension.
pub(super) fn model_named(library: &Library, named: &str) -> Result<Vec<ModelEntry>> {
    let models = library.models()?;
    let stem = Path::new(named).file_stem().and_then(|stem| stem.to_str());
    let found: Vec<ModelEntry> = models
        .iter()
        .filter(|model| model.name == named || Some(model.name.as_str()) == stem)
        .cloned()
        .collect();
    if found.is_empty() {
        let names: Vec<&str> = models.iter().map(|model| model.name.as_str()).collect();
        let known = names.join(", ");
        bail!(
            "{named}: the library has no answers of it, but of {known}: give --model one of these"
        );
    }
    Ok(found)
}

/// Adds the bytes of a path that is no text to an object about it.
fn with_path_bytes(mut object: serde_json::Value, path: &Path) -> serde_json::Value {
    if let Some(bytes) = path_bytes(path) {
        object[NAME_BYTES] = bytes.into();
    }
    object
}

/// Returns the path that a photo has in the library or on disk: the one that was given, or one that
/// differs from it in composed letters alone.
fn known_path(path: &Path) -> PathBuf {
    existing_path(path).unwrap_or_else(|| path.to_owned())
}

/// Formats a path for a terminal.
fn printable_path(path: &Path) -> String {
    printable(&path_text(path))
}
