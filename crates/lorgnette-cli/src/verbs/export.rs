//! `lorgnette export`: a model for other programs.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum};
use lorgnette::{Labels, Model, ModelOptions};

use crate::Outcome;
use crate::arguments::{Global, Size};
use crate::messages::Messages;
use crate::model;

/// Write a model for TensorFlow or ONNX Runtime, with its labels
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The model, as for --model
    #[arg(value_name = "MODEL")]
    named: OsString,

    /// The form
    #[arg(long, value_enum)]
    to: ModelFormat,

    /// The file, or a folder for it; labels.txt goes beside it
    #[arg(long, value_name = "OUT")]
    out: PathBuf,

    /// Rows and columns of the input
    #[arg(long, value_name = "N|HxW")]
    size: Option<Size>,

    /// Use made-up weights: MODEL is the name of one of TF-Slim's networks, of which no file is
    /// needed
    #[arg(long)]
    random_weights: bool,

    /// Replace a labels.txt that says something else
    #[arg(long)]
    force: bool,
}

const EXAMPLES: &str = "\
A frozen graph and an ONNX file take pictures as TensorFlow does, [batch, rows,
columns, channels], prepared as `lorgnette models show MODEL` says, and give
scores and probabilities under the names that the network's own graph has; of
models that `lorgnette train` made, these are final_result. A checkpoint is of
version 2.

Examples:
  lorgnette export flowers.model --to frozen --out exported/
      exported/flowers.pb and exported/labels.txt
  lorgnette export flowers.model --to onnx --out flowers.onnx
  lorgnette export vgg_16.ckpt --to checkpoint --out again/vgg_16.ckpt";

/// File format of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ModelFormat {
    // A GraphDef whose variables are constants.
    Frozen,
    // A V2 checkpoint.
    Checkpoint,
    // Operator set 18.
    Onnx,
}

/// Name of the labels' file, as in retrain.py.
const LABELS: &str = "labels.txt";

impl ModelFormat {
    fn extension(self) -> &'static str {
        match self {
            Self::Frozen => "pb",
            Self::Checkpoint => "ckpt",
            Self::Onnx => "onnx",
        }
    }
}

/// Exports.
pub(crate) fn run(arguments: &Arguments, global: &Global, messages: Messages) -> Result<Outcome> {
    let options =
        ModelOptions { size: arguments.size.map(|Size(size)| size), ..global.model_options()? };
    let named = Some(arguments.named.as_os_str());
    let model = match arguments.random_weights {
        true => model::with_random_weights(named, global, &options)?,
        false => model::open(named, global, &options, messages)?,
    };
    let file = file(&arguments.out, arguments.to, &model)?;
    let labels = file.with_file_name(LABELS);
    if !model.labels().is_empty() {
        write_labels(&labels, model.labels(), arguments.force)?;
    }
    match arguments.to {
        ModelFormat::Frozen => model.write_frozen(&file)?,
        ModelFormat::Checkpoint => model.write_checkpoint(&file)?,
        ModelFormat::Onnx => model.write_onnx(&file)?,
    }
    messages.detail(&format_args!("{} written to {}", model.name(), file.display()));
    Ok(Outcome::Done)
}

/// Returns the path of the file, and makes its folder.
fn file(out: &Path, format: ModelFormat, model: &Model) -> Result<PathBuf> {
    let file = match out.extension() {
        None => out.join(format!("{}.{}", model.name(), format.extension())),
        Some(_) if out.is_dir() => out.join(format!("{}.{}", model.name(), format.extension())),
        Some(extension) if extension == format.extension() => out.to_owned(),
        Some(_) => {
            bail!("{}: end the name in .{}, or name a folder", out.display(), format.extension())
        }
    };
    if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder)
            .with_context(|| format!("{}: the folder cannot be made", folder.display()))?;
    }
    Ok(file)
}

/// Writes the labels, but not over those of another model.
fn write_labels(path: &Path, labels: &Labels, force: bool) -> Result<()> {
    let text = labels.to_text(&path.display().to_string())?;
    match fs::read_to_string(path) {
        Ok(other) if other != text && !force => {
            bail!(
                "{}: there are other labels already: choose another folder, or say --force",
                path.display()
            )
        }
        _ => {
            fs::write(path, text).with_context(|| format!("{}: cannot be written", path.display()))
        }
    }
}
