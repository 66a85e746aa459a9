//! Outlines of regions by the photo's own colours and edges.
//!
//! A classifier's map is coarse, and a cell answers for a window of the network, so a region
//! extends beyond its thing. In a window around it each point has the map's probability as a
//! prior. The colours of the thing and of what is around it are learned from the points as they
//! are weighted so far, a posterior follows, and a guided filter (He, Sun and Tang, "Guided image
//! filtering", 2010) lets it follow the photo's edges; three times over.

use std::ops::Range;

use super::connected::{GridSize, connected};
use crate::picture::{Picture, Pixels};

/// Maximum side of the grid over a window.
const MAX_SIDE: usize = 192;
/// Times that colours are learned.
const ITERATIONS: usize = 3;
/// Levels of each of red, green and blue that are told apart.
const LEVELS: usize = 16;
/// Limits of what colours alone say.
const MAX_LIKELIHOOD: f32 = 0.9;
/// Limits of what the map says.
const MIN_PRIOR: f32 = 0.02;
/// Radius of the guided filter over the window's longer side, and its regularisation, of colours
/// from 0 to 1.
const RADIUS_SHARE: f64 = 0.04;
const SMOOTHNESS: f32 = 1e-3;

/// A grid over a part of a photo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WindowGrid {
    /// Left, top, right, bottom in pixels of the photo.
    bounds: [usize; 4],
    /// Pixels of the photo from point to point.
    step: usize,
    width: usize,
    height: usize,
}

/// A part of a photo on such a grid.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    grid: WindowGrid,
    /// Red, green and blue of each point, 0 to 1.
    colours: Vec<[f32; 3]>,
}

impl WindowGrid {
    /// A grid over `bounds`: left, top, right, bottom.
    pub(crate) fn new(bounds: [usize; 4]) -> Self {
        let [left, top, right, bottom] = bounds;
        let step = (right - left).max(bottom - top).div_ceil(MAX_SIDE).max(1);
        let (width, height) = ((right - left).div_ceil(step), (bottom - top).div_ceil(step));
        Self { bounds, step, width, height }
    }

    /// A grid over a box and what is around it, of a photo of `size`, width and height:
    /// `surroundings` times its longer side at each side.
    pub(crate) fn around(bounds: [usize; 4], surroundings: f64, size: [usize; 2]) -> Self {
        let [left, top, right, bottom] = bounds;
        let border = ((right - left).max(bottom - top) as f64 * surroundings).ceil() as usize;
        Self::new([
            left.saturating_sub(border),
            top.saturating_sub(border),
            (right + border).min(size[0]),
            (bottom + border).min(size[1]),
        ])
    }

    /// Points in a row.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// Pixels of the photo from point to point.
    pub(crate) fn step(&self) -> usize {
        self.step
    }

    /// Number of points.
    pub(crate) fn len(&self) -> usize {
        self.width * self.height
    }

    /// The centre of a point in the photo: down and across.
    pub(crate) fn position(&self, point: usize) -> [f64; 2] {
        let half = self.step as f64 / 2.0;
        let [left, top, ..] = self.cell(point);
        [top as f64 + half, left as f64 + half]
    }

    /// The pixels of a point: left, top, right, bottom.
    pub(crate) fn cell(&self, point: usize) -> [usize; 4] {
        let [left, top, right, bottom] = self.bounds;
        let x = left + point % self.width * self.step;
        let y = top + point / self.width * self.step;
        [x, y, (x + self.step).min(right), (y + self.step).min(bottom)]
    }

    /// The number of a point's pixels.
    pub(crate) fn pixels(&self, point: usize) -> usize {
        let [left, top, right, bottom] = self.cell(point);
        (right - left) * (bottom - top)
    }

    /// The columns of the photo that it covers.
    pub(crate) fn columns(&self) -> Range<usize> {
        self.bounds[0]..self.bounds[2]
    }

    /// The rows of the photo that it covers.
    pub(crate) fn rows(&self) -> Range<usize> {
        self.bounds[1]..self.bounds[3]
    }

    /// The point at a pixel of the photo; `None` outside the window.
    pub(crate) fn point(&self, x: usize, y: usize) -> Option<usize> {
        let is_inside = self.columns().contains(&x) && self.rows().contains(&y);
        let [left, top, ..] = self.bounds;
        is_inside.then(|| (y - top) / self.step * self.width + (x - left) / self.step)
    }

