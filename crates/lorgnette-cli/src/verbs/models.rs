//! `lorgnette models`: the models there are, and their files.

mod convert;

use anyhow::Result;
use clap::{Args, Subcommand};

use crate::Outcome;
use crate::arguments::Global;
use crate::messages::Messages;

/// Convert models
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    what: What,
}

/// What is done with models.
#[derive(Debug, Subcommand)]
enum What {
    Convert(convert::Arguments),
}

/// Does it.
pub(crate) fn run(arguments: &Arguments, global: &Global, messages: Messages) -> Result<Outcome> {
    match &arguments.what {
        What::Convert(arguments) => convert::run(arguments, global, messages),
    }
}
