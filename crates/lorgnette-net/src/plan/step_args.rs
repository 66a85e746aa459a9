//! The memory and threads of one kernel run.

use bytemuck::{cast_slice, cast_slice_mut};
use lorgnette_kernels::{Level, ThreadPool};

/// Maximum number of inputs of a step.
pub(super) const MAX_INPUTS: usize = 3;

/// The bytes and threads that a step works with.
pub(super) struct StepArgs<'a> {
    pub(super) level: Level,
    pub(super) pool: &'a ThreadPool,
    /// The inputs; the first is `None` if the kernel works in place.
    pub(super) inputs: [Option<&'a [u8]>; MAX_INPUTS],
    pub(super) output: &'a mut [u8],
    pub(super) scratch: &'a mut [u8],
}

/// The same as 32-bit words: float32 values, or pairs of bf16 where a kernel's layout says so.
pub(super) struct WordArgs<'a> {
    pub(super) level: Level,
    pub(super) pool: &'a ThreadPool,
    /// The inputs; the first is `None` if the kernel works in place.
    pub(super) inputs: [Option<&'a [f32]>; MAX_INPUTS],
    pub(super) output: &'a mut [f32],
    pub(super) scratch: &'a mut [f32],
}

impl<'a> StepArgs<'a> {
    /// Views the bytes as words.
    ///
    /// # Panics
    /// If a slice is not aligned to words, or not of whole ones.
    pub(super) fn into_words(self) -> WordArgs<'a> {
        WordArgs {
            level: self.level,
            pool: self.pool,
            inputs: self.inputs.map(|input| input.map(cast_slice)),
            output: cast_slice_mut(self.output),
            scratch: cast_slice_mut(self.scratch),
        }
    }
}

impl<'a> WordArgs<'a> {
    /// The input number `i`, which the plan gives every kernel that reads it.
    pub(super) fn input(&self, i: usize) -> &'a [f32] {
        self.inputs[i].expect("the plan gave the kernel this input")
    }
}
