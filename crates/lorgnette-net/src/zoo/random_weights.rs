//! Random weights, for networks that are drawn, counted or timed without their files.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::graph::Op;
use crate::lazy_tensor::{LazyTensor, TensorSource};
use crate::tensor::{DType, Tensor};
use crate::weights::{Variables, missing};

/// Random weights of every requested shape. Filters have the variance that preserves the scale of
/// activations (He and others 2015, "Delving deep into rectifiers", equation 10). Batch norms are
/// near the identity, biases are zero. The values depend only on the variable's name. Filters are
/// generated when they are packed.
#[derive(Clone, Copy, Debug, Default)]
pub struct RandomWeights;

impl Variables for RandomWeights {
    fn variable(&self, name: &str, shape: &[Option<usize>]) -> Result<Tensor> {
        RandomTensor { name: name.into(), shape: known_shape(name, shape)? }.read()
    }

    fn operand(&self, name: &str, shape: &[Option<usize>]) -> Result<Op> {
        let shape = known_shape(name, shape)?;
        let tensor = RandomTensor { name: name.into(), shape: shape.clone() };
        if shape.len() < 2 {
            return tensor.read().map(Op::Const);
        }
        Ok(Op::Variable(LazyTensor::new(DType::F32, shape, Arc::new(tensor))))
    }

    fn shape(&self, _: &str) -> Option<Vec<usize>> {
        None
    }

    fn has_shapes(&self) -> bool {
        false
    }
}

fn known_shape(name: &str, shape: &[Option<usize>]) -> Result<Vec<usize>> {
    shape.iter().copied().collect::<Option<_>>().ok_or_else(|| missing(name, shape, []))
}

/// The values of one variable.
#[derive(Debug)]
struct RandomTensor {
    name: String,
    shape: Vec<usize>,
}

impl TensorSource for RandomTensor {
    fn read(&self) -> Result<Tensor> {
        let count: usize = self.shape.iter().product();
        let mut values = Vec::new();
        values.try_reserve_exact(count).map_err(|_| Error::Memory {
            what: self.name.clone(),
            needed: count as u64 * 4,
            limit: 0,
        })?;
        let (centre, half_width) = self.distribution();
        let mut rng = SplitMix64::from_name(&self.name);
        values.extend((0..count).map(|_| centre + half_width * rng.next()));
        Ok(Tensor::from_f32(&self.shape, values))
    }
}

impl RandomTensor {
    /// Returns the mean of the values and their maximum deviation.
    fn distribution(&self) -> (f32, f32) {
        match self.name.rsplit('/').next().unwrap_or_default() {
            "gamma" | "moving_variance" => (1.0, 0.1),
            "beta" | "moving_mean" | "biases" => (0.0, 0.0),
            leaf => {
                let taps = if leaf == "depthwise_weights" {
                    2
                } else {
                    self.shape.len().saturating_sub(1)
                };
                let products: usize = self.shape[..taps].iter().product();
                (0.0, (6.0 / products.max(1) as f32).sqrt())
            }
        }
    }
}

/// Numbers from -1 to 1, by SplitMix64 (Steele, Lea, Flood 2014, "Fast splittable pseudorandom
/// number generators").
struct SplitMix64(u64);

impl SplitMix64 {
    /// Seeds the generator with FNV-1a of a name.
    fn from_name(name: &str) -> Self {
        Self(name.bytes().fold(0xcbf2_9ce4_8422_2325, |sum, byte| {
            (sum ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
        }))
    }

    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zoo::{ARCHITECTURES, ZooOptions};

    #[test]
    fn every_network_can_have_random_weights() {
        for net in ARCHITECTURES {
            let zoo_graph = net
                .build(&RandomWeights, &ZooOptions::default())
                .unwrap_or_else(|error| panic!("{}: {error}", net.name));
            assert_eq!(zoo_graph.classes, Some(net.classes), "{}", net.name);
        }
    }

    #[test]
    fn values_are_spread_as_they_should_be() {
        let values = RandomWeights
            .variable("a/weights", &[Some(3), Some(3), Some(64), Some(64)])
            .unwrap()
            .to_f32();
        let variance = values.iter().map(|v| v * v).sum::<f32>() / values.len() as f32;
        assert!((variance * 576.0 - 2.0).abs() < 0.05, "{variance}");
        assert!(values.iter().sum::<f32>().abs() / (values.len() as f32) < 1e-3);
    }
}
