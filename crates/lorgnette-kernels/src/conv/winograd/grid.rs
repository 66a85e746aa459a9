//! Positions of tiles in an image.

use crate::ConvShape;

use super::transform::{MAX_OUTPUTS, MAX_POINTS, Transform1d};

/// The tiles of a convolution's outputs. A window of dilation `d` sees `d · d` interleaved images
/// of every `d`-th pixel, which are convolved one beside the other.
pub(super) struct TileGrid<'a> {
    shape: &'a ConvShape,
    /// Outputs of a tile along each axis.
    outputs: [usize; 2],
    /// Inputs of a tile along each axis.
    points: [usize; 2],
    /// Tiles along each axis, over all interleaved images.
    tiles: [usize; 2],
}

/// A tile's image and its first output's row and column.
#[derive(Clone, Copy)]
pub(super) struct TileCoords {
    image: usize,
    first: [usize; 2],
}

impl<'a> TileGrid<'a> {
    pub(super) fn new<V: Transform1d, H: Transform1d>(shape: &'a ConvShape) -> Self {
        let (outputs, size) = ([V::OUTPUTS, H::OUTPUTS], [shape.output.height, shape.output.width]);
        let along = |axis: usize| {
            let step = shape.window.dilation[axis];
            step * size[axis].div_ceil(step).div_ceil(outputs[axis])
        };
        Self { shape, outputs, points: [V::POINTS, H::POINTS], tiles: [along(0), along(1)] }
    }

    /// Returns the tiles of one image.
    pub(super) fn per_image(&self) -> usize {
        self.tiles[0] * self.tiles[1]
    }

    /// Returns the tiles of all images.
    pub(super) fn len(&self) -> usize {
        self.shape.output.batch * self.per_image()
    }

    pub(super) fn tile_coords(&self, tile: usize) -> TileCoords {
        let (image, offset) = (tile / self.per_image(), tile % self.per_image());
        let first = |axis: usize, at: usize| {
            let step = self.shape.window.dilation[axis];
            let across = self.tiles[axis] / step;
            at / across + at % across * self.outputs[axis] * step
        };
        TileCoords {
            image,
            first: [first(0, offset / self.tiles[1]), first(1, offset % self.tiles[1])],
        }
    }

    /// Returns the word offset of each input pixel of a tile, `None` in the padding.
    #[inline(always)]
    pub(super) fn inputs(
        &self,
        tile_coords: TileCoords,
    ) -> [[Option<usize>; MAX_POINTS]; MAX_POINTS] {
        let layout = &self.shape.input;
        let padding = &self.shape.window.padding;
        let rows = self.line(0, tile_coords, padding.top, layout.height);
        let columns = self.line(1, tile_coords, padding.left, layout.width);
        let mut offsets = [[None; MAX_POINTS]; MAX_POINTS];
        for (row, offsets) in rows.iter().zip(&mut offsets).take(self.points[0]) {
            for (column, offset) in columns.iter().zip(offsets).take(self.points[1]) {
                *offset = row.zip(*column).map(|(y, x)| {
                    ((tile_coords.image * layout.height + y) * layout.width + x)
                        * layout.word_stride()
                });
            }
        }
        offsets
    }

    #[inline(always)]
    fn line(
        &self,
        axis: usize,
        tile_coords: TileCoords,
        padding: usize,
        size: usize,
    ) -> [Option<usize>; MAX_POINTS] {
        let step = self.shape.window.dilation[axis];
        std::array::from_fn(|i| {
            (tile_coords.first[axis] + i * step).checked_sub(padding).filter(|&at| at < size)
        })
    }

    /// Returns the index of each output pixel of a tile over all images, `None` beyond the edge.
    #[inline(always)]
    pub(super) fn pixels(
        &self,
        tile_coords: TileCoords,
    ) -> [[Option<usize>; MAX_OUTPUTS]; MAX_OUTPUTS] {
        let layout = &self.shape.output;
        let [rows, columns] = [(0, layout.height), (1, layout.width)].map(|(axis, size)| {
            let step = self.shape.window.dilation[axis];
            let at = |j: usize| Some(tile_coords.first[axis] + j * step).filter(|&at| at < size);
            std::array::from_fn::<_, MAX_OUTPUTS, _>(at)
        });
        rows.map(|y| {
            columns.map(|x| Some((tile_coords.image * layout.height + y?) * layout.width + x?))
        })
    }
}
