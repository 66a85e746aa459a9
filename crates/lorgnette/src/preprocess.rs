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

pub(crate) use self::unresized::Unresized;

mod normalise;
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
}

impl Preprocessing {
    /// All preprocessings.
    pub const ALL: [Self; 6] =
        [Self::Vgg, Self::Inception, Self::Inception2015, Self::Lenet, Self::Cifarnet, Self::Raw];

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
    "{name:?} is no preprocessing: choose one of vgg, inception, inception_2015, lenet, cifarnet, none (no arithmetic)"
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
    /// Subtracted from each channel, in levels of 0 to 255; replaces the preprocessing's mean.
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
        Self { preprocessing, height, width, channels, mean: None, scale: None }
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
        Unresized::new(self, picture).tile(0..height, 0..width, &mut values);
        (height, width, values)
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
        let levels = self.normaliser().levels(input, self.channels);
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
                scale: self.scale.unwrap_or(scale),
            };
        }
        Normaliser::for_preprocessing(self.preprocessing)
    }
}
