//! Networks of the zoo as TensorFlow nodes, with TF-Slim's names.

use lorgnette_kernels::{Binary, Clamp, PoolKind, Unary};

use super::{Node, constant, node};
use crate::error::{Error, Result};
use crate::graph::TensorOrLazy;
use crate::graph::op::{Border, Conv, Op, PadMode, Pool, Reduction, SliceMasks};
use crate::graph::{self, Graph, NodeId};
use crate::proto::{Dim, ListValue, TensorShapeProto, Value as Attribute};
use crate::tensor::{DType, Tensor};

const FLOAT: Attribute = Attribute::Type(1);
const INT32: Attribute = Attribute::Type(3);

/// Returns the nodes of a zoo graph, whose inputs are batches of images of `size`.
///
/// # Errors
/// [`Error::Unsupported`] for a node that has no TensorFlow equivalent, such as a depthwise
/// convolution with a dilation in our own border.
pub(crate) fn to_graph_def(graph: &Graph, size: [usize; 2]) -> Result<Vec<Node>> {
    graph.iter().map(|(id, node)| Drawing { graph, size }.node(id, node)).collect()
}

#[derive(Clone, Copy)]
struct Drawing<'a> {
    graph: &'a Graph,
    size: [usize; 2],
}

impl Drawing<'_> {
    fn node(self, id: NodeId, source: &graph::Node) -> Result<Node> {
        let inputs: Vec<String> =
            source.inputs.iter().map(|&input| self.graph.node(input).name.clone()).collect();
        if let Some(value) = self.norm_scale(id).or_else(|| TensorOrLazy::from_op(&source.op)) {
            return Ok(constant(&source.name, value));
        }
        let (op, attributes) =
            self.operation(&source.op, source.inputs.len()).ok_or_else(|| {
                let what = "TensorFlow has no such operation, or runs it on other machines only";
                Error::node(&source.name, source.op.name(), what)
            })?;
        Ok(node(&source.name, op, inputs, &attributes))
    }

    /// Repeats a batch norm's single scale value for each channel, as TensorFlow requires.
    fn norm_scale(self, id: NodeId) -> Option<TensorOrLazy> {
        let single = self.graph.constant_of(id).filter(|tensor| tensor.shape() == [1])?;
        let reader = self.graph.nodes().iter().find(|reader: &&graph::Node| {
            matches!(reader.op, Op::BatchNorm { .. }) && reader.inputs[1] == id
        })?;
        let offset = TensorOrLazy::from_op(&self.graph.node(reader.inputs[2]).op)?;
        let count = offset.shape().iter().product();
        let value = single.to_f32().first().copied()?;
        Some(TensorOrLazy::Tensor(Tensor::from_f32(&[count], vec![value; count])))
    }

    /// Returns TensorFlow's operation and its attributes.
    fn operation(
        self,
        op: &Op,
        inputs: usize,
    ) -> Option<(&'static str, Vec<(&'static str, Attribute)>)> {
        let float = || vec![("T", FLOAT)];
        Some(match op {
            Op::Input { shape, .. } => {
                let channels =
                    shape.as_ref().and_then(|shape| shape.last().copied().flatten()).unwrap_or(0);
                let [height, width] = self.size;
                let sizes = [-1, height as i64, width as i64, channels as i64];
                let dim = sizes.into_iter().map(|size| Dim { size }).collect();
                let shape = TensorShapeProto { dim, unknown_rank: false };
                ("Placeholder", vec![("dtype", FLOAT), ("shape", Attribute::Shape(shape))])
            }
            Op::Identity => ("Identity", float()),
            Op::Conv2d(conv) => ("Conv2D", with_window(conv)?),
            Op::DepthwiseConv2d(conv) if conv.dilation == [1, 1] => {
                ("DepthwiseConv2dNative", with_window(conv)?)
            }
            Op::MatMul(product) => {
                let flags =
                    [("transpose_a", product.transpose_a), ("transpose_b", product.transpose_b)];
                (
                    "MatMul",
                    float()
                        .into_iter()
                        .chain(flags.map(|(name, on)| (name, Attribute::B(on))))
                        .collect(),
                )
            }
            Op::BatchNorm { epsilon } => {
                let rest = [
                    ("U", FLOAT),
                    ("epsilon", Attribute::F(*epsilon)),
                    ("is_training", Attribute::B(false)),
                    nhwc(),
                ];
                ("FusedBatchNormV3", float().into_iter().chain(rest).collect())
            }
            Op::Clamp(Clamp::RELU) => ("Relu", float()),
            Op::Clamp(Clamp::RELU6) => ("Relu6", float()),
            Op::Unary(Unary::Sigmoid) => ("Sigmoid", float()),
            Op::Binary(Binary::Add, Clamp::NONE) => ("AddV2", float()),
            Op::Binary(Binary::Mul, Clamp::NONE) => ("Mul", float()),
            Op::Pool(pool) => {
                (if pool.kind == PoolKind::Max { "MaxPool" } else { "AvgPool" }, pool_window(pool)?)
            }
            Op::Reduce { kind: Reduction::Mean, keep_dims } => (
                "Mean",
                vec![("T", FLOAT), ("Tidx", INT32), ("keep_dims", Attribute::B(*keep_dims))],
            ),
            Op::Lrn(lrn) => {
                let rest = [("bias", lrn.bias), ("alpha", lrn.alpha), ("beta", lrn.beta)];
                let radius = ("depth_radius", Attribute::I(lrn.depth_radius as i64));
                let rest = rest.map(|(name, value)| (name, Attribute::F(value)));
                ("LRN", float().into_iter().chain([radius]).chain(rest).collect())
            }
            Op::Softmax { log: false } => ("Softmax", float()),
            Op::Concat => {
                let count = Attribute::I(inputs as i64 - 1);
                ("ConcatV2", vec![("T", FLOAT), ("Tidx", INT32), ("N", count)])
            }
            Op::Pack { axis } => {
                let count = Attribute::I(inputs as i64);
                ("Pack", vec![("T", INT32), ("N", count), ("axis", Attribute::I(*axis))])
            }
            Op::Pad(PadMode::Constant) => ("Pad", vec![("T", FLOAT), ("Tpaddings", INT32)]),
            Op::Reshape => ("Reshape", vec![("T", FLOAT), ("Tshape", INT32)]),
            Op::Squeeze { axes } => {
                ("Squeeze", vec![("T", FLOAT), ("squeeze_dims", integers(axes))])
            }
            Op::Shape(DType::I32) => ("Shape", vec![("T", FLOAT), ("out_type", INT32)]),
            Op::StridedSlice(masks) => ("StridedSlice", self.strided_slice(masks)),
            _ => return None,
        })
    }

    fn strided_slice(self, masks: &SliceMasks) -> Vec<(&'static str, Attribute)> {
        let named = [
            ("begin_mask", masks.begin),
            ("end_mask", masks.end),
            ("ellipsis_mask", masks.ellipsis),
            ("new_axis_mask", masks.new_axis),
            ("shrink_axis_mask", masks.shrink_axis),
        ];
        // A slice of a shape drops a dimension; a slice of an image does not.
        let dtype = if masks.shrink_axis != 0 { INT32 } else { FLOAT };
        let masks = named.map(|(name, mask)| (name, Attribute::I(mask as i64)));
        [("T", dtype), ("Index", INT32)].into_iter().chain(masks).collect()
    }
}

