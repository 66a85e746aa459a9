//! Kernels that can compute a range of rows, with the same bits as the whole picture.

use std::ops::Range;
use std::sync::Arc;

use lorgnette_kernels::{
    Affine, AffineInPlace, Clamp, Conv, ConvKernel, ConvShape, Depthwise, DepthwiseKernel,
    DepthwiseShape, ImageLayout, ImagePair, NumericOptions, PoolShape, Residual, Unary, Window,
};

use super::row_dependency::RowDependency;
use super::step_args::WordArgs;
use super::weight_cache::PackedWeights;

/// One number for each channel, shared.
pub(super) type PerChannel = Option<Arc<[f32]>>;

/// A kernel, with its parameters, that can compute a range of rows.
#[derive(Debug)]
pub(super) enum RowKernel {
    Conv(ConvStep),
    Depthwise(DepthwiseStep),
    Pool(PoolShape),
    Affine(AffineStep),
    Unary(UnaryStep),
}

#[derive(Debug)]
pub(super) struct ConvStep {
    pub(super) kernel: &'static ConvKernel,
    pub(super) shape: ConvShape,
    pub(super) packed: Arc<PackedWeights>,
    pub(super) bias: PerChannel,
    /// The layout of the second input, if it is added.
    pub(super) residual: Option<ImageLayout>,
    pub(super) clamp: Clamp,
}

#[derive(Debug)]
pub(super) struct DepthwiseStep {
    pub(super) kernel: &'static DepthwiseKernel,
    pub(super) shape: DepthwiseShape,
    pub(super) packed: Arc<PackedWeights>,
    pub(super) bias: PerChannel,
    pub(super) clamp: Clamp,
}

#[derive(Debug)]
pub(super) struct AffineStep {
    pub(super) from: ImageLayout,
    pub(super) to: ImageLayout,
    pub(super) scale: PerChannel,
    pub(super) shift: PerChannel,
    pub(super) clamp: Clamp,
}

#[derive(Debug)]
pub(super) struct UnaryStep {
    pub(super) function: Unary,
    pub(super) from: ImageLayout,
    pub(super) to: ImageLayout,
}

impl RowKernel {
    /// Computes the whole output, without allocating.
    pub(super) fn run(&self, args: WordArgs<'_>) {
        match self {
            Self::Conv(step) => step.run(&step.shape, args),
            Self::Depthwise(step) => step.run(&step.shape, args),
            Self::Pool(shape) => run_pool(shape, args),
            Self::Affine(step) if args.inputs[0].is_none() => step.run_in_place(args),
            Self::Affine(step) => step.run(&step.from, &step.to, args),
            Self::Unary(step) if args.inputs[0].is_none() => step.run_in_place(args),
            Self::Unary(step) => step.run(&step.from, &step.to, args),
        }
    }

    /// Its row dependency, or `None` if it cannot compute a range of rows.
    pub(super) fn row_dependency(&self) -> Option<RowDependency> {
        match self {
            Self::Conv(ConvStep { kernel, shape, .. }) => RowDependency::new(
                shape.input,
                shape.output,
                shape.window,
                (kernel.row_block)(shape)?,
            ),
            Self::Depthwise(DepthwiseStep { shape, .. }) => {
                RowDependency::new(shape.input, shape.output, shape.window, 1)
            }
            Self::Pool(shape) => RowDependency::new(shape.input, shape.output, shape.window, 1),
            Self::Affine(AffineStep { from, to, .. }) | Self::Unary(UnaryStep { from, to, .. }) => {
                RowDependency::new(*from, *to, Window::POINTWISE, 1)
            }
        }
    }

    /// Computes the output `rows`. The input slices begin at the first input row that these depend
    /// on, the output slice at the first of `rows`.
    pub(super) fn run_rows(
        &self,
        row_dependency: &RowDependency,
        rows: &Range<usize>,
        args: WordArgs<'_>,
    ) {
        let RowDependency { from: input, to: output, window, .. } = row_dependency.for_rows(rows);
        match self {
            Self::Conv(step) => step.run(&ConvShape { input, output, window }, args),
            Self::Depthwise(step) => {
                step.run(&DepthwiseShape { input, output, window, ..step.shape }, args);
            }
            Self::Pool(shape) => run_pool(&PoolShape { input, output, window, ..*shape }, args),
            Self::Affine(step) => step.run(&input, &output, args),
            Self::Unary(step) => step.run(&input, &output, args),
        }
    }

