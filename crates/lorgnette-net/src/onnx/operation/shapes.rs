//! Other shapes for the same elements, and arithmetic with shapes.

use super::super::translate::{TO_FIRST, Translator, Value};
use super::super::weights::Weight;
use super::Call;
use crate::graph::NodeId;
use crate::graph::op::Op;
use crate::graph::rearrange::{axis, lengths};
use crate::graph::shape::broadcast;
use crate::tensor::{DType, Tensor};

impl<'a> Translator<'a> {
    /// A node with a value's elements in the order of the file. One pixel, or one channel, is in
    /// that order whichever dimension comes last.
    fn elements(&mut self, x: Value) -> Result<NodeId, String> {
        match (x, &self.shape(x)[..]) {
            (Value::ChannelsLast(id), [_, _, 1, 1] | [_, 1, _, _]) => Ok(id),
            _ => self.plain(x),
        }
    }

    pub(super) fn reshape(&mut self, call: Call<'a, '_>) -> Result<Value, String> {
        let x = call.input(0)?;
        let target = match call.attributes.ints("shape") {
            Some(target) => self.integers(target)?,
            None => self.plain(call.input(1)?)?,
        };
        let wanted = self.numbers(Value::Plain(target))?;
        let keeps = wanted.contains(&0) && !call.attributes.flag("allowzero", false);
        let target = if keeps { self.with_kept(x, &wanted)? } else { target };
        let x = self.elements(x)?;
        Ok(Value::Plain(self.add(Op::Reshape, &[x, target])?))
    }

    /// A shape in which 0 stands for the input's length, as a node.
    fn with_kept(&mut self, x: Value, wanted: &[i64]) -> Result<NodeId, String> {
        let shape = self.shape_node(x)?;
        let rank = self.rank(x);
        let mut parts = Vec::with_capacity(wanted.len() + 1);
        for (d, &length) in wanted.iter().enumerate() {
            if length != 0 {
                parts.push(self.integers(&[length])?);
                continue;
            }
            if d >= rank {
                return Err(format!("length {d} of a shape of {rank} is to be kept"));
            }
            let (begin, size) = (self.integers(&[d as i64])?, self.integers(&[1])?);
            parts.push(self.add(Op::Slice, &[shape, begin, size])?);
        }
        parts.push(self.integer(0)?);
        self.add(Op::Concat, &parts)
    }

    pub(super) fn flatten(&mut self, call: Call<'a, '_>) -> Result<Value, String> {
        let x = call.input(0)?;
        let shape = self.shape(x);
        let at = call.attributes.int("axis").unwrap_or(1);
        let at = if at == shape.len() as i64 { shape.len() } else { axis(at, shape.len())? };
        let product = |lengths: &[usize]| lengths.iter().product::<usize>() as i64;
        // The batch stays open.
        let target = match at {
            0 => [1, product(&shape)],
            1 => [-1, product(&shape[1..])],
            _ => [product(&shape[..at]), product(&shape[at..])],
        };
        let target = if product(&shape) == 0 {
            [product(&shape[..at]), product(&shape[at..])]
        } else {
            target
        };
        let target = self.integers(&target)?;
        let x = self.elements(x)?;
        Ok(Value::Plain(self.add(Op::Reshape, &[x, target])?))
    }

    pub(super) fn squeeze(&mut self, call: Call<'a, '_>) -> Result<Value, String> {
        let x = call.input(0)?;
        let shape = self.shape(x);
        let axes = call.integers(self, "axes", 1)?.unwrap_or_default();
        let mut axes: Vec<usize> =
            axes.iter().map(|&at| axis(at, shape.len())).collect::<Result<_, _>>()?;
        if axes.is_empty() {
            axes = (0..shape.len()).filter(|&d| shape[d] == 1).collect();
        }
        if axes.is_empty() {
            return Ok(x);
        }
        let (node, is_last) = self.without(x, &axes, false)?;
        let axes = if is_last {
            super::reduction::last_axes(&axes)
        } else {
            axes.iter().map(|&d| d as i64).collect()
        };
        Ok(Value::Plain(self.add(Op::Squeeze { axes }, &[node])?))
    }

    pub(super) fn unsqueeze(&mut self, call: Call<'a, '_>) -> Result<Value, String> {
        let x = call.input(0)?;
        let axes = call.integers(self, "axes", 1)?.ok_or("it has no axes")?;
        let rank = self.rank(x) + axes.len();
        let mut axes: Vec<usize> =
            axes.iter().map(|&at| axis(at, rank)).collect::<Result<_, _>>()?;
        axes.sort_unstable();
        axes.dedup();
        let mut node = self.plain(x)?;
        for at in axes {
            let at = self.integer(at as i64)?;
            node = self.add(Op::ExpandDims, &[node, at])?;
        }
        Ok(Value::Plain(node))
    }

