//! Operations between layers: activations, sums and products, concatenation, cropping and padding,
//! means.

use lorgnette_kernels::{Binary, Clamp};

use super::layer::Activation;
use super::{FeatureMap, Slim, join};
use crate::graph::NodeId;
use crate::graph::op::{Op, PadMode, Reduction, SliceMasks};
use crate::tensor::Tensor;

impl Slim<'_> {
    /// Adds an activation as a layer of its own.
    pub(in crate::zoo) fn activate(
        &mut self,
        net: FeatureMap,
        scope: &str,
        activation: Activation,
    ) -> FeatureMap {
        let id = match activation {
            Activation::None => net.id,
            Activation::Identity => self.node(&join(scope, "Identity"), Op::Identity, &[net.id]),
            Activation::Relu => self.node(&join(scope, "Relu"), Op::Clamp(Clamp::RELU), &[net.id]),
            Activation::Relu6 => {
                self.node(&join(scope, "Relu6"), Op::Clamp(Clamp::RELU6), &[net.id])
            }
            Activation::HardSwish => {
                let scope = join(scope, "hard_swish");
                let gate = self.hard_gate(net, &scope);
                let product = self.multiply(net, gate, &format!("{scope}/mul"));
                self.scale(product, 1.0 / 6.0, &format!("{scope}/mul_1")).id
            }
        };
        FeatureMap { id, ..net }
    }

    /// `relu6(x + 3)`.
    pub(in crate::zoo) fn hard_gate(&mut self, net: FeatureMap, scope: &str) -> FeatureMap {
        let three = self.constant(&format!("{scope}/add/y"), Tensor::scalar(3.0));
        let id = self.node(
            &format!("{scope}/add"),
            Op::Binary(Binary::Add, Clamp::NONE),
            &[net.id, three],
        );
        self.activate(FeatureMap { id, ..net }, scope, Activation::Relu6)
    }

    /// Adds a ReLU in the current scope.
    pub(in crate::zoo) fn relu(&mut self, net: FeatureMap) -> FeatureMap {
        self.activate(net, "", Activation::Relu)
    }

    /// Adds dropout, which has no effect but a node.
    pub(in crate::zoo) fn dropout(&mut self, net: FeatureMap, scope: &str) -> FeatureMap {
        self.identity(net, &format!("{scope}/Identity"))
    }

    /// Gives the value another name.
    pub(in crate::zoo) fn identity(&mut self, net: FeatureMap, name: &str) -> FeatureMap {
        FeatureMap { id: self.node(name, Op::Identity, &[net.id]), ..net }
    }

    pub(in crate::zoo) fn add(&mut self, a: FeatureMap, b: FeatureMap, name: &str) -> FeatureMap {
        FeatureMap { id: self.node(name, Op::Binary(Binary::Add, Clamp::NONE), &[a.id, b.id]), ..a }
    }

    pub(in crate::zoo) fn multiply(
        &mut self,
        a: FeatureMap,
        b: FeatureMap,
        name: &str,
    ) -> FeatureMap {
        FeatureMap { id: self.node(name, Op::Binary(Binary::Mul, Clamp::NONE), &[a.id, b.id]), ..a }
    }

    /// Multiplies by a number.
    pub(in crate::zoo) fn scale(&mut self, net: FeatureMap, factor: f32, name: &str) -> FeatureMap {
        let factor = self.constant(&format!("{name}/y"), Tensor::scalar(factor));
        FeatureMap {
            id: self.node(name, Op::Binary(Binary::Mul, Clamp::NONE), &[net.id, factor]),
            ..net
        }
    }

    /// Concatenates channels.
    pub(in crate::zoo) fn concat(&mut self, name: &str, parts: &[FeatureMap]) -> FeatureMap {
        let axis = self.integers(&format!("{name}/axis"), &[], &[3]);
        let inputs: Vec<NodeId> = parts.iter().map(|part| part.id).chain([axis]).collect();
        let id = self.node(name, Op::Concat, &inputs);
        FeatureMap { id, channels: parts.iter().map(|part| part.channels).sum(), ..parts[0] }
    }

    /// Pads with zeros: above and to the left, below and to the right.
    pub(in crate::zoo) fn pad(
        &mut self,
        net: FeatureMap,
        name: &str,
        [before, after]: [usize; 2],
    ) -> FeatureMap {
        let paddings = [0, 0, before, after, before, after, 0, 0].map(|n| n as i64);
        let paddings = self.integers(&format!("{name}/paddings"), &[4, 2], &paddings);
        let id = self.node(name, Op::Pad(PadMode::Constant), &[net.id, paddings]);
        FeatureMap {
            id,
            height: net.height + before + after,
            width: net.width + before + after,
            ..net
        }
    }

    /// Crops the first row and column.
    pub(in crate::zoo) fn without_first_row_and_column(
        &mut self,
        net: FeatureMap,
        name: &str,
    ) -> FeatureMap {
        let ends = [("stack", [0, 1, 1, 0]), ("stack_1", [0; 4]), ("stack_2", [1; 4])];
        let ends = ends.map(|(end, values)| self.integers(&format!("{name}/{end}"), &[4], &values));
        let whole = SliceMasks { begin: 0b1001, end: 0b1111, ..SliceMasks::default() };
        let id = self.node(name, Op::StridedSlice(whole), &[net.id, ends[0], ends[1], ends[2]]);
        FeatureMap {
            id,
            height: net.height.saturating_sub(1),
            width: net.width.saturating_sub(1),
            ..net
        }
    }

    /// Averages over all pixels, at any size; the result is one pixel.
    pub(in crate::zoo) fn global_pool(&mut self, net: FeatureMap, name: &str) -> FeatureMap {
        self.mean(net, name, true)
    }

    /// Averages over all pixels; the result is a matrix unless `keep_dims`.
    pub(in crate::zoo) fn mean(
        &mut self,
        net: FeatureMap,
        name: &str,
        keep_dims: bool,
    ) -> FeatureMap {
        let axes = self.integers(&format!("{name}/reduction_indices"), &[2], &[1, 2]);
        let id = self.node(name, Op::Reduce { kind: Reduction::Mean, keep_dims }, &[net.id, axes]);
        FeatureMap { id, height: 1, width: 1, ..net }
    }
}
