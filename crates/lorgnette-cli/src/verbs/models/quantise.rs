//! `lorgnette models quantise`: writes a model of int8, as a TensorFlow Lite, ONNX or plan file.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use lorgnette::net::quantize::RangeRule;
use lorgnette::net::write_atomically;
use lorgnette::photos::{Walk, WalkOptions};
use lorgnette::quantize::{
    LayerQuantization, Quantization, QuantizationOptions, quantize, quantize_trained,
};
use lorgnette::{Model, ModelOptions, Picture};
use lorgnette_library::short_size;
use serde::Serialize;

use crate::Outcome;
use crate::arguments::{Global, InputArguments, ReportFormat};
use crate::messages::{Messages, count};
use crate::model;
use crate::progress::Progress;
use crate::stream::{write_json, write_report};
use crate::table::{Align, Fit, Table, width};

/// Write a model of int8, calibrated on photos
#[derive(Debug, Args)]
#[command(alias = "quantize", after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The network, as for --model
    #[arg(value_name = "MODEL")]
    named: Option<OsString>,

    /// Photos, or folders of photos, of the kind that the model is for: a hundred or more; not
    /// needed for graphs of quantisation-aware training, which have their ranges
    #[arg(long, value_name = "PHOTOS", num_args = 1..)]
    calibrate: Vec<PathBuf>,

    /// Where to write it: .tflite, .onnx (QDQ) or .plan (a plan file)
    #[arg(long, value_name = "FILE")]
    out: PathBuf,

    /// Maximum number of photos, evenly chosen from all
    #[arg(long, value_name = "N", default_value_t = 200)]
    max_photos: usize,

    /// Ranges of activations: whole, error (least squared error), or a percentile such as 99.99;
    /// default: as is best of these
    #[arg(long, value_name = "RULE")]
    ranges: Option<Ranges>,

    /// A layer that computes with floats, by the name of its result
    #[arg(long, value_name = "LAYER")]
    keep_float: Vec<String>,

    /// Keep layers in float until the best class is the original's for this share of the photos
    #[arg(long, value_name = "SHARE", default_value_t = 0.98)]
    min_agreement: f64,

    /// Use random weights: M is the name of one of TF-Slim's networks, and no file is needed
    #[arg(long)]
    random_weights: bool,

    /// List all layers, with the signal-to-noise ratio of each
    #[arg(long)]
    explain: bool,

    /// Also write the ranges of activations as text: a name, the smallest and the largest number,
    /// and the means of channels a line
    #[arg(long, value_name = "FILE")]
    write_ranges: Option<PathBuf>,

    /// How to write the figures
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    format: ReportFormat,

    #[command(flatten)]
    input: InputArguments,
}

const EXAMPLES: &str = "\
Weights have a scale for each output channel, activations one for all channels.
A .tflite file is read by LiteRT (TensorFlow Lite) and by Lorgnette, to the same
bytes. An .onnx file has QuantizeLinear and DequantizeLinear around each operator,
and ONNX Runtime computes it with integers, up to its rounding. A .plan file is
Lorgnette's own, for this machine, and starts at once.

Examples:
  lorgnette models quantise --calibrate photos --out mobilenet_v1_int8.tflite
  lorgnette models quantise resnet_v1_50.ckpt --calibrate photos holidays \\
      --out resnet.tflite --explain
  lorgnette models quantise vgg_16.ckpt --calibrate photos --out vgg_16.plan";

/// The format of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    TensorFlowLite,
    Onnx,
    Plan,
}

impl Format {
    /// Returns the format that a file's name ends in.
    fn from_path(path: &Path) -> Result<Self> {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("tflite") => Ok(Self::TensorFlowLite),
            Some("onnx") => Ok(Self::Onnx),
            Some("plan") => Ok(Self::Plan),
            _ => bail!(
                "{}: what is it to be? End the name in .tflite, .onnx or .plan",
                path.display()
            ),
        }
    }
}

/// A rule for ranges.
#[derive(Clone, Copy, Debug)]
struct Ranges(RangeRule);

impl FromStr for Ranges {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let rule = match text {
            "whole" => RangeRule::Whole,
            "error" => RangeRule::LeastError,
            number => match number.parse() {
                Ok(percentile) if (50.0..=100.0).contains(&percentile) => {
                    RangeRule::Percentile(percentile)
                }
                _ => return Err("expected whole, error, or a percentile from 50 to 100".into()),
            },
        };
        Ok(Self(rule))
    }
}

