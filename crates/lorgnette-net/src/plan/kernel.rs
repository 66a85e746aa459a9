//! Kernels with all their parameters.

use lorgnette_kernels::fallback::{self, Gather, Gathered, Reduction};
use lorgnette_kernels::{
    Binary, BinaryInPlace, BinaryOp, Clamp, ImageLayout, ImagePair, Lrn, NumericOptions, Operand,
    Pad, Resize, Softmax,
};

use super::row_kernel::RowKernel;
use super::step_args::{StepArgs, WordArgs};
use crate::graph::resample::Resampling;
use crate::tensor::DType;

/// A kernel with its parameters.
#[derive(Debug)]
pub(super) enum Kernel {
    /// Can compute a range of rows.
    RowWise(RowKernel),
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
    ResizeBicubic {
        how: Resize,
        from: ImageLayout,
        to: ImageLayout,
    },
    Resample(Box<Resampling>),
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
}

impl Kernel {
    /// Computes the output, without allocating.
    pub(super) fn run(&self, args: StepArgs<'_>) {
        let args = args.into_words();
        let WordArgs { level, pool, inputs: [first, second, third], .. } = args;
        let (x, output) = (first.unwrap_or_default(), args.output);
        let (second, third) = (second.unwrap_or_default(), third.unwrap_or_default());
        match self {
            Self::RowWise(kernel) => kernel.run(WordArgs { output, ..args }),
            Self::Binary { function, a, b, to, clamp } => {
                let b = Operand { values: second, layout: *b };
                match first {
                    None => {
                        let (op, clamp, layout) = (*function, *clamp, *to);
                        let binary = BinaryInPlace { op, b, clamp, layout, values: output };
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
            Self::BinaryIndexed { function, a, b, clamp } => {
                let a = Gathered { values: x, sources: a };
                let b = Gathered { values: second, sources: b };
                fallback::binary(*function, a, b, *clamp, output);
            }
            Self::GlobalAveragePool { from } => {
                lorgnette_kernels::global_average_pool(level, from, x, output, pool);
            }
            Self::Reduce { kind, sources, group } => {
                fallback::reduce(*kind, sources, *group, x, output);
            }
            Self::Softmax(softmax) => match first {
                None => lorgnette_kernels::softmax_in_place(level, *softmax, output, pool),
                Some(x) => lorgnette_kernels::softmax(level, *softmax, x, output, pool),
            },
            Self::Lrn { lrn, from, to } => {
                lorgnette_kernels::lrn(level, *lrn, ImagePair::new(from, x, to, output), pool);
            }
            Self::Resize { bilinear: true, how, from, to } => {
                let images = ImagePair::new(from, x, to, output);
                lorgnette_kernels::resize_bilinear(level, *how, images, pool);
            }
            Self::Resize { bilinear: false, how, from, to } => {
                let images = ImagePair::new(from, x, to, output);
                lorgnette_kernels::resize_nearest(level, *how, images, pool);
            }
            Self::ResizeBicubic { how, from, to } => {
                let images = ImagePair::new(from, x, to, output);
                lorgnette_kernels::resize_bicubic(level, *how, images, pool);
            }
            Self::Resample(resampling) => resampling.run(x, output),
            Self::Copy { from, to } => {
                lorgnette_kernels::copy_strided(level, ImagePair::new(from, x, to, output), pool);
            }
            Self::Pad { pad, from, to } => {
                lorgnette_kernels::pad(level, pad, ImagePair::new(from, x, to, output), pool);
            }
            Self::Gather { run, sources, fill } => {
                let gather = Gather { run: *run, sources, fill: *fill };
                fallback::gather(gather, x, output, pool);
            }
            Self::Select { condition, a, b } => {
                let condition = Gathered { values: x, sources: condition };
                let a = Gathered { values: second, sources: a };
                let b = Gathered { values: third, sources: b };
                fallback::select(condition, a, b, output);
            }
            Self::ArgExtreme { smallest, sources, group } => {
                fallback::arg_reduce(*smallest, sources, *group, x, output);
            }
            Self::TopK { columns, k, indices } => {
                fallback::top_k(*columns, *k, *indices, x, output);
            }
            Self::MatMul(product) => product.run(x, second, output),
            Self::ToInt => fallback::to_int(x, output),
            Self::Round(dtype) => {
                output.iter_mut().zip(x).for_each(|(out, &x)| *out = dtype.round_to(x));
            }
            Self::ToBool => fallback::to_bool(x, output),
        }
    }

    /// The kernel's name in reports.
    pub(super) fn name(&self) -> String {
        match self {
            Self::RowWise(kernel) => kernel.name(),
            Self::Binary { function, .. } => format!("{function:?}").to_lowercase(),
            Self::BinaryIndexed { function, .. } => format!("{function:?}, indexed").to_lowercase(),
            Self::GlobalAveragePool { .. } => "mean over pixels".into(),
            Self::Reduce { kind, .. } => format!("{kind:?}, indexed").to_lowercase(),
            Self::Softmax(softmax) => if softmax.log { "log softmax" } else { "softmax" }.into(),
            Self::Lrn { .. } => "lrn".into(),
            Self::Resize { bilinear, .. } => {
                if *bilinear { "resize bilinear" } else { "resize nearest" }.into()
            }
            Self::ResizeBicubic { .. } => "resize bicubic".into(),
            Self::Resample(_) => "resample".into(),
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
        }
    }

    /// The kernel as one that can compute a range of rows, if it is one.
    pub(super) fn row_wise(&self) -> Option<&RowKernel> {
        if let Self::RowWise(kernel) = self { Some(kernel) } else { None }
    }

    /// The number formats of its products and weights; `None` for kernels without weights.
    pub(super) fn numerics(&self) -> Option<NumericOptions> {
        self.row_wise().and_then(RowKernel::numerics)
    }

    /// Words of scratch for a run on `threads` threads.
    pub(super) fn scratch_len(&self, threads: usize) -> usize {
        self.row_wise().map_or(0, |kernel| kernel.scratch_len(threads))
    }

    /// Floating-point operations of a run; a multiplication and an addition count as two.
    pub(super) fn flops(&self) -> u64 {
        match self {
            Self::RowWise(kernel) => kernel.flops(),
            Self::MatMul(product) => 2 * (product.rows * product.inner * product.columns) as u64,
            Self::Binary { .. }
            | Self::BinaryIndexed { .. }
            | Self::GlobalAveragePool { .. }
            | Self::Reduce { .. }
            | Self::Softmax(_)
            | Self::Lrn { .. }
            | Self::Resize { .. }
            | Self::ResizeBicubic { .. }
            | Self::Resample(_)
            | Self::Copy { .. }
            | Self::Pad { .. }
            | Self::Gather { .. }
            | Self::Select { .. }
            | Self::ArgExtreme { .. }
            | Self::TopK { .. }
            | Self::ToInt
            | Self::Round(_)
            | Self::ToBool => 0,
        }
    }

    /// Multiplications of a run.
    pub(super) fn products(&self) -> u64 {
        self.row_wise().map_or(self.flops() / 2, RowKernel::products)
    }

    /// Bytes of packed weights it reads.
    pub(super) fn weight_bytes(&self) -> usize {
        self.row_wise().map_or(0, RowKernel::weight_bytes)
    }
}
