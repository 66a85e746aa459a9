//! The frame: components with their coefficients and samples.

use crate::error::Error;
use crate::markers::Layout;
use crate::options::DecodeOptions;
use crate::tables::Tables;
use crate::transform::{Dequantiser, Transform};

/// A picture during decoding.
pub(crate) struct Frame {
    /// Size of the decoded picture, which may be smaller than stored.
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) progressive: bool,
    /// MCUs across and down.
    pub(crate) mcus: (usize, usize),
    /// Side in samples of a block of the most finely sampled component: 8, or less at a reduced
    /// size.
    pub(crate) block_side: usize,
    pub(crate) components: Vec<Component>,
    /// Highest sampling factors of any component, 1 to 4.
    pub(crate) horizontal: usize,
    pub(crate) vertical: usize,
}

/// A component: its size, coefficients and samples.
pub(crate) struct Component {
    pub(crate) id: u8,
    /// Sampling factors: blocks in an MCU across and down, 1 to 4.
    pub(crate) horizontal: usize,
    pub(crate) vertical: usize,
    /// Samples inside the picture.
    pub(crate) width: usize,
    pub(crate) height: usize,
    /// Side in samples of a block: the frame's, or more in place of upsampling.
    pub(crate) block_side: usize,
    /// Blocks with samples inside the picture, across and down: those of a scan of this component
    /// alone.
    pub(crate) own_blocks: (usize, usize),
    /// Blocks in a row of the planes, a multiple of the MCU's.
    pub(crate) blocks_across: usize,
    table: usize,
    /// The quantisation in force at the start of its first scan.
    pub(crate) steps: Option<Dequantiser>,
    /// 64 coefficients per block, row by row; empty unless the frame is progressive.
    pub(crate) coefficients: Vec<i16>,
    /// `block_side * blocks_across` samples per row.
    pub(crate) samples: Vec<u8>,
}

impl Frame {
    /// Creates a frame without coefficients.
    pub(crate) fn new(layout: &Layout<'_>, options: &DecodeOptions) -> Result<Self, Error> {
        let max_sampling = |sampling: fn(&crate::markers::Component) -> u8| {
            layout
                .components
                .iter()
                .map(|component| usize::from(sampling(component)))
                .max()
                .unwrap_or(1)
        };
        let (horizontal, vertical) = (max_sampling(|c| c.horizontal), max_sampling(|c| c.vertical));
        let block_side = block_side(options, layout);
        let mut frame = Self {
            width: reduced(layout.width, block_side),
            height: reduced(layout.height, block_side),
            progressive: layout.progressive,
            mcus: (layout.width.div_ceil(8 * horizontal), layout.height.div_ceil(8 * vertical)),
            block_side,
            components: Vec::new(),
            horizontal,
            vertical,
        };
        for component in &layout.components {
            let fits = horizontal % usize::from(component.horizontal) == 0
                && vertical % usize::from(component.vertical) == 0;
            if !fits {
                return Err(Error::unsupported("a JPEG with fractional chroma sampling"));
            }
            frame.components.push(Component::new(&frame, layout, component));
        }
        Ok(frame)
    }

    /// Tables may change between scans: a component keeps those of its first one, as in libjpeg.
    pub(crate) fn latch_quantisation(
        &mut self,
        transform: Transform,
        tables: &Tables,
        scanned: impl Iterator<Item = usize>,
    ) -> Result<(), Error> {
        for index in scanned {
            let component = &mut self.components[index];
            if component.steps.is_some() {
                continue;
            }
            let table = tables.quantisation.get(component.table).and_then(Option::as_ref);
            let table = table.ok_or_else(|| Error::damaged("a quantisation table is missing"))?;
            component.steps = Some(Dequantiser::new(table, transform, component.block_side));
        }
        Ok(())
    }

    /// Transforms the coefficients of progressive scans to samples.
    pub(crate) fn finish(&mut self) {
        for component in &mut self.components {
            component.transform_all();
        }
    }
}

impl Component {
    fn new(frame: &Frame, layout: &Layout<'_>, component: &crate::markers::Component) -> Self {
        let (horizontal, vertical) =
            (usize::from(component.horizontal), usize::from(component.vertical));
        let blocks_across = frame.mcus.0 * horizontal;
        let blocks = blocks_across * frame.mcus.1 * vertical;
        let block_side = own_block_side(frame, horizontal, vertical);
        let width = |block_side: usize| {
            (layout.width * horizontal * block_side).div_ceil(8 * frame.horizontal)
        };
        let height = |block_side: usize| {
            (layout.height * vertical * block_side).div_ceil(8 * frame.vertical)
        };
        Self {
            id: component.id,
            horizontal,
            vertical,
            width: width(block_side),
            height: height(block_side),
            block_side,
            own_blocks: (width(1), height(1)),
            blocks_across,
            table: usize::from(component.table),
            steps: None,
            coefficients: if frame.progressive { vec![0; 64 * blocks] } else { Vec::new() },
            // A component without scans stays at the middle of the range.
            samples: vec![128; block_side * block_side * blocks],
        }
    }

    fn transform_all(&mut self) {
        let coefficients = std::mem::take(&mut self.coefficients);
        for (index, block) in coefficients.as_chunks::<64>().0.iter().enumerate() {
            let is_flat = block[1..].iter().fold(0, |all, coefficient| all | coefficient) == 0;
            self.transform_block(
                index % self.blocks_across,
                index / self.blocks_across,
                block,
                is_flat,
            );
        }
    }

    /// Transforms a block's coefficients to samples; `is_flat` if all but the first are zero.
    #[inline]
    pub(crate) fn transform_block(
        &mut self,
        column: usize,
        row: usize,
        block: &[i16; 64],
        is_flat: bool,
    ) {
        let Some(steps) = &self.steps else { return };
        let stride = self.block_side * self.blocks_across;
        let start = self.block_side * (row * stride + column);
        let out = &mut self.samples[start..];
        if is_flat {
            steps.fill(block[0], out, stride);
        } else {
            steps.transform(block, out, stride);
        }
    }
}

/// Side in samples of a block: 8, or the smallest that suffices for the caller.
fn block_side(options: &DecodeOptions, layout: &Layout<'_>) -> usize {
    let Some([rows, columns]) = options.min_size else { return 8 };
    let is_enough = |side: &usize| {
        reduced(layout.height, *side) >= rows && reduced(layout.width, *side) >= columns
    };
    [1, 2, 4].into_iter().find(is_enough).unwrap_or(8)
}

/// A side of the picture at `block_side` samples per block: rounded up, as in libjpeg.
fn reduced(length: usize, block_side: usize) -> usize {
    (length * block_side).div_ceil(8)
}

/// Side in samples of a component's block. At a reduced size, blocks of a coarser component become
/// larger as long as sides divide evenly, which is better and cheaper than upsampling
/// (`jpeg_calc_output_dimensions` in jdmaster.c).
fn own_block_side(frame: &Frame, horizontal: usize, vertical: usize) -> usize {
    let divides = |max_sampling: usize, component_sampling: usize| {
        (max_sampling * frame.block_side).is_multiple_of(component_sampling)
    };
    let mut side = frame.block_side;
    while side < 8
        && divides(frame.horizontal, 2 * horizontal * side)
        && divides(frame.vertical, 2 * vertical * side)
    {
        side *= 2;
    }
    side
}
