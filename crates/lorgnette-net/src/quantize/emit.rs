//! A network as operators of TensorFlow Lite, of int8 where it can be.

mod contraction;
mod elementwise;
mod movement;

use std::collections::HashSet;

use lorgnette_kernels::Clamp;
use lorgnette_kernels::integer::Scale;

use super::scales::Integers;
use super::statistics::Range;
use super::{QuantizeOptions, QuantizedLayer};
use crate::error::{Error, Result, UnsupportedNode};
use crate::graph::op::Op;
use crate::graph::shape::TypedGraph;
use crate::graph::{Node, NodeId, TensorOrLazy};
use crate::tensor::{DType, Tensor};
use crate::tflite::{NewModel, NewOperator, NewOption, NewQuantization, NewTensor};

/// The fields of an operator's options, with the number of their type.
type Options = Option<(u8, Vec<(usize, NewOption)>)>;

/// Quantisation of the values of a network.
#[derive(Debug)]
pub(super) struct Source<'a> {
    pub(super) typed: &'a TypedGraph,
    /// The mean of each channel of the values, by node; none of those that were not observed.
    pub(super) means: &'a [Option<Vec<f32>>],
    /// The scale of each value, by node.
    pub(super) scales: &'a [Option<Scale>],
    pub(super) options: &'a QuantizeOptions,
    pub(super) integers: Integers<'a>,
}

/// The result of a translation.
#[derive(Debug)]
pub(super) struct Emitted {
    pub(super) model: NewModel,
    pub(super) layers: Vec<QuantizedLayer>,
}

/// Translates a network.
///
/// # Errors
/// [`Error::Unsupported`] with all nodes that have no operator; if a variable cannot be read.
pub(super) fn emit(source: &Source<'_>) -> Result<Emitted> {
    let count = source.typed.graph.nodes().len();
    let mut emitter = Emitter {
        source,
        model: NewModel::default(),
        layers: Vec::new(),
        stored: vec![None; count],
        real: vec![None; count],
        names: HashSet::new(),
    };
    let needed = source.typed.graph.needed();
    let mut unsupported = Vec::new();
    for (id, node) in source.typed.graph.iter() {
        if !needed[id.index()] || source.typed.graph.is_stored(id) {
            continue;
        }
        match emitter.node(id, node) {
            Ok(()) => {}
            Err(Refusal::Failed(error)) => return Err(error),
            Err(Refusal::Unsupported(what)) => unsupported.push(UnsupportedNode {
                node: node.name.clone(),
                op: node.op.name().to_owned(),
                what,
            }),
        }
    }
    if !unsupported.is_empty() {
        return Err(Error::Unsupported(unsupported));
    }
    for output in source.typed.graph.outputs() {
        let index = output.index();
        let tensor = emitter.stored[index].or(emitter.real[index]);
        let tensor = tensor.ok_or_else(|| Error::Input("an output that is constant".into()))?;
        emitter.model.outputs.push(tensor);
    }
    Ok(Emitted { model: emitter.model, layers: emitter.layers })
}

/// Why a node is not translated.
enum Refusal {
    /// There is no operator for it.
    Unsupported(String),
    /// Its weights cannot be read.
    Failed(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<String> for Refusal {
    fn from(what: String) -> Self {
        Self::Unsupported(what)
    }
}

type Outcome<T = ()> = Result<T, Refusal>;

fn unsupported<T>(what: impl Into<String>) -> Outcome<T> {
    Err(Refusal::Unsupported(what.into()))
}

/// An operator without its tensors.
struct Operation {
    builtin: &'static str,
    /// Its version for int8; that for floats is 1.
    int8_version: i32,
    options: Options,
}

impl Operation {
    fn new(builtin: &'static str, int8_version: i32, options: Options) -> Self {
        Self { builtin, int8_version, options }
    }
}

struct Emitter<'a> {
    source: &'a Source<'a>,
    model: NewModel,
    layers: Vec<QuantizedLayer>,
    /// The tensor of a value's integers.
    stored: Vec<Option<usize>>,
    /// The tensor of a value's real numbers.
    real: Vec<Option<usize>>,
    names: HashSet<String>,
}

impl Emitter<'_> {
    fn node(&mut self, id: NodeId, node: &Node) -> Outcome {
        match &node.op {
            Op::Input { .. } => self.input(id, node),
            Op::Conv2d(conv) => self.convolution(id, node, conv, false),
            Op::DepthwiseConv2d(conv) => self.convolution(id, node, conv, true),
            Op::MatMul(product) => self.fully_connected(id, node, product),
            Op::Affine(epilogue) => self.affine(id, node, epilogue),
            Op::Binary(function, clamp) => self.binary(id, node, *function, *clamp),
            Op::Clamp(clamp) => self.clamp(id, node, *clamp),
            Op::Unary(function) => self.unary(id, node, *function),
            Op::Pool(pool) => self.pool(id, node, pool),
            Op::Reduce { kind, keep_dims } => self.reduce(id, node, *kind, *keep_dims),
            Op::Softmax { log } => self.softmax(id, node, *log),
            Op::Lrn(lrn) => self.lrn(id, node, *lrn),
            Op::Concat => self.concat(id, node),
            Op::Pad(mode) => self.pad(id, node, *mode),
            Op::Identity | Op::Reshape | Op::Squeeze { .. } | Op::ExpandDims => {
                self.reshape(id, node)
            }
            Op::StridedSlice(masks) => self.strided_slice(id, node, *masks),
            Op::Slice => self.slice(id, node),
            Op::Split { count, index } => self.split(id, node, *count, *index),
            Op::Transpose => self.transpose(id, node),
            Op::Resize(resize) => self.resize(id, node, *resize),
            _ => unsupported("it has no operator here"),
        }
    }

