//! Data augmentation: `retrain.py`'s random flip, crop, scale and brightness, and rotation.

use sha2::{Digest as _, Sha256};

use crate::dataset::Digest;
use crate::picture::Picture;

/// Ranges of random augmentations; zero means none.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct AugmentationOptions {
    /// Whether half of the copies are mirrored horizontally.
    pub flip: bool,
    /// Margin that is cropped in each direction, in per cent of a side, at a random position.
    pub crop: f32,
    /// Maximum enlargement in per cent; the enlarged copy is cropped.
    pub scale: f32,
    /// Maximum change of brightness, in per cent.
    pub brightness: f32,
    /// Maximum rotation to either side, in degrees.
    pub rotation: f32,
    /// Number of augmented copies of each photo.
    pub copies: usize,
    /// Random seed.
    pub seed: u64,
}

impl AugmentationOptions {
    /// Whether there is any augmentation.
    #[must_use]
    pub fn any(&self) -> bool {
        let amounts = [self.crop, self.scale, self.brightness, self.rotation];
        self.copies > 0 && (self.flip || amounts.iter().any(|&amount| amount > 0.0))
    }

    /// Describes the options as `model.json` has them; empty if nothing is augmented.
    #[must_use]
    pub fn describe(&self) -> String {
        if !self.any() {
            return String::new();
        }
        let Self { flip, crop, scale, brightness, rotation, copies, seed } = self;
        format!(
            "Distortions {{ flip: {flip:?}, crop: {crop:?}, scale: {scale:?}, \
             brightness: {brightness:?}, rotation: {rotation:?}, copies: {copies:?}, \
             seed: {seed:?} }}"
        )
    }

    /// Returns the augmentation of a copy. It depends only on the photo's content, the copy's
    /// number and the options.
    #[must_use]
    pub fn for_copy(&self, photo: Digest, copy: usize) -> Augmentation {
        let mut digest = Sha256::new();
        digest.update(b"distortion");
        digest.update(self.seed.to_le_bytes());
        digest.update((copy as u64).to_le_bytes());
        digest.update(photo.0);
        let digest: [u8; 32] = digest.finalize().into();
        // Each number has separate bytes, so one option does not change the others' numbers.
        let random = |which: usize| {
            f32::from(u16::from_le_bytes([digest[2 * which], digest[2 * which + 1]])) / 65_536.0
        };
        // As retrain.py multiplies margin and resize.
        let size = 1.0 / ((1.0 + self.crop / 100.0) * (1.0 + random(0) * self.scale / 100.0));
        Augmentation {
            flip: self.flip && random(1) < 0.5,
            size,
            left: random(2) * (1.0 - size),
            top: random(3) * (1.0 - size),
            brightness: 1.0 + (2.0 * random(4) - 1.0) * self.brightness / 100.0,
            degrees: (2.0 * random(5) - 1.0) * self.rotation,
        }
    }
}

/// Augmentation of one photo.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Augmentation {
    /// Whether it is mirrored horizontally.
    pub flip: bool,
    /// Share of each side that remains, up to 1.
    pub size: f32,
    /// Share of the width cropped on the left.
    pub left: f32,
    /// Share of the height cropped at the top.
    pub top: f32,
    /// Factor of the levels.
    pub brightness: f32,
    /// Clockwise rotation, in degrees.
    pub degrees: f32,
}

impl Augmentation {
    /// Returns the text that a cache key is made of. It does not change between versions.
    pub(super) fn key_text(&self) -> String {
        let Self { flip, size, left, top, brightness, degrees } = self;
        format!(
            "Distortion {{ flip: {flip:?}, size: {size:?}, left: {left:?}, top: {top:?}, \
             brightness: {brightness:?}, degrees: {degrees:?} }}"
        )
    }

