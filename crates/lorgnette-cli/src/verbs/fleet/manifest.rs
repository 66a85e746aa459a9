//! `lorgnette fleet manifest`.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use lorgnette_library::fleet::{Listed, Manifest};
use lorgnette_library::printable;

use crate::Outcome;
use crate::arguments::ExcludeArguments;
use crate::messages::{Messages, count};

/// List the photos in folders for a fleet
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Folders, including their subfolders, or photos
    #[arg(value_name = "FOLDER", required = true)]
    folders: Vec<PathBuf>,

    /// File to write: Parquet (.parquet), CSV (.csv), or text with a path on each line
    #[arg(long, value_name = "FILE")]
    out: PathBuf,

    #[command(flatten)]
    exclusions: ExcludeArguments,
}

/// Runs the verb.
pub(super) fn run(arguments: &Arguments, messages: Messages) -> Result<Outcome> {
    let Listed { photos, passed_over, inaccessible } =
        Manifest::write(&arguments.out, &arguments.folders, &arguments.exclusions.exclude)?;
    for (path, error) in &inaccessible {
        messages.error(&printable(&format!("{}: {error}", path.display())));
    }
    if !passed_over.is_empty() {
        messages.note(&format_args!("passed over: {}", printable(&passed_over.to_string())));
    }
    messages.note(&format_args!("{}: {}", arguments.out.display(), count(photos, "photo")));
    Ok(Outcome::of_inputs(photos + inaccessible.len(), inaccessible.len()))
}