    pub(super) fn expand(&mut self, call: Call<'a, '_>) -> Result<Value, String> {
        let x = self.plain(call.input(0)?)?;
        let target = self.plain(call.input(1)?)?;
        let wanted = lengths(&self.numbers(Value::Plain(target))?)?;
        let both = broadcast(&self.fact(x).shape, &wanted)?;
        let target = match both == wanted {
            true => target,
            false => self.integers(&both.iter().map(|&n| n as i64).collect::<Vec<_>>())?,
        };
        Ok(Value::Plain(self.add(Op::BroadcastTo, &[x, target])?))
    }

    pub(super) fn constant(&mut self, call: Call<'a, '_>) -> Result<Value, String> {
        let attributes = call.attributes;
        let floats = |values: &[f32], shape: &[usize]| Tensor::from_f32(shape, values.to_vec());
        let integers =
            |values: &[i64], shape: &[usize]| Tensor::from_i64(DType::I64, shape, values);
        let tensor = if let Some(proto) = attributes.tensor("value") {
            let mut external = super::super::external::ExternalFiles::new(None);
            Weight::read(proto, &bytes::Bytes::new().into(), &mut external)?.to_computed()
        } else if let Some(values) =
            attributes.floats("value_floats").filter(|values| !values.is_empty())
        {
            floats(values, &[values.len()])
        } else if let Some(values) =
            attributes.ints("value_ints").filter(|values| !values.is_empty())
        {
            integers(values, &[values.len()])
        } else if let Some(value) = attributes.int("value_int") {
            integers(&[value], &[])
        } else if attributes.has("value_float") {
            floats(&[attributes.float("value_float", 0.0)], &[])
        } else {
            return Err("its value is no tensor of numbers".into());
        };
        Ok(Value::Plain(self.add(Op::Const(tensor), &[])?))
    }

    pub(super) fn constant_of_shape(&mut self, call: Call<'a, '_>) -> Result<Value, String> {
        let value = match call.attributes.tensor("value") {
            None => Tensor::from_f32(&[1], vec![0.0]),
            Some(proto) => {
                let mut external = super::super::external::ExternalFiles::new(None);
                Weight::read(proto, &bytes::Bytes::new().into(), &mut external)?.to_computed()
            }
        };
        let value = value.reshaped(&[]).ok_or("its value is not one number")?;
        let value = self.add(Op::Const(value), &[])?;
        let shape = self.plain(call.input(0)?)?;
        Ok(Value::Plain(self.add(Op::Fill, &[shape, value])?))
    }

    /// A value's lengths as the file has them, as a node.
    fn shape_node(&mut self, x: Value) -> Result<NodeId, String> {
        let shape = self.add(Op::Shape(DType::I64), &[x.node()])?;
        if !x.is_channels_last() {
            return Ok(shape);
        }
        let order = self.integers(&TO_FIRST.map(|d| d as i64))?;
        let first = self.integer(0)?;
        self.add(Op::Gather, &[shape, order, first])
    }

    pub(super) fn shape_of(&mut self, call: Call<'a, '_>) -> Result<Value, String> {
        let x = call.input(0)?;
        let rank = self.rank(x) as i64;
        let shape = self.shape_node(x)?;
        let counted = |at: i64| if at < 0 { (at + rank).max(0) } else { at.min(rank) };
        let start = counted(call.attributes.int("start").unwrap_or(0));
        let end = counted(call.attributes.int("end").unwrap_or(rank));
        if (start, end) == (0, rank) {
            return Ok(Value::Plain(shape));
        }
        let (begin, size) = (self.integers(&[start])?, self.integers(&[(end - start).max(0)])?);
        Ok(Value::Plain(self.add(Op::Slice, &[shape, begin, size])?))
    }

    pub(super) fn size_of(&mut self, call: Call<'a, '_>) -> Result<Value, String> {
        let x = call.input(0)?;
        Ok(Value::Plain(self.add(Op::Size(DType::I64), &[x.node()])?))
    }

    pub(super) fn range(&mut self, call: Call<'a, '_>) -> Result<Value, String> {
        let mut ends = Vec::new();
        for index in 0..3 {
            let end = self.plain(call.input(index)?)?;
            let is_scalar = self.fact(end).shape.is_empty();
            let none = if is_scalar { end } else { self.integers(&[])? };
            ends.push(if is_scalar { end } else { self.add(Op::Reshape, &[end, none])? });
        }
        Ok(Value::Plain(self.add(Op::Range, &ends)?))
    }
}
