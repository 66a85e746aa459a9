//! Operators that move elements, and change none.

use super::super::translate::{TO_FIRST, TO_LAST, Translator, Value};
use super::Call;
use super::reduction::last_axes;
use crate::graph::NodeId;
use crate::graph::op::{Op, PadMode, SliceMasks};
use crate::graph::rearrange::axis;
use crate::tensor::{DType, Tensor};

impl<'a> Translator<'a> {
    pub(super) fn concat(&mut self, call: Call<'a, '_>) -> Result<Value, String> {
        let values = call.inputs()?;
        let rank = self.rank(values[0]);
        let at = axis(call.attributes.int("axis").unwrap_or(1), rank)?;
        let is_last = rank == 4 && values.iter().any(|value| value.is_channels_last());
        let mut inputs = Vec::with_capacity(values.len() + 1);
        for value in values {
            inputs.push(if is_last { self.channels_last(value)? } else { self.plain(value)? });
        }
        inputs.push(self.integer(if is_last { last_axes(&[at])[0] } else { at as i64 })?);
        let result = self.add(Op::Concat, &inputs)?;
        Ok(if is_last { Value::ChannelsLast(result) } else { Value::Plain(result) })
    }

    pub(super) fn split(&mut self, call: Call<'a, '_>) -> Result<Vec<Value>, String> {
        let x = call.input(0)?;
        let at = axis(call.attributes.int("axis").unwrap_or(0), self.rank(x))?;
        let length = self.shape(x)[at];
        let parts = call.node.output.len();
        let sizes = match call.integers(self, "split", 1)? {
            Some(sizes) => sizes,
            None => {
                // The last one is shorter where the length is no multiple.
                let each = length.div_ceil(parts.max(1));
                let size = |part: usize| length.saturating_sub(part * each).min(each) as i64;
                (0..parts).map(size).collect()
            }
        };
        if sizes.len() != parts {
            return Err(format!("{} sizes for {parts} parts", sizes.len()));
        }
        let place = if x.is_channels_last() { last_axes(&[at])[0] } else { at as i64 };
        let is_even = sizes.iter().all(|&size| size == sizes[0]);
        let (place, sizes) = (self.integer(place)?, self.integers(&sizes)?);
        let mut results = Vec::with_capacity(parts);
        for index in 0..parts {
            results.push(self.each(x, |this, x| match is_even {
                true => this.add(Op::Split { count: parts, index }, &[place, x]),
                false => this.add(Op::SplitV { index }, &[x, sizes, place]),
            })?);
        }
        Ok(results)
    }

    pub(super) fn slice(&mut self, call: Call<'a, '_>) -> Result<Value, String> {
        let x = call.input(0)?;
        let rank = self.rank(x);
        let starts = call.integers(self, "starts", 1)?.ok_or("it has no starts")?;
        let ends = call.integers(self, "ends", 2)?.ok_or("it has no ends")?;
        let axes = call.integers(self, "axes", 3)?;
        let axes = axes.unwrap_or_else(|| (0..starts.len() as i64).collect());
        let steps = call.optional(4).map(|steps| self.numbers(steps)).transpose()?;
        let steps = steps.unwrap_or_else(|| vec![1; starts.len()]);
        if [ends.len(), axes.len(), steps.len()] != [starts.len(); 3] {
            return Err("its starts, ends, axes and steps differ in number".into());
        }
        let mut bounds = vec![(0, i64::MAX, 1); rank];
        for (i, &at) in axes.iter().enumerate() {
            let at = axis(at, rank)?;
            let place = if x.is_channels_last() { last_axes(&[at])[0] as usize } else { at };
            bounds[place] = (starts[i], ends[i], steps[i]);
        }
        let begin = self.integers(&bounds.iter().map(|bound| bound.0).collect::<Vec<_>>())?;
        let end = self.integers(&bounds.iter().map(|bound| bound.1).collect::<Vec<_>>())?;
        let strides = self.integers(&bounds.iter().map(|bound| bound.2).collect::<Vec<_>>())?;
        self.each(x, |this, x| {
            this.add(Op::StridedSlice(SliceMasks::default()), &[x, begin, end, strides])
        })
    }

    pub(super) fn pad(&mut self, call: Call<'a, '_>) -> Result<Value, String> {
        let x = call.input(0)?;
        let rank = self.rank(x);
        let mode = match call.attributes.text("mode").unwrap_or("constant") {
            "constant" => PadMode::Constant,
            "reflect" => PadMode::Reflect,
            "edge" => PadMode::Edge,
            other => return Err(format!("a mode of {other}")),
        };
        let pads = call.integers(self, "pads", 1)?.ok_or("it has no pads")?;
        let axes = call.optional(3).map(|axes| self.numbers(axes)).transpose()?;
        let axes = axes.unwrap_or_else(|| (0..rank as i64).collect());
        if pads.len() != 2 * axes.len() {
            return Err(format!("{} pads for {} dimensions", pads.len(), axes.len()));
        }
        let mut around = vec![[0, 0]; rank];
        for (i, &at) in axes.iter().enumerate() {
            let at = axis(at, rank)?;
            let place = if x.is_channels_last() { last_axes(&[at])[0] as usize } else { at };
            around[place] = [pads[i], pads[axes.len() + i]];
        }
        let value = match call.optional(2).filter(|_| mode == PadMode::Constant) {
            Some(value) => self.number(value)?,
            None => call.attributes.float("value", 0.0),
        };
        self.each(x, |this, x| this.padded(x, &around, mode, value))
    }

