//! Options that several verbs have, and the values they take.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context as _, Result, ensure};
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser as _};
use clap::{Args, ValueEnum};
use lorgnette::ModelOptions;
use lorgnette::kernels::{Level, NumericOptions, Precision, WeightFormat};
use lorgnette::net::zoo::ZooOptions;
use lorgnette::picture::OpenOptions;
use lorgnette::preprocess::Preprocessing;

use crate::messages::Messages;

/// Most threads that can be asked for.
const MAX_THREADS: i64 = 1024;
/// The environment variable that stands in for `--level`.
const LEVEL_VARIABLE: &str = "LORGNETTE_LEVEL";

/// The environment variable that stands in for `--library`.
const LIBRARY_VARIABLE: &str = "LORGNETTE_LIBRARY";

/// What every verb takes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Options of every verb")]
pub(crate) struct Global {
    /// A model's name, or a path: graph (.pb, .meta), TF-Slim checkpoint, plan file, a folder or
    /// archive of these [default: $LORGNETTE_MODEL, else mobilenet_v1_1.0_224]
    #[arg(long, global = true, value_name = "M")]
    pub(crate) model: Option<OsString>,

    /// The node that takes the picture, where the graph does not make it clear
    #[arg(long, global = true, value_name = "NODE")]
    pub(crate) input: Option<String>,

    /// The node that gives the answer, where the graph does not make it clear
    #[arg(long, global = true, value_name = "NODE")]
    pub(crate) output: Option<String>,

    /// The TF-Slim network that a checkpoint is of [default: recognised]
    #[arg(long, global = true, value_name = "NET")]
    pub(crate) net: Option<String>,

    /// How that network is built, in TF-Slim's words, such as output_stride=16; may be given
    /// several times
    #[arg(long, global = true, value_name = "NAME=VALUE")]
    pub(crate) net_option: Vec<String>,

    /// The checkpoint with the variables of a graph that is not frozen [default: the one beside it]
    #[arg(long, global = true, value_name = "PATH")]
    pub(crate) checkpoint: Option<PathBuf>,

    /// Leave out the moving averages of a checkpoint's weights
    #[arg(long, global = true)]
    pub(crate) no_ema: bool,

    /// Threads to use; answers do not depend on it [default: all cores]
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=MAX_THREADS))]
    pub(crate) threads: Option<u16>,

    /// Instructions to compute with, amx being those of avx512 and products of tiles [default:
    /// $LORGNETTE_LEVEL, else the best there are]
    #[arg(long, global = true, value_parser = levels())]
    pub(crate) level: Option<Level>,

    /// Numbers to multiply: float32, bf16 (less exact, faster where the CPU has AVX-512 BF16), or
    /// auto (bf16 where that saves a quarter of a layer's time)
    #[arg(long, global = true, value_name = "FORMAT", value_parser = precisions(), default_value = Precision::Float32.name())]
    precision: Precision,

    /// What to keep the weights of fully connected layers as: float32, bf16, f16 or int8; all but
    /// float32 are less exact
    #[arg(long, global = true, value_name = "FORMAT", value_parser = weight_formats(), default_value = WeightFormat::Float32.name())]
    weights: WeightFormat,

    /// Most memory that the activations of one photo may take
    #[arg(long, global = true, value_name = "MIB", default_value_t = 8192)]
    pub(crate) memory_limit: u32,

    /// Say nothing but errors; no progress bar
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,

    /// Say more, on standard error
    #[arg(long, short, global = true, conflicts_with = "quiet")]
    pub(crate) verbose: bool,
}

impl Global {
    /// These options as the library takes them.
    pub(crate) fn model_options(&self) -> Result<ModelOptions> {
        Ok(ModelOptions {
            threads: self.threads.map(usize::from),
            level: self.level()?,
            numerics: NumericOptions { compute: self.precision, weight_storage: self.weights },
            input: self.input.clone(),
            output: self.output.clone(),
            memory_limit: u64::from(self.memory_limit) << 20,
            net: self.net.clone(),
            zoo: self.zoo_options()?,
            checkpoint: self.checkpoint.clone(),
            no_ema: self.no_ema,
            ..ModelOptions::default()
        })
    }