    /// Returns the augmented photo. Corners of a rotated photo repeat its edge.
    #[must_use]
    pub fn apply(&self, picture: &Picture) -> Picture {
        let (width, height) = (picture.width(), picture.height());
        let side = |whole: usize| ((whole as f32 * self.size).round() as usize).clamp(1, whole);
        let (columns, rows) = (side(width), side(height));
        let start = |whole: usize, part: usize, share: f32| {
            ((whole as f32 * share).round() as usize).min(whole - part)
        };
        let (left, top) = (start(width, columns, self.left), start(height, rows, self.top));
        let pixels = picture.to_rgb8();
        let source = Source { pixels: &pixels, width, height };
        let (sine, cosine) = self.degrees.to_radians().sin_cos();
        let middle =
            [left as f32 + (columns as f32 - 1.0) / 2.0, top as f32 + (rows as f32 - 1.0) / 2.0];
        let mut out = Vec::with_capacity(rows * columns * 3);
        for y in 0..rows {
            for x in 0..columns {
                let across = if self.flip { columns - 1 - x } else { x };
                let offset = [(left + across) as f32 - middle[0], (top + y) as f32 - middle[1]];
                let pixel = match self.degrees == 0.0 {
                    true => source.pixel(left + across, top + y),
                    false => source.between(
                        middle[0] + cosine * offset[0] + sine * offset[1],
                        middle[1] - sine * offset[0] + cosine * offset[1],
                    ),
                };
                out.extend(
                    pixel.map(|level| (level * self.brightness).round().clamp(0.0, 255.0) as u8),
                );
            }
        }
        Picture::from_rgb8(columns, rows, out)
            .expect("as many pixels as its size says")
            .named(picture.name())
    }
}

/// Pixels to read from.
struct Source<'a> {
    pixels: &'a [u8],
    width: usize,
    height: usize,
}

impl Source<'_> {
    fn pixel(&self, x: usize, y: usize) -> [f32; 3] {
        let at = 3 * (y * self.width + x);
        std::array::from_fn(|channel| f32::from(self.pixels[at + channel]))
    }

    /// Interpolates bilinearly at a point.
    fn between(&self, x: f32, y: f32) -> [f32; 3] {
        let (x, y) =
            (x.clamp(0.0, (self.width - 1) as f32), y.clamp(0.0, (self.height - 1) as f32));
        let (left, top) = (x as usize, y as usize);
        let (right, bottom) = ((left + 1).min(self.width - 1), (top + 1).min(self.height - 1));
        let (across, down) = (x - left as f32, y - top as f32);
        let corners = [(left, top), (right, top), (left, bottom), (right, bottom)]
            .map(|(x, y)| self.pixel(x, y));
        std::array::from_fn(|c| {
            let above = corners[0][c] + across * (corners[1][c] - corners[0][c]);
            let below = corners[2][c] + across * (corners[3][c] - corners[2][c]);
            above + down * (below - above)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Augmentation =
        Augmentation { flip: false, size: 1.0, left: 0.0, top: 0.0, brightness: 1.0, degrees: 0.0 };

    fn picture() -> Picture {
        Picture::from_rgb8(5, 4, (0..60).map(|n| n * 4).collect()).unwrap()
    }

    #[test]
    fn nothing_done_changes_nothing() {
        assert_eq!(NONE.apply(&picture()), picture());
        let turned = Augmentation { degrees: 1e-6, ..NONE }.apply(&picture());
        assert_eq!(turned, picture());
    }

    #[test]
    fn twice_mirrored_is_as_before() {
        let flip = Augmentation { flip: true, ..NONE };
        assert_ne!(flip.apply(&picture()), picture());
        assert_eq!(flip.apply(&flip.apply(&picture())), picture());
    }

    #[test]
    fn half_a_turn_is_back_to_front() {
        let turned = Augmentation { degrees: 180.0, ..NONE }.apply(&picture()).to_rgb8();
        let back: Vec<u8> = picture().to_rgb8().chunks(3).rev().flatten().copied().collect();
        assert!(turned.iter().zip(back).all(|(&a, b)| a.abs_diff(b) <= 1));
    }

    #[test]
    fn a_crop_stays_inside_and_depends_on_the_photo_alone() {
        let augmentations = AugmentationOptions {
            flip: true,
            crop: 30.0,
            scale: 20.0,
            brightness: 20.0,
            rotation: 15.0,
            copies: 3,
            seed: 1,
        };
        for n in 0..50 {
            let photo = Digest([n; 32]);
            let one = augmentations.for_copy(photo, 1);
            assert_eq!(one, augmentations.for_copy(photo, 1));
            assert_ne!(one, augmentations.for_copy(photo, 2));
            assert!(
                one.left + one.size <= 1.0
                    && one.top + one.size <= 1.0
                    && one.size >= 1.0 / (1.3 * 1.2) - 1e-6
            );
            let applied = one.apply(&picture());
            assert!(applied.width() <= 5 && applied.height() <= 4);
        }
    }
}
