//! `lorgnette library statistics`.

use std::io::{self, Write};

use anyhow::Result;
use clap::Args;
use lorgnette_library::{ClassCount, Library, ModelEntry, Statistics, printable, short_size};
use serde_json::json;

use super::model_named;
use crate::Outcome;
use crate::arguments::{Global, ReportFormat};
use crate::messages::count;
use crate::stream::{write_json, write_report};
use crate::table::{Align, Fit, Table, width};

/// Show counts of photos, classes and models; with --model, classes of that model alone
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Number of classes to list, the most frequent ones
    #[arg(long, value_name = "N", default_value_t = 20, visible_alias = "limit")]
    top: usize,

    /// Output format
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    format: ReportFormat,
}

/// Runs the verb.
pub(super) fn run(arguments: &Arguments, library: &Library, global: &Global) -> Result<Outcome> {
    let models = match &global.model {
        Some(name) => model_named(library, &name.to_string_lossy())?,
        None => library.models()?,
    };
    let model = global.model.as_ref().and_then(|_| models.first()).map(|model| model.id);
    let statistics = library.statistics(model, arguments.top)?;
    let folders: Vec<String> =
        library.folders()?.iter().map(|folder| folder.display().to_string()).collect();
    write_report(|out| match arguments.format {
        ReportFormat::Json => write_json(out, &in_json(&statistics, &models, &folders)),
        ReportFormat::Text => write_text(out, &statistics, &models, &folders),
    })?;
    Ok(Outcome::Done)
}

fn in_json(
    statistics: &Statistics,
    models: &[ModelEntry],
    folders: &[String],
) -> serde_json::Value {
    let years: Vec<_> = statistics
        .years
        .iter()
        .map(|(year, photos)| json!({"year": year, "photos": photos}))
        .collect();
    json!({
        "present": statistics.present,
        "vanished": statistics.missing,
        "unreadable": statistics.unreadable,
        "photo_bytes": statistics.photo_bytes,
        "library_bytes": statistics.library_bytes,
        "taken": statistics.taken.as_ref().map(|(first, last)| json!([first, last])),
        "regions": statistics.regions,
        "corrections": statistics.corrections,
        "folders": folders,
        "models": models.iter().map(model_json).collect::<Vec<_>>(),
        "classes": statistics.classes.iter().map(class_json).collect::<Vec<_>>(),
        "years": years,
    })
}

fn model_json(model: &ModelEntry) -> serde_json::Value {
    json!({
        "name": model.name,
        "photos": model.photos,
        "features": model.features,
        "settings": model.settings,
    })
}

fn class_json(class: &ClassCount) -> serde_json::Value {
    json!({
        "synset": class.synset,
        "name": class.name,
        "photos": class.photos,
        "regions": class.regions,
        "share": class.share,
    })
}

fn write_text(
    out: &mut dyn Write,
    statistics: &Statistics,
    models: &[ModelEntry],
    folders: &[String],
) -> io::Result<()> {
    let all = statistics.present + statistics.missing + statistics.unreadable;
    write!(out, "{}, {}", count(statistics.present, "photo"), short_size(statistics.photo_bytes))?;
    if let Some((first, last)) = &statistics.taken {
        write!(out, ", taken {} to {}", printable(first), printable(last))?;
    }
    writeln!(out)?;
    for (number, what) in [(statistics.missing, "vanished"), (statistics.unreadable, "unreadable")]
    {
        if number > 0 {
            writeln!(out, "{number} {what}: `lorgnette library list --state {what}`")?;
        }
    }
    let each = statistics.library_bytes / all.max(1) as u64;
    writeln!(
        out,
        "{} of library, {} a photo",
        short_size(statistics.library_bytes),
        short_size(each)
    )?;
    writeln!(
        out,
        "{}, {}",
        count(statistics.regions, "region"),
        count(statistics.corrections, "correction")
    )?;
    folders.iter().try_for_each(|folder| writeln!(out, "folder {}", printable(folder)))?;
    models.iter().try_for_each(|m| {
        writeln!(out, "model {}, {}", printable(&m.name), count(m.photos, "photo"))
    })?;
    writeln!(out)?;
    write_classes(out, statistics)
}

fn write_classes(out: &mut dyn Write, statistics: &Statistics) -> io::Result<()> {
    use Align::{Left, Right};
    let columns = [("class", Left), ("photos", Right), ("regions", Right), ("of the photo", Right)];
    let mut table = Table::new(&columns);
    for class in &statistics.classes {
        let share =
            if class.regions > 0 { format!("{:.0} %", 100.0 * class.share) } else { "–".into() };
        table.row(vec![
            printable(&class.name),
            class.photos.to_string(),
            class.regions.to_string(),
            share,
        ]);
    }
    table.write(out, Fit { width: width(), elastic: 0, droppable: &[] })
}