    fn zoo_options(&self) -> Result<ZooOptions> {
        let mut options = ZooOptions::default();
        for option in &self.net_option {
            options.set(option).with_context(|| format!("--net-option {option}"))?;
        }
        Ok(options)
    }

    /// The level asked for, by option or environment, if this CPU has it.
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

fn levels() -> impl clap::builder::TypedValueParser<Value = Level> {
    PossibleValuesParser::new(Level::ALL.map(Level::name)).try_map(|name| name.parse::<Level>())
}

fn precisions() -> impl clap::builder::TypedValueParser<Value = Precision> {
    // Other programs, and our own measurements, call it f32.
    let value = |precision: Precision| match precision {
        Precision::Float32 => PossibleValue::new(precision.name()).alias("f32"),
        _ => PossibleValue::new(precision.name()),
    };
    PossibleValuesParser::new(Precision::ALL.map(value)).try_map(|name| {
        if name == "f32" { Ok(Precision::Float32) } else { name.parse::<Precision>() }
    })
}

fn weight_formats() -> impl clap::builder::TypedValueParser<Value = WeightFormat> {
    PossibleValuesParser::new(WeightFormat::ALL.map(WeightFormat::name))
        .try_map(|name| name.parse::<WeightFormat>())
}

/// Which photos, and how they are opened.
#[derive(Debug, Args)]
pub(crate) struct PhotoArguments {
    /// Photos, folders of photos, patterns such as 'holidays/*.jpg', or - (standard input)
    #[arg(value_name = "PHOTO", required_unless_present = "files_from")]
    pub(crate) photos: Vec<PathBuf>,

    /// Also take the photos and folders listed in FILE, one a line (- for standard input)
    #[arg(long, value_name = "FILE")]
    pub(crate) files_from: Option<PathBuf>,

    /// Look into folders within folders; hidden ones are left out (the default)
    #[arg(long, short, overrides_with = "no_recursive")]
    recursive: bool,

    /// Leave out folders within folders
    #[arg(long)]
    no_recursive: bool,

    /// Leave photos as they are stored, as TensorFlow does; else they are turned as EXIF says
    #[arg(long)]
    ignore_orientation: bool,

    /// Refuse photos of more pixels
    #[arg(long, value_name = "N", default_value_t = OpenOptions::default().max_pixels)]
    max_pixels: u64,
}

impl PhotoArguments {
    /// How each photo is opened.
    pub(crate) fn open_options(&self) -> OpenOptions {
        OpenOptions {
            ignore_orientation: self.ignore_orientation,
            max_pixels: self.max_pixels,
            ..OpenOptions::default()
        }
    }

    /// Whether photos are turned as EXIF says.
    pub(crate) fn turns_upright(&self) -> bool {
        !self.ignore_orientation
    }

    /// Whether folders within folders are looked into.
    pub(crate) fn is_recursive(&self) -> bool {
        self.recursive || !self.no_recursive
    }
}

/// How a photo becomes the network's input, and what its outputs are called.
#[derive(Debug, Args)]
#[command(next_help_heading = "Preprocessing (default: as the model wants it)")]
pub(crate) struct InputArguments {
    /// Rows and columns of the network's input
    #[arg(long, value_name = "N|HxW")]
    size: Option<Size>,

    /// vgg, inception, inception_2015, lenet, cifarnet or none
    #[arg(long, value_name = "STYLE")]
    preprocess: Option<Preprocessing>,

    /// What to subtract from red, green and blue, in levels of 0 to 255; or one for all
    #[arg(long, value_name = "R,G,B", allow_hyphen_values = true)]
    mean: Option<Mean>,

    /// What to multiply by after that
    #[arg(long, value_name = "F", allow_hyphen_values = true, value_parser = finite)]
    factor: Option<f32>,

