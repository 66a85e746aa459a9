//! Operations that only move values: aliases, concatenations, paddings, gathers.

use lorgnette_kernels::{ImageLayout, Padding};

use super::super::concatenation::channel_offsets;
use super::super::kernel::Kernel;
use super::{Lowering, PendingKernel, PendingStep};
use crate::graph::op::Op;
use crate::graph::rearrange::{axis, rearrangement};
use crate::graph::{Node, NodeId};
use crate::tensor::Tensor;

impl Lowering<'_> {
    /// A value that shares its input's memory or is copied from it.
    pub(super) fn alias(&mut self, id: NodeId, node: &Node) -> Result<(), String> {
        let input = Self::input(node, 0)?;
        let start = |id: NodeId| self.layout.slots[id.index()].as_ref().map(|slot| slot.start);
        if start(id) != start(input) {
            // The shapes differ, the order of values does not.
            let row = ImageLayout::dense(1, 1, 1, self.fact(id).len());
            self.step(id, Kernel::Copy { from: row, to: row }, &[input]);
        }
        Ok(())
    }

    pub(super) fn concat(&mut self, id: NodeId, node: &Node) -> Result<(), String> {
        let (at, parts) = node.inputs.split_last().ok_or("it joins nothing")?;
        let at = axis(self.numbers(*at)?[0], self.fact(id).shape.len())?;
        let lengths: Vec<usize> = parts.iter().map(|part| self.fact(*part).shape[at]).collect();
        if let Some(offsets) = channel_offsets(self.typed, id, node) {
            self.join_channels(id, parts, &offsets)?;
        } else {
            self.join(id, parts, at, &lengths);
        }
        Ok(())
    }

    /// Copies the parts that are not written directly to their places.
    fn join_channels(
        &mut self,
        id: NodeId,
        parts: &[NodeId],
        offsets: &[usize],
    ) -> Result<(), String> {
        let target = self.layout.slots[id.index()].clone().expect("a concatenation is computed");
        for (&part, offset) in parts.iter().zip(offsets) {
            let offset = offset * target.pixel_layout.storage.size();
            let part_slot = self.layout.slots[part.index()].as_ref();
            let in_place = part_slot.is_some_and(|slot| {
                slot.start == target.start + offset && slot.pixel_layout == target.pixel_layout
            });
            if in_place || self.fact(part).is_empty() {
                continue;
            }
            let from = self.image_layout_for(id, part)?;
            let to = self.image_layout_with(part, target.pixel_layout)?;
            self.copy(id, part, from, to, offset);
        }
        Ok(())
    }

    pub(super) fn pack(&mut self, id: NodeId, node: &Node, at: i64) -> Result<(), String> {
        let at = axis(at, self.fact(id).shape.len())?;
        self.join(id, &node.inputs, at, &vec![1; node.inputs.len()]);
        Ok(())
    }

    /// Copies parts of `lengths` along axis `at` next to one another.
    fn join(&mut self, id: NodeId, parts: &[NodeId], at: usize, lengths: &[usize]) {
        let shape = &self.fact(id).shape;
        let outer: usize = shape[..at].iter().product();
        let inner: usize = shape[at + 1..].iter().product();
        let stride = shape[at] * inner;
        let mut offset = 0;
        for (&part, length) in parts.iter().zip(lengths) {
            let channels = length * inner;
            if channels > 0 {
                let from = ImageLayout::dense(1, 1, outer, channels);
                self.copy(id, part, from, ImageLayout { stride, ..from }, offset);
            }
            offset += channels * size_of::<f32>();
        }
    }

    /// Copies a part to its place, `offset` bytes from the start of the whole.
    fn copy(
        &mut self,
        id: NodeId,
        part: NodeId,
        from: ImageLayout,
        to: ImageLayout,
        offset: usize,
    ) {
        self.place_constant(part);
        let start = self.layout.slots[id.index()].as_ref().map_or(0, |slot| slot.start) + offset;
        let part_range = Some(start..start + to.len() * size_of::<f32>());
        self.pending_steps.push(PendingStep {
            id,
            kernel: PendingKernel::Ready(Kernel::Copy { from, to }),
            inputs: vec![part],
            part: part_range,
        });
    }

    /// Rounds a float32 value for the readers that prefer bf16.
    pub(super) fn bf16_copy(&mut self, id: NodeId) -> Result<(), String> {
        let Some(slot) = &self.layout.bf16_copies[id.index()] else { return Ok(()) };
        if self.fact(id).is_empty() {
            return Ok(());
        }
        let (from, to) = (self.image_layout(id)?, self.image_layout_with(id, slot.pixel_layout)?);
        let kernel = PendingKernel::Ready(Kernel::Copy { from, to });
        self.pending_steps.push(PendingStep {
            id,
            kernel,
            inputs: vec![id],
            part: Some(slot.range()),
        });
        Ok(())
    }

    /// True if a padding leaves the batch axis as it is.
    pub(super) fn is_spatial_pad(&self, node: &Node) -> bool {
        let around = node.inputs.get(1).and_then(|&id| self.numbers(id).ok());
        self.fact(node.inputs[0]).shape.len() == 4
            && around.is_some_and(|p| p.len() == 8 && p[..2] == [0, 0])
    }

    pub(super) fn pad(&mut self, id: NodeId, node: &Node) -> Result<(), String> {
        let p: Vec<usize> = self.numbers(node.inputs[1])?.iter().map(|&n| n as usize).collect();
        let pad = lorgnette_kernels::Pad {
            around: Padding { top: p[2], bottom: p[3], left: p[4], right: p[5] },
            channels: [p[6], p[7]],
            value: self.fill(node)?,
        };
        let kernel = Kernel::Pad {
            pad,
            from: self.image_layout_for(id, node.inputs[0])?,
            to: self.image_layout(id)?,
        };
        self.step(id, kernel, &node.inputs[..1]);
        Ok(())
    }

    fn fill(&self, node: &Node) -> Result<f32, String> {
        match node.inputs.get(2) {
            Some(&value) if matches!(node.op, Op::Pad(_)) => {
                let value = self
                    .typed
                    .graph
                    .constant_of(value)
                    .ok_or("its fill value is computed, not constant")?;
                value.to_f32().first().copied().ok_or_else(|| "its fill value is empty".into())
            }
            _ => Ok(0.0),
        }
    }

    /// Any other movement of values, by an index table.
    pub(super) fn rearrange(&mut self, id: NodeId, node: &Node) -> Result<(), String> {
        let IndexTable { data, run, sources } = self.index_table(id, node, "computed")?;
        let fill = self.fill(node)?;
        self.step(id, Kernel::Gather { run, sources: sources.into(), fill }, &[data]);
        Ok(())
    }

    /// The index table of a movement. `what` is the kind of values that it moves.
    pub(super) fn index_table(
        &mut self,
        id: NodeId,
        node: &Node,
        what: &str,
    ) -> Result<IndexTable, String> {
        let shapes: Vec<&[usize]> =
            node.inputs.iter().map(|&input| self.fact(input).shape.as_slice()).collect();
        let parameters: Vec<Option<&Tensor>> =
            node.inputs.iter().map(|&input| self.typed.graph.constant_of(input)).collect();
        self.reserve(self.fact(id).len())?;
        let moved = rearrangement(&node.op, &shapes, &parameters)
            .ok_or_else(|| format!("it cannot run on {what} values"))??;
        let (run, sources) = moved.runs()?;
        let data = Self::input(node, usize::from(matches!(node.op, Op::Split { .. })))?;
        Ok(IndexTable { data, run, sources })
    }
}

/// A movement of runs of values.
pub(super) struct IndexTable {
    /// The node whose values are moved.
    pub(super) data: NodeId,
    /// Values of a run.
    pub(super) run: usize,
    /// The index of each run's first value, or [`FILL`](lorgnette_kernels::fallback::FILL).
    pub(super) sources: Vec<u32>,
}
