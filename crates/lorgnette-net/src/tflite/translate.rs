//! Operators of TensorFlow Lite as nodes of TensorFlow. A family of operators is a file.
//!
//! A node has the name of the tensor it computes. What is computed on the way has that name and a
//! suffix.

mod activation;
mod data_movement;
mod elementwise;
mod quantized;
mod window;

use std::collections::{HashMap, HashSet};

use bytes::Bytes;

use super::flatbuffer::{Damage, Table};
use super::model::{LiteTensor, Model, Operator, Quantization};
use super::schema;
use crate::export::note;
use crate::proto::attribute::REFUSED;
use crate::proto::{self, AttrValue, NodeDef, Value};
use crate::tensor::DType;

/// An attribute's name and value.
type Attribute = (&'static str, Value);

/// All of a model. `file_bytes` is the length of its file, to which the nodes' size is bounded.
pub(super) fn translate(model: &Model<'_>, file_bytes: usize) -> Result<proto::GraphDef, Damage> {
    let mut translator = Translator {
        model,
        nodes: Vec::new(),
        names: model.tensors.iter().map(|tensor| tensor.name.clone()).collect(),
        budget: file_bytes.saturating_mul(16).saturating_add(1 << 20),
        rounded: HashMap::new(),
    };
    for &input in &model.inputs {
        translator.input(input)?;
    }
    translator.constants()?;
    for operator in &model.operators {
        translator.operator(operator)?;
    }
    let mut nodes = translator.nodes;
    nodes.extend(model.notes.iter().map(|(name, text)| note(name, text).def));
    Ok(proto::GraphDef { node: nodes, versions: None })
}

struct Translator<'m> {
    model: &'m Model<'m>,
    nodes: Vec<NodeDef>,
    /// The names of tensors and of nodes so far.
    names: HashSet<String>,
    /// Bytes of names and lists that nodes may still take.
    budget: usize,
    /// The nodes that round activations to a range of their own, for all readers.
    rounded: HashMap<Rounding, String>,
}

/// A rounding of an activation to a range of its own.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Rounding {
    /// The activation.
    input: String,
    /// The number of values that have one range; 0 for those of a picture.
    row: usize,
    is_symmetric: bool,
}

