//! The photos of the page: small, and in it.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{count, section};
use crate::draw::canvas::Canvas;
use crate::figure::escaped;
use crate::judge::{Confused, Scored, confident_mistakes};
use crate::report::page::{answer, evenly, truth};
use crate::report::{self, Opener, Report, Twins};

/// The longer side of a small picture: sharp on screens with two pixels a point, a few kilobytes
/// each.
const SIDE: usize = 288;
const QUALITY: u8 = 78;
/// How many photos each part shows.
const SOME: usize = 18;
const MISTAKES: usize = 18;
const SUSPECTS: usize = 18;
const TWINS: usize = 9;
const PAIRS: usize = 6;
const PHOTOS_A_PAIR: usize = 4;

/// Photos of the pairs of classes that are confused most.
pub(super) fn confused(report: &Report<'_>, open: Opener<'_>) -> String {
    let pairs = report.evaluation.confusion().most_confused();
    let content: String =
        pairs.iter().take(PAIRS).map(|pair| pair_of_classes(report, open, *pair)).collect();
    if content.is_empty() {
        return String::new();
    }
    let explanation = "The photos behind the commonest mistakes, the surest first.";
    section(
        "The most confused classes",
        explanation,
        &format!("<div class=\"confused\">\n{content}</div>\n"),
    )
}

fn pair_of_classes(report: &Report<'_>, open: Opener<'_>, pair: Confused) -> String {
    let names = report.evaluation.names();
    let mistakes = confident_mistakes(report.scored).into_iter().map(|photo| &report.scored[photo]);
    let photos =
        mistakes.filter(|said| said.truth.contains(&pair.truth) && said.guess() == pair.said);
    let figures: String =
        photos.take(PHOTOS_A_PAIR).map(|said| judged(report, open, said)).collect();
    let (truth, said) = (escaped(&names[pair.truth]), escaped(&names[pair.said]));
    format!(
        "<div><h3>{truth} taken for {said} <span class=\"of\">{} of {}</span></h3>\n<div class=\"photos\">\n{figures}</div></div>\n",
        pair.count, pair.of
    )
}

/// The mistakes it is surest of.
pub(super) fn mistakes(report: &Report<'_>, open: Opener<'_>) -> String {
    let mistakes = confident_mistakes(report.scored);
    if mistakes.is_empty() {
        return section("Mistakes", "There are none.", "");
    }
    let shown =
        mistakes.iter().take(MISTAKES).map(|&photo| judged(report, open, &report.scored[photo]));
    let explanation =
        format!("{}, the ones it is surest of first.", count(mistakes.len(), "mistake"));
    section("The surest mistakes", &explanation, &grid(&shown.collect::<String>(), ""))
}

/// Photos whose label is probably wrong.
pub(super) fn suspects(report: &Report<'_>, open: Opener<'_>) -> String {
    let names = report.evaluation.names();
    let (suspects, among) = report.suspects();
    if suspects.is_empty() {
        return String::new();
    }
    let shown = suspects.iter().take(SUSPECTS).map(|suspect| {
        let (said, split) = among[suspect.photo];
        let (label, looks_like) =
            (escaped(&names[suspect.label]), escaped(&names[suspect.looks_like]));
        let used = if split.is_empty() { String::new() } else { format!("<br>{split}") };
        let caption = format!(
            "labelled {label}<br>looks like <span class=\"wrong\">{looks_like}</span>{used}"
        );
        figure(open, &said.photo, &caption)
    });
    let judged_by = match report.held_out.is_empty() {
        true => "",
        false => {
            " Photos of all splits were looked at, those for training by layers that were trained without them \
             (cross-validation)."
        }
    };
    let explanation = format!(
        "More like another class than most of that class's own photos: {} of {} (confident learning, Northcutt et al. 2021); \
         all are in suspects.csv.{judged_by} Look at these before you blame the model.",
        suspects.len(),
        count(among.len(), "photo")
    );
    section("Labels that may be wrong", &explanation, &grid(&shown.collect::<String>(), ""))
}

/// Photos that are nearly the same.
pub(super) fn twins(report: &Report<'_>, open: Opener<'_>) -> String {
    if report.twins.is_empty() {
        return String::new();
    }
    let shown = report.twins.iter().take(TWINS).map(|twins: &Twins| {
        let one = |place: usize| figure(open, &twins.photos[place], &escaped(&twins.places[place]));
        let likeness = format!("{:.1} % alike", 100.0 * twins.cosine);
        format!(
            "<div><div class=\"pair\">{}{}</div><figcaption>{likeness}</figcaption></div>\n",
            one(0),
            one(1)
        )
    });
    let explanation = format!(
        "{} of photos that are nearly the same, by the cosine of their features. Where one was learned and the other is \
         judged, the accuracy is too good to be true.",
        count(report.twins.len(), "pair")
    );
    section("Near-duplicates", &explanation, &grid(&shown.collect::<String>(), " pairs"))
}

/// A few photos, right and wrong as they come.
pub(super) fn some(report: &Report<'_>, open: Opener<'_>) -> String {
    let shown: String =
        evenly(report.scored, SOME).map(|said| judged(report, open, said)).collect();
    section(
        "Photos",
        "Some of them, evenly from all: what each is, and what the model says.",
        &grid(&shown, ""),
    )
}

/// What the network sees in a photo before it decides.
pub(super) fn features(report: &Report<'_>, open: Opener<'_>) -> String {
    let Some((photo, values)) = report.features else { return String::new() };
    let picture = report::features(values).to_png().unwrap_or_default();
    let picture = address("png", &picture);
    let grey =
        format!("<figure class=\"whole\"><img alt=\"features\" src=\"{picture}\"></figure>\n");
    let explanation = format!(
        "A photo, and the {} numbers that the network makes of it before it decides, row by row: black is the smallest, \
         white the largest. What the classification layer reads is this.",
        values.len()
    );
    let content = format!("<div class=\"beside\">{}{grey}</div>\n", figure(open, photo, ""));
    section("Features", &explanation, &content)
}

/// A photo with what it is and what the model says.
fn judged(report: &Report<'_>, open: Opener<'_>, said: &Scored) -> String {
    let answer = escaped(&answer(report.evaluation, said));
    let truth = escaped(&truth(report.evaluation, said));
    let caption = match said.is_right() {
        true => format!("<span class=\"right\">{answer}</span>"),
        false => format!("{truth}<br><span class=\"wrong\">said {answer}</span>"),
    };
    figure(open, &said.photo, &caption)
}

fn grid(figures: &str, class: &str) -> String {
    format!("<div class=\"photos{class}\">\n{figures}</div>\n")
}

fn figure(open: Opener<'_>, photo: &Path, caption: &str) -> String {
    let file = escaped(&photo.file_name().unwrap_or(photo.as_os_str()).to_string_lossy());
    let path = escaped(&photo.to_string_lossy());
    let source = open(photo).map(|picture| {
        let small = Canvas::of(&picture).fitted(SIDE, SIDE).into_picture();
        format!(" src=\"{}\"", address("jpeg", &small.to_jpeg(QUALITY).unwrap_or_default()))
    });
    let source = source.unwrap_or_default();
    format!(
        "<figure><img alt=\"{file}\" title=\"{path}\" loading=\"lazy\"{source}><figcaption>{caption}\
         <span class=\"file\">{file}</span></figcaption></figure>\n"
    )
}

/// The address of a picture that is in it.
fn address(kind: &str, bytes: &[u8]) -> String {
    format!("data:image/{kind};base64,{}", STANDARD.encode(bytes))
}
