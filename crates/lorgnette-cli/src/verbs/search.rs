//! `lorgnette search`: finds photos in a library by objects and places.

mod page;
mod provider;
mod results_text;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Result, anyhow, ensure};
use clap::{Args, ValueEnum};
use lorgnette_library::Library;
use lorgnette_library::query::Query;
use lorgnette_library::search::{self, SearchOptions};

use self::provider::NetworkFeatures;
use crate::Outcome;
use crate::arguments::{Global, InputArguments, LibraryArguments};
use crate::messages::{Messages, count};
use crate::sqlite_memory;
use crate::stream::write_report;

/// Find photos by objects and their places
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Query; see below
    #[arg(value_name = "QUERY", required = true)]
    query: Vec<String>,

    #[command(flatten)]
    library: LibraryArguments,

    /// Maximum number of photos, the best ones
    #[arg(long, value_name = "N", default_value_t = 20)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,

    /// Output format
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,

    /// Explain each score
    #[arg(long)]
    explain: bool,

    /// Also write a self-contained HTML page of the results, with boxes around the matches
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,

    /// Print the SQL statements of the query and SQLite's plan for each instead of searching
    #[arg(long)]
    plan: bool,

    #[command(flatten)]
    input: InputArguments,
}

/// Output format of results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    // Plain text.
    Text,
    // JSON Lines, one object a photo.
    Json,
    // Comma-separated values, a line for each match.
    Csv,
    // The page of --html.
    Html,
}

const EXAMPLES: &str = "\
Names are those of the classes, in any of their spellings, or of what they are a
kind of: beagle, dog, animal.
  in PLACE              top, middle, bottom, left, right, top left, left half, bottom right quarter, corner, anywhere
  left of, right of, above, below, inside, overlapping NAME
  covering > 20%        how much of the photo it fills          count >= 2       how many of them
  probability > 0.6     how sure the network is                 like PHOTO > 0.8 how similar the photo is
  path:holidays/*.jpg   date:2024-05 date:>2023 date:2023..2024-06
  AND, OR, NOT, (...)   capitals do not matter
Scores are from 0 to 1: --explain says how they came about. docs/search.md has
the whole language.

Examples:
  lorgnette search 'school bus in the middle AND flower pot in the top left' \\
      --library pictures.lgn
  lorgnette search 'dog left of cat' --library pictures.lgn --html found.html
  lorgnette search 'vehicle covering > 30% NOT person date:2024' \\
      --library pictures.lgn --format json
  lorgnette search 'like beach.jpg AND NOT dog' --library pictures.lgn \\
      --explain";

/// Runs the verb.
pub(crate) fn run(arguments: &Arguments, global: &Global, messages: Messages) -> Result<Outcome> {
    page::check(arguments.html.as_deref())?;
    sqlite_memory::limit()?;
    let library = Library::open_read_only(arguments.library.path()?)?;
    let text = arguments.query.join(" ");
    let query = read(&library, &text)?;
    let provider = NetworkFeatures { input: &arguments.input, global, messages };
    let options = SearchOptions { limit: arguments.limit as usize, provider: &provider };
    if arguments.plan {
        let plan = library.explain_search(&query, &options)?;
        return write_report(|out| writeln!(out, "{plan}")).map(|()| Outcome::Done);
    }
    let started = Instant::now();
    let results = library.search(&query, &options)?;
    messages.detail(&format_args!("{query}: searched in {:.2?}", started.elapsed()));
    if let Some(file) = &arguments.html {
        page::write(file, &text, &results, messages)?;
    }
    match arguments.format {
        Format::Text => {
            write_report(|out| results_text::write_text(out, &results, arguments.explain))?;
        }
        Format::Json => {
            write_report(|out| results_text::write_json_lines(out, &results, arguments.explain))?;
        }
        Format::Csv => write_report(|out| results_text::write_csv(out, &results))?,
        Format::Html => {
            let page = page::page(&text, &results, messages);
            write_report(|out| out.write_all(page.as_bytes()))?;
        }
    }
    match results.total {
        0 => messages.note(&format_args!("no photo is as {query} says")),
        total if total > results.hits.len() => {
            let photos = count(total, "photo");
            messages.note(&format_args!(
                "the best {} of {photos}: --limit N gives more",
                results.hits.len()
            ));
        }
        _ => {}
    }
    Ok(Outcome::Done)
}

/// Parses the query and checks its names; errors point at the word.
fn read(library: &Library, text: &str) -> Result<Query> {
    let vocabulary = search::vocabulary(library)?;
    ensure!(!vocabulary.is_empty(), "{}: nothing was indexed yet", library.path().display());
    let query =
        Query::parse_with(text, &vocabulary.phrases()).map_err(|error| anyhow!("{error}"))?;
    vocabulary.check(&query, text).map_err(|error| anyhow!("{error}"))?;
    Ok(query)
}
