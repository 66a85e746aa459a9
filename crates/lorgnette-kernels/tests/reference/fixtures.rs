//! Random numbers, random geometry and comparisons.

use lorgnette_kernels::{ImageLayout, Padding, Window};
pub(crate) use lorgnette_oracle::tolerance::{
    REFERENCE as TOLERANCE, REFERENCE_SPLIT_BF16 as TOLERANCE_SPLIT_BF16,
};

/// The value between the pixels of a strided output, which must not change.
pub(crate) const SENTINEL: f32 = 12345.0;

/// Marsaglia's xorshift, the same on every machine.
pub(crate) struct TestRng(u64);

impl TestRng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(0x9E37_79B9_7F4A_7C15 ^ (seed << 1))
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Returns a number from `low` to `high`, both included.
    pub(crate) fn between(&mut self, low: usize, high: usize) -> usize {
        low + (self.next() >> 33) as usize % (high - low + 1)
    }

    pub(crate) fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.between(0, choices.len() - 1)]
    }

    /// Returns a number from −1 to 1.
    pub(crate) fn float(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    pub(crate) fn floats(&mut self, len: usize) -> Vec<f32> {
        (0..len).map(|_| self.float()).collect()
    }

    /// Returns values for a layout, with NaN between pixels.
    pub(crate) fn values(&mut self, layout: &ImageLayout) -> Vec<f32> {
        let inside = |at: usize| at % layout.stride < layout.channels;
        (0..layout.len()).map(|at| if inside(at) { self.float() } else { f32::NAN }).collect()
    }
}

/// Returns a layout whose pixels are `gap` words apart.
pub(crate) fn layout(
    batch: usize,
    height: usize,
    width: usize,
    channels: usize,
    gap: usize,
) -> ImageLayout {
    ImageLayout { stride: channels + gap, ..ImageLayout::dense(batch, height, width, channels) }
}

/// Returns the same window with TensorFlow's SAME padding for an input of this size.
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

/// Returns a solid window without padding.
pub(crate) fn window(kernel: [usize; 2], stride: usize) -> Window {
    Window { kernel, stride: [stride; 2], ..Window::POINTWISE }
}

/// Returns the output's size, or `None` where the window does not fit the padded input.
pub(crate) fn output_size(window: &Window, size: [usize; 2]) -> Option<[usize; 2]> {
    let padding = &window.padding;
    let padded = [size[0] + padding.top + padding.bottom, size[1] + padding.left + padding.right];
    let along = |axis: usize| {
        let reach = (window.kernel[axis] - 1) * window.dilation[axis] + 1;
        Some(padded[axis].checked_sub(reach)? / window.stride[axis] + 1)
    };
    Some([along(0)?, along(1)?])
}

/// Panics unless `actual` is `expected` but for rounding, and the same where `expected` was never
/// written.
#[track_caller]
pub(crate) fn assert_close(actual: &[f32], expected: &[f32], what: &dyn std::fmt::Debug) {
    assert_within(TOLERANCE, actual, expected, what);
}

/// Does the same with another tolerance.
#[track_caller]
pub(crate) fn assert_within(
    tolerance: f32,
    actual: &[f32],
    expected: &[f32],
    what: &dyn std::fmt::Debug,
) {
    assert_eq!(actual.len(), expected.len());
    let magnitude = |x: &f32| if x.is_finite() && *x != SENTINEL { x.abs() } else { 0.0 };
    let allowed = tolerance * expected.iter().map(magnitude).fold(1e-30, f32::max);
    for (i, (&actual, &expected)) in actual.iter().zip(expected).enumerate() {
        let equal = actual == expected
            || (actual.is_nan() && expected.is_nan())
            || (actual - expected).abs() <= allowed;
        assert!(equal, "{actual} instead of {expected} at {i}, allowed {allowed}: {what:#?}");
    }
}

/// Panics unless two answers are the same to the last bit.
#[track_caller]
pub(crate) fn assert_same(a: &[f32], b: &[f32], what: &dyn std::fmt::Debug) {
    let bits = |values: &[f32]| values.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    assert!(bits(a) == bits(b), "not the same bits: {what:#?}");
}