/// Returns a convolution's attributes; `None` if only our own passes create such a border.
fn with_window(conv: &Conv) -> Option<Vec<(&'static str, Attribute)>> {
    let around = |[y, x]: [usize; 2]| integers(&[1, y as i64, x as i64, 1]);
    let (strides, dilations) = (around(conv.stride), around(conv.dilation));
    Some(vec![
        ("T", FLOAT),
        ("strides", strides),
        ("dilations", dilations),
        ("padding", padding(conv.border)?),
        nhwc(),
    ])
}

fn pool_window(pool: &Pool) -> Option<Vec<(&'static str, Attribute)>> {
    let around = |[y, x]: [usize; 2]| integers(&[1, y as i64, x as i64, 1]);
    let (kernel, strides) = (around(pool.kernel), around(pool.stride));
    // TensorFlow's pools have no dilation.
    if pool.dilation != [1; 2] {
        return None;
    }
    Some(vec![
        ("T", FLOAT),
        ("ksize", kernel),
        ("strides", strides),
        ("padding", padding(pool.border)?),
        nhwc(),
    ])
}

fn padding(border: Border) -> Option<Attribute> {
    match border {
        Border::Same => Some(text("SAME")),
        Border::Valid => Some(text("VALID")),
        Border::Explicit(_) => None,
    }
}

fn nhwc() -> (&'static str, Attribute) {
    ("data_format", text("NHWC"))
}

fn text(text: &'static str) -> Attribute {
    Attribute::S(text.as_bytes().into())
}

fn integers(values: &[i64]) -> Attribute {
    Attribute::List(ListValue { i: values.to_vec(), ..ListValue::default() })
}