    fn input(&mut self, id: NodeId, node: &Node) -> Outcome {
        let shape = self.shape(id).to_vec();
        let scale = self.source.scales[id.index()];
        let quantization = scale.map(per_tensor);
        let dtype = if scale.is_some() { self.dtype() } else { DType::F32 };
        let name = self.fresh(&node.name);
        let tensor = self.tensor(NewTensor { name, dtype, shape, constant: None, quantization });
        self.model.inputs.push(tensor);
        match scale {
            Some(_) => self.stored[id.index()] = Some(tensor),
            None => self.real[id.index()] = Some(tensor),
        }
        Ok(())
    }

    /// Returns the type of quantised values.
    fn dtype(&self) -> DType {
        self.source.integers.dtype()
    }

    fn shape(&self, id: NodeId) -> &[usize] {
        &self.source.typed.fact(id).shape
    }

    /// Returns a name that no other tensor has.
    fn fresh(&mut self, name: &str) -> String {
        let mut fresh = name.to_owned();
        let mut number = 1;
        while !self.names.insert(fresh.clone()) {
            fresh = format!("{name}_{number}");
            number += 1;
        }
        fresh
    }

    fn tensor(&mut self, tensor: NewTensor) -> usize {
        self.model.tensors.push(tensor);
        self.model.tensors.len() - 1
    }

    /// Adds a constant of int32 numbers.
    fn integers(&mut self, name: &str, shape: &[usize], numbers: &[i32]) -> usize {
        let name = self.fresh(name);
        let bytes = numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
        self.tensor(NewTensor {
            name,
            dtype: DType::I32,
            shape: shape.to_vec(),
            constant: Some(bytes),
            quantization: None,
        })
    }

    /// Adds a constant of float32 numbers.
    fn floats(&mut self, name: &str, shape: &[usize], numbers: &[f32]) -> usize {
        let name = self.fresh(name);
        let bytes = numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
        self.tensor(NewTensor {
            name,
            dtype: DType::F32,
            shape: shape.to_vec(),
            constant: Some(bytes),
            quantization: None,
        })
    }

    /// Returns the value of a node that is stored in the model's file.
    fn constant(&self, id: NodeId) -> Outcome<Tensor> {
        let stored = TensorOrLazy::from_op(&self.source.typed.graph.node(id).op);
        let stored = stored.ok_or_else(|| "a parameter is computed, not constant".to_owned())?;
        Ok(stored.tensor()?)
    }

    /// Returns the integers of a constant parameter.
    fn numbers(&self, node: &Node, input: usize) -> Outcome<Vec<i32>> {
        let id = *node.inputs.get(input).ok_or_else(|| "an input is missing".to_owned())?;
        let numbers = self.constant(id)?.to_i64();
        Ok(numbers.into_iter().map(|n| n.clamp(i32::MIN.into(), i32::MAX.into()) as i32).collect())
    }

    /// True if a node is computed with integers, where its operator can.
    fn stores(&self, id: NodeId, node: &Node) -> bool {
        self.source.scales[id.index()].is_some()
            && !self.source.options.keep_float.contains(&node.name)
    }

    /// Returns a value's tensor of integers or of real numbers.
    fn value(&mut self, id: NodeId, stores: bool) -> Outcome<usize> {
        if stores { self.stored(id) } else { self.real(id) }
    }

    /// Returns the tensor of a value's integers, and quantises it first if need be.
    fn stored(&mut self, id: NodeId) -> Outcome<usize> {
        if let Some(tensor) = self.stored[id.index()] {
            return Ok(tensor);
        }
        let name = format!("{}/quantized", self.source.typed.graph.node(id).name);
        let name = self.fresh(&name);
        let shape = self.shape(id).to_vec();
        let tensor = if self.source.typed.graph.is_stored(id) {
            let values = self.constant(id)?.to_f32();
            let range = values.iter().fold(Range { low: 0.0, high: 0.0 }, |range, &x| {
                range.union(Range { low: x, high: x })
            });
            let integers = self.source.integers;
            let scale = integers.scale_for(range);
            let bytes = values.iter().map(|x| integers.store(*x, scale)).collect();
            self.tensor(NewTensor {
                name,
                dtype: integers.dtype(),
                shape,
                constant: Some(bytes),
                quantization: Some(per_tensor(scale)),
            })
        } else {
            let from = self.real(id)?;
            let scale = self.scale(id)?;
            let quantization = Some(per_tensor(scale));
            let dtype = self.dtype();
            let tensor =
                self.tensor(NewTensor { name, dtype, shape, constant: None, quantization });
            self.operator("QUANTIZE", 1, vec![from], tensor, None);
            tensor
        };
        self.stored[id.index()] = Some(tensor);
        Ok(tensor)
    }