    /// The kernel's name in reports.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Conv(step) => step.kernel.name.into(),
            Self::Depthwise(step) => step.kernel.name.into(),
            Self::Pool(shape) => format!("{:?} pool", shape.kind).to_lowercase(),
            Self::Affine(AffineStep { scale: None, shift: None, .. }) => "clamp".into(),
            Self::Affine(_) => "affine".into(),
            Self::Unary(step) => format!("{:?}", step.function).to_lowercase(),
        }
    }

    /// The number formats of its products and weights; `None` for kernels without weights.
    pub(super) fn numerics(&self) -> Option<NumericOptions> {
        match self {
            Self::Conv(step) => Some(step.kernel.numerics),
            Self::Depthwise(_) => Some(NumericOptions::default()),
            Self::Pool(_) | Self::Affine(_) | Self::Unary(_) => None,
        }
    }

    /// The layout of the addend, if there is one.
    pub(super) fn residual(&self) -> Option<ImageLayout> {
        match self {
            Self::Conv(step) => step.residual,
            Self::Depthwise(_) | Self::Pool(_) | Self::Affine(_) | Self::Unary(_) => None,
        }
    }

    /// Words of scratch for a run on `threads` threads.
    pub(super) fn scratch_len(&self, threads: usize) -> usize {
        match self {
            Self::Conv(step) => (step.kernel.scratch_len)(&step.shape, threads),
            Self::Depthwise(_) | Self::Pool(_) | Self::Affine(_) | Self::Unary(_) => 0,
        }
    }

    /// Words of scratch for up to `max_rows` rows on one thread.
    pub(super) fn rows_scratch_len(
        &self,
        row_dependency: &RowDependency,
        max_rows: usize,
    ) -> usize {
        match self {
            Self::Conv(step) => (1..=max_rows)
                .map(|rows| (step.kernel.scratch_len)(&row_dependency.max_conv(rows), 1))
                .max()
                .unwrap_or(0),
            Self::Depthwise(_) | Self::Pool(_) | Self::Affine(_) | Self::Unary(_) => 0,
        }
    }

    /// Floating-point operations of a run; a multiplication and an addition count as two.
    pub(super) fn flops(&self) -> u64 {
        match self {
            Self::Conv(step) => step.shape.flops(),
            Self::Depthwise(step) => step.shape.flops(),
            Self::Pool(_) | Self::Affine(_) | Self::Unary(_) => 0,
        }
    }

    /// Multiplications of a run; fewer with Winograd than in the definition.
    pub(super) fn products(&self) -> u64 {
        match self {
            Self::Conv(step) => (step.kernel.algorithm.products)(&step.shape),
            Self::Depthwise(_) | Self::Pool(_) | Self::Affine(_) | Self::Unary(_) => {
                self.flops() / 2
            }
        }
    }

    /// Bytes of packed weights it reads.
    pub(super) fn weight_bytes(&self) -> usize {
        match self {
            Self::Conv(ConvStep { packed, .. }) | Self::Depthwise(DepthwiseStep { packed, .. }) => {
                packed.bytes().len()
            }
            Self::Pool(_) | Self::Affine(_) | Self::Unary(_) => 0,
        }
    }
}

impl ConvStep {
    /// Computes a convolution of this shape.
    fn run(&self, shape: &ConvShape, args: WordArgs<'_>) {
        let residual = self.residual.map(|layout| Residual {
            values: args.input(1),
            stride: layout.stride,
            storage: layout.storage,
        });
        let input = args.input(0);
        let WordArgs { pool, output, scratch, .. } = args;
        let conv = Conv {
            shape,
            input,
            packed: self.packed.words(),
            bias: self.bias.as_deref(),
            residual,
            clamp: self.clamp,
            output,
            scratch,
        };
        (self.kernel.run)(conv, pool);
    }
}

impl DepthwiseStep {
    /// Computes a depthwise convolution of this shape.
    fn run(&self, shape: &DepthwiseShape, args: WordArgs<'_>) {
        let input = args.input(0);
        let WordArgs { pool, output, .. } = args;
        let depthwise = Depthwise {
            shape,
            input,
            packed: self.packed.words(),
            bias: self.bias.as_deref(),
            clamp: self.clamp,
            output,
        };
        (self.kernel.run)(depthwise, pool);
    }
}

fn run_pool(shape: &PoolShape, args: WordArgs<'_>) {
    let x = args.input(0);
    let WordArgs { level, pool, output, .. } = args;
    lorgnette_kernels::pool_window(level, shape, x, output, pool);
}

impl AffineStep {
    fn run(&self, from: &ImageLayout, to: &ImageLayout, args: WordArgs<'_>) {
        let input = args.input(0);
        let WordArgs { level, pool, output, .. } = args;
        let affine = Affine {
            input_layout: *from,
            input,
            scale: self.scale.as_deref(),
            shift: self.shift.as_deref(),
            clamp: self.clamp,
            output_layout: *to,
            output,
        };
        lorgnette_kernels::affine(level, affine, pool);
    }

    fn run_in_place(&self, args: WordArgs<'_>) {
        let WordArgs { level, pool, output, .. } = args;
        let affine = AffineInPlace {
            layout: self.to,
            scale: self.scale.as_deref(),
            shift: self.shift.as_deref(),
            clamp: self.clamp,
            values: output,
        };
        lorgnette_kernels::affine_in_place(level, affine, pool);
    }
}

impl UnaryStep {
    fn run(&self, from: &ImageLayout, to: &ImageLayout, args: WordArgs<'_>) {
        let x = args.input(0);
        let WordArgs { level, pool, output, .. } = args;
        let images = ImagePair::new(from, x, to, output);
        lorgnette_kernels::unary(level, self.function, images, pool);
    }

    fn run_in_place(&self, args: WordArgs<'_>) {
        let WordArgs { level, pool, output, .. } = args;
        lorgnette_kernels::unary_in_place(level, self.function, &self.to, output, pool);
    }
}
