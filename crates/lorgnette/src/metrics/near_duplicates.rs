//! Near-duplicates. Across splits, they make a test accuracy too high.
//!
//! Two photos are nearly the same if the cosine of their features is close to 1. Comparing all
//! pairs of 100,000 photos takes 10 billion dot products, so a signature comes first: the signs of
//! the features on random axes. Two vectors at an angle θ differ in a share θ/π of them (Charikar,
//! "Similarity estimation techniques from rounding algorithms", 2002), so pairs whose signatures
//! differ much are passed over.
//!
//! Of many photos, not all pairs of signatures are compared either, but those that agree in one of
//! several hundred selections of bits (Indyk and Motwani, "Approximate nearest neighbors: towards
//! removing the curse of dimensionality", 1998):
//!
//! ```text
//! signatures ─▶ for each table: 16 of the bits ─▶ sorted ─▶ photos with equal bits ─▶ compared
//! ```
//! The work is at most proportional to n log n for n photos, whatever they show.

use crate::random::Random;

/// The cosine from which two photos are nearly the same, for features of a network trained on
/// ImageNet. With the embedded one's, of copies of 100 photos it finds 99 that were compressed
/// again (JPEG quality 70), all that were made a fifth brighter, 91 that lost a tenth of each side
/// and 86 that were made smaller by a third; of 44,850 pairs of other photos of five kinds of
/// flowers, none (`bench/near_duplicates.py`).
pub const NEAR_DUPLICATE_COSINE: f32 = 0.8;
/// Maximum number of pairs that are kept, those of the largest cosines.
const MAX_NEAR_DUPLICATES: usize = 10_000;
/// Maximum number of earlier photos whose features are compared with those of one: the frames of a
/// film are all nearly the same.
const MAX_COMPARED: usize = 256;
/// Maximum number of photos whose signatures are compared in pairs.
const MAX_PAIRWISE: usize = 4096;
/// Number of tables, for a larger number of photos. At the cosine of
/// [`NEAR_DUPLICATE_COSINE`], a fifth of the bits differ, and one pair of 30,000 is in none.
const TABLES: usize = 400;
/// Bits by which a table is sorted.
const KEY_BITS: usize = 16;
/// Maximum number of earlier photos with equal bits that one is compared with in a table.
const MAX_IN_TABLE: usize = 64;
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
        let mut search = Search::new(self, threshold);
        match self.features.len() {
            0..=MAX_PAIRWISE => search.compare_all(&are_apart),
            _ => search.compare_by_tables(&are_apart),
        }
        search.finish()
    }
}

/// A search for pairs.
struct Search<'a> {
    finder: &'a NearDuplicateFinder,
    threshold: f32,
    max_differing: u32,
    pairs: Vec<NearDuplicate>,
    /// For each photo, the earlier ones whose features were compared with its own.
    compared: Vec<Vec<u32>>,
    /// Number of signatures that were compared or sorted.
    #[cfg(test)]
    work: usize,
}

impl<'a> Search<'a> {
    fn new(finder: &'a NearDuplicateFinder, threshold: f32) -> Self {
        Self {
            finder,
            threshold,
            max_differing: max_differing_bits(threshold),
            pairs: Vec::new(),
            compared: vec![Vec::new(); finder.features.len()],
            #[cfg(test)]
            work: 0,
        }
    }

    fn compare_all(&mut self, are_apart: &impl Fn(usize, usize) -> bool) {
        for second in 1..self.finder.features.len() {
            for first in 0..second {
                self.compare(first, second, are_apart);
            }
        }
    }

    fn compare_by_tables(&mut self, are_apart: &impl Fn(usize, usize) -> bool) {
        let mut random = Random::new(TABLE_SEED);
        for _ in 0..TABLES {
            let bits: [usize; KEY_BITS] = std::array::from_fn(|_| random.next() as usize % BITS);
            let signatures = self.finder.signatures.iter().enumerate();
            let mut order: Vec<(u16, u32)> =
                signatures.map(|(photo, bits_of)| (key(bits_of, &bits), photo as u32)).collect();
            order.sort_unstable();
            #[cfg(test)]
            {
                self.work += order.len();
            }
            for equal in order.chunk_by(|a, b| a.0 == b.0) {
                for (at, &(_, second)) in equal.iter().enumerate() {
                    for &(_, first) in &equal[at.saturating_sub(MAX_IN_TABLE)..at] {
                        self.compare(first as usize, second as usize, are_apart);
                    }
                }
            }
        }
    }

