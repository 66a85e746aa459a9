//! Photos as R's callers have them.

use std::path::PathBuf;

use lorgnette::picture::{OpenOptions, PictureError, Pixels};
use lorgnette::Picture;
use savvy::{ListSexp, RealSexp, Sexp, TypedSexp};

use crate::error::Failure;
use crate::options::Options;

/// Largest distance from a level of eight bits, in levels, that still is that level: less than a
/// fiftieth of a level of sixteen bits.
const MAX_DISTANCE: f64 = 1e-4;
/// Largest distance from 0 and from 1 of a pixel that is rounded to it.
const MAX_EXCESS: f64 = 1e-6;

/// A photo: a file, its bytes, or decoded pixels.
#[derive(Debug)]
pub(crate) enum Photo {
    /// A file.
    File(PathBuf),
    /// The content of a file, and its name in results.
    Bytes(Vec<u8>, String),
    /// Decoded pixels.
    Decoded(Box<Picture>),
    /// No photo: its name, and why.
    Missing(String, &'static str),
}

/// How files of photos are opened.
#[derive(Clone, Debug)]
pub(crate) struct OpenArguments {
    ignore_orientation: bool,
    reduced: bool,
    max_pixels: Option<usize>,
}

impl OpenArguments {
    /// Reads the options of that name.
    pub(crate) fn from_r(options: &Options) -> savvy::Result<Self> {
        Ok(Self {
            ignore_orientation: options.flag("ignore_orientation")?,
            reduced: options.flag("reduced")?,
            max_pixels: options.count("max_pixels")?,
        })
    }

    /// The library's options; `reduced` decodes photos at the size that suffices for `model`.
    pub(crate) fn options(&self, model: &lorgnette::Model) -> OpenOptions {
        let defaults = OpenOptions::default();
        OpenOptions {
            ignore_orientation: self.ignore_orientation,
            max_pixels: self.max_pixels.map_or(defaults.max_pixels, |pixels| pixels as u64),
            min_decode_size: if self.reduced { model.min_decode_size() } else { None },
            ..defaults
        }
    }
}

impl Photo {
    /// Reads the items of a list: texts, raw vectors, numeric arrays of pixels, and missing values.
    /// The items' names are those of photos that have no path.
    pub(crate) fn list_from_r(photos: &ListSexp) -> Result<Vec<Self>, Failure> {
        let named = photos.iter().enumerate();
        named.map(|(index, (name, photo))| Self::from_r(photo, name, index + 1)).collect()
    }

    /// Reads the only item of a list.
    pub(crate) fn one_from_r(photos: &ListSexp) -> Result<Self, Failure> {
        match (Self::list_from_r(photos)?.pop(), photos.len()) {
            (Some(photo), 1) => Ok(photo),
            _ => Err(Failure::new("give one photo")),
        }
    }

    /// Reads a photo. Its name is made of `number` if `name` is empty.
    pub(crate) fn from_r(photo: Sexp, name: &str, number: usize) -> Result<Self, Failure> {
        let named = |kind: &str| match name {
            "" => format!("<{kind} {number}>"),
            name => name.to_owned(),
        };
        if photo.is_scalar_na() {
            return Ok(Self::Missing(named("NA"), "the path is missing (NA)"));
        }
        match photo.into_typed() {
            TypedSexp::String(path) if path.len() == 1 => {
                Ok(Self::File(path.iter().next().unwrap_or_default().into()))
            }
            TypedSexp::Raw(bytes) => Ok(Self::Bytes(bytes.to_vec(), named("raw"))),
            TypedSexp::Real(pixels) => {
                let name = named("array");
                let picture = picture(&pixels)
                    .map_err(|sentence| Failure::new(format!("{name}: {sentence}")))?;
                Ok(Self::Decoded(Box::new(picture.named(name))))
            }
            _ => Err(Failure::new(format!(
                "photo {number}: a photo is a path, the raw bytes of a file, or an array of pixels \
                 as readJPEG() gives it"
            ))),
        }
    }

    /// Its name in results.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Bytes(_, name) | Self::Missing(name, _) => name.clone(),
            Self::Decoded(picture) => picture.name().to_owned(),
        }
    }

    /// Decodes it.
    ///
    /// # Errors
    /// [`PictureError`], which names the photo.
    pub(crate) fn open(&self, options: &OpenOptions) -> Result<Picture, PictureError> {
        match self {
            Self::File(path) => options.open(path),
            Self::Bytes(bytes, name) => options.decode(bytes, name),
            Self::Decoded(picture) => Ok((**picture).clone()),
            Self::Missing(name, why) => {
                Err(PictureError::Read { name: name.clone(), source: std::io::Error::other(*why) })
            }
        }
    }
}

/// Makes a picture of pixels `[height, width]` or `[height, width, channels]` from 0 to 1: one
/// channel is grey, two are grey and alpha, three are red, green and blue, four have alpha, which
/// is left out. Values of eight bits stay such, others have sixteen.
fn picture(pixels: &RealSexp) -> Result<Picture, String> {
    let (height, width, channels) = match pixels.get_dim().unwrap_or_default() {
        &[height, width] => (height as usize, width as usize, 1),
        &[height, width, channels @ 1..=4] => (height as usize, width as usize, channels as usize),
        shape => {
            return Err(format!(
                "pixels have the dimensions height, width and 1 to 4 channels, not {shape:?}"
            ));
        }
    };
    let plane = height * width;
    let sources: [usize; 3] = if channels < 3 { [0; 3] } else { [0, plane, 2 * plane] };
    let values = &pixels.as_slice()[..sources[2] + plane];
    let has_eight_bits = check(values, height, width)?;
    let mut rgb = Vec::with_capacity(3 * plane);
    for row in 0..height {
        for column in 0..width {
            rgb.extend(sources.map(|start| values[start + row + column * height]));
        }
    }
    let level = |max: f64| move |value: f64| (value * max).round().clamp(0.0, max);
    let pixels = match has_eight_bits {
        true => Pixels::Rgb8(rgb.into_iter().map(level(255.0)).map(|v| v as u8).collect()),
        false => Pixels::Rgb16(rgb.into_iter().map(level(65_535.0)).map(|v| v as u16).collect()),
    };
    Picture::from_pixels(width, height, pixels).map_err(|error| error.to_string())
}

/// Checks that pixels are from 0 to 1. Returns whether all are levels of eight bits.
fn check(values: &[f64], height: usize, width: usize) -> Result<bool, String> {
    let mut has_eight_bits = true;
    for (index, &value) in values.iter().enumerate() {
        if !(-MAX_EXCESS..=1.0 + MAX_EXCESS).contains(&value) {
            let (row, column) = (index % height + 1, index / height % width + 1);
            let advice = if value > 1.0 { ": divide them by 255 if they go up to it" } else { "" };
            return Err(format!(
                "pixels are numbers from 0 to 1, and row {row}, column {column} has {value}{advice}"
            ));
        }
        let level = value * 255.0;
        has_eight_bits &= (level - level.round()).abs() <= MAX_DISTANCE;
    }
    Ok(has_eight_bits)
}
