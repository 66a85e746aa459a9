//! `lorgnette library export`.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, ValueEnum};
use lorgnette_library::{ExportTable, Library};

use super::model_with_features;
use crate::Outcome;
use crate::messages::{Messages, count};

/// Export a table as Parquet or CSV
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// File to write; its extension is .parquet or .csv
    #[arg(value_name = "OUT")]
    out: PathBuf,

    /// Table to export
    #[arg(long, value_enum, default_value_t = TableName::Findings)]
    what: TableName,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum TableName {
    /// A row for each detection: photo, class, box, probability
    Findings,
    /// A row for each photo: path, digest, size, dates, state
    Photos,
    /// A row for each photo, with features of the model that analysed the most photos
    Features,
}

/// Runs the verb.
pub(super) fn run(arguments: &Arguments, library: &Library, messages: Messages) -> Result<Outcome> {
    let export_table = match arguments.what {
        TableName::Findings => ExportTable::Detections,
        TableName::Photos => ExportTable::Photos,
        TableName::Features => {
            ExportTable::Features { model: model_with_features(library, None)?.id }
        }
    };
    let rows = library.export(&arguments.out, export_table)?;
    messages.note(&format_args!("{}: {}", arguments.out.display(), count(rows, "row")));
    Ok(Outcome::Done)
}
