//! Convolutions and matrix products.

use lorgnette_kernels::{Binary, Clamp, Padding};

use super::super::translate::{Translator, Value, picture};
use super::super::weights::{FilterForm, Transposed};
use super::Call;
use crate::graph::NodeId;
use crate::graph::op::{Border, Conv, Epilogue, MatMul, Op, SliceMasks};

impl<'a> Translator<'a> {
    pub(super) fn conv(&mut self, call: Call<'a, '_>) -> Result<Value, String> {
        let x = self.channels_last(call.input(0)?)?;
        let filter = self.filter_shape(call)?;
        let conv = Conv {
            stride: call.attributes.pair("strides")?,
            dilation: call.attributes.pair("dilations")?,
            border: self.border(call, x, [filter[2], filter[3]])?,
            epilogue: Epilogue::default(),
        };
        let groups = groups(call)?;
        let channels = self.fact(x).channels();
        let name = call.input_name(1);
        let sum = if groups == 1 {
            let filter = self.filter(name, FilterForm::Grouped { groups, index: 0 })?;
            self.add(Op::Conv2d(conv), &[x, filter])?
        } else if groups == channels && filter[1] == 1 && filter[0].is_multiple_of(groups) {
            let filter = self.filter(name, FilterForm::Depthwise { channels })?;
            self.add(Op::DepthwiseConv2d(conv), &[x, filter])?
        } else {
            check_groups(groups, filter[0])?;
            self.each_group(x, groups, |this, part, index| {
                let filter = this.filter(name, FilterForm::Grouped { groups, index })?;
                this.add(Op::Conv2d(conv.clone()), &[part, filter])
            })?
        };
        Ok(Value::ChannelsLast(self.with_bias(sum, call)?))
    }

    /// The shape of the filter as the file has it.
    fn filter_shape(&self, call: Call<'a, '_>) -> Result<[usize; 4], String> {
        let shape = self.shape(call.input(1)?);
        let filter = picture(&shape)
            .ok_or_else(|| format!("a filter of shape {shape:?}: two dimensions are known"))?;
        let kernel = [filter[2] as i64, filter[3] as i64];
        match call.attributes.ints("kernel_shape") {
            Some(declared) if declared != kernel => {
                Err(format!("a kernel of {declared:?} and a filter of shape {shape:?}"))
            }
            _ if filter.contains(&0) => Err(format!("a filter of shape {shape:?}")),
            _ => Ok(filter),
        }
    }

    /// Computes each of `groups` equal parts of the channels, and puts the results side by side.
    fn each_group(
        &mut self,
        x: NodeId,
        groups: usize,
        mut compute: impl FnMut(&mut Self, NodeId, usize) -> Result<NodeId, String>,
    ) -> Result<NodeId, String> {
        let axis = self.integer(3)?;
        let mut parts = Vec::with_capacity(groups + 1);
        for index in 0..groups {
            let part = self.add(Op::Split { count: groups, index }, &[axis, x])?;
            parts.push(compute(self, part, index)?);
        }
        parts.push(axis);
        self.add(Op::Concat, &parts)
    }

    fn with_bias(&mut self, sum: NodeId, call: Call<'a, '_>) -> Result<NodeId, String> {
        let Some(bias) = call.optional(2) else { return Ok(sum) };
        let (bias, channels) = (self.plain(bias)?, self.fact(sum).channels());
        if self.fact(bias).shape != [channels] {
            return Err(format!(
                "a bias of shape {:?} for {channels} channels",
                self.fact(bias).shape
            ));
        }
        self.add(Op::Binary(Binary::Add, Clamp::NONE), &[sum, bias])
    }

    /// The border of a window, by `auto_pad` or `pads`.
    pub(super) fn border(
        &self,
        call: Call<'a, '_>,
        x: NodeId,
        kernel: [usize; 2],
    ) -> Result<Border, String> {
        match call.attributes.text("auto_pad").unwrap_or("NOTSET") {
            "VALID" => Ok(Border::Valid),
            "SAME_UPPER" => Ok(Border::Same),
            "SAME_LOWER" => {
                let stride = call.attributes.pair("strides")?;
                let dilation = call.attributes.pair("dilations")?;
                let size = [self.fact(x).shape[1], self.fact(x).shape[2]];
                let total = [0, 1].map(|d| {
                    let reach = (kernel[d] - 1) * dilation[d] + 1;
                    let output_size = size[d].div_ceil(stride[d]).saturating_sub(1) * stride[d];
                    (output_size + reach).saturating_sub(size[d])
                });
                let [rows, columns] = total;
                let (bottom, right) = (rows / 2, columns / 2);
                let padding = Padding { top: rows - bottom, bottom, left: columns - right, right };
                Ok(Border::Explicit(padding))
            }
            "NOTSET" | "" => Ok(match call.attributes.amounts("pads")? {
                [0, 0, 0, 0] => Border::Valid,
                [top, left, bottom, right] => {
                    Border::Explicit(Padding { top, bottom, left, right })
                }
            }),
            other => Err(format!("auto_pad of {other}")),
        }
    }

