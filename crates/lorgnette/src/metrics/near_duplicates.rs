//! Near-duplicates. Across splits, they make a test accuracy too high.
//!
//! Two photos are nearly the same if the cosine of their features is close to 1. Comparing all
//! pairs of 100,000 photos takes 10 billion dot products, so a signature comes first: the signs of
//! the features on random axes. Two vectors at an angle θ differ in a share θ/π of them (Charikar,
//! "Similarity estimation techniques from rounding algorithms", 2002), so pairs whose signatures
//! differ much are passed over.

/// The cosine from which two photos are nearly the same, for features of a network trained on
/// ImageNet. With the embedded one's, of copies of 100 photos it finds 99 that were compressed
/// again (JPEG quality 70), all that were made a fifth brighter, 91 that lost a tenth of each side
/// and 86 that were made smaller by a third; of 44,850 pairs of other photos of five kinds of
/// flowers, none (`bench/near_duplicates.py`).
pub const NEAR_DUPLICATE_COSINE: f32 = 0.8;
/// Maximum number of pairs that are kept, those of the largest cosines.
const MAX_NEAR_DUPLICATES: usize = 10_000;
/// Maximum number of earlier photos that one is compared with: the frames of a film are all nearly
/// the same.
const MAX_COMPARED: usize = 256;
/// Bits of a signature.
const BITS: usize = 256;
const WORDS: usize = BITS / 64;
/// Standard deviations by which a near pair's signatures may differ more than they should: one of
/// 30,000 is missed.
const ALLOWANCE: f64 = 4.0;

/// Finds near-duplicates.
#[derive(Clone, Debug)]
pub struct NearDuplicateFinder {
    /// Features of unit length, centred.
    features: Vec<Vec<f32>>,
    signatures: Vec<[u64; WORDS]>,
}

/// A pair of near-duplicates.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NearDuplicate {
    /// Index of a photo.
    pub first: usize,
    /// Index of another photo; larger.
    pub second: usize,
    /// Cosine of their features, from −1 to 1.
    pub cosine: f32,
}

impl NearDuplicateFinder {
    /// Takes the features of photos, of equal length, and centres them: the mean over photos does
    /// not distinguish them.
    #[must_use]
    pub fn new(features: &[&[f32]]) -> Self {
        let mean = mean(features);
        let features: Vec<Vec<f32>> =
            features.iter().map(|vector| normalised(vector, &mean)).collect();
        let axes = axes(mean.len());
        let signatures = features.iter().map(|vector| signature(vector, &axes)).collect();
        Self { features, signatures }
    }

    /// Returns the pairs with a cosine of at least `threshold` for which `are_apart` holds, such as
    /// those in two splits; the largest cosine first, at most 10,000.
    #[must_use]
    pub fn pairs(
        &self,
        threshold: f32,
        are_apart: impl Fn(usize, usize) -> bool,
    ) -> Vec<NearDuplicate> {
        let most = max_differing_bits(threshold);
        let mut pairs = Vec::new();
        for second in 1..self.features.len() {
            let is_near = |first: &usize| {
                differing_bits(&self.signatures[*first], &self.signatures[second]) <= most
                    && are_apart(*first, second)
            };
            for first in (0..second).filter(is_near).take(MAX_COMPARED) {
                let cosine = dot(&self.features[first], &self.features[second]);
                if cosine >= threshold {
                    pairs.push(NearDuplicate { first, second, cosine });
                }
            }
            if pairs.len() >= 2 * MAX_NEAR_DUPLICATES {
                keep_largest(&mut pairs);
            }
        }
        keep_largest(&mut pairs);
        pairs
    }
}

/// Sorts pairs by descending cosine, and drops those beyond the maximum.
fn keep_largest(pairs: &mut Vec<NearDuplicate>) {
    pairs.sort_by(|a, b| {
        b.cosine.total_cmp(&a.cosine).then((a.first, a.second).cmp(&(b.first, b.second)))
    });
    pairs.truncate(MAX_NEAR_DUPLICATES);
}

fn mean(features: &[&[f32]]) -> Vec<f64> {
    let mut mean = vec![0.0; features.first().map_or(0, |vector| vector.len())];
    for vector in features {
        mean.iter_mut().zip(*vector).for_each(|(sum, &value)| *sum += f64::from(value));
    }
    mean.iter_mut().for_each(|sum| *sum /= features.len() as f64);
    mean
}

fn normalised(vector: &[f32], mean: &[f64]) -> Vec<f32> {
    let centred: Vec<f64> =
        vector.iter().zip(mean).map(|(&value, mean)| f64::from(value) - mean).collect();
    let length =
        centred.iter().map(|value| value * value).sum::<f64>().sqrt().max(f64::MIN_POSITIVE);
    centred.into_iter().map(|value| (value / length) as f32).collect()
}

