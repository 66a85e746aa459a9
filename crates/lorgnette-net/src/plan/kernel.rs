//! Kernels with all their parameters.

use std::sync::Arc;

use lorgnette_kernels::fallback::{self, Gather, Gathered, Reduction};
use lorgnette_kernels::{
    Affine, AffineInPlace, Binary, BinaryInPlace, BinaryOp, Clamp, Conv, ConvKernel, ConvShape,
    Depthwise, DepthwiseKernel, DepthwiseShape, ImageLayout, ImagePair, Level, Lrn, NumericOptions,
    Operand, Pad, PoolShape, Residual, Resize, Softmax, ThreadPool, Unary,
};

use super::explain::Alternative;
use super::fused_group::{FusedGroup, MAX_INPUTS};
use super::weight_cache::PackedWeights;
use crate::tensor::DType;

/// One number for each channel, shared.
pub(super) type PerChannel = Option<Arc<[f32]>>;

/// A kernel with its parameters.
#[derive(Debug)]
pub(super) enum Kernel {
    Conv {
        kernel: &'static ConvKernel,
        shape: ConvShape,
        packed: Arc<PackedWeights>,
        bias: PerChannel,
        /// The layout of the second input, if it is added.
        residual: Option<ImageLayout>,
        clamp: Clamp,
    },
    Depthwise {
        kernel: &'static DepthwiseKernel,
        shape: DepthwiseShape,
        packed: Arc<PackedWeights>,
        bias: PerChannel,
        clamp: Clamp,
    },
    Affine {
        from: ImageLayout,
        to: ImageLayout,
        scale: PerChannel,
        shift: PerChannel,
        clamp: Clamp,
    },
    Unary {
        function: Unary,
        from: ImageLayout,
        to: ImageLayout,
    },
    Binary {
        function: Binary,
        a: ImageLayout,
        b: ImageLayout,
        to: ImageLayout,
        clamp: Clamp,
    },
    BinaryIndexed {
        function: Binary,
        a: Box<[u32]>,
        b: Box<[u32]>,
        clamp: Clamp,
    },
    Pool(PoolShape),
    GlobalAveragePool {
        from: ImageLayout,
    },
    Reduce {
        kind: Reduction,
        sources: Box<[u32]>,
        group: usize,
    },
    Softmax(Softmax),
    Lrn {
        lrn: Lrn,
        from: ImageLayout,
        to: ImageLayout,
    },
    Resize {
        bilinear: bool,
        how: Resize,
        from: ImageLayout,
        to: ImageLayout,
    },
    Copy {
        from: ImageLayout,
        to: ImageLayout,
    },
    Pad {
        pad: Pad,
        from: ImageLayout,
        to: ImageLayout,
    },
    Gather {
        /// Elements that stay together.
        run: usize,
        sources: Box<[u32]>,
        fill: f32,
    },
    Select {
        condition: Box<[u32]>,
        a: Box<[u32]>,
        b: Box<[u32]>,
    },
    ArgExtreme {
        smallest: bool,
        sources: Box<[u32]>,
        group: usize,
    },
    TopK {
        columns: usize,
        k: usize,
        indices: bool,
    },
    MatMul(fallback::MatMul),
    ToInt,
    /// Rounds to a float type of lower precision.
    Round(DType),
    ToBool,
    /// Several kernels, computed block by block.
    FusedGroup(FusedGroup),
}

/// The slices and threads that a kernel works with.
pub(super) struct StepArgs<'a> {
    pub(super) level: Level,
    pub(super) pool: &'a ThreadPool,
    /// The inputs; the first is `None` if the kernel works in place.
    pub(super) inputs: [Option<&'a [f32]>; MAX_INPUTS],
    pub(super) output: &'a mut [f32],
    pub(super) scratch: &'a mut [f32],
}

impl<'a> StepArgs<'a> {
    fn input(&self, i: usize) -> &'a [f32] {
        self.inputs[i].expect("the plan gave the kernel this input")
    }
}

