//! From the 64 coefficients of a block to its samples: the inverse cosine transforms of
//! libjpeg-turbo.
//!
//! Each transform is one pass of eight-lane arithmetic down the columns, a transposition, and the
//! same pass again. Transforms of reduced size are in [`reduced`].

mod reduced;

/// The inverse cosine transform of a JPEG's blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transform {
    /// libjpeg's `JDCT_IFAST`, the default of TensorFlow's `decode_jpeg`, on whose output the
    /// networks were trained.
    Fast,
    /// libjpeg's `JDCT_ISLOW`: the default of most programs, and TensorFlow's
    /// `dct_method="INTEGER_ACCURATE"`. It differs from the fast one by 1.2 levels on average.
    Accurate,
}

/// A component's quantisation steps, scaled for its transform.
pub(crate) struct Dequantiser {
    scaled: [i16; 64],
    inverse: Inverse,
}

/// The transform of a block. The reduced ones are the same for every [`Transform`] (`start_pass` in
/// jddctmgr.c).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Inverse {
    Fast,
    Accurate,
    ToFour,
    ToTwo,
    ToOne,
}

type Rows<T> = [[T; 8]; 8];

impl Dequantiser {
    /// For a component whose blocks become `side` samples a side: 8, 4, 2 or 1.
    pub(crate) fn new(table: &[u16; 64], transform: Transform, side: usize) -> Self {
        let inverse = match (side, transform) {
            (1, _) => Inverse::ToOne,
            (2, _) => Inverse::ToTwo,
            (4, _) => Inverse::ToFour,
            (_, Transform::Fast) => Inverse::Fast,
            (_, Transform::Accurate) => Inverse::Accurate,
        };
        let mut scaled = [0; 64];
        for (position, (scaled, &step)) in scaled.iter_mut().zip(table).enumerate() {
            *scaled =
                if inverse == Inverse::Fast { fast_step(step, position) } else { step as i16 };
        }
        Self { scaled, inverse }
    }

    /// Writes a block's samples to `out`, rows `stride` apart.
    #[inline]
    pub(crate) fn transform(&self, block: &[i16; 64], out: &mut [u8], stride: usize) {
        match self.inverse {
            Inverse::Fast => write(&fast(block, &self.scaled), out, stride),
            Inverse::Accurate => write(&accurate(block, &self.scaled), out, stride),
            Inverse::ToFour => {
                write(&reduced::to_four(&dequantised(block, &self.scaled)), out, stride);
            }
            Inverse::ToTwo => {
                write(&reduced::to_two(&dequantised(block, &self.scaled)), out, stride);
            }
            Inverse::ToOne => out[0] = self.level(block[0]),
        }
    }

    /// Writes the samples of a block without AC coefficients.
    #[inline]
    pub(crate) fn fill(&self, dc: i16, out: &mut [u8], stride: usize) {
        let level = self.level(dc);
        match self.inverse {
            Inverse::Fast | Inverse::Accurate => write(&[[level; 8]; 8], out, stride),
            Inverse::ToFour => write(&[[level; 4]; 4], out, stride),
            Inverse::ToTwo => write(&[[level; 2]; 2], out, stride),
            Inverse::ToOne => out[0] = level,
        }
    }

    /// The level of a block without AC coefficients; the mean of any other.
    fn level(&self, dc: i16) -> u8 {
        let dc = dc.wrapping_mul(self.scaled[0]);
        match self.inverse {
            Inverse::Fast => to_sample(i32::from(dc >> FAST_SHIFT)),
            Inverse::ToOne => to_sample(reduced::ten_bits((i32::from(dc) + 4) >> 3)),
            _ => to_sample((i32::from(dc) + 4) >> 3),
        }
    }
}

#[inline]
fn write<const SIDE: usize>(samples: &[[u8; SIDE]; SIDE], out: &mut [u8], stride: usize) {
    for (row, samples) in out.chunks_mut(stride).zip(samples) {
        row[..SIDE].copy_from_slice(samples);
    }
}

/// Coefficients times their steps. Products of damaged files wrap, as in libjpeg-turbo.
#[inline]
fn dequantised(block: &[i16; 64], steps: &[i16; 64]) -> Rows<i16> {
    let mut rows = [[0; 8]; 8];
    let sources = block.as_chunks::<8>().0.iter().zip(steps.as_chunks::<8>().0);
    for (row, (coefficients, steps)) in rows.iter_mut().zip(sources) {
        *row = coefficients.zip_with(*steps, i16::wrapping_mul);
    }
    rows
}

