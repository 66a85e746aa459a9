//! Tensors in, tensors out.

use lorgnette::net::{DType, Network, Tensor};
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

/// Computes `fetches` from `feeds`, whose values become float32. Scalars are settings. Arrays of
/// float32 in C order are read where they are, and outputs are written to their arrays; both are
/// copied only where the network needs their memory, as `Session::run_with` says.
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
    let mut inputs = Vec::with_capacity(fed.len());
    for Feed { name, value } in &fed {
        // Outputs need not depend on everything that is fed.
        if session.input_shape(name).is_err() {
            continue;
        }
        match value.as_slice() {
            // A slice is in order of memory, which may be Fortran's.
            Ok(values) if value.is_c_contiguous() => inputs.push((name.as_str(), values)),
            _ => {
                let input = session.input_mut(name).or_raise()?;
                input.iter_mut().zip(value.as_array()).for_each(|(to, &from)| *to = from);
            }
        }
    }
    let mut arrays = Vec::with_capacity(fetches.len());
    let mut types = Vec::with_capacity(fetches.len());
    for port in session.outputs() {
        arrays.push(PyArrayDyn::<f32>::zeros(py, &port.fact.shape[..], false).try_readwrite()?);
        // Quantised values are real numbers.
        let has_real_numbers = port.fact.quantization.is_some();
        types.push(type_of_integers(port.fact.dtype).filter(|_| !has_real_numbers));
    }
    let mut outputs = Vec::with_capacity(arrays.len());
    for array in &mut arrays {
        outputs.push(array.as_slice_mut()?);
    }
    py.detach(|| session.run_with(&inputs, &mut outputs)).or_raise()?;
    let tensors = PyDict::new(py);
    for ((name, array), dtype) in fetches.iter().zip(arrays).zip(types) {
        let array = array.as_any().clone();
        let array = match dtype {
            Some(dtype) => array.call_method1("astype", (dtype,))?,
            None => array,
        };
        tensors.set_item(name, array)?;
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

/// Returns the name of a type of integers or truth values, which are computed in float32.
fn type_of_integers(dtype: DType) -> Option<&'static str> {
    match dtype {
        DType::U8 => Some("uint8"),
        DType::I8 => Some("int8"),
        DType::U16 => Some("uint16"),
        DType::I16 => Some("int16"),
        DType::I32 => Some("int32"),
        DType::U32 => Some("uint32"),
        DType::I64 => Some("int64"),
        DType::U64 => Some("uint64"),
        DType::Bool => Some("bool"),
        _ => None,
    }
}
