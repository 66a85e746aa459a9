//! Tensors: element type, shape, and little-endian bytes, which may be mapped from a file.

use std::borrow::Cow;

use bytes::Bytes;

/// The type of a tensor's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // The variants are their own description.
pub enum DType {
    F16,
    BF16,
    F32,
    F64,
    U8,
    I8,
    U16,
    I16,
    I32,
    U32,
    I64,
    U64,
    Bool,
    /// Text or encoded bytes; only as a constant that nothing computes with.
    String,
}

impl DType {
    /// The type of that number in TensorFlow (`tensorflow/core/framework/types.proto`). Quantised
    /// types are the integers they are stored as; `None` for types that no image network has.
    pub fn from_tensorflow(number: i32) -> Option<Self> {
        Some(match number {
            1 => Self::F32,
            2 => Self::F64,
            3 | 13 => Self::I32,
            4 | 12 => Self::U8,
            5 | 15 => Self::I16,
            6 | 11 => Self::I8,
            7 => Self::String,
            9 => Self::I64,
            10 => Self::Bool,
            14 => Self::BF16,
            16 | 17 => Self::U16,
            19 => Self::F16,
            22 => Self::U32,
            23 => Self::U64,
            _ => return None,
        })
    }

    /// The type's number in TensorFlow.
    pub fn tensorflow(self) -> i32 {
        match self {
            Self::F32 => 1,
            Self::F64 => 2,
            Self::I32 => 3,
            Self::U8 => 4,
            Self::I16 => 5,
            Self::I8 => 6,
            Self::String => 7,
            Self::I64 => 9,
            Self::Bool => 10,
            Self::BF16 => 14,
            Self::U16 => 17,
            Self::F16 => 19,
            Self::U32 => 22,
            Self::U64 => 23,
        }
    }

    /// Bytes of one element; 0 for strings, which have no fixed size.
    pub fn size(self) -> usize {
        match self {
            Self::U8 | Self::I8 | Self::Bool => 1,
            Self::F16 | Self::BF16 | Self::U16 | Self::I16 => 2,
            Self::F32 | Self::I32 | Self::U32 => 4,
            Self::F64 | Self::I64 | Self::U64 => 8,
            Self::String => 0,
        }
    }

    /// Rounds to the nearest number of bf16 or f16; returns the number itself for other types.
    pub fn round_to(self, value: f32) -> f32 {
        match self {
            Self::F16 => half::f16::from_f32(value).to_f32(),
            Self::BF16 => half::bf16::from_f32(value).to_f32(),
            _ => value,
        }
    }

    /// True for floating-point types.
    pub fn is_float(self) -> bool {
        matches!(self, Self::F16 | Self::BF16 | Self::F32 | Self::F64)
    }
}

/// The name in TensorFlow, such as `float32`.
impl std::fmt::Display for DType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::F16 => "float16",
            Self::BF16 => "bfloat16",
            Self::F32 => "float32",
            Self::F64 => "float64",
            Self::U8 => "uint8",
            Self::I8 => "int8",
            Self::U16 => "uint16",
            Self::I16 => "int16",
            Self::I32 => "int32",
            Self::U32 => "uint32",
            Self::I64 => "int64",
            Self::U64 => "uint64",
            Self::Bool => "bool",
            Self::String => "string",
        })
    }
}

/// An n-dimensional array. Cloning shares the bytes.
#[derive(Clone, Debug)]
pub struct Tensor {
    dtype: DType,
    shape: Vec<usize>,
    bytes: Bytes,
}

impl Tensor {
    /// A tensor of `bytes`: little-endian, row-major, not necessarily aligned. `None` if their
    /// number does not fit the shape.
    pub fn from_bytes(
        dtype: DType,
        shape: Vec<usize>,
        bytes: impl AsRef<[u8]> + Send + 'static,
    ) -> Option<Self> {
        Self::from_shared(dtype, shape, Bytes::from_owner(bytes))
    }

    /// As [`Tensor::from_bytes`], of bytes that may be a part of a mapped file.
    pub(crate) fn from_shared(dtype: DType, shape: Vec<usize>, bytes: Bytes) -> Option<Self> {
        let expected = elements(&shape)?.checked_mul(dtype.size())?;
        (bytes.len() == expected || dtype == DType::String).then_some(Self { dtype, shape, bytes })
    }

    /// A float32 tensor.
    ///
    /// # Panics
    /// If the number of values does not fit the shape.
    #[expect(clippy::needless_pass_by_value, reason = "the values are the tensor's from now on")]
    pub fn from_f32(shape: &[usize], values: Vec<f32>) -> Self {
        Self::new(DType::F32, shape, values.len(), f32_to_bytes(&values))
    }

    /// A tensor of any numeric type from floats, which are rounded to it; integers lose the
    /// fraction.
    ///
    /// # Panics
    /// If the number of values does not fit the shape.
    pub fn from_floats(dtype: DType, shape: &[usize], values: Vec<f32>) -> Self {
        let count = values.len();
        let bytes: Vec<u8> = match dtype {
            DType::F32 => return Self::from_f32(shape, values),
            DType::F16 => {
                values.iter().flat_map(|&v| half::f16::from_f32(v).to_le_bytes()).collect()
            }
            DType::BF16 => {
                values.iter().flat_map(|&v| half::bf16::from_f32(v).to_le_bytes()).collect()
            }
            DType::F64 => values.iter().flat_map(|&v| f64::from(v).to_le_bytes()).collect(),
            _ => {
                return Self::from_i64(
                    dtype,
                    shape,
                    &values.iter().map(|&v| v as i64).collect::<Vec<_>>(),
                );
            }
        };
        Self::new(dtype, shape, count, bytes.into())
    }

