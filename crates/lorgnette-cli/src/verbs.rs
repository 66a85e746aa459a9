//! The verbs, one module each.

mod bench;
mod blur;
mod classes;
mod classify;
mod completions;
mod embed;
mod evaluate;
mod explain;
mod export;
pub(crate) mod faces;
mod features;
mod fleet;
mod graph;
mod index;
mod library;
mod manual;
mod map;
mod models;
mod run;
mod search;
#[cfg(feature = "serve")]
mod serve;
#[cfg(not(feature = "serve"))]
#[path = "verbs/no_server.rs"]
mod serve;
mod train;

use anyhow::Result;
use clap::Subcommand;

use crate::Outcome;
use crate::arguments::Global;
use crate::messages::Messages;

/// A verb and its arguments.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    Classify(classify::Arguments),
    Map(map::Arguments),
    Blur(Box<blur::Arguments>),
    Faces(faces::Arguments),
    Embed(embed::Arguments),
    Evaluate(evaluate::Arguments),
    Export(export::Arguments),
    Run(run::Arguments),
    Explain(explain::Arguments),
    Bench(bench::Arguments),
    Graph(graph::Arguments),
    Models(models::Arguments),
    Train(Box<train::Arguments>),
    Features(features::Arguments),
    Index(index::Arguments),
    Fleet(fleet::Arguments),
    Search(search::Arguments),
    Serve(Box<serve::Arguments>),
    Library(library::Arguments),
    Classes(classes::Arguments),
    Completions(completions::Arguments),
    Manual(manual::Arguments),
}

impl Verb {
    /// Runs the verb.
    pub(crate) fn run(self, global: &Global, messages: &Messages) -> Result<Outcome> {
        match self {
            Self::Classes(arguments) => classes::run(&arguments, global, *messages),
            Self::Completions(arguments) => completions::run(&arguments),
            Self::Manual(arguments) => manual::run(&arguments, *messages),
            Self::Classify(arguments) => classify::run(&arguments, global, *messages),
            Self::Map(arguments) => map::run(&arguments, global, *messages),
            Self::Blur(arguments) => blur::run(*arguments, global, *messages),
            Self::Faces(arguments) => faces::run(&arguments, global, *messages),
            Self::Embed(arguments) => embed::run(&arguments, global, *messages),
            Self::Evaluate(arguments) => evaluate::run(&arguments, global, *messages),
            Self::Export(arguments) => export::run(&arguments, global, *messages),
            Self::Run(arguments) => run::run(&arguments, global, *messages),
            Self::Explain(arguments) => explain::run(&arguments, global, *messages),
            Self::Bench(arguments) => bench::run(&arguments, global, *messages),
            Self::Graph(arguments) => graph::run(&arguments, global, *messages),
            Self::Models(arguments) => models::run(&arguments, global, *messages),
            Self::Train(arguments) => train::run(&arguments, global, *messages),
            Self::Features(arguments) => features::run(&arguments, global, *messages),
            Self::Search(arguments) => search::run(&arguments, global, *messages),
            Self::Serve(arguments) => serve::run(&arguments, global, *messages),
            Self::Index(arguments) => index::run(&arguments, global, *messages),
            Self::Fleet(arguments) => fleet::run(&arguments, global, *messages),
            Self::Library(arguments) => library::run(&arguments, global, *messages),
        }
    }
}
