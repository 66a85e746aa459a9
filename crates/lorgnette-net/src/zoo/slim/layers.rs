//! Layers with variables, and pools, from the rows of a table.

use lorgnette_kernels::{Binary, Clamp, Padding};

use super::layer::{Layer, LayerKind, Normalizer};
use super::{BuildResult, FeatureMap, Same, Slim, Valid, join};
use crate::graph::op::{Border, Conv, Epilogue, Op, Pool, PoolKind};
use crate::tensor::Tensor;

impl Slim<'_> {
    /// Builds one layer.
    pub(in crate::zoo) fn layer(&mut self, net: FeatureMap, row: &Layer) -> BuildResult {
        let scope = row.scope.as_ref();
        let (net, collect) = match &row.kind {
            LayerKind::Conv { depth } => {
                (self.convolve(net, row, depth.and_then(|d| self.depth(d)))?, self.args.collect)
            }
            LayerKind::Depthwise => (self.convolve_depthwise(net, row)?, self.args.collect),
            LayerKind::Pool(kind) => (self.pool(net, row, *kind), self.args.collect_pools),
            LayerKind::Concat(rows) => {
                let parts: Vec<FeatureMap> =
                    rows.iter().map(|row| self.layer(net, row)).collect::<BuildResult<_>>()?;
                (self.concat(scope, &parts), false)
            }
        };
        if collect { self.scoped_end_point(scope, net) } else { Ok(net) }
    }

    /// Builds a sequence of layers.
    pub(in crate::zoo) fn layers(&mut self, net: FeatureMap, rows: &[Layer]) -> BuildResult {
        rows.iter().try_fold(net, |net, row| self.layer(net, row))
    }

    /// Builds a sequence of layers, each an end point under its own name.
    pub(in crate::zoo) fn stem(&mut self, net: FeatureMap, rows: &[Layer]) -> BuildResult {
        rows.iter().try_fold(net, |net, row| {
            let net = self.layer(net, row)?;
            self.end_point(&row.scope, net)
        })
    }

    /// Builds the scopes `Branch_0`, `Branch_1`, … over the same input and concatenates them.
    pub(in crate::zoo) fn branches(
        &mut self,
        net: FeatureMap,
        branches: &[&[Layer]],
    ) -> BuildResult {
        let mut parts = Vec::new();
        for (i, rows) in branches.iter().enumerate() {
            parts.push(self.scope(&format!("Branch_{i}"), |s| s.layers(net, rows))?);
        }
        Ok(self.concat("concat", &parts))
    }

    /// Builds an Inception module: branches in a scope of their own, which is an end point.
    pub(in crate::zoo) fn module(
        &mut self,
        net: FeatureMap,
        scope: &str,
        branches: &[&[Layer]],
    ) -> BuildResult {
        let net = self.scope(scope, |s| s.branches(net, branches))?;
        self.end_point(scope, net)
    }

    /// Builds a strided convolution whose result does not depend on the parity of the size:
    /// explicit padding, then VALID.
    pub(in crate::zoo) fn conv2d_same(&mut self, net: FeatureMap, row: Layer) -> BuildResult {
        let stride = row.stride.unwrap_or(1);
        if stride == 1 {
            return self.layer(net, &row.padding(Same));
        }
        let around = (row.kernel[0] - 1) * row.rate;
        let padded = self.pad(net, "Pad", [around / 2, around - around / 2]);
        self.layer(padded, &row.valid())
    }

    /// Builds a depthwise and a pointwise convolution with nothing between. Without a `multiplier`
    /// it follows the file.
    pub(in crate::zoo) fn separable_conv2d(
        &mut self,
        net: FeatureMap,
        row: &Layer,
        multiplier: Option<usize>,
    ) -> BuildResult {
        let LayerKind::Conv { depth } = row.kind else {
            unreachable!("a separable convolution is a convolution")
        };
        let (scope, [kh, kw]) = (row.scope.as_ref(), row.kernel);
        let wanted = [Some(kh), Some(kw), Some(net.channels), multiplier];
        let (filter, shape) = self.variable(&format!("{scope}/depthwise_weights"), &wanted)?;
        let conv = self.conv(row);
        let mut net = output_size(net, row.kernel, &conv);
        net.channels *= shape[3];
        net.id = self.node(
            &format!("{scope}/separable_conv2d/depthwise"),
            Op::DepthwiseConv2d(conv),
            &[net.id, filter],
        );
        let wanted = [Some(1), Some(1), Some(net.channels), depth.and_then(|d| self.depth(d))];
        let (filter, shape) = self.variable(&format!("{scope}/pointwise_weights"), &wanted)?;
        let point =
            Conv { stride: [1; 2], dilation: [1; 2], border: Valid, epilogue: Epilogue::default() };
        net.channels = shape[3];
        net.id =
            self.node(&format!("{scope}/separable_conv2d"), Op::Conv2d(point), &[net.id, filter]);
        self.finish_sum(net, row)
    }

    /// Builds batch norm as a layer of its own.
    pub(in crate::zoo) fn batch_norm(&mut self, net: FeatureMap, scope: &str) -> BuildResult {
        self.normalize(net, scope, self.args.layer_norm)
    }

    /// Returns the rows and columns of a layer's result.
    pub(in crate::zoo) fn size_after(&self, net: FeatureMap, row: &Layer) -> [usize; 2] {
        let out = output_size(net, row.kernel, &self.conv(row));
        [out.height, out.width]
    }

    /// Returns a window no larger than the image.
    pub(in crate::zoo) fn reduced_kernel_size(net: FeatureMap, kernel: [usize; 2]) -> [usize; 2] {
        [net.height.clamp(1, kernel[0]), net.width.clamp(1, kernel[1])]
    }

    fn conv(&self, row: &Layer) -> Conv {
        Conv {
            stride: [row.stride.unwrap_or(1); 2],
            dilation: [row.rate; 2],
            border: row.padding.unwrap_or(self.args.padding),
            epilogue: Epilogue::default(),
        }
    }

    pub(super) fn convolve(
        &mut self,
        net: FeatureMap,
        row: &Layer,
        depth: Option<usize>,
    ) -> BuildResult {
        let [kh, kw] = row.kernel;
        let wanted = [Some(kh), Some(kw), Some(net.channels), depth];
        let (filter, shape) = self.variable(&format!("{}/weights", row.scope), &wanted)?;
        let conv = self.conv(row);
        let mut out = output_size(net, row.kernel, &conv);
        out.channels = shape[3];
        out.id = self.node(&format!("{}/Conv2D", row.scope), Op::Conv2d(conv), &[net.id, filter]);
        self.finish_sum(out, row)
    }

    fn convolve_depthwise(&mut self, net: FeatureMap, row: &Layer) -> BuildResult {
        let [kh, kw] = row.kernel;
        let wanted = [Some(kh), Some(kw), Some(net.channels), Some(1)];
        let (filter, _) = self.variable(&format!("{}/depthwise_weights", row.scope), &wanted)?;
        let conv = self.conv(row);
        let mut out = output_size(net, row.kernel, &conv);
        out.id = self.node(
            &format!("{}/depthwise", row.scope),
            Op::DepthwiseConv2d(conv),
            &[net.id, filter],
        );
        self.finish_sum(out, row)
    }

    fn finish_sum(&mut self, net: FeatureMap, row: &Layer) -> BuildResult {
        let net = match row.normalizer.unwrap_or(self.args.normalizer) {
            Normalizer::None => net,
            Normalizer::Biases => self.biases(net, &row.scope)?,
            normalizer => self.normalize(net, &format!("{}/BatchNorm", row.scope), normalizer)?,
        };
        Ok(self.activate(net, &row.scope, row.activation.unwrap_or(self.args.activation)))
    }

    pub(super) fn biases(&mut self, net: FeatureMap, scope: &str) -> BuildResult {
        let (biases, _) = self.variable(&format!("{scope}/biases"), &[Some(net.channels)])?;
        let id = self.node(
            &format!("{scope}/BiasAdd"),
            Op::Binary(Binary::Add, Clamp::NONE),
            &[net.id, biases],
        );
        Ok(FeatureMap { id, ..net })
    }

    fn normalize(&mut self, net: FeatureMap, scope: &str, normalizer: Normalizer) -> BuildResult {
        let Normalizer::BatchNorm { epsilon, scale } = normalizer else { return Ok(net) };
        let channels = [Some(net.channels)];
        let gamma = if scale || self.stored_shape(&format!("{scope}/gamma")).is_some() {
            self.variable(&format!("{scope}/gamma"), &channels)?.0
        } else {
            self.constant(&format!("{scope}/Const"), Tensor::from_f32(&[1], vec![1.0]))
        };
        let mut inputs = vec![net.id, gamma];
        for name in ["beta", "moving_mean", "moving_variance"] {
            inputs.push(self.variable(&format!("{scope}/{name}"), &channels)?.0);
        }
        let id =
            self.node(&format!("{scope}/FusedBatchNormV3"), Op::BatchNorm { epsilon }, &inputs);
        Ok(FeatureMap { id, ..net })
    }

    fn pool(&mut self, net: FeatureMap, row: &Layer, kind: PoolKind) -> FeatureMap {
        let stride = [row.stride.unwrap_or(self.args.pool_stride); 2];
        let border = row.padding.unwrap_or(self.args.pool_padding);
        let conv = Conv { stride, dilation: [1; 2], border, epilogue: Epilogue::default() };
        let name = if kind == PoolKind::Max { "MaxPool" } else { "AvgPool" };
        let op = Op::Pool(Pool { kind, kernel: row.kernel, stride, dilation: [1; 2], border });
        let id = self.node(&join(&row.scope, name), op, &[net.id]);
        FeatureMap { id, ..output_size(net, row.kernel, &conv) }
    }
}

/// Returns the size of a windowed operation's result.
fn output_size(net: FeatureMap, kernel: [usize; 2], conv: &Conv) -> FeatureMap {
    let along = |length: usize, d: usize| {
        let (stride, reach) = (conv.stride[d], (kernel[d] - 1) * conv.dilation[d] + 1);
        match conv.border {
            Same => length.div_ceil(stride),
            Valid => (length + stride).saturating_sub(reach) / stride,
            Border::Explicit(Padding { top, bottom, left, right }) => {
                let margins = if d == 0 { top + bottom } else { left + right };
                (length + margins + stride).saturating_sub(reach) / stride
            }
        }
    };
    FeatureMap { height: along(net.height, 0), width: along(net.width, 1), ..net }
}
