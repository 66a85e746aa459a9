//! Options that several verbs have, and their values.

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context as _, Result, bail, ensure};
use clap::builder::{OsStringValueParser, PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};
use lorgnette::dataset::{self, ListingOptions};
use lorgnette::kernels::{IntegerEpilogue, Level, NumericOptions, Precision, WeightFormat};
use lorgnette::net::zoo::ZooOptions;
use lorgnette::photos::Exclusion;
use lorgnette::picture::OpenOptions;
use lorgnette::preprocess::{ChannelOrder, Preprocessing};
use lorgnette::{ModelOptions, ModelRef, ModelStore};

use crate::messages::Messages;

/// The environment variable that replaces `--model`.
const MODEL_VARIABLE: &str = "LORGNETTE_MODEL";
/// Maximum of `--threads`.
const MAX_THREADS: i64 = 1024;
/// Minimum of `--memory-limit`, in MiB.
const MIN_MEMORY: i64 = 64;
/// Maximum memory of the activations of one photo where no limit is given, in MiB.
const MAX_ACTIVATIONS: u32 = 8192;
/// The environment variable that stands in for `--level`.
const LEVEL_VARIABLE: &str = "LORGNETTE_LEVEL";

/// The environment variable that stands in for `--library`.
const LIBRARY_VARIABLE: &str = "LORGNETTE_LIBRARY";
/// The file in the model home that is the library where none is named.
const DEFAULT_LIBRARY: &str = "photos.lgn";

/// Options of every verb.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Options of every verb")]
pub(crate) struct Global {
    /// A model's name, or a path: graph (.pb, .meta, .tflite), SavedModel, Keras (.keras, .h5),
    /// TF-Slim checkpoint, ONNX, plan file, trained model, a folder or archive of these [default:
    /// $LORGNETTE_MODEL, else mobilenet_v1_1.0_224]
    #[arg(long, global = true, value_name = "M")]
    pub(crate) model: Option<OsString>,

    /// The input node, where the graph has several candidates
    #[arg(long, global = true, value_name = "NODE")]
    pub(crate) input: Option<String>,

    /// The output node, where the graph has several candidates
    #[arg(long, global = true, value_name = "NODE")]
    pub(crate) output: Option<String>,

    /// The TF-Slim network that a checkpoint is of [default: recognised]
    #[arg(long, global = true, value_name = "NET")]
    pub(crate) net: Option<String>,

    /// An option of that network, by TF-Slim's name, such as output_stride=16; may be given several
    /// times
    #[arg(long, global = true, value_name = "NAME=VALUE")]
    pub(crate) net_option: Vec<String>,

    /// The checkpoint with the variables of a graph that is not frozen [default: the one beside it]
    #[arg(long, global = true, value_name = "PATH")]
    pub(crate) checkpoint: Option<PathBuf>,

    /// The signature of a SavedModel [default: serving_default]
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) signature: Option<String>,

    /// Use a checkpoint's weights, not their exponential moving averages
    #[arg(long, global = true)]
    pub(crate) no_ema: bool,

    /// Threads; answers do not depend on it [default: all cores]
    #[arg(long, global = true, value_name = "N", value_parser = thread_count())]
    pub(crate) threads: Option<u16>,

    /// Instruction set; amx = AVX-512 and AMX tiles [default: $LORGNETTE_LEVEL, else the best of
    /// this CPU]
    #[arg(long, global = true, value_parser = levels())]
    pub(crate) level: Option<Level>,

    /// Arithmetic: float32, bf16 (less exact; faster on CPUs with AVX-512 BF16), auto (bf16 where
    /// it saves a quarter of a layer's time; depends on the CPU), or int8 (the embedded network,
    /// which then keeps the best class of 101 photos of 101 and 94 % of the five best; others are
    /// quantised by `models quantise`) [default: float32; of `index` with the embedded network:
    /// auto]
    #[arg(long, global = true, value_name = "FORMAT", value_parser = arithmetics())]
    precision: Option<Arithmetic>,

    /// Storage of fully connected weights: float32, bf16, f16 or int8; all but float32 are less
    /// exact
    #[arg(long, global = true, value_name = "FORMAT", value_parser = weight_formats())]
    #[arg(default_value = WeightFormat::Float32.name())]
    weights: WeightFormat,

    /// Rounding of quantised networks: tflite (as TensorFlow Lite's reference kernels) or xnnpack
    /// (as LiteRT rounds by default on x86)
    #[arg(long, global = true, value_name = "NAME", value_parser = epilogues())]
    #[arg(default_value = IntegerEpilogue::TfLite.name())]
    epilogue: IntegerEpilogue,

    /// Maximum memory of the program, all threads together [default: half of the machine's, at
    /// least 8192]
    #[arg(long, global = true, value_name = "MIB", value_parser = memory_limit())]
    pub(crate) memory_limit: Option<u32>,

    /// Print errors only; no progress bar
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,

    /// Print more, on standard error
    #[arg(long, short, global = true, conflicts_with = "quiet")]
    pub(crate) verbose: bool,
}