/// Quantises the model.
pub(crate) fn run(arguments: &Arguments, global: &Global, messages: Messages) -> Result<Outcome> {
    let format = Format::from_path(&arguments.out)?;
    ensure!(
        (0.0..=1.0).contains(&arguments.min_agreement),
        "--min-agreement is a share from 0 to 1"
    );
    let named = arguments.named.as_deref();
    let input = &arguments.input;
    let model = if arguments.random_weights {
        model::with_random_weights(named, global, &input.add_to(global.model_options()?))?
    } else {
        model::open_for_photos_by_name(named, input, global, messages)?
    };
    let mut failed = 0;
    let quantization = match quantize_trained(&model)? {
        Some(quantization) => {
            let has_choice = arguments.ranges.is_some() || arguments.write_ranges.is_some();
            ensure!(
                arguments.keep_float.is_empty() && !has_choice,
                "{}: its ranges are those of quantisation-aware training: leave out --keep-float, \
                 --ranges and --write-ranges",
                model.name()
            );
            if !arguments.calibrate.is_empty() {
                messages.note(&"the ranges are those in the graph, not of the photos");
            }
            quantization
        }
        None => {
            ensure!(
                !arguments.calibrate.is_empty(),
                "{}: it has no ranges of quantisation-aware training: give photos, \
                 --calibrate PHOTOS",
                model.name()
            );
            let Calibration { pictures, failed: unread } = pictures(arguments, messages)?;
            failed = unread;
            calibrated(arguments, &model, &pictures, messages)?
        }
    };
    check_names(arguments, &quantization)?;
    let bytes = write_model(arguments, format, &model, &quantization, global)?;
    if let Some(ranges) = &arguments.write_ranges {
        write(ranges, quantization.ranges.as_bytes())?;
    }
    let report = Report::new(&quantization, bytes);
    match arguments.format {
        ReportFormat::Json => write_report(|out| write_json(out, &report))?,
        ReportFormat::Text => {
            write_report(|out| {
                write_text(out, &quantization, arguments.explain)?;
                writeln!(out, "{}", short_size(bytes))
            })?;
        }
    }
    if quantization.best_agreement < arguments.min_agreement {
        messages.note(&format_args!(
            "the best class is the original's for {:.1} % of the photos, which is below {:.1} %: \
             calibrate with more photos of the kind that the model is for",
            100.0 * quantization.best_agreement,
            100.0 * arguments.min_agreement
        ));
    }
    Ok(Outcome::of_inputs(quantization.photos + failed, failed))
}

/// Quantises a model with ranges that are calibrated on the photos.
fn calibrated(
    arguments: &Arguments,
    model: &Model,
    pictures: &[Picture],
    messages: Messages,
) -> Result<Quantization> {
    let mut options = QuantizationOptions::default();
    options.range = arguments.ranges.map(|Ranges(rule)| rule);
    options.keep_float = arguments.keep_float.iter().cloned().collect::<BTreeSet<_>>();
    options.min_agreement = arguments.min_agreement;
    let mut bar: Option<Progress> = None;
    let mut observer = |progress: &lorgnette::Progress| {
        let bar = bar.get_or_insert_with(|| Progress::new(progress.total, "steps", messages));
        bar.set_position(progress.done);
        ControlFlow::Continue(())
    };
    let quantization = quantize(model, pictures, &options, &mut observer)?;
    drop(bar);
    Ok(quantization)
}

/// Writes the quantised model and returns the length of its file.
fn write_model(
    arguments: &Arguments,
    format: Format,
    model: &Model,
    quantization: &Quantization,
    global: &Global,
) -> Result<u64> {
    let path = &arguments.out;
    let ModelOptions { threads, level, memory_limit, .. } = global.model_options()?;
    let options = ModelOptions { threads, level, memory_limit, ..ModelOptions::default() };
    let name = format!("{}.tflite", model.name());
    let quantized = || Model::from_bytes(quantization.bytes.clone(), &name, &options);
    match format {
        Format::TensorFlowLite => write(path, &quantization.bytes)?,
        Format::Plan => quantized()?.write_plan_file(path)?,
        Format::Onnx => quantized()?.write_onnx(path)?,
    }
    Ok(path.metadata()?.len())
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    write_atomically(path, bytes).with_context(|| format!("{}: cannot be written", path.display()))
}

/// The photos to calibrate with.
struct Calibration {
    pictures: Vec<Picture>,
    /// Number of photos that cannot be opened.
    failed: usize,
}

/// Opens the photos. Those that fail are left out, with a message each.
fn pictures(arguments: &Arguments, messages: Messages) -> Result<Calibration> {
    let walk = Walk::new(&arguments.calibrate, &WalkOptions::default());
    for entry in &walk.entries {
        if let Some(error) = entry.error() {
            bail!("{}: {error}", entry.path.display());
        }
    }
    let paths: Vec<_> = walk.photos().collect();
    let taken = paths.len().min(arguments.max_photos);
    ensure!(taken > 0, "there are no photos to calibrate with");
    let mut pictures = Vec::with_capacity(taken);
    for i in 0..taken {
        let path = paths[i * paths.len() / taken];
        match Picture::open(path) {
            Ok(picture) => pictures.push(picture),
            Err(error) => messages.error(&error),
        }
    }
    ensure!(!pictures.is_empty(), "no photo to calibrate with can be opened");
    messages.detail(&format_args!("calibrating with {}", count(pictures.len(), "photo")));
    let failed = taken - pictures.len();
    Ok(Calibration { pictures, failed })
}

