//! Main metrics, with explanations.

use super::{count, percent};
use crate::drawing::escaped;
use crate::metrics::Evaluation;
use crate::report::Report;

/// Number of photos of a class below which a note is given.
const FEW: usize = 10;

/// Cards of metrics, and sentences.
pub(super) fn summary(report: &Report<'_>) -> String {
    let evaluation = report.evaluation;
    let classes = evaluation.classes().iter().filter(|class| class.support > 0).count();
    let classes = count(classes, "class").replace("classs", "classes");
    let all: usize = report.splits.iter().map(|(_, evaluation)| evaluation.photos()).sum();
    let line = match report.splits.is_empty() {
        true => format!("{} of {classes}", count(evaluation.photos(), "photo")),
        false => format!(
            "{} of {classes}, of {} in all",
            count(evaluation.photos(), "test photo"),
            count(all, "photo")
        ),
    };
    format!("<p class=\"explanation\">{line}</p>\n{}{}", cards(evaluation), words(evaluation))
}

fn cards(evaluation: &Evaluation) -> String {
    let macro_averages = evaluation.macro_averages();
    let [low, high] = evaluation.accuracy().interval();
    let interval = format!("95 % interval: {:.1} to {:.1} %", 100.0 * low, 100.0 * high);
    let loss = ("loss", format!("{:.4}", evaluation.loss()), "cross entropy in nats".to_owned());
    let five =
        ("among the first five", percent(evaluation.top5().value()), "top-5 accuracy".to_owned());
    let balanced = (
        "balanced accuracy",
        percent(macro_averages.recall),
        "mean recall of the classes".to_owned(),
    );
    let f1 = ("F1", percent(macro_averages.f1), "mean of the classes".to_owned());
    let error = evaluation.reliability().expected_calibration_error();
    let calibration = ("calibration error", percent(error), "probability against truth".to_owned());
    let accuracy = ("accuracy", percent(evaluation.accuracy().value()), interval);
    let mut cards = vec![accuracy, balanced, f1, loss, calibration];
    // With five classes or fewer everything is among the first five.
    if evaluation.names().len() > 5 {
        cards.insert(1, five);
    }
    let card = |(place, (name, value, note)): (usize, &(&str, String, String))| {
        let class = if place == 0 { "card first" } else { "card" };
        format!(
            "<div class=\"{class}\"><span>{name}</span><b>{value}</b><span>{note}</span></div>\n"
        )
    };
    format!(
        "<div class=\"cards\">\n{}</div>\n",
        cards.iter().enumerate().map(card).collect::<String>()
    )
}

fn words(evaluation: &Evaluation) -> String {
    let sentences = [
        baseline(evaluation),
        worst(evaluation),
        confused(evaluation),
        sureness(evaluation),
        few(evaluation),
    ];
    let items: String =
        sentences.into_iter().flatten().map(|sentence| format!("<li>{sentence}</li>\n")).collect();
    format!("<ul class=\"words\">\n{items}</ul>\n")
}

fn name(evaluation: &Evaluation, class: usize) -> String {
    escaped(&evaluation.names()[class])
}

/// Accuracy of a constant prediction.
fn baseline(evaluation: &Evaluation) -> Option<String> {
    let (class, figures) =
        evaluation.classes().iter().enumerate().max_by_key(|(_, class)| class.support)?;
    let share = figures.support as f64 / evaluation.photos() as f64;
    let right = evaluation.accuracy();
    Some(format!(
        "{} of {} photos are named rightly; always saying <b>{}</b> would be right for {}.",
        right.correct,
        right.total,
        name(evaluation, class),
        percent(share)
    ))
}

/// The class with the lowest recall.
fn worst(evaluation: &Evaluation) -> Option<String> {
    let recall = |class: &crate::metrics::ClassMetrics| class.recall().unwrap_or(1.0);
    let classes = evaluation.classes().iter().enumerate().filter(|(_, class)| class.support > 0);
    let (class, figures) = classes.min_by(|(_, a), (_, b)| recall(a).total_cmp(&recall(b)))?;
    let found = format!("{} of {}", figures.correct, figures.support);
    (recall(figures) < 1.0)
        .then(|| format!("Hardest to find is <b>{}</b>: {found}.", name(evaluation, class)))
}

fn confused(evaluation: &Evaluation) -> Option<String> {
    let pair = *evaluation.confusion().most_confused().first()?;
    let (truth, scored) = (name(evaluation, pair.truth), name(evaluation, pair.predicted));
    Some(format!(
        "The commonest mistake: <b>{truth}</b> taken for <b>{scored}</b>, {} of {}.",
        pair.count, pair.total
    ))
}

/// Whether the model is over- or underconfident.
fn sureness(evaluation: &Evaluation) -> Option<String> {
    const NOTICEABLE: f64 = 0.02;
    let bins = &evaluation.reliability().bins;
    let counted = || bins.iter().filter(|bin| bin.correct.total > 0);
    let gap = counted().map(|bin| bin.gap() * bin.correct.total as f64).sum::<f64>()
        / evaluation.photos() as f64;
    let points = format!("{:.1} points", 100.0 * gap.abs());
    Some(if gap > NOTICEABLE {
        format!("It is surer of itself than it should be, by {points} on average.")
    } else if gap < -NOTICEABLE {
        format!("It is more modest than it need be, by {points} on average.")
    } else {
        "Its probabilities mean, on average, what they say.".into()
    })
}

fn few(evaluation: &Evaluation) -> Option<String> {
    let few = evaluation.classes().iter().filter(|class| (1..FEW).contains(&class.support)).count();
    (few > 0).then(|| {
        let verb = if few == 1 { "class has" } else { "classes have" };
        format!(
            "{few} {verb} fewer than {FEW} photos here: what is said of them is not worth much."
        )
    })
}