impl Global {
    /// Converts these options to the library's.
    pub(crate) fn model_options(&self) -> Result<ModelOptions> {
        let arithmetic = self.precision.unwrap_or(Arithmetic::Real(Precision::Float32));
        Ok(ModelOptions {
            threads: self.threads.map(usize::from),
            level: self.level()?,
            numerics: NumericOptions {
                compute: arithmetic.compute(),
                weight_storage: self.weights,
                epilogue: self.epilogue,
            },
            integers: arithmetic == Arithmetic::Integers,
            input: self.input.clone(),
            output: self.output.clone(),
            memory_limit: u64::from(self.memory_limit.unwrap_or(MAX_ACTIVATIONS)) << 20,
            net: self.net.clone(),
            zoo: self.zoo_options()?,
            checkpoint: self.checkpoint.clone(),
            signature: self.signature.clone(),
            no_ema: self.no_ema,
            model_store: ModelStore::from_env(),
            ..ModelOptions::default()
        })
    }

    /// These options for the photos of a library, of which there are many: the embedded network
    /// multiplies bf16 where the CPU is faster so, unless there is a precision.
    pub(crate) fn for_library(&self) -> Self {
        let is_embedded = matches!(self.model_ref(None), Ok(ModelRef::Embedded));
        let auto = is_embedded.then_some(Arithmetic::Real(Precision::Auto));
        Self { precision: self.precision.or(auto), ..self.clone() }
    }

    /// Resolves the verb's argument `named`, else `--model`, else the environment's model.
    pub(crate) fn model_ref(&self, named: Option<&OsStr>) -> Result<ModelRef> {
        let variable = env::var_os(MODEL_VARIABLE).filter(|name| !name.is_empty());
        let name = match (named, &self.model) {
            (Some(named), Some(model)) if named != model => {
                bail!("two networks are named, '{}' and '{}'", named.display(), model.display())
            }
            (Some(named), _) => Some(named.to_owned()),
            (None, model) => model.clone().or(variable),
        };
        Ok(name.map_or(Ok(ModelRef::Embedded), ModelRef::parse)?)
    }

    fn zoo_options(&self) -> Result<ZooOptions> {
        let mut options = ZooOptions::default();
        for option in &self.net_option {
            options.set(option).with_context(|| format!("--net-option {option}"))?;
        }
        Ok(options)
    }

    /// Returns the level of the option or the environment, if this CPU has it.
    fn level(&self) -> Result<Option<Level>> {
        let level = match (self.level, env::var(LEVEL_VARIABLE)) {
            (Some(level), _) => level,
            (None, Ok(name)) if !name.is_empty() => name.parse().context(LEVEL_VARIABLE)?,
            _ => return Ok(None),
        };
        let available: Vec<&str> = Level::available().into_iter().map(Level::name).collect();
        let why = level
            .unavailable_reason()
            .map_or_else(|| format!("this CPU has no {level}"), |why| format!("{level}: {why}"));
        ensure!(level.is_available(), "{why}: choose one of {}", available.join(", "));
        Ok(Some(level))
    }
}

fn thread_count() -> impl clap::builder::TypedValueParser<Value = u16> {
    clap::value_parser!(u16).range(1..=MAX_THREADS)
}

fn memory_limit() -> impl clap::builder::TypedValueParser<Value = u32> {
    clap::value_parser!(u32).range(MIN_MEMORY..)
}

