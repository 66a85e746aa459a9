//! The memory and threads of one kernel run.

use lorgnette_kernels::{Level, ThreadPool};

/// Maximum number of inputs of a step.
pub(super) const MAX_INPUTS: usize = 3;

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
    /// The input number `i`, which the plan gives every kernel that reads it.
    pub(super) fn input(&self, i: usize) -> &'a [f32] {
        self.inputs[i].expect("the plan gave the kernel this input")
    }
}
