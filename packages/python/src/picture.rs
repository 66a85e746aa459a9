//! Pictures: names drawn on photos, thumbnails, files.

use lorgnette::draw::{self, Placement};
use lorgnette::faces::Face;
use lorgnette::photos::{Walk, WalkOptions};
use lorgnette::picture::OpenOptions;
use numpy::PyArray3;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use std::path::PathBuf;

use crate::error::{LorgnetteError, OrRaise as _};
use crate::model::pixels;
use crate::photo::Photo;

/// Decodes a photo: uint8 `[height, width, 3]`.
#[pyfunction]
pub(crate) fn decode<'py>(
    py: Python<'py>,
    photo: Photo,
    ignore_orientation: bool,
) -> PyResult<Bound<'py, PyArray3<u8>>> {
    let options = OpenOptions { ignore_orientation, ..OpenOptions::default() };
    let picture = py.detach(|| photo.open(&options)).or_raise()?;
    pixels(py, &picture)
}

/// Draws names with their probabilities on a photo: uint8 `[height, width, 3]`.
#[pyfunction]
pub(crate) fn annotate<'py>(
    py: Python<'py>,
    photo: Photo,
    answers: Vec<(String, f32)>,
    below: bool,
) -> PyResult<Bound<'py, PyArray3<u8>>> {
    let placement = if below { Placement::Below } else { Placement::Automatic };
    let picture = photo.open(&OpenOptions::default()).or_raise()?;
    let drawn = py.detach(|| draw::annotate(&picture, &answers, placement));
    pixels(py, &drawn)
}

/// Draws boxes, landmarks and probabilities of faces on a photo: uint8 `[height, width, 3]`. A face
/// is its box, probability and landmarks.
#[pyfunction]
pub(crate) fn draw_faces<'py>(
    py: Python<'py>,
    photo: Photo,
    faces: Vec<([f32; 4], f32, [[f32; 2]; 5])>,
) -> PyResult<Bound<'py, PyArray3<u8>>> {
    let picture = photo.open(&OpenOptions::default()).or_raise()?;
    let to_face = |(bounds, probability, landmarks): ([f32; 4], f32, [[f32; 2]; 5])| Face {
        bounds,
        probability,
        landmarks,
        scale: 1.0,
    };
    let faces: Vec<Face> = faces.into_iter().map(to_face).collect();
    let drawn = py.detach(|| draw::faces(&picture, &faces).picture(1.0));
    pixels(py, &drawn)
}

/// Encodes a photo as JPEG, made smaller until its longer side has at most `max_side` pixels.
#[pyfunction]
pub(crate) fn thumbnail<'py>(
    py: Python<'py>,
    photo: Photo,
    max_side: usize,
) -> PyResult<Bound<'py, PyBytes>> {
    const QUALITY: u8 = 88;
    let jpeg = py.detach(|| {
        let picture = photo.open(&OpenOptions::default())?;
        let scale = max_side as f64 / picture.width().max(picture.height()) as f64;
        if scale < 1.0 { picture.scaled(scale).to_jpeg(QUALITY) } else { picture.to_jpeg(QUALITY) }
    });
    Ok(PyBytes::new(py, &jpeg.or_raise()?))
}

/// Finds the photos in a folder, in the order of their paths, as the program does.
#[pyfunction]
pub(crate) fn find_photos(py: Python<'_>, folder: PathBuf) -> PyResult<Vec<PathBuf>> {
    if !folder.is_dir() {
        let text = format!("{}: there is no such folder", folder.display());
        return Err(LorgnetteError::new_err(text));
    }
    Ok(py.detach(|| {
        let walk = Walk::new(&[&folder], &WalkOptions::default());
        walk.photos().map(PathBuf::from).collect()
    }))
}

/// Writes a photo's pixels as PNG or JPEG, by the extension.
#[pyfunction]
pub(crate) fn save(py: Python<'_>, photo: Photo, path: PathBuf) -> PyResult<()> {
    let picture = photo.open(&OpenOptions::default()).or_raise()?;
    py.detach(|| picture.save(path)).or_raise()
}