fn levels() -> impl clap::builder::TypedValueParser<Value = Level> {
    PossibleValuesParser::new(Level::ALL.map(Level::name)).try_map(|name| name.parse::<Level>())
}

/// The arithmetic of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Arithmetic {
    Real(Precision),
    /// 8-bit integers.
    Integers,
}

impl Arithmetic {
    /// The name of 8-bit integers.
    const INTEGERS: &str = "int8";

    /// Returns the precision of what is computed with real numbers.
    fn compute(self) -> Precision {
        match self {
            Self::Real(precision) => precision,
            Self::Integers => Precision::Float32,
        }
    }
}

fn arithmetics() -> impl clap::builder::TypedValueParser<Value = Arithmetic> {
    let names = Precision::ALL.map(precision_value);
    let names = names.into_iter().chain([PossibleValue::new(Arithmetic::INTEGERS)]);
    PossibleValuesParser::new(names).try_map(|name| match name.as_str() {
        "f32" => Ok(Arithmetic::Real(Precision::Float32)),
        Arithmetic::INTEGERS => Ok(Arithmetic::Integers),
        name => name.parse::<Precision>().map(Arithmetic::Real),
    })
}

fn precision_value(precision: Precision) -> PossibleValue {
    let value = PossibleValue::new(precision.name());
    if precision == Precision::Float32 { value.alias("f32") } else { value }
}

fn weight_formats() -> impl clap::builder::TypedValueParser<Value = WeightFormat> {
    PossibleValuesParser::new(WeightFormat::ALL.map(WeightFormat::name))
        .try_map(|name| name.parse::<WeightFormat>())
}

fn epilogues() -> impl clap::builder::TypedValueParser<Value = IntegerEpilogue> {
    PossibleValuesParser::new(IntegerEpilogue::ALL.map(IntegerEpilogue::name))
        .try_map(|name| name.parse::<IntegerEpilogue>())
}

/// Photos, and how they are opened.
#[derive(Debug, Args)]
pub(crate) struct PhotoArguments {
    /// Photos, folders of photos, patterns such as 'holidays/*.jpg', or - (standard input)
    #[arg(value_name = "PHOTO", required_unless_present = "files_from")]
    pub(crate) photos: Vec<PathBuf>,

    /// Also take the photos and folders listed in FILE, one per line (- for standard input)
    #[arg(long, value_name = "FILE")]
    pub(crate) files_from: Option<PathBuf>,

    /// Look into subfolders, hidden ones excepted (the default)
    #[arg(long, short, overrides_with = "no_recursive")]
    recursive: bool,

    /// Leave out subfolders
    #[arg(long)]
    no_recursive: bool,

    #[command(flatten)]
    exclusions: ExcludeArguments,

    /// Take photos as stored, as TensorFlow does, without applying EXIF orientation
    #[arg(long)]
    ignore_orientation: bool,

    /// Maximum pixels of a photo
    #[arg(long, value_name = "N", default_value_t = OpenOptions::default().max_pixels)]
    max_pixels: u64,
}

impl PhotoArguments {
    /// Returns the options for opening each photo.
    pub(crate) fn open_options(&self) -> OpenOptions {
        OpenOptions {
            ignore_orientation: self.ignore_orientation,
            max_pixels: self.max_pixels,
            ..OpenOptions::default()
        }
    }

    /// True if EXIF orientation is applied.
    pub(crate) fn turns_upright(&self) -> bool {
        !self.ignore_orientation
    }

    /// True if subfolders are searched.
    pub(crate) fn is_recursive(&self) -> bool {
        self.recursive || !self.no_recursive
    }

    /// Returns what is left out of folders.
    pub(crate) fn exclude(&self) -> Vec<Exclusion> {
        self.exclusions.exclude.clone()
    }
}

/// How the photos of a folder, a list or TFRecord files have their classes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Photos and their classes")]
pub(crate) struct DatasetArguments {
    /// Folders within a class's folder are classes of their own, or part of the class; else they
    /// are left out
    #[arg(long, value_enum, num_args = 0..=1, default_missing_value = "classes")]
    nested: Option<Nested>,

    /// Photos may have several labels: in a CSV file, or by lying in several folders
    #[arg(long)]
    pub(crate) multi_label: bool,

    /// The number of the first class in TFRecord files whose labels have no names, or names without
    /// numbers [default: told by the number of classes and the records' form]
    #[arg(long, value_name = "N")]
    first_label: Option<u32>,

