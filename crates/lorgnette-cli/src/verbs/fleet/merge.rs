//! `lorgnette fleet merge`.

use std::ops::ControlFlow;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use lorgnette_library::fleet::{MergeOptions, MergeSummary, merge};
use serde_json::json;

use crate::Outcome;
use crate::arguments::{LibraryArguments, ReportFormat};
use crate::memory_limit;
use crate::messages::{Messages, count};
use crate::progress::Progress;
use crate::stream::{write_json, write_report};

/// Build one library from the parts of a fleet
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Folders of parts, or parts
    #[arg(value_name = "DIR", required = true)]
    parts: Vec<PathBuf>,

    #[command(flatten)]
    library: LibraryArguments,

    /// The folder at which relative paths begin
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,

    /// Merge what is there, even if shards are missing
    #[arg(long)]
    partial: bool,

    /// Format of the report
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    format: ReportFormat,
}

/// Runs the verb.
pub(super) fn run(arguments: &Arguments, messages: Messages) -> Result<Outcome> {
    let library = arguments.library.path()?;
    memory_limit::share_with_sqlite()?;
    let root = arguments.root.as_ref().map(std::path::absolute).transpose()?;
    let options = MergeOptions { root, partial: arguments.partial };
    let mut progress: Option<Progress> = None;
    let summary =
        merge(&arguments.parts, &library, &options, &mut |event: &lorgnette::Progress| {
            let bar = progress.get_or_insert_with(|| Progress::new(event.total, "rows", messages));
            bar.set_position(event.done);
            ControlFlow::Continue(())
        })?;
    drop(progress);
    let Some(summary) = summary else { return Ok(Outcome::Done) };
    let MergeSummary { shards, missing_shards, photos, analysed, failed, repeated } = summary;
    let name = library.display();
    let report = json!({
        "library": name.to_string(),
        "photos": photos,
        "analysed": analysed,
        "failed": failed,
        "repeated": repeated,
        "shards": shards,
        "missing_shards": missing_shards,
    });
    write_report(|out| match arguments.format {
        ReportFormat::Json => write_json(out, &report),
        ReportFormat::Text => {
            writeln!(out, "{name}: {}, {failed} failed", count(photos, "photo"))?;
            if repeated > 0 {
                writeln!(out, "{} listed more than once", count(repeated, "photo"))?;
            }
            Ok(())
        }
    })?;
    if missing_shards > 0 {
        let missing = count(missing_shards, "shard");
        messages.note(&format_args!("{missing} of {shards} missing"));
        return Ok(Outcome::SomeFailed);
    }
    Ok(Outcome::Done)
}
