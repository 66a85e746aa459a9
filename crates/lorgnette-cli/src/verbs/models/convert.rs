//! `lorgnette models convert`: writes a model in another format.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use lorgnette::ModelOptions;

use crate::Outcome;
use crate::arguments::{Global, Size};
use crate::messages::Messages;
use crate::model;

/// Write a model as a frozen graph, a checkpoint or a plan file
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The network, as for --model
    #[arg(value_name = "M")]
    named: Option<OsString>,

    /// Where to write it: .pb for a graph, .ckpt for a checkpoint (the name its files begin with),
    /// .plan for a plan file
    #[arg(long, value_name = "FILE")]
    out: PathBuf,

    /// The format, if FILE's extension does not determine it
    #[arg(long, value_enum)]
    to: Option<ModelFormat>,

    /// Use random weights: M is the name of one of TF-Slim's networks, and no file is needed
    #[arg(long)]
    random_weights: bool,

    /// Rows and columns of a graph's input
    #[arg(long, value_name = "N|HxW")]
    size: Option<Size>,
}

const EXAMPLES: &str = "\
A graph (.pb) is frozen: TensorFlow runs it to the same numbers. A checkpoint
(.ckpt) is of version 2, as TensorFlow's saver writes it. A plan file (.plan) is
Lorgnette's own: its weights lie as this machine's kernels want them, so it
starts at once; it is made anew when the model or the program changes.

Examples:
  lorgnette models convert vgg_16.ckpt --out vgg_16.pb
  lorgnette models convert mobilenet_v1_1.0_224_frozen.pb \\
      --out mobilenet_v1.ckpt
  lorgnette models convert inception_v3.tar.gz --out inception_v3.plan";

/// Output formats of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ModelFormat {
    // A frozen GraphDef.
    Graph,
    // A V2 checkpoint.
    Checkpoint,
    // A plan file.
    Plan,
}

impl ModelFormat {
    fn from_path(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()? {
            "pb" => Some(Self::Graph),
            "ckpt" | "index" => Some(Self::Checkpoint),
            "plan" => Some(Self::Plan),
            _ => None,
        }
    }
}

/// Converts the model.
pub(crate) fn run(arguments: &Arguments, global: &Global, messages: Messages) -> Result<Outcome> {
    let Some(format) = arguments.to.or_else(|| ModelFormat::from_path(&arguments.out)) else {
        bail!(
            "{}: what is it to be? End it in .pb, .ckpt or .plan, or say --to",
            arguments.out.display()
        );
    };
    let options =
        ModelOptions { size: arguments.size.map(|Size(size)| size), ..global.model_options()? };
    let named = arguments.named.as_deref();
    let model = match arguments.random_weights {
        true => model::with_random_weights(named, global, &options)?,
        false => model::open(named, global, &options, messages)?,
    };
    let out = &arguments.out;
    match format {
        ModelFormat::Graph => model.write_frozen(out)?,
        ModelFormat::Checkpoint
            if out.extension().is_some_and(|extension| extension == "index") =>
        {
            model.write_checkpoint(&out.with_extension(""))?;
        }
        ModelFormat::Checkpoint => model.write_checkpoint(out)?,
        ModelFormat::Plan => model.write_plan_file(out)?,
    }
    messages.detail(&format_args!("{} written to {}", model.name(), out.display()));
    Ok(Outcome::Done)
}
