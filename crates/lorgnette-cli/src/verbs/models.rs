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

/// `1.3 M`, `15.5 G`: a number with an SI prefix.
fn short(number: u64) -> String {
    match number as f64 {
        number if number >= 1e9 => format!("{:.1} G", number / 1e9),
        number if number >= 1e8 => format!("{:.0} M", number / 1e6),
        number if number >= 1e6 => format!("{:.1} M", number / 1e6),
        number if number >= 1e3 => format!("{:.1} k", number / 1e3),
        number => format!("{number}"),
    }
}

/// `513.3 MB`.
pub(crate) fn size(bytes: u64) -> String {
    if bytes < 1000 { format!("{bytes} B") } else { format!("{}B", short(bytes)) }
}

#[cfg(test)]
mod tests {
    use super::{short, size};

    #[test]
    fn numbers_are_short() {
        assert_eq!(
            [short(569_000_000), short(4_231_976), short(15_470_000_000)],
            ["569 M", "4.2 M", "15.5 G"]
        );
        assert_eq!([size(513_324_920), size(900)], ["513 MB", "900 B"]);
    }
}