fn to_sample(centred: i32) -> u8 {
    (centred + 128).clamp(0, 255) as u8
}

/// Transposes in three steps; each interleaves rows of the upper and the lower half, one
/// instruction a row.
#[inline]
fn transposed<T: Copy + Default>(rows: &Rows<T>) -> Rows<T> {
    shuffled(&shuffled(&shuffled(rows)))
}

#[inline]
fn shuffled<T: Copy + Default>(rows: &Rows<T>) -> Rows<T> {
    let mut out = [[T::default(); 8]; 8];
    for i in 0..4 {
        let (upper, lower) = (&rows[i], &rows[i + 4]);
        for lane in 0..4 {
            (out[2 * i][2 * lane], out[2 * i][2 * lane + 1]) = (upper[lane], lower[lane]);
            (out[2 * i + 1][2 * lane], out[2 * i + 1][2 * lane + 1]) =
                (upper[lane + 4], lower[lane + 4]);
        }
    }
    out
}

// ---- The fast transform: Arai, Agui and Nakajima's, in sixteen bits (jidctfst.c) ----

/// Bits to the right of the point after both passes, with the division by eight.
const FAST_SHIFT: u32 = 5;

/// A step times the transform's scale at its position, with two more bits (`jddctmgr.c`).
fn fast_step(step: u16, position: usize) -> i16 {
    /// 2^14 times 1, and the square root of 2 times the cosine of k pi / 16.
    const SCALES: [f64; 8] = [
        1.0,
        1.387_039_845,
        1.306_562_965,
        1.175_875_602,
        1.0,
        0.785_694_958,
        0.541_196_100,
        0.275_899_379,
    ];
    let scale = (SCALES[position / 8] * SCALES[position % 8] * 16_384.0).round() as i32;
    ((i32::from(step) * scale + (1 << 11)) >> 12) as i16
}

/// Lane-by-lane product with a constant of eight fractional bits, rounded down.
///
/// Written as the upper half of a sixteen-bit product, which is one instruction.
#[inline]
fn times<const CONSTANT: i32>(x: [i16; 8]) -> [i16; 8] {
    // Constants of two and more do not fit: their integer part is added separately.
    let whole = (CONSTANT / 512 * 2) as i16;
    let rest = (CONSTANT - 256 * i32::from(whole)) << 6;
    x.map(|x| ((i32::from(x << 2) * rest) >> 16) as i16)
        .zip_with(x, |part, x| part.wrapping_add(x.wrapping_mul(whole)))
}

/// Lane-by-lane arithmetic on eight lanes.
trait Lanes<T: Copy>: Copy {
    fn zip_with(self, other: Self, f: impl Fn(T, T) -> T) -> Self;
}

impl<T: Copy> Lanes<T> for [T; 8] {
    #[inline]
    fn zip_with(mut self, other: Self, f: impl Fn(T, T) -> T) -> Self {
        for (left, right) in self.iter_mut().zip(other) {
            *left = f(*left, right);
        }
        self
    }
}

#[inline]
fn add(a: [i16; 8], b: [i16; 8]) -> [i16; 8] {
    a.zip_with(b, i16::wrapping_add)
}

#[inline]
fn sub(a: [i16; 8], b: [i16; 8]) -> [i16; 8] {
    a.zip_with(b, i16::wrapping_sub)
}

fn fast(block: &[i16; 64], steps: &[i16; 64]) -> Rows<u8> {
    let columns = fast_pass(&transposed(&fast_pass(&dequantised(block, steps))));
    // In sixteen bits, so that eight lanes are clamped and narrowed at once; after the shift there
    // is room for the offset of 128.
    transposed(&columns)
        .map(|row| row.map(|value| ((value >> FAST_SHIFT) + 128).clamp(0, 255) as u8))
}

