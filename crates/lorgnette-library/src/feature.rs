//! Stored features: int8 quantised vectors and signatures of 512 bits.
//!
//! Values are stored as `scale · q` with `q` in −127…127 and `scale = max|x| / 127`. The rounding
//! error is at most half a step; over a thousand values the error of a cosine is under 0.001, which
//! the tests assert.
//!
//! The signature holds the signs of 512 random projections. The mean is subtracted first: features
//! after a ReLU are all positive. The vector is then multiplied by random signs and by a Hadamard
//! matrix, whose rows serve as random directions (Ailon and Chazelle, "The fast
//! Johnson–Lindenstrauss transform", 2009). For two vectors with the angle θ, a bit differs with
//! probability θ / π (Charikar, "Similarity estimation techniques from rounding algorithms", 2002).

/// Bits of a signature.
pub(crate) const SIGNATURE_BITS: usize = 512;
/// Bytes of a signature.
pub(crate) const SIGNATURE_BYTES: usize = SIGNATURE_BITS / 8;
/// Bytes of the scale.
const SCALE_BYTES: usize = 4;
/// Largest quantised value; the range is symmetric.
const MAX_STEP: f32 = 127.0;

/// A feature vector quantised to int8.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Feature {
    scale: f32,
    quantized: Vec<i8>,
}

impl Feature {
    /// Quantises a vector.
    pub(crate) fn new(numbers: &[f32]) -> Self {
        let largest = numbers.iter().fold(0.0_f32, |largest, number| largest.max(number.abs()));
        // All zeros, or NaN: any scale will do.
        let scale = if largest > 0.0 && largest.is_finite() { largest / MAX_STEP } else { 1.0 };
        Self {
            scale,
            quantized: numbers.iter().map(|number| (number / scale).round() as i8).collect(),
        }
    }

    /// Parses stored bytes; `None` if they are not a feature of `length` values.
    pub(crate) fn from_bytes(bytes: &[u8], length: usize) -> Option<Self> {
        let (scale, quantized) = bytes.split_first_chunk::<SCALE_BYTES>()?;
        let scale = f32::from_le_bytes(*scale);
        let sound = quantized.len() == length && scale.is_finite() && scale > 0.0;
        sound.then(|| Self { scale, quantized: quantized.iter().map(|&byte| byte as i8).collect() })
    }

    /// Reads a row of stored bytes and their model's length.
    pub(crate) fn from_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Option<Self>> {
        Ok(Self::from_bytes(row.get_ref(0)?.as_blob()?, row.get(1)?))
    }

    /// Returns the bytes to store.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let quantized = self.quantized.iter().map(|&step| step as u8);
        self.scale.to_le_bytes().into_iter().chain(quantized).collect()
    }

    /// Returns the dequantised values.
    pub(crate) fn numbers(&self) -> impl ExactSizeIterator<Item = f32> + '_ {
        self.quantized.iter().map(|&step| f32::from(step) * self.scale)
    }

    /// Returns the cosine of the angle between two features, from −1 to 1; 0 if either is all
    /// zeros.
    pub(crate) fn cosine(&self, other: &Self) -> f64 {
        let dot = |a: &[i8], b: &[i8]| -> i64 {
            // Sums of a few thousand 7-bit products fit into an i32.
            let product = |(a, b): (&i8, &i8)| i32::from(*a) * i32::from(*b);
            a.chunks(1024)
                .zip(b.chunks(1024))
                .map(|(a, b)| i64::from(a.iter().zip(b).map(product).sum::<i32>()))
                .sum()
        };
        let (here, there) =
            (dot(&self.quantized, &self.quantized), dot(&other.quantized, &other.quantized));
        if here == 0 || there == 0 {
            return 0.0;
        }
        dot(&self.quantized, &other.quantized) as f64 / ((here as f64) * (there as f64)).sqrt()
    }

    /// Returns the signature.
    pub(crate) fn signature(&self) -> [u8; SIGNATURE_BYTES] {
        let mut numbers: Vec<f32> = self.quantized.iter().map(|&step| f32::from(step)).collect();
        let mean = numbers.iter().sum::<f32>() / numbers.len().max(1) as f32;
        for (index, number) in numbers.iter_mut().enumerate() {
            *number = (*number - mean) * sign(index);
        }
        numbers.resize(numbers.len().next_power_of_two().max(SIGNATURE_BITS), 0.0);
        hadamard(&mut numbers);
        let mut bits = [0; SIGNATURE_BYTES];
        for (index, number) in numbers[..SIGNATURE_BITS].iter().enumerate() {
            bits[index / 8] |= u8::from(*number > 0.0) << (index % 8);
        }
        bits
    }
}

