//! Reports of a plan's steps.

use std::time::Duration;

use lorgnette_kernels::NumericOptions;

use super::fused_group::Stage;
use super::kernel::Kernel;
use super::{BufferRef, Plan, Step};

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
            Kernel::FusedGroup(group) => {
                group.stages().iter().map(|stage| self.report_stage(number, stage)).collect()
            }
            _ => vec![self.report_step(step)],
        };
        let reports = self.steps.iter().enumerate().flat_map(report);
        reports.map(|report| StepReport { time: times.next(), ..report }).collect()
    }

    fn report_step(&self, step: &Step) -> StepReport {
        let length = |buffer_ref: &BufferRef| match buffer_ref {
            BufferRef::Arena(range) | BufferRef::Constant(range) => range.len(),
        };
        let floats = step.storage.words(step.shape.iter().product())
            + step.inputs.iter().map(length).sum::<usize>();
        self.report_kernel(&step.name, &step.shape, &step.kernel, floats)
    }

    fn report_stage(&self, group: usize, stage: &Stage) -> StepReport {
        let report = self.report_kernel(&stage.name, &stage.shape, &stage.kernel, stage.floats());
        StepReport { group: Some(group), ..report }
    }

    fn report_kernel(
        &self,
        name: &str,
        shape: &[usize],
        kernel: &Kernel,
        floats: usize,
    ) -> StepReport {
        StepReport {
            name: name.to_owned(),
            kernel: kernel.name(),
            numerics: kernel.numerics(),
            alternatives: kernel.alternatives(self.level, self.numerics),
            shape: shape.to_vec(),
            flops: kernel.flops(),
            products: kernel.products(),
            weight_bytes: kernel.weight_bytes(),
            activation_bytes: size_of::<f32>() * floats,
            group: None,
            time: None,
        }
    }
}
