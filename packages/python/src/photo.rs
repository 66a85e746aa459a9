//! Photos as Python's callers have them.

use std::path::PathBuf;

use lorgnette::Picture;
use lorgnette::picture::{OpenOptions, PictureError, Pixels};
use numpy::{
    Element, PyArrayDyn, PyArrayMethods as _, PyReadonlyArrayDyn, PyUntypedArray,
    PyUntypedArrayMethods as _,
};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyMemoryView;

use crate::error::wrong_value;

/// Names in results of photos that have none.
const BYTES: &str = "<bytes>";
const ARRAY: &str = "<array>";
const IMAGE: &str = "<image>";

/// A photo: a file, its bytes, or decoded pixels.
#[derive(Debug)]
pub(crate) enum Photo {
    /// The path of a file, and its name in results.
    File(PathBuf, String),
    /// The content of a file.
    Bytes(PyBackedBytes),
    /// Decoded pixels.
    Decoded(Box<Picture>),
    /// An image that Pillow could not decode: its name, and why.
    Undecodable(String, String),
}

/// How files of photos are opened; items of a dictionary.
#[derive(Debug, FromPyObject)]
pub(crate) struct OpenArguments {
    #[pyo3(item)]
    ignore_orientation: bool,
    #[pyo3(item)]
    reduced: bool,
    #[pyo3(item)]
    max_pixels: Option<u64>,
}

impl OpenArguments {
    /// The library's options; `reduced` decodes photos at the size that suffices for `model`.
    pub(crate) fn options(&self, model: &lorgnette::Model) -> OpenOptions {
        self.options_for(model.min_decode_size())
    }

    /// The same for what needs at least so many rows and columns; `None` for all.
    pub(crate) fn options_for(&self, min_decode_size: Option<[usize; 2]>) -> OpenOptions {
        let defaults = OpenOptions::default();
        OpenOptions {
            ignore_orientation: self.ignore_orientation,
            max_pixels: self.max_pixels.unwrap_or(defaults.max_pixels),
            min_decode_size: min_decode_size.filter(|_| self.reduced),
            ..defaults
        }
    }
}

impl Photo {
    /// Its name in results.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::File(_, name) | Self::Undecodable(name, _) => name,
            Self::Bytes(_) => BYTES,
            Self::Decoded(picture) => picture.name(),
        }
    }

    /// Decodes it.
    ///
    /// # Errors
    /// [`PictureError`], which names the photo.
    pub(crate) fn open(&self, options: &OpenOptions) -> Result<Picture, PictureError> {
        match self {
            Self::File(path, _) => options.open(path),
            Self::Bytes(bytes) => options.decode(bytes, BYTES),
            Self::Decoded(picture) => Ok((**picture).clone()),
            Self::Undecodable(name, why) => Err(PictureError::Read {
                name: name.clone(),
                source: std::io::Error::other(why.clone()),
            }),
        }
    }
}

impl<'a, 'py> FromPyObject<'a, 'py> for Photo {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(bytes) = object.extract::<PyBackedBytes>() {
            return Ok(Self::Bytes(bytes));
        }
        if let Ok(view) = object.cast::<PyMemoryView>() {
            return Ok(Self::Bytes(view.call_method0("tobytes")?.extract()?));
        }
        if let Ok(path) = object.extract::<PathBuf>() {
            let name = path.display().to_string();
            return Ok(Self::File(path, name));
        }
        if object.cast::<PyUntypedArray>().is_ok() {
            return from_array(&object);
        }
        if object.hasattr("getexif")? && object.hasattr("convert")? {
            return from_pillow(&object);
        }
        let kind = object.get_type().name()?;
        Err(PyTypeError::new_err(format!(
            "a photo is a path, bytes, a numpy array or a PIL image, not {kind}"
        )))
    }
}