    #[command(flatten)]
    exclusions: ExcludeArguments,
}

/// Meaning of folders within a class's folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Nested {
    // Called by their path, such as animals/cat.
    Classes,
    // Of the class they are in.
    Parts,
}

impl DatasetArguments {
    pub(crate) fn listing(&self) -> ListingOptions {
        let nested = match self.nested {
            None => dataset::Nested::Ignored,
            Some(Nested::Classes) => dataset::Nested::Classes,
            Some(Nested::Parts) => dataset::Nested::Parts,
        };
        ListingOptions {
            nested,
            multi_label: self.multi_label,
            exclude: self.exclusions.exclude.clone(),
            first_label: self.first_label,
        }
    }
}

/// Files and folders that are left out of folders.
#[derive(Debug, Args)]
pub(crate) struct ExcludeArguments {
    /// Leave out files and folders of this name, such as thumbs, '*.png' or 2024/raw; may be given
    /// several times
    #[arg(long, value_name = "PATTERN", value_parser = exclusion())]
    pub(crate) exclude: Vec<Exclusion>,
}

/// Parses a pattern, which need not be UTF-8.
fn exclusion() -> impl TypedValueParser<Value = Exclusion> {
    OsStringValueParser::new().map(|pattern| Exclusion::from(pattern.as_os_str()))
}

/// Preprocessing of photos, and names of classes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Preprocessing (default: as the model wants it)")]
pub(crate) struct InputArguments {
    /// Rows and columns of the network's input
    #[arg(long, value_name = "N|HxW")]
    size: Option<Size>,

    /// vgg, inception, inception_2015, lenet, cifarnet, none (0 to 255), unit (0 to 1), symmetric
    /// (-1 to 1), caffe or torch
    #[arg(long, value_name = "STYLE")]
    preprocess: Option<Preprocessing>,

    /// Order of the colour channels: rgb, or bgr as OpenCV and Caffe have it
    #[arg(long, value_name = "ORDER")]
    channels: Option<ChannelOrder>,

    /// Mean to subtract from red, green and blue, in levels of 0 to 255; or one for all
    #[arg(long, value_name = "R,G,B", allow_hyphen_values = true)]
    mean: Option<Mean>,

    /// Factor to multiply by after that
    #[arg(long, value_name = "F", allow_hyphen_values = true, value_parser = finite)]
    factor: Option<f32>,

    /// A file with the names of the classes, one per line
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
}

impl InputArguments {
    /// Adds these options to the options of every verb.
    pub(crate) fn add_to(&self, options: ModelOptions) -> ModelOptions {
        ModelOptions {
            size: self.size.map(|Size(size)| size),
            preprocess: self.preprocess,
            channels: self.channels,
            mean: self.mean.map(|Mean(mean)| mean),
            scale: self.factor,
            labels: self.labels.clone(),
            ..options
        }
    }
}

/// The size at which photos are decoded.
#[derive(Debug, Args)]
pub(crate) struct DecodeArguments {
    /// Decode JPEGs at full size, or reduced to 1/2, 1/4 or 1/8 where that leaves twice the rows
    /// and columns of the network's input. Faster for large photos; answers differ a little
    #[arg(long, value_enum, value_name = "SIZE", default_value_t = Decode::Full)]
    decode: Decode,
}

/// The size at which JPEGs are decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Decode {
    // Every pixel, as TensorFlow does.
    Full,
    // At least twice the rows and columns of the input.
    Reduced,
}

impl DecodeArguments {
    /// True if photos may be decoded at a reduced size.
    pub(crate) fn is_reduced(&self) -> bool {
        self.decode == Decode::Reduced
    }

    /// Returns the options for opening photos for a network to which `min_decode_size` is enough.
    /// `options` are those of the verb.
    pub(crate) fn open_options(
        &self,
        options: &OpenOptions,
        min_decode_size: Option<[usize; 2]>,
        messages: Messages,
    ) -> OpenOptions {
        if self.is_reduced() && min_decode_size.is_none() {
            messages.note(&"photos are decoded at full size: this network uses every pixel");
        }
        OpenOptions {
            min_decode_size: min_decode_size.filter(|_| self.is_reduced()),
            ..options.clone()
        }
    }
}