    /// The points inside that are connected, side by side, with one for which `is_seed`.
    pub(crate) fn connected(
        &self,
        is_inside: &[bool],
        is_seed: impl Fn(usize) -> bool,
    ) -> Vec<bool> {
        let mut is_kept: Vec<bool> =
            (0..is_inside.len()).map(|at| is_inside[at] && is_seed(at)).collect();
        let seeds = (0..is_inside.len()).filter(|&at| is_kept[at]).collect();
        let size = GridSize { columns: self.width, cells: self.len() };
        connected(seeds, size, |at| is_inside[at] && !std::mem::replace(&mut is_kept[at], true));
        is_kept
    }
}

impl Window {
    /// The part of a photo under a grid.
    pub(crate) fn new(picture: &Picture, grid: WindowGrid) -> Self {
        let colour = |point| mean_colour(picture, grid.cell(point));
        Self { grid, colours: (0..grid.len()).map(colour).collect() }
    }

    /// The probability of each point to be of the thing, from what the map says of it.
    pub(crate) fn posterior(&self, prior: &[f32]) -> Vec<f32> {
        let side = self.grid.width.max(self.grid.height) as f64;
        let radius = ((RADIUS_SHARE * side).round() as usize).max(2);
        let guide = Guide::new(self, radius);
        let bins: Vec<usize> = self.colours.iter().map(bin).collect();
        let mut posterior = prior.to_vec();
        for _ in 0..ITERATIONS {
            let likelihood = likelihoods(&bins, &posterior);
            for (at, posterior) in posterior.iter_mut().enumerate() {
                let prior = prior[at].clamp(MIN_PRIOR, 1.0 - MIN_PRIOR);
                let inside = prior * likelihood[bins[at]];
                let outside = (1.0 - prior) * (1.0 - likelihood[bins[at]]);
                *posterior = inside / (inside + outside);
            }
            posterior = guide.filter(&posterior);
            posterior.iter_mut().for_each(|value| *value = value.clamp(0.0, 1.0));
        }
        posterior
    }
}

/// The mean colour of some pixels: left, top, right, bottom.
fn mean_colour(picture: &Picture, [left, top, right, bottom]: [usize; 4]) -> [f32; 3] {
    let mut sums = [0.0_f32; 3];
    for y in top..bottom {
        let row = 3 * (y * picture.width() + left)..3 * (y * picture.width() + right);
        match picture.pixels() {
            Pixels::Rgb8(samples) => add(&samples[row], &mut sums, f32::from(u8::MAX)),
            Pixels::Rgb16(samples) => add(&samples[row], &mut sums, f32::from(u16::MAX)),
        }
    }
    let pixels = ((right - left) * (bottom - top)) as f32;
    sums.map(|sum| sum / pixels)
}

/// Adds the colours of a row of pixels.
fn add<T: Copy + Into<f32>>(row: &[T], sums: &mut [f32; 3], white: f32) {
    for pixel in row.as_chunks::<3>().0 {
        for (sum, &value) in sums.iter_mut().zip(pixel) {
            *sum += value.into() / white;
        }
    }
}

/// The bin of a colour.
fn bin(colour: &[f32; 3]) -> usize {
    colour
        .iter()
        .fold(0, |bin, &value| bin * LEVELS + ((value * LEVELS as f32) as usize).min(LEVELS - 1))
}

/// For each bin the share of the thing's colours in it, of those of both, as learned from points
/// weighted by `posterior`.
fn likelihoods(bins: &[usize], posterior: &[f32]) -> Vec<f32> {
    let mut inside = vec![0.0_f32; LEVELS.pow(3)];
    let mut outside = inside.clone();
    for (&bin, &weight) in bins.iter().zip(posterior) {
        inside[bin] += weight;
        outside[bin] += 1.0 - weight;
    }
    for histogram in [&mut inside, &mut outside] {
        smooth(histogram);
        let sum: f32 = histogram.iter().sum::<f32>() + 1e-9;
        histogram.iter_mut().for_each(|value| *value = *value / sum + 1e-6);
    }
    let share = |(&inside, &outside): (&f32, &f32)| {
        (inside / (inside + outside)).clamp(1.0 - MAX_LIKELIHOOD, MAX_LIKELIHOOD)
    };
    inside.iter().zip(&outside).map(share).collect()
}

/// Smooths a histogram along each of its three axes by a quarter, a half and a quarter.
fn smooth(histogram: &mut [f32]) {
    for stride in [1, LEVELS, LEVELS * LEVELS] {
        let before = histogram.to_vec();
        for (at, value) in histogram.iter_mut().enumerate() {
            let level = at / stride % LEVELS;
            let lower = if level > 0 { before[at - stride] } else { 0.0 };
            let upper = if level + 1 < LEVELS { before[at + stride] } else { 0.0 };
            *value = 0.5 * before[at] + 0.25 * (lower + upper);
        }
    }
}

