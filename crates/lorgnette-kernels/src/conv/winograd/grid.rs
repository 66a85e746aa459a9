//! Where tiles lie in a picture.

use crate::ConvShape;

use super::form::{Form, MOST_OUTPUTS, MOST_POINTS};

/// The tiles of a convolution's outputs. A window whose taps are `d` apart sees `d · d` pictures of every `d`-th pixel,
/// which are convolved one beside the other.
pub(super) struct Grid<'a> {
    shape: &'a ConvShape,
    /// Outputs of a tile along each axis.
    outputs: [usize; 2],
    /// Inputs of a tile along each axis.
    points: [usize; 2],
    /// Tiles along each axis, over all the interleaved pictures.
    tiles: [usize; 2],
}

/// A tile: its picture and its first output's row and column.
#[derive(Clone, Copy)]
pub(super) struct Spot {
    picture: usize,
    first: [usize; 2],
}

impl<'a> Grid<'a> {
    pub(super) fn new<V: Form, H: Form>(shape: &'a ConvShape) -> Self {
        let (outputs, size) = ([V::OUTPUTS, H::OUTPUTS], [shape.output.height, shape.output.width]);
        let along = |axis: usize| {
            let step = shape.window.dilation[axis];
            step * size[axis].div_ceil(step).div_ceil(outputs[axis])
        };
        Self { shape, outputs, points: [V::POINTS, H::POINTS], tiles: [along(0), along(1)] }
    }

    /// Tiles of one picture.
    pub(super) fn per_picture(&self) -> usize {
        self.tiles[0] * self.tiles[1]
    }

    /// Tiles of all pictures.
    pub(super) fn len(&self) -> usize {
        self.shape.output.batch * self.per_picture()
    }

    pub(super) fn spot(&self, tile: usize) -> Spot {
        let (picture, place) = (tile / self.per_picture(), tile % self.per_picture());
        let first = |axis: usize, at: usize| {
            let step = self.shape.window.dilation[axis];
            let across = self.tiles[axis] / step;
            at / across + at % across * self.outputs[axis] * step
        };
        Spot { picture, first: [first(0, place / self.tiles[1]), first(1, place % self.tiles[1])] }
    }

    /// Where each input pixel of a tile begins, `None` in the padding.
    #[inline(always)]
    pub(super) fn inputs(&self, spot: Spot) -> [[Option<usize>; MOST_POINTS]; MOST_POINTS] {
        let map = &self.shape.input;
        let padding = &self.shape.window.padding;
        let rows = self.line(0, spot, padding.top, map.height);
        let columns = self.line(1, spot, padding.left, map.width);
        let mut places = [[None; MOST_POINTS]; MOST_POINTS];
        for (row, places) in rows.iter().zip(&mut places).take(self.points[0]) {
            for (column, place) in columns.iter().zip(places).take(self.points[1]) {
                *place = row.zip(*column).map(|(y, x)| ((spot.picture * map.height + y) * map.width + x) * map.stride);
            }
        }
        places
    }

    #[inline(always)]
    fn line(&self, axis: usize, spot: Spot, padding: usize, size: usize) -> [Option<usize>; MOST_POINTS] {
        let step = self.shape.window.dilation[axis];
        std::array::from_fn(|i| (spot.first[axis] + i * step).checked_sub(padding).filter(|&at| at < size))
    }

    /// The number of each output pixel of a tile, over all pictures; `None` beyond the edge.
    #[inline(always)]
    pub(super) fn pixels(&self, spot: Spot) -> [[Option<usize>; MOST_OUTPUTS]; MOST_OUTPUTS] {
        let map = &self.shape.output;
        let [rows, columns] = [(0, map.height), (1, map.width)].map(|(axis, size)| {
            let step = self.shape.window.dilation[axis];
            let at = |j: usize| Some(spot.first[axis] + j * step).filter(|&at| at < size);
            std::array::from_fn::<_, MOST_OUTPUTS, _>(at)
        });
        rows.map(|y| columns.map(|x| Some((spot.picture * map.height + y?) * map.width + x?)))
    }
}