/// Returns the Hamming distance of two signatures.
pub(crate) fn distance(a: &[u8; SIGNATURE_BYTES], b: &[u8; SIGNATURE_BYTES]) -> u32 {
    let words = a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0);
    words.map(|(a, b)| (u64::from_ne_bytes(*a) ^ u64::from_ne_bytes(*b)).count_ones()).sum()
}

/// Returns the fixed random sign of an index: the lowest bit of SplitMix64 (Steele, Lea and Flood,
/// 2014).
fn sign(index: usize) -> f32 {
    let mut z = (index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    if (z ^ (z >> 31)) & 1 == 0 { 1.0 } else { -1.0 }
}

/// Applies the unnormalised Walsh–Hadamard transform in place; the length is a power of two.
fn hadamard(numbers: &mut [f32]) {
    let mut half = 1;
    while half < numbers.len() {
        for pair in numbers.chunks_exact_mut(2 * half) {
            let (low, high) = pair.split_at_mut(half);
            for (low, high) in low.iter_mut().zip(high) {
                (*low, *high) = (*low + *high, *low - *high);
            }
        }
        half *= 2;
    }
}

#[cfg(test)]
mod tests {
    use super::{Feature, SIGNATURE_BITS, distance, sign};

    /// As features are: many small numbers, some large ones, none negative.
    fn numbers(seed: usize) -> Vec<f32> {
        let uniform = |i: usize| {
            (i.wrapping_mul(2_654_435_761).wrapping_add(seed * 40_503) % 65_521) as f32 / 65_521.0
        };
        (0..1024)
            .map(|i| uniform(i * 7 + seed).powi(4) * 6.0 + if sign(i) > 0.0 { 0.1 } else { 0.0 })
            .collect()
    }

    fn cosine(a: &[f32], b: &[f32]) -> f64 {
        let dot = |a: &[f32], b: &[f32]| {
            a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>()
        };
        dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
    }

    #[test]
    fn a_byte_a_number_keeps_the_cosine() {
        for (a, b) in [(1, 2), (3, 4), (5, 6)].map(|(a, b)| (numbers(a), numbers(b))) {
            let rounded = Feature::new(&a).cosine(&Feature::new(&b));
            assert!((rounded - cosine(&a, &b)).abs() < 1e-3, "{rounded}");
        }
    }

    #[test]
    fn bytes_are_read_back() {
        let feature = Feature::new(&numbers(1));
        let bytes = feature.to_bytes();
        assert_eq!(Feature::from_bytes(&bytes, 1024), Some(feature));
        assert_eq!(Feature::from_bytes(&bytes, 1023), None);
        assert_eq!(Feature::from_bytes(&[0xff; 1028], 1024), None, "its scale is no number");
    }

    #[test]
    fn odd_numbers_do_no_harm() {
        for odd in [
            vec![],
            vec![0.0; 10],
            vec![f32::NAN; 3],
            vec![f32::INFINITY, 1.0],
            vec![f32::MIN_POSITIVE; 5],
        ] {
            let feature = Feature::new(&odd);
            assert!(feature.cosine(&feature).is_finite());
            assert_eq!(feature.signature(), feature.signature());
        }
    }

    /// Blends of two vectors: the bits that differ are those that the angle says, within three
    /// deviations.
    #[test]
    fn signatures_differ_as_the_angle_does() {
        let centred = |v: Vec<f32>| {
            let mean = v.iter().sum::<f32>() / v.len() as f32;
            v.iter().map(|x| x - mean).collect::<Vec<f32>>()
        };
        let (a, b) = (numbers(1), numbers(9));
        for part in [0.0, 0.1, 0.3, 0.5, 1.0] {
            let blend: Vec<f32> =
                a.iter().zip(&b).map(|(a, b)| a * (1.0 - part) + b * part).collect();
            let angle = cosine(&centred(a.clone()), &centred(blend.clone())).min(1.0).acos();
            let expected = SIGNATURE_BITS as f64 * angle / std::f64::consts::PI;
            let found = distance(&Feature::new(&a).signature(), &Feature::new(&blend).signature());
            let deviation = (SIGNATURE_BITS as f64 / 4.0).sqrt();
            assert!(
                (f64::from(found) - expected).abs() <= 3.0 * deviation,
                "{part}: {found} of {expected}"
            );
        }
    }
}
