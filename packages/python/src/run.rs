//! Tensors in, tensors out.

use lorgnette::net::{DType, Network, Session, Tensor};
use lorgnette::picture::OpenOptions;
use lorgnette::preprocess::decoded_image;
use numpy::{
    IntoPyArray as _, PyArrayDyn, PyArrayMethods as _, PyReadonlyArrayDyn, PyUntypedArray,
    PyUntypedArrayMethods as _,
};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::error::OrRaise as _;
use crate::photo::Photo;

/// A value that is fed.
struct Feed<'py> {
    name: String,
    value: PyReadonlyArrayDyn<'py, f32>,
}

/// Computes `fetches` from `feeds`, whose values become float32. Scalars are settings.
///
/// # Errors
/// If a name is unknown, a shape does not fit, or there is no memory.
pub(crate) fn run<'py>(
    py: Python<'py>,
    network: &Network,
    feeds: &Bound<'py, PyDict>,
    fetches: &[String],
) -> PyResult<Bound<'py, PyDict>> {
    let mut fed = Vec::with_capacity(feeds.len());
    for (name, value) in feeds.iter() {
        fed.push(Feed::new(network, name.extract()?, &value)?);
    }
    let mut shapes = Vec::with_capacity(fed.len());
    let mut settings = Vec::new();
    for Feed { name, value } in &fed {
        match value.shape() {
            [] => settings.push((name.as_str(), scalar(value))),
            shape => shapes.push((name.as_str(), shape)),
        }
    }
    let fetches: Vec<&str> = fetches.iter().map(String::as_str).collect();
    let mut session = network.session_with(&shapes, &settings, &fetches).or_raise()?;
    for Feed { name, value } in &fed {
        // Outputs need not depend on everything that is fed.
        if session.input_shape(name).is_ok() {
            fill(session.input_mut(name).or_raise()?, value);
        }
    }
    py.detach(|| session.run()).or_raise()?;
    let tensors = PyDict::new(py);
    for (index, name) in fetches.iter().enumerate() {
        tensors.set_item(name, output(py, &session, index)?)?;
    }
    Ok(tensors)
}

impl<'py> Feed<'py> {
    /// Reads an array of float32 as it is, converts other numbers, and decodes the photo that a
    /// decoding node is fed.
    fn new(network: &Network, name: String, value: &Bound<'py, PyAny>) -> PyResult<Self> {
        if let Ok(array) = value.cast::<PyArrayDyn<f32>>() {
            return Ok(Self { name, value: array.try_readonly()? });
        }
        let is_array = value.cast::<PyUntypedArray>().is_ok();
        if !is_array && let Some(decoder) = network.decoder(&name) {
            return Self::decoded(network, decoder, value);
        }
        let numpy = value.py().import("numpy")?;
        let array = numpy.call_method1("asarray", (value, numpy.getattr("float32")?));
        let array = array.map_err(|_| not_numbers(&name))?;
        let array = array.cast::<PyArrayDyn<f32>>().map_err(|_| not_numbers(&name))?;
        Ok(Self { name, value: array.try_readonly()? })
    }

    /// The pixels of a photo as the node `decoder` decodes them: as stored, without EXIF
    /// orientation.
    fn decoded(network: &Network, decoder: &str, photo: &Bound<'py, PyAny>) -> PyResult<Self> {
        let py = photo.py();
        let options = OpenOptions { ignore_orientation: true, ..OpenOptions::default() };
        let picture = photo.extract::<Photo>()?.open(&options).or_raise()?;
        let decoding = network.decoding(decoder).or_raise()?;
        let image = decoding.and_then(|decoding| decoded_image(&picture, &decoding).ok());
        let image = image.ok_or_else(|| {
            PyValueError::new_err(format!("{decoder:?} does not decode such a photo"))
        })?;
        let value = image.values.into_pyarray(py).reshape(&image.shape[..])?.try_readonly()?;
        Ok(Self { name: decoder.to_owned(), value })
    }
}

fn not_numbers(name: &str) -> PyErr {
    PyTypeError::new_err(format!("the value fed to {name:?} is no array of numbers"))
}

fn scalar(value: &PyReadonlyArrayDyn<'_, f32>) -> Tensor {
    Tensor::from_floats(DType::F32, &[], value.as_array().iter().copied().collect())
}

fn fill(input: &mut [f32], value: &PyReadonlyArrayDyn<'_, f32>) {
    match value.as_slice() {
        // A slice is in order of memory, which may be Fortran's.
        Ok(values) if value.is_c_contiguous() => input.copy_from_slice(values),
        _ => input.iter_mut().zip(value.as_array()).for_each(|(to, &from)| *to = from),
    }
}

/// The output number `index`, of its own type where that is one of integers or truth values.
fn output<'py>(py: Python<'py>, session: &Session, index: usize) -> PyResult<Bound<'py, PyAny>> {
    let fact = &session.outputs()[index].fact;
    let values = session.output_at(index).or_raise()?.to_vec();
    let array = values.into_pyarray(py).reshape(&fact.shape[..])?;
    let dtype = match fact.dtype {
        _ if fact.quantization.is_some() => return Ok(array.into_any()),
        DType::U8 => "uint8",
        DType::I8 => "int8",
        DType::U16 => "uint16",
        DType::I16 => "int16",
        DType::I32 => "int32",
        DType::U32 => "uint32",
        DType::I64 => "int64",
        DType::U64 => "uint64",
        DType::Bool => "bool",
        _ => return Ok(array.into_any()),
    };
    array.call_method1("astype", (dtype,))
}
