//! Layouts, windows and ranges of values.

use std::ops::Range;

/// The storage type of an activation's values.
///
/// Slices count 32-bit words, whatever is stored in them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum StorageType {
    /// float32: each value is a word of the slice.
    #[default]
    Float32,
    /// bf16: two neighbouring values share a word, the first in its lower half; an odd last one is
    /// paired with zero.
    Bf16,
}

impl StorageType {
    /// Returns the bytes of a value.
    pub const fn size(self) -> usize {
        match self {
            Self::Float32 => 4,
            Self::Bf16 => 2,
        }
    }

    /// Returns the words of a slice that the values of a pixel take.
    pub const fn words(self, values: usize) -> usize {
        match self {
            Self::Float32 => values,
            Self::Bf16 => values.div_ceil(2),
        }
    }

    /// Returns the elements that a pixel of that many channels takes: whole words of them.
    pub const fn pixel_len(self, channels: usize) -> usize {
        match self {
            Self::Float32 => channels,
            Self::Bf16 => channels.next_multiple_of(2),
        }
    }
}

/// The layout of an NHWC activation.
///
/// Pixel `(n, y, x)` starts at element `((n * height + y) * width + x) * stride`, followed by its
/// `channels` values. `stride` exceeds the elements of a pixel when the activation is a part of a
/// wider one, such as of a concatenation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ImageLayout {
    /// Images of the batch.
    pub batch: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Channels: values of a pixel.
    pub channels: usize,
    /// Elements from one pixel to the next: whole words, and at least those of a pixel.
    pub stride: usize,
    /// Storage type of the values.
    pub storage: StorageType,
}

impl ImageLayout {
    /// Returns a layout of float32 whose pixels are contiguous.
    pub fn dense(batch: usize, height: usize, width: usize, channels: usize) -> Self {
        Self { batch, height, width, channels, stride: channels, storage: StorageType::Float32 }
    }

    /// Returns the words of a pixel.
    pub fn words(&self) -> usize {
        self.storage.words(self.channels)
    }

    /// Returns the words from one pixel to the next.
    pub fn word_stride(&self) -> usize {
        self.storage.words(self.stride)
    }

    /// Returns the layout of the same slice in which each word counts as a channel of float32.
    #[must_use]
    pub fn as_words(&self) -> Self {
        Self {
            channels: self.words(),
            stride: self.word_stride(),
            storage: StorageType::Float32,
            ..*self
        }
    }

    /// True if pixels are contiguous.
    pub fn is_dense(&self) -> bool {
        self.stride == self.storage.pixel_len(self.channels)
    }

    /// True if pixels do not overlap and each begins with a word.
    pub fn has_room_for_pixels(&self) -> bool {
        self.stride >= self.channels && self.stride == self.storage.pixel_len(self.stride)
    }

    /// Returns the number of pixels of all images, saturated at [`usize::MAX`].
    pub fn pixels(&self) -> usize {
        self.batch.saturating_mul(self.height).saturating_mul(self.width)
    }

    /// Returns the length in words of the shortest slice that holds the layout, up to the last
    /// value of its last pixel; saturated at [`usize::MAX`], the length of no slice.
    pub fn len(&self) -> usize {
        match self.pixels() {
            0 => 0,
            pixels => (pixels - 1).saturating_mul(self.word_stride()).saturating_add(self.words()),
        }
    }

    /// True if the layout has no values.
    pub fn is_empty(&self) -> bool {
        self.pixels() == 0 || self.channels == 0
    }
}

/// Zeros around an image, in pixels.
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

/// The window of a convolution or a pooling. Pairs are (vertical, horizontal).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    /// Rows and columns of the window.
    pub kernel: [usize; 2],
    /// Distance between windows.
    pub stride: [usize; 2],
    /// Distance between the window's taps; 1 for a solid window.
    pub dilation: [usize; 2],
    /// Padding of the image.
    pub padding: Padding,
}

impl Window {
    /// A 1×1 window of stride 1.
    pub const POINTWISE: Self = Self {
        kernel: [1, 1],
        stride: [1, 1],
        dilation: [1, 1],
        padding: Padding { top: 0, bottom: 0, left: 0, right: 0 },
    };

    /// Returns the number of taps.
    pub fn taps(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// Returns the taps inside an image of `size` rows (`axis` 0) or columns (`axis` 1) when the
    /// window is at output row or column `at`.
    #[inline(always)]
    pub fn valid_taps(&self, axis: usize, size: usize, at: usize) -> Range<usize> {
        let before = if axis == 0 { self.padding.top } else { self.padding.left };
        let (at, step) = (at * self.stride[axis], self.dilation[axis]);
        let end = (size + before).saturating_sub(at).div_ceil(step).min(self.kernel[axis]);
        let start = before.saturating_sub(at).div_ceil(step);
        start.min(end)..end
    }

    /// Returns the output columns whose windows are inside an image of `width` columns from left to
    /// right.
    pub(crate) fn interior_columns(&self, width: usize, columns: usize) -> Range<usize> {
        let reach = (self.kernel[1] - 1) * self.dilation[1];
        let start = self.padding.left.div_ceil(self.stride[1]).min(columns);
        // The last column whose last tap is inside the image, plus one.
        let end = match (width + self.padding.left).checked_sub(reach + 1) {
            Some(last) => last / self.stride[1] + 1,
            None => 0,
        };
        start..end.clamp(start, columns)
    }

    /// Returns the input row (`axis` 0) or column (`axis` 1) under `tap` when the window is at
    /// output row or column `at`, for a tap inside the image.
    #[inline(always)]
    pub fn input_index(&self, axis: usize, at: usize, tap: usize) -> usize {
        let before = if axis == 0 { self.padding.top } else { self.padding.left };
        at * self.stride[axis] + tap * self.dilation[axis] - before
    }

    /// True if all windows of an output are inside the image and its padding. Then no coordinate
    /// under a tap overflows, which kernels rely on.
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

    /// True if each output pixel depends on the input pixel at its place only.
    pub fn is_pointwise(&self) -> bool {
        self.kernel == [1, 1] && self.stride == [1, 1] && self.padding == Padding::default()
    }
}

/// The range that results are limited to, which covers ReLU and ReLU6.
///
/// A NaN stays a NaN.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Clamp {
    /// Lower limit.
    pub low: f32,
    /// Upper limit.
    pub high: f32,
}

impl Clamp {
    /// No limits.
    pub const NONE: Self = Self { low: f32::NEG_INFINITY, high: f32::INFINITY };
    /// ReLU.
    pub const RELU: Self = Self { low: 0.0, high: f32::INFINITY };
    /// ReLU6.
    pub const RELU6: Self = Self { low: 0.0, high: 6.0 };

    /// Returns `x` limited to the range.
    #[inline(always)]
    pub fn apply(self, x: f32) -> f32 {
        // Comparisons with NaN are false, so NaN stays; `f32::clamp` and `max` would not all do
        // that.
        let x = if x < self.low { self.low } else { x };
        if x > self.high { self.high } else { x }
    }
}
