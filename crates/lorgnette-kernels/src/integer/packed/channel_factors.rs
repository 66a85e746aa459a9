//! The parameters of each output channel, as vectors of each.

use crate::integer::Multiplier;
use crate::integer::contraction::Rescaling;

/// Turns an output channel's sums into results. The vectors are as long as the padded channels.
#[derive(Debug)]
pub(super) struct ChannelFactors {
    /// Added to a sum.
    pub(super) constants: Vec<i32>,
    /// The factors' mantissas.
    pub(super) mantissas: Vec<i32>,
    /// Bits by which sums are shifted to the left before the multiplication.
    pub(super) left: Vec<i32>,
    /// Bits by which products are shifted to the right.
    pub(super) right: Vec<i32>,
    /// The factors as float32; empty if they are fixed-point numbers.
    pub(super) floats: Vec<f32>,
    /// The same for vector instructions, once all channels are set.
    pub(super) vectors: Vec<VectorFactors>,
    /// True if the vectors round once, as [`VectorFactors`] describes.
    pub(super) has_one_shift: bool,
}

/// The factors of a vector of channels, as instructions load them.
///
/// Where all channels allow it, one addition and one shift of a product with a mantissa do what
/// [`Multiplier::apply`] does with two of each, and add the output's zero point. A product is
/// rounded at bit 31, and what is left is rounded by `e` bits, halves upward. With floors in
/// floors, that is the floor of `(product + 2³⁰ + 2³⁰⁺ᵉ) / 2³¹⁺ᵉ`. A half of a negative number is
/// rounded downward, as if the product were 2³¹ smaller.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(in crate::integer) struct VectorFactors {
    /// Mantissas, or the bits of float32.
    pub(super) factors: [i32; LANES],
    /// The mantissas of odd channels, each in the place of the one before it.
    pub(super) odd_factors: [i32; LANES],
    /// The summands of channels of even and of odd index.
    pub(super) rounding: [[i64; LANES / 2]; 2],
    /// The bits by which the products' high halves are shifted. Where there are two roundings, the
    /// bits of the shifts to the left, then those to the right.
    pub(super) shifts: [[i32; LANES]; 2],
}

impl VectorFactors {
    const ZERO: Self = Self {
        factors: [0; LANES],
        odd_factors: [0; LANES],
        rounding: [[0; LANES / 2]; 2],
        shifts: [[0; LANES]; 2],
    };

    /// Returns the factors of channels that all have the same one; `None` if it does not allow one
    /// rounding.
    pub(in crate::integer) fn uniform(factor: Multiplier, zero_point: i32) -> Option<Self> {
        let mut vector = Self::ZERO;
        for lane in 0..LANES {
            vector.set_mantissa(lane, factor.mantissa);
            vector.set_one_shift(lane, factor, zero_point)?;
        }
        Some(vector)
    }

    fn set_mantissa(&mut self, lane: usize, mantissa: i32) {
        self.factors[lane] = mantissa;
        if lane % 2 == 1 {
            self.odd_factors[lane - 1] = mantissa;
        }
    }

    /// Sets the one rounding of a lane; `None` if the factor does not allow it.
    fn set_one_shift(&mut self, lane: usize, factor: Multiplier, zero_point: i32) -> Option<()> {
        // A factor of zero may be shifted by any number of bits.
        let shift = if factor.mantissa == 0 { 1 } else { -factor.shift };
        if !(1..=MAX_SHIFT).contains(&shift) {
            return None;
        }
        let (parity, at) = (lane % 2, lane / 2);
        self.rounding[parity][at] =
            (1 << 30) + (1 << (30 + shift)) + (i64::from(zero_point) << (31 + shift));
        self.shifts[0][lane] = shift - 1;
        Some(())
    }
}

/// Channels of a vector.
const LANES: usize = 16;
/// Maximum bits of the second rounding for which no sum overflows.
const MAX_SHIFT: i32 = 22;

impl ChannelFactors {
    /// Returns parameters of nothing.
    pub(super) fn zeroed(channels: usize) -> Self {
        let zeros = || vec![0; channels];
        Self {
            constants: zeros(),
            mantissas: zeros(),
            left: zeros(),
            right: zeros(),
            floats: Vec::new(),
            vectors: Vec::new(),
            has_one_shift: false,
        }
    }

    /// Sets those of a channel that is stored at `index`.
    pub(super) fn set(
        &mut self,
        index: usize,
        constant: i32,
        rescale: Rescaling<'_>,
        channel: usize,
    ) {
        self.constants[index] = constant;
        match rescale {
            Rescaling::Fixed(factors) => {
                let factor = factors[channel];
                self.mantissas[index] = factor.mantissa;
                self.left[index] = factor.shift.max(0);
                self.right[index] = (-factor.shift).max(0);
            }
            Rescaling::Float(factors) => {
                self.floats.resize(self.constants.len(), 0.0);
                self.floats[index] = factors[channel];
            }
        }
    }

    /// Prepares the vectors, once all channels are set.
    pub(super) fn finish(&mut self, zero_point: i32) {
        self.vectors = vec![VectorFactors::ZERO; self.constants.len().div_ceil(LANES)];
        if !self.floats.is_empty() {
            for (vector, factors) in self.vectors.iter_mut().zip(self.floats.chunks(LANES)) {
                for (to, factor) in vector.factors.iter_mut().zip(factors) {
                    *to = factor.to_bits().cast_signed();
                }
            }
            return;
        }
        for (channel, &mantissa) in self.mantissas.iter().enumerate() {
            self.vectors[channel / LANES].set_mantissa(channel % LANES, mantissa);
        }
        self.has_one_shift = self.set_one_shift(zero_point).is_some();
        if !self.has_one_shift {
            let bits = self.left.chunks_exact(LANES).zip(self.right.chunks_exact(LANES));
            for (vector, (left, right)) in self.vectors.iter_mut().zip(bits) {
                vector.shifts[0].copy_from_slice(left);
                vector.shifts[1].copy_from_slice(right);
            }
        }
    }

    fn set_one_shift(&mut self, zero_point: i32) -> Option<()> {
        for (channel, &mantissa) in self.mantissas.iter().enumerate() {
            let factor = Multiplier { mantissa, shift: self.left[channel] - self.right[channel] };
            let vector = &mut self.vectors[channel / LANES];
            vector.set_one_shift(channel % LANES, factor, zero_point)?;
        }
        Some(())
    }

    /// Returns the bytes of all vectors.
    pub(super) fn bytes(&self) -> usize {
        4 * size_of::<i32>() * self.constants.len()
            + size_of_val(&self.floats[..])
            + size_of_val(&self.vectors[..])
    }
}
