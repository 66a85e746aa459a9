//! `lorgnette models`: lists, shows, downloads, removes, converts and quantises models.

mod convert;
mod list;
mod pull;
mod quantise;
mod remove;
mod show;

use anyhow::{Context as _, Result, ensure};
use clap::{Args, Subcommand};
use lorgnette::ModelStore;

use crate::Outcome;
use crate::arguments::Global;
use crate::messages::Messages;

/// List published models, look into one, fetch, remove, convert or quantise them
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    List(list::Arguments),
    Show(show::Arguments),
    Pull(pull::Arguments),
    Remove(remove::Arguments),
    Convert(convert::Arguments),
    Quantise(quantise::Arguments),
}

/// Runs the subcommand.
pub(crate) fn run(arguments: &Arguments, global: &Global, messages: Messages) -> Result<Outcome> {
    match &arguments.verb {
        Verb::List(arguments) => list::run(arguments),
        Verb::Show(arguments) => show::run(arguments, global, messages),
        Verb::Pull(arguments) => pull::run(arguments, messages),
        Verb::Remove(arguments) => remove::run(arguments, messages),
        Verb::Convert(arguments) => convert::run(arguments, global, messages),
        Verb::Quantise(arguments) => quantise::run(arguments, global, messages),
    }
}

/// The model store.
fn model_store() -> Result<ModelStore> {
    ModelStore::from_env()
        .context("nobody says where models are kept: set LORGNETTE_HOME to a folder")
}

/// The outcome of a subcommand on several models, of which `done` succeeded.
fn outcome(done: usize, all: usize, what: &str) -> Result<Outcome> {
    ensure!(done > 0, "nothing was {what}");
    Ok(if done == all { Outcome::Done } else { Outcome::SomeFailed })
}