/// A guided filter with the colours of a window as its guide.
struct Guide<'a> {
    window: &'a Window,
    radius: usize,
    /// Means of red, green and blue.
    means: [Vec<f32>; 3],
    /// The inverse of the covariance of colours around each point, with the smoothness added.
    inverses: Vec<[[f32; 3]; 3]>,
}

impl<'a> Guide<'a> {
    fn new(window: &'a Window, radius: usize) -> Self {
        let mean = |value: &dyn Fn(&[f32; 3]) -> f32| {
            window.box_mean(&window.colours.iter().map(value).collect::<Vec<f32>>(), radius)
        };
        let means = std::array::from_fn(|channel| mean(&|colour| colour[channel]));
        let products = [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)];
        let moments = products.map(|(a, b)| mean(&|colour| colour[a] * colour[b]));
        let means: [Vec<f32>; 3] = means;
        let mut inverses = Vec::with_capacity(window.colours.len());
        for at in 0..window.colours.len() {
            let mut covariance = [[0.0; 3]; 3];
            for ((a, b), moment) in products.iter().zip(&moments) {
                let value = moment[at] - means[*a][at] * means[*b][at];
                let value = value + if a == b { SMOOTHNESS } else { 0.0 };
                covariance[*a][*b] = value;
                covariance[*b][*a] = value;
            }
            inverses.push(inverse(&covariance));
        }
        Self { window, radius, means, inverses }
    }

    /// Lets values follow the guide's edges: around each point they become a linear function of
    /// its colours.
    fn filter(&self, values: &[f32]) -> Vec<f32> {
        let (window, radius) = (self.window, self.radius);
        let mean = window.box_mean(values, radius);
        let products: [Vec<f32>; 3] = std::array::from_fn(|channel| {
            let colours = window.colours.iter().zip(values);
            let product: Vec<f32> =
                colours.map(|(colour, value)| colour[channel] * value).collect();
            window.box_mean(&product, radius)
        });
        let mut slopes = [(); 3].map(|()| vec![0.0; values.len()]);
        let mut offsets = vec![0.0; values.len()];
        for at in 0..values.len() {
            let covariance: [f32; 3] = std::array::from_fn(|channel| {
                products[channel][at] - self.means[channel][at] * mean[at]
            });
            offsets[at] = mean[at];
            for (channel, row) in self.inverses[at].iter().enumerate() {
                let slope: f32 = row.iter().zip(covariance).map(|(a, b)| a * b).sum();
                slopes[channel][at] = slope;
                offsets[at] -= slope * self.means[channel][at];
            }
        }
        let slopes = slopes.map(|slopes| window.box_mean(&slopes, radius));
        let offsets = window.box_mean(&offsets, radius);
        let value = |(at, colour): (usize, &[f32; 3])| {
            let sum: f32 = (0..3).map(|channel| slopes[channel][at] * colour[channel]).sum();
            sum + offsets[at]
        };
        window.colours.iter().enumerate().map(value).collect()
    }
}

impl Window {
    /// Means over the points at most `radius` away in rows and columns, inside the window.
    fn box_mean(&self, values: &[f32], radius: usize) -> Vec<f32> {
        let WindowGrid { width, height, .. } = self.grid;
        let mut across = vec![0.0; values.len()];
        for (row, out) in values.chunks_exact(width).zip(across.chunks_exact_mut(width)) {
            running_mean(|at| row[at], radius, out);
        }
        let mut out = vec![0.0; values.len()];
        let mut column_means = vec![0.0; height];
        for column in 0..width {
            running_mean(|at| across[at * width + column], radius, &mut column_means);
            for (row, mean) in column_means.iter().enumerate() {
                out[row * width + column] = *mean;
            }
        }
        out
    }
}

/// Means of the values at most `radius` away, of as many values as `out` has.
fn running_mean(value: impl Fn(usize) -> f32, radius: usize, out: &mut [f32]) {
    let length = out.len();
    let mut sum: f64 = (0..radius.min(length)).map(|at| f64::from(value(at))).sum();
    for (at, out) in out.iter_mut().enumerate() {
        if at + radius < length {
            sum += f64::from(value(at + radius));
        }
        if let Some(gone) = at.checked_sub(radius + 1) {
            sum -= f64::from(value(gone));
        }
        let count = (at + radius + 1).min(length) - at.saturating_sub(radius);
        *out = (sum / count as f64) as f32;
    }
}