    /// Returns the tensor of a value's real numbers, and makes them first if need be.
    fn real(&mut self, id: NodeId) -> Outcome<usize> {
        if let Some(tensor) = self.real[id.index()] {
            return Ok(tensor);
        }
        let name = format!("{}/real", self.source.typed.graph.node(id).name);
        let shape = self.shape(id).to_vec();
        let tensor = if self.source.typed.graph.is_stored(id) {
            let values = self.constant(id)?.to_f32();
            self.floats(&name, &shape, &values)
        } else {
            let from = self.stored[id.index()];
            let from = from.ok_or_else(|| "an input has no value".to_owned())?;
            let name = self.fresh(&name);
            let dtype = DType::F32;
            let tensor =
                self.tensor(NewTensor { name, dtype, shape, constant: None, quantization: None });
            self.operator("DEQUANTIZE", 2, vec![from], tensor, None);
            tensor
        };
        self.real[id.index()] = Some(tensor);
        Ok(tensor)
    }

    /// Returns the scale of a value.
    fn scale(&self, id: NodeId) -> Outcome<Scale> {
        let scale = self.source.scales[id.index()];
        Ok(scale.ok_or_else(|| "its values were not observed".to_owned())?)
    }

    fn operator(
        &mut self,
        builtin: &'static str,
        version: i32,
        inputs: Vec<usize>,
        output: usize,
        options: Options,
    ) {
        let outputs = vec![output];
        self.model.operators.push(NewOperator { builtin, version, inputs, outputs, options });
    }

    /// Adds a node's operator, whose result has the node's name.
    fn finish(
        &mut self,
        id: NodeId,
        operation: Operation,
        inputs: Vec<usize>,
        stores: bool,
    ) -> Outcome {
        let node = self.source.typed.graph.node(id);
        let Operation { builtin, int8_version, options } = operation;
        let shape = self.shape(id).to_vec();
        let graph = &self.source.typed.graph;
        let read = node.inputs.iter().filter(|input| !graph.is_stored(**input));
        self.layers.push(QuantizedLayer {
            name: node.name.clone(),
            operator: builtin,
            is_float: !stores,
            inputs: read.map(|&input| graph.node(input).name.clone()).collect(),
        });
        if !stores {
            let (name, dtype) = (self.fresh(&node.name), DType::F32);
            let tensor =
                self.tensor(NewTensor { name, dtype, shape, constant: None, quantization: None });
            self.operator(builtin, 1, inputs, tensor, options);
            self.real[id.index()] = Some(tensor);
            return Ok(());
        }
        let (scale, dtype) = (self.scale(id)?, self.dtype());
        let own = self.source.integers.fixed_scale(&node.op).unwrap_or(scale);
        // uint8 is in the first version of every operator that has it.
        let version = if dtype == DType::U8 { 1 } else { int8_version };
        let new = |name: String, scale: Scale, shape: Vec<usize>| NewTensor {
            name,
            dtype,
            shape,
            constant: None,
            quantization: Some(per_tensor(scale)),
        };
        let named = self.fresh(&node.name);
        let named = self.tensor(new(named, scale, shape.clone()));
        if own == scale {
            self.operator(builtin, version, inputs, named, options);
        } else {
            let name = self.fresh(&format!("{}/own_scale", node.name));
            let result = self.tensor(new(name, own, shape));
            self.operator(builtin, version, inputs, result, options);
            self.operator("QUANTIZE", 2, vec![result], named, None);
        }
        self.stored[id.index()] = Some(named);
        Ok(())
    }
}

/// Returns the parameters of a tensor of one scale.
fn per_tensor(scale: Scale) -> NewQuantization {
    NewQuantization { scales: vec![scale.scale], zero_point: scale.zero_point.into(), dimension: 0 }
}

/// Returns the number of a fused activation; `None` if there is none for the clamp.
fn activation(clamp: Clamp) -> Option<u8> {
    if clamp == Clamp::NONE {
        Some(0)
    } else if clamp == Clamp::RELU {
        Some(1)
    } else if clamp == (Clamp { low: -1.0, high: 1.0 }) {
        Some(2)
    } else if clamp == Clamp::RELU6 {
        Some(3)
    } else {
        None
    }
}
