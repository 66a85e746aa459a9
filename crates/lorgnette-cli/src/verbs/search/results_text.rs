//! Search results as text, JSON Lines and CSV.

use std::io::{self, Write};

use lorgnette::photos::{path_bytes, path_text};
use lorgnette_library::answer::HitAnswer;
use lorgnette_library::printable;
use lorgnette_library::search::{Explanation, Hit, Match, SearchResults};
use serde::Serialize;

use crate::stream::{write_csv_lines, write_json, write_path};

/// Indent of the lines below a photo's.
const INDENT: &str = "           ";

/// A CSV record: a match in a photo, or a photo without any.
#[derive(Serialize)]
struct Line<'a> {
    photo: &'a str,
    rank: usize,
    score: f64,
    asked: Option<&'a str>,
    name: Option<&'a str>,
    synset: Option<&'a str>,
    left: Option<u32>,
    top: Option<u32>,
    right: Option<u32>,
    bottom: Option<u32>,
    probability: Option<f64>,
    share: Option<f64>,
    path_bytes: Option<&'a str>,
}

/// Writes results as text.
pub(super) fn write_text(
    out: &mut dyn Write,
    results: &SearchResults,
    explain: bool,
) -> io::Result<()> {
    for hit in &results.hits {
        writeln!(out, "{:>7.2} %  {}", 100.0 * hit.score, printable(&path_text(&hit.path)))?;
        for matched in hit.matches.iter().filter(|_| !explain) {
            writeln!(out, "{INDENT}{}", described(hit, matched))?;
        }
        if explain {
            write_explanation(out, &hit.explanation, INDENT)?;
        }
    }
    Ok(())
}

fn described(hit: &Hit, matched: &Match) -> String {
    let name = matched.name.split(',').next().unwrap_or_default().trim();
    let asked = if matched.asked.eq_ignore_ascii_case(name) {
        String::new()
    } else {
        format!(" ({})", matched.asked)
    };
    let place = match hit.pixels(matched.bounds) {
        Some([x0, y0, x1, y1]) => format!("at {x0},{y0} to {x1},{y1}"),
        None => "in the photo as a whole".into(),
    };
    printable(&format!("{name}{asked} {:.1} %, {place}", 100.0 * matched.probability))
}

fn write_explanation(
    out: &mut dyn Write,
    explanation: &Explanation,
    indent: &str,
) -> io::Result<()> {
    let Explanation { condition, score, how, parts } = explanation;
    writeln!(out, "{indent}{}: {score:.3} = {how}", printable(condition))?;
    parts.iter().try_for_each(|part| write_explanation(out, part, &format!("{indent}  ")))
}

/// Writes the paths of the photos, each ended by `end`.
pub(super) fn write_paths(
    out: &mut dyn Write,
    results: &SearchResults,
    end: &[u8],
) -> io::Result<()> {
    results.hits.iter().try_for_each(|hit| write_path(out, &hit.path, end))
}

/// Writes results as JSON Lines, one object a photo.
pub(super) fn write_json_lines(
    out: &mut dyn Write,
    results: &SearchResults,
    explain: bool,
) -> io::Result<()> {
    results.hits.iter().try_for_each(|hit| write_json(out, &HitAnswer::new(hit, explain)))
}

/// Writes results as CSV, a record for each match.
pub(super) fn write_csv(out: &mut dyn Write, results: &SearchResults) -> io::Result<()> {
    write_csv_lines(out, |lines| {
        lines.write_record(HEADER)?;
        for (rank, hit) in (1..).zip(&results.hits) {
            let (photo, bytes) = (hit.path.to_string_lossy(), path_bytes(&hit.path));
            let matches =
                hit.matches.iter().map(Some).chain(hit.matches.is_empty().then_some(None));
            for matched in matches {
                let line = Line::new(&photo, rank, hit, matched);
                lines.serialize(Line { path_bytes: bytes.as_deref(), ..line })?;
            }
        }
        Ok(())
    })
}

const HEADER: [&str; 13] = [
    "photo",
    "rank",
    "score",
    "asked",
    "name",
    "synset",
    "left",
    "top",
    "right",
    "bottom",
    "probability",
    "share",
    "path_bytes",
];

impl<'a> Line<'a> {
    fn new(photo: &'a str, rank: usize, hit: &Hit, matched: Option<&'a Match>) -> Self {
        let bounds = matched.and_then(|matched| hit.pixels(matched.bounds));
        let side = |number: usize| bounds.map(|bounds| bounds[number]);
        Self {
            photo,
            rank,
            score: hit.score,
            asked: matched.map(|matched| matched.asked.as_str()),
            name: matched.map(|matched| matched.name.as_str()),
            synset: matched.and_then(|matched| matched.synset.as_deref()),
            left: side(0),
            top: side(1),
            right: side(2),
            bottom: side(3),
            probability: matched.map(|matched| matched.probability),
            share: matched.map(|matched| matched.share),
            path_bytes: None,
        }
    }
}