impl Kernel {
    /// Computes the output, without allocating.
    pub(super) fn run(&self, mut args: StepArgs<'_>) {
        match self {
            Self::Conv { .. } | Self::Depthwise { .. } => self.run_contraction(args),
            Self::Affine { .. } | Self::Unary { .. } | Self::Binary { .. } | Self::Softmax(_) => {
                self.run_elementwise_or_in_place(args);
            }
            Self::BinaryIndexed { .. }
            | Self::Reduce { .. }
            | Self::Gather { .. }
            | Self::Select { .. } => {
                self.run_indexed(&mut args);
            }
            Self::ArgExtreme { .. } => self.run_indexed(&mut args),
            Self::FusedGroup(group) => group.run(args),
            _ => self.run_between_layouts(args),
        }
    }

    fn run_contraction(&self, args: StepArgs<'_>) {
        match self {
            Self::Conv { shape, .. } => self.run_conv(shape, args),
            Self::Depthwise { shape, .. } => self.run_depthwise(shape, args),
            _ => unreachable!("only sums come here"),
        }
    }

    /// Computes a convolution of this shape.
    pub(super) fn run_conv(&self, shape: &ConvShape, args: StepArgs<'_>) {
        let Self::Conv { kernel, packed, bias, residual, clamp, .. } = self else {
            unreachable!("a convolution")
        };
        let values = |map: ImageLayout| Residual {
            values: args.input(1),
            stride: map.stride,
            storage: map.storage,
        };
        let residual = residual.map(values);
        let (input, bias, scratch) = (args.input(0), bias.as_deref(), args.scratch);
        let conv = Conv {
            shape,
            input,
            packed,
            bias,
            residual,
            clamp: *clamp,
            output: args.output,
            scratch,
        };
        (kernel.run)(conv, args.pool);
    }

    /// Computes a depthwise convolution of this shape.
    pub(super) fn run_depthwise(&self, shape: &DepthwiseShape, args: StepArgs<'_>) {
        let Self::Depthwise { kernel, packed, bias, clamp, .. } = self else {
            unreachable!("a depthwise convolution")
        };
        let (input, bias, clamp) = (args.input(0), bias.as_deref(), *clamp);
        let StepArgs { pool, output, .. } = args;
        (kernel.run)(Depthwise { shape, input, packed, bias, clamp, output }, pool);
    }

    /// Applies the function to each value, from one layout to another.
    pub(super) fn run_elementwise(&self, [from, to]: [&ImageLayout; 2], args: StepArgs<'_>) {
        let (x, StepArgs { level, pool, output, .. }) = (args.input(0), args);
        match self {
            Self::Affine { scale, shift, clamp, .. } => {
                let (scale, shift) = (scale.as_deref(), shift.as_deref());
                let affine = Affine {
                    input_layout: *from,
                    input: x,
                    scale,
                    shift,
                    clamp: *clamp,
                    output_layout: *to,
                    output,
                };
                lorgnette_kernels::affine(level, affine, pool);
            }
            Self::Unary { function, .. } => lorgnette_kernels::unary(
                level,
                *function,
                ImagePair::new(from, x, to, output),
                pool,
            ),
            _ => unreachable!("functions of one value"),
        }
    }

    /// Runs a kernel in place if its first input coincides with the output.
    fn run_elementwise_or_in_place(&self, args: StepArgs<'_>) {
        if let (Self::Affine { from, to, .. } | Self::Unary { from, to, .. }, Some(_)) =
            (self, args.inputs[0])
        {
            return self.run_elementwise([from, to], args);
        }
        let StepArgs { level, pool, inputs: [first, second, _], output, .. } = args;
        match (self, first) {
            (Self::Affine { to, scale, shift, clamp, .. }, None) => {
                let (scale, shift) = (scale.as_deref(), shift.as_deref());
                let affine =
                    AffineInPlace { layout: *to, scale, shift, clamp: *clamp, values: output };
                lorgnette_kernels::affine_in_place(level, affine, pool);
            }
            (Self::Unary { function, to, .. }, None) => {
                lorgnette_kernels::unary_in_place(level, *function, to, output, pool);
            }
            (Self::Binary { function, a, b, to, clamp }, first) => {
                let b = Operand { values: second.expect("a second operand"), layout: *b };
                match first {
                    None => {
                        let (layout, values) = (*to, output);
                        let binary =
                            BinaryInPlace { op: *function, b, clamp: *clamp, layout, values };
                        lorgnette_kernels::binary_in_place(level, binary, pool);
                    }
                    Some(values) => {
                        let binary = BinaryOp {
                            op: *function,
                            a: Operand { values, layout: *a },
                            b,
                            clamp: *clamp,
                            output_layout: *to,
                            output,
                        };
                        lorgnette_kernels::binary(level, binary, pool);
                    }
                }
            }
            (Self::Softmax(softmax), None) => {
                lorgnette_kernels::softmax_in_place(level, *softmax, output, pool);
            }
            (Self::Softmax(softmax), Some(x)) => {
                lorgnette_kernels::softmax(level, *softmax, x, output, pool);
            }
            _ => unreachable!("only kernels that can work in place come here"),
        }
    }

