//! Receptive fields of a map's cells.

use super::quantized::window;
use crate::graph::op::{Conv, Op, Pool};
use crate::graph::shape::{TypedGraph, resolve};
use crate::graph::{Node, NodeId};

/// The receptive fields of a map's cells along one axis.
///
/// Cell `i` depends on `size` pixels from `start + i · stride` on; those outside the picture are
/// padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceptiveField {
    /// Distance between cells in pixels.
    pub stride: usize,
    /// The first pixel of cell 0; negative if it is in the padding.
    pub start: i64,
    /// Pixels that a cell depends on.
    pub size: usize,
}

impl ReceptiveField {
    const PIXEL: Self = Self { stride: 1, start: 0, size: 1 };

    /// The centre of a cell's receptive field, in pixels from the picture's edge; the centre of
    /// pixel 0 is at 0.5.
    pub fn centre(&self, cell: usize) -> f64 {
        self.start as f64 + (cell * self.stride) as f64 + self.size as f64 / 2.0
    }

    /// The field after a window of `kernel` taps, `dilation` apart, with `stride` and `before`
    /// positions of padding.
    fn after_window(self, kernel: usize, stride: usize, dilation: usize, before: usize) -> Self {
        Self {
            stride: self.stride * stride,
            start: self.start - (before * self.stride) as i64,
            size: self.size + (kernel - 1) * dilation * self.stride,
        }
    }

    /// The union of two fields.
    fn union(self, other: Self) -> Self {
        let end = |field: Self| field.start + field.size as i64;
        let start = self.start.min(other.start);
        Self {
            stride: self.stride.max(other.stride),
            start,
            size: (end(self).max(end(other)) - start) as usize,
        }
    }
}

/// Returns the fields of the output's rows and columns with respect to `input`. Means over the
/// whole picture that weight channels (squeeze and excitation) do not count. `None` if the output
/// is no map.
pub(crate) fn fields(typed: &TypedGraph, input: &str) -> Option<[ReceptiveField; 2]> {
    let mut fields: Vec<Option<[ReceptiveField; 2]>> = Vec::with_capacity(typed.facts.len());
    for (id, node) in typed.graph.iter() {
        let field = if node.name == input && matches!(node.op, Op::Input { .. }) {
            Some([ReceptiveField::PIXEL; 2])
        } else {
            receptive_field(typed, id, node, &fields)
        };
        fields.push(field);
    }
    fields[typed.graph.outputs().first()?.index()]
}

fn receptive_field(
    typed: &TypedGraph,
    id: NodeId,
    node: &Node,
    fields: &[Option<[ReceptiveField; 2]>],
) -> Option<[ReceptiveField; 2]> {
    let first = || fields[node.inputs.first()?.index()];
    let size =
        |id: NodeId| typed.fact(id).shape.get(1..3).filter(|_| typed.fact(id).shape.len() == 4);
    let constant =
        |at: usize| typed.graph.constant_of(*node.inputs.get(at)?).map(crate::Tensor::to_i64);
    let out = size(id)?;
    match &node.op {
        Op::Conv2d(Conv { stride, dilation, border, .. })
        | Op::DepthwiseConv2d(Conv { stride, dilation, border, .. }) => {
            let filter = &typed.fact(node.inputs[1]).shape;
            let from = size(node.inputs[0])?.try_into().ok()?;
            through_window(
                first()?,
                resolve([filter[0], filter[1]], *stride, *dilation, *border, from).ok()?,
            )
        }
        Op::Pool(Pool { kernel, stride, dilation, border, .. }) => {
            let from = size(node.inputs[0])?.try_into().ok()?;
            through_window(first()?, resolve(*kernel, *stride, *dilation, *border, from).ok()?)
        }
        Op::Quantized(_) if window(node, filter_shape(typed, node)).is_some() => {
            let (kernel, conv) = window(node, filter_shape(typed, node))?;
            let from = size(node.inputs[0])?.try_into().ok()?;
            let Conv { stride, dilation, border, .. } = conv;
            through_window(first()?, resolve(kernel, stride, dilation, border, from).ok()?)
        }
        Op::Pad(_) => {
            let (paddings, fields) = (constant(1)?, first()?);
            Some(std::array::from_fn(|axis| {
                fields[axis].after_window(1, 1, 1, paddings[2 * (axis + 1)] as usize)
            }))
        }
        Op::StridedSlice(_) => {
            let (begin, steps, fields) = (constant(1)?, constant(3)?, first()?);
            Some(std::array::from_fn(|axis| {
                let ReceptiveField { stride, start, size } = fields[axis];
                let (begin, step) = (
                    begin.get(axis + 1).copied().unwrap_or(0),
                    steps.get(axis + 1).copied().unwrap_or(1),
                );
                ReceptiveField {
                    stride: stride * step.max(1) as usize,
                    start: start + begin.max(0) * stride as i64,
                    size,
                }
            }))
        }
        _ => {
            let same_size = node.inputs.iter().filter(|&&input| size(input) == Some(out));
            same_size
                .filter_map(|input| fields[input.index()])
                .reduce(|a, b| [a[0].union(b[0]), a[1].union(b[1])])
        }
    }
}

/// Returns the shape of a node's second input; nothing without one.
fn filter_shape<'a>(typed: &'a TypedGraph, node: &Node) -> &'a [usize] {
    node.inputs.get(1).map_or(&[], |filter| &typed.fact(*filter).shape)
}

fn through_window(
    fields: [ReceptiveField; 2],
    window: lorgnette_kernels::Window,
) -> Option<[ReceptiveField; 2]> {
    let before = [window.padding.top, window.padding.left];
    Some(std::array::from_fn(|axis| {
        fields[axis].after_window(
            window.kernel[axis],
            window.stride[axis],
            window.dilation[axis],
            before[axis],
        )
    }))
}
