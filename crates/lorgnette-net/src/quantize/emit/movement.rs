//! Pools, and operations that only move values.

use super::{Emitter, Operation, Outcome, unsupported};
use crate::graph::op::{Border, PadMode, Pool, PoolKind, Resize, SliceMasks};
use crate::graph::rearrange::axis;
use crate::graph::shape::resolve;
use crate::graph::{Node, NodeId};
use crate::tflite::NewOption;

impl Emitter<'_> {
    /// True if a node that moves values moves integers: those of its input, where there are any.
    fn moves_integers(&self, id: NodeId, node: &Node) -> bool {
        let from = node.inputs.first().is_some_and(|x| self.stored[x.index()].is_some());
        from && self.source.scales[id.index()].is_some()
    }

    pub(super) fn pool(&mut self, id: NodeId, node: &Node, pool: &Pool) -> Outcome {
        let &[x] = node.inputs.as_slice() else { return unsupported("its inputs") };
        let &[_, height, width, _] = self.shape(x) else { return unsupported("its input") };
        let padding = match pool.border {
            Border::Same => 0,
            Border::Valid => 1,
            Border::Explicit(padding) => {
                let size = [height, width];
                let same = resolve(pool.kernel, pool.stride, [1; 2], Border::Same, size)?.padding;
                if padding == Default::default() {
                    1
                } else if padding == same {
                    0
                } else {
                    return unsupported("its padding");
                }
            }
        };
        if pool.dilation != [1, 1] {
            return unsupported("its dilation");
        }
        let stores = self.stores(id, node);
        let x = self.value(x, stores)?;
        let int = |n: usize| NewOption::Int(n as i32);
        let fields = vec![
            (0, NewOption::Choice(padding)),
            (1, int(pool.stride[1])),
            (2, int(pool.stride[0])),
            (3, int(pool.kernel[1])),
            (4, int(pool.kernel[0])),
            (5, NewOption::Choice(0)),
        ];
        let builtin = match pool.kind {
            PoolKind::Max => "MAX_POOL_2D",
            PoolKind::Average => "AVERAGE_POOL_2D",
        };
        self.finish(id, Operation::new(builtin, 2, Some((5, fields))), vec![x], stores)
    }

    pub(super) fn concat(&mut self, id: NodeId, node: &Node) -> Outcome {
        let Some((at, values)) = node.inputs.split_last() else { return unsupported("its inputs") };
        let at = self.constant(*at)?.to_i64().first().copied().unwrap_or(0);
        let at = axis(at, self.shape(id).len())?;
        let stores = self.stores(id, node);
        let inputs =
            values.iter().map(|&value| self.value(value, stores)).collect::<Outcome<Vec<_>>>()?;
        let fields = vec![(0, NewOption::Int(at as i32)), (1, NewOption::Choice(0))];
        self.finish(id, Operation::new("CONCATENATION", 2, Some((10, fields))), inputs, stores)
    }

    pub(super) fn pad(&mut self, id: NodeId, node: &Node, mode: PadMode) -> Outcome {
        if mode != PadMode::Constant {
            return unsupported("its padding");
        }
        let fill = match node.inputs.get(2) {
            Some(&fill) => self.constant(fill)?.to_f32().first().copied().unwrap_or(0.0),
            None => 0.0,
        };
        let around = self.numbers(node, 1)?;
        let rank = around.len() / 2;
        let paddings = self.integers(&format!("{}/paddings", node.name), &[rank, 2], &around);
        let stores = fill == 0.0 && self.moves_integers(id, node);
        let x = self.value(node.inputs[0], stores)?;
        if fill == 0.0 {
            let operation = Operation::new("PAD", 2, Some((22, Vec::new())));
            return self.finish(id, operation, vec![x, paddings], stores);
        }
        let fill = self.floats(&format!("{}/fill", node.name), &[], &[fill]);
        let operation = Operation::new("PADV2", 1, Some((43, Vec::new())));
        self.finish(id, operation, vec![x, paddings, fill], false)
    }

    pub(super) fn reshape(&mut self, id: NodeId, node: &Node) -> Outcome {
        let shape: Vec<i32> = self.shape(id).iter().map(|&n| n as i32).collect();
        let name = format!("{}/shape", node.name);
        let to = self.integers(&name, &[shape.len()], &shape);
        let stores = self.moves_integers(id, node);
        let x = self.value(node.inputs[0], stores)?;
        let options = Some((17, vec![(0, NewOption::Ints(shape))]));
        self.finish(id, Operation::new("RESHAPE", 1, options), vec![x, to], stores)
    }

    pub(super) fn strided_slice(&mut self, id: NodeId, node: &Node, masks: SliceMasks) -> Outcome {
        let stores = self.moves_integers(id, node);
        let mut inputs = vec![self.value(node.inputs[0], stores)?];
        for (i, what) in ["begin", "end", "strides"].into_iter().enumerate() {
            let numbers = self.numbers(node, i + 1)?;
            let name = format!("{}/{what}", node.name);
            inputs.push(self.integers(&name, &[numbers.len()], &numbers));
        }
        let SliceMasks { begin, end, ellipsis, new_axis, shrink_axis } = masks;
        let fields = [begin, end, ellipsis, new_axis, shrink_axis];
        let fields =
            fields.into_iter().enumerate().map(|(i, mask)| (i, NewOption::Int(mask as i32)));
        let options = Some((32, fields.collect()));
        self.finish(id, Operation::new("STRIDED_SLICE", 2, options), inputs, stores)
    }

    pub(super) fn slice(&mut self, id: NodeId, node: &Node) -> Outcome {
        let (begin, size) = (self.numbers(node, 1)?, self.shape(id).to_vec());
        self.part(id, node, node.inputs[0], &begin, &size)
    }

    pub(super) fn split(&mut self, id: NodeId, node: &Node, count: usize, index: usize) -> Outcome {
        let &[at, x] = node.inputs.as_slice() else { return unsupported("its inputs") };
        let at = self.constant(at)?.to_i64().first().copied().unwrap_or(0);
        let at = axis(at, self.shape(x).len())?;
        let mut begin = vec![0; self.shape(x).len()];
        begin[at] = (self.shape(x)[at] / count.max(1) * index) as i32;
        let size = self.shape(id).to_vec();
        self.part(id, node, x, &begin, &size)
    }

    /// A part of a value, from `begin` on.
    fn part(
        &mut self,
        id: NodeId,
        node: &Node,
        x: NodeId,
        begin: &[i32],
        size: &[usize],
    ) -> Outcome {
        let size: Vec<i32> = size.iter().map(|&n| n as i32).collect();
        let begin = self.integers(&format!("{}/begin", node.name), &[begin.len()], begin);
        let size = self.integers(&format!("{}/size", node.name), &[size.len()], &size);
        let stores = self.stored[x.index()].is_some() && self.source.scales[id.index()].is_some();
        let x = self.value(x, stores)?;
        let operation = Operation::new("SLICE", 2, Some((48, Vec::new())));
        self.finish(id, operation, vec![x, begin, size], stores)
    }

    pub(super) fn transpose(&mut self, id: NodeId, node: &Node) -> Outcome {
        let order = self.numbers(node, 1)?;
        let order = self.integers(&format!("{}/perm", node.name), &[order.len()], &order);
        let stores = self.moves_integers(id, node);
        let x = self.value(node.inputs[0], stores)?;
        let operation = Operation::new("TRANSPOSE", 2, Some((26, Vec::new())));
        self.finish(id, operation, vec![x, order], stores)
    }

    pub(super) fn resize(&mut self, id: NodeId, node: &Node, resize: Resize) -> Outcome {
        let size = self.numbers(node, 1)?;
        let size = self.integers(&format!("{}/size", node.name), &[size.len()], &size);
        let stores = self.moves_integers(id, node) && self.stores(id, node);
        let x = self.value(node.inputs[0], stores)?;
        let flags = [resize.how.align_corners, resize.how.half_pixel_centers].map(NewOption::Flag);
        let [align_corners, half_pixel_centers] = flags;
        let operation = if resize.bilinear {
            // The first two fields are no longer used.
            let fields = vec![(2, align_corners), (3, half_pixel_centers)];
            Operation::new("RESIZE_BILINEAR", 3, Some((15, fields)))
        } else {
            let fields = vec![(0, align_corners), (1, half_pixel_centers)];
            Operation::new("RESIZE_NEAREST_NEIGHBOR", 3, Some((74, fields)))
        };
        self.finish(id, operation, vec![x, size], stores)
    }
}
