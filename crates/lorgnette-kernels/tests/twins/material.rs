//! Random numbers, random geometry, and what counts as equal.

use lorgnette_kernels::{Map, Padding, Window};
pub(crate) use lorgnette_oracle::tolerance::{TWIN as TOLERANCE, TWIN_CUT as TOLERANCE_CUT};

/// What lies between the channels of a strided output, and must stay there.
pub(crate) const UNTOUCHED: f32 = 12345.0;

/// Marsaglia's xorshift: tiny, and the same everywhere.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(0x9E37_79B9_7F4A_7C15 ^ (seed << 1))
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number from `low` to `high`, both included.
    pub(crate) fn between(&mut self, low: usize, high: usize) -> usize {
        low + (self.next() >> 33) as usize % (high - low + 1)
    }

    pub(crate) fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.between(0, choices.len() - 1)]
    }

    /// A number from −1 to 1.
    pub(crate) fn float(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    pub(crate) fn floats(&mut self, len: usize) -> Vec<f32> {
        (0..len).map(|_| self.float()).collect()
    }

    /// Values for a map, with NaNs where nobody should look.
    pub(crate) fn values(&mut self, map: &Map) -> Vec<f32> {
        let inside = |at: usize| at % map.stride < map.channels;
        (0..map.len()).map(|at| if inside(at) { self.float() } else { f32::NAN }).collect()
    }
}

/// A map whose pixels are `gap` floats apart.
pub(crate) fn map(batch: usize, height: usize, width: usize, channels: usize, gap: usize) -> Map {
    Map { stride: channels + gap, ..Map::dense(batch, height, width, channels) }
}

/// The same window with TensorFlow's SAME padding for an input of this size.
pub(crate) fn same(window: Window, size: [usize; 2]) -> Window {
    let total = |axis: usize| {
        let reach = (window.kernel[axis] - 1) * window.dilation[axis] + 1;
        let last = (size[axis].div_ceil(window.stride[axis]) - 1) * window.stride[axis];
        (last + reach).saturating_sub(size[axis])
    };
    let (rows, columns) = (total(0), total(1));
    let (top, left) = (rows / 2, columns / 2);
    Window { padding: Padding { top, bottom: rows - top, left, right: columns - left }, ..window }
}

/// A solid window without padding.
pub(crate) fn window(kernel: [usize; 2], stride: usize) -> Window {
    Window { kernel, stride: [stride; 2], ..Window::POINT }
}

/// The output's size, or `None` where the window does not fit the padded input.
pub(crate) fn output_size(window: &Window, size: [usize; 2]) -> Option<[usize; 2]> {
    let padding = &window.padding;
    let padded = [size[0] + padding.top + padding.bottom, size[1] + padding.left + padding.right];
    let along = |axis: usize| {
        let reach = (window.kernel[axis] - 1) * window.dilation[axis] + 1;
        Some(padded[axis].checked_sub(reach)? / window.stride[axis] + 1)
    };
    Some([along(0)?, along(1)?])
}

/// Panics unless `fast` is `slow` but for rounding, and the same where `slow` was never written.
#[track_caller]
pub(crate) fn assert_close(fast: &[f32], slow: &[f32], what: &dyn std::fmt::Debug) {
    assert_within(TOLERANCE, fast, slow, what);
}

/// The same for another tolerance.
#[track_caller]
pub(crate) fn assert_within(tolerance: f32, fast: &[f32], slow: &[f32], what: &dyn std::fmt::Debug) {
    assert_eq!(fast.len(), slow.len());
    let magnitude = |x: &f32| if x.is_finite() && *x != UNTOUCHED { x.abs() } else { 0.0 };
    let allowed = tolerance * slow.iter().map(magnitude).fold(1e-30, f32::max);
    for (i, (&fast, &slow)) in fast.iter().zip(slow).enumerate() {
        let equal = fast == slow || (fast.is_nan() && slow.is_nan()) || (fast - slow).abs() <= allowed;
        assert!(equal, "{fast} instead of {slow} at {i}, allowed {allowed}: {what:#?}");
    }
}

/// Panics unless two answers are the same to the last bit.
#[track_caller]
pub(crate) fn assert_same(a: &[f32], b: &[f32], what: &dyn std::fmt::Debug) {
    let bits = |values: &[f32]| values.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    assert!(bits(a) == bits(b), "not the same bits: {what:#?}");
}