    /// A transposed convolution as a convolution of stride 1 whose results are interleaved: output
    /// row `s·q + r` is the sum over taps `t` of input row `q − t` times filter row `t·s + r`, so
    /// each phase `r` has a filter of its own.
    pub(super) fn conv_transpose(&mut self, call: Call<'a, '_>) -> Result<Value, String> {
        let x = self.channels_last(call.input(0)?)?;
        let filter = self.filter_shape(call)?;
        let (groups, channels) = (groups(call)?, self.fact(x).channels());
        check_groups(groups, filter[0])?;
        let is_depthwise = groups > 1 && groups == channels && groups == filter[0];
        let form = Transposed {
            stride: call.attributes.pair("strides")?,
            dilation: call.attributes.pair("dilations")?,
            groups,
            index: None,
        };
        let cut = self.transposed_cut(call, x, [filter[2], filter[3]])?;
        let taps = form.taps([filter[2], filter[3]]);
        let extra = |d: usize| (-cut[d][1]).max(0).unsigned_abs() as usize;
        let more = [0, 1].map(|d| extra(d).div_ceil(form.stride[d]));
        let padding = Padding {
            top: taps[0] - 1,
            bottom: taps[0] - 1 + more[0],
            left: taps[1] - 1,
            right: taps[1] - 1 + more[1],
        };
        let border =
            if padding == Padding::default() { Border::Valid } else { Border::Explicit(padding) };
        let conv = Conv { stride: [1, 1], dilation: [1, 1], border, epilogue: Epilogue::default() };
        let name = call.input_name(1);
        let block = form.stride;
        let phases = if is_depthwise {
            let filter = self.filter(name, FilterForm::Transposed(form))?;
            let phases = self.add(Op::DepthwiseConv2d(conv), &[x, filter])?;
            self.interleave(phases, block, true)?
        } else if groups == 1 {
            let form = FilterForm::Transposed(Transposed { index: Some(0), ..form });
            let filter = self.filter(name, form)?;
            let phases = self.add(Op::Conv2d(conv), &[x, filter])?;
            self.interleave(phases, block, false)?
        } else {
            self.each_group(x, groups, |this, part, index| {
                let form = FilterForm::Transposed(Transposed { index: Some(index), ..form });
                let filter = this.filter(name, form)?;
                let phases = this.add(Op::Conv2d(conv.clone()), &[part, filter])?;
                this.interleave(phases, block, false)
            })?
        };
        let begins = [0, 1].map(|d| cut[d][0]);
        let ends = [0, 1].map(|d| cut[d][1] + (more[d] * form.stride[d]) as i64);
        let whole = self.cut_away(phases, begins, ends)?;
        Ok(Value::ChannelsLast(self.with_bias(whole, call)?))
    }

    /// Rows or columns to leave out at the beginning and at the end of what the phases make, for
    /// each of the two dimensions; a negative number at the end is missing there.
    fn transposed_cut(
        &self,
        call: Call<'a, '_>,
        x: NodeId,
        kernel: [usize; 2],
    ) -> Result<[[i64; 2]; 2], String> {
        let stride = call.attributes.pair("strides")?;
        let dilation = call.attributes.pair("dilations")?;
        let output_padding = call.attributes.amounts::<2>("output_padding")?.map(|n| n as i64);
        let size = &self.fact(x).shape[1..3];
        let auto_pad = call.attributes.text("auto_pad").unwrap_or("NOTSET");
        let wanted = call.attributes.ints("output_shape");
        let pads = call.attributes.amounts::<4>("pads")?.map(|n| n as i64);
        let mut cut = [[0; 2]; 2];
        for d in 0..2 {
            let reach = ((kernel[d] - 1) * dilation[d] + 1) as i64;
            let (length, step) = (size[d] as i64, stride[d] as i64);
            let whole = (length - 1)
                .checked_mul(step)
                .and_then(|n| n.checked_add(reach + output_padding[d]));
            let whole = whole.ok_or("the shape overflows")?;
            let target = match (wanted, auto_pad) {
                (Some(wanted), _) => {
                    let at = wanted.len().saturating_sub(2) + d;
                    let length = wanted.get(at).copied().filter(|n| (1..1 << 28).contains(n));
                    Some(length.ok_or_else(|| format!("an output_shape of {wanted:?}"))?)
                }
                (None, "SAME_UPPER" | "SAME_LOWER") => Some(length * step),
                _ => None,
            };
            let [begin, end] = match target {
                Some(target) => {
                    let total = (whole - target).max(0);
                    let half = total / 2;
                    let upper = [half, total - half];
                    if auto_pad == "SAME_UPPER" { upper } else { [upper[1], upper[0]] }
                }
                None if auto_pad == "VALID" => [0, 0],
                None => [pads[d], pads[d + 2]],
            };
            let made = (reach as usize).div_ceil(stride[d]) as i64 * step;
            // The phases make rows for `made − step` more than the input has times the stride.
            cut[d] = [begin, made - reach - output_padding[d] + end];
        }
        Ok(cut)
    }