impl Translator<'_> {
    fn input(&mut self, index: usize) -> Result<(), Damage> {
        let tensor = &self.model.tensors[index];
        let Some(dtype) = tensor.dtype else {
            return self.refused(
                &tensor.name,
                "Placeholder",
                schema::type_name(tensor.type_number),
            );
        };
        let dims = tensor.signature.iter().map(|n| n.map_or(-1, |n| n as i64)).collect();
        let mut attributes = vec![("dtype", dtype_value(dtype)), ("shape", shape_value(dims))];
        if tensor.is_quantized() {
            match quantized::scale_of(tensor) {
                Ok(scale) => attributes.extend(scale),
                Err(Refusal::Damaged(damage)) => return Err(damage),
                Err(Refusal::Unsupported(reason)) => {
                    return self.refused(&tensor.name, "Placeholder", &reason);
                }
            }
        }
        self.add(tensor.name.clone(), "Placeholder", Vec::new(), attributes)
    }

    /// A node for each constant that an operator reads, or that is an answer itself.
    fn constants(&mut self) -> Result<(), Damage> {
        let mut read = vec![false; self.model.tensors.len()];
        let inputs =
            self.model.operators.iter().flat_map(|operator| operator.inputs.iter().flatten());
        for &index in inputs.chain(&self.model.outputs) {
            read[index] = true;
        }
        for &index in &self.model.inputs {
            read[index] = false;
        }
        let computed = self.model.operators.iter().flat_map(|operator| &operator.outputs);
        for &index in computed {
            read[index] = false;
        }
        for (tensor, _) in self.model.tensors.iter().zip(read).filter(|(_, read)| *read) {
            self.constant_tensor(tensor)?;
        }
        Ok(())
    }

    fn constant_tensor(&mut self, tensor: &LiteTensor) -> Result<(), Damage> {
        let refusal = match tensor.dtype {
            _ if tensor.is_variable => "a variable that keeps its value from one run to the next",
            _ if tensor.is_sparse => "weights in a sparse form",
            None => schema::type_name(tensor.type_number),
            Some(dtype) => {
                let bytes = tensor.constant.clone().unwrap_or_default();
                return self.constant(tensor.name.clone(), dtype, &tensor.shape, bytes);
            }
        };
        self.refused(&tensor.name, "Const", refusal)
    }

    fn constant(
        &mut self,
        name: String,
        dtype: DType,
        shape: &[usize],
        bytes: Bytes,
    ) -> Result<(), Damage> {
        let dims: Vec<i64> = shape.iter().map(|&n| n as i64).collect();
        let Value::Shape(tensor_shape) = shape_value(dims) else { return Ok(()) };
        let tensor = proto::TensorProto {
            dtype: dtype.tensorflow(),
            tensor_shape: Some(tensor_shape),
            tensor_content: bytes,
            ..proto::TensorProto::default()
        };
        let attributes =
            vec![("dtype", dtype_value(dtype)), ("value", Value::Tensor(Box::new(tensor)))];
        self.add(name, "Const", Vec::new(), attributes)
    }

    /// A node that cannot be run: a fetch that needs it is told why.
    fn refused(&mut self, name: &str, op: &str, reason: &str) -> Result<(), Damage> {
        self.add(name.to_owned(), op, Vec::new(), vec![(REFUSED, text(reason))])
    }

    fn add(
        &mut self,
        name: String,
        op: &str,
        input: Vec<String>,
        attributes: Vec<Attribute>,
    ) -> Result<(), Damage> {
        // Operators may share a filter with many scales.
        let lists: usize = attributes.iter().map(|(_, value)| list_bytes(value)).sum();
        let size = name.len() + input.iter().map(String::len).sum::<usize>() + op.len() + lists;
        self.budget = self
            .budget
            .checked_sub(size)
            .ok_or("its names and scales are too many for a file of this size")?;
        let attr = attributes
            .into_iter()
            .map(|(name, value)| (name.to_owned(), AttrValue { value: Some(value) }));
        self.nodes.push(NodeDef {
            name,
            op: op.into(),
            input,
            device: String::new(),
            attr: attr.collect(),
        });
        Ok(())
    }

    fn operator(&mut self, operator: &Operator<'_>) -> Result<(), Damage> {
        let Some(&first) = operator.outputs.first() else { return Ok(()) };
        let name = self.model.tensors[first].name.clone();
        let before = self.nodes.len();
        let mut site = Site { translator: self, operator, name: name.clone() };
        let outcome = match &operator.code {
            super::model::Code::Builtin(builtin) => site.builtin(builtin),
            _ => Err(Refusal::Unsupported(String::new())),
        };
        match outcome {
            Ok(()) => return Ok(()),
            Err(Refusal::Damaged(damage)) => return Err(damage),
            Err(Refusal::Unsupported(reason)) => {
                self.nodes.truncate(before);
                // Some of their nodes may be gone.
                self.rounded.clear();
                let inputs = operator
                    .inputs
                    .iter()
                    .flatten()
                    .map(|&index| reference(&self.model.tensors[index].name));
                let inputs = inputs.collect();
                self.add(
                    name.clone(),
                    &operator.code.to_string(),
                    inputs,
                    vec![(REFUSED, text(&reason))],
                )?;
            }
        }
        // The other outputs are refused for that they read the first.
        let others =
            operator.outputs[1..].iter().map(|&index| self.model.tensors[index].name.clone());
        for other in others.collect::<Vec<_>>() {
            self.add(other, "Identity", vec![reference(&name)], Vec::new())?;
        }
        Ok(())
    }
}

/// Why an operator is not translated.
enum Refusal {
    /// The file is damaged.
    Damaged(Damage),
    /// It is sound, and not known; the reason, or nothing if the operation as a whole is not known.
    Unsupported(String),
}

impl From<Damage> for Refusal {
    fn from(damage: Damage) -> Self {
        Self::Damaged(damage)
    }
}

fn unsupported<T>(reason: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::Unsupported(reason.into()))
}

type Outcome<T = ()> = Result<T, Refusal>;

/// An operator that is being translated.
struct Site<'t, 'm, 'o> {
    translator: &'t mut Translator<'m>,
    operator: &'o Operator<'o>,
    /// The first output's name.
    name: String,
}

impl<'m> Site<'_, 'm, '_> {
    fn builtin(&mut self, builtin: &str) -> Outcome {
        if self.is_quantized() {
            return quantized::translate(builtin, self);
        }
        let families = [
            window::translate,
            activation::translate,
            elementwise::translate,
            data_movement::translate,
        ];
        for family in families {
            if let Some(outcome) = family(builtin, self) {
                return outcome;
            }
        }
        unsupported("")
    }

