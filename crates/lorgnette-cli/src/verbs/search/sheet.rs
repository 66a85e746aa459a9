//! What was found, as text, JSON Lines and comma-separated values.

use std::io::{self, Write};

use lorgnette_library::printable;
use lorgnette_library::search::{Explanation, Extent, Found, Hit, Match};
use serde::Serialize;

use crate::stream::{write_csv_lines, write_json};

/// Where the lines below a photo's begin.
const INDENT: &str = "           ";

#[derive(Serialize)]
struct HitJson<'a> {
    photo: String,
    score: f64,
    width: Option<u32>,
    height: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    taken: Option<&'a str>,
    matches: Vec<MatchJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    explanation: Option<&'a Explanation>,
}

#[derive(Serialize)]
struct MatchJson<'a> {
    name: &'a str,
    synset: Option<&'a str>,
    asked: &'a str,
    #[serde(rename = "box")]
    at: Option<[u32; 4]>,
    probability: f64,
    share: f64,
    score: f64,
}

/// A line of comma-separated values: a thing in a photo, or a photo without any.
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
}

/// For people.
pub(super) fn write_text(out: &mut dyn Write, found: &Found, explain: bool) -> io::Result<()> {
    for hit in &found.hits {
        writeln!(out, "{:>7.2} %  {}", 100.0 * hit.score, printable(&hit.path.to_string_lossy()))?;
        for found in hit.matches.iter().filter(|_| !explain) {
            writeln!(out, "{INDENT}{}", described(hit, found))?;
        }
        if explain {
            write_explanation(out, &hit.explanation, INDENT)?;
        }
    }
    Ok(())
}

fn described(hit: &Hit, found: &Match) -> String {
    let name = found.name.split(',').next().unwrap_or_default().trim();
    let asked = if found.asked.eq_ignore_ascii_case(name) { String::new() } else { format!(" ({})", found.asked) };
    let place = match pixels(hit, found.at) {
        Some([x0, y0, x1, y1]) => format!("at {x0},{y0} to {x1},{y1}"),
        None => "in the photo as a whole".into(),
    };
    printable(&format!("{name}{asked} {:.1} %, {place}", 100.0 * found.probability))
}

fn write_explanation(out: &mut dyn Write, explanation: &Explanation, indent: &str) -> io::Result<()> {
    let Explanation { condition, score, how, parts } = explanation;
    writeln!(out, "{indent}{}: {score:.3} = {how}", printable(condition))?;
    parts.iter().try_for_each(|part| write_explanation(out, part, &format!("{indent}  ")))
}

/// One object a photo.
pub(super) fn write_json_lines(out: &mut dyn Write, found: &Found, explain: bool) -> io::Result<()> {
    found.hits.iter().try_for_each(|hit| write_json(out, &HitJson::new(hit, explain)))
}

impl<'a> HitJson<'a> {
    fn new(hit: &'a Hit, explain: bool) -> Self {
        let Hit { width, height, score, .. } = *hit;
        let explanation = explain.then_some(&hit.explanation);
        let matches = hit.matches.iter().map(|found| MatchJson {
            name: &found.name,
            synset: found.synset.as_deref(),
            asked: &found.asked,
            at: pixels(hit, found.at),
            probability: found.probability,
            share: found.share,
            score: found.score,
        });
        let (photo, taken) = (hit.path.to_string_lossy().into_owned(), hit.taken.as_deref());
        Self { photo, score, width, height, taken, matches: matches.collect(), explanation }
    }
}

/// A line for each thing in each photo.
pub(super) fn write_csv(out: &mut dyn Write, found: &Found) -> io::Result<()> {
    write_csv_lines(out, |lines| {
        lines.write_record(HEADER)?;
        for (rank, hit) in (1..).zip(&found.hits) {
            let photo = hit.path.to_string_lossy();
            let things = hit.matches.iter().map(Some).chain(hit.matches.is_empty().then_some(None));
            for thing in things {
                lines.serialize(Line::new(&photo, rank, hit, thing))?;
            }
        }
        Ok(())
    })
}

const HEADER: [&str; 12] =
    ["photo", "rank", "score", "asked", "name", "synset", "left", "top", "right", "bottom", "probability", "share"];

impl<'a> Line<'a> {
    fn new(photo: &'a str, rank: usize, hit: &Hit, thing: Option<&'a Match>) -> Self {
        let at = thing.and_then(|thing| pixels(hit, thing.at));
        let side = |number: usize| at.map(|at| at[number]);
        Self {
            photo,
            rank,
            score: hit.score,
            asked: thing.map(|thing| thing.asked.as_str()),
            name: thing.map(|thing| thing.name.as_str()),
            synset: thing.and_then(|thing| thing.synset.as_deref()),
            left: side(0),
            top: side(1),
            right: side(2),
            bottom: side(3),
            probability: thing.map(|thing| thing.probability),
            share: thing.map(|thing| thing.share),
        }
    }
}

/// A box in pixels of the upright photo: left, top, right, bottom.
fn pixels(hit: &Hit, at: Option<Extent>) -> Option<[u32; 4]> {
    let (at, (width, height)) = at.zip(hit.width.zip(hit.height))?;
    let pixel = |share: f64, side: u32| (share.clamp(0.0, 1.0) * f64::from(side)).round() as u32;
    Some([pixel(at.x0, width), pixel(at.y0, height), pixel(at.x1, width), pixel(at.y1, height)])
}