    fn run_indexed(&self, args: &mut StepArgs<'_>) {
        let x = args.input(0);
        match self {
            Self::BinaryIndexed { function, a, b, clamp } => {
                let (a, b) = (
                    Gathered { values: x, sources: a },
                    Gathered { values: args.input(1), sources: b },
                );
                fallback::binary(*function, a, b, *clamp, args.output);
            }
            Self::Reduce { kind, sources, group } => {
                fallback::reduce(*kind, sources, *group, x, args.output);
            }
            Self::Gather { run, sources, fill } => {
                let gather = Gather { run: *run, sources, fill: *fill };
                fallback::gather(gather, x, args.output, args.pool);
            }
            Self::ArgExtreme { smallest, sources, group } => {
                fallback::arg_reduce(*smallest, sources, *group, x, args.output);
            }
            Self::Select { condition, a, b } => {
                let gathered = |values, sources| Gathered { values, sources };
                fallback::select(
                    gathered(x, condition),
                    gathered(args.input(1), a),
                    gathered(args.input(2), b),
                    args.output,
                );
            }
            _ => unreachable!("only kernels with index tables come here"),
        }
    }

    fn run_between_layouts(&self, args: StepArgs<'_>) {
        let x = args.input(0);
        let StepArgs { level, pool, output, .. } = args;
        match self {
            Self::Pool(shape) => lorgnette_kernels::pool_window(level, shape, x, output, pool),
            Self::GlobalAveragePool { from } => {
                lorgnette_kernels::global_average_pool(level, from, x, output, pool);
            }
            Self::Lrn { lrn, from, to } => {
                lorgnette_kernels::lrn(level, *lrn, ImagePair::new(from, x, to, output), pool);
            }
            Self::Resize { bilinear: true, how, from, to } => {
                let images = ImagePair::new(from, x, to, output);
                lorgnette_kernels::resize_bilinear(level, *how, images, pool);
            }
            Self::Resize { how, from, to, .. } => {
                let images = ImagePair::new(from, x, to, output);
                lorgnette_kernels::resize_nearest(level, *how, images, pool);
            }
            Self::Copy { from, to } => {
                lorgnette_kernels::copy_strided(level, ImagePair::new(from, x, to, output), pool);
            }
            Self::Pad { pad, from, to } => {
                lorgnette_kernels::pad(level, pad, ImagePair::new(from, x, to, output), pool);
            }
            Self::TopK { columns, k, indices } => {
                fallback::top_k(*columns, *k, *indices, x, output);
            }
            Self::MatMul(product) => {
                product.run(x, args.inputs[1].expect("a right matrix"), output);
            }
            Self::ToInt => fallback::to_int(x, output),
            Self::Round(dtype) => {
                output.iter_mut().zip(x).for_each(|(out, &x)| *out = dtype.round_to(x));
            }
            Self::ToBool => fallback::to_bool(x, output),
            _ => unreachable!("all other kernels go elsewhere"),
        }
    }

