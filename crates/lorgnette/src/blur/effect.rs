//! Effects on the pixels that a mask covers.

use image::RgbImage;
use image::imageops::fast_blur;

/// Fills squares of `block` pixels a side with their means, over covered and uncovered pixels.
pub(super) fn mosaic(pixels: &mut [u8], width: usize, block: usize, cover: &[u8]) {
    let height = cover.len() / width;
    for top in (0..height).step_by(block) {
        for left in (0..width).step_by(block) {
            let rows = top..(top + block).min(height);
            let columns = left..(left + block).min(width);
            let pixel_indices =
                || rows.clone().flat_map(|y| columns.clone().map(move |x| y * width + x));
            if pixel_indices().any(|at| cover[at] > 0) {
                let mean = mean(pixel_indices().map(|at| &pixels[3 * at..][..3]));
                pixel_indices().for_each(|at| mix(&mut pixels[3 * at..][..3], mean, cover[at]));
            }
        }
    }
}

/// Fills covered pixels with one colour.
pub(super) fn fill(pixels: &mut [u8], colour: [u8; 3], cover: &[u8]) {
    pixels.chunks_exact_mut(3).zip(cover).for_each(|(pixel, &cover)| mix(pixel, colour, cover));
}

/// Applies a Gaussian blur with standard deviation `sigma`, in pixels. Computes only the
/// surroundings of the mask.
pub(super) fn gaussian(pixels: &mut [u8], width: usize, sigma: f32, cover: &[u8]) {
    let Some([left, top, right, bottom]) = bounds(cover, width) else { return };
    let radius = (3.0 * sigma).ceil() as usize;
    let (left, top) = (left.saturating_sub(radius), top.saturating_sub(radius));
    let (right, bottom) = ((right + radius).min(width), (bottom + radius).min(cover.len() / width));
    let row_range = |y: usize| 3 * (y * width + left)..3 * (y * width + right);
    let surroundings: Vec<u8> =
        (top..bottom).flat_map(|y| pixels[row_range(y)].iter().copied()).collect();
    let surroundings =
        RgbImage::from_raw((right - left) as u32, (bottom - top) as u32, surroundings);
    let blurred = fast_blur(&surroundings.expect("rows of that width"), sigma);
    for (y, row) in (top..bottom).zip(blurred.as_raw().chunks_exact(3 * (right - left))) {
        let under = pixels[row_range(y)].chunks_exact_mut(3).zip(&cover[y * width + left..]);
        under
            .zip(row.as_chunks::<3>().0)
            .for_each(|((pixel, &cover), &over)| mix(pixel, over, cover));
    }
}

/// Left, top, right, bottom of the covered pixels; right and bottom are exclusive.
fn bounds(cover: &[u8], width: usize) -> Option<[usize; 4]> {
    let is_covered = |cover: &u8| *cover > 0;
    let rows =
        || cover.chunks_exact(width).enumerate().filter(|(_, row)| row.iter().any(is_covered));
    let (top, bottom) = (rows().next()?.0, rows().next_back()?.0 + 1);
    let left = rows().filter_map(|(_, row)| row.iter().position(is_covered)).min()?;
    let right = rows().filter_map(|(_, row)| row.iter().rposition(is_covered)).max()? + 1;
    Some([left, top, right, bottom])
}

fn mean<'a>(pixels: impl Iterator<Item = &'a [u8]>) -> [u8; 3] {
    let (mut sums, mut count) = ([0_u64; 3], 0);
    for pixel in pixels {
        sums.iter_mut().zip(pixel).for_each(|(sum, &level)| *sum += u64::from(level));
        count += 1;
    }
    sums.map(|sum| ((sum + count / 2) / count) as u8)
}

fn mix(pixel: &mut [u8], over: [u8; 3], cover: u8) {
    let cover = u16::from(cover);
    for (under, over) in pixel.iter_mut().zip(over) {
        *under = ((u16::from(*under) * (255 - cover) + u16::from(over) * cover + 127) / 255) as u8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIDTH: usize = 16;

    /// A picture of 16 by 12 pixels, all different.
    fn picture() -> Vec<u8> {
        (0..3 * WIDTH * 12).map(|i| (i * 37 % 251) as u8).collect()
    }

    /// Covers a rectangle.
    fn cover() -> Vec<u8> {
        (0..WIDTH * 12)
            .map(|i| {
                if (4..9).contains(&(i % WIDTH)) && (3..8).contains(&(i / WIDTH)) { 255 } else { 0 }
            })
            .collect()
    }

    /// Asserts that pixels changed where they are covered, and only there.
    fn check(changed: &[u8]) {
        for ((at, &cover), pixel) in cover().iter().enumerate().zip(changed.chunks_exact(3)) {
            let before = &picture()[3 * at..][..3];
            assert!(cover > 0 || pixel == before, "{at}");
        }
        assert_ne!(changed, picture());
    }

    #[test]
    fn only_what_is_covered_changes() {
        let mut filled = picture();
        fill(&mut filled, [1, 2, 3], &cover());
        check(&filled);
        let at = 3 * (5 * WIDTH + 6);
        assert_eq!(filled[at..at + 3], [1, 2, 3]);
        let mut smooth = picture();
        gaussian(&mut smooth, WIDTH, 2.0, &cover());
        check(&smooth);
    }

    #[test]
    fn a_mosaic_has_one_colour_a_square_the_mean_of_the_whole_square() {
        let mut pixels = picture();
        mosaic(&mut pixels, WIDTH, 4, &cover());
        check(&pixels);
        let pixel = |x: usize, y: usize| &pixels[3 * (y * WIDTH + x)..][..3];
        // The square from (4, 4) to (8, 8) is covered completely.
        assert!((4..8).all(|y| (4..8).all(|x| pixel(x, y) == pixel(4, 4))));
        let reds: u32 =
            (0..16).map(|i| u32::from(picture()[3 * ((4 + i / 4) * WIDTH + 4 + i % 4)])).sum();
        assert_eq!(u32::from(pixel(4, 4)[0]), (reds + 8) / 16);
    }

    #[test]
    fn half_covered_pixels_are_half_mixed() {
        let mut pixel = [100, 0, 255];
        mix(&mut pixel, [200, 0, 0], 128);
        assert_eq!(pixel, [150, 0, 127]);
    }
}
