//! The report as one page: no script from elsewhere, no font, no file beside it.

mod figures;
mod photos;
mod summary;
mod tables;

use super::{PictureLoader, Report};
use crate::drawing::escaped;

const STYLE: &str = include_str!("html/style.css");
/// Sorts a table by the column whose heading is clicked; the page is whole without it.
const SCRIPT: &str = include_str!("html/sort.js");

/// The whole page.
pub(super) fn html(report: &Report<'_>, open: PictureLoader<'_>) -> String {
    let title = escaped(report.title);
    let sections = [
        summary::summary(report),
        figures::curves(report),
        figures::confusion(report),
        photos::confused(report, open),
        tables::classes(report),
        photos::mistakes(report, open),
        photos::label_issues(report, open),
        photos::near_duplicates(report, open),
        figures::reliability(report),
        photos::sample(report, open),
        photos::features(report, open),
        tables::about(report),
    ];
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n{}</main>\n\
         <script>\n{SCRIPT}</script>\n</body>\n</html>\n",
        sections.concat()
    )
}

/// A part of the page under a heading, with a sentence that says what is seen.
fn section(heading: &str, explanation: &str, content: &str) -> String {
    format!(
        "<section>\n<h2>{heading}</h2>\n<p \
         class=\"explanation\">{explanation}</p>\n{content}</section>\n"
    )
}

/// `91.3 %`.
fn percent(share: f64) -> String {
    if share.is_finite() { format!("{:.1} %", 100.0 * share) } else { "–".into() }
}

/// `1 photo`, `2 photos`.
fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}
