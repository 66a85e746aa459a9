//! Layers of a head.

use lorgnette_kernels::{Level, ThreadPool};
use lorgnette_net::Tensor;
use lorgnette_net::head::{Head, Layer, OutputKind};

use super::examples::{Examples, Scaling};
use super::matmul::{PackedMatrix, Product};

/// A fully connected layer: `y = x · weights + biases`.
#[derive(Clone, Debug, PartialEq)]
pub struct DenseLayer {
    /// `[inputs][outputs]`, row by row.
    pub weights: Vec<f32>,
    /// One value for each output.
    pub biases: Vec<f32>,
}

impl DenseLayer {
    /// Returns a layer of zeros.
    #[must_use]
    pub fn zeros(inputs: usize, outputs: usize) -> Self {
        Self { weights: vec![0.0; inputs * outputs], biases: vec![0.0; outputs] }
    }

    /// Number of outputs.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.biases.len()
    }

    /// Number of inputs.
    #[must_use]
    pub fn inputs(&self) -> usize {
        self.weights.len() / self.biases.len().max(1)
    }

    /// Returns the layer for unscaled features that is equal to this one on scaled features.
    pub(super) fn unscaled(&self, scaling: &Scaling) -> Self {
        let outputs = self.outputs();
        let mut biases: Vec<f64> = self.biases.iter().map(|&b| f64::from(b)).collect();
        let mut weights = Vec::with_capacity(self.weights.len());
        for (row, mean) in self.weights.chunks_exact(outputs).zip(&scaling.macro_averages) {
            for (bias, &w) in biases.iter_mut().zip(row) {
                let w = f64::from(w) * scaling.factor;
                *bias -= mean * w;
                weights.push(w as f32);
            }
        }
        Self { weights, biases: biases.into_iter().map(|b| b as f32).collect() }
    }

    fn tensors(&self) -> Layer {
        Layer {
            weights: Tensor::from_f32(&[self.inputs(), self.outputs()], self.weights.clone()),
            biases: Tensor::from_f32(&[self.outputs()], self.biases.clone()),
        }
    }

    fn apply(&self, rows: &[f32], level: Level, pool: &ThreadPool) -> Vec<f32> {
        let (inputs, outputs) = (self.inputs(), self.outputs());
        let count = rows.len() / inputs.max(1);
        let packed = PackedMatrix::new(&self.weights, [inputs, outputs], false, level, pool);
        let mut out = vec![0.0; count * outputs];
        packed.multiply(
            &Product { left: rows, rows: count, bias: Some(&self.biases), addend: None },
            &mut out,
            pool,
        );
        out
    }
}

/// A head: one layer, or a hidden one with ReLU before it.
#[derive(Clone, Debug, PartialEq)]
pub struct Layers {
    /// Hidden layer.
    pub hidden: Option<DenseLayer>,
    /// Layer with a score for each class.
    pub last: DenseLayer,
}

impl Layers {
    /// True if all weights and biases are finite.
    #[must_use]
    pub fn is_finite(&self) -> bool {
        let layers = self.hidden.iter().chain([&self.last]);
        let mut values = layers.flat_map(|layer| layer.weights.iter().chain(&layer.biases));
        values.all(|value| value.is_finite())
    }

    /// Returns scores, `[examples][classes]`.
    #[must_use]
    pub fn scores(&self, features: &[f32], level: Level, pool: &ThreadPool) -> Vec<f32> {
        match &self.hidden {
            None => self.last.apply(features, level, pool),
            Some(hidden) => {
                let mut inner = hidden.apply(features, level, pool);
                inner.iter_mut().for_each(|value| *value = value.max(0.0));
                self.last.apply(&inner, level, pool)
            }
        }
    }

    /// Returns the class probabilities of each example.
    #[must_use]
    pub fn probabilities(
        &self,
        examples: &Examples,
        answer: OutputKind,
        level: Level,
        pool: &ThreadPool,
    ) -> Vec<Vec<f32>> {
        let scores = self.scores(examples.features(), level, pool);
        scores
            .chunks_exact(self.last.outputs())
            .map(|scores| probabilities(scores, answer))
            .collect()
    }

    /// Returns the head of a network on the end point `features`.
    #[must_use]
    pub fn head(&self, features: &str, answer: OutputKind) -> Head {
        let hidden = self.hidden.as_ref().map(DenseLayer::tensors);
        Head { features: features.into(), hidden, last: self.last.tensors(), answer }
    }

    /// Divides scores by a temperature.
    #[must_use]
    pub fn with_temperature(mut self, temperature: f64) -> Self {
        let all = self.last.weights.iter_mut().chain(&mut self.last.biases);
        all.for_each(|value| *value = (f64::from(*value) / temperature) as f32);
        self
    }
}

/// Returns the probabilities of one photo's scores, computed in double precision.
#[must_use]
pub fn probabilities(scores: &[f32], answer: OutputKind) -> Vec<f32> {
    match answer {
        OutputKind::Sigmoid => {
            scores.iter().map(|&z| (1.0 / (1.0 + f64::from(-z).exp())) as f32).collect()
        }
        OutputKind::Softmax => {
            let largest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let powers: Vec<f64> = scores.iter().map(|&z| f64::from(z - largest).exp()).collect();
            let sum: f64 = powers.iter().sum();
            powers.into_iter().map(|power| (power / sum) as f32).collect()
        }
    }
}
