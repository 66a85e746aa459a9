//! Planes of luma and chroma.

use super::colour::Coding;

/// How many samples of chroma there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// None: the picture is grey.
    Grey,
    /// One for two by two pixels (4:2:0).
    Quarter,
    /// One for two pixels of a row (4:2:2).
    Half,
    /// One for each pixel (4:4:4).
    Full,
}

/// A picture of one plane of luma and two of chroma.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Planes {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) layout: Layout,
    /// 8, 10 or 12.
    pub(super) bits: u32,
    /// As the AV1 data has it.
    pub(super) coding: Coding,
    /// Rows from the top; those of chroma are empty for grey.
    pub(super) samples: [Vec<u16>; 3],
}

impl Layout {
    /// Width and height of a plane, 0 for luma.
    pub(super) fn plane_size(self, plane: usize, width: usize, height: usize) -> (usize, usize) {
        match (plane, self) {
            (0, _) | (_, Self::Full) => (width, height),
            (_, Self::Half) => (width.div_ceil(2), height),
            (_, Self::Quarter) => (width.div_ceil(2), height.div_ceil(2)),
            (_, Self::Grey) => (0, 0),
        }
    }
}

impl Planes {
    pub(super) fn is_grey(&self) -> bool {
        self.layout == Layout::Grey
    }

    /// Returns a picture of the same kind and another size, of zeros.
    pub(super) fn empty_like(&self, width: usize, height: usize) -> Self {
        let samples = [0, 1, 2].map(|plane| {
            let (width, height) = self.layout.plane_size(plane, width, height);
            vec![0; width * height]
        });
        Self { width, height, coding: self.coding.clone(), samples, ..*self }
    }

    /// Returns a row of a plane; empty for the chroma of grey.
    pub(super) fn row(&self, plane: usize, row: usize) -> &[u16] {
        let (width, _) = self.layout.plane_size(plane, self.width, self.height);
        &self.samples[plane][row * width..][..width]
    }

    /// Copies a tile to its place, as far as it lies within the picture. False if it is of another
    /// kind, or begins within a sample of chroma.
    pub(super) fn paste(&mut self, tile: &Self, left: usize, top: usize) -> bool {
        let (across, down) = match self.layout {
            Layout::Quarter => (2, 2),
            Layout::Half => (2, 1),
            Layout::Full | Layout::Grey => (1, 1),
        };
        let is_aligned = left.is_multiple_of(across) && top.is_multiple_of(down);
        if !is_aligned || (tile.layout, tile.bits) != (self.layout, self.bits) {
            return false;
        }
        for plane in 0..3 {
            let (left, top) = if plane == 0 { (left, top) } else { (left / across, top / down) };
            let (width, height) = self.layout.plane_size(plane, self.width, self.height);
            let (tile_width, tile_height) = tile.layout.plane_size(plane, tile.width, tile.height);
            let columns = tile_width.min(width.saturating_sub(left));
            for row in 0..tile_height.min(height.saturating_sub(top)) {
                let to = (top + row) * width + left;
                let pasted = &tile.row(plane, row)[..columns];
                self.samples[plane][to..to + columns].copy_from_slice(pasted);
            }
        }
        true
    }
}
