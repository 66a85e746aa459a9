//! `lorgnette library forget`.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::Args;
use lorgnette_library::Library;

use crate::Outcome;
use crate::messages::{Messages, count};

/// Remove photos from the library; their files are not touched
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Photos, or folders with all photos in them
    #[arg(value_name = "PATH", required_unless_present = "vanished")]
    paths: Vec<PathBuf>,

    /// Only vanished photos; without a path, all of them
    #[arg(long)]
    vanished: bool,
}

/// Runs the verb.
pub(super) fn run(
    arguments: &Arguments,
    library: &mut Library,
    messages: Messages,
) -> Result<Outcome> {
    let mut forgotten = 0;
    if arguments.paths.is_empty() {
        forgotten = library.forget(None, true)?;
    }
    for path in &arguments.paths {
        forgotten += library.forget(Some(path), arguments.vanished)?;
    }
    ensure!(forgotten > 0 || arguments.paths.is_empty(), "the library has no such photos");
    messages.note(&format_args!(
        "{} forgotten; `lorgnette library vacuum` makes the file smaller",
        count(forgotten, "photo")
    ));
    Ok(Outcome::Done)
}
