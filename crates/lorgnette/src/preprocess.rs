//! Preprocessing: from a picture to a network's input, in TensorFlow's float32 arithmetic.
//!
//! Each family of networks was trained with its own preprocessing and needs the same at inference.
//! A [`Preprocessing`] names one; a [`Preprocessor`] adds the size, the number of channels and
//! optional constants.
//!
//! Every preprocessing has three steps: crop and resize geometry (`resize_crop`), bilinear sampling
//! as in TensorFlow 1 (`source = destination * (in / out)`, no half-pixel offset, no antialiasing),
//! and normalisation of each value. Only the samples that are needed are read.
//!
//! Values before normalisation are 0 to 255. Sixteen-bit pictures keep their precision: v / 257,
//! except for [`Preprocessing::Inception`], which takes v / 65535 as `tf.image.convert_image_dtype`
//! does.

use std::fmt;
use std::str::FromStr;

use self::normalise::Normaliser;
use self::resize_crop::ResizeCrop;
use self::sample::Source;
use crate::picture::{Picture, PictureRef};

pub use self::choose::PreprocessRule;
pub(crate) use self::choose::{Chosen, Evidence, choose};
pub use self::decoded::{DecodedImage, decoded_image};
pub use self::numbers::PreprocessingNumbers;
pub(crate) use self::unresized::Unresized;

mod choose;
mod decoded;
mod normalise;
mod numbers;
mod resize_crop;
mod sample;
mod unresized;

/// Pixels per input row and column of a picture that is decoded at a reduced size.
const OVERSAMPLE: usize = 2;

/// The preprocessing of a family of networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Preprocessing {
    /// VGG and ResNet V1 (`vgg_preprocessing.py`): smaller side to 256, aspect ratio kept; central
    /// crop; means subtracted.
    Vgg,
    /// Inception, MobileNet, NASNet, ResNet V2 (`inception_preprocessing.py`): central 87.5 %,
    /// resized without keeping the aspect ratio, -1 to 1.
    Inception,
    /// The Inception graph of 2015: the whole picture, resized without keeping the aspect ratio, (v
    /// - 128) / 128.
    Inception2015,
    /// LeNet (`lenet_preprocessing.py`): central crop or zero padding, (v - 128) / 128.
    Lenet,
    /// CifarNet (`cifarnet_preprocessing.py`): central crop or zero padding, standardised to mean 0
    /// and standard deviation 1.
    Cifarnet,
    /// The whole picture, resized without keeping the aspect ratio, 0 to 255.
    Raw,
    /// TF Hub's modules: the whole picture, resized without keeping the aspect ratio, 0 to 1.
    Unit,
    /// Keras's MobileNet, Inception and others (mode `tf`): the whole picture, resized without
    /// keeping the aspect ratio, v / 127.5 - 1.
    Symmetric,
    /// Caffe's VGG and ResNet (Keras's mode `caffe`): the whole picture, resized without keeping
    /// the aspect ratio, means subtracted; blue, green, red.
    Caffe,
    /// Torchvision's networks (Keras's mode `torch`): the whole picture, resized without keeping
    /// the aspect ratio, 0 to 1, mean subtracted, divided by the deviation of each channel.
    Torch,
    /// Teachable Machine's models, as its own snippet for Python: the largest square around the
    /// centre, v / 127.5 - 1. (Its own library for browsers divides by 127.)
    TeachableMachine,
}

impl Preprocessing {
    /// All preprocessings.
    pub const ALL: [Self; 11] = [
        Self::Vgg,
        Self::Inception,
        Self::Inception2015,
        Self::Lenet,
        Self::Cifarnet,
        Self::Raw,
        Self::Unit,
        Self::Symmetric,
        Self::Caffe,
        Self::Torch,
        Self::TeachableMachine,
    ];

    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Vgg => "vgg",
            Self::Inception => "inception",
            Self::Inception2015 => "inception_2015",
            Self::Lenet => "lenet",
            Self::Cifarnet => "cifarnet",
            Self::Raw => "none",
            Self::Unit => "unit",
            Self::Symmetric => "symmetric",
            Self::Caffe => "caffe",
            Self::Torch => "torch",
            Self::TeachableMachine => "teachable_machine",
        }
    }
}

