//! A `.tflite` file's tensors and operators, every index in it checked.

use std::ops::Range;

use bytes::Bytes;

use super::flatbuffer::{Damage, FlatBuffer, Table};
use super::schema::{
    self, buffer, metadata, operator_code, quantization, signature, subgraph, tensor, tensor_map,
};
use crate::tensor::{DType, elements};

/// The content of a file: its first subgraph.
#[derive(Debug)]
pub(super) struct Model<'a> {
    pub(super) tensors: Vec<LiteTensor>,
    pub(super) operators: Vec<Operator<'a>>,
    /// The tensors that are fed.
    pub(super) inputs: Vec<usize>,
    /// The tensors that are answers.
    pub(super) outputs: Vec<usize>,
    /// Names and texts that Lorgnette wrote for itself.
    pub(super) notes: Vec<(&'a str, &'a str)>,
}

/// A tensor of a subgraph.
#[derive(Debug)]
pub(super) struct LiteTensor {
    /// Unique; as the file has it where that is, without the number of a first output.
    pub(super) name: String,
    /// `None` for a type of [`schema::type_name`].
    pub(super) dtype: Option<DType>,
    pub(super) type_number: u8,
    /// The shape for which the file was written.
    pub(super) shape: Vec<usize>,
    /// The shape with open dimensions.
    pub(super) signature: Vec<Option<usize>>,
    /// The value of a constant, as it lies in the file.
    pub(super) constant: Option<Bytes>,
    pub(super) quantization: Option<Quantization>,
    /// Whether it keeps its value from one run to the next.
    pub(super) is_variable: bool,
    /// Whether it is a constant in a sparse form.
    pub(super) is_sparse: bool,
}

/// `real = scale · (stored − zero_point)`, of the whole tensor or of each index of one dimension.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Quantization {
    /// One scale, or one for each index of `dimension`.
    pub(super) scales: Vec<f32>,
    /// As many as there are scales.
    pub(super) zero_points: Vec<i64>,
    pub(super) dimension: usize,
}

/// An operator of a subgraph.
#[derive(Debug)]
pub(super) struct Operator<'a> {
    pub(super) code: Code,
    /// The tensors it reads; `None` where an optional one is left out.
    pub(super) inputs: Vec<Option<usize>>,
    /// The tensors it writes.
    pub(super) outputs: Vec<usize>,
    pub(super) options: Option<Table<'a>>,
}

/// Which operation it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Code {
    /// An operation of the schema, by its name there.
    Builtin(&'static str),
    /// A number that the schema has no name for.
    Unknown(i32),
    /// An operation of the application's own.
    Custom(String),
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Builtin(name) => f.write_str(name),
            Self::Unknown(number) => write!(f, "builtin operator {number}"),
            Self::Custom(name) => write!(f, "custom operator {name}"),
        }
    }
}

impl<'a> Model<'a> {
    /// Reads the file `flat`, whose bytes are `file`.
    pub(super) fn read(flat: &'a FlatBuffer<'a>, file: &Bytes) -> Result<Self, Damage> {
        use schema::model::{BUFFERS, METADATA, OPERATOR_CODES, SIGNATURES, SUBGRAPHS, VERSION};
        const SUPPORTED_VERSION: u32 = 3;
        let root = flat.root()?;
        let version = root.u32(VERSION)?;
        if version != SUPPORTED_VERSION {
            return Err(format!("schema version {version} where {SUPPORTED_VERSION} is known"));
        }
        let codes = root.tables(OPERATOR_CODES)?.iter().map(code).collect::<Result<Vec<_>, _>>()?;
        let buffers: Vec<Range<usize>> = root
            .tables(BUFFERS)?
            .iter()
            .map(|table| buffer_range(table, flat))
            .collect::<Result<_, _>>()?;
        let main = root.tables(SUBGRAPHS)?.into_iter().next().ok_or("it has no subgraph")?;
        let tensors = main.tables(subgraph::TENSORS)?;
        let tensors: Vec<LiteTensor> = tensors
            .iter()
            .map(|table| read_tensor(table, &buffers, file))
            .collect::<Result<_, _>>()?;
        let operators = main.tables(subgraph::OPERATORS)?;
        let operators: Vec<Operator<'a>> = operators
            .iter()
            .map(|table| read_operator(table, &codes, tensors.len()))
            .collect::<Result<_, _>>()?;
        let mut model = Self {
            inputs: indices(&main.i32s(subgraph::INPUTS)?, tensors.len())?,
            outputs: indices(&main.i32s(subgraph::OUTPUTS)?, tensors.len())?,
            notes: notes(&root.tables(METADATA)?, &buffers, flat)?,
            tensors,
            operators,
        };
        model.check()?;
        model.rename(&root.tables(SIGNATURES)?)?;
        Ok(model)
    }