/// One pass, down the columns. Names are the paper's and libjpeg's.
#[inline]
fn fast_pass(r: &Rows<i16>) -> Rows<i16> {
    const F1_082: i32 = 277;
    const F1_414: i32 = 362;
    const F1_847: i32 = 473;
    const F2_613: i32 = -669;

    // Even rows.
    let (t10, t11) = (add(r[0], r[4]), sub(r[0], r[4]));
    let t13 = add(r[2], r[6]);
    let t12 = sub(times::<F1_414>(sub(r[2], r[6])), t13);
    let (e0, e3) = (add(t10, t13), sub(t10, t13));
    let (e1, e2) = (add(t11, t12), sub(t11, t12));

    // Odd rows.
    let (z13, z10) = (add(r[5], r[3]), sub(r[5], r[3]));
    let (z11, z12) = (add(r[1], r[7]), sub(r[1], r[7]));
    let o7 = add(z11, z13);
    let t11 = times::<F1_414>(sub(z11, z13));
    let z5 = times::<F1_847>(add(z10, z12));
    let t10 = sub(times::<F1_082>(z12), z5);
    let t12 = add(times::<F2_613>(z10), z5);
    let o6 = sub(t12, o7);
    let o5 = sub(t11, o6);
    let o4 = add(t10, o5);

    [
        add(e0, o7),
        add(e1, o6),
        add(e2, o5),
        sub(e3, o4),
        add(e3, o4),
        sub(e2, o5),
        sub(e1, o6),
        sub(e0, o7),
    ]
}

// ---- The accurate transform: Loeffler, Ligtenberg and Moschytz's, in 32 bits (jidctint.c) ----

/// Fractional bits: of the constants, and between the passes.
const CONSTANT_BITS: u32 = 13;
const PASS_BITS: u32 = 2;

fn accurate(block: &[i16; 64], steps: &[i16; 64]) -> Rows<u8> {
    let after_columns = accurate_pass::<{ CONSTANT_BITS - PASS_BITS }>(
        &dequantised(block, steps).map(|row| row.map(i32::from)),
    );
    let columns = accurate_pass::<{ CONSTANT_BITS + PASS_BITS + 3 }>(&transposed(&after_columns));
    transposed(&columns).map(|row| row.map(to_sample))
}

/// One pass, down the columns, rounded to drop `SHIFT` bits.
#[inline]
fn accurate_pass<const SHIFT: u32>(rows: &Rows<i32>) -> Rows<i32> {
    let mut out = [[0; 8]; 8];
    for lane in 0..8 {
        let column = rows.map(|row| row[lane]);
        for (row, sum) in out.iter_mut().zip(accurate_column(column)) {
            row[lane] = sum.wrapping_add(1 << (SHIFT - 1)) >> SHIFT;
        }
    }
    out
}

/// One column, unrounded. Sums of damaged files wrap.
#[inline]
fn accurate_column(r: [i32; 8]) -> [i32; 8] {
    let times = |x: i32, constant: i32| x.wrapping_mul(constant);
    let sum = |a: i32, b: i32| a.wrapping_add(b);
    let less = |a: i32, b: i32| a.wrapping_sub(b);

    // Even rows.
    let z1 = times(sum(r[2], r[6]), 4_433);
    let (t2, t3) = (less(z1, times(r[6], 15_137)), sum(z1, times(r[2], 6_270)));
    let (t0, t1) =
        (sum(r[0], r[4]).wrapping_shl(CONSTANT_BITS), less(r[0], r[4]).wrapping_shl(CONSTANT_BITS));
    let even = [sum(t0, t3), sum(t1, t2), less(t1, t2), less(t0, t3)];

    // Odd rows.
    let z5 = times(sum(sum(r[7], r[3]), sum(r[5], r[1])), 9_633);
    let z1 = times(sum(r[7], r[1]), -7_373);
    let z2 = times(sum(r[5], r[3]), -20_995);
    let z3 = sum(times(sum(r[7], r[3]), -16_069), z5);
    let z4 = sum(times(sum(r[5], r[1]), -3_196), z5);
    let odd = [
        sum(times(r[1], 12_299), sum(z1, z4)),
        sum(times(r[3], 25_172), sum(z2, z3)),
        sum(times(r[5], 16_819), sum(z2, z4)),
        sum(times(r[7], 2_446), sum(z1, z3)),
    ];

    let [e0, e1, e2, e3] = even;
    let [o0, o1, o2, o3] = odd;
    [
        sum(e0, o0),
        sum(e1, o1),
        sum(e2, o2),
        sum(e3, o3),
        less(e3, o3),
        less(e2, o2),
        less(e1, o1),
        less(e0, o0),
    ]
}