    /// Rows and columns of phases, which lie in the channels, side by side.
    fn interleave(
        &mut self,
        x: NodeId,
        block: [usize; 2],
        by_channel: bool,
    ) -> Result<NodeId, String> {
        if block == [1, 1] { Ok(x) } else { self.add(Op::DepthToSpace { block, by_channel }, &[x]) }
    }

    /// A picture without so many rows and columns at the beginning and at the end.
    fn cut_away(&mut self, x: NodeId, begins: [i64; 2], ends: [i64; 2]) -> Result<NodeId, String> {
        if begins == [0, 0] && ends == [0, 0] {
            return Ok(x);
        }
        let begin = self.integers(&[0, begins[0], begins[1], 0])?;
        let end = self.integers(&[0, -ends[0], -ends[1], 0])?;
        let strides = self.integers(&[1; 4])?;
        let to_the_end = |d: usize| u64::from(ends[d] == 0) << (d + 1);
        let masks = SliceMasks {
            begin: 0b1001,
            end: 0b1001 | to_the_end(0) | to_the_end(1),
            ..SliceMasks::default()
        };
        self.add(Op::StridedSlice(masks), &[x, begin, end, strides])
    }

    pub(super) fn gemm(&mut self, call: Call<'a, '_>) -> Result<Value, String> {
        let [a, b] = [self.plain(call.input(0)?)?, self.plain(call.input(1)?)?];
        let product = MatMul {
            transpose_a: call.attributes.flag("transA", false),
            transpose_b: call.attributes.flag("transB", false),
            epilogue: Epilogue::default(),
        };
        let product = self.add(Op::MatMul(product), &[a, b])?;
        let product = self.scaled(product, call.attributes.float("alpha", 1.0))?;
        let Some(c) = call.optional(2) else { return Ok(Value::Plain(product)) };
        let c = self.plain(c)?;
        let c = self.scaled(c, call.attributes.float("beta", 1.0))?;
        Ok(Value::Plain(self.add(Op::Binary(Binary::Add, Clamp::NONE), &[product, c])?))
    }

    /// A value times a factor.
    pub(super) fn scaled(&mut self, x: NodeId, factor: f32) -> Result<NodeId, String> {
        if factor == 1.0 {
            return Ok(x);
        }
        let factor = self.float(factor)?;
        self.add(Op::Binary(Binary::Mul, Clamp::NONE), &[x, factor])
    }

    /// A product of matrices; where the left side has more dimensions, of all its rows.
    pub(super) fn mat_mul(&mut self, call: Call<'a, '_>) -> Result<Value, String> {
        let [a, b] = [self.plain(call.input(0)?)?, self.plain(call.input(1)?)?];
        let (left, right) = (self.fact(a).shape.clone(), self.fact(b).shape.clone());
        let product = Op::MatMul(MatMul::default());
        match (left.len(), right.len()) {
            (2, 2) => Ok(Value::Plain(self.add(product, &[a, b])?)),
            (3.., 2) => {
                let rows = self.integers(&[-1, right[0] as i64])?;
                let matrix = self.add(Op::Reshape, &[a, rows])?;
                let product = self.add(product, &[matrix, b])?;
                let lengths = self.lengths_with_last(a, right[1])?;
                Ok(Value::Plain(self.add(Op::Reshape, &[product, lengths])?))
            }
            _ => Err(format!(
                "matrices of {left:?} and {right:?}: the right one must have two dimensions"
            )),
        }
    }

    /// The shape of `x` with another length of its last dimension, as a node.
    fn lengths_with_last(&mut self, x: NodeId, last: usize) -> Result<NodeId, String> {
        let rank = self.fact(x).shape.len() as i64;
        let shape = self.add(Op::Shape(crate::tensor::DType::I64), &[x])?;
        let (begin, size) = (self.integers(&[0])?, self.integers(&[rank - 1])?);
        let before = self.add(Op::Slice, &[shape, begin, size])?;
        let last = self.integers(&[last as i64])?;
        let axis = self.integer(0)?;
        self.add(Op::Concat, &[before, last, axis])
    }
}

fn groups(call: Call<'_, '_>) -> Result<usize, String> {
    let groups = call.attributes.int("group").unwrap_or(1);
    usize::try_from(groups).ok().filter(|&n| n > 0).ok_or_else(|| format!("a group of {groups}"))
}

fn check_groups(groups: usize, channels: usize) -> Result<(), String> {
    match channels.is_multiple_of(groups) {
        true => Ok(()),
        false => Err(format!("{channels} channels do not make {groups} groups")),
    }
}
