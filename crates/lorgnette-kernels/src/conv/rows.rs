//! Pointers to the input of each output pixel, which let one tile serve every window.

use std::ops::Range;

use super::ConvShape;
use crate::simd::MAX_TILE_ROWS;

/// A tap's row and column in the window.
#[derive(Clone, Copy)]
pub(super) struct Tap {
    pub(super) y: usize,
    pub(super) x: usize,
}

/// An output pixel's position in the input.
#[derive(Clone, Copy, Default)]
pub(super) struct PixelOrigin {
    /// The input pixel under the window's first tap; outside the image in the padding.
    pub(super) y: isize,
    pub(super) x: isize,
    /// Word offset of that pixel from the input's start; meaningless by itself in the padding.
    pub(super) offset: isize,
}

/// The positions of a tile's output pixels in the input.
#[derive(Clone, Copy, Default)]
pub(super) struct PixelOrigins {
    count: usize,
    first: PixelOrigin,
    /// Distance from one to the next, if all are neighbours in a row, as in most tiles. The pixels
    /// under a tap then follow from both ends.
    step: Option<Step>,
    /// All of them otherwise.
    each: [PixelOrigin; MAX_TILE_ROWS],
}

#[derive(Clone, Copy)]
struct Step {
    x: isize,
    offset: isize,
}

impl PixelOrigins {
    /// Returns the number of pixels.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// Returns the origin of pixel `i`.
    fn at(&self, i: usize) -> PixelOrigin {
        let PixelOrigin { y, x, offset } = self.first;
        match self.step {
            Some(step) => PixelOrigin {
                y,
                x: x + i as isize * step.x,
                offset: offset + i as isize * step.offset,
            },
            None => self.each[i],
        }
    }

    /// Writes pointers at equal distances: from `base` and the first origin, `offset` floats apart.
    #[inline(always)]
    fn find_strided(&self, base: *const f32, offset: isize, pointers: &mut [*const f32]) {
        let mut from = base.wrapping_offset(self.first.offset);
        for tap in pointers {
            *tap = from;
            from = from.wrapping_offset(offset);
        }
    }

    /// Writes pointers to the values under a tap: from `base` and the origins that are `in_bounds`,
    /// from `out_of_bounds` for the others. `in_bounds` must hold for all origins between two of a
    /// row for which it holds.
    #[inline(always)]
    pub(super) fn find(
        &self,
        base: *const f32,
        in_bounds: impl Fn(PixelOrigin) -> bool,
        out_of_bounds: impl Fn(usize, PixelOrigin) -> *const f32,
        pointers: &mut [*const f32],
    ) {
        if let Some(Step { offset, .. }) = self.step
            && in_bounds(self.first)
            && in_bounds(self.at(self.count - 1))
        {
            return self.find_strided(base, offset, pointers);
        }
        for (i, tap) in pointers.iter_mut().enumerate().take(self.count) {
            let origin = self.at(i);
            *tap = if in_bounds(origin) {
                base.wrapping_offset(origin.offset)
            } else {
                out_of_bounds(i, origin)
            };
        }
    }
}

/// The source of a tile's input.
///
/// # Safety
/// `tap_pointers` gives pointers to the job's depth of readable words, for origins from `locate`
/// and taps of the job.
pub(super) unsafe trait Rows: Sync {
    /// Finds the origins of 1 to [`MAX_TILE_ROWS`] output pixels.
    fn locate(&self, pixels: Range<usize>, origins: &mut PixelOrigins);
    /// Finds the values under a tap (its row and column in the window) of each pixel.
    fn tap_pointers(&self, origins: &PixelOrigins, tap: Tap, inputs: &mut [*const f32]);
}

/// Rows at equal distances: the pixels of a pointwise window.
pub(super) struct StridedRows<'a> {
    values: &'a [f32],
    stride: usize,
}

