//! `lorgnette library list`.

use anyhow::Result;
use clap::{Args, ValueEnum};
use lorgnette_library::answer::PhotoAnswer;
use lorgnette_library::{Library, Photo, State};
use serde_json::json;

use super::{printable_path, with_path_bytes};
use crate::Outcome;
use crate::arguments::ReportFormat;
use crate::stream::{write_json, write_report};

/// List the photos of the library; for unreadable ones, with the reason
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Only photos in this state
    #[arg(long, value_enum)]
    state: Option<StateName>,

    /// Output format: a path a line, or one JSON object a photo
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    format: ReportFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum StateName {
    Present,
    Vanished,
    Unreadable,
}

/// Runs the verb.
pub(super) fn run(arguments: &Arguments, library: &Library) -> Result<Outcome> {
    let state = arguments.state.map(|state| match state {
        StateName::Present => State::Present,
        StateName::Vanished => State::Missing,
        StateName::Unreadable => State::Unreadable,
    });
    let mut failed = None;
    write_report(|out| {
        let listed = library.each_photo(state, |photo| {
            let written = match arguments.format {
                ReportFormat::Json => write_json(out, &in_json(&photo)),
                ReportFormat::Text => writeln!(out, "{}", in_words(&photo)),
            };
            written.map_err(|source| lorgnette_library::Error::File {
                name: "standard output".into(),
                source,
            })
        });
        match listed {
            Err(lorgnette_library::Error::File { source, .. }) => Err(source),
            Err(error) => {
                failed = Some(error);
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    })?;
    failed.map_or(Ok(Outcome::Done), |error| Err(error.into()))
}

/// Returns the record of a photo as JSON.
pub(super) fn in_json(photo: &Photo) -> serde_json::Value {
    with_path_bytes(json!(PhotoAnswer::new(photo)), &photo.path)
}

fn in_words(photo: &Photo) -> String {
    match (&photo.reason, photo.state) {
        // The reason begins with the path.
        (Some(reason), _) => lorgnette_library::printable(reason),
        (None, State::Present) => printable_path(&photo.path),
        (None, state) => format!("{} ({})", printable_path(&photo.path), state.name()),
    }
}