    /// Whether it reads or writes integers that stand for real numbers, but for constants that it
    /// reads.
    fn is_quantized(&self) -> bool {
        let tensors = &self.translator.model.tensors;
        let computed = |index: &&usize| tensors[**index].constant.is_none();
        let activations = self.operator.inputs.iter().flatten().filter(computed);
        activations.chain(&self.operator.outputs).any(|&index| tensors[index].is_quantized())
    }

    /// Options, if the operator has any.
    fn options(&self) -> Option<&Table<'_>> {
        self.operator.options.as_ref()
    }

    fn i32(&self, field: usize, default: i32) -> Outcome<i32> {
        Ok(self.options().map_or(Ok(default), |options| options.i32(field, default))?)
    }

    fn f32(&self, field: usize) -> Outcome<f32> {
        Ok(self.options().map_or(Ok(0.0), |options| options.f32(field))?)
    }

    fn flag(&self, field: usize) -> Outcome<bool> {
        Ok(self.options().map_or(Ok(false), |options| options.flag(field))?)
    }

    fn u8(&self, field: usize) -> Outcome<u8> {
        Ok(self.options().map_or(Ok(0), |options| options.u8(field))?)
    }

    fn i32s(&self, field: usize) -> Outcome<Vec<i32>> {
        Ok(self.options().map_or(Ok(Vec::new()), |options| options.i32s(field))?)
    }

    /// Input number `i`, if it is not left out.
    fn optional_tensor(&self, i: usize) -> Option<&'m LiteTensor> {
        let index = self.operator.inputs.get(i).copied().flatten()?;
        Some(&self.translator.model.tensors[index])
    }

    fn tensor(&self, i: usize) -> Outcome<&'m LiteTensor> {
        self.optional_tensor(i).map_or_else(|| unsupported(format!("input {i} is missing")), Ok)
    }

    /// The first output.
    fn output(&self) -> &'m LiteTensor {
        &self.translator.model.tensors[self.operator.outputs[0]]
    }

    /// Returns the name by which a node refers to its input number `i`.
    fn input(&self, i: usize) -> Outcome<String> {
        Ok(reference(&self.tensor(i)?.name))
    }

    fn inputs(&self) -> Outcome<Vec<String>> {
        (0..self.operator.inputs.len()).map(|i| self.input(i)).collect()
    }

    /// The numbers of an input that is a constant of int32 or int64.
    fn numbers(&self, i: usize) -> Option<Vec<i64>> {
        let tensor = self.optional_tensor(i)?;
        let (dtype, bytes) = (tensor.dtype?, tensor.constant.clone()?);
        let tensor = crate::tensor::Tensor::from_shared(dtype, tensor.shape.clone(), bytes)?;
        Some(tensor.to_i64())
    }

    /// Adds a node on the way to the result and gives its name.
    fn step(
        &mut self,
        suffix: &str,
        op: &str,
        inputs: Vec<String>,
        attributes: Vec<Attribute>,
    ) -> Outcome<String> {
        let name = self.fresh(suffix);
        self.translator.add(name.clone(), op, inputs, attributes)?;
        Ok(reference(&name))
    }

    /// Adds the node of the result.
    fn finish(&mut self, op: &str, inputs: Vec<String>, attributes: Vec<Attribute>) -> Outcome {
        Ok(self.translator.add(self.name.clone(), op, inputs, attributes)?)
    }

    /// A name that no node has yet.
    fn fresh(&mut self, suffix: &str) -> String {
        let mut name = format!("{}/{suffix}", self.name);
        while !self.translator.names.insert(name.clone()) {
            name.push('_');
        }
        name
    }

    /// A float32 constant.
    fn scalar(&mut self, suffix: &str, value: f32) -> Outcome<String> {
        self.floats(suffix, &[], &[value])
    }

    fn floats(&mut self, suffix: &str, shape: &[usize], values: &[f32]) -> Outcome<String> {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let name = self.fresh(suffix);
        self.translator.constant(name.clone(), DType::F32, shape, bytes.into())?;
        Ok(reference(&name))
    }

    /// An int32 vector, or scalar where `shape` is empty.
    fn integers(&mut self, suffix: &str, shape: &[usize], values: &[i32]) -> Outcome<String> {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let name = self.fresh(suffix);
        self.translator.constant(name.clone(), DType::I32, shape, bytes.into())?;
        Ok(reference(&name))
    }

    fn vector(&mut self, suffix: &str, values: &[i32]) -> Outcome<String> {
        self.integers(suffix, &[values.len()], values)
    }

    /// Names the other outputs of a node with several.
    fn name_outputs(&mut self) -> Outcome {
        for (port, &index) in self.operator.outputs.iter().enumerate().skip(1) {
            let name = self.translator.model.tensors[index].name.clone();
            self.translator.add(
                name,
                "Identity",
                vec![format!("{}:{port}", self.name)],
                Vec::new(),
            )?;
        }
        Ok(())
    }

    /// The real numbers that input `i` stands for: weights may be stored as integers.
    fn real(&mut self, i: usize) -> Outcome<String> {
        let tensor = self.tensor(i)?;
        let input = self.input(i)?;
        match (tensor.dtype, &tensor.quantization) {
            (Some(DType::F16 | DType::BF16 | DType::F64), _) => self.step(
                &format!("float_{i}"),
                "Cast",
                vec![input],
                vec![("DstT", dtype_value(DType::F32))],
            ),
            (Some(DType::I8 | DType::U8 | DType::I16), Some(quantization)) => {
                let suffix = format!("float_{i}");
                self.dequantized(&suffix, input, quantization, &tensor.shape)
            }
            _ => Ok(input),
        }
    }

    /// `scale · (stored − zero_point)`.
    fn dequantized(
        &mut self,
        suffix: &str,
        input: String,
        how: &Quantization,
        shape: &[usize],
    ) -> Outcome<String> {
        let count = how.scales.len();
        let mut of_each = vec![1; if count == 1 { 0 } else { shape.len() }];
        if count > 1 {
            match of_each.get_mut(how.dimension) {
                Some(length) if shape[how.dimension] == count => *length = count,
                _ => {
                    return Err(Refusal::Damaged(format!(
                        "{count} scales along dimension {}",
                        how.dimension
                    )));
                }
            }
        }
        let value = self.step(
            &format!("{suffix}/stored"),
            "Cast",
            vec![input],
            vec![("DstT", dtype_value(DType::F32))],
        )?;
        let value = self.centered(suffix, value, how, &of_each)?;
        let scales = self.floats(&format!("{suffix}/scale"), &of_each, &how.scales)?;
        self.step(suffix, "Mul", vec![value, scales], Vec::new())
    }
}

