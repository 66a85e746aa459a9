//! The run loop.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use lorgnette_kernels::{Buffer, Pool};

use super::chain::MOST_INPUTS;
use super::kernel::{Kernel, Site};
use super::{Place, Plan, Port, Step};

/// The memory of one run: inputs, outputs and everything between.
#[derive(Debug)]
pub struct Activations {
    pub(super) arena: Buffer,
    pub(super) scratch: Buffer,
    pub(super) threads: usize,
    /// Of the plan for one picture, where a batch goes through it picture by picture: each worker's own.
    pub(super) by_photo: Vec<Mutex<Activations>>,
}

impl Activations {
    /// The number of threads that a run in this memory may use.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// The values of an input, to be written before each run; its memory may be used again during the run.
    pub fn input(&mut self, port: &Port) -> &mut [f32] {
        match &port.place {
            Place::Arena(range) => &mut self.arena[range.clone()],
            Place::Constant(_) => unreachable!("inputs lie in the arena"),
        }
    }

    /// The values of an output after a run.
    pub fn output<'a>(&'a self, plan: &'a Plan, port: &Port) -> &'a [f32] {
        match &port.place {
            Place::Arena(range) => &self.arena[range.clone()],
            Place::Constant(range) => &plan.constants[range.clone()],
        }
    }
}

impl Plan {
    /// Computes the outputs from the inputs in `activations`. Allocates nothing.
    ///
    /// # Panics
    /// If `pool` has more threads than `activations` was made for, or `activations` is another plan's.
    pub fn run(&self, activations: &mut Activations, pool: &Pool) {
        self.check(activations, pool);
        if let Some(by_photo) = &self.by_photo {
            return by_photo.run(self, activations, pool);
        }
        for step in &self.steps {
            step.kernel.run(self.site(step, activations, pool));
        }
    }

    /// As [`Plan::run`], with the time each step of [`Plan::report`] took; of a batch that goes through picture by picture, for all
    /// of them. Layers that are computed together share their time as their threads spent it.
    pub fn run_timed(&self, activations: &mut Activations, pool: &Pool) -> Vec<Duration> {
        self.check(activations, pool);
        if let Some(by_photo) = &self.by_photo {
            return by_photo.run_timed(self, activations, pool);
        }
        let timed = |step: &Step| {
            let (started, site) = (Instant::now(), self.site(step, activations, pool));
            if let Kernel::Chain(chain) = &step.kernel {
                return chain.run_timed(site);
            }
            step.kernel.run(site);
            vec![started.elapsed()]
        };
        self.steps.iter().flat_map(timed).collect()
    }

    fn check(&self, activations: &Activations, pool: &Pool) {
        assert!(pool.threads() <= activations.threads, "the activations are for fewer threads");
        assert_eq!(activations.arena.len(), self.arena_len, "the activations are another plan's");
    }

    /// What a step works on.
    fn site<'a>(&'a self, step: &Step, activations: &'a mut Activations, pool: &'a Pool) -> Site<'a> {
        // Inputs lie before or behind the output; one that lies on it is changed in place.
        let (before, rest) = activations.arena.split_at_mut(step.output.start);
        let (output, behind) = rest.split_at_mut(step.output.len());
        let mut inputs = [None; MOST_INPUTS];
        for (slot, place) in inputs.iter_mut().zip(&step.inputs) {
            *slot = match place {
                Place::Constant(range) => Some(&self.constants[range.clone()]),
                Place::Arena(range) if *range == step.output => None,
                Place::Arena(range) if range.end <= step.output.start => Some(&before[range.clone()]),
                Place::Arena(range) => Some(&behind[range.start - step.output.end..range.end - step.output.end]),
            };
        }
        Site { level: self.level, pool, inputs, output, scratch: &mut activations.scratch }
    }
}
