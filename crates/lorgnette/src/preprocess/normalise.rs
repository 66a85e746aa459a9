//! Normalisation of an input's values, and its inverse.

use super::Preprocessing;

/// Means of red, green and blue (`vgg_preprocessing.py`: `_R_MEAN`, `_G_MEAN`, `_B_MEAN`).
const VGG_MEANS: [f32; 3] = [123.68, 116.78, 103.94];

/// Means of red, green and blue of Caffe's networks, as Keras has them.
const CAFFE_MEANS: [f32; 3] = [123.68, 116.779, 103.939];
/// Means and deviations of red, green and blue on 0 to 1 of Torchvision's networks.
const TORCH_MEANS: [f32; 3] = [0.485, 0.456, 0.406];
const TORCH_DEVIATIONS: [f32; 3] = [0.229, 0.224, 0.225];

/// The normalisation after resizing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Normaliser {
    /// `(v - mean) * scale`, on 0 to 255.
    Linear { mean: [f32; 3], scale: [f32; 3] },
    /// `(v - 0.5) * 2`, on 0 to 1.
    MinusOneToOne,
    /// `(v - mean) / max(deviation, 1 / sqrt(N))` of this one picture's N values.
    Standardise,
    /// `(v - mean) / deviation` with the result of [`moments`].
    Standardised { mean: f32, deviation: f32 },
}

/// The mean and scale that are equivalent to a preprocessing on values of 0 to 255, for when only
/// one of them is overridden.
pub(super) fn constants(preprocessing: Preprocessing) -> ([f32; 3], [f32; 3]) {
    match preprocessing {
        Preprocessing::Vgg => (VGG_MEANS, [1.0; 3]),
        Preprocessing::Caffe => (CAFFE_MEANS, [1.0; 3]),
        Preprocessing::Inception | Preprocessing::Symmetric | Preprocessing::TeachableMachine => {
            ([127.5; 3], [1.0 / 127.5; 3])
        }
        // The graph's own Sub and Mul constants, and `lenet_preprocessing.py`, whose division by
        // 128 is equivalent.
        Preprocessing::Inception2015 | Preprocessing::Lenet => ([128.0; 3], [0.007_812_5; 3]),
        Preprocessing::Cifarnet | Preprocessing::Raw => ([0.0; 3], [1.0; 3]),
        Preprocessing::Unit => ([0.0; 3], [1.0 / 255.0; 3]),
        Preprocessing::Torch => {
            (TORCH_MEANS.map(|mean| 255.0 * mean), TORCH_DEVIATIONS.map(|d| 1.0 / (255.0 * d)))
        }
    }
}

impl Normaliser {
    /// The normalisation of a preprocessing.
    pub(super) fn for_preprocessing(preprocessing: Preprocessing) -> Self {
        match preprocessing {
            Preprocessing::Inception => Self::MinusOneToOne,
            Preprocessing::Cifarnet => Self::Standardise,
            _ => {
                let (mean, scale) = constants(preprocessing);
                Self::Linear { mean, scale }
            }
        }
    }

    /// Normalises values in place. With one channel, the first mean applies.
    pub(super) fn apply(self, values: &mut [f32], channels: usize) {
        match self {
            Self::Linear { mean, scale } => {
                for pixel in values.chunks_exact_mut(channels) {
                    for ((value, mean), scale) in pixel.iter_mut().zip(mean).zip(scale) {
                        *value = (*value - mean) * scale;
                    }
                }
            }
            Self::MinusOneToOne => {
                values.iter_mut().for_each(|value| *value = (*value - 0.5) * 2.0);
            }
            Self::Standardise => {
                let (mean, deviation) = moments(values);
                Self::Standardised { mean, deviation }.apply(values, channels);
            }
            Self::Standardised { mean, deviation } => {
                values.iter_mut().for_each(|value| *value = (*value - mean) / deviation);
            }
        }
    }

    /// Undoes [`Normaliser::apply`], to the nearest of 256 levels.
    pub(super) fn levels(self, values: &[f32], channels: usize) -> Vec<u8> {
        match self {
            Self::Linear { mean, scale } => {
                let constants = mean.into_iter().zip(scale).take(channels).cycle();
                let restored = values.iter().zip(constants);
                restored.map(|(value, (mean, scale))| level(value / scale + mean)).collect()
            }
            Self::MinusOneToOne => {
                values.iter().map(|value| level((value / 2.0 + 0.5) * 255.0)).collect()
            }
            Self::Standardise | Self::Standardised { .. } => stretched(values),
        }
    }
}

fn level(value: f32) -> u8 {
    // A cast from float saturates, and turns NaN into 0.
    value.round() as u8
}

/// Mean and adjusted deviation of `tf.image.per_image_standardization`, summed in float64.
pub(super) fn moments(values: &[f32]) -> (f32, f32) {
    let count = values.len() as f64;
    let mean = values.iter().map(|&value| f64::from(value)).sum::<f64>() / count;
    let variance =
        values.iter().map(|&value| (f64::from(value) - mean).powi(2)).sum::<f64>() / count;
    (mean as f32, variance.sqrt().max(1.0 / count.sqrt()) as f32)
}

/// Stretches the values from the minimum as black to the maximum as white; grey if all are equal.
fn stretched(values: &[f32]) -> Vec<u8> {
    let min_value = values.iter().copied().fold(f32::INFINITY, f32::min);
    let max_value = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    if max_value <= min_value {
        return vec![128; values.len()];
    }
    values
        .iter()
        .map(|value| level((value - min_value) / (max_value - min_value) * 255.0))
        .collect()
}
