//! The end of a network: features, logits, probabilities.

use super::layer::{Activation, conv2d_as_stored};
use super::{BuildResult, FeatureMap, Halt, Same, Slim};
use crate::graph::op::{MatMul, Op, SliceMasks};
use crate::tensor::DType;

impl Slim<'_> {
    /// Adds a matrix product with biases; without `outputs`, their number follows the file.
    pub(in crate::zoo) fn fully_connected(
        &mut self,
        net: FeatureMap,
        scope: &str,
        outputs: Option<usize>,
        activation: Activation,
    ) -> BuildResult {
        let (matrix, shape) =
            self.variable(&format!("{scope}/weights"), &[Some(net.channels), outputs])?;
        let id =
            self.node(&format!("{scope}/MatMul"), Op::MatMul(MatMul::default()), &[net.id, matrix]);
        let net = FeatureMap { id, height: 1, width: 1, channels: shape[1] };
        let net = self.biases(net, scope)?;
        Ok(self.activate(net, scope, activation))
    }

    /// Flattens pixels and channels to one row.
    pub(in crate::zoo) fn flatten(&mut self, net: FeatureMap, scope: &str) -> FeatureMap {
        let shape = self.node(&format!("{scope}/flatten/Shape"), Op::Shape(DType::I32), &[net.id]);
        let ends = [("stack", 0), ("stack_1", 1), ("stack_2", 1)];
        let ends = ends.map(|(name, at)| {
            self.integers(&format!("{scope}/flatten/strided_slice/{name}"), &[1], &[at])
        });
        let first = SliceMasks { shrink_axis: 1, ..SliceMasks::default() };
        let inputs = [shape, ends[0], ends[1], ends[2]];
        let batch =
            self.node(&format!("{scope}/flatten/strided_slice"), Op::StridedSlice(first), &inputs);
        let rest = self.integers(&format!("{scope}/flatten/Reshape/shape/1"), &[], &[-1]);
        let shape = self.node(
            &format!("{scope}/flatten/Reshape/shape"),
            Op::Pack { axis: 0 },
            &[batch, rest],
        );
        let id = self.node(&format!("{scope}/flatten/Reshape"), Op::Reshape, &[net.id, shape]);
        FeatureMap { id, height: 1, width: 1, channels: net.height * net.width * net.channels }
    }

    /// Marks the features: the input of the last layer. Building stops here if there are no
    /// classes.
    pub(in crate::zoo) fn features(&mut self, net: FeatureMap) -> BuildResult {
        self.features = Some(net);
        if self.options.num_classes == Some(0) { Err(Halt::Reached) } else { Ok(net) }
    }

    /// Adds the last layer as a 1 × 1 convolution: one value per class and pixel.
    pub(in crate::zoo) fn logits(&mut self, net: FeatureMap, scope: &'static str) -> BuildResult {
        let row = conv2d_as_stored(scope, 1).linear().padding(Same);
        let net = self.convolve(net, &row, self.options.num_classes)?;
        self.logits = Some(net);
        Ok(net)
    }

    /// Adds the last layer as a matrix product.
    pub(in crate::zoo) fn fully_connected_logits(
        &mut self,
        net: FeatureMap,
        scope: &str,
    ) -> BuildResult {
        let net = self.fully_connected(net, scope, self.options.num_classes, Activation::None)?;
        self.logits = Some(net);
        Ok(net)
    }

    /// Marks the logits under another name.
    pub(in crate::zoo) fn logits_are(&mut self, net: FeatureMap) {
        self.logits = Some(net);
    }

    /// Removes the logits' spatial dimensions, unless `spatial_squeeze` is off.
    pub(in crate::zoo) fn spatial_squeeze(&mut self, net: FeatureMap, name: &str) -> FeatureMap {
        if !self.options.spatial_squeeze {
            return net;
        }
        let id = self.node(name, Op::Squeeze { axes: vec![1, 2] }, &[net.id]);
        let net = FeatureMap { id, height: 1, width: 1, ..net };
        self.logits = Some(net);
        net
    }

    /// Adds a softmax.
    pub(in crate::zoo) fn softmax(&mut self, net: FeatureMap, name: &str) -> FeatureMap {
        let id = self.node(name, Op::Softmax { log: false }, &[net.id]);
        self.probabilities = Some(id);
        FeatureMap { id, ..net }
    }

    /// Adds a softmax in TF-Slim's form: reshaped to a matrix, softmax, reshaped back.
    pub(in crate::zoo) fn slim_softmax(&mut self, net: FeatureMap, scope: &str) -> FeatureMap {
        let rows =
            self.integers(&format!("{scope}/Reshape/shape"), &[2], &[-1, net.channels as i64]);
        let matrix = self.node(&format!("{scope}/Reshape"), Op::Reshape, &[net.id, rows]);
        let softmax = self.node(&format!("{scope}/Softmax"), Op::Softmax { log: false }, &[matrix]);
        let shape = self.node(&format!("{scope}/Shape"), Op::Shape(DType::I32), &[net.id]);
        let id = self.node(&format!("{scope}/Reshape_1"), Op::Reshape, &[softmax, shape]);
        self.probabilities = Some(id);
        FeatureMap { id, ..net }
    }

    /// Returns whether to pool over the whole map, which `by_default` decides if the options do
    /// not.
    pub(in crate::zoo) fn pools_globally(&self, by_default: bool) -> bool {
        self.options.global_pool.unwrap_or(by_default)
    }
}
