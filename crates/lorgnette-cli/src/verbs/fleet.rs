//! `lorgnette fleet`: photos for a library, analysed by many machines.

mod manifest;
mod merge;
mod run;

use anyhow::Result;
use clap::{Args, Subcommand};

use crate::Outcome;
use crate::arguments::Global;
use crate::messages::Messages;

/// Analyse photos on many machines, and merge what they find into one library
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

const EXAMPLES: &str = "\
A manifest lists the photos. Each shard of it is analysed by a process of its
own, on any machine, in any order, as often as it takes: a shard that is there
is skipped, and gives the same bytes again. docs/fleet.md shows it with Ray,
Spark, Slurm and Kubernetes.

Examples:
  lorgnette fleet manifest ~/Pictures --out photos.parquet
  lorgnette fleet run --manifest photos.parquet --shard 0/2 --out parts
  lorgnette fleet run --manifest photos.parquet --shard 1/2 --out parts
  lorgnette fleet merge parts --library photos.lgn";

#[derive(Debug, Subcommand)]
enum Verb {
    Manifest(manifest::Arguments),
    Run(Box<run::Arguments>),
    Merge(merge::Arguments),
}

/// Runs the verb.
pub(crate) fn run(arguments: &Arguments, global: &Global, messages: Messages) -> Result<Outcome> {
    match &arguments.verb {
        Verb::Manifest(arguments) => manifest::run(arguments, messages),
        Verb::Run(arguments) => run::run(arguments, global, messages),
        Verb::Merge(arguments) => merge::run(arguments, messages),
    }
}