    /// Negative amounts are cut away first.
    fn padded(
        &mut self,
        mut x: NodeId,
        around: &[[i64; 2]],
        mode: PadMode,
        value: f32,
    ) -> Result<NodeId, String> {
        if around.iter().flatten().any(|&n| n < 0) {
            let begins: Vec<i64> =
                around.iter().map(|[begin, _]| begin.saturating_neg().max(0)).collect();
            let cut = |[_, end]: &[i64; 2]| if *end < 0 { *end } else { i64::MAX };
            let (begin, end) = (
                self.integers(&begins)?,
                self.integers(&around.iter().map(cut).collect::<Vec<_>>())?,
            );
            let strides = self.integers(&vec![1; around.len()])?;
            x = self.add(Op::StridedSlice(SliceMasks::default()), &[x, begin, end, strides])?;
        }
        let amounts: Vec<i64> = around.iter().flatten().map(|&n| n.max(0)).collect();
        if amounts.iter().all(|&n| n == 0) {
            return Ok(x);
        }
        let amounts =
            self.add(Op::Const(Tensor::from_i64(DType::I64, &[around.len(), 2], &amounts)), &[])?;
        let dtype = self.fact(x).dtype;
        let mut inputs = vec![x, amounts];
        if mode == PadMode::Constant && value != 0.0 {
            inputs.push(self.add(Op::Const(Tensor::from_floats(dtype, &[], vec![value])), &[])?);
        }
        self.add(Op::Pad(mode), &inputs)
    }

    pub(super) fn transposition(&mut self, call: Call<'a, '_>) -> Result<Value, String> {
        let x = call.input(0)?;
        let rank = self.rank(x);
        let reversed = || (0..rank as i64).rev().collect();
        let order: Vec<i64> = call.attributes.ints("perm").map_or_else(reversed, <[i64]>::to_vec);
        let order: Vec<usize> = order.iter().map(|&d| axis(d, rank)).collect::<Result<_, _>>()?;
        if order.len() != rank {
            return Err(format!("a perm of {order:?} for {rank} dimensions"));
        }
        match x {
            // Nothing moves: the other layout is the result's.
            Value::ChannelsLast(id) if order == TO_LAST => Ok(Value::Plain(id)),
            Value::Plain(id) if order == TO_FIRST => Ok(Value::ChannelsLast(id)),
            Value::ChannelsLast(id) => {
                let order: Vec<usize> = order.iter().map(|&d| [0, 3, 1, 2][d]).collect();
                Ok(Value::Plain(self.transpose(id, &order)?))
            }
            Value::Plain(id) => Ok(Value::Plain(self.transpose(id, &order)?)),
        }
    }

    pub(super) fn tile(&mut self, call: Call<'a, '_>) -> Result<Value, String> {
        let x = self.plain(call.input(0)?)?;
        let times = self.plain(call.input(1)?)?;
        Ok(Value::Plain(self.add(Op::Tile, &[x, times])?))
    }

    pub(super) fn gather(&mut self, call: Call<'a, '_>) -> Result<Value, String> {
        let x = call.input(0)?;
        let at = axis(call.attributes.int("axis").unwrap_or(0), self.rank(x))?;
        let length = self.shape(x)[at] as i64;
        let mut indices = self.plain(call.input(1)?)?;
        let known =
            self.known(indices).ok_or("its indices depend on more than the input's size")?;
        let values = known.to_i64();
        if values.iter().any(|&i| i < 0) {
            let counted =
                values.iter().map(|&i| if i < 0 { i + length } else { i }).collect::<Vec<_>>();
            let counted = Tensor::from_i64(DType::I64, known.shape(), &counted);
            indices = self.add(Op::Const(counted), &[])?;
        }
        let x = self.plain(x)?;
        let at = self.integer(at as i64)?;
        Ok(Value::Plain(self.add(Op::Gather, &[x, indices, at])?))
    }

    pub(super) fn depth_and_space(&mut self, call: Call<'a, '_>) -> Result<Value, String> {
        let x = self.channels_last(call.input(0)?)?;
        let block = call.attributes.int("blocksize").unwrap_or(0);
        let block = usize::try_from(block).ok().filter(|&n| n > 0);
        let block = [block.ok_or("it has no blocksize")?; 2];
        let by_channel = match call.attributes.text("mode").unwrap_or("DCR") {
            "DCR" => false,
            "CRD" => true,
            other => return Err(format!("a mode of {other}")),
        };
        let op = match call.node.op_type.as_str() {
            "DepthToSpace" => Op::DepthToSpace { block, by_channel },
            _ => Op::SpaceToDepth { block },
        };
        Ok(Value::ChannelsLast(self.add(op, &[x])?))
    }
}
