//! `lorgnette models remove`.

use anyhow::Result;
use clap::Args;
use lorgnette::{EMBEDDED_NAME, catalogue};
use lorgnette_library::short_size;

use super::model_store;
use crate::Outcome;
use crate::messages::Messages;

/// Remove models, with their unpacked files
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Their names
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,
}

/// Removes the models.
pub(super) fn run(arguments: &Arguments, messages: Messages) -> Result<Outcome> {
    let model_store = model_store()?;
    let mut removed = 0;
    for name in &arguments.names {
        if name == EMBEDDED_NAME {
            messages.error(&format_args!("{name} is part of the program and cannot be removed"));
            continue;
        }
        match catalogue::find(name).and_then(|entry| model_store.remove(&entry)) {
            Ok(Some(bytes)) => {
                messages.note(&format_args!("{name} removed, {} free", short_size(bytes)));
            }
            Ok(None) => {
                messages.error(&format_args!("{name} is not installed"));
                continue;
            }
            Err(error) => {
                messages.error(&error);
                continue;
            }
        }
        removed += 1;
    }
    super::outcome(removed, arguments.names.len(), "removed")
}
