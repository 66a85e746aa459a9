//! `lorgnette search`: finds photos in a library by objects and places.

mod links;
mod page;
mod provider;
mod results_text;

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Result, anyhow, ensure};
use clap::{Args, ValueEnum};
use lorgnette_library::Library;
use lorgnette_library::query::Query;
use lorgnette_library::search::{self, FoldedResults, SearchOptions};

use self::provider::NetworkFeatures;
use crate::Outcome;
use crate::arguments::{Global, InputArguments, LibraryArguments};
use crate::html;
use crate::memory_limit;
use crate::messages::{Messages, count};
use crate::stream::write_report;
use crate::verbs::library::{in_library, model_named};

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
    #[arg(long, value_name = "N", default_value_t = 20, visible_alias = "top")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,

    /// Output format
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,

    /// Print the paths of the photos alone, one a line
    #[arg(short = 'l', long)]
    #[arg(conflicts_with_all = ["format", "explain"])]
    paths: bool,

    /// End each path with a NUL instead of a line feed, for `xargs -0`; implies -l
    #[arg(short = '0', long)]
    #[arg(conflicts_with_all = ["format", "explain"])]
    null: bool,

    /// Also fill a folder with links to the photos, the best first by name; links of an earlier
    /// search in it are replaced
    #[arg(long, value_name = "DIR")]
    link: Option<PathBuf>,

    /// Also find what the network is unsure of, down to a probability of 0
    #[arg(long)]
    all: bool,

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
Ask as you would ask a person: 'show me two dogs next to a cat in June 2024'.
Names are those of the classes, in any of their spellings, or of what they are a
kind of: beagle, dog, animal. `lorgnette classes [WORD]` lists them.
  in PLACE              top, middle, bottom, left, right, top left, left half,
                        bottom right quarter, corner, anywhere
  left of, right of, above, below, inside, overlapping, next to NAME
  covering > 20%, big   how much of the photo it fills
  two, count >= 2       how many of them
  probability > 0.6     how sure the network is
  like PHOTO > 0.8      how similar the photo is
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
      --explain
  lorgnette search 'vehicles, but not cars' -0 | xargs -0 cp -t found";

/// Runs the verb.
pub(crate) fn run(arguments: &Arguments, global: &Global, messages: Messages) -> Result<Outcome> {
    html::check(arguments.html.as_deref())?;
    memory_limit::share_with_sqlite()?;
    let path = arguments.library.path()?;
    search_in(&path, arguments, global, messages).map_err(|error| in_library(error, &path))
}

fn search_in(
    path: &Path,
    arguments: &Arguments,
    global: &Global,
    messages: Messages,
) -> Result<Outcome> {
    let library = Library::open_read_only(path)?;
    let text = arguments.query.join(" ");
    let model = searched_model(&library, global)?;
    let vocabulary = search::vocabulary(&library, model)?;
    ensure!(!vocabulary.is_empty(), "{}: nothing was indexed yet", library.path().display());
    // The error points at the word.
    let query = vocabulary.parse(&text).map_err(|error| anyhow!("{error}"))?;
    let provider = NetworkFeatures { input: &arguments.input, global, messages };
    let min_probability = if arguments.all { 0.0 } else { search::MIN_PROBABILITY };
    let limit = arguments.limit as usize;
    let options = SearchOptions {
        limit,
        provider: &provider,
        model,
        min_probability,
        fold_copies: arguments.format == Format::Html,
        vocabulary: Some(&vocabulary),
    };
    if arguments.plan {
        let plan = library.explain_search(&query, &options)?;
        return write_report(|out| writeln!(out, "{plan}")).map(|()| Outcome::Done);
    }
    let started = Instant::now();
    // A page shows each picture once.
    let (results, pictures) = if arguments.html.is_none() || options.fold_copies {
        (library.search(&query, &options)?, None)
    } else {
        let FoldedResults { photos, pictures } = library.search_folding(&query, &options)?;
        (photos, Some(pictures))
    };
    messages.detail(&format_args!("{query}: searched in {:.2?}", started.elapsed()));
    if let Some(file) = &arguments.html {
        page::write(file, &text, pictures.as_ref().unwrap_or(&results), messages)?;
    }
    if let Some(folder) = &arguments.link {
        links::write(folder, &results.hits, messages)?;
    }
    match arguments.format {
        _ if arguments.paths || arguments.null => {
            let end = if arguments.null { b"\0" } else { b"\n" };
            write_report(|out| results_text::write_paths(out, &results, end))?;
        }
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
        0 => {
            let all = match arguments.all {
                true => "",
                false => "; --all also finds what the network is unsure of",
            };
            let any = any_of(&query).map_or(String::new(), |any| {
                format!("; '{any}' finds the photos with any of these")
            });
            messages.note(&format_args!("no photo is as {query} says{all}{any}"));
        }
        total if total > results.hits.len() => {
            let photos = count(total, "photo");
            messages.note(&format_args!(
                "the best {} of {photos}: --limit N gives more",
                results.hits.len()
            ));
        }
        _ => {}
    }
    if let Some(kinds) = library.few_kinds_of_people(&query, &vocabulary, model)? {
        messages.note(&format_args!(
            "of people the library's models know these alone: {}; after `lorgnette index --faces` \
             ask for faces",
            kinds.join(", ")
        ));
    }
    Ok(Outcome::Done)
}

/// Returns the alternative of a query of several things: "cats, dogs" may have meant either.
fn any_of(query: &Query) -> Option<Query> {
    match query {
        Query::All(parts) if parts.iter().all(|part| matches!(part, Query::Has(_))) => {
            Some(Query::Any(parts.clone()))
        }
        _ => None,
    }
}

/// Returns the id of the model of --model; `None` if the user named none.
fn searched_model(library: &Library, global: &Global) -> Result<Option<i64>> {
    let Some(name) = &global.model else { return Ok(None) };
    let models = model_named(library, &name.to_string_lossy())?;
    // Of several with other settings, the one that has analysed the most photos.
    Ok(models.iter().rev().max_by_key(|model| model.photos).map(|model| model.id))
}
