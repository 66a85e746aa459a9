//! Convolutions, matrix products and pools.

use std::sync::Arc;

use lorgnette_kernels::{PoolKind, Window};

use super::emit::{Operator, Setting, integers, node};
use super::translation::Translation;
use super::weights::{Content, Scale};
use crate::graph::op::{Conv, Epilogue, MatMul, Pool};
use crate::graph::shape::resolve;
use crate::graph::{Node, NodeId, TensorOrLazy};

/// A convolution's filter among the weights of the file.
struct Filter {
    name: String,
    kernel: [usize; 2],
    groups: usize,
}

impl Translation<'_> {
    pub(super) fn conv(&mut self, id: NodeId, node: &Node, conv: &Conv) -> Result<(), String> {
        let filter = node.inputs[1];
        let &[height, width, inputs, outputs] = self.shape(filter) else {
            return Err("the filter is no map".into());
        };
        let shape = vec![outputs, inputs, height, width];
        let run = inputs * height * width;
        let weights = self.filter(filter, &[3, 2, 0, 1], scale(&conv.epilogue, run))?;
        let weights = self.weight(id, "weights", shape, weights);
        self.slide(id, node, conv, Filter { name: weights, kernel: [height, width], groups: 1 })
    }

    pub(super) fn depthwise(&mut self, id: NodeId, node: &Node, conv: &Conv) -> Result<(), String> {
        let filter = node.inputs[1];
        let &[height, width, channels, multiplier] = self.shape(filter) else {
            return Err("the filter is no map".into());
        };
        let shape = vec![channels * multiplier, 1, height, width];
        let weights = self.filter(filter, &[2, 3, 0, 1], scale(&conv.epilogue, height * width))?;
        let weights = self.weight(id, "weights", shape, weights);
        let filter = Filter { name: weights, kernel: [height, width], groups: channels };
        self.slide(id, node, conv, filter)
    }

    /// Returns a constant filter, transposed and scaled.
    fn filter(
        &self,
        filter: NodeId,
        order: &[usize],
        scale: Option<Scale>,
    ) -> Result<Content, String> {
        let value = TensorOrLazy::from_op(&self.node(filter).op)
            .ok_or("its filter is computed, not constant")?;
        Ok(Content::Turned { value, order: order.to_vec(), scale })
    }

    fn slide(
        &mut self,
        id: NodeId,
        node: &Node,
        conv: &Conv,
        filter: Filter,
    ) -> Result<(), String> {
        let (x, outputs) = (node.inputs[0], self.shape(id)[3]);
        let places = self.places(x)?;
        let window = resolve(filter.kernel, conv.stride, conv.dilation, conv.border, places)?;
        let mut settings = window_settings(&window);
        settings.push(("dilations", integers(window.dilation)));
        settings.push(("group", Setting::Integer(filter.groups as i64)));
        let mut inputs = vec![self.first(x), filter.name];
        inputs.extend(self.shift(id, &conv.epilogue, vec![outputs]));
        let sum = Operator { name: "Conv", inputs, settings };
        self.summed(id, node, &conv.epilogue, sum);
        Ok(())
    }

    /// Finishes a sum: adds the residual, then clamps. Convolutions have channels first, matrix
    /// products do not.
    fn summed(&mut self, id: NodeId, node: &Node, epilogue: &Epilogue, sum: Operator<'_>) {
        let first = sum.name == "Conv";
        if !epilogue.residual {
            return self.result(id, first, sum, epilogue.limits());
        }
        let alone = format!("{}/alone", self.name(id));
        self.emit(sum.node(&alone));
        let residual = node.inputs[2];
        let residual = if first { self.first(residual) } else { self.plain(residual) };
        self.result(id, first, Operator::new("Add", vec![alone, residual]), epilogue.limits());
    }

    /// Adds the per-channel summands, if there are any.
    fn shift(&mut self, id: NodeId, epilogue: &Epilogue, shape: Vec<usize>) -> Option<String> {
        let shift = epilogue.shift.as_ref()?.to_vec();
        Some(self.floats(id, "biases", shape, shift))
    }

    pub(super) fn mat_mul(
        &mut self,
        id: NodeId,
        node: &Node,
        product: &MatMul,
    ) -> Result<(), String> {
        let (a, b) = (node.inputs[0], node.inputs[1]);
        let &[rows, columns] = self.shape(b) else {
            return Err("a matrix has two dimensions".into());
        };
        let (outputs, run) = if product.transpose_b { (rows, columns) } else { (columns, 1) };
        let weights = match scale(&product.epilogue, run) {
            Some(scale) => {
                let weights = self.filter(b, &[0, 1], Some(scale))?;
                self.weight(id, "weights", vec![rows, columns], weights)
            }
            None => self.plain(b),
        };
        let mut inputs = vec![self.plain(a), weights];
        inputs.extend(self.shift(id, &product.epilogue, vec![outputs]));
        let flag = |on: bool| Setting::Integer(on.into());
        let settings =
            vec![("transA", flag(product.transpose_a)), ("transB", flag(product.transpose_b))];
        let sum = Operator { name: "Gemm", inputs, settings };
        self.summed(id, node, &product.epilogue, sum);
        Ok(())
    }

    /// Multiplies by a factor and adds a summand per channel, then clamps.
    pub(super) fn affine(
        &mut self,
        id: NodeId,
        x: NodeId,
        epilogue: &Epilogue,
    ) -> Result<(), String> {
        let channels = self.shape(id).last().copied().unwrap_or(1);
        let (first, mut value) = self.as_is(x);
        let shape = if first { vec![1, channels, 1, 1] } else { vec![channels] };
        let scale = epilogue
            .scale
            .as_ref()
            .map(|scale| self.floats(id, "scale", shape.clone(), scale.to_vec()));
        let shift = self.shift(id, epilogue, shape);
        let (operator, operand) = match (scale, shift) {
            (Some(scale), Some(shift)) => {
                let scaled = format!("{}/scaled", self.name(id));
                self.emit(node("Mul", vec![value, scale], &scaled, Vec::new()));
                value = scaled;
                ("Add", shift)
            }
            (Some(scale), None) => ("Mul", scale),
            (None, Some(shift)) => ("Add", shift),
            (None, None) => return Err("it changes nothing".into()),
        };
        let last = Operator::new(operator, vec![value, operand]);
        self.result(id, first, last, epilogue.limits());
        Ok(())
    }

    pub(super) fn pool(&mut self, id: NodeId, x: NodeId, pool: &Pool) -> Result<(), String> {
        let window =
            resolve(pool.kernel, pool.stride, pool.dilation, pool.border, self.places(x)?)?;
        let mut settings = window_settings(&window);
        let operator = if pool.kind == PoolKind::Max {
            settings.push(("dilations", integers(window.dilation)));
            "MaxPool"
        } else if window.dilation == [1, 1] {
            // Padding does not count in the mean.
            settings.push(("count_include_pad", Setting::Integer(0)));
            "AveragePool"
        } else {
            return Err("ONNX has no mean pools with holes".into());
        };
        let x = self.first(x);
        self.give_first(id, operator, vec![x], settings);
        Ok(())
    }

    /// Returns the rows and columns of a feature map.
    pub(super) fn places(&self, x: NodeId) -> Result<[usize; 2], String> {
        let &[_, rows, columns, _] = self.shape(x) else {
            return Err("it does not read a map".into());
        };
        Ok([rows, columns])
    }
}

fn scale(epilogue: &Epilogue, run: usize) -> Option<Scale> {
    epilogue.scale.as_ref().map(|factors| Scale { factors: Arc::clone(factors), run })
}

pub(super) fn window_settings(window: &Window) -> Vec<(&'static str, Setting)> {
    let padding = window.padding;
    vec![
        ("kernel_shape", integers(window.kernel)),
        ("strides", integers(window.stride)),
        ("pads", integers([padding.top, padding.left, padding.bottom, padding.right])),
    ]
}
