//! `lorgnette library export`.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, ValueEnum};
use lorgnette_library::{ExportTable, Library};

use super::model_with_features;
use crate::Outcome;
use crate::messages::{Messages, count};

/// Write what is in the library as a table: Parquet or CSV
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The file to write, by its ending: .parquet or .csv
    #[arg(value_name = "OUT")]
    out: PathBuf,

    /// Which table
    #[arg(long, value_enum, default_value_t = TableName::Findings)]
    what: TableName,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum TableName {
    /// A row for each thing that was found: photo, class, box, probability
    Findings,
    /// A row for each photo: path, digest, size, dates, state
    Photos,
    /// A row for each photo with the features of the model that looked at most
    Features,
}

/// Exports.
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
