//! Functions of int16 by tables between whose entries is interpolated.

use crate::ThreadPool;
use crate::integer::Multiplier;
use crate::integer::chunks::for_chunks;

/// A function at 513 places of the range of int16, 128 steps apart.
#[derive(Clone, Debug)]
struct Table(Box<[i16; 513]>);

/// Steps from place to place.
const STEPS: i32 = 128;

impl Table {
    /// Returns the table of a function over `from` to `to`, whose results have 15 bits after the
    /// point. Entries are moved by half of what interpolation is off by in the middle.
    fn new(from: f64, to: f64, function: impl Fn(f64) -> f64) -> Self {
        const ONE: f64 = 32768.0;
        let step = (to - from) / 512.0;
        let limit = |x: f64| x.clamp(f64::from(i16::MIN), f64::from(i16::MAX)) as i16;
        let mut table = Box::new([0; 513]);
        for (i, entry) in table.iter_mut().enumerate().take(512) {
            let at = from + i as f64 * step;
            let value = (function(at) * ONE).round();
            let next = function(from + (i + 1) as f64 * step) * ONE;
            let interpolated = ((next + value) / 2.0).round();
            let middle = (function(at + step / 2.0) * ONE).round();
            let correction = ((interpolated - middle) / 2.0).round();
            *entry = limit(value - correction);
        }
        table[512] = limit((function(to) * ONE).round());
        Self(table)
    }

    /// Returns the function's value.
    fn at(&self, x: i32) -> i32 {
        let index = ((x >> 7) + 256) as usize;
        let (base, next) = (i32::from(self.0[index]), i32::from(self.0[index + 1]));
        base + (((next - base) * (x & (STEPS - 1)) + STEPS / 2) >> 7)
    }
}

/// A softmax of int16 whose results have 15 bits after the point.
#[derive(Clone, Debug)]
pub struct WideSoftmax {
    /// From differences to 1/65535 of 10.
    factor: Multiplier,
    exponential: Table,
    reciprocal: Table,
}

impl WideSoftmax {
    /// Returns the softmax of `beta` times values of that scale; `None` if the product is negative
    /// or too large for a [`Multiplier`].
    pub fn new(scale: f32, beta: f32) -> Option<Self> {
        const RANGE: f64 = 10.0;
        let factor = f64::from(scale * beta) / (RANGE / 65535.0);
        let is_known = (0.0..f64::from(1 << 30)).contains(&factor);
        is_known.then(|| Self {
            factor: Multiplier::from_real(factor),
            exponential: Table::new(-RANGE, 0.0, f64::exp),
            reciprocal: Table::new(0.0, 1.0, |x| 1.0 / (1.0 + x)),
        })
    }

    /// Computes the softmax of each row of `columns` values.
    pub fn run(&self, columns: usize, input: &[i16], output: &mut [i16], pool: &ThreadPool) {
        for_chunks(output, columns, pool, &|rows, output| {
            let input = &input[rows.start * columns..rows.end * columns];
            for (row, to) in input.chunks_exact(columns).zip(output.chunks_exact_mut(columns)) {
                self.row(row, to);
            }
        });
    }

    fn row(&self, row: &[i16], output: &mut [i16]) {
        const MAX: i32 = i16::MAX as i32;
        let largest = row.iter().copied().max().map_or(0, i32::from);
        let mut sum = 0i32;
        for (to, &x) in output.iter_mut().zip(row) {
            let difference = self.factor.apply(i32::from(x) - largest);
            let place = difference.saturating_add(MAX).clamp(i32::from(i16::MIN), MAX);
            let term = self.exponential.at(place);
            *to = term as i16;
            sum = sum.wrapping_add(term);
        }
        // The sum as a number from 1 to 2, of which the table has the inverse.
        let zeros = sum.leading_zeros() as i32;
        let headroom = (zeros - 1).max(0);
        let scaled = (((i64::from(sum) << headroom) + (1 << 13)) >> 14) as i32;
        let place = (scaled - ((1 << 15) + (1 << 16))).clamp(i32::from(i16::MIN), MAX);
        let reciprocal = i64::from(self.reciprocal.at(place));
        let shift = (31 - zeros).max(1);
        for to in output {
            let product = i64::from(*to) * reciprocal + (1 << (shift - 1));
            *to = ((product >> shift) as i32).clamp(0, MAX) as i16;
        }
    }
}

