//! Where the input of each output pixel lies: what makes one tile serve every window.

use super::ConvShape;

/// An output pixel, seen from the input.
#[derive(Clone, Copy, Default)]
pub(super) struct Origin {
    /// The input pixel under the window's first tap; outside the picture in the padding.
    pub(super) y: isize,
    pub(super) x: isize,
    /// Where that pixel begins, relative to the input; meaningless by itself in the padding.
    pub(super) offset: isize,
}

/// The source of a tile's input.
///
/// # Safety
/// `under` gives pointers to as many readable floats as the job's depth, for origins of output pixels that `locate` gave
/// and taps of the job.
pub(super) unsafe trait Rows: Sync {
    /// Finds the output pixels from number `pixel` on.
    fn locate(&self, pixel: usize, origins: &mut [Origin]);
    /// Finds what lies under a tap (its row and column in the window) of each pixel.
    fn under(&self, origins: &[Origin], tap: [usize; 2], inputs: &mut [*const f32]);
}

/// Rows at equal distances: the pixels a 1×1 window sees.
pub(super) struct Even<'a> {
    values: &'a [f32],
    stride: usize,
}

impl<'a> Even<'a> {
    /// `count` rows of `depth` floats.
    pub(super) fn new(values: &'a [f32], stride: usize, depth: usize, count: usize) -> Self {
        assert!(count == 0 || (count - 1) * stride + depth <= values.len(), "rows are longer than their slice");
        Self { values, stride }
    }
}

// SAFETY: there are as many rows as output pixels, and `new` checked that they lie in the slice.
unsafe impl Rows for Even<'_> {
    fn locate(&self, pixel: usize, origins: &mut [Origin]) {
        for (i, origin) in origins.iter_mut().enumerate() {
            origin.offset = ((pixel + i) * self.stride) as isize;
        }
    }

    fn under(&self, origins: &[Origin], _: [usize; 2], inputs: &mut [*const f32]) {
        for (input, origin) in inputs.iter_mut().zip(origins) {
            *input = self.values.as_ptr().wrapping_offset(origin.offset);
        }
    }
}

/// The pixels under the taps of a window, zeros in the padding.
pub(super) struct Windowed<'a> {
    shape: &'a ConvShape,
    input: &'a [f32],
    zeros: &'a [f32],
}

impl<'a> Windowed<'a> {
    /// `zeros` are as many as the input has channels.
    pub(super) fn new(shape: &'a ConvShape, input: &'a [f32], zeros: &'a [f32]) -> Self {
        assert!(zeros.len() >= shape.input.channels && input.len() >= shape.input.len());
        Self { shape, input, zeros }
    }
}

// SAFETY: `under` gives the channels of an input pixel after checking that it lies in the picture, or the zeros.
unsafe impl Rows for Windowed<'_> {
    fn locate(&self, pixel: usize, origins: &mut [Origin]) {
        locate(self.shape, pixel, origins);
    }

    fn under(&self, origins: &[Origin], [ky, kx]: [usize; 2], inputs: &mut [*const f32]) {
        let ConvShape { input: map, window, .. } = self.shape;
        let (y, x) = (ky * window.dilation[0], kx * window.dilation[1]);
        let under = self.input.as_ptr().wrapping_add((y * map.width + x) * map.stride);
        for (input, origin) in inputs.iter_mut().zip(origins) {
            let inside = is_inside(origin.y, y, map.height) && is_inside(origin.x, x, map.width);
            *input = if inside { under.wrapping_offset(origin.offset) } else { self.zeros.as_ptr() };
        }
    }
}

/// Whether row or column `origin + tap` is one of a picture's `size`.
pub(super) fn is_inside(origin: isize, tap: usize, size: usize) -> bool {
    (origin.wrapping_add_unsigned(tap) as usize) < size
}

/// Finds the output pixels of a window from number `pixel` on.
pub(super) fn locate(shape: &ConvShape, pixel: usize, origins: &mut [Origin]) {
    let ConvShape { input, output, window } = shape;
    let (mut n, rest) = (pixel / (output.height * output.width), pixel % (output.height * output.width));
    let (mut oy, mut ox) = (rest / output.width, rest % output.width);
    for origin in origins {
        let y = (oy * window.stride[0]) as isize - window.padding.top as isize;
        let x = (ox * window.stride[1]) as isize - window.padding.left as isize;
        let row = (n * input.height) as isize + y;
        *origin = Origin { y, x, offset: (row * input.width as isize + x) * input.stride as isize };
        ox += 1;
        if ox == output.width {
            (ox, oy) = (0, oy + 1);
        }
        if oy == output.height {
            (oy, n) = (0, n + 1);
        }
    }
}