/// Directions of random signs, of which a bit for each feature is kept: as good as Gaussian ones
/// for vectors of hundreds of features (Achlioptas, "Database-friendly random projections", 2003),
/// and the same on every machine.
fn axes(length: usize) -> Vec<Vec<f32>> {
    // Steele, Lea and Flood's splitmix64 ("Fast splittable pseudorandom number generators", 2014).
    let mut state = 0_u64;
    let mut sign = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        if (mixed ^ (mixed >> 31)) & 1 == 0 { 1.0 } else { -1.0 }
    };
    (0..BITS).map(|_| (0..length).map(|_| sign()).collect()).collect()
}

fn signature(vector: &[f32], axes: &[Vec<f32>]) -> [u64; WORDS] {
    let mut signature = [0; WORDS];
    for (bit, axis) in axes.iter().enumerate() {
        signature[bit / 64] |= u64::from(dot(vector, axis) > 0.0) << (bit % 64);
    }
    signature
}

fn differing_bits(first: &[u64; WORDS], second: &[u64; WORDS]) -> u32 {
    first.iter().zip(second).map(|(first, second)| (first ^ second).count_ones()).sum()
}

/// Returns the maximum number of differing bits of vectors with this cosine: the expectation plus a
/// margin.
fn max_differing_bits(cosine: f32) -> u32 {
    let share = f64::from(cosine.clamp(-1.0, 1.0)).acos() / std::f64::consts::PI;
    let bits = BITS as f64;
    (bits * share + ALLOWANCE * (bits * share * (1.0 - share)).sqrt()).ceil() as u32
}

/// The sum of products, in eight sums that a compiler makes one vector of.
fn dot(first: &[f32], second: &[f32]) -> f32 {
    const LANES: usize = 8;
    let (first, one_rest) = first.as_chunks::<LANES>();
    let (second, other_rest) = second.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for (first, second) in first.iter().zip(second) {
        for lane in 0..LANES {
            sums[lane] += first[lane] * second[lane];
        }
    }
    let rest = one_rest.iter().zip(other_rest).map(|(first, second)| first * second);
    sums.into_iter().chain(rest).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made-up features: photo `i` is like photo `i + 100`, but for a little noise.
    fn features() -> Vec<Vec<f32>> {
        let mut state = 1_u32;
        let mut random = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / 16_777_216.0
        };
        let mut features: Vec<Vec<f32>> =
            (0..100).map(|_| (0..256).map(|_| random()).collect()).collect();
        for photo in 0..100 {
            let noisy =
                features[photo].iter().map(|value| value + 0.1 * (random() - 0.5)).collect();
            features.push(noisy);
        }
        features
    }

    #[test]
    fn near_pairs_are_found_and_no_others() {
        let features = features();
        let vectors: Vec<&[f32]> = features.iter().map(Vec::as_slice).collect();
        let pairs = NearDuplicateFinder::new(&vectors).pairs(NEAR_DUPLICATE_COSINE, |_, _| true);
        let mut found: Vec<(usize, usize)> =
            pairs.iter().map(|pair| (pair.first, pair.second)).collect();
        found.sort_unstable();
        assert_eq!(found, (0..100).map(|photo| (photo, photo + 100)).collect::<Vec<_>>());
        assert!(pairs.windows(2).all(|two| two[0].cosine >= two[1].cosine));
    }

    #[test]
    fn pairs_of_one_split_do_not_matter() {
        let features = features();
        let vectors: Vec<&[f32]> = features.iter().map(Vec::as_slice).collect();
        let pairs = NearDuplicateFinder::new(&vectors)
            .pairs(NEAR_DUPLICATE_COSINE, |first, second| (first < 50) != (second < 150));
        assert_eq!(pairs.len(), 0);
    }

    /// Frames of a film: the number of pairs does not grow with the square.
    #[test]
    fn pairs_of_many_equal_photos_are_bounded() {
        let frames = |count: usize| {
            let features: Vec<Vec<f32>> =
                (0..count).map(|photo| vec![1.0, (photo % 2) as f32, 0.5]).collect();
            let vectors: Vec<&[f32]> = features.iter().map(Vec::as_slice).collect();
            NearDuplicateFinder::new(&vectors).pairs(NEAR_DUPLICATE_COSINE, |_, _| true)
        };
        let [some, many] = [200, 400].map(|count| frames(count).len());
        assert!(some > 200 && many <= MAX_NEAR_DUPLICATES, "{some} {many}");
        let pairs = frames(400);
        assert!(pairs.windows(2).all(|two| two[0].cosine >= two[1].cosine));
    }

    #[test]
    fn of_no_photos_there_are_no_pairs() {
        assert!(NearDuplicateFinder::new(&[]).pairs(0.9, |_, _| true).is_empty());
    }
}
