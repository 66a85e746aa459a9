//! Initialisers: tensors in the file, in files beside it, and the filters that are made of them.

use std::sync::Arc;

use bytes::Bytes;

use super::external::ExternalFiles;
use super::proto::TensorProto;
use crate::error::Result;
use crate::file::MappedFile;
use crate::graph::Op;
use crate::graph::quantized::Scale;
use crate::import::FileTensor;
use crate::lazy_tensor::{LazyTensor, TensorSource};
use crate::tensor::{DType, Tensor, elements};

/// A tensor of the model, and the file that its elements lie in.
#[derive(Clone, Debug)]
pub(super) struct Weight {
    pub(super) tensor: Tensor,
    pub(super) file: MappedFile,
    /// The scale of integers that stand for real numbers.
    pub(super) scale: Option<Arc<WeightScale>>,
}

/// `real = scale · (stored − zero_point)`, of a whole tensor or of each index of one dimension.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct WeightScale {
    /// One scale, or one for each index of `axis`.
    pub(super) scales: Vec<f32>,
    /// As many as there are scales.
    pub(super) zero_points: Vec<i32>,
    pub(super) axis: usize,
}

impl WeightScale {
    /// The scale of the whole tensor, if it is one.
    pub(super) fn single(&self) -> Option<Scale> {
        match (self.scales.as_slice(), self.zero_points.as_slice()) {
            (&[scale], &[zero_point]) => Some(Scale { scale, zero_point }),
            _ => None,
        }
    }

    /// Checks that there is a scale for each index.
    pub(super) fn check(&self, tensor: &Tensor) -> Result<(), String> {
        let count = self.scales.len();
        match tensor.shape().get(self.axis) {
            _ if count == 1 => Ok(()),
            Some(&length) if length == count => Ok(()),
            _ => Err(format!("{count} scales for a value of shape {:?}", tensor.shape())),
        }
    }

    /// The index among the scales of each element.
    fn indices(&self, tensor: &Tensor) -> impl Iterator<Item = usize> + use<> {
        let shape = tensor.shape();
        let inner: usize = shape.iter().skip(self.axis + 1).product::<usize>().max(1);
        let count = self.scales.len();
        (0..tensor.len()).map(move |element| element / inner % count)
    }

    /// The real numbers of integers.
    fn real(&self, tensor: &Tensor) -> Vec<f32> {
        let stored = tensor.to_i64();
        let scaled = stored.iter().zip(self.indices(tensor)).map(|(stored, index)| {
            self.scales[index] * (stored - i64::from(self.zero_points[index])) as f32
        });
        scaled.collect()
    }

    /// Real numbers as integers of a type: the nearest, halves to even.
    pub(super) fn stored(&self, tensor: &Tensor, dtype: DType) -> Result<Tensor, String> {
        self.check(tensor)?;
        let limits = match dtype {
            DType::I8 => [-128, 127],
            DType::U8 => [0, 255],
            DType::I16 => [-32768, 32767],
            DType::U16 => [0, 65535],
            other => return Err(format!("integers of type {other}")),
        };
        let [low, high] = limits.map(|limit| limit as f32);
        let real = tensor.to_f32();
        let stored = real.iter().zip(self.indices(tensor)).map(|(real, index)| {
            let steps = (real / self.scales[index]).round_ties_even();
            (steps + self.zero_points[index] as f32).clamp(low, high) as i64
        });
        Ok(Tensor::from_i64(dtype, tensor.shape(), &stored.collect::<Vec<_>>()))
    }
}

/// `TensorProto.DataLocation`: the elements are in another file.
const EXTERNAL: i32 = 1;

/// The type that ONNX has this number for (`TensorProto.DataType`).
pub(super) fn dtype(number: i32) -> Option<DType> {
    Some(match number {
        1 => DType::F32,
        2 => DType::U8,
        3 => DType::I8,
        4 => DType::U16,
        5 => DType::I16,
        6 => DType::I32,
        7 => DType::I64,
        8 => DType::String,
        9 => DType::Bool,
        10 => DType::F16,
        11 => DType::F64,
        12 => DType::U32,
        13 => DType::U64,
        16 => DType::BF16,
        _ => return None,
    })
}

/// The type that values are computed with: float32 for all floats.
pub(super) fn computed(dtype: DType) -> DType {
    if dtype.is_float() { DType::F32 } else { dtype }
}

impl Weight {
    /// The tensor of a message that was decoded from `file`.
    pub(super) fn read(
        proto: &TensorProto,
        file: &MappedFile,
        external: &mut ExternalFiles,
    ) -> Result<Self, String> {
        let dtype = dtype(proto.data_type)
            .filter(|&dtype| dtype != DType::String)
            .ok_or_else(|| format!("its element type {} is not known", proto.data_type))?;
        let length = |&n: &i64| usize::try_from(n).map_err(|_| format!("a dimension of {n}"));
        let shape: Vec<usize> = proto.dims.iter().map(length).collect::<Result<_, _>>()?;
        let wanted = elements(&shape).and_then(|count| count.checked_mul(dtype.size()));
        let wanted = wanted.ok_or_else(|| format!("its shape {shape:?} overflows"))?;
        let (bytes, file) = if proto.data_location == EXTERNAL {
            external.slice(&proto.external_data, wanted)?
        } else if proto.raw_data.is_empty() {
            (listed(proto, dtype).into(), Bytes::new().into())
        } else {
            (proto.raw_data.clone(), file.clone())
        };
        let found = bytes.len();
        let tensor = Tensor::from_shared(dtype, shape.clone(), bytes).ok_or_else(|| {
            format!("{found} bytes of values where shape {shape:?} of {dtype} takes {wanted}")
        })?;
        Ok(Self { tensor, file, scale: None })
    }