    /// The names of the classes, one a line
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
}

impl InputArguments {
    /// Adds these options to those of every verb.
    pub(crate) fn add_to(&self, options: ModelOptions) -> ModelOptions {
        ModelOptions {
            size: self.size.map(|Size(size)| size),
            preprocess: self.preprocess,
            mean: self.mean.map(|Mean(mean)| mean),
            scale: self.factor,
            labels: self.labels.clone(),
            ..options
        }
    }
}

/// At what size photos are decoded for a network that takes small ones.
#[derive(Debug, Args)]
pub(crate) struct DecodeArguments {
    /// Decode JPEGs at full size, or reduced: at 1/2, 1/4 or 1/8, where that leaves twice the rows
    /// and columns the network takes. Faster for large photos; answers differ a little
    #[arg(long, value_enum, value_name = "SIZE", default_value_t = Decode::Full)]
    decode: Decode,
}

/// At what size photos are decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Decode {
    // Every pixel, as TensorFlow does.
    Full,
    // As many as are enough.
    Reduced,
}

impl DecodeArguments {
    /// Whether photos may be decoded at a reduced size.
    pub(crate) fn is_reduced(&self) -> bool {
        self.decode == Decode::Reduced
    }

    /// How photos are opened for a network to which `min_decode_size` is enough, where `options` are
    /// those of the verb.
    pub(crate) fn open_options(
        &self,
        options: &OpenOptions,
        min_decode_size: Option<[usize; 2]>,
        messages: Messages,
    ) -> OpenOptions {
        if self.is_reduced() && min_decode_size.is_none() {
            messages
                .note(&"photos are decoded at full size, for every pixel counts for this network");
        }
        OpenOptions {
            min_decode_size: min_decode_size.filter(|_| self.is_reduced()),
            ..options.clone()
        }
    }
}

/// Which library of photos.
#[derive(Debug, Args)]
pub(crate) struct LibraryArguments {
    /// The library of photos, one file [default: $LORGNETTE_LIBRARY]
    #[arg(long, value_name = "FILE", global = true)]
    library: Option<PathBuf>,
}

impl LibraryArguments {
    /// The library's path.
    pub(crate) fn path(&self) -> Result<PathBuf> {
        let variable =
            || env::var_os(LIBRARY_VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from);
        self.library
            .clone()
            .or_else(variable)
            .context("which library? Name its file with --library")
    }
}

/// How answers about photos are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    // For people. These are no doc comments, for clap would give each a paragraph of the help.
    Text,
    // JSON Lines, one object a photo.
    Json,
    // Comma-separated values with a header.
    Csv,
}

/// How a report on a network is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportFormat {
    // For people.
    Text,
    // One JSON object.
    Json,
}

/// Rows and columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size(pub(crate) [usize; 2]);

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let side =
            |text: &str| text.parse().ok().filter(|side| (1..=Self::MAX_SIDE).contains(side));
        let (height, width) = text.split_once(['x', 'X']).unwrap_or((text, text));
        let size = side(height).zip(side(width)).map(|(height, width)| Self([height, width]));
        size.ok_or_else(|| {
            format!("give one number, or HEIGHTxWIDTH such as 224x320, of 1 to {}", Self::MAX_SIDE)
        })
    }
}

impl Size {
    /// The longest side: more is a slip of the finger.
    const MAX_SIDE: usize = 65_536;
}

/// A number for each of red, green and blue.
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

/// A share, 0 to 1.
pub(crate) fn share(text: &str) -> Result<f32, String> {
    let share = finite(text)?;
    if (0.0..=1.0).contains(&share) { Ok(share) } else { Err("give a number from 0 to 1".into()) }
}

/// A number that is one.
fn finite(text: &str) -> Result<f32, String> {
    let number = text.trim().parse().ok().filter(|number: &f32| number.is_finite());
    number.ok_or_else(|| format!("'{text}' is not a number"))
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
