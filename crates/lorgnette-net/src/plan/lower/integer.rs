//! Operations on 8-bit integers that stand for real numbers, and movements of such.

use std::ops::Range;

use lorgnette_kernels::integer::ByteGather;

use super::super::layout::is_alias;
use super::data_movement::IndexTable;
use super::{Lowering, PendingKernel, PendingStep};
use crate::graph::op::Op;
use crate::graph::quantized::{IntegerKernel, Operand, Quantized};
use crate::graph::rearrange::axis;
use crate::graph::{Node, NodeId};

impl Lowering<'_> {
    pub(super) fn quantized(
        &mut self,
        id: NodeId,
        node: &Node,
        quantized: &Quantized,
    ) -> Result<(), String> {
        let operands: Vec<Operand<'_>> = node
            .inputs
            .iter()
            .map(|&input| Operand {
                fact: self.fact(input),
                constant: self.typed.graph.constant_of(input),
            })
            .collect();
        // The most that a kernel needs: an index for each value that it reads or writes.
        self.reserve(self.fact(id).len() + operands.iter().map(|x| x.fact.len()).sum::<usize>())?;
        let epilogue = self.numerics.epilogue;
        let kernel = IntegerKernel::new(self.level, epilogue, quantized, &operands, self.fact(id))?;
        let inputs = node.inputs[..kernel.activations()].to_vec();
        self.integer_step(id, kernel, inputs, None);
        Ok(())
    }

    /// A movement of quantised values.
    pub(super) fn move_bytes(&mut self, id: NodeId, node: &Node) -> Result<(), String> {
        match &node.op {
            op if is_alias(op) => {
                let input = Self::input(node, 0)?;
                let start =
                    |id: NodeId| self.layout.slots[id.index()].as_ref().map(|slot| slot.start);
                if start(id) != start(input) {
                    let len = self.fact(id).len();
                    let kernel = IntegerKernel::copy_rows(len, len);
                    self.integer_step(id, kernel, vec![input], None);
                }
                Ok(())
            }
            Op::Concat => {
                let (at, parts) = node.inputs.split_last().ok_or("it joins nothing")?;
                let at = axis(self.numbers(*at)?[0], self.fact(id).shape.len())?;
                let lengths: Vec<usize> =
                    parts.iter().map(|part| self.fact(*part).shape[at]).collect();
                self.join_bytes(id, parts, at, &lengths);
                Ok(())
            }
            Op::Pack { axis: at } => {
                let at = axis(*at, self.fact(id).shape.len())?;
                self.join_bytes(id, &node.inputs, at, &vec![1; node.inputs.len()]);
                Ok(())
            }
            _ => self.gather_bytes(id, node),
        }
    }

    /// Copies parts of `lengths` along axis `at` next to one another.
    fn join_bytes(&mut self, id: NodeId, parts: &[NodeId], at: usize, lengths: &[usize]) {
        let shape = &self.fact(id).shape;
        let inner: usize = shape[at + 1..].iter().product();
        let (stride, len) = (shape[at] * inner, self.fact(id).len());
        let start = self.layout.slots[id.index()].as_ref().map_or(0, |slot| slot.start);
        let mut offset = 0;
        for (&part, length) in parts.iter().zip(lengths) {
            let row = length * inner;
            if row > 0 {
                let range = start + offset..start + len;
                let kernel = IntegerKernel::copy_rows(row, stride);
                self.integer_step(id, kernel, vec![part], Some(range));
            }
            offset += row;
        }
    }

    /// Any other movement, by an index table.
    fn gather_bytes(&mut self, id: NodeId, node: &Node) -> Result<(), String> {
        let IndexTable { data, run, sources } = self.index_table(id, node, "quantised")?;
        let fill = match (&node.op, node.inputs.get(2)) {
            (Op::Pad(_), Some(&fill)) => {
                let fill = self.typed.graph.constant_of(fill);
                let fill = fill.ok_or("its fill value is computed, not constant")?;
                fill.bytes().first().copied().ok_or("its fill value is empty")?
            }
            _ => 0,
        };
        let kernel = IntegerKernel::gather(ByteGather { run, sources, fill });
        self.integer_step(id, kernel, vec![data], None);
        Ok(())
    }

    fn integer_step(
        &mut self,
        id: NodeId,
        kernel: IntegerKernel,
        inputs: Vec<NodeId>,
        part: Option<Range<usize>>,
    ) {
        for &input in &inputs {
            self.place_bytes(input);
        }
        let kernel = PendingKernel::Integer(kernel);
        self.pending_steps.push(PendingStep { id, kernel, inputs, part });
    }

    /// Adds a constant to those that steps read as stored integers, once.
    fn place_bytes(&mut self, id: NodeId) {
        let Some(tensor) = self.typed.graph.constant_of(id) else { return };
        if self.byte_constants[id.index()].is_none() {
            let start = self.constants.len();
            self.constants.extend_from_slice(tensor.bytes());
            self.byte_constants[id.index()] = Some(start..self.constants.len());
            // Constants of float32 may follow, which are aligned.
            self.constants.resize(self.constants.len().next_multiple_of(size_of::<f32>()), 0);
        }
    }
}