impl<'a> StridedRows<'a> {
    /// Checks that there are `count` rows of `depth` words.
    pub(super) fn new(values: &'a [f32], stride: usize, depth: usize, count: usize) -> Self {
        assert!(
            count == 0 || (count - 1) * stride + depth <= values.len(),
            "rows are longer than their slice"
        );
        Self { values, stride }
    }
}

// SAFETY: there is a row for each output pixel, and `new` checked that they are in the slice.
unsafe impl Rows for StridedRows<'_> {
    fn locate(&self, pixels: Range<usize>, origins: &mut PixelOrigins) {
        origins.count = pixels.len();
        origins.first.offset = (pixels.start * self.stride) as isize;
        origins.step = Some(Step { x: 0, offset: self.stride as isize });
    }

    fn tap_pointers(&self, origins: &PixelOrigins, _: Tap, inputs: &mut [*const f32]) {
        origins.find_strided(self.values.as_ptr(), self.stride as isize, inputs);
    }
}

/// The pixels under the taps of a window; zeros in the padding.
pub(super) struct ImplicitIm2col<'a> {
    shape: &'a ConvShape,
    input: &'a [f32],
    zeros: &'a [f32],
}

impl<'a> ImplicitIm2col<'a> {
    /// `zeros` has a word for each input channel.
    pub(super) fn new(shape: &'a ConvShape, input: &'a [f32], zeros: &'a [f32]) -> Self {
        assert!(zeros.len() >= shape.input.channels && input.len() >= shape.input.len());
        Self { shape, input, zeros }
    }
}

// SAFETY: `tap_pointers` gives the channels of an input pixel after checking that it is inside the
// image, or the zeros.
unsafe impl Rows for ImplicitIm2col<'_> {
    fn locate(&self, pixels: Range<usize>, origins: &mut PixelOrigins) {
        locate(self.shape, pixels, origins);
    }

    fn tap_pointers(&self, origins: &PixelOrigins, tap: Tap, inputs: &mut [*const f32]) {
        let ConvShape { input: layout, window, .. } = self.shape;
        let (y, x) = (tap.y * window.dilation[0], tap.x * window.dilation[1]);
        let base = self.input.as_ptr().wrapping_add((y * layout.width + x) * layout.stride);
        origins.find(
            base,
            |origin| is_inside(origin.y, y, layout.height) && is_inside(origin.x, x, layout.width),
            |_, _| self.zeros.as_ptr(),
            inputs,
        );
    }
}

/// True if row or column `origin + tap` is inside an image of `size`.
pub(super) fn is_inside(origin: isize, tap: usize, size: usize) -> bool {
    (origin.wrapping_add_unsigned(tap) as usize) < size
}

/// Finds the origins of some output pixels of a window.
pub(super) fn locate(shape: &ConvShape, pixels: Range<usize>, origins: &mut PixelOrigins) {
    let ConvShape { input, output, window } = shape;
    let origin = |n: usize, oy: usize, ox: usize| {
        let y = (oy * window.stride[0]) as isize - window.padding.top as isize;
        let x = (ox * window.stride[1]) as isize - window.padding.left as isize;
        let row = (n * input.height) as isize + y;
        PixelOrigin { y, x, offset: (row * input.width as isize + x) * input.stride as isize }
    };
    let (mut n, rest) = (
        pixels.start / (output.height * output.width),
        pixels.start % (output.height * output.width),
    );
    let (mut oy, mut ox) = (rest / output.width, rest % output.width);
    let step =
        Step { x: window.stride[1] as isize, offset: (window.stride[1] * input.stride) as isize };
    origins.count = pixels.len();
    origins.first = origin(n, oy, ox);
    origins.step = (ox + pixels.len() <= output.width).then_some(step);
    if origins.step.is_some() {
        return;
    }
    for each in &mut origins.each[..pixels.len()] {
        *each = origin(n, oy, ox);
        ox += 1;
        if ox == output.width {
            (ox, oy) = (0, oy + 1);
        }
        if oy == output.height {
            (oy, n) = (0, n + 1);
        }
    }
}