    /// A tensor that is in no file.
    pub(super) fn of(tensor: Tensor) -> Self {
        Self { tensor, file: Bytes::new().into(), scale: None }
    }

    /// The numbers that are computed with.
    fn values(&self) -> Vec<f32> {
        match &self.scale {
            Some(scale) => scale.real(&self.tensor),
            None => self.tensor.to_f32(),
        }
    }

    /// The tensor as it is computed with: floats as float32.
    pub(super) fn to_computed(&self) -> Tensor {
        let tensor = &self.tensor;
        if self.scale.is_none() && computed(tensor.dtype()) == tensor.dtype() {
            return tensor.clone();
        }
        Tensor::from_f32(tensor.shape(), self.values())
    }

    /// The tensor as a node: matrices and larger stay in the file's form until they are packed.
    pub(super) fn operand(&self) -> Op {
        let tensor = &self.tensor;
        let is_real = self.scale.is_some() || tensor.dtype().is_float();
        let is_parameter = tensor.shape().len() < 2 || !is_real;
        if is_parameter || !self.file.contains(tensor.bytes()) {
            return Op::Const(self.to_computed());
        }
        let shape = tensor.shape().to_vec();
        let dtype = if self.scale.is_some() { DType::F32 } else { tensor.dtype() };
        let contents: Arc<dyn TensorSource> = if tensor.dtype() == computed(dtype) {
            Arc::new(FileTensor { file: self.file.clone(), tensor: tensor.clone() })
        } else {
            Arc::new(Widened(self.clone()))
        };
        Op::Variable(LazyTensor::new(computed(dtype), shape, contents))
    }
}

/// The elements from the list of their type.
fn listed(proto: &TensorProto, dtype: DType) -> Vec<u8> {
    fn low<const N: usize>(values: impl Iterator<Item = [u8; N]>, size: usize) -> Vec<u8> {
        values.flat_map(|bytes| bytes.into_iter().take(size)).collect()
    }
    let size = dtype.size();
    match dtype {
        DType::F32 => low(proto.float_data.iter().map(|v| v.to_le_bytes()), size),
        DType::F64 => low(proto.double_data.iter().map(|v| v.to_le_bytes()), size),
        DType::I64 => low(proto.int64_data.iter().map(|v| v.to_le_bytes()), size),
        DType::U32 | DType::U64 => low(proto.uint64_data.iter().map(|v| v.to_le_bytes()), size),
        _ => low(proto.int32_data.iter().map(|v| v.to_le_bytes()), size),
    }
}

/// Floats of another type, read as float32.
#[derive(Debug)]
struct Widened(Weight);

impl TensorSource for Widened {
    fn read(&self) -> Result<Tensor> {
        Ok(self.0.to_computed())
    }
}

/// How a filter of this project is made of ONNX's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FilterForm {
    /// `[out, in, rows, columns]` to `[rows, columns, in, out]`, of one of `groups` equal parts of
    /// the output channels.
    Grouped { groups: usize, index: usize },
    /// `[channels · multiplier, 1, rows, columns]` to `[rows, columns, channels, multiplier]`.
    Depthwise { channels: usize },
    /// The filter `[in, out, rows, columns]` of a transposed convolution.
    Transposed(Transposed),
}

/// A transposed convolution as a convolution whose output channels are the `stride[0] · stride[1]`
/// phases of the output's rows and columns (Shi et al. 2016).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Transposed {
    pub(super) stride: [usize; 2],
    pub(super) dilation: [usize; 2],
    /// Into how many equal parts the input channels are divided.
    pub(super) groups: usize,
    /// The part that this filter is of; `None` for a depthwise convolution, whose parts are
    /// channels.
    pub(super) index: Option<usize>,
}

impl Transposed {
    /// Taps of the convolution, of a filter of `kernel` taps.
    pub(super) fn taps(&self, kernel: [usize; 2]) -> [usize; 2] {
        let reach = |d: usize| (kernel[d] - 1) * self.dilation[d] + 1;
        [0, 1].map(|d| reach(d).div_ceil(self.stride[d]))
    }

    fn phases(&self) -> usize {
        self.stride[0].saturating_mul(self.stride[1])
    }
}

