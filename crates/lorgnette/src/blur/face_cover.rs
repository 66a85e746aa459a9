//! Coverage of faces.

use super::BlurOptions;
use crate::faces::Face;

/// Width of the margin around a face's box over its longer side: boxes end at forehead and chin.
const MARGIN_SHARE: f32 = 0.2;

/// Covers a face and its margin, fading beyond it, in a mask of rows of `width` pixels.
pub(super) fn add(cover: &mut [u8], width: usize, face: &Face, options: &BlurOptions) {
    let height = cover.len() / width;
    let longer_side = face.width().max(face.height());
    let margin = options.margin.map_or(MARGIN_SHARE * longer_side, |margin| margin as f32);
    let feather = options.feather.map_or(margin / 2.0, |feather| feather as f32);
    let reach = margin + feather + 1.0;
    let [left, top, right, bottom] = face.bounds;
    let rows = pixel_range(top - reach, bottom + reach, height);
    let columns = pixel_range(left - reach, right + reach, width);
    for y in rows {
        let down = distance(y, top, bottom);
        for x in columns.clone() {
            let beyond = distance(x, left, right).hypot(down) - margin;
            let covered = 255.0 * (1.0 - beyond / (feather + 1.0)).clamp(0.0, 1.0);
            let pixel = &mut cover[y * width + x];
            *pixel = (*pixel).max(covered as u8);
        }
    }
}

/// Distance of a pixel's centre from an interval; 0 inside.
fn distance(pixel: usize, start: f32, end: f32) -> f32 {
    let centre = pixel as f32 + 0.5;
    (start - centre).max(centre - end).max(0.0)
}

/// The pixels of an interval, of `length` pixels.
fn pixel_range(start: f32, end: f32, length: usize) -> std::ops::Range<usize> {
    let edge = |edge: f32| edge.clamp(0.0, length as f32);
    edge(start).floor() as usize..edge(end).ceil() as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_face_is_covered_with_a_margin_that_fades() {
        let (width, height) = (60, 50);
        let mut cover = vec![0; width * height];
        let bounds = [20.0, 10.0, 40.0, 30.0];
        let face = Face { bounds, probability: 0.9, landmarks: [[0.0; 2]; 5], scale: 1.0 };
        add(&mut cover, width, &face, &BlurOptions::default());
        let at = |x: usize, y: usize| cover[y * width + x];
        assert!((16..44).all(|x| at(x, 20) == 255) && (6..34).all(|y| at(30, y) == 255));
        assert!(at(15, 20) < 255 && at(15, 20) > 0 && at(12, 20) == 0 && at(16, 6) < 255);
    }

    #[test]
    fn a_face_at_the_edge_stays_in_the_photo() {
        let mut cover = vec![0; 10 * 8];
        let bounds = [-5.0, -5.0, 30.0, 2.0];
        let face = Face { bounds, probability: 0.9, landmarks: [[0.0; 2]; 5], scale: 1.0 };
        let options = BlurOptions { margin: Some(0), feather: Some(0), ..BlurOptions::default() };
        add(&mut cover, 10, &face, &options);
        assert_eq!(cover.iter().filter(|&&cover| cover == 255).count(), 20);
    }
}