impl fmt::Display for Preprocessing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The name of no preprocessing.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "{name:?} is no preprocessing: choose one of vgg, inception, inception_2015, lenet, cifarnet, \
     none (0 to 255), unit (0 to 1), symmetric (-1 to 1), caffe, torch, teachable_machine"
)]
pub struct UnknownPreprocessing {
    /// The name given.
    pub name: String,
}

impl FromStr for Preprocessing {
    type Err = UnknownPreprocessing;

    /// Parses a name as [`Preprocessing::name`] gives it; case is ignored, `-` means `_`, and `raw`
    /// means `none`.
    fn from_str(name: &str) -> Result<Self, UnknownPreprocessing> {
        let plain = name.to_ascii_lowercase().replace('-', "_");
        let plain = if plain == "raw" { "none" } else { &plain };
        let found = Self::ALL.into_iter().find(|preprocessing| preprocessing.name() == plain);
        found.ok_or_else(|| UnknownPreprocessing { name: name.into() })
    }
}

/// The order of an input's colour channels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ChannelOrder {
    /// Red, green, blue.
    #[default]
    Rgb,
    /// Blue, green, red, as OpenCV and Caffe have them.
    Bgr,
}

impl ChannelOrder {
    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rgb => "rgb",
            Self::Bgr => "bgr",
        }
    }
}

impl fmt::Display for ChannelOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The name of no channel order.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{name:?} is no order of channels: choose rgb or bgr")]
pub struct UnknownChannelOrder {
    /// The name given.
    pub name: String,
}

impl FromStr for ChannelOrder {
    type Err = UnknownChannelOrder;

    /// Parses a name as [`ChannelOrder::name`] gives it; case is ignored.
    fn from_str(name: &str) -> Result<Self, UnknownChannelOrder> {
        match name.to_ascii_lowercase().as_str() {
            "rgb" => Ok(Self::Rgb),
            "bgr" => Ok(Self::Bgr),
            _ => Err(UnknownChannelOrder { name: name.into() }),
        }
    }
}

/// Turns a picture into a network's input.
#[derive(Clone, Debug, PartialEq)]
pub struct Preprocessor {
    /// Crop, resize and normalisation.
    pub preprocessing: Preprocessing,
    /// Rows of the input, at least 1.
    pub height: usize,
    /// Columns of the input, at least 1.
    pub width: usize,
    /// 3 for red, green, blue; 1 for grey (a colour picture by `tf.image.rgb_to_grayscale`; a grey
    /// file as it is).
    pub channels: usize,
    /// Order of three channels.
    pub order: ChannelOrder,
    /// Subtracted from red, green and blue, in levels of 0 to 255; replaces the preprocessing's
    /// mean.
    pub mean: Option<[f32; 3]>,
    /// Multiplies the values after the mean is subtracted; replaces the preprocessing's scale.
    pub scale: Option<f32>,
}

impl Preprocessor {
    /// Creates a preprocessor for an input of this size with three channels, or one for
    /// [`Preprocessing::Lenet`].
    #[must_use]
    pub fn new(preprocessing: Preprocessing, height: usize, width: usize) -> Self {
        let channels = if preprocessing == Preprocessing::Lenet { 1 } else { 3 };
        let order = match preprocessing {
            Preprocessing::Caffe => ChannelOrder::Bgr,
            _ => ChannelOrder::Rgb,
        };
        Self { preprocessing, height, width, channels, order, mean: None, scale: None }
    }

    /// Number of values in the input of one picture: height * width * channels.
    #[must_use]
    pub fn input_len(&self) -> usize {
        self.height * self.width * self.channels
    }

    /// Rows and columns of a picture that suffice for this input, for
    /// [`OpenOptions::min_decode_size`]: twice as many as the input has, within the part that is
    /// resized. `None` if the preprocessing crops without resizing, so that every pixel counts.
    ///
    /// [`OpenOptions::min_decode_size`]: crate::picture::OpenOptions::min_decode_size
    #[must_use]
    pub fn min_decode_size(&self) -> Option<[usize; 2]> {
        resize_crop::min_decode_size(self.preprocessing, (self.height, self.width), OVERSAMPLE)
    }