    /// The kernel's name in reports.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Conv { kernel, .. } => kernel.name.into(),
            Self::Depthwise { kernel, .. } => kernel.name.into(),
            Self::Affine { scale: None, shift: None, .. } => "clamp".into(),
            Self::Affine { .. } => "affine".into(),
            Self::Unary { function, .. } => format!("{function:?}").to_lowercase(),
            Self::Binary { function, .. } => format!("{function:?}").to_lowercase(),
            Self::BinaryIndexed { function, .. } => format!("{function:?}, indexed").to_lowercase(),
            Self::Pool(shape) => format!("{:?} pool", shape.kind).to_lowercase(),
            Self::GlobalAveragePool { .. } => "mean over pixels".into(),
            Self::Reduce { kind, .. } => format!("{kind:?}, indexed").to_lowercase(),
            Self::Softmax(softmax) => if softmax.log { "log softmax" } else { "softmax" }.into(),
            Self::Lrn { .. } => "lrn".into(),
            Self::Resize { bilinear, .. } => {
                if *bilinear { "resize bilinear" } else { "resize nearest" }.into()
            }
            Self::Copy { .. } => "copy".into(),
            Self::Pad { .. } => "pad".into(),
            Self::Gather { .. } => "gather".into(),
            Self::Select { .. } => "select, indexed".into(),
            Self::ArgExtreme { .. } => "arg max, indexed".into(),
            Self::TopK { .. } => "top k".into(),
            Self::MatMul(_) => "matrix product".into(),
            Self::ToInt => "truncate".into(),
            Self::Round(dtype) => format!("round to {dtype:?}").to_lowercase(),
            Self::ToBool => "truth".into(),
            Self::FusedGroup(_) => "chain".into(),
        }
    }

    /// The alternatives to the chosen kernel. Where it reads bf16, their costs assume float32
    /// input.
    pub(super) fn alternatives(&self, level: Level, numerics: NumericOptions) -> Vec<Alternative> {
        let Self::Conv { kernel: chosen, shape, .. } = self else { return Vec::new() };
        let candidates = lorgnette_kernels::candidates(shape, level, numerics);
        let Some(min_cost) = candidates.first().map(|(_, cost)| *cost) else { return Vec::new() };
        let mut others = lorgnette_kernels::candidates(&shape.with_f32_input(), level, numerics);
        others.retain(|(kernel, cost)| {
            kernel.algorithm.name != chosen.algorithm.name && cost.is_finite()
        });
        others.dedup_by_key(|(kernel, _)| kernel.algorithm.name);
        let alternative = |(kernel, cost): (&ConvKernel, f64)| Alternative {
            kernel: kernel.name,
            cost: cost / min_cost,
            numerics: kernel.numerics,
            products: (kernel.algorithm.products)(shape),
        };
        others.into_iter().map(alternative).collect()
    }

    /// The number formats of its products and weights; `None` for kernels without weights.
    pub(super) fn numerics(&self) -> Option<NumericOptions> {
        match self {
            Self::Conv { kernel, .. } => Some(kernel.numerics),
            Self::Depthwise { .. } => Some(NumericOptions::default()),
            _ => None,
        }
    }

    /// The layout of the addend, if there is one.
    pub(super) fn residual(&self) -> Option<ImageLayout> {
        let Self::Conv { residual, .. } = self else { return None };
        *residual
    }

    /// Floats of scratch for a run on `threads` threads.
    pub(super) fn scratch_len(&self, threads: usize) -> usize {
        match self {
            Self::Conv { kernel, shape, .. } => (kernel.scratch_len)(shape, threads),
            Self::FusedGroup(group) => group.scratch_len(threads),
            _ => 0,
        }
    }

    /// Floating-point operations of a run; a multiplication and an addition count as two.
    pub(super) fn flops(&self) -> u64 {
        match self {
            Self::Conv { shape, .. } => shape.flops(),
            Self::Depthwise { shape, .. } => shape.flops(),
            Self::MatMul(product) => 2 * (product.rows * product.inner * product.columns) as u64,
            _ => 0,
        }
    }

    /// Multiplications of a run; fewer with Winograd than in the definition.
    pub(super) fn products(&self) -> u64 {
        match self {
            Self::Conv { kernel, shape, .. } => (kernel.algorithm.products)(shape),
            _ => self.flops() / 2,
        }
    }

    /// Bytes of packed weights it reads.
    pub(super) fn weight_bytes(&self) -> usize {
        match self {
            Self::Conv { packed, .. } | Self::Depthwise { packed, .. } => {
                packed.len() * size_of::<f32>()
            }
            _ => 0,
        }
    }
}
