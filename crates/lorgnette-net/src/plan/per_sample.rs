//! Batches computed picture by picture: the activations of one picture stay in a core's cache,
//! those of sixteen do not.
//!
//! Each thread takes one picture through the whole network, without barriers between layers.
//! Pictures that remain when the batch does not divide evenly are computed on all threads, one
//! after the other. The bits are the same, since kernels are always chosen for one picture.
//!
//! Layer by layer, a batch reads the weights of fully connected layers once instead of once for
//! each picture. Where these are large, as in VGG, the batch is computed layer by layer
//! ([`PerSample::is_faster`]).

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytemuck::cast_slice;
use lorgnette_kernels::{Buffer, ThreadPool};

use super::convolutions::Convolution;
use super::{Activations, BufferRef, Plan, Port, Step, next_plan_id};
use crate::error::Result;

/// Maximum bytes of fully connected weights that are read again for each picture: one core's share
/// of the last-level cache.
const MAX_FC_WEIGHT_BYTES: usize = 16 << 20;

/// The plan for one picture, applied to each of a batch.
#[derive(Debug)]
pub(super) struct PerSample {
    pub(super) sample_plan: Arc<Plan>,
    batch_size: usize,
    /// The pool for pictures that have one thread.
    single_thread: ThreadPool,
}

impl Plan {
    /// Returns a plan for `batch_size` independent pictures from the plan for one, or `None` if
    /// computing layer by layer is faster.
    pub(crate) fn per_sample(sample_plan: &Arc<Self>, batch_size: usize) -> Option<Self> {
        if !PerSample::is_faster(sample_plan) {
            return None;
        }
        let mut arena_len = 0;
        let mut port = |port: &Port| {
            let mut fact = port.fact.clone();
            fact.shape[0] *= batch_size;
            let start = arena_len;
            arena_len += fact.len() * size_of::<f32>();
            Port { name: port.name.clone(), fact, buffer_ref: BufferRef::Arena(start..arena_len) }
        };
        let (inputs, outputs) = (
            sample_plan.inputs.iter().map(&mut port).collect(),
            sample_plan.outputs.iter().map(&mut port).collect(),
        );
        Some(Self {
            id: next_plan_id(),
            per_sample: Some(PerSample {
                sample_plan: sample_plan.clone(),
                batch_size,
                single_thread: ThreadPool::new(1),
            }),
            steps: Vec::new(),
            arena_len,
            constants: Buffer::zeroed(0).ok()?,
            inputs,
            outputs,
            level: sample_plan.level,
            numerics: sample_plan.numerics,
        })
    }
}

impl PerSample {
    /// True if every input and output has a batch axis and few weights are read again for each
    /// picture.
    fn is_faster(sample_plan: &Plan) -> bool {
        let has_sample_axis = |port: &Port| {
            port.fact.shape.first() == Some(&1) && matches!(port.buffer_ref, BufferRef::Arena(_))
        };
        let fc_weights = |work: Convolution| match work {
            Convolution::Full(shape) if shape.output.pixels() == 1 => {
                shape.depth() * shape.output.channels
            }
            _ => 0,
        };
        let weights: usize = sample_plan.convolutions().map(fc_weights).sum();
        sample_plan.inputs.iter().chain(&sample_plan.outputs).all(has_sample_axis)
            && weights * size_of::<f32>() <= MAX_FC_WEIGHT_BYTES
    }

    pub(super) fn activation_bytes(&self, threads: usize) -> usize {
        self.sample_plan.activation_bytes(threads)
            + (threads.max(1) - 1) * self.sample_plan.activation_bytes(1)
    }

    /// Allocates activations for each thread. The first can also be used on all threads.
    pub(super) fn activations(&self, threads: usize) -> Result<Vec<Mutex<Activations>>> {
        let for_worker = |worker| {
            Ok(Mutex::new(self.sample_plan.activations(if worker == 0 { threads } else { 1 })?))
        };
        (0..threads.max(1)).map(for_worker).collect()
    }

    pub(super) fn run(&self, plan: &Plan, activations: &mut Activations, pool: &ThreadPool) {
        let batch = BatchRun::new(self, plan, activations);
        let parallel_samples = self.batch_size - self.batch_size % pool.threads();
        pool.run(parallel_samples, &|worker, sample| {
            batch.run_sample(sample, worker, |sample_plan, own| {
                sample_plan.run(own, &self.single_thread);
            });
        });
        for sample in parallel_samples..self.batch_size {
            batch.run_sample(sample, 0, |sample_plan, own| sample_plan.run(own, pool));
        }
    }

    /// Computes the pictures one after the other on all threads; times are summed over pictures.
    pub(super) fn run_timed(
        &self,
        plan: &Plan,
        activations: &mut Activations,
        pool: &ThreadPool,
    ) -> Vec<Duration> {
        let batch = BatchRun::new(self, plan, activations);
        let mut times = vec![Duration::ZERO; self.sample_plan.steps.iter().map(Step::len).sum()];
        for sample in 0..self.batch_size {
            batch.run_sample(sample, 0, |sample_plan, own| {
                let elapsed = sample_plan.run_timed(own, pool);
                times.iter_mut().zip(elapsed).for_each(|(time, elapsed)| *time += elapsed);
            });
        }
        times
    }
}

/// A run of a batch.
struct BatchRun<'a> {
    per_sample: &'a PerSample,
    plan: &'a Plan,
    inputs: &'a [u8],
    /// Locked only while one picture's outputs are copied.
    outputs: Mutex<&'a mut [u8]>,
    /// Activations of each thread.
    memory: &'a [Mutex<Activations>],
}

impl<'a> BatchRun<'a> {
    fn new(per_sample: &'a PerSample, plan: &'a Plan, activations: &'a mut Activations) -> Self {
        let Activations { arena, per_sample: memory, .. } = activations;
        // Inputs come first in the arena.
        let (inputs, outputs) =
            arena.split_at_mut(plan.inputs.iter().map(|port| port.buffer_ref.range().len()).sum());
        Self { per_sample, plan, inputs, outputs: Mutex::new(outputs), memory }
    }

    /// Computes one picture in the memory of a worker.
    fn run_sample(&self, sample: usize, worker: usize, run: impl FnOnce(&Plan, &mut Activations)) {
        let mut own = self.memory[worker].lock().unwrap_or_else(PoisonError::into_inner);
        let sample_plan = &self.per_sample.sample_plan;
        for (batch_port, port) in self.plan.inputs.iter().zip(&sample_plan.inputs) {
            let values = &self.inputs[self.sample_range(batch_port, sample)];
            own.input(port).copy_from_slice(cast_slice(values));
        }
        run(sample_plan, &mut own);
        let first = self.inputs.len();
        let mut outputs = self.outputs.lock().unwrap_or_else(PoisonError::into_inner);
        for (batch_port, port) in self.plan.outputs.iter().zip(&sample_plan.outputs) {
            let sample_range = self.sample_range(batch_port, sample);
            outputs[sample_range.start - first..sample_range.end - first]
                .copy_from_slice(cast_slice(own.output(sample_plan, port)));
        }
    }

    /// The bytes of one picture in a port.
    fn sample_range(&self, port: &Port, sample: usize) -> Range<usize> {
        // The ports of a batch are all in the arena.
        let range = port.buffer_ref.range();
        let len = range.len() / self.per_sample.batch_size;
        range.start + sample * len..range.start + (sample + 1) * len
    }
}
