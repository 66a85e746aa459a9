//! `lorgnette library forget`.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::Args;
use lorgnette_library::Library;

use super::{known_path, model_named};
use crate::Outcome;
use crate::arguments::Global;
use crate::messages::{Messages, count};

/// Remove photos from the library; their files are not touched. With --model, remove the answers of
/// that model alone; the photos stay
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Photos, or folders with all photos in them
    #[arg(value_name = "PATH", required_unless_present_any = ["vanished", "model"])]
    paths: Vec<PathBuf>,

    /// Only vanished photos; without a path, all of them
    #[arg(long)]
    vanished: bool,
}

/// Runs the verb.
pub(super) fn run(
    arguments: &Arguments,
    library: &mut Library,
    global: &Global,
    messages: Messages,
) -> Result<Outcome> {
    if let Some(name) = &global.model {
        return forget_model(arguments, library, &name.to_string_lossy(), messages);
    }
    let mut forgotten = 0;
    if arguments.paths.is_empty() {
        forgotten = library.forget(None, true)?;
    }
    for path in &arguments.paths {
        forgotten += library.forget(Some(&known_path(path)), arguments.vanished)?;
    }
    ensure!(forgotten > 0 || arguments.paths.is_empty(), "the library has no such photos");
    messages.note(&format_args!(
        "{} forgotten; `lorgnette library vacuum` makes the file smaller",
        count(forgotten, "photo")
    ));
    Ok(Outcome::Done)
}

/// Removes the answers of the models of that name.
fn forget_model(
    arguments: &Arguments,
    library: &mut Library,
    name: &str,
    messages: Messages,
) -> Result<Outcome> {
    let mut forgotten = 0;
    for model in model_named(library, name)? {
        if arguments.paths.is_empty() {
            forgotten += library.forget_model(model.id, None, arguments.vanished)?;
        }
        for path in &arguments.paths {
            forgotten +=
                library.forget_model(model.id, Some(&known_path(path)), arguments.vanished)?;
        }
    }
    messages.note(&format_args!("answers of {name} about {} forgotten", count(forgotten, "photo")));
    Ok(Outcome::Done)
}
