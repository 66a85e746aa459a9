//! The figures of the page.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{percent, section};
use crate::drawing::Drawing;
use crate::metrics::{Coverage, Evaluation};
use crate::report::{self, Report, Scale};

/// Matrices with more cells that are not empty would be too much for a browser as drawings; they
/// are pictures.
const MAX_CELLS: usize = 12_000;
/// A figure wider than the page can be looked at in full.
const PAGE_WIDTH: f32 = 1120.0;
/// From which probability on a model might answer.
const THRESHOLDS: [f32; 6] = [0.5, 0.6, 0.7, 0.8, 0.9, 0.95];

pub(super) fn curves(report: &Report<'_>) -> String {
    if report.epochs.is_empty() {
        return String::new();
    }
    let seconds: f64 = report.epochs.iter().map(|epoch| epoch.seconds).sum();
    let explanation = format!(
        "{} epochs in {seconds:.1} s. The table is of the model as it was written. The curves are \
         of the layer while it was trained: their losses are those before calibration, of training \
         photos with the penalty and of all copies.",
        report.epochs.len(),
    );
    let figure = in_frame(&report::curves(report.epochs));
    section("Training", &explanation, &(splits(report) + &figure))
}

/// The final model's accuracy and loss on each split.
fn splits(report: &Report<'_>) -> String {
    if report.splits.is_empty() {
        return String::new();
    }
    let row = |(name, evaluation): &(&str, &Evaluation)| {
        let accuracy = evaluation.accuracy();
        let [low, high] = accuracy.interval().map(|share| 100.0 * share);
        format!(
            "<tr><td>{name}</td><td>{}</td><td>{}</td><td>{:.2} %</td><td>{low:.1} to {high:.1} \
             %</td><td>{:.4}</td></tr>\n",
            accuracy.total,
            accuracy.correct,
            100.0 * accuracy.value(),
            evaluation.loss()
        )
    };
    format!(
        "<table><thead><tr><th>split</th><th>photos</th><th>right</th><th>accuracy</th>\
         <th>95 % interval</th><th>loss</th></tr></thead>\n<tbody>\n{}</tbody></table>\n",
        report.splits.iter().map(row).collect::<String>()
    )
}

/// Both matrices, with buttons to choose; those that are wider than the page with one for their
/// full size.
pub(super) fn confusion(report: &Report<'_>) -> String {
    let evaluation = report.evaluation;
    let figures = [Scale::Counts, Scale::Shares].map(|scale| report::confusion(evaluation, scale));
    let full = figures[0].size().0 > PAGE_WIDTH;
    let cells: usize = (0..evaluation.confusion().classes())
        .map(|class| evaluation.confusion().row(class).iter().filter(|count| **count > 0).count())
        .sum();
    let drawn = figures
        .map(|figure| if cells > MAX_CELLS { as_picture(&figure) } else { in_frame(&figure) });
    let button = |id: &str, kind: &str, on: &str, words: &str| {
        format!("<input id=\"{id}\" {kind}{on}><label for=\"{id}\">{words}</label>\n")
    };
    let choice = "type=\"radio\" name=\"confusion\"";
    let mut buttons = button("counts", choice, " checked", "photos")
        + &button("shares", choice, "", "hundredths of the class");
    if full {
        buttons += &button("full", "type=\"checkbox\" class=\"full\"", "", "full size");
    }
    let content = format!("<div class=\"tabs\">\n{buttons}{}</div>\n", drawn.concat());
    let explanation = "A row for what photos are, a column for what the model says. Blue is \
                       right. Hold the mouse over a \
                       cell to read it.";
    section("Confusion", explanation, &content)
}

pub(super) fn reliability(report: &Report<'_>) -> String {
    let figure = in_frame(&report::reliability(report.evaluation.reliability()));
    let row = |at_least: f32| {
        let Coverage { answered, correct, .. } = Coverage::at_least(at_least, report.scored);
        let (answered, correct) = (percent(answered.value()), percent(correct.value()));
        format!(
            "<tr><td>{:.0} %</td><td>{answered}</td><td>{correct}</td></tr>\n",
            100.0 * at_least
        )
    };
    let table = format!(
        "<div><h3>If it may say that it does not know</h3>\n<table><thead><tr><th>answers from</th>\
         <th>photos answered</th><th>of them \
         right</th></tr></thead>\n<tbody>\n{}</tbody></table></div>\n",
        THRESHOLDS.map(row).concat()
    );
    let explanation = "Of the photos that it names with a probability of 80 %, eight in ten \
                       should be right: then the bars end \
                       at the diagonal. Whiskers are 95 % intervals.";
    section("Reliability", explanation, &format!("<div class=\"beside\">{figure}{table}</div>\n"))
}

fn in_frame(figure: &Drawing) -> String {
    format!("<div class=\"figure large\">\n{}</div>\n", figure.svg())
}

fn as_picture(figure: &Drawing) -> String {
    let jpeg = figure.picture(1.0).to_jpeg(88).unwrap_or_default();
    let data = STANDARD.encode(jpeg);
    format!(
        "<div class=\"figure large\"><img alt=\"confusion matrix\" \
         src=\"data:image/jpeg;base64,{data}\"></div>\n"
    )
}
