//! The part of a picture that a clean aperture shows.

/// A rectangle of pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Crop {
    pub(super) left: usize,
    pub(super) top: usize,
    pub(super) width: usize,
    pub(super) height: usize,
}

impl Crop {
    pub(super) fn whole(width: usize, height: usize) -> Self {
        Self { left: 0, top: 0, width, height }
    }

    /// Returns the part of this size, in fractions of pixels, whose middle is so far from this
    /// one's (ISO/IEC 14496-12, 12.1.4). `None` if it is empty or juts out.
    pub(super) fn clean_aperture(
        &self,
        size: [(u32, u32); 2],
        offset: [(i32, u32); 2],
    ) -> Option<Self> {
        let side = |whole, d: usize| {
            let length = f64::from(size[d].0) / f64::from(size[d].1);
            side(whole, length, f64::from(offset[d].0) / f64::from(offset[d].1))
        };
        let (left, width) = side(self.width, 0)?;
        let (top, height) = side(self.height, 1)?;
        Some(Self { left: self.left + left, top: self.top + top, width, height })
    }
}

/// Returns the first pixel and the number of pixels.
fn side(whole: usize, length: f64, offset: f64) -> Option<(usize, usize)> {
    let middle = offset + whole as f64 / 2.0;
    let start = (middle - length / 2.0).round();
    let length = length.round();
    // Neither holds for a denominator of zero.
    let fits = start >= 0.0 && length >= 1.0 && start + length <= whole as f64;
    fits.then_some((start as usize, length as usize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_aperture_lies_around_the_middle() {
        let whole = Crop::whole(100, 50);
        let crop = whole.clean_aperture([(40, 1), (20, 1)], [(0, 1), (10, 2)]).unwrap();
        assert_eq!(crop, Crop { left: 30, top: 20, width: 40, height: 20 });
        let crop = whole.clean_aperture([(100, 1), (50, 1)], [(0, 1), (0, 1)]);
        assert_eq!(crop, Some(whole));
        for size in [[(0, 1), (1, 1)], [(1, 0), (1, 1)], [(101, 1), (1, 1)]] {
            assert_eq!(whole.clean_aperture(size, [(0, 1), (0, 1)]), None);
        }
        assert_eq!(whole.clean_aperture([(1, 1), (1, 1)], [(60, 1), (0, 1)]), None);
        assert_eq!(whole.clean_aperture([(1, 1), (1, 1)], [(0, 0), (0, 1)]), None);
    }
}