/// The inverse of a symmetric matrix that is positive definite.
fn inverse(matrix: &[[f32; 3]; 3]) -> [[f32; 3]; 3] {
    let m = matrix.map(|row| row.map(f64::from));
    let minor = |row: usize, column: usize| {
        let [a, b] = [(row + 1) % 3, (row + 2) % 3];
        let [c, d] = [(column + 1) % 3, (column + 2) % 3];
        m[a][c] * m[b][d] - m[a][d] * m[b][c]
    };
    let determinant: f64 = (0..3).map(|column| m[0][column] * minor(0, column)).sum();
    std::array::from_fn(|row| {
        std::array::from_fn(|column| (minor(column, row) / determinant) as f32)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A red disc in a green picture.
    fn disc(side: usize, radius: f64) -> Picture {
        let mut pixels = Vec::new();
        for at in 0..side * side {
            let middle = side as f64 / 2.0;
            let (x, y) = ((at % side) as f64 + 0.5, (at / side) as f64 + 0.5);
            let is_inside = (x - middle).hypot(y - middle) < radius;
            let noise = (at * 7919 % 31) as u8;
            pixels.extend(if is_inside { [180 + noise, 40, 50] } else { [40 + noise, 120, 60] });
        }
        Picture::from_rgb8(side, side, pixels).unwrap()
    }

    #[test]
    fn a_wide_prior_shrinks_to_the_outline() {
        let picture = disc(300, 80.0);
        let grid = WindowGrid::new([0, 0, 300, 300]);
        assert_eq!((grid.step, grid.width, grid.height), (2, 150, 150));
        let window = Window::new(&picture, grid);
        let prior: Vec<f32> = (0..150 * 150)
            .map(|point| {
                let [y, x] = grid.position(point);
                // Half at a distance of 100, off the middle.
                let distance = (y - 165.0).hypot(x - 140.0);
                (1.0 / (1.0 + ((distance - 100.0) / 20.0).exp())) as f32
            })
            .collect();
        let posterior = window.posterior(&prior);
        let overlap = |values: &[f32]| {
            let (mut common, mut either) = (0, 0);
            for (point, &value) in values.iter().enumerate() {
                let [y, x] = grid.position(point);
                let is_inside = (y - 150.0).hypot(x - 150.0) < 80.0;
                common += usize::from(is_inside && value >= 0.5);
                either += usize::from(is_inside || value >= 0.5);
            }
            common as f64 / either as f64
        };
        assert!(overlap(&prior) < 0.65, "{}", overlap(&prior));
        assert!(overlap(&posterior) > 0.9, "{}", overlap(&posterior));
    }

    #[test]
    fn pixels_and_points_are_of_one_place() {
        let grid = WindowGrid::around([200, 150, 400, 201], 0.5, [500, 400]);
        assert_eq!((grid.bounds, grid.step), ([100, 50, 500, 301], 3));
        assert_eq!((grid.width, grid.height), (134, 84));
        assert_eq!(grid.point(100, 50), Some(0));
        assert_eq!((grid.point(99, 50), grid.point(100, 301)), (None, None));
        assert_eq!(grid.point(105, 53), Some(grid.width + 1));
        assert_eq!(grid.position(grid.width + 1), [54.5, 104.5]);
        let pixels: usize = (0..grid.len()).map(|point| grid.pixels(point)).sum();
        assert_eq!(pixels, 400 * 251);
    }

    #[test]
    fn means_and_inverses_are_right() {
        let mut means = [0.0; 5];
        running_mean(|at| at as f32, 1, &mut means);
        assert_eq!(means, [0.5, 1.0, 2.0, 3.0, 3.5]);
        running_mean(|at| at as f32, 9, &mut means);
        assert_eq!(means, [2.0; 5]);
        let matrix = [[2.0, 0.5, 0.1], [0.5, 1.0, 0.2], [0.1, 0.2, 3.0]];
        let inverted = inverse(&matrix);
        for (r, row) in matrix.iter().enumerate() {
            let product = |c: usize| row.iter().zip(&inverted).map(|(a, b)| a * b[c]).sum::<f32>();
            for (c, is_one) in [0, 1, 2].map(|c| c == r).into_iter().enumerate() {
                assert!((product(c) - f32::from(u8::from(is_one))).abs() < 1e-6);
            }
        }
    }
}
