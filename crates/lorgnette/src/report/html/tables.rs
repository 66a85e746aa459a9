//! Tables of the page.

use super::section;
use crate::drawing::escaped;
use crate::metrics::ClassMetrics;
use crate::report::Report;

/// The longest bar in a table, in pixels.
const BAR: f64 = 72.0;

/// Classes that occur, the lowest F1 first.
pub(super) fn classes(report: &Report<'_>) -> String {
    let evaluation = report.evaluation;
    let mut classes: Vec<(&String, &ClassMetrics)> = evaluation
        .names()
        .iter()
        .zip(evaluation.classes())
        .filter(|(_, class)| class.support + class.predicted > 0)
        .collect();
    let f1 = |class: &ClassMetrics| class.f1().unwrap_or(0.0);
    classes.sort_by(|(_, a), (_, b)| f1(a).total_cmp(&f1(b)));
    let rows: String = classes.into_iter().map(|(name, class)| row(name, class)).collect();
    let table = format!(
        "<div class=\"scroll\"><table \
         class=\"sortable\"><thead><tr><th>class</th><th>photos</th><th>said</th>\
         <th>right</th><th>precision</th><th>recall</th><th>F1</th></tr></thead>\n<tbody>\n{rows}</tbody></table></div>\n"
    );
    let explanation = "The worst first. Precision: of the photos said to be of the class, the \
                       share that is. Recall: of \
                       its photos, the share that is found. F1 is between them. Click a heading \
                       to sort.";
    section("Classes", explanation, &table)
}

fn row(name: &str, class: &ClassMetrics) -> String {
    let counts = [class.support, class.predicted, class.correct]
        .map(|count| format!("<td>{count}</td>"))
        .concat();
    let shares = [class.precision(), class.recall(), class.f1()].map(share).concat();
    format!("<tr><td>{}</td>{counts}{shares}</tr>\n", escaped(name))
}

fn share(share: Option<f64>) -> String {
    let Some(share) = share else { return "<td data-value=\"-1\">–</td>".into() };
    let width = (share * BAR).round();
    format!(
        "<td data-value=\"{share}\"><span class=\"bar\" \
         style=\"width:{width}px\"></span>{:.1} %</td>",
        100.0 * share
    )
}

/// Other names and values.
pub(super) fn about(report: &Report<'_>) -> String {
    if report.about.is_empty() {
        return String::new();
    }
    let row = |(name, value): &(String, String)| {
        format!("<tr><td>{}</td><td>{}</td></tr>\n", escaped(name), escaped(value))
    };
    let rows: String = report.about.iter().map(row).collect();
    let table = format!("<table class=\"about\"><tbody>\n{rows}</tbody></table>\n");
    section("About", "Where these figures come from.", &table)
}