    /// Computes the input of one picture: rows, columns, channels.
    ///
    /// # Panics
    /// As [`Preprocessor::apply`].
    #[must_use]
    pub fn input<'p>(&self, picture: impl Into<PictureRef<'p>>) -> Vec<f32> {
        let mut input = vec![0.0; self.input_len()];
        self.apply(picture, &mut input);
        input
    }

    /// Writes the input of one picture: rows, columns, channels. A batch is a sequence of such
    /// slices.
    ///
    /// # Panics
    /// If `input` is not [`Preprocessor::input_len`] long, a side is 0, or `channels` is neither 1
    /// nor 3.
    pub fn apply<'p>(&self, picture: impl Into<PictureRef<'p>>, input: &mut [f32]) {
        let picture = picture.into();
        self.check();
        assert_eq!(
            input.len(),
            self.input_len(),
            "the input slice must hold height * width * channels values"
        );
        let source = Source::new(picture, self.channels, self.unit());
        let resize_crop = ResizeCrop::new(
            self.preprocessing,
            (picture.height, picture.width),
            (self.height, self.width),
        );
        resize_crop.sample(&source, self.channels, input);
        self.normaliser().apply(input, self.channels);
        self.reorder(input);
    }

    /// Exchanges red and blue if the input takes blue first. It is its own inverse.
    fn reorder(&self, input: &mut [f32]) {
        if self.order == ChannelOrder::Bgr && self.channels == 3 {
            for pixel in input.as_chunks_mut::<3>().0 {
                pixel.swap(0, 2);
            }
        }
    }

    /// Normalises the whole picture without resizing or cropping, as segmentation maps need it.
    /// Returns height, width, and the values by row, column and channel.
    ///
    /// # Panics
    /// If `channels` is neither 1 nor 3.
    #[must_use]
    pub fn normalise_whole(&self, picture: &Picture) -> (usize, usize, Vec<f32>) {
        let (height, width) = (picture.height(), picture.width());
        let mut values = vec![0.0; height * width * self.channels];
        self.normalise_into(picture.into(), &mut values);
        (height, width, values)
    }

    /// As [`Preprocessor::normalise_whole`], into a slice of height * width * channels values.
    pub(crate) fn normalise_into(&self, picture: PictureRef<'_>, values: &mut [f32]) {
        Unresized::new(self, picture).tile(0..picture.height, 0..picture.width, values);
    }

    /// Converts an input back to a picture: normalisation undone, rounded, clipped to 0 to 255.
    /// Grey inputs become grey pictures. CifarNet's, whose mean and deviation are unknown, are
    /// stretched from black to white.
    ///
    /// # Panics
    /// If `input` is not [`Preprocessor::input_len`] long, or a side is 0.
    #[must_use]
    pub fn input_image(&self, input: &[f32]) -> Picture {
        self.check();
        assert_eq!(
            input.len(),
            self.input_len(),
            "the input slice must hold height * width * channels values"
        );
        let mut rgb = input.to_vec();
        self.reorder(&mut rgb);
        let levels = self.normaliser().levels(&rgb, self.channels);
        let rgb = match self.channels {
            1 => levels.iter().flat_map(|&grey| [grey; 3]).collect(),
            _ => levels,
        };
        Picture::from_rgb8(self.width, self.height, rgb)
            .expect("three levels for each value of the input's size")
    }

    fn check(&self) {
        assert!(self.height > 0 && self.width > 0, "an input has at least one row and one column");
        assert!(self.channels == 1 || self.channels == 3, "an input has one channel or three");
    }

    /// Value of the largest sample before resizing.
    fn unit(&self) -> f32 {
        if self.preprocessing == Preprocessing::Inception && !self.has_own_constants() {
            1.0
        } else {
            255.0
        }
    }

    fn has_own_constants(&self) -> bool {
        self.mean.is_some() || self.scale.is_some()
    }

    fn normaliser(&self) -> Normaliser {
        let (mean, scale) = normalise::constants(self.preprocessing);
        if self.has_own_constants() {
            return Normaliser::Linear {
                mean: self.mean.unwrap_or(mean),
                scale: self.scale.map_or(scale, |scale| [scale; 3]),
            };
        }
        Normaliser::for_preprocessing(self.preprocessing)
    }
}
