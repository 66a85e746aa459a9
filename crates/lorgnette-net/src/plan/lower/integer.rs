//! Operations on integers that stand for real numbers, and movements of such.

use std::cell::RefCell;
use std::ops::Range;
use std::sync::Arc;

use lorgnette_kernels::Level;
use lorgnette_kernels::integer::{ByteGather, PackedConv, SharedPanels};

use super::super::layout::is_alias;
use super::super::weight_cache::{PackedWeights, WeightCache, WeightKey};
use super::data_movement::IndexTable;
use super::{Lowering, PendingKernel, PendingStep};
use crate::error::Error;
use crate::graph::op::Op;
use crate::graph::quantized::{
    IntegerKernel, Operand, PackFilter, Quantized, StoredFilter, Target,
};
use crate::graph::rearrange::axis;
use crate::graph::{Node, NodeId, TensorOrLazy};
use crate::tensor::Tensor;

/// A filter whose packed weights all plans of a network share.
struct KeptFilter<'a> {
    cache: &'a WeightCache,
    level: Level,
    name: &'a str,
    stored: TensorOrLazy,
    /// Why the filter could not be read or packed.
    failure: RefCell<Option<Error>>,
}

impl KeptFilter<'_> {
    /// Keeps an error as it is, and returns its text.
    fn fail(&self, error: Error) -> String {
        let what = error.to_string();
        *self.failure.borrow_mut() = Some(error);
        what
    }
}

impl StoredFilter for KeptFilter<'_> {
    fn tensor(&self) -> Result<Tensor, String> {
        self.stored.tensor().map_err(|error| self.fail(error))
    }

    fn packed(&self, len: usize, pack: PackFilter<'_>) -> Result<Option<SharedPanels>, String> {
        let (layout, shape) = (PackedConv::layout(self.level), self.stored.shape());
        let outputs = shape.first().copied().unwrap_or(0);
        let depth: usize = shape.iter().skip(1).product();
        // A fully connected layer and the convolution that a map makes of it have one filter.
        let name = format!("{} {layout} [{outputs}, {depth}]", self.level);
        let key = WeightKey { filter: self.name.to_owned(), layout: name, scale: None };
        let cell = self.cache.cell(key, layout, len);
        if cell.get().is_none() {
            let tensor = self.tensor()?;
            let mut packed = self.cache.buffer(len).map_err(|error| self.fail(error))?;
            let Some(()) = pack(&tensor, &mut packed) else { return Ok(None) };
            // Another plan may have packed the same meanwhile.
            drop(cell.set(Arc::new(PackedWeights::Owned(packed))));
        }
        Ok(cell.get().cloned().map(|packed| packed as SharedPanels))
    }
}

impl<'a> Lowering<'a> {
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
        let target = Target { level: self.level, epilogue: self.numerics.epilogue };
        let filter = self.kept_filter(node, quantized);
        let stored = filter.as_ref().map(|filter| filter as &dyn StoredFilter);
        let kernel = IntegerKernel::new(target, quantized, &operands, stored, self.fact(id))
            .inspect_err(|_| self.failure = filter.and_then(|filter| filter.failure.take()))?;
        let inputs = node.inputs[..kernel.activations()].to_vec();
        self.integer_step(id, kernel, inputs, None);
        Ok(())
    }

    /// The filter of an operation that packs it, if it is stored in the model's file.
    fn kept_filter(&self, node: &Node, quantized: &Quantized) -> Option<KeptFilter<'a>> {
        if !quantized.kind.packs_filter() {
            return None;
        }
        let filter = self.typed.graph.node(*node.inputs.get(1)?);
        Some(KeptFilter {
            cache: self.weight_cache,
            level: self.level,
            name: &filter.name,
            stored: TensorOrLazy::from_op(&filter.op)?,
            failure: RefCell::default(),
        })
    }

    /// A movement of quantised values.
    pub(super) fn move_bytes(&mut self, id: NodeId, node: &Node) -> Result<(), String> {
        match &node.op {
            op if is_alias(op) => {
                let input = Self::input(node, 0)?;
                let start =
                    |id: NodeId| self.layout.slots[id.index()].as_ref().map(|slot| slot.start);
                if start(id) != start(input) {
                    let len = self.stored_len(id);
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
        let inner = shape[at + 1..].iter().product::<usize>() * self.fact(id).dtype.size();
        let (stride, len) = (shape[at] * inner, self.stored_len(id));
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
                let first = *fill.bytes().first().ok_or("its fill value is empty")?;
                [first, fill.bytes().get(1).copied().unwrap_or(first)]
            }
            _ => [0; 2],
        };
        let gather = ByteGather { run, sources, fill };
        let kernel = IntegerKernel::gather(gather, self.fact(id).dtype)?;
        self.integer_step(id, kernel, vec![data], None);
        Ok(())
    }

    /// The bytes of a quantised value.
    fn stored_len(&self, id: NodeId) -> usize {
        self.fact(id).len() * self.fact(id).dtype.size()
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
