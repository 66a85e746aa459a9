//! Bilinear interpolation of stored values, which keep their scale.

use super::Stored;
use super::chunks::for_chunks;
use crate::{Resize, ThreadPool};

/// The geometry of an interpolation.
#[derive(Clone, Copy, Debug)]
pub struct IntegerResize {
    /// `[batch, rows, columns, channels]`.
    pub input_shape: [usize; 4],
    /// `[batch, rows, columns, channels]`.
    pub output_shape: [usize; 4],
    /// The mapping of coordinates.
    pub how: Resize,
}

/// A coordinate between two of the input.
#[derive(Clone, Copy)]
struct Between {
    lower: usize,
    upper: usize,
    /// How far it is from the first: in 1/1024 for int8 and int16.
    steps: i64,
    /// The same as a real number.
    share: f32,
}

/// Steps between two coordinates.
const ONE: i64 = 1 << 10;

impl IntegerResize {
    /// Computes all pixels. int8 and int16 values are interpolated with fixed-point numbers, uint8
    /// values with float32, as TensorFlow Lite's reference kernels do.
    ///
    /// # Panics
    /// If slices are not as long as the shapes say.
    pub fn run<T: Stored>(&self, input: &[T], output: &mut [T], pool: &ThreadPool) {
        let [_, rows, columns, channels] = self.output_shape;
        let [_, height, width, _] = self.input_shape;
        assert_eq!(input.len(), self.input_shape.iter().product(), "the input's shape");
        assert_eq!(output.len(), self.output_shape.iter().product(), "the output's shape");
        for_chunks(output, columns * channels, pool, &|lines, output| {
            for (line, output) in lines.zip(output.chunks_exact_mut(columns * channels)) {
                let n = line / rows;
                let y = self.between::<T>(line % rows, [height, rows]);
                for (x, output) in output.chunks_exact_mut(channels).enumerate() {
                    let x = self.between::<T>(x, [width, columns]);
                    let corner = |y: usize, x: usize| {
                        let first = ((n * height + y) * width + x) * channels;
                        &input[first..first + channels]
                    };
                    let corners = [
                        corner(y.lower, x.lower),
                        corner(y.upper, x.lower),
                        corner(y.lower, x.upper),
                        corner(y.upper, x.upper),
                    ];
                    for (channel, to) in output.iter_mut().enumerate() {
                        let corners = corners.map(|corner| corner[channel].widen());
                        let value = if T::MIN < 0 {
                            in_fixed_point(corners, y, x)
                        } else {
                            in_floats(corners, y, x)
                        };
                        *to = T::narrow(value);
                    }
                }
            }
        });
    }

    /// Returns the coordinates of the input around one of the output; `sizes` are those of both.
    fn between<T: Stored>(&self, at: usize, sizes: [usize; 2]) -> Between {
        if T::MIN < 0 {
            self.between_in_steps(at, sizes)
        } else {
            let (lower, upper, share) = self.how.between(sizes[0], sizes[1], at);
            Between { lower, upper, steps: 0, share }
        }
    }

    fn between_in_steps(&self, at: usize, [from, to]: [usize; 2]) -> Between {
        let (from, to, at) = (from as i64, to as i64, at as i64);
        let scale = if self.how.align_corners && to > 1 {
            (ONE * (from - 1) + (to - 1) / 2) / (to - 1)
        } else {
            (ONE * from + to / 2) / to
        };
        let source = match self.how.half_pixel_centers {
            true => at * scale + scale / 2 - ONE / 2,
            false => at * scale,
        };
        let lower = (source / ONE).max(0).min(from - 1);
        let upper = ((source + ONE - 1) / ONE).min(from - 1);
        let steps = source - ONE * lower;
        Between { lower: lower as usize, upper: upper as usize, steps, share: 0.0 }
    }
}

/// Interpolates `[[y, x], [y + 1, x], [y, x + 1], [y + 1, x + 1]]`, halves away from zero.
fn in_fixed_point([a, b, c, d]: [i32; 4], y: Between, x: Between) -> i32 {
    let (down, across) = (y.steps, x.steps);
    let sum = i64::from(a) * (ONE - down) * (ONE - across)
        + i64::from(b) * down * (ONE - across)
        + i64::from(c) * (ONE - down) * across
        + i64::from(d) * down * across;
    let half = if sum > 0 { ONE * ONE / 2 } else { -(ONE * ONE / 2) };
    ((sum + half) / (ONE * ONE)) as i32
}

/// Interpolates the same with float32, halves upward.
fn in_floats(corners: [i32; 4], y: Between, x: Between) -> i32 {
    let [a, b, c, d] = corners.map(|corner| corner as f32);
    let (down, across) = (y.share, x.share);
    let sum = a * (1.0 - down) * (1.0 - across)
        + b * down * (1.0 - across)
        + c * (1.0 - down) * across
        + d * down * across;
    (sum + 0.5) as i32
}
