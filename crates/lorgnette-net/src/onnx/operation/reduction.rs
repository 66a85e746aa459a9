//! Reductions, and the largest elements.

use lorgnette_kernels::{Binary, Unary};

use super::super::translate::{TO_LAST, Translator, Value};
use super::{Call, UNKNOWN};
use crate::graph::NodeId;
use crate::graph::op::{Op, Reduction};
use crate::graph::rearrange::axis;
use crate::tensor::DType;

impl<'a> Translator<'a> {
    pub(super) fn reduce(&mut self, call: Call<'a, '_>) -> Result<Value, String> {
        let (before, kind, after) = match call.node.op_type.as_str() {
            "ReduceMean" => (None, Reduction::Mean, None),
            "ReduceSum" => (None, Reduction::Sum, None),
            "ReduceMax" => (None, Reduction::Max, None),
            "ReduceMin" => (None, Reduction::Min, None),
            "ReduceProd" => (None, Reduction::Prod, None),
            "ReduceL1" => (Some(Unary::Abs), Reduction::Sum, None),
            "ReduceL2" => (Some(Unary::Square), Reduction::Sum, Some(Unary::Sqrt)),
            "ReduceSumSquare" => (Some(Unary::Square), Reduction::Sum, None),
            "ReduceLogSum" => (None, Reduction::Sum, Some(Unary::Log)),
            _ => return Err(UNKNOWN.into()),
        };
        let mut x = call.input(0)?;
        let given = call.integers(self, "axes", 1)?.unwrap_or_default();
        if given.is_empty() && call.attributes.flag("noop_with_empty_axes", false) {
            return Ok(x);
        }
        let rank = self.rank(x);
        let mut axes: Vec<usize> =
            given.iter().map(|&at| axis(at, rank)).collect::<Result<_, _>>()?;
        if axes.is_empty() {
            axes = (0..rank).collect();
        }
        if let Some(function) = before {
            x = self.each(x, |this, x| this.add(Op::Unary(function), &[x]))?;
        }
        let keep_dims = call.attributes.flag("keepdims", true);
        let reduced = self.reduced(x, &axes, kind, keep_dims)?;
        match after {
            Some(function) => self.each(reduced, |this, x| this.add(Op::Unary(function), &[x])),
            None => Ok(reduced),
        }
    }

    fn reduced(
        &mut self,
        x: Value,
        axes: &[usize],
        kind: Reduction,
        keep_dims: bool,
    ) -> Result<Value, String> {
        let (node, is_last) = self.without(x, axes, keep_dims)?;
        let axes: Vec<i64> =
            if is_last { last_axes(axes) } else { axes.iter().map(|&d| d as i64).collect() };
        let axes = self.integers(&axes)?;
        let result = self.add(Op::Reduce { kind, keep_dims }, &[node, axes])?;
        Ok(if is_last && keep_dims { Value::ChannelsLast(result) } else { Value::Plain(result) })
    }

    /// The node of a value whose `axes` are to vanish, and whether it has its channels last: where
    /// what is left of it is in the same order then.
    pub(super) fn without(
        &mut self,
        x: Value,
        axes: &[usize],
        keep_dims: bool,
    ) -> Result<(NodeId, bool), String> {
        let left: Vec<usize> = TO_LAST.into_iter().filter(|d| !axes.contains(d)).collect();
        match x {
            Value::ChannelsLast(id) if keep_dims || left.is_sorted() => Ok((id, true)),
            _ => Ok((self.plain(x)?, false)),
        }
    }

    pub(super) fn arg_extreme(&mut self, call: Call<'a, '_>) -> Result<Value, String> {
        if call.attributes.flag("select_last_index", false) {
            return Err("it gives the last of equal elements".into());
        }
        let x = call.input(0)?;
        let at = axis(call.attributes.int("axis").unwrap_or(0), self.rank(x))?;
        let keep_dims = call.attributes.flag("keepdims", true);
        let (node, is_last) = self.without(x, &[at], keep_dims)?;
        let place = if is_last { last_axes(&[at])[0] } else { at as i64 };
        let place = self.integer(place)?;
        let op = Op::ArgExtreme { smallest: call.node.op_type == "ArgMin", dtype: DType::I64 };
        let mut result = self.add(op, &[node, place])?;
        if keep_dims {
            result = self.add(Op::ExpandDims, &[result, place])?;
        }
        Ok(if is_last && keep_dims { Value::ChannelsLast(result) } else { Value::Plain(result) })
    }

    /// Values and places.
    pub(super) fn top_k(&mut self, call: Call<'a, '_>) -> Result<Vec<Value>, String> {
        let x = call.input(0)?;
        let at = axis(call.attributes.int("axis").unwrap_or(-1), self.rank(x))?;
        let k = match call.attributes.int("k") {
            Some(k) => k,
            None => self.number(call.input(1)?)? as i64,
        };
        let k = self.integer(k)?;
        let is_largest = call.attributes.flag("largest", true);
        let sign = if is_largest { 1.0 } else { -1.0 };
        let mut results = Vec::new();
        for indices in [false, true] {
            results.push(self.over_last(x, at, |this, x| {
                let x = this.scaled(x, sign)?;
                let found = this.add(Op::TopK { indices }, &[x, k])?;
                match indices {
                    true => this.add(Op::Cast(DType::I64), &[found]),
                    false => this.scaled(found, sign),
                }
            })?);
        }
        Ok(results)
    }

    /// The sum of two nodes.
    pub(super) fn sum(&mut self, a: NodeId, b: NodeId) -> Result<NodeId, String> {
        self.binary(Binary::Add, a, b)
    }
}

/// Where the axes of a value are once its channels are last.
pub(super) fn last_axes(axes: &[usize]) -> Vec<i64> {
    axes.iter().map(|&d| [0, 3, 1, 2][d]).collect()
}
