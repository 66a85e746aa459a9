//! What a step runs, with everything settled that it needs to know.

use std::sync::Arc;

use lorgnette_kernels::general::{self, Indexed, Reduction};
use lorgnette_kernels::{
    Affine, AffineInPlace, Binary, Clamp, Conv, ConvKernel, ConvShape, Depthwise, DepthwiseKernel, DepthwiseShape,
    Formats, Level, Lrn, Map, Operand, Pad, Pool, PoolShape, Residual, Resize, Unary,
};

use super::chain::{Chain, MOST_INPUTS};
use super::explain::Rejected;
use super::packing::Packed;
use crate::tensor::DType;

/// A shared list of numbers, one for each channel.
pub(super) type PerChannel = Option<Arc<[f32]>>;

/// A kernel and its settings.
#[derive(Debug)]
pub(super) enum Kernel {
    Conv {
        kernel: &'static ConvKernel,
        shape: ConvShape,
        packed: Arc<Packed>,
        bias: PerChannel,
        /// Where the second input lies, if it is added.
        residual: Option<Map>,
        clamp: Clamp,
    },
    Depthwise {
        kernel: &'static DepthwiseKernel,
        shape: DepthwiseShape,
        packed: Arc<Packed>,
        bias: PerChannel,
        clamp: Clamp,
    },
    Affine {
        from: Map,
        to: Map,
        scale: PerChannel,
        shift: PerChannel,
        clamp: Clamp,
    },
    Unary {
        function: Unary,
        from: Map,
        to: Map,
    },
    Binary {
        function: Binary,
        a: Map,
        b: Map,
        to: Map,
        clamp: Clamp,
    },
    BinaryIndexed {
        function: Binary,
        a: Box<[u32]>,
        b: Box<[u32]>,
        clamp: Clamp,
    },
    Pool(PoolShape),
    MeanOverPixels {
        from: Map,
    },
    Reduce {
        kind: Reduction,
        sources: Box<[u32]>,
        group: usize,
    },
    Softmax {
        rows: usize,
        columns: usize,
        log: bool,
    },
    Lrn {
        lrn: Lrn,
        from: Map,
        to: Map,
    },
    Resize {
        bilinear: bool,
        how: Resize,
        from: Map,
        to: Map,
    },
    Copy {
        from: Map,
        to: Map,
    },
    Pad {
        pad: Pad,
        from: Map,
        to: Map,
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
    MatMul(general::MatMul),
    Truncate,
    /// To the nearest number of a type with fewer digits.
    Round(DType),
    Truth,
    /// Several kernels at once.
    Chain(Chain),
}

/// Where a kernel works.
pub(super) struct Site<'a> {
    pub(super) level: Level,
    pub(super) pool: &'a Pool,
    /// The inputs; the first is absent where the kernel works in place.
    pub(super) inputs: [Option<&'a [f32]>; MOST_INPUTS],
    pub(super) output: &'a mut [f32],
    pub(super) scratch: &'a mut [f32],
}

impl<'a> Site<'a> {
    fn input(&self, i: usize) -> &'a [f32] {
        self.inputs[i].expect("the plan gave the kernel this input")
    }
}

impl Kernel {
    /// Computes. Allocates nothing.
    pub(super) fn run(&self, mut site: Site<'_>) {
        match self {
            Self::Conv { .. } | Self::Depthwise { .. } => self.run_sum(site),
            Self::Affine { .. } | Self::Unary { .. } | Self::Binary { .. } | Self::Softmax { .. } => {
                self.run_in_place(site);
            }
            Self::BinaryIndexed { .. } | Self::Reduce { .. } | Self::Gather { .. } | Self::Select { .. } => {
                self.run_indexed(&mut site);
            }
            Self::ArgExtreme { .. } => self.run_indexed(&mut site),
            Self::Chain(chain) => chain.run(site),
            _ => self.run_map(site),
        }
    }

    fn run_sum(&self, site: Site<'_>) {
        match self {
            Self::Conv { shape, .. } => self.run_conv(shape, site),
            Self::Depthwise { shape, .. } => self.run_depthwise(shape, site),
            _ => unreachable!("only sums come here"),
        }
    }

    /// The convolution of a picture of this shape.
    pub(super) fn run_conv(&self, shape: &ConvShape, site: Site<'_>) {
        let Self::Conv { kernel, packed, bias, residual, clamp, .. } = self else { unreachable!("a convolution") };
        let values = |map: Map| Residual { values: site.input(1), stride: map.stride, elements: map.elements };
        let residual = residual.map(values);
        let (input, bias, scratch) = (site.input(0), bias.as_deref(), site.scratch);
        let conv = Conv { shape, input, packed, bias, residual, clamp: *clamp, output: site.output, scratch };
        (kernel.run)(conv, site.pool);
    }

