//! `lorgnette export`: a model for other programs.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, ValueEnum};
use lorgnette::ModelOptions;
use lorgnette::export::ExportFormat;

use crate::Outcome;
use crate::arguments::{Global, NetworkArguments, Size};
use crate::messages::Messages;
use crate::model;

/// Write a model for TensorFlow or ONNX Runtime, with its labels
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    network: NetworkArguments,

    /// The form
    #[arg(long, value_enum)]
    to: ModelFormat,

    /// The file, or a folder for it; the labels go beside it, in NAME.labels.txt
    #[arg(long, value_name = "OUT")]
    out: PathBuf,

    /// Rows and columns of the input
    #[arg(long, value_name = "N|HxW")]
    size: Option<Size>,

    /// Replace labels beside it that say something else
    #[arg(long, visible_alias = "force")]
    overwrite: bool,
}

const EXAMPLES: &str = "\
A frozen graph and an ONNX file take pictures as TensorFlow does, [batch, rows,
columns, channels], prepared as `lorgnette models show MODEL` says, and give
scores and probabilities under the names that the network's own graph has; of
models that `lorgnette train` made, these are final_result. A checkpoint is of
version 2.

Examples:
  lorgnette export flowers.model --to graph --out exported/
      exported/flowers.pb and exported/flowers.labels.txt
  lorgnette export flowers.model --to onnx --out flowers.onnx
  lorgnette export vgg_16.ckpt --to checkpoint --out again/vgg_16.ckpt";

/// File format of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ModelFormat {
    // A frozen GraphDef: its variables are constants.
    #[value(alias = "frozen")]
    Graph,
    // A V2 checkpoint.
    Checkpoint,
    // Operator set 18.
    Onnx,
}

impl From<ModelFormat> for ExportFormat {
    fn from(format: ModelFormat) -> Self {
        match format {
            ModelFormat::Graph => Self::Frozen,
            ModelFormat::Checkpoint => Self::Checkpoint,
            ModelFormat::Onnx => Self::Onnx,
        }
    }
}

/// Exports.
pub(crate) fn run(arguments: &Arguments, global: &Global, messages: Messages) -> Result<Outcome> {
    let options =
        ModelOptions { size: arguments.size.map(|Size(size)| size), ..global.model_options()? };
    let model = model::open_or_make(&arguments.network, global, &options, messages)?;
    let file = model.export(&arguments.out, arguments.to.into(), arguments.overwrite)?;
    messages.detail(&format_args!("{} written to {}", model.name(), file.display()));
    Ok(Outcome::Done)
}
