//! From the network's maps to faces.

use super::Face;

/// Pixels of the input from one cell of the maps to the next.
pub(super) const CELL: usize = 4;

/// The network's outputs for a tile, row by row, channels last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Maps<'a> {
    /// Number of columns of cells.
    pub(super) columns: usize,
    /// Probability that a face's centre is in the cell.
    pub(super) probability: &'a [f32],
    /// Logarithms of height and width, in cells.
    pub(super) size: &'a [f32],
    /// The centre's place in its cell, down and across, in cells.
    pub(super) offset: &'a [f32],
    /// Down and across for each landmark, as shares of height and width from the box's corner.
    pub(super) landmarks: &'a [f32],
}

/// The maps of a tile and its place in the input.
#[derive(Clone, Copy, Debug)]
pub(super) struct Decoded<'a> {
    pub(super) maps: Maps<'a>,
    /// Left and top of the tile, in pixels of the input.
    pub(super) corner: [f32; 2],
    /// Width and height of the input, to which boxes are cut.
    pub(super) size: [f32; 2],
}

impl<'a> Decoded<'a> {
    /// The faces above a probability, in pixels of the input.
    pub(super) fn faces(self, min_probability: f32) -> impl Iterator<Item = Face> + 'a {
        let cells = self.maps.probability.iter().enumerate();
        // False for NaN, too.
        let probable = cells.filter(move |&(_, &probability)| probability > min_probability);
        probable.map(move |(cell, &probability)| self.face(cell, probability))
    }

    /// The face whose centre is in a cell.
    fn face(&self, cell: usize, probability: f32) -> Face {
        let Maps { columns, size, offset, landmarks, .. } = self.maps;
        let pixels = CELL as f32;
        let (row, column) = ((cell / columns) as f32, (cell % columns) as f32);
        let [height, width] = [size[2 * cell].exp() * pixels, size[2 * cell + 1].exp() * pixels];
        let y = (row + offset[2 * cell] + 0.5) * pixels + self.corner[1];
        let x = (column + offset[2 * cell + 1] + 0.5) * pixels + self.corner[0];
        let left = (x - width / 2.0).clamp(0.0, self.size[0]);
        let top = (y - height / 2.0).clamp(0.0, self.size[1]);
        let right = (left + width).min(self.size[0]);
        let bottom = (top + height).min(self.size[1]);
        let landmark = |index: usize| {
            let at = 10 * cell + 2 * index;
            [landmarks[at + 1] * width + left, landmarks[at] * height + top]
        };
        Face {
            bounds: [left, top, right, bottom],
            probability,
            landmarks: std::array::from_fn(landmark),
            scale: 1.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_becomes_a_box_around_its_centre() {
        let mut probability = [0.1; 12];
        probability[6] = 0.9;
        let size: Vec<f32> = (0..12).flat_map(|_| [2.0_f32.ln(), 1.0_f32.ln()]).collect();
        let maps = Maps {
            columns: 4,
            probability: &probability,
            size: &size,
            offset: &[0.25; 24],
            landmarks: &[0.5; 120],
        };
        let decoded = Decoded { maps, corner: [32.0, 64.0], size: [100.0, 200.0] };
        let faces: Vec<Face> = decoded.faces(0.5).collect();
        // Row 1, column 2; the centre is a quarter of a cell behind the middle of the cell.
        let [x, y] = [32.0 + 2.75 * 4.0, 64.0 + 1.75 * 4.0];
        assert_eq!(faces.len(), 1);
        assert_eq!(faces[0].bounds, [x - 2.0, y - 4.0, x + 2.0, y + 4.0]);
        assert_eq!(faces[0].landmarks, [[x, y]; 5]);
    }

    #[test]
    fn boxes_end_at_the_edge_and_nan_is_no_face() {
        let maps = Maps {
            columns: 2,
            probability: &[f32::NAN, 0.6],
            size: &[5.0; 4],
            offset: &[0.0; 4],
            landmarks: &[0.0; 20],
        };
        let decoded = Decoded { maps, corner: [0.0; 2], size: [32.0, 16.0] };
        let faces: Vec<Face> = decoded.faces(0.5).collect();
        assert_eq!(faces.len(), 1);
        assert_eq!(faces[0].bounds, [0.0, 0.0, 32.0, 16.0]);
    }
}