    /// The depthwise convolution of a picture of this shape.
    pub(super) fn run_depthwise(&self, shape: &DepthwiseShape, site: Site<'_>) {
        let Self::Depthwise { kernel, packed, bias, clamp, .. } = self else { unreachable!("a depthwise convolution") };
        let (input, bias, clamp) = (site.input(0), bias.as_deref(), *clamp);
        let Site { pool, output, .. } = site;
        (kernel.run)(Depthwise { shape, input, packed, bias, clamp, output }, pool);
    }

    /// The function of each value, from one map to another.
    pub(super) fn run_elementwise(&self, [from, to]: [&Map; 2], site: Site<'_>) {
        let (x, Site { level, pool, output, .. }) = (site.input(0), site);
        match self {
            Self::Affine { scale, shift, clamp, .. } => {
                let (scale, shift) = (scale.as_deref(), shift.as_deref());
                let affine = Affine { map_in: *from, input: x, scale, shift, clamp: *clamp, map_out: *to, output };
                lorgnette_kernels::affine(level, affine, pool);
            }
            Self::Unary { function, .. } => lorgnette_kernels::unary(level, *function, from, x, to, output, pool),
            _ => unreachable!("functions of one value"),
        }
    }

    /// Kernels that change their first input where it is, if it lies where the output does.
    fn run_in_place(&self, site: Site<'_>) {
        if let (Self::Affine { from, to, .. } | Self::Unary { from, to, .. }, Some(_)) = (self, site.inputs[0]) {
            return self.run_elementwise([from, to], site);
        }
        let Site { level, pool, inputs: [first, second, _], output, .. } = site;
        match (self, first) {
            (Self::Affine { to, scale, shift, clamp, .. }, None) => {
                let (scale, shift) = (scale.as_deref(), shift.as_deref());
                let affine = AffineInPlace { map: *to, scale, shift, clamp: *clamp, values: output };
                lorgnette_kernels::affine_in_place(level, affine, pool);
            }
            (Self::Unary { function, to, .. }, None) => {
                lorgnette_kernels::unary_in_place(level, *function, to, output, pool);
            }
            (Self::Binary { function, a, b, to, clamp }, first) => {
                let b = Operand { values: second.expect("a second operand"), map: *b };
                match first {
                    None => lorgnette_kernels::binary_in_place(level, *function, b, *clamp, to, output, pool),
                    Some(values) => {
                        let a = Operand { values, map: *a };
                        lorgnette_kernels::binary(level, *function, a, b, *clamp, to, output, pool);
                    }
                }
            }
            (Self::Softmax { rows, columns, log }, None) => {
                lorgnette_kernels::softmax_in_place(level, *rows, *columns, output, *log, pool);
            }
            (Self::Softmax { rows, columns, log }, Some(x)) => {
                lorgnette_kernels::softmax(level, *rows, *columns, x, output, *log, pool);
            }
            _ => unreachable!("only kernels that can work in place come here"),
        }
    }

    fn run_indexed(&self, site: &mut Site<'_>) {
        let x = site.input(0);
        match self {
            Self::BinaryIndexed { function, a, b, clamp } => {
                let (a, b) = (Indexed { values: x, sources: a }, Indexed { values: site.input(1), sources: b });
                general::binary(*function, a, b, *clamp, site.output);
            }
            Self::Reduce { kind, sources, group } => general::reduce(*kind, sources, *group, x, site.output),
            Self::Gather { run, sources, fill } => general::gather(*run, sources, *fill, x, site.output, site.pool),
            Self::ArgExtreme { smallest, sources, group } => {
                general::arg_extreme(*smallest, sources, *group, x, site.output);
            }
            Self::Select { condition, a, b } => {
                let side = |values, sources| Indexed { values, sources };
                general::select(side(x, condition), side(site.input(1), a), side(site.input(2), b), site.output);
            }
            _ => unreachable!("only kernels with index tables come here"),
        }
    }

