//! The run loop, and the memory it works in.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use bytemuck::{cast_slice, cast_slice_mut};
use lorgnette_kernels::{Buffer, ThreadPool};

use super::step_args::{MAX_INPUTS, StepArgs};
use super::{BufferRef, ExternalMemory, Plan, Port, Step, StepKernel};
use crate::graph::quantized::{IntegerArgs, IntegerKernel};

/// Size of activations over that of what they serve. Larger ones would be missing where they are
/// needed, and kept for something small.
const MAX_EXCESS: u64 = 8;

/// The memory of one run: inputs, outputs and all values between them.
#[derive(Debug)]
pub struct Activations {
    /// The plan that they serve.
    pub(super) plan_id: u64,
    /// Total size in bytes.
    pub(super) bytes: u64,
    pub(super) arena: Buffer,
    pub(super) scratch: Buffer,
    pub(super) threads: usize,
    /// Activations of the plan for one picture, one for each thread, if a batch is computed picture
    /// by picture.
    pub(super) per_sample: Vec<Mutex<Activations>>,
}

impl Activations {
    /// The maximum number of threads of a run.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Total size in bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// True if `plan` made them, or they serve it.
    pub fn is_for(&self, plan: &Plan) -> bool {
        self.plan_id == plan.id
    }

    /// True if they are large enough for runs of `plan` on up to `threads` threads, and not far too
    /// large. What is in them does not count: no kernel reads what none has written.
    pub(crate) fn can_serve(&self, plan: &Plan, threads: usize) -> bool {
        let is_whole = self.per_sample.is_empty() && plan.per_sample.is_none();
        is_whole
            && self.bytes <= MAX_EXCESS * plan.activation_bytes(threads) as u64
            && self.threads >= threads
            && self.arena.len() >= plan.arena_len
            && self.scratch.len() >= plan.scratch_len(self.threads)
    }

    /// Returns them for runs of `plan`, which they [can serve](Self::can_serve).
    pub(crate) fn serving(self, plan: &Plan) -> Self {
        Self { plan_id: plan.id, ..self }
    }

    /// The values of an input. They have to be written before each run, since a run may reuse their
    /// memory.
    pub fn input(&mut self, port: &Port) -> &mut [f32] {
        match &port.buffer_ref {
            BufferRef::Arena(range) => cast_slice_mut(&mut self.arena[range.clone()]),
            BufferRef::Constant(_) => unreachable!("inputs lie in the arena"),
        }
    }

    /// The values of an output after a run.
    pub fn output<'a>(&'a self, plan: &'a Plan, port: &Port) -> &'a [f32] {
        cast_slice(match &port.buffer_ref {
            BufferRef::Arena(range) => &self.arena[range.clone()],
            BufferRef::Constant(range) => &plan.constants[range.clone()],
        })
    }
}

impl Plan {
    /// Computes the outputs from the inputs in `activations`, without allocating.
    ///
    /// # Panics
    /// If `pool` has more threads than `activations` was made for, or `activations` is another
    /// plan's.
    pub fn run(&self, activations: &mut Activations, pool: &ThreadPool) {
        self.run_with(activations, pool, ExternalMemory::default());
    }

    /// As [`Plan::run`], with some inputs and outputs in the caller's memory.
    ///
    /// # Panics
    /// As [`Plan::run`].
    pub(crate) fn run_with(
        &self,
        activations: &mut Activations,
        pool: &ThreadPool,
        mut external: ExternalMemory<'_>,
    ) {
        self.check(activations, pool);
        if let Some(per_sample) = &self.per_sample {
            return per_sample.run(self, activations, pool);
        }
        for (number, step) in self.steps.iter().enumerate() {
            let mut args = self.args(step, activations, pool);
            external.put(number, step, &mut args);
            match &step.kernel {
                StepKernel::Single(kernel) => kernel.run(args),
                StepKernel::Integer(kernel) => run_integers(kernel, args),
                StepKernel::Group(group) => group.run(args),
            }
        }
    }

    /// As [`Plan::run`], with the time of each step of [`Plan::report`]. Of a batch that is
    /// computed picture by picture, times are summed over the pictures. The time of a fused group
    /// is divided among its layers in proportion to the time that threads spent in each.
    pub fn run_timed(&self, activations: &mut Activations, pool: &ThreadPool) -> Vec<Duration> {
        self.check(activations, pool);
        if let Some(per_sample) = &self.per_sample {
            return per_sample.run_timed(self, activations, pool);
        }
        let timed = |step: &Step| {
            let (started, args) = (Instant::now(), self.args(step, activations, pool));
            match &step.kernel {
                StepKernel::Group(group) => group.run_timed(args),
                StepKernel::Single(kernel) => {
                    kernel.run(args);
                    vec![started.elapsed()]
                }
                StepKernel::Integer(kernel) => {
                    run_integers(kernel, args);
                    vec![started.elapsed()]
                }
            }
        };
        self.steps.iter().flat_map(timed).collect()
    }

    fn check(&self, activations: &Activations, pool: &ThreadPool) {
        assert!(pool.threads() <= activations.threads, "the activations are for fewer threads");
        assert!(activations.is_for(self), "the activations are another plan's");
    }

    /// Borrows the slices that a step works on.
    fn args<'a>(
        &'a self,
        step: &Step,
        activations: &'a mut Activations,
        pool: &'a ThreadPool,
    ) -> StepArgs<'a> {
        // Inputs are before or after the output; one that coincides with it is changed in place.
        let (before, rest) = activations.arena.split_at_mut(step.output.start);
        let (output, after) = rest.split_at_mut(step.output.len());
        let mut inputs = [None; MAX_INPUTS];
        for (input, buffer_ref) in inputs.iter_mut().zip(&step.inputs) {
            *input = match buffer_ref {
                BufferRef::Constant(range) => Some(&self.constants[range.clone()]),
                BufferRef::Arena(range) if *range == step.output => None,
                BufferRef::Arena(range) if range.end <= step.output.start => {
                    Some(&before[range.clone()])
                }
                BufferRef::Arena(range) => {
                    Some(&after[range.start - step.output.end..range.end - step.output.end])
                }
            };
        }
        StepArgs { level: self.level, pool, inputs, output, scratch: &mut activations.scratch }
    }
}

fn run_integers(kernel: &IntegerKernel, args: StepArgs<'_>) {
    let StepArgs { level, pool, inputs: [first, second, _], output, scratch } = args;
    let inputs = [first, second].map(Option::unwrap_or_default);
    kernel.run(level, IntegerArgs { inputs, output, scratch }, pool);
}
