//! `lorgnette graph`: a diagram of a network's architecture, and its graph for TensorBoard.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::{Args, ValueEnum};
use lorgnette::net::{write_atomically, zoo};
use lorgnette::preprocess::Preprocessor;
use lorgnette::{Model, ModelOptions, diagram};

use crate::Outcome;
use crate::arguments::{Global, Size};
use crate::messages::Messages;
use crate::model;
use crate::stream::write_report;

/// Draw a network's architecture, or open its graph in TensorBoard
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The network, as for --model; or the name of one of TF-Slim's, of which no file is needed
    #[arg(value_name = "MODEL")]
    named: Option<OsString>,

    /// Write the whole graph to an event file in DIR, for `tensorboard --logdir DIR`
    #[arg(long, value_name = "DIR")]
    logdir: Option<PathBuf>,

    /// How to draw it [default: text]
    #[arg(long, value_enum)]
    format: Option<DiagramFormat>,

    /// Where to write the drawing [default: standard output]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// Rows and columns of the input
    #[arg(long, value_name = "N|HxW")]
    size: Option<Size>,

    /// Depth of the scopes that make a block [default: a depth that gives a readable diagram]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=9))]
    depth: Option<u8>,
}

const EXAMPLES: &str = "\
Examples:
  lorgnette graph inception_v3
  lorgnette graph vgg_16.ckpt --format svg --out vgg_16.svg
  lorgnette graph resnet_v1_50 --format dot | dot -Tpdf > resnet.pdf
  lorgnette graph my_graph.pb --logdir logs && tensorboard --logdir logs";

/// Formats of a diagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum DiagramFormat {
    // A table for a terminal.
    Text,
    // Graphviz's language.
    Dot,
    // A picture.
    Svg,
}

/// Draws the diagram.
pub(crate) fn run(arguments: &Arguments, global: &Global, messages: Messages) -> Result<Outcome> {
    let model = open(arguments, global, messages)?;
    let Preprocessor { height, width, .. } = *model.preprocess();
    let size = match arguments.size {
        Some(Size(size)) => size,
        None if model.signature().input.takes_decoded_image => model::ANY_PHOTO,
        None => [height, width],
    };
    if let Some(folder) = &arguments.logdir {
        let path = model.network().write_event_file(folder, size)?;
        messages.note(&format_args!("{} is in {}", model.name(), path.display()));
        if arguments.format.is_none() && arguments.out.is_none() {
            return Ok(Outcome::Done);
        }
    }
    let summary = model.network().summary(size, arguments.depth.map(usize::from))?;
    let drawing = match arguments.format.unwrap_or(DiagramFormat::Text) {
        DiagramFormat::Text => diagram::text(&summary),
        DiagramFormat::Dot => diagram::dot(&summary),
        DiagramFormat::Svg => diagram::svg(&summary),
    };
    match &arguments.out {
        Some(path) => write_atomically(path, drawing.as_bytes())
            .with_context(|| format!("{}: cannot be written", path.display()))?,
        None => write_report(|out| out.write_all(drawing.as_bytes()))?,
    }
    Ok(Outcome::Done)
}

/// The network; one of TF-Slim's that is not installed is drawn with random weights.
fn open(arguments: &Arguments, global: &Global, messages: Messages) -> Result<Model> {
    let options =
        ModelOptions { size: arguments.size.map(|Size(size)| size), ..global.model_options()? };
    let named = arguments.named.as_deref();
    let name = named.or(global.model.as_deref()).and_then(|name| name.to_str()).unwrap_or_default();
    if zoo::find(name).is_ok() && !model::is_available(name) {
        return model::with_random_weights(named, global, &options);
    }
    model::open(named, global, &options, messages)
}