impl Site<'_, '_, '_> {
    /// A value less its zero points, if it has any.
    fn centered(
        &mut self,
        suffix: &str,
        value: String,
        how: &Quantization,
        of_each: &[usize],
    ) -> Outcome<String> {
        if how.zero_points.iter().all(|&zero| zero == 0) {
            return Ok(value);
        }
        let zero_points: Vec<f32> = how.zero_points.iter().map(|&zero| zero as f32).collect();
        let zero_points = self.floats(&format!("{suffix}/zero_point"), of_each, &zero_points)?;
        self.step(&format!("{suffix}/centered"), "Sub", vec![value, zero_points], Vec::new())
    }
}

impl LiteTensor {
    /// Whether its integers stand for real numbers.
    fn is_quantized(&self) -> bool {
        matches!(self.dtype, Some(DType::I8 | DType::U8 | DType::I16))
            && self.quantization.is_some()
    }
}

/// Returns the reference to the first output of the node `name`, which may have a colon in it.
fn reference(name: &str) -> String {
    if name.contains(':') { format!("{name}:0") } else { name.to_owned() }
}

/// Bytes of the numbers in an attribute.
fn list_bytes(value: &Value) -> usize {
    match value {
        Value::List(list) => size_of_val(&list.f[..]) + size_of_val(&list.i[..]),
        _ => 0,
    }
}

fn int(value: impl Into<i64>) -> Value {
    Value::I(value.into())
}

fn ints(values: &[i64]) -> Value {
    Value::List(proto::ListValue { i: values.to_vec(), ..proto::ListValue::default() })
}

fn text(value: &str) -> Value {
    Value::S(Bytes::copy_from_slice(value.as_bytes()))
}

fn dtype_value(dtype: DType) -> Value {
    Value::Type(dtype.tensorflow())
}

fn shape_value(dims: Vec<i64>) -> Value {
    let dim = dims.into_iter().map(|size| proto::Dim { size }).collect();
    Value::Shape(proto::TensorShapeProto { dim, unknown_rank: false })
}
