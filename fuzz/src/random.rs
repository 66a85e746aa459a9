//! Random choices, reproducible from a seed on every machine.

/// Boundary values of file formats and of the code that reads them.
const BOUNDARY_VALUES: [i64; 32] = [
    0,
    1,
    2,
    3,
    4,
    5,
    7,
    8,
    15,
    16,
    17,
    31,
    33,
    64,
    100,
    127,
    128,
    255,
    256,
    1000,
    4097,
    32_767,
    65_535,
    65_536,
    1 << 20,
    1 << 24,
    i32::MAX as i64,
    1 << 31,
    u32::MAX as i64,
    1 << 40,
    i64::MAX / 2,
    i64::MAX,
];

/// SplitMix64: every state is valid, so seed and case number are simply mixed in.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// Returns the generator of one case.
    pub(crate) fn of_case(seed: u64, target: &str, number: u64) -> Self {
        let mut random = Self(seed);
        for word in target.bytes().map(u64::from).chain([number]) {
            random.0 = random.next() ^ word;
        }
        random
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Returns a number in `0..limit`; 0 if the range is empty.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        ((u128::from(self.next()) * limit as u128) >> 64) as usize
    }

    /// Returns true with probability 1 / `times`.
    pub(crate) fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// Returns one of `several`, which must not be empty.
    pub(crate) fn pick<'a, T>(&mut self, several: &'a [T]) -> &'a T {
        &several[self.below(several.len())]
    }

    /// Returns a random byte.
    pub(crate) fn byte(&mut self) -> u8 {
        self.next() as u8
    }

    /// Returns an integer that is likely to find errors.
    pub(crate) fn number(&mut self) -> i64 {
        let near = *self.pick(&BOUNDARY_VALUES);
        match self.below(8) {
            0 => near.wrapping_neg(),
            1 => near.wrapping_sub(1),
            2 => near.wrapping_neg().wrapping_sub(1),
            3 => self.below(64) as i64,
            4 => self.next() as i64 >> self.below(64),
            _ => near,
        }
    }

    /// Returns a float that is likely to find errors.
    pub(crate) fn float(&mut self) -> f32 {
        match self.below(8) {
            0 => f32::NAN,
            1 => f32::INFINITY,
            2 => f32::NEG_INFINITY,
            3 => f32::MIN_POSITIVE / 2.0,
            4 => f32::from_bits(self.next() as u32),
            5 => self.number() as f32,
            _ => self.below(2001) as f32 / 1000.0 - 1.0,
        }
    }
}
