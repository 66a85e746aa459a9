//! The photos of the page: small, and in it.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{count, section};
use crate::draw::canvas::Canvas;
use crate::drawing::escaped;
use crate::metrics::{ConfusedPair, ScoredPhoto, confident_mistakes};
use crate::report::page::{answer, evenly, truth};
use crate::report::{self, NearDuplicatePair, PictureLoader, Report};

/// The longer side of a small picture: sharp on screens with two pixels a point, a few kilobytes
/// each.
const SIDE: usize = 288;
const QUALITY: u8 = 78;
/// Number of photos in each section.
const SAMPLE: usize = 18;
const MISTAKES: usize = 18;
const LABEL_ISSUES: usize = 18;
const NEAR_DUPLICATES: usize = 9;
const PAIRS: usize = 6;
const PHOTOS_PER_PAIR: usize = 4;

/// Photos of the pairs of classes that are confused most.
pub(super) fn confused(report: &Report<'_>, open: PictureLoader<'_>) -> String {
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

fn pair_of_classes(report: &Report<'_>, open: PictureLoader<'_>, pair: ConfusedPair) -> String {
    let names = report.evaluation.names();
    let mistakes = confident_mistakes(report.scored).into_iter().map(|photo| &report.scored[photo]);
    let photos = mistakes.filter(|scored| {
        scored.truth.contains(&pair.truth) && scored.predicted_class() == pair.predicted
    });
    let figures: String =
        photos.take(PHOTOS_PER_PAIR).map(|scored| photo_figure(report, open, scored)).collect();
    let (truth, scored) = (escaped(&names[pair.truth]), escaped(&names[pair.predicted]));
    format!(
        "<div><h3>{truth} taken for {scored} <span class=\"of\">{} of {}</span></h3>\n<div \
         class=\"photos\">\n{figures}</div></div>\n",
        pair.count, pair.total
    )
}

/// The most confident errors.
pub(super) fn mistakes(report: &Report<'_>, open: PictureLoader<'_>) -> String {
    let mistakes = confident_mistakes(report.scored);
    if mistakes.is_empty() {
        return section("Mistakes", "There are none.", "");
    }
    let shown = mistakes
        .iter()
        .take(MISTAKES)
        .map(|&photo| photo_figure(report, open, &report.scored[photo]));
    let explanation =
        format!("{}, the ones it is surest of first.", count(mistakes.len(), "mistake"));
    section("The surest mistakes", &explanation, &grid(&shown.collect::<String>(), ""))
}

/// Label issues.
pub(super) fn label_issues(report: &Report<'_>, open: PictureLoader<'_>) -> String {
    let names = report.evaluation.names();
    let (label_issues, among) = report.label_issues();
    if label_issues.is_empty() {
        return String::new();
    }
    let shown = label_issues.iter().take(LABEL_ISSUES).map(|label_issue| {
        let (scored, split) = among[label_issue.photo];
        let (label, predicted) =
            (escaped(&names[label_issue.label]), escaped(&names[label_issue.predicted]));
        let used = if split.is_empty() { String::new() } else { format!("<br>{split}") };
        let caption = format!(
            "labelled {label}<br>looks like <span class=\"wrong\">{predicted}</span>{used}"
        );
        figure(open, &scored.photo, &caption)
    });
    let judged_by = match report.held_out.is_empty() {
        true => "",
        false => {
            " Photos of all splits were looked at, those for training by layers that were trained \
             without them \
             (cross-validation)."
        }
    };
    let explanation = format!(
        "More like another class than most of that class's own photos: {} of {} (confident \
         learning, Northcutt et al. 2021); \
         all are in suspects.csv.{judged_by} Look at these before you blame the model.",
        label_issues.len(),
        count(among.len(), "photo")
    );
    section("Labels that may be wrong", &explanation, &grid(&shown.collect::<String>(), ""))
}

/// Near-duplicates.
pub(super) fn near_duplicates(report: &Report<'_>, open: PictureLoader<'_>) -> String {
    if report.near_duplicates.is_empty() {
        return String::new();
    }
    let shown = report.near_duplicates.iter().take(NEAR_DUPLICATES).map(
        |near_duplicates: &NearDuplicatePair| {
            let one = |place: usize| {
                figure(
                    open,
                    &near_duplicates.photos[place],
                    &escaped(&near_duplicates.places[place]),
                )
            };
            let likeness = format!("{:.1} % alike", 100.0 * near_duplicates.cosine);
            format!(
                "<div><div class=\"pair\">{}{}</div><figcaption>{likeness}</figcaption></div>\n",
                one(0),
                one(1)
            )
        },
    );
    let explanation = format!(
        "{} of photos that are nearly the same, by the cosine of their features. Where one was \
         learned and the other is \
         judged, the accuracy is too good to be true.",
        count(report.near_duplicates.len(), "pair")
    );
    section("Near-duplicates", &explanation, &grid(&shown.collect::<String>(), " pairs"))
}

/// A sample of photos.
pub(super) fn sample(report: &Report<'_>, open: PictureLoader<'_>) -> String {
    let shown: String =
        evenly(report.scored, SAMPLE).map(|scored| photo_figure(report, open, scored)).collect();
    section(
        "Photos",
        "Some of them, evenly from all: what each is, and what the model says.",
        &grid(&shown, ""),
    )
}

/// Features of a photo.
pub(super) fn features(report: &Report<'_>, open: PictureLoader<'_>) -> String {
    let Some((photo, values)) = report.features else { return String::new() };
    let picture = report::features(values).to_png().unwrap_or_default();
    let picture = address("png", &picture);
    let grey =
        format!("<figure class=\"whole\"><img alt=\"features\" src=\"{picture}\"></figure>\n");
    let explanation = format!(
        "A photo, and the {} numbers that the network makes of it before it decides, row by row: \
         black is the smallest, \
         white the largest. What the classification layer reads is this.",
        values.len()
    );
    let content = format!("<div class=\"beside\">{}{grey}</div>\n", figure(open, photo, ""));
    section("Features", &explanation, &content)
}

/// A photo with its true and predicted classes.
fn photo_figure(report: &Report<'_>, open: PictureLoader<'_>, scored: &ScoredPhoto) -> String {
    let answer = escaped(&answer(report.evaluation, scored));
    let truth = escaped(&truth(report.evaluation, scored));
    let caption = match scored.is_correct() {
        true => format!("<span class=\"right\">{answer}</span>"),
        false => format!("{truth}<br><span class=\"wrong\">said {answer}</span>"),
    };
    figure(open, &scored.photo, &caption)
}

fn grid(figures: &str, class: &str) -> String {
    format!("<div class=\"photos{class}\">\n{figures}</div>\n")
}

fn figure(open: PictureLoader<'_>, photo: &Path, caption: &str) -> String {
    let file = escaped(&photo.file_name().unwrap_or(photo.as_os_str()).to_string_lossy());
    let path = escaped(&photo.to_string_lossy());
    let source = open(photo).map(|picture| {
        let small = Canvas::from_picture(&picture).fitted(SIDE, SIDE).into_picture();
        format!(" src=\"{}\"", address("jpeg", &small.to_jpeg(QUALITY).unwrap_or_default()))
    });
    let source = source.unwrap_or_default();
    format!(
        "<figure><img alt=\"{file}\" title=\"{path}\" \
         loading=\"lazy\"{source}><figcaption>{caption}\
         <span class=\"file\">{file}</span></figcaption></figure>\n"
    )
}

/// Returns a data URL.
fn address(kind: &str, bytes: &[u8]) -> String {
    format!("data:image/{kind};base64,{}", STANDARD.encode(bytes))
}
