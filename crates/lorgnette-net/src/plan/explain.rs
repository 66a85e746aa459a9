//! Reports of a plan's steps.

use std::time::Duration;

use lorgnette_kernels::{ConvKernel, Level, NumericOptions};

use super::fused_group::Stage;
use super::kernel::Kernel;
use super::row_kernel::{ConvStep, RowKernel};
use super::{Plan, Step, StepKernel};
use crate::graph::quantized::IntegerKernel;

/// A step of a plan, or a layer of a fused group.
#[derive(Clone, Debug)]
pub struct StepReport {
    /// The node whose result it writes.
    pub name: String,
    /// The kernel's name.
    pub kernel: String,
    /// The number formats of its products and weights; `None` for kernels without weights.
    pub numerics: Option<NumericOptions>,
    /// Kernels of other algorithms that could compute it. For a layer that reads bf16, also those
    /// that would read float32.
    pub alternatives: Vec<Alternative>,
    /// The shape of the node's result.
    pub shape: Vec<usize>,
    /// Floating-point operations, a multiplication and an addition counting as two.
    pub flops: u64,
    /// Multiplications that the kernel does. Fewer than half of [`StepReport::flops`] for Winograd,
    /// more where a float is split into several bf16 numbers.
    pub products: u64,
    /// Bytes of weights read.
    pub weight_bytes: usize,
    /// Bytes of activations read and written.
    pub activation_bytes: usize,
    /// The number of the fused group it belongs to.
    pub group: Option<usize>,
    /// The time it took, if it was measured.
    pub time: Option<Duration>,
}

/// A kernel that was not chosen.
#[derive(Clone, Debug)]
pub struct Alternative {
    /// The kernel's name.
    pub kernel: &'static str,
    /// Estimated cost relative to that of the chosen kernel.
    pub cost: f64,
    /// The number formats of its products and weights.
    pub numerics: NumericOptions,
    /// Its multiplications, as [`StepReport::products`].
    pub products: u64,
}

impl Plan {
    /// Reports the steps in order, with `times` from [`Plan::run_timed`], which may be empty.
    ///
    /// If a batch is computed picture by picture, the steps are those for one picture.
    pub fn report(&self, times: &[Duration]) -> Vec<StepReport> {
        if let Some(per_sample) = &self.per_sample {
            return per_sample.sample_plan.report(times);
        }
        let mut times = times.iter().copied();
        let report = |(number, step): (usize, &Step)| match &step.kernel {
            StepKernel::Group(group) => {
                group.stages().iter().map(|stage| self.report_stage(number, stage)).collect()
            }
            StepKernel::Single(kernel) => vec![self.report_step(step, kernel)],
            StepKernel::Integer(kernel) => vec![report_integers(step, kernel)],
        };
        let reports = self.steps.iter().enumerate().flat_map(report);
        reports.map(|report| StepReport { time: times.next(), ..report }).collect()
    }

    fn report_step(&self, step: &Step, kernel: &Kernel) -> StepReport {
        StepReport {
            name: step.name.clone(),
            kernel: kernel.name(),
            numerics: kernel.numerics(),
            alternatives: self.alternatives(kernel.row_wise()),
            shape: step.shape.clone(),
            flops: kernel.flops(),
            products: kernel.products(),
            weight_bytes: kernel.weight_bytes(),
            activation_bytes: step.activation_bytes(),
            group: None,
            time: None,
        }
    }

    fn report_stage(&self, group: usize, stage: &Stage) -> StepReport {
        let kernel = &stage.kernel;
        StepReport {
            name: stage.name.clone(),
            kernel: kernel.name(),
            numerics: kernel.numerics(),
            alternatives: self.alternatives(Some(kernel)),
            shape: stage.shape.clone(),
            flops: kernel.flops(),
            products: kernel.products(),
            weight_bytes: kernel.weight_bytes(),
            activation_bytes: stage.activation_bytes(),
            group: Some(group),
            time: None,
        }
    }

    fn alternatives(&self, kernel: Option<&RowKernel>) -> Vec<Alternative> {
        match kernel {
            Some(RowKernel::Conv(step)) => alternatives(step, self.level, self.numerics),
            _ => Vec::new(),
        }
    }
}

/// Reports a kernel of 8-bit integers.
fn report_integers(step: &Step, kernel: &IntegerKernel) -> StepReport {
    let operations = kernel.operations();
    StepReport {
        name: step.name.clone(),
        kernel: kernel.name().into(),
        numerics: None,
        alternatives: Vec::new(),
        shape: step.shape.clone(),
        flops: operations,
        products: operations / 2,
        weight_bytes: kernel.weight_bytes(),
        activation_bytes: step.activation_bytes(),
        group: None,
        time: None,
    }
}

/// Returns the alternatives to the kernel of a convolution. Where it reads bf16, their costs assume
/// float32 input.
fn alternatives(step: &ConvStep, level: Level, numerics: NumericOptions) -> Vec<Alternative> {
    let ConvStep { kernel: chosen, shape, .. } = step;
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
