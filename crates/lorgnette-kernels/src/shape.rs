//! The words kernels use to describe where numbers lie.

use std::ops::Range;

/// What an activation's values are kept as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum StorageType {
    /// float32: each value is a float of the slice.
    #[default]
    Float32,
    /// bf16: two neighbouring values share a float's place, the first in its lower half; the last
    /// one of an odd number has a zero beside it.
    Bf16,
}

impl StorageType {
    /// The floats of a slice that so many values of a pixel take.
    pub fn words(self, values: usize) -> usize {
        match self {
            Self::Float32 => values,
            Self::Bf16 => values.div_ceil(2),
        }
    }
}

/// Where an NHWC activation lies in a slice of floats.
///
/// Pixel `(n, y, x)` starts at `((n * height + y) * width + x) * stride`, and its `channels` values
/// follow one another. `stride` is larger than they need when the activation is a slice of a wider
/// one, as the parts of a concatenation are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ImageLayout {
    /// Pictures.
    pub batch: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Values of a pixel.
    pub channels: usize,
    /// Floats from one pixel to the next, at least as many as its values take.
    pub stride: usize,
    /// What the values are kept as.
    pub storage: StorageType,
}

impl ImageLayout {
    /// A layout of float32 whose pixels touch one another.
    pub fn dense(batch: usize, height: usize, width: usize, channels: usize) -> Self {
        Self { batch, height, width, channels, stride: channels, storage: StorageType::Float32 }
    }

    /// The floats that a pixel's values take.
    pub fn words(&self) -> usize {
        self.storage.words(self.channels)
    }

    /// Whether pixels touch one another.
    pub fn is_dense(&self) -> bool {
        self.stride == self.words()
    }

    /// How many pixels there are, over all pictures; [`usize::MAX`] if they are more.
    pub fn pixels(&self) -> usize {
        self.batch.saturating_mul(self.height).saturating_mul(self.width)
    }

    /// The length of the shortest slice that holds the layout: up to the last value of its last
    /// pixel. [`usize::MAX`], which no slice is as long as, if that cannot be counted.
    pub fn len(&self) -> usize {
        match self.pixels() {
            0 => 0,
            pixels => (pixels - 1).saturating_mul(self.stride).saturating_add(self.words()),
        }
    }

    /// Whether the layout has no values.
    pub fn is_empty(&self) -> bool {
        self.pixels() == 0 || self.channels == 0
    }
}

/// Zeros around a picture, in pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Padding {
    /// Rows above.
    pub top: usize,
    /// Rows below.
    pub bottom: usize,
    /// Columns to the left.
    pub left: usize,
    /// Columns to the right.
    pub right: usize,
}

/// How a convolution or a pool moves over a picture. Pairs are (vertical, horizontal).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    /// Rows and columns of the window.
    pub kernel: [usize; 2],
    /// Steps between windows.
    pub stride: [usize; 2],
    /// Steps between the window's taps; 1 is a solid window.
    pub dilation: [usize; 2],
    /// What surrounds the picture.
    pub padding: Padding,
}

impl Window {
    /// A 1×1 window that visits every pixel.
    pub const POINTWISE: Self = Self {
        kernel: [1, 1],
        stride: [1, 1],
        dilation: [1, 1],
        padding: Padding { top: 0, bottom: 0, left: 0, right: 0 },
    };

    /// The taps that lie inside a picture of `size` rows (`axis` 0) or columns (`axis` 1) when the
    /// window is at output row or column `at`.
    #[inline(always)]
    pub fn valid_taps(&self, axis: usize, size: usize, at: usize) -> Range<usize> {
        let before = if axis == 0 { self.padding.top } else { self.padding.left };
        let (at, step) = (at * self.stride[axis], self.dilation[axis]);
        let end = (size + before).saturating_sub(at).div_ceil(step).min(self.kernel[axis]);
        let start = before.saturating_sub(at).div_ceil(step);
        start.min(end)..end
    }

    /// The output columns, of so many, whose windows lie inside a picture of `width` columns from
    /// left to right.
    pub(crate) fn interior_columns(&self, width: usize, columns: usize) -> Range<usize> {
        let reach = (self.kernel[1] - 1) * self.dilation[1];
        let start = self.padding.left.div_ceil(self.stride[1]).min(columns);
        // The last column whose last tap is still in the picture, plus one.
        let end = match (width + self.padding.left).checked_sub(reach + 1) {
            Some(last) => last / self.stride[1] + 1,
            None => 0,
        };
        start..end.clamp(start, columns)
    }

    /// The input row (`axis` 0) or column (`axis` 1) under `tap` when the window is at output row
    /// or column `at`, for a tap inside the picture.
    #[inline(always)]
    pub fn input_index(&self, axis: usize, at: usize, tap: usize) -> usize {
        let before = if axis == 0 { self.padding.top } else { self.padding.left };
        at * self.stride[axis] + tap * self.dilation[axis] - before
    }

    /// Whether all windows of an output lie within a picture and its padding. Then no place under a
    /// tap is too far to be counted, which kernels rely on that reckon with such places.
    pub(crate) fn fits_within(&self, input: &ImageLayout, output: &ImageLayout) -> bool {
        let Padding { top, bottom, left, right } = self.padding;
        let along = |axis: usize, [before, size, after]: [usize; 3], count: usize| {
            let padded = before.checked_add(size)?.checked_add(after)?;
            let reach = self.kernel[axis].checked_sub(1)?.checked_mul(self.dilation[axis])?;
            let last = count.checked_sub(1)?.checked_mul(self.stride[axis])?.checked_add(reach)?;
            Some(last < padded && padded <= isize::MAX as usize)
        };
        let (rows, columns) = ([top, input.height, bottom], [left, input.width, right]);
        output.is_empty()
            || (along(0, rows, output.height), along(1, columns, output.width))
                == (Some(true), Some(true))
    }

    /// Whether the window looks at exactly the pixel it writes.
    pub fn is_pointwise(&self) -> bool {
        self.kernel == [1, 1] && self.stride == [1, 1] && self.padding == Padding::default()
    }
}

/// The range results are limited to: the cheap activations are all of this form.
///
/// A NaN stays a NaN.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Clamp {
    /// No result is below this.
    pub low: f32,
    /// No result is above this.
    pub high: f32,
}

impl Clamp {
    /// No limits.
    pub const NONE: Self = Self { low: f32::NEG_INFINITY, high: f32::INFINITY };
    /// Rectified: nothing below zero.
    pub const RELU: Self = Self { low: 0.0, high: f32::INFINITY };
    /// Rectified and at most six.
    pub const RELU6: Self = Self { low: 0.0, high: 6.0 };

    /// `x`, limited.
    #[inline(always)]
    pub fn apply(self, x: f32) -> f32 {
        // Comparisons that a NaN fails leave it in place, which `f32::clamp` and `max` would not
        // all do.
        let x = if x < self.low { self.low } else { x };
        if x > self.high { self.high } else { x }
    }
}
