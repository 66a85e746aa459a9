//! `lorgnette library show`.

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use lorgnette_library::answer::DetectionAnswer;
use lorgnette_library::{Detection, Library, Photo, Source, printable};
use serde_json::json;

use super::list;
use crate::Outcome;
use crate::arguments::ReportFormat;
use crate::stream::{write_json, write_report};

/// Show the record and detections of photos
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Photos in the library
    #[arg(value_name = "PHOTO", required = true)]
    photos: Vec<PathBuf>,

    /// Output format
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    format: ReportFormat,
}

/// Runs the verb.
pub(super) fn run(arguments: &Arguments, library: &Library) -> Result<Outcome> {
    for path in &arguments.photos {
        let (photo, detections) = (library.photo(path)?, library.detections(path)?);
        write_report(|out| match arguments.format {
            ReportFormat::Json => write_json(out, &in_json(&photo, &detections)),
            ReportFormat::Text => write_text(out, &photo, &detections),
        })?;
    }
    Ok(Outcome::Done)
}

fn in_json(photo: &Photo, detections: &[Detection]) -> serde_json::Value {
    let mut object = list::in_json(photo);
    object["findings"] =
        detections.iter().map(|detection| json!(DetectionAnswer::new(detection))).collect();
    object
}

fn write_text(out: &mut dyn Write, photo: &Photo, detections: &[Detection]) -> io::Result<()> {
    writeln!(out, "{}", super::printable_path(&photo.path))?;
    if let Some(reason) = &photo.reason {
        writeln!(out, "  {}: {}", photo.state.name(), printable(reason))?;
    }
    let size = photo.size.map(|[width, height]| format!("{width} x {height} pixels"));
    let taken = photo.taken.as_ref().map(|taken| format!("taken {}", printable(taken)));
    let details: Vec<String> =
        [size, Some(super::size(photo.bytes)), taken].into_iter().flatten().collect();
    writeln!(out, "  {}", details.join(", "))?;
    for detection in detections {
        let place = detection.bounds.map_or("whole photo".into(), |bounds| {
            let [left, top, right, bottom] = bounds.map(|side| 100.0 * side);
            format!("{left:.0}–{right:.0} % across, {top:.0}–{bottom:.0} % down")
        });
        let score_text = match detection.source {
            Source::Model => format!("{:6.2} %", 100.0 * detection.probability),
            Source::User => "   you  ".into(),
            Source::Refuted => "   not  ".into(),
        };
        writeln!(out, "  {score_text}  {:<28} {place}", printable(detection.first_name()))?;
    }
    Ok(())
}