/// The library of photos.
#[derive(Debug, Args)]
pub(crate) struct LibraryArguments {
    /// The library of photos, one file [default: $LORGNETTE_LIBRARY, else photos.lgn in the model
    /// home]
    #[arg(long, value_name = "FILE", global = true)]
    library: Option<PathBuf>,
}

impl LibraryArguments {
    /// Returns the library's path.
    pub(crate) fn path(&self) -> Result<PathBuf> {
        if let Some(path) = &self.library {
            return Ok(path.clone());
        }
        let variable = env::var_os(LIBRARY_VARIABLE).filter(|path| !path.is_empty());
        variable
            .map(PathBuf::from)
            .or_else(|| Some(ModelStore::from_env()?.folder().join(DEFAULT_LIBRARY)))
            .context("which library? Name its file with --library")
    }

    /// Returns the library that the user named, if any.
    pub(crate) fn named(&self) -> Option<&Path> {
        self.library.as_deref()
    }
}

/// Output format of answers about photos.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    // Plain text. Doc comments here would each become a paragraph of the help.
    Text,
    // JSON Lines, one object a photo.
    Json,
    // Comma-separated values with a header.
    Csv,
}

/// Output format of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportFormat {
    // Plain text.
    Text,
    // One JSON object.
    Json,
}

/// Rows and columns of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size(pub(crate) [usize; 2]);

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (height, width) = text.split_once(['x', 'X']).unwrap_or((text, text));
        let size = Self::side(height).zip(Self::side(width));
        size.map(|(height, width)| Self([height, width])).ok_or_else(|| {
            format!("give one number, or HEIGHTxWIDTH such as 224x320, of 1 to {}", Self::MAX_SIDE)
        })
    }
}

impl Size {
    /// Maximum of a side.
    const MAX_SIDE: usize = 65_536;

    fn side(text: &str) -> Option<usize> {
        text.parse().ok().filter(|side| (1..=Self::MAX_SIDE).contains(side))
    }
}

/// A mean for each of red, green and blue.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Mean([f32; 3]);

impl FromStr for Mean {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers: Vec<f32> = text.split(',').map(finite).collect::<Result<_, _>>()?;
        match numbers[..] {
            [one] => Ok(Self([one; 3])),
            [red, green, blue] => Ok(Self([red, green, blue])),
            _ => Err(
                "give three numbers with commas between them, such as 123.68,116.78,103.94, or one"
                    .into(),
            ),
        }
    }
}

/// Parses a number from 0 to 1.
pub(crate) fn share(text: &str) -> Result<f32, String> {
    let share = finite(text)?;
    if (0.0..=1.0).contains(&share) { Ok(share) } else { Err("give a number from 0 to 1".into()) }
}

/// Parses a number that is finite.
fn finite(text: &str) -> Result<f32, String> {
    let number = text.trim().parse().ok().filter(|number: &f32| number.is_finite());
    number.ok_or_else(|| format!("'{text}' is not a number"))
}

/// The network of a verb for which its shape may be enough.
#[derive(Debug, Args)]
pub(crate) struct NetworkArguments {
    /// The network, as for --model
    #[arg(value_name = "MODEL")]
    pub(crate) named: Option<OsString>,

    /// Use random weights: MODEL is the name of one of TF-Slim's networks, and no file is needed
    #[arg(long)]
    pub(crate) random_weights: bool,
}

#[cfg(test)]
mod tests {
    use super::{Mean, Size};

    #[test]
    fn a_size_is_one_number_or_two() {
        assert_eq!("224".parse(), Ok(Size([224, 224])));
        assert_eq!("224x320".parse(), Ok(Size([224, 320])));
        for wrong in ["", "x", "0", "224x", "224x0", "1x2x3", "-1", "99999999"] {
            assert!(wrong.parse::<Size>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_mean_is_one_number_or_three() {
        assert_eq!("128".parse(), Ok(Mean([128.0; 3])));
        assert_eq!("-1, 2,3.5".parse(), Ok(Mean([-1.0, 2.0, 3.5])));
        for wrong in ["", "1,2", "1,2,3,4", "a,b,c", "nan", "inf"] {
            assert!(wrong.parse::<Mean>().is_err(), "{wrong}");
        }
    }
}