    /// A tensor of an integer type or bool; values are truncated to the type's bits.
    ///
    /// # Panics
    /// If the number of values does not fit the shape.
    pub fn from_i64(dtype: DType, shape: &[usize], values: &[i64]) -> Self {
        let size = dtype.size();
        let mut bytes = Vec::with_capacity(values.len() * size);
        bytes.extend(values.iter().flat_map(|v| v.to_le_bytes().into_iter().take(size)));
        Self::new(dtype, shape, values.len(), bytes.into())
    }

    /// A float32 scalar.
    pub fn scalar(value: f32) -> Self {
        Self::from_f32(&[], vec![value])
    }

    fn new(dtype: DType, shape: &[usize], count: usize, bytes: Bytes) -> Self {
        assert_eq!(elements(shape), Some(count), "shape {shape:?} holds another number of values");
        Self { dtype, shape: shape.to_vec(), bytes }
    }

    /// The type of the elements.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// The length of each dimension; empty for a scalar.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// True if there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The elements, little-endian, row-major.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The elements as [`Tensor::bytes`] has them; cloning shares them.
    pub(crate) fn shared_bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The same elements in another shape; `None` if that has another number of elements.
    pub fn reshaped(&self, shape: &[usize]) -> Option<Self> {
        (elements(shape)? == self.len()).then(|| Self { shape: shape.to_vec(), ..self.clone() })
    }

    /// The elements as float32, converted from other types.
    pub fn to_f32(&self) -> Vec<f32> {
        match self.dtype {
            DType::F32 => self.chunks().map(f32::from_le_bytes).collect(),
            DType::F64 => self.chunks().map(|b| f64::from_le_bytes(b) as f32).collect(),
            DType::F16 => self.chunks().map(|b| half::f16::from_le_bytes(b).to_f32()).collect(),
            DType::BF16 => self.chunks().map(|b| half::bf16::from_le_bytes(b).to_f32()).collect(),
            _ => self.to_i64().into_iter().map(|v| v as f32).collect(),
        }
    }

    /// The little-endian bytes of the elements as float32, borrowed if they are float32 already.
    pub fn f32_bytes(&self) -> Cow<'_, [u8]> {
        match self.dtype {
            DType::F32 => Cow::Borrowed(&self.bytes),
            _ => Cow::Owned(f32_to_bytes(&self.to_f32()).to_vec()),
        }
    }

    /// The elements as integers; floats lose their fraction, as in TensorFlow's `Cast`.
    pub fn to_i64(&self) -> Vec<i64> {
        match self.dtype {
            DType::U8 | DType::Bool => self.bytes.iter().map(|&b| i64::from(b)).collect(),
            DType::I8 => self.chunks().map(|b| i64::from(i8::from_le_bytes(b))).collect(),
            DType::U16 => self.chunks().map(|b| i64::from(u16::from_le_bytes(b))).collect(),
            DType::I16 => self.chunks().map(|b| i64::from(i16::from_le_bytes(b))).collect(),
            DType::I32 => self.chunks().map(|b| i64::from(i32::from_le_bytes(b))).collect(),
            DType::U32 => self.chunks().map(|b| i64::from(u32::from_le_bytes(b))).collect(),
            DType::I64 | DType::U64 => self.chunks().map(i64::from_le_bytes).collect(),
            DType::F16 | DType::BF16 | DType::F32 => {
                self.to_f32().into_iter().map(|v| v as i64).collect()
            }
            DType::F64 => self.chunks().map(|b| f64::from_le_bytes(b) as i64).collect(),
            DType::String => Vec::new(),
        }
    }

    /// Returns the first element as an integer; `None` if there are none. Reads no other.
    pub(crate) fn first_i64(&self) -> Option<i64> {
        let bytes = self.bytes.get(..self.dtype.size())?;
        let first =
            Self { dtype: self.dtype, shape: vec![1], bytes: Bytes::copy_from_slice(bytes) };
        first.to_i64().first().copied()
    }

    fn chunks<const N: usize>(&self) -> impl Iterator<Item = [u8; N]> {
        self.bytes.as_chunks::<N>().0.iter().copied()
    }
}

/// The number of elements of a shape, if a `usize` holds it and the product of any of its lengths.
pub fn elements(shape: &[usize]) -> Option<usize> {
    let largest = shape.iter().try_fold(1usize, |product, &n| product.checked_mul(n.max(1)))?;
    Some(if shape.contains(&0) { 0 } else { largest })
}

fn f32_to_bytes(values: &[f32]) -> Bytes {
    let mut bytes = Vec::with_capacity(size_of_val(values));
    bytes.extend(values.iter().flat_map(|v| v.to_le_bytes()));
    bytes.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_survive_every_type() {
        for dtype in [DType::I8, DType::I16, DType::I32, DType::I64] {
            assert_eq!(
                Tensor::from_i64(dtype, &[3], &[-3, 0, 7]).to_i64(),
                [-3, 0, 7],
                "{dtype:?}"
            );
        }
        assert_eq!(Tensor::from_i64(DType::U8, &[2], &[255, 1]).to_f32(), [255.0, 1.0]);
        assert_eq!(Tensor::from_f32(&[2], vec![-1.9, 2.5]).to_i64(), [-1, 2]);
    }

    #[test]
    fn a_wrong_number_of_bytes_is_refused() {
        assert!(Tensor::from_bytes(DType::F32, vec![2], Bytes::from_static(&[0; 7])).is_none());
        assert!(Tensor::from_bytes(DType::F32, vec![usize::MAX, 2], Bytes::new()).is_none());
    }
}