/// The logistic function or the hyperbolic tangent of int16, whose results have 15 bits after the
/// point.
#[derive(Clone, Debug)]
pub struct Sigmoid {
    is_tanh: bool,
    /// The factor of inputs, of which `shift` bits are after the point.
    factor: i32,
    shift: i32,
    /// The logistic function of i / 24, with 16 bits after the point. Entries are moved by half of
    /// what interpolation is off by in the middle.
    table: Box<[u16; 256]>,
}

impl Sigmoid {
    /// Returns the logistic function of values of that scale; `None` for scales whose values leave
    /// 32 bits.
    pub fn logistic(scale: f32) -> Option<Self> {
        Self::new(false, scale, 0)
    }

    /// Returns the hyperbolic tangent of values of that scale; `None` as of [`Sigmoid::logistic`].
    pub fn tanh(scale: f32) -> Option<Self> {
        Self::new(true, scale, 1)
    }

    /// Returns a function of values of that scale. Of scales that are 2⁻¹² or up to
    /// `max_doublings` times twice that, values are multiplied by 3 exactly.
    fn new(is_tanh: bool, scale: f32, max_doublings: i32) -> Option<Self> {
        /// The largest factor of 16-bit values.
        const MAX_FACTOR: f64 = 65535.0;
        /// The real number of a step of inputs that are multiplied by 3.
        const STEP: f32 = 1.0 / 4096.0;
        let exact = (0..=max_doublings).find(|&doublings| scale == STEP * (1 << doublings) as f32);
        let (factor, shift) = match exact {
            Some(doublings) => (3 << doublings, 0),
            None => {
                let (mut factor, mut shift) = (f64::from(scale) * 4096.0 * 3.0, 0);
                if !(0.0..MAX_FACTOR).contains(&factor) {
                    return None;
                }
                while factor <= 32767.0 / 2.0 && shift <= 30 {
                    factor *= 2.0;
                    shift += 1;
                }
                (factor as i32, shift)
            }
        };
        let logistic = |place: f64| 65536.0 / (1.0 + (-place / 24.0).exp());
        let mut table = Box::new([u16::MAX; 256]);
        for (i, entry) in table.iter_mut().enumerate().take(255) {
            let place = i as f64;
            let interpolated = (logistic(place) + logistic(place + 1.0)) / 2.0;
            let correction = (logistic(place + 0.5) - interpolated) / 2.0;
            *entry = (logistic(place) + correction).round() as u16;
        }
        Some(Self { is_tanh, factor, shift, table })
    }

    /// Computes all values.
    ///
    /// # Panics
    /// If there are fewer values than results.
    pub fn run(&self, input: &[i16], output: &mut [i16], pool: &ThreadPool) {
        for_chunks(output, 1, pool, &|items, output| {
            for (to, &from) in output.iter_mut().zip(&input[items]) {
                *to = self.at(from);
            }
        });
    }

    fn at(&self, x: i16) -> i16 {
        let half = if self.shift > 0 { 1 << (self.shift - 1) } else { 0 };
        let x = i32::from(x).wrapping_mul(self.factor).wrapping_add(half) >> self.shift;
        if self.is_tanh { self.tanh_at(x) } else { self.logistic_at(x) }
    }

    /// Returns the table's value at a place with `bits` after the point; `None` beyond its end.
    fn interpolated(&self, place: u32, bits: u32) -> Option<i32> {
        let index = (place >> bits) as usize;
        let (&base, &next) = (self.table.get(index)?, self.table.get(index + 1)?);
        let part = (place & ((1 << bits) - 1)) as i32;
        Some((i32::from(base) << bits) + part * (i32::from(next) - i32::from(base)))
    }

    fn logistic_at(&self, x: i32) -> i16 {
        const BITS: u32 = 9;
        let value = self.interpolated(x.unsigned_abs(), BITS).unwrap_or(0x7FFF << 10);
        let half = 1 << 9;
        let value = if x >= 0 { value + half } else { (1 << (16 + BITS)) - value + half - 1 };
        (value >> 10) as i16
    }

    fn tanh_at(&self, x: i32) -> i16 {
        const BITS: u32 = 8;
        let value = self.interpolated(x.unsigned_abs(), BITS).unwrap_or(0xFFFF << BITS);
        let (half, one) = (1 << 7, 1 << 23);
        let value = if x >= 0 { value - one + half } else { one - value + half - 1 };
        (value >> 8) as i16
    }
}