/// Converts an array of uint8 or uint16.
fn from_array(object: &Bound<'_, PyAny>) -> PyResult<Photo> {
    let pixels = if let Ok(array) = object.cast::<PyArrayDyn<u8>>() {
        samples(&array.try_readonly()?, 255).map(|(size, values)| (size, Pixels::Rgb8(values)))?
    } else if let Ok(array) = object.cast::<PyArrayDyn<u16>>() {
        samples(&array.try_readonly()?, 65_535)
            .map(|(size, values)| (size, Pixels::Rgb16(values)))?
    } else {
        let kind = object.getattr("dtype")?.to_string();
        return Err(PyTypeError::new_err(format!(
            "pixels are of dtype uint8 (0 to 255) or uint16 (0 to 65535), not {kind}: convert \
             them, such as by (255 * array).round().astype('uint8') for values from 0 to 1"
        )));
    };
    let ([height, width], pixels) = pixels;
    let picture = Picture::from_pixels(width, height, pixels).map_err(wrong_value)?;
    Ok(Photo::Decoded(Box::new(picture.named(ARRAY))))
}

/// Copies the samples of `[rows, columns]` or `[rows, columns, 1, 3 or 4]` as red, green and blue;
/// an alpha channel is left out. Returns rows and columns too.
fn samples<T: Element + Copy>(
    array: &PyReadonlyArrayDyn<'_, T>,
    max: u32,
) -> PyResult<([usize; 2], Vec<T>)> {
    let (height, width, channels) = match *array.shape() {
        [height, width] => (height, width, 1),
        [height, width, channels @ (1 | 3 | 4)] => (height, width, channels),
        ref shape => {
            return Err(PyValueError::new_err(format!(
                "pixels from 0 to {max} have the shape (height, width), or (height, width, \
                 channels) with 1, 3 or 4 channels, not {shape:?}"
            )));
        }
    };
    let values: Vec<T> = match array.as_slice() {
        // A slice is in order of memory, which may be Fortran's.
        Ok(values) if array.is_c_contiguous() => values.to_vec(),
        _ => array.as_array().iter().copied().collect(),
    };
    let rgb = match channels {
        3 => values,
        1 => values.iter().flat_map(|&grey| [grey; 3]).collect(),
        _ => values.chunks_exact(4).flat_map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect(),
    };
    Ok(([height, width], rgb))
}

/// Converts a PIL image, turned upright by its EXIF orientation. Its alpha channel is left out.
fn from_pillow(image: &Bound<'_, PyAny>) -> PyResult<Photo> {
    let name: Option<String> = image.getattr_opt("filename")?.and_then(|name| name.extract().ok());
    let name = name.filter(|name| !name.is_empty()).unwrap_or_else(|| IMAGE.to_owned());
    match decoded_by_pillow(image) {
        Ok(picture) => Ok(Photo::Decoded(Box::new(picture.named(name)))),
        // A wrong type or mode is the caller's; all else is about the file behind the image.
        Err(error) if error.is_instance_of::<PyTypeError>(image.py()) => Err(error),
        Err(error) => Ok(Photo::Undecodable(name, error.to_string())),
    }
}

fn decoded_by_pillow(image: &Bound<'_, PyAny>) -> PyResult<Picture> {
    let py = image.py();
    let upright = py.import("PIL.ImageOps")?.call_method1("exif_transpose", (image,))?;
    let mode: String = upright.getattr("mode")?.extract()?;
    if mode == "F" {
        return Err(PyTypeError::new_err(
            "an image of mode F has no known range: convert it to mode L or RGB",
        ));
    }
    if mode.starts_with('I') {
        // Sixteen bits of grey, which Pillow would cut off at 255.
        let numpy = py.import("numpy")?;
        let deep = numpy.call_method1("asarray", (upright,))?;
        let deep = deep.call_method1("clip", (0, 65_535))?.call_method1("astype", ("uint16",))?;
        return match from_array(&deep)? {
            Photo::Decoded(picture) => Ok(*picture),
            _ => Err(PyValueError::new_err("an image of no pixels")),
        };
    }
    let rgb = upright.call_method1("convert", ("RGB",))?;
    let (width, height): (usize, usize) = rgb.getattr("size")?.extract()?;
    let pixels = rgb.call_method0("tobytes")?.extract::<PyBackedBytes>()?.to_vec();
    Picture::from_rgb8(width, height, pixels).map_err(wrong_value)
}
