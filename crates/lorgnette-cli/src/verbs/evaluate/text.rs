//! Metrics as text.

use std::io::{self, Write};

use lorgnette::evaluate::EvaluationResult;
use lorgnette::metrics::{ClassMetrics, Evaluation};

use crate::messages::count;
use crate::table::{Align, Fit, Table};

/// Maximum number of classes and confused pairs in the text; the tables of `--out` have all.
const MAX_CLASSES: usize = 30;
const MAX_PAIRS: usize = 10;

pub(super) fn write(out: &mut dyn Write, result: &EvaluationResult, model: &str) -> io::Result<()> {
    let evaluation = &result.evaluation;
    let (accuracy, macro_averages) = (evaluation.accuracy(), evaluation.macro_averages());
    let [low, high] = accuracy.interval();
    let judged = evaluation.photos();
    let photos = match judged + result.failed < result.listed {
        true => format!("{judged} of {}", count(result.listed, "photo")),
        false => count(judged, "photo"),
    };
    writeln!(out, "{model}, judged by {photos}\n")?;
    let mut line =
        |name: &str, value: String, note: &str| writeln!(out, "{name:<18}{value:>8}  {note}");
    let interval = format!("95 % interval {:.1} to {:.1} %", 100.0 * low, 100.0 * high);
    line("accuracy", percent(accuracy.value()), &interval)?;
    line("top 5", percent(evaluation.top5().value()), "among the five most probable")?;
    line("loss", format!("{:.4}", evaluation.loss()), "cross entropy, nats")?;
    line("balanced accuracy", percent(macro_averages.recall), "mean recall of the classes")?;
    line("F1", percent(macro_averages.f1), "mean of the classes")?;
    let error = evaluation.reliability().expected_calibration_error();
    line("calibration error", percent(error), "how far probabilities are from the truth")?;
    writeln!(out)?;
    write_classes(out, evaluation)?;
    write_pairs(out, evaluation)
}

fn write_classes(out: &mut dyn Write, evaluation: &Evaluation) -> io::Result<()> {
    let mut classes: Vec<(&String, &ClassMetrics)> = evaluation
        .names()
        .iter()
        .zip(evaluation.classes())
        .filter(|(_, class)| class.support > 0)
        .collect();
    let all = classes.len();
    if all > MAX_CLASSES {
        classes.sort_by(|(_, a), (_, b)| a.f1().unwrap_or(0.0).total_cmp(&b.f1().unwrap_or(0.0)));
        classes.truncate(MAX_CLASSES);
    }
    let columns = ["photos", "precision", "recall", "F1"].map(|heading| (heading, Align::Right));
    let mut table = Table::new(&[&[("class", Align::Left)][..], &columns].concat());
    for (name, class) in classes {
        let shares = [class.precision(), class.recall(), class.f1()];
        let shares = shares.map(|share| share.map_or_else(|| "–".into(), percent));
        table.row([vec![name.clone(), class.support.to_string()], shares.to_vec()].concat());
    }
    table.write(out, Fit { width: None, elastic: 0, droppable: &[] })?;
    if all > MAX_CLASSES {
        writeln!(out, "the worst {MAX_CLASSES} of {all} classes")?;
    }
    Ok(())
}

fn write_pairs(out: &mut dyn Write, evaluation: &Evaluation) -> io::Result<()> {
    let (pairs, names) = (evaluation.confusion().most_confused(), evaluation.names());
    if !pairs.is_empty() {
        writeln!(out, "most confused")?;
    }
    pairs.iter().take(MAX_PAIRS).try_for_each(|pair| {
        writeln!(
            out,
            "  {} → {}: {} of {}",
            names[pair.truth], names[pair.predicted], pair.count, pair.total
        )
    })
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}
