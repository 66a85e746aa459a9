//! Convolutions, matrix products and pools.

use std::sync::Arc;

use lorgnette_kernels::{PoolKind, Window};

use super::emit::{Setting, integers, node};
use super::translation::Translation;
use super::weights::{Content, Scale};
use crate::graph::op::{Conv, Epilogue, MatMul, Pool};
use crate::graph::shape::resolve;
use crate::graph::{Node, NodeId, TensorOrLazy};

impl Translation<'_> {
    pub(super) fn conv(&mut self, id: NodeId, node: &Node, conv: &Conv) -> Result<(), String> {
        let (x, filter) = (node.inputs[0], node.inputs[1]);
        let &[height, width, inputs, outputs] = self.shape(filter) else {
            return Err("the filter is no map".into());
        };
        let shape = vec![outputs, inputs, height, width];
        let run = inputs * height * width;
        let weights =
            self.filter(id, filter, (&[3, 2, 0, 1], shape), scale(&conv.epilogue, run))?;
        self.slide(id, (x, weights), (conv, [height, width]), outputs, (1, node))
    }

    pub(super) fn depthwise(&mut self, id: NodeId, node: &Node, conv: &Conv) -> Result<(), String> {
        let (x, filter) = (node.inputs[0], node.inputs[1]);
        let &[height, width, channels, multiplier] = self.shape(filter) else {
            return Err("the filter is no map".into());
        };
        let shape = vec![channels * multiplier, 1, height, width];
        let weights =
            self.filter(id, filter, (&[2, 3, 0, 1], shape), scale(&conv.epilogue, height * width))?;
        self.slide(
            id,
            (x, weights),
            (conv, [height, width]),
            channels * multiplier,
            (channels, node),
        )
    }

    /// Adds a constant filter, transposed and scaled.
    fn filter(
        &mut self,
        id: NodeId,
        filter: NodeId,
        (order, shape): (&[usize], Vec<usize>),
        scale: Option<Scale>,
    ) -> Result<String, String> {
        let value = TensorOrLazy::from_op(&self.node(filter).op)
            .ok_or("its filter is computed, not constant")?;
        Ok(self.weight(
            id,
            "weights",
            shape,
            Content::Turned { value, order: order.to_vec(), scale },
        ))
    }

    fn slide(
        &mut self,
        id: NodeId,
        (x, weights): (NodeId, String),
        (conv, kernel): (&Conv, [usize; 2]),
        outputs: usize,
        (groups, node): (usize, &Node),
    ) -> Result<(), String> {
        let window = resolve(kernel, conv.stride, conv.dilation, conv.border, self.places(x)?)?;
        let mut settings = window_settings(&window);
        settings.push(("dilations", integers(window.dilation)));
        settings.push(("group", Setting::Integer(groups as i64)));
        let mut inputs = vec![self.first(x), weights];
        inputs.extend(self.shift(id, &conv.epilogue, vec![outputs]));
        let residual = conv.epilogue.residual.then(|| node.inputs[2]);
        self.summed(id, true, ("Conv", inputs, settings), (&conv.epilogue, residual));
        Ok(())
    }

    /// Finishes a sum: adds the residual, then clamps.
    fn summed(
        &mut self,
        id: NodeId,
        first: bool,
        (operator, inputs, settings): (&str, Vec<String>, Vec<(&str, Setting)>),
        (epilogue, residual): (&Epilogue, Option<NodeId>),
    ) {
        let Some(residual) = residual else {
            return self.result(id, first, (operator, inputs, settings), epilogue.limits());
        };
        let alone = format!("{}/alone", self.name(id));
        self.emit(node(operator, inputs, &alone, settings));
        let residual = if first { self.first(residual) } else { self.plain(residual) };
        self.result(id, first, ("Add", vec![alone, residual], Vec::new()), epilogue.limits());
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
            Some(scale) => self.filter(id, b, (&[0, 1], vec![rows, columns]), Some(scale))?,
            None => self.plain(b),
        };
        let mut inputs = vec![self.plain(a), weights];
        inputs.extend(self.shift(id, &product.epilogue, vec![outputs]));
        let flag = |on: bool| Setting::Integer(on.into());
        let settings =
            vec![("transA", flag(product.transpose_a)), ("transB", flag(product.transpose_b))];
        let residual = product.epilogue.residual.then(|| node.inputs[2]);
        self.summed(id, false, ("Gemm", inputs, settings), (&product.epilogue, residual));
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
        self.result(id, first, (operator, vec![value, operand], Vec::new()), epilogue.limits());
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
    fn places(&self, x: NodeId) -> Result<[usize; 2], String> {
        let &[_, rows, columns, _] = self.shape(x) else {
            return Err("it does not read a map".into());
        };
        Ok([rows, columns])
    }
}

fn scale(epilogue: &Epilogue, run: usize) -> Option<Scale> {
    epilogue.scale.as_ref().map(|factors| Scale { factors: Arc::clone(factors), run })
}

fn window_settings(window: &Window) -> Vec<(&'static str, Setting)> {
    let padding = window.padding;
    vec![
        ("kernel_shape", integers(window.kernel)),
        ("strides", integers(window.stride)),
        ("pads", integers([padding.top, padding.left, padding.bottom, padding.right])),
    ]
}