    /// Compares two signatures and, if they are alike, the features, once.
    fn compare(&mut self, first: usize, second: usize, are_apart: &impl Fn(usize, usize) -> bool) {
        #[cfg(test)]
        {
            self.work += 1;
        }
        let NearDuplicateFinder { features, signatures } = self.finder;
        if differing_bits(&signatures[first], &signatures[second]) > self.max_differing
            || self.compared[second].len() >= MAX_COMPARED
            || !are_apart(first, second)
            || self.compared[second].contains(&(first as u32))
        {
            return;
        }
        self.compared[second].push(first as u32);
        let cosine = dot(&features[first], &features[second]);
        if cosine >= self.threshold {
            self.pairs.push(NearDuplicate { first, second, cosine });
        }
        if self.pairs.len() >= 2 * MAX_NEAR_DUPLICATES {
            keep_largest(&mut self.pairs);
        }
    }

    fn finish(mut self) -> Vec<NearDuplicate> {
        keep_largest(&mut self.pairs);
        self.pairs
    }
}

/// Returns some bits of a signature.
fn key(signature: &[u64; WORDS], bits: &[usize; KEY_BITS]) -> u16 {
    bits.iter().fold(0, |key, bit| key << 1 | (signature[bit / 64] >> (bit % 64) & 1) as u16)
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
    let mut random = Random::new(0);
    let mut sign = || if random.next() & 1 == 0 { 1.0 } else { -1.0 };
    (0..BITS).map(|_| (0..length).map(|_| sign()).collect()).collect()
}

/// The seed of the tables' bits.
const TABLE_SEED: u64 = 1 << 32;

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

    /// Vectors of random numbers, the second half each at a cosine of 0.8 to 1 to one of the first.
    fn many(count: usize) -> Vec<Vec<f32>> {
        const LENGTH: usize = 64;
        let mut random = Random::new(7);
        let mut number = || (random.next() >> 40) as f32 / 8_388_608.0 - 1.0;
        let mut vector = || (0..LENGTH).map(|_| number()).collect::<Vec<f32>>();
        let mut all: Vec<Vec<f32>> = (0..count / 2).map(|_| vector()).collect();
        for photo in 0..count / 2 {
            let noise = vector();
            let share = 0.7 * photo as f32 / (count / 2) as f32;
            let near = all[photo].iter().zip(noise).map(|(value, noise)| value + share * noise);
            all.push(near.collect());
        }
        all
    }

    fn finder(vectors: &[Vec<f32>]) -> NearDuplicateFinder {
        NearDuplicateFinder::new(&vectors.iter().map(Vec::as_slice).collect::<Vec<_>>())
    }

    #[test]
    fn tables_give_the_pairs_that_comparing_all_gives() {
        let finder = finder(&many(6000));
        let mut pairwise = Search::new(&finder, NEAR_DUPLICATE_COSINE);
        pairwise.compare_all(&|_, _| true);
        let expected = pairwise.finish();
        assert!(expected.len() > 2000, "{}", expected.len());
        assert_eq!(finder.pairs(NEAR_DUPLICATE_COSINE, |_, _| true), expected);
    }

    /// The work for twice as many photos is twice as much: for photos that differ, and for the
    /// worst, which are all in one bucket of every table.
    #[test]
    fn work_grows_with_the_number_of_photos_and_not_with_its_square() {
        let work = |vectors: &[Vec<f32>]| {
            let finder = finder(vectors);
            let mut search = Search::new(&finder, NEAR_DUPLICATE_COSINE);
            search.compare_by_tables(&|_, _| true);
            search.work as f64
        };
        let alike = |count: usize| {
            (0..count).map(|photo| vec![1.0, (photo % 2) as f32, 0.5]).collect::<Vec<_>>()
        };
        for growth in
            [work(&many(8000)) / work(&many(4000)), work(&alike(4000)) / work(&alike(2000))]
        {
            assert!(growth < 2.2, "{growth}");
        }
    }

    #[test]
    fn of_no_photos_there_are_no_pairs() {
        assert!(NearDuplicateFinder::new(&[]).pairs(0.9, |_, _| true).is_empty());
    }
}
