//! A layer ready to be timed: data generated, weights packed, and the answer checked against the
//! reference implementation.

use std::collections::HashSet;

use lorgnette_kernels::numerics::{bf16_to_f32, f32_to_bf16};
use lorgnette_kernels::{
    Buffer, CONV_KERNELS, Clamp, Conv, ConvKernel, ConvShape, DEPTHWISE_KERNELS, Depthwise,
    DepthwiseKernel, DepthwiseShape, ErrorClass, Filter, ImageLayout, Level, NumericOptions,
    Padding, StorageType, ThreadPool, Window, candidates, choose_conv, choose_depthwise, reference,
};
use lorgnette_net::plan::Convolution;
use lorgnette_oracle::tolerance;

use crate::layers::Layer;

/// Maximum relative error of rounding to bf16: half of the last digit, and as much again for values
/// near half-way.
const BF16_ROUNDING: f32 = 1.0 / 256.0;
/// Output pixels that are checked, evenly spaced.
const CHECKED: usize = 23;

/// A kernel with a layer's data.
pub struct Trial {
    kernel: Kernel,
    input: Buffer,
    packed: Buffer,
    weights: Vec<u8>,
    output: Buffer,
    scratch: Buffer,
}

#[derive(Clone, Copy)]
enum Kernel {
    Conv(&'static ConvKernel, ConvShape),
    Depthwise(&'static DepthwiseKernel, DepthwiseShape),
}

impl Trial {
    /// Prepares the layer with the best kernel of a level for the allowed numeric options.
    ///
    /// # Panics
    /// If the kernel's answer differs from the reference's: a wrong kernel is not worth timing.
    pub fn new(layer: &Layer, level: Level, numerics: NumericOptions, pool: &ThreadPool) -> Self {
        let kernel = match layer.work {
            Convolution::Full(shape) => Kernel::Conv(choose_conv(&shape, level, numerics), shape),
            Convolution::Depthwise(shape) => {
                Kernel::Depthwise(choose_depthwise(&shape, level), shape)
            }
        };
        Self::checked(kernel, layer, pool)
    }

    /// Prepares the layer with each kernel of a level that can compute it, the chosen one first,
    /// and returns each one's cost relative to that one. For a layer that reads bf16, this includes
    /// kernels that would read float32. Of kernels of the same algorithm, only the first.
    ///
    /// # Panics
    /// As [`Trial::new`].
    pub fn all(
        layer: &Layer,
        level: Level,
        numerics: NumericOptions,
        pool: &ThreadPool,
    ) -> Vec<(Self, f64)> {
        let Convolution::Full(shape) = layer.work else {
            return vec![(Self::new(layer, level, numerics, pool), 1.0)];
        };
        let mut candidate_kernels = candidates(&shape, level, numerics)
            .into_iter()
            .map(|candidate| (candidate, shape))
            .collect::<Vec<_>>();
        let float32_shape = shape.with_f32_input();
        candidate_kernels.extend(
            candidates(&float32_shape, level, numerics)
                .into_iter()
                .map(|candidate| (candidate, float32_shape)),
        );
        let mut algorithms = HashSet::new();
        candidate_kernels.retain(|((kernel, _), _)| algorithms.insert(kernel.algorithm.name));
        let min_cost = candidate_kernels[0].0.1;
        candidate_kernels
            .into_iter()
            .map(|((kernel, cost), shape)| {
                (Self::checked(Kernel::Conv(kernel, shape), layer, pool), cost / min_cost)
            })
            .collect()
    }

    fn checked(kernel: Kernel, layer: &Layer, pool: &ThreadPool) -> Self {
        let mut trial = Self::unchecked(kernel, pool);
        trial.run(pool);
        trial.check(layer);
        trial
    }

    fn unchecked(kernel: Kernel, pool: &ThreadPool) -> Self {
        let (map, out) = kernel.maps();
        let mut random = random();
        let mut input = zeroed(map.len());
        input.values_mut().iter_mut().for_each(|x| *x = element(map.storage, &mut random));
        let count = kernel.taps() * kernel.weights_per_tap();
        let weights: Vec<u8> = (0..count).flat_map(|_| random().to_le_bytes()).collect();
        let filter = Filter { bytes: &weights, scale: None, transposed: false };
        let (packed, scratch) = match &kernel {
            Kernel::Conv(kernel, shape) => {
                let mut packed = zeroed((kernel.packed_len)(shape));
                kernel.pack(shape, &filter, packed.values_mut());
                (packed, zeroed((kernel.scratch_len)(shape, pool.threads())))
            }
            Kernel::Depthwise(kernel, shape) => {
                let mut packed = zeroed((kernel.packed_len)(shape));
                kernel.pack(shape, &filter, packed.values_mut());
                (packed, zeroed(0))
            }
        };
        Self { kernel, input, packed, output: zeroed(out.len()), scratch, weights }
    }

    /// The kernel's name.
    pub fn kernel(&self) -> &'static str {
        match self.kernel {
            Kernel::Conv(kernel, _) => kernel.name,
            Kernel::Depthwise(kernel, _) => kernel.name,
        }
    }

    /// Computes the layer once.
    pub fn run(&mut self, pool: &ThreadPool) {
        let Self { kernel, input, packed, output, scratch, .. } = self;
        let (input, packed) = (input.values(), packed.values());
        let (output, scratch) = (output.values_mut(), scratch.values_mut());
        match kernel {
            Kernel::Conv(kernel, shape) => (kernel.run)(
                Conv {
                    shape,
                    input,
                    packed,
                    bias: None,
                    residual: None,
                    clamp: Clamp::RELU,
                    output,
                    scratch,
                },
                pool,
            ),
            Kernel::Depthwise(kernel, shape) => {
                (kernel.run)(
                    Depthwise { shape, input, packed, bias: None, clamp: Clamp::RELU, output },
                    pool,
                );
            }
        }
    }

    /// Compares some output pixels with the reference's results for their windows.
    fn check(&self, layer: &Layer) {
        let (map, out) = self.kernel.maps();
        let outputs = |pixel: usize| {
            (0..out.channels).map(move |c| number(&out, self.output.values(), pixel, c))
        };
        let largest =
            (0..out.pixels()).flat_map(outputs).fold(0.0, |largest: f32, x| largest.max(x.abs()));
        let rounding = if out.storage == StorageType::Bf16 { BF16_ROUNDING } else { 0.0 };
        for i in 0..CHECKED.min(out.pixels()) {
            let pixel = i * (out.pixels() - 1) / (CHECKED - 1).max(1);
            let expected = self
                .kernel
                .pixel(&self.patch(&map, [pixel / out.width, pixel % out.width]), &self.weights);
            for (actual, expected) in outputs(pixel).zip(&expected) {
                let allowed = self.kernel.tolerance() * largest + rounding * expected.abs();
                let close = (actual - expected).abs() <= allowed;
                assert!(
                    close,
                    "{} is wrong on {layer}: {actual} instead of {expected}",
                    self.kernel()
                );
            }
        }
    }

    /// Returns the values under the window of an output pixel.
    fn patch(&self, map: &ImageLayout, output: [usize; 2]) -> Vec<f32> {
        let window = self.kernel.window();
        let mut patch = Vec::with_capacity(window.kernel[0] * window.kernel[1] * map.channels);
        for ky in 0..window.kernel[0] {
            for kx in 0..window.kernel[1] {
                let y = output[0] * window.stride[0] + ky * window.dilation[0];
                let x = output[1] * window.stride[1] + kx * window.dilation[1];
                let (y, x) =
                    (y.wrapping_sub(window.padding.top), x.wrapping_sub(window.padding.left));
                let inside = y < map.height && x < map.width;
                patch.extend((0..map.channels).map(|c| {
                    if inside {
                        number(map, self.input.values(), y * map.width + x, c)
                    } else {
                        0.0
                    }
                }));
            }
        }
        patch
    }
}

impl Kernel {
    fn maps(&self) -> (ImageLayout, ImageLayout) {
        match self {
            Self::Conv(_, shape) => (shape.input, shape.output),
            Self::Depthwise(_, shape) => (shape.input, shape.output),
        }
    }