impl FilterForm {
    /// The shape of the filter that is made of one of `shape`; `None` if it overflows.
    pub(super) fn shape(&self, shape: [usize; 4]) -> Option<Vec<usize>> {
        let [first, second, rows, columns] = shape;
        Some(match *self {
            Self::Grouped { groups, .. } => vec![rows, columns, second, first / groups],
            Self::Depthwise { channels } => vec![rows, columns, channels, first / channels],
            Self::Transposed(form) => {
                let [rows, columns] = form.taps([rows, columns]);
                let inputs = match form.index {
                    Some(_) => first / form.groups,
                    None => first,
                };
                let outputs = second.checked_mul(form.phases())?;
                vec![rows, columns, inputs, outputs]
            }
        })
    }

    /// Part of the name of the node that holds the filter.
    pub(super) fn suffix(&self) -> String {
        match self {
            Self::Grouped { groups: 1, .. } => "hwio".to_owned(),
            Self::Grouped { groups, index } => format!("hwio_{index}_of_{groups}"),
            Self::Depthwise { .. } => "depthwise".to_owned(),
            Self::Transposed(Transposed { stride: [y, x], dilation: [dy, dx], groups, index }) => {
                let part =
                    index.map_or("depthwise".to_owned(), |index| format!("{index}_of_{groups}"));
                format!("transposed_{y}x{x}_{dy}x{dx}_{part}")
            }
        }
    }

    /// For each element of the filter, the element of ONNX's that it is; `None` where it is zero.
    fn source(&self, shape: [usize; 4], at: [usize; 4]) -> Option<usize> {
        let [first, second, rows, columns] = shape;
        let [y, x, input, output] = at;
        let element =
            |a: usize, b: usize, y: usize, x: usize| ((a * second + b) * rows + y) * columns + x;
        match *self {
            Self::Grouped { groups, index } => {
                Some(element(index * (first / groups) + output, input, y, x))
            }
            Self::Depthwise { channels } => {
                Some(element(input * (first / channels) + output, 0, y, x))
            }
            Self::Transposed(form) => {
                let (phase, channel) = match form.index {
                    Some(_) => (output / second, output % second),
                    None => (output % form.phases(), output / form.phases()),
                };
                let phase = [phase / form.stride[1], phase % form.stride[1]];
                let taps = form.taps([rows, columns]);
                let tap = |d: usize, at: usize, length: usize| {
                    let spread = (taps[d] - 1 - at) * form.stride[d] + phase[d];
                    let tap = spread / form.dilation[d];
                    (spread.is_multiple_of(form.dilation[d]) && tap < length).then_some(tap)
                };
                let part = form.index.map_or(0, |index| index * (first / form.groups));
                Some(element(part + input, channel, tap(0, y, rows)?, tap(1, x, columns)?))
            }
        }
    }
}

/// A filter that is made when it is packed.
#[derive(Debug)]
pub(super) struct Filter {
    pub(super) weight: Weight,
    /// The shape of `weight`.
    pub(super) shape: [usize; 4],
    pub(super) form: FilterForm,
}

impl Filter {
    pub(super) fn operand(self, shape: Vec<usize>) -> Op {
        Op::Variable(LazyTensor::new(DType::F32, shape, Arc::new(self)))
    }
}

impl TensorSource for Filter {
    fn read(&self) -> Result<Tensor> {
        let values = self.weight.values();
        let shape = self.form.shape(self.shape).unwrap_or_default();
        let mut filter = Vec::with_capacity(shape.iter().product());
        for y in 0..shape[0] {
            for x in 0..shape[1] {
                for input in 0..shape[2] {
                    for output in 0..shape[3] {
                        let source = self.form.source(self.shape, [y, x, input, output]);
                        filter.push(source.map_or(0.0, |at| values[at]));
                    }
                }
            }
        }
        self.weight.file.release(self.weight.tensor.bytes());
        Ok(Tensor::from_f32(&shape, filter))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(shape: [usize; 4], form: FilterForm) -> (Vec<usize>, Vec<f32>) {
        let values = (0..shape.iter().product::<usize>()).map(|i| i as f32 + 1.0).collect();
        let weight = Weight::of(Tensor::from_f32(&shape, values));
        let read = Filter { weight, shape, form }.read().unwrap();
        (read.shape().to_vec(), read.to_f32())
    }

    #[test]
    fn a_group_of_a_filter_has_its_output_channels_last() {
        let (shape, values) = filter([4, 1, 1, 2], FilterForm::Grouped { groups: 2, index: 1 });
        assert_eq!((shape, values), (vec![1, 2, 1, 2], vec![5.0, 7.0, 6.0, 8.0]));
        let (shape, values) = filter([4, 1, 1, 1], FilterForm::Depthwise { channels: 2 });
        assert_eq!((shape, values), (vec![1, 1, 2, 2], vec![1.0, 2.0, 3.0, 4.0]));
    }

    #[test]
    fn a_transposed_filter_has_its_taps_in_phases_back_to_front() {
        let form = Transposed { stride: [1, 2], dilation: [1, 1], groups: 1, index: Some(0) };
        let (shape, values) = filter([1, 1, 1, 3], FilterForm::Transposed(form));
        assert_eq!((shape, values), (vec![1, 2, 1, 2], vec![3.0, 0.0, 1.0, 2.0]));
    }
}
