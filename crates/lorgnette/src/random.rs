//! Pseudo-random numbers from a seed and a stream number.

/// Numbers by SplitMix64 (Steele, Lea, Flood 2014, "Fast splittable pseudorandom number
/// generators").
pub(crate) struct Random(u64);

impl Random {
    /// Returns the generator in a state.
    pub(crate) fn new(state: u64) -> Self {
        Self(state)
    }

    /// Returns the generator of a stream, such as an epoch.
    pub(crate) fn at(seed: u64, point: u64) -> Self {
        let mut random = Self(
            seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ point.wrapping_mul(0x9e37_79b9_7f4a_7c15),
        );
        // The first values of neighbouring seeds are similar.
        random.next();
        random
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Returns a number from 0 to less than 1.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Returns an integer from 0 to less than `count`.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        (self.unit() * count as f64) as usize
    }

    /// Samples the standard normal distribution (Box and Muller 1958), truncated at two standard
    /// deviations by rejection, as TensorFlow's `truncated_normal`.
    pub(crate) fn truncated_normal(&mut self) -> f64 {
        loop {
            let (radius, angle) =
                ((-2.0 * (1.0 - self.unit()).ln()).sqrt(), std::f64::consts::TAU * self.unit());
            let sampling = radius * angle.cos();
            if sampling.abs() <= 2.0 {
                return sampling;
            }
        }
    }

    /// Returns a permutation of the integers below `count` (Fisher and Yates).
    pub(crate) fn permutation(&mut self, count: usize) -> Vec<usize> {
        let mut permutation: Vec<usize> = (0..count).collect();
        for last in (1..count).rev() {
            permutation.swap(last, self.below(last + 1));
        }
        permutation
    }
}

#[cfg(test)]
mod tests {
    use super::Random;

    #[test]
    fn an_order_has_every_number_once_and_seeds_differ() {
        let mut permutation = Random::at(1, 2).permutation(100);
        assert_ne!(permutation, Random::at(1, 3).permutation(100));
        assert_eq!(permutation, Random::at(1, 2).permutation(100));
        permutation.sort_unstable();
        assert!(permutation.iter().copied().eq(0..100));
    }

    #[test]
    fn a_normal_distribution_is_one() {
        let mut random = Random::at(5, 0);
        let sampling: Vec<f64> = (0..100_000).map(|_| random.truncated_normal()).collect();
        let mean = sampling.iter().sum::<f64>() / 1e5;
        let variance = sampling.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 1e5;
        // The variance of a normal distribution cut off at two deviations is 0.774.
        assert!(
            mean.abs() < 0.02
                && (variance - 0.774).abs() < 0.02
                && sampling.iter().all(|x| x.abs() <= 2.0)
        );
    }
}