    /// Returns the maximum error, relative to the largest magnitude.
    fn tolerance(&self) -> f32 {
        match self {
            Self::Conv(kernel, _) if kernel.algorithm.error_class == ErrorClass::SplitBf16 => {
                tolerance::REFERENCE_SPLIT_BF16
            }
            _ => tolerance::REFERENCE,
        }
    }

    fn window(&self) -> Window {
        match self {
            Self::Conv(_, shape) => shape.window,
            Self::Depthwise(_, shape) => shape.window,
        }
    }

    fn taps(&self) -> usize {
        self.window().kernel.iter().product()
    }

    fn weights_per_tap(&self) -> usize {
        match self {
            Self::Conv(_, shape) => shape.input.channels * shape.output.channels,
            Self::Depthwise(_, shape) => shape.output.channels,
        }
    }

    /// Returns the reference's answer for an image of one window.
    fn pixel(&self, patch: &[f32], weights: &[u8]) -> Vec<f32> {
        let mut weights: Vec<f32> =
            weights.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        let (map, out) = self.maps();
        let mut patch = patch.to_vec();
        if let Self::Conv(kernel, _) = self {
            reference::round_weights(&mut weights, out.channels, kernel.numerics);
            reference::round_input(&mut patch, kernel.numerics.compute);
        }
        let patch = &patch[..];
        let window = Window {
            padding: Padding::default(),
            stride: [1, 1],
            dilation: [1, 1],
            ..self.window()
        };
        // The values have been gathered: their pixels are contiguous, though the layer's may not
        // be.
        let input = ImageLayout::dense(map.batch, window.kernel[0], window.kernel[1], map.channels);
        let output = ImageLayout::dense(out.batch, 1, 1, out.channels);
        let mut answer = vec![0.0; out.channels];
        let pool = ThreadPool::new(1);
        match *self {
            Self::Conv(..) => {
                let shape = &ConvShape { input, output, window };
                let (bias, residual, clamp, scratch) = (None, None, Clamp::RELU, &mut [][..]);
                let (packed, output) = (&weights[..], &mut answer[..]);
                let call =
                    Conv { shape, input: patch, packed, bias, residual, clamp, output, scratch };
                (CONV_KERNELS[CONV_KERNELS.len() - 1].run)(call, &pool);
            }
            Self::Depthwise(_, shape) => {
                let shape = &DepthwiseShape { input, output, window, ..shape };
                let (packed, output) = (&weights[..], &mut answer[..]);
                let call = Depthwise {
                    shape,
                    input: patch,
                    packed,
                    bias: None,
                    clamp: Clamp::RELU,
                    output,
                };
                (DEPTHWISE_KERNELS[DEPTHWISE_KERNELS.len() - 1].run)(call, &pool);
            }
        }
        answer
    }
}

/// Allocates words.
fn zeroed(len: usize) -> Buffer {
    Buffer::for_values::<f32>(len).expect("memory for a layer")
}

/// Returns a word of a layout's slice: one random value, or two in bf16.
fn element(storage: StorageType, random: &mut impl FnMut() -> f32) -> f32 {
    match storage {
        StorageType::Float32 => random(),
        StorageType::Bf16 => f32::from_bits(
            u32::from(f32_to_bf16(random())) | u32::from(f32_to_bf16(random())) << 16,
        ),
    }
}

/// Returns a pixel's value, for any storage type.
fn number(map: &ImageLayout, values: &[f32], pixel: usize, channel: usize) -> f32 {
    match map.storage {
        StorageType::Float32 => values[pixel * map.stride + channel],
        StorageType::Bf16 => {
            let pair = values[pixel * map.word_stride() + channel / 2].to_bits();
            bf16_to_f32((pair >> (16 * (channel % 2))) as u16)
        }
    }
}

/// Random values from −1 to 1 (Marsaglia's xorshift).
fn random() -> impl FnMut() -> f32 {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer() -> Layer {
        layer_of_taps_apart(1)
    }

    fn layer_of_taps_apart(step: usize) -> Layer {
        let map = |channels| ImageLayout::dense(1, 9, 9, channels);
        let padding = Padding { top: step, bottom: step, left: step, right: step };
        let window = Window { kernel: [3, 3], dilation: [step; 2], padding, ..Window::POINTWISE };
        let shape = ConvShape { input: map(20), output: map(40), window };
        Layer { work: Convolution::Full(shape), count: 1 }
    }

    #[test]
    fn every_kernel_of_every_level_agrees_with_its_reference() {
        for (level, step) in
            Level::available().into_iter().flat_map(|level| [(level, 1), (level, 2)])
        {
            let layer = layer_of_taps_apart(step);
            assert!(
                !Trial::all(&layer, level, NumericOptions::default(), &ThreadPool::new(2))
                    .is_empty()
            );
        }
    }

    #[test]
    #[should_panic(expected = "is wrong on conv 3x3/1 9x9x20->40")]
    fn a_wrong_answer_is_not_timed() {
        let mut trial =
            Trial::new(&layer(), Level::best(), NumericOptions::default(), &ThreadPool::new(1));
        trial.output.values_mut::<f32>()[0] += 0.01;
        trial.check(&layer());
    }
}
