//! `lorgnette library show`.

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use lorgnette_library::answer::DetectionAnswer;
use lorgnette_library::{Detection, Library, Photo, Source, printable, short_size};
use serde_json::json;

use super::{known_path, list};
use crate::Outcome;
use crate::arguments::ReportFormat;
use crate::messages::Messages;
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
pub(super) fn run(arguments: &Arguments, library: &Library, messages: Messages) -> Result<Outcome> {
    let mut failed = 0;
    for path in &arguments.photos {
        let path = &known_path(path);
        let (photo, detections) = match (library.photo(path), library.detections(path)) {
            (Ok(photo), Ok(detections)) => (photo, detections),
            (Err(error), _) | (_, Err(error)) => {
                messages.error(&error);
                failed += 1;
                continue;
            }
        };
        write_report(|out| match arguments.format {
            ReportFormat::Json => write_json(out, &in_json(&photo, &detections)),
            ReportFormat::Text => write_text(out, &photo, &detections),
        })?;
    }
    Ok(Outcome::of_inputs(arguments.photos.len(), failed))
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
        [size, Some(short_size(photo.bytes)), taken].into_iter().flatten().collect();
    writeln!(out, "  {}", details.join(", "))?;
    for detection in detections {
        let place = detection
            .bounds
            .map_or("in the photo as a whole".into(), |bounds| box_text(&bounds, photo.size));
        let score_text = match detection.source {
            Source::Model => format!("{:6.2} %", 100.0 * detection.probability),
            Source::User => "   you  ".into(),
            Source::Refuted => "   not  ".into(),
        };
        writeln!(out, "  {score_text}  {:<28} {place}", printable(detection.first_name()))?;
    }
    Ok(())
}

/// Formats a box in pixels, or in shares of a photo of unknown size.
fn box_text(bounds: &[f64; 4], size: Option<[u32; 2]>) -> String {
    match size {
        Some([width, height]) => {
            let sides = [width, height, width, height].map(f64::from);
            let pixel = |at: usize| (bounds[at].clamp(0.0, 1.0) * sides[at]).round();
            format!("at {},{} to {},{}", pixel(0), pixel(1), pixel(2), pixel(3))
        }
        None => {
            let [left, top, right, bottom] = bounds;
            format!("at {left:.2},{top:.2} to {right:.2},{bottom:.2} of the photo")
        }
    }
}