    fn run_map(&self, site: Site<'_>) {
        let x = site.input(0);
        let Site { level, pool, output, .. } = site;
        match self {
            Self::Pool(shape) => lorgnette_kernels::pool_window(level, shape, x, output, pool),
            Self::MeanOverPixels { from } => lorgnette_kernels::mean_hw(level, from, x, output, pool),
            Self::Lrn { lrn, from, to } => lorgnette_kernels::lrn(level, *lrn, from, x, to, output, pool),
            Self::Resize { bilinear: true, how, from, to } => {
                lorgnette_kernels::resize_bilinear(level, *how, from, x, to, output, pool);
            }
            Self::Resize { how, from, to, .. } => {
                lorgnette_kernels::resize_nearest(level, *how, from, x, to, output, pool);
            }
            Self::Copy { from, to } => lorgnette_kernels::copy_map(level, from, x, to, output, pool),
            Self::Pad { pad, from, to } => lorgnette_kernels::pad(level, pad, from, x, to, output, pool),
            Self::TopK { columns, k, indices } => general::top_k(*columns, *k, *indices, x, output),
            Self::MatMul(product) => product.run(x, site.inputs[1].expect("a right matrix"), output),
            Self::Truncate => general::truncate(x, output),
            Self::Round(dtype) => output.iter_mut().zip(x).for_each(|(out, &x)| *out = dtype.rounded(x)),
            Self::Truth => general::truth(x, output),
            _ => unreachable!("all other kernels go elsewhere"),
        }
    }

    /// The name `explain` prints.
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
            Self::MeanOverPixels { .. } => "mean over pixels".into(),
            Self::Reduce { kind, .. } => format!("{kind:?}, indexed").to_lowercase(),
            Self::Softmax { log, .. } => if *log { "log softmax" } else { "softmax" }.into(),
            Self::Lrn { .. } => "lrn".into(),
            Self::Resize { bilinear, .. } => if *bilinear { "resize bilinear" } else { "resize nearest" }.into(),
            Self::Copy { .. } => "copy".into(),
            Self::Pad { .. } => "pad".into(),
            Self::Gather { .. } => "gather".into(),
            Self::Select { .. } => "select, indexed".into(),
            Self::ArgExtreme { .. } => "arg max, indexed".into(),
            Self::TopK { .. } => "top k".into(),
            Self::MatMul(_) => "matrix product".into(),
            Self::Truncate => "truncate".into(),
            Self::Round(dtype) => format!("round to {dtype:?}").to_lowercase(),
            Self::Truth => "truth".into(),
            Self::Chain(_) => "chain".into(),
        }
    }

    /// The kernels that it was chosen before. Where its input is kept as bf16 on its account, others would read float32, and are
    /// reckoned so.
    pub(super) fn rejected(&self, level: Level, formats: Formats) -> Vec<Rejected> {
        let Self::Conv { kernel: chosen, shape, .. } = self else { return Vec::new() };
        let reckoned = lorgnette_kernels::candidates(shape, level, formats);
        let Some(least) = reckoned.first().map(|(_, cost)| *cost) else { return Vec::new() };
        let mut found = lorgnette_kernels::candidates(&shape.reading_float32(), level, formats);
        found.retain(|(kernel, cost)| kernel.arithmetic.name != chosen.arithmetic.name && cost.is_finite());
        found.dedup_by_key(|(kernel, _)| kernel.arithmetic.name);
        let rejected = |(kernel, cost): (&ConvKernel, f64)| Rejected {
            kernel: kernel.name,
            cost: cost / least,
            formats: kernel.formats,
            products: (kernel.arithmetic.products)(shape),
        };
        found.into_iter().map(rejected).collect()
    }

    /// What it multiplies, and what it keeps weights as; `None` for what has no weights.
    pub(super) fn formats(&self) -> Option<Formats> {
        match self {
            Self::Conv { kernel, .. } => Some(kernel.formats),
            Self::Depthwise { .. } => Some(Formats::default()),
            _ => None,
        }
    }

    /// Where what is added lies.
    pub(super) fn residual(&self) -> Option<Map> {
        let Self::Conv { residual, .. } = self else { return None };
        *residual
    }

    /// Floats of scratch that a run on so many threads needs.
    pub(super) fn scratch_len(&self, threads: usize) -> usize {
        match self {
            Self::Conv { kernel, shape, .. } => (kernel.scratch_len)(shape, threads),
            Self::Chain(chain) => chain.scratch_len(threads),
            _ => 0,
        }
    }

    /// Floating-point operations of a run, a multiplication and an addition counting as two.
    pub(super) fn flops(&self) -> u64 {
        match self {
            Self::Conv { shape, .. } => shape.flops(),
            Self::Depthwise { shape, .. } => shape.flops(),
            Self::MatMul(product) => 2 * (product.rows * product.inner * product.columns) as u64,
            _ => 0,
        }
    }

    /// Multiplications of a run: by Winograd's forms there are fewer than in the definition.
    pub(super) fn products(&self) -> u64 {
        match self {
            Self::Conv { kernel, shape, .. } => (kernel.arithmetic.products)(shape),
            _ => self.flops() / 2,
        }
    }

    /// Bytes of packed weights it reads.
    pub(super) fn weight_bytes(&self) -> usize {
        match self {
            Self::Conv { packed, .. } | Self::Depthwise { packed, .. } => packed.len() * size_of::<f32>(),
            _ => 0,
        }
    }
}
