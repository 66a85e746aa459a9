//! `lorgnette models convert`: writes a model in another format.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use lorgnette::{Model, ModelOptions};

use crate::Outcome;
use crate::arguments::{Global, NetworkArguments, Size};
use crate::messages::{Messages, count};
use crate::model;

/// Write a model as a frozen graph, a checkpoint or a plan file
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    network: NetworkArguments,

    /// Where to write it: .pb for a graph, .ckpt for a checkpoint (the name its files begin with),
    /// .plan for a plan file
    #[arg(long, value_name = "FILE")]
    out: PathBuf,

    /// The format, if FILE's extension does not determine it
    #[arg(long, value_enum)]
    to: Option<ModelFormat>,

    /// Rows and columns of a graph's input
    #[arg(long, value_name = "N|HxW")]
    size: Option<Size>,
}

const EXAMPLES: &str = "\
A graph (.pb) is frozen: TensorFlow runs it to the same numbers. A checkpoint
(.ckpt) is of version 2, as TensorFlow's saver writes it; it has variables only,
and of graphs that are none of TF-Slim's networks what is lost is said, with
exit code 1. A plan file (.plan) is Lorgnette's own: its weights lie as this
machine's kernels want them, so it starts at once; it is made anew when the
model or the program changes. Names of classes go along, in NAME.labels.txt.

Examples:
  lorgnette models convert vgg_16.ckpt --out vgg_16.pb
  lorgnette models convert mobilenet_v1_1.0_224_frozen.pb \\
      --out mobilenet_v1.ckpt
  lorgnette models convert inception_v3.tar.gz --out inception_v3.plan";

/// Output formats of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ModelFormat {
    // A frozen GraphDef.
    #[value(alias = "frozen")]
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
    let model = model::open_or_make(&arguments.network, global, &options, messages)?;
    let is_index = arguments.out.extension().is_some_and(|extension| extension == "index");
    let out = if is_index { &arguments.out.with_extension("") } else { &arguments.out };
    let written = match format {
        ModelFormat::Graph => model.write_frozen(out),
        ModelFormat::Checkpoint => model.write_checkpoint(out),
        ModelFormat::Plan => model.write_plan_file(out),
    };
    if let Err(error) = written {
        let model_ref = global.model_ref(arguments.network.named.as_deref())?;
        return Err(model::with_file(error, &model_ref));
    }
    messages.detail(&format_args!("{} written to {}", model.name(), out.display()));
    if model.has_own_names() {
        let labels = model.write_labels(out, true)?;
        messages.note(&format_args!("the names of its classes are in {}", labels.display()));
    }
    let lost = match format {
        ModelFormat::Checkpoint => lost_in_checkpoint(&model, out, global)?,
        ModelFormat::Graph | ModelFormat::Plan => None,
    };
    Ok(match lost {
        Some(what) => {
            messages.error(&format_args!("{}: written, but {what}", out.display()));
            Outcome::SomeFailed
        }
        None => Outcome::Done,
    })
}

/// Returns what of a model its checkpoint does not have, found by opening that; `None` if it is the
/// same model.
fn lost_in_checkpoint(model: &Model, prefix: &Path, global: &Global) -> Result<Option<String>> {
    let defaults = ModelOptions::default();
    let options = ModelOptions { model_store: global.model_options()?.model_store, ..defaults };
    let again = Model::open(prefix, &options).ok();
    // Another is only a model with a graph that lies in its folder.
    let Some(again) = again.filter(|again| again.network().net().is_some()) else {
        let what = "it has the variables alone, and this graph is none of TF-Slim's networks: only \
                    with the graph is it a model; a graph (.pb) has everything";
        return Ok(Some(what.into()));
    };
    let classes = |model: &Model| model.classifies().then(|| model.labels().len());
    let what = |classes: Option<usize>| match classes {
        Some(classes) => format!("tells {} apart", count(classes, "class")),
        None => "gives features".into(),
    };
    let (before, after) = (classes(model), classes(&again));
    Ok((before != after).then(|| {
        format!(
            "its classification layer is lost: opened again it is {}, which {}, where {} {}; a \
             graph (.pb) has everything",
            again.name(),
            what(after),
            model.name(),
            what(before)
        )
    }))
}