    /// Every tensor is computed once, and operators come after those they read.
    fn check(&self) -> Result<(), Damage> {
        let mut known: Vec<bool> =
            self.tensors.iter().map(|tensor| tensor.constant.is_some()).collect();
        for &input in &self.inputs {
            known[input] = true;
        }
        for operator in &self.operators {
            for &input in operator.inputs.iter().flatten() {
                let tensor = &self.tensors[input];
                if !known[input] && !tensor.is_variable && elements(&tensor.shape) != Some(0) {
                    return Err(format!(
                        "{} reads '{}' before it is computed",
                        operator.code, tensor.name
                    ));
                }
            }
            for &output in &operator.outputs {
                if std::mem::replace(&mut known[output], true) {
                    return Err(format!(
                        "{} computes '{}' a second time",
                        operator.code, self.tensors[output].name
                    ));
                }
            }
        }
        match self.outputs.iter().find(|&&output| !known[output]) {
            None => Ok(()),
            Some(&output) => {
                Err(format!("its output '{}' is not computed", self.tensors[output].name))
            }
        }
    }

    /// Makes names unique: a tensor without a name has its signature's, or its number.
    fn rename(&mut self, signatures: &[Table<'a>]) -> Result<(), Damage> {
        for table in signatures.iter().filter(|table| table.u32(signature::SUBGRAPH) == Ok(0)) {
            let maps = [table.tables(signature::INPUTS)?, table.tables(signature::OUTPUTS)?];
            for map in maps.iter().flatten() {
                let index = map.u32(tensor_map::TENSOR)? as usize;
                let (Some(name), Some(tensor)) =
                    (map.text(tensor_map::NAME)?, self.tensors.get_mut(index))
                else {
                    continue;
                };
                if tensor.name.is_empty() {
                    name.clone_into(&mut tensor.name);
                }
            }
        }
        let mut taken = std::collections::HashSet::new();
        for (index, tensor) in self.tensors.iter_mut().enumerate() {
            let name = tensor
                .name
                .strip_suffix(":0")
                .unwrap_or(&tensor.name)
                .trim_start_matches('^')
                .to_owned();
            let unusable = name.is_empty() || name.len() > MAX_NAME || taken.contains(&name);
            tensor.name = if unusable { format!("{}tensor_{index}", prefix(&name)) } else { name };
            taken.insert(tensor.name.clone());
        }
        Ok(())
    }
}

/// Estimates the memory of a file's tensors and operators, and of the nodes that they become.
pub(super) fn decoded_bytes(flat: &FlatBuffer<'_>) -> Result<u64, Damage> {
    /// Bytes of a tensor, a constant among nodes.
    const TENSOR: u64 = 4 << 10;
    /// Bytes of an operator and of its nodes.
    const OPERATOR: u64 = 12 << 10;
    /// Bytes of a length of a shape, a number of a quantisation, an index of a tensor; of a byte of
    /// a name.
    const NUMBER: u64 = 64;
    const LETTER: u64 = 4;
    let root = flat.root()?;
    let main = root.tables(schema::model::SUBGRAPHS)?.into_iter().next();
    let main = main.ok_or("it has no subgraph")?;
    let mut bytes = 0;
    for table in main.tables(subgraph::TENSORS)? {
        let numbers = table.len(tensor::SHAPE)? + table.len(tensor::SHAPE_SIGNATURE)?;
        let quantization = match table.table(tensor::QUANTIZATION)? {
            Some(table) => table.len(quantization::SCALE)? + table.len(quantization::ZERO_POINT)?,
            None => 0,
        };
        let name = LETTER * table.len(tensor::NAME)? as u64;
        bytes += TENSOR + NUMBER * (numbers + quantization) as u64 + name;
    }
    for table in main.tables(subgraph::OPERATORS)? {
        use schema::operator::{INPUTS, OUTPUTS};
        bytes += OPERATOR + NUMBER * (table.len(INPUTS)? + table.len(OUTPUTS)?) as u64;
    }
    Ok(bytes)
}

/// The prefix of the names of what Lorgnette notes in a file.
const NOTE: &str = "lorgnette.";

/// Reads the metadata that Lorgnette wrote; that of others is of many forms.
fn notes<'a>(
    tables: &[Table<'a>],
    buffers: &[Range<usize>],
    flat: &'a FlatBuffer<'a>,
) -> Result<Vec<(&'a str, &'a str)>, Damage> {
    let mut notes = Vec::new();
    for table in tables {
        let Some(name) = table.text(metadata::NAME)?.filter(|name| name.starts_with(NOTE)) else {
            continue;
        };
        let buffer = buffers.get(table.u32(metadata::BUFFER)? as usize);
        let bytes = buffer.and_then(|range| flat.bytes().get(range.clone())).unwrap_or_default();
        flat.spend(bytes.len())?;
        if let Ok(text) = std::str::from_utf8(bytes) {
            notes.push((name, text));
        }
    }
    Ok(notes)
}

/// Names that are longer are shortened: TensorFlow joins those of all nodes that became one.
const MAX_NAME: usize = 1000;

/// The beginning of a name that could not be kept.
fn prefix(name: &str) -> String {
    const LENGTH: usize = 40;
    if name.is_empty() { String::new() } else { name.chars().take(LENGTH).chain(['/']).collect() }
}

fn code(table: &Table<'_>) -> Result<Code, Damage> {
    const CUSTOM: i32 = 32;
    // The field of old files is a byte; a number that does not fit it is in the new field.
    let old = i32::from(table.u8(operator_code::DEPRECATED_BUILTIN)?.cast_signed());
    Ok(match table.i32(operator_code::BUILTIN, 0)?.max(old) {
        CUSTOM => Code::Custom(table.text(operator_code::CUSTOM)?.unwrap_or_default().to_owned()),
        number => schema::builtin_name(number).map_or(Code::Unknown(number), Code::Builtin),
    })
}

/// Where a buffer's bytes are in the file.
fn buffer_range(table: &Table<'_>, flat: &FlatBuffer<'_>) -> Result<Range<usize>, Damage> {
    let (offset, size) = (table.u64(buffer::OFFSET)?, table.u64(buffer::SIZE)?);
    // Files of more than 2 GiB have their buffers behind the FlatBuffer.
    if offset <= 1 {
        return table.bytes(buffer::DATA);
    }
    let range = usize::try_from(offset)
        .ok()
        .zip(offset.checked_add(size).and_then(|end| usize::try_from(end).ok()));
    match range {
        Some((start, end)) if end <= flat.bytes().len() => Ok(start..end),
        _ => Err(format!("a buffer of {size} bytes at byte {offset} is not in it")),
    }
}

fn read_tensor(
    table: &Table<'_>,
    buffers: &[Range<usize>],
    file: &Bytes,
) -> Result<LiteTensor, Damage> {
    let name = table.text(tensor::NAME)?.unwrap_or_default().to_owned();
    let shape = lengths(&table.i32s(tensor::SHAPE)?)
        .ok_or_else(|| format!("'{name}' has a negative dimension"))?;
    let signature = table.i32s(tensor::SHAPE_SIGNATURE)?;
    let fits = signature.len() == shape.len();
    let signature = match fits {
        true => signature.iter().map(|&n| usize::try_from(n).ok()).collect(),
        false => shape.iter().map(|&n| Some(n)).collect(),
    };
    let buffer = table.u32(tensor::BUFFER)? as usize;
    let range = buffers.get(buffer).cloned().or_else(|| (buffer == 0).then_some(0..0));
    let range =
        range.ok_or_else(|| format!("'{name}' is in buffer {buffer}, which is not there"))?;
    let type_number = table.u8(tensor::TYPE)?;
    Ok(LiteTensor {
        dtype: schema::dtype(type_number),
        type_number,
        shape,
        signature,
        constant: (!range.is_empty()).then(|| file.slice(range)),
        quantization: table
            .table(tensor::QUANTIZATION)?
            .map(|table| read_quantization(&table, &name))
            .transpose()?
            .flatten(),
        is_variable: table.flag(tensor::IS_VARIABLE)?,
        is_sparse: table.table(tensor::SPARSITY)?.is_some(),
        name,
    })
}

fn read_quantization(table: &Table<'_>, name: &str) -> Result<Option<Quantization>, Damage> {
    let (scales, mut zero_points) =
        (table.f32s(quantization::SCALE)?, table.i64s(quantization::ZERO_POINT)?);
    if scales.is_empty() {
        return Ok(None);
    }
    if zero_points.len() <= 1 {
        zero_points = vec![zero_points.first().copied().unwrap_or(0); scales.len()];
    }
    let dimension = usize::try_from(table.i32(quantization::DIMENSION, 0)?);
    match dimension {
        Ok(dimension)
            if zero_points.len() == scales.len()
                && scales.iter().all(|scale| scale.is_finite()) =>
        {
            Ok(Some(Quantization { scales, zero_points, dimension }))
        }
        _ => Err(format!("the quantisation of '{name}' contradicts itself")),
    }
}

fn read_operator<'a>(
    table: &Table<'a>,
    codes: &[Code],
    tensors: usize,
) -> Result<Operator<'a>, Damage> {
    use schema::operator::{CODE, INPUTS, OPTIONS, OUTPUTS};
    let index = table.u32(CODE)? as usize;
    let code =
        codes.get(index).cloned().ok_or_else(|| format!("operator code {index} is not there"))?;
    let input =
        |&input: &i32| if input == -1 { Ok(None) } else { tensor_index(input, tensors).map(Some) };
    Ok(Operator {
        code,
        inputs: table.i32s(INPUTS)?.iter().map(input).collect::<Result<_, _>>()?,
        outputs: indices(&table.i32s(OUTPUTS)?, tensors)?,
        options: table.table(OPTIONS)?,
    })
}

fn indices(numbers: &[i32], tensors: usize) -> Result<Vec<usize>, Damage> {
    numbers.iter().map(|&number| tensor_index(number, tensors)).collect()
}

fn tensor_index(number: i32, tensors: usize) -> Result<usize, Damage> {
    let index = usize::try_from(number).ok().filter(|&index| index < tensors);
    index.ok_or_else(|| format!("tensor {number} is not there"))
}

fn lengths(numbers: &[i32]) -> Option<Vec<usize>> {
    numbers.iter().map(|&n| usize::try_from(n).ok()).collect()
}