/// Checks that there are layers of the names that the user gave.
fn check_names(arguments: &Arguments, quantization: &Quantization) -> Result<()> {
    let names = &quantization.layers;
    for name in &arguments.keep_float {
        ensure!(
            names.iter().any(|layer| layer.name == *name),
            "there is no layer '{name}': --explain lists them"
        );
    }
    Ok(())
}

/// The figures as JSON.
#[derive(Debug, Serialize)]
struct Report<'a> {
    bytes: u64,
    ranges: String,
    equalized: bool,
    photos: usize,
    /// `None` without photos.
    best_agreement: Option<f64>,
    five_best_agreement: Option<f64>,
    float_layers: Vec<&'a str>,
    layers: Vec<Layer<'a>>,
}

#[derive(Debug, Serialize)]
struct Layer<'a> {
    name: &'a str,
    operator: &'a str,
    float: bool,
    /// `None` without an error.
    signal_to_noise_db: Option<f64>,
}

impl<'a> Report<'a> {
    fn new(quantization: &'a Quantization, bytes: u64) -> Self {
        let layer = |layer: &'a LayerQuantization| Layer {
            name: &layer.name,
            operator: layer.operator,
            float: layer.is_float,
            signal_to_noise_db: Some(layer.signal_to_noise).filter(|ratio| ratio.is_finite()),
        };
        Self {
            bytes,
            ranges: rule_text(quantization),
            equalized: quantization.is_equalized,
            photos: quantization.photos,
            best_agreement: Some(quantization.best_agreement).filter(|_| quantization.photos > 0),
            five_best_agreement: Some(quantization.five_best_agreement)
                .filter(|_| quantization.photos > 0),
            float_layers: float_layers(quantization),
            layers: quantization.layers.iter().map(layer).collect(),
        }
    }
}

fn rule_text(quantization: &Quantization) -> String {
    quantization.range.map_or_else(|| "as trained".to_owned(), |rule| rule.to_string())
}

/// The layers with weights that compute with floats.
fn float_layers(quantization: &Quantization) -> Vec<&str> {
    let layers = quantization.layers.iter().filter(|layer| layer.is_float);
    layers.map(|layer| layer.name.as_str()).collect()
}

fn write_text(out: &mut dyn Write, quantization: &Quantization, explain: bool) -> io::Result<()> {
    if explain {
        write_layers(out, quantization)?;
        writeln!(out)?;
        for trial in &quantization.tried {
            let equalized = if trial.is_equalized { ", equalised" } else { "" };
            writeln!(out, "tried: {}{equalized}: {:.1} dB", trial.range, trial.signal_to_noise)?;
        }
    }
    let equalized = if quantization.is_equalized { ", channels equalised" } else { "" };
    writeln!(out, "ranges: {}{equalized}", rule_text(quantization))?;
    let float = float_layers(quantization);
    match float.as_slice() {
        [] => writeln!(out, "kept in float: nothing")?,
        names => writeln!(out, "kept in float: {}", names.join(", "))?,
    }
    if quantization.photos == 0 {
        return Ok(());
    }
    writeln!(
        out,
        "of {}: best class the same in {:.1} %, five best classes in {:.1} %",
        count(quantization.photos, "photo"),
        100.0 * quantization.best_agreement,
        100.0 * quantization.five_best_agreement
    )
}

fn write_layers(out: &mut dyn Write, quantization: &Quantization) -> io::Result<()> {
    let columns = [
        ("layer", Align::Left),
        ("operator", Align::Left),
        ("dB", Align::Right),
        ("", Align::Left),
    ];
    let mut table = Table::new(&columns);
    for layer in &quantization.layers {
        let ratio = match layer.signal_to_noise {
            ratio if ratio.is_finite() => format!("{ratio:.1}"),
            ratio if ratio.is_nan() => String::new(),
            _ => "exact".to_owned(),
        };
        let float = if layer.is_float { "float" } else { "" };
        table.row(vec![layer.name.clone(), layer.operator.to_owned(), ratio, float.to_owned()]);
    }
    table.write(out, Fit { width: width(), elastic: 0, droppable: &[] })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_names_or_percentiles() {
        let rule = |text: &str| text.parse().map(|Ranges(rule)| rule);
        assert_eq!(rule("whole"), Ok(RangeRule::Whole));
        assert_eq!(rule("error"), Ok(RangeRule::LeastError));
        assert_eq!(rule("99.9"), Ok(RangeRule::Percentile(99.9)));
        assert!(rule("7").is_err() && rule("half").is_err());
    }
}
