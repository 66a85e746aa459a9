//! A batch picture by picture: what one picture leaves from layer to layer stays in a core's cache, what sixteen leave does not.
//!
//! As many pictures as there are threads go through the whole network at the same time, each on one thread, without waiting for
//! another between layers; those that are left over go through on all threads, one after the other. The bits are the same, for
//! kernels are chosen for one picture in any case.
//!
//! What a batch computed layer by layer saves is reading weights that each picture uses once: those of fully connected layers. Where
//! these are large, as VGG's, the batch stays together ([`ByPhoto::pays`]).

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lorgnette_kernels::{Buffer, Pool};

use super::convolutions::Convolution;
use super::{Activations, Place, Plan, Port, Step};
use crate::error::Result;

/// Weights of fully connected layers that may be read anew for each picture: a core's share of a cache that all use.
const MOST_CONNECTED: usize = 16 << 20;

/// The plan for one picture, and how it serves for several.
#[derive(Debug)]
pub(super) struct ByPhoto {
    pub(super) one: Arc<Plan>,
    pictures: usize,
    /// A thread that has a picture for itself.
    alone: Pool,
}

impl Plan {
    /// The plan for `pictures` that are independent of each other, from the one for a single one, if that is quicker than computing
    /// layer by layer.
    pub(crate) fn by_photo(one: &Arc<Self>, pictures: usize) -> Option<Self> {
        if !ByPhoto::pays(one) {
            return None;
        }
        let mut arena_len = 0;
        let mut port = |port: &Port| {
            let mut fact = port.fact.clone();
            fact.shape[0] *= pictures;
            let start = arena_len;
            arena_len += fact.len();
            Port { name: port.name.clone(), fact, place: Place::Arena(start..arena_len) }
        };
        let (inputs, outputs) =
            (one.inputs.iter().map(&mut port).collect(), one.outputs.iter().map(&mut port).collect());
        Some(Self {
            by_photo: Some(ByPhoto { one: one.clone(), pictures, alone: Pool::new(1) }),
            steps: Vec::new(),
            arena_len,
            constants: Buffer::zeroed(0).ok()?,
            inputs,
            outputs,
            level: one.level,
            formats: one.formats,
        })
    }
}

impl ByPhoto {
    /// Whether pictures can be told apart in every input and output, and little is read anew for each.
    fn pays(one: &Plan) -> bool {
        let by_picture = |port: &Port| port.fact.shape.first() == Some(&1) && matches!(port.place, Place::Arena(_));
        let connected = |work: Convolution| match work {
            Convolution::Full(shape) if shape.output.pixels() == 1 => shape.depth() * shape.output.channels,
            _ => 0,
        };
        let weights: usize = one.convolutions().map(connected).sum();
        one.inputs.iter().chain(&one.outputs).all(by_picture) && weights * size_of::<f32>() <= MOST_CONNECTED
    }

    pub(super) fn activation_bytes(&self, threads: usize) -> usize {
        self.one.activation_bytes(threads) + (threads.max(1) - 1) * self.one.activation_bytes(1)
    }

    /// One for each thread; the first can serve all of them together.
    pub(super) fn activations(&self, threads: usize) -> Result<Vec<Mutex<Activations>>> {
        let of = |worker| Ok(Mutex::new(self.one.activations(if worker == 0 { threads } else { 1 })?));
        (0..threads.max(1)).map(of).collect()
    }

    pub(super) fn run(&self, plan: &Plan, activations: &mut Activations, pool: &Pool) {
        let batch = Batch::new(self, plan, activations);
        let together = self.pictures - self.pictures % pool.threads();
        pool.run(together, &|worker, picture| {
            batch.take_through(picture, worker, |one, own| one.run(own, &self.alone));
        });
        for picture in together..self.pictures {
            batch.take_through(picture, 0, |one, own| one.run(own, pool));
        }
    }

    /// One picture after the other, on all threads; the times of a step are added up.
    pub(super) fn run_timed(&self, plan: &Plan, activations: &mut Activations, pool: &Pool) -> Vec<Duration> {
        let batch = Batch::new(self, plan, activations);
        let mut times = vec![Duration::ZERO; self.one.steps.iter().flat_map(Step::kernels).count()];
        for picture in 0..self.pictures {
            batch.take_through(picture, 0, |one, own| {
                let took = one.run_timed(own, pool);
                times.iter_mut().zip(took).for_each(|(time, took)| *time += took);
            });
        }
        times
    }
}

/// A batch on its way.
struct Batch<'a> {
    by_photo: &'a ByPhoto,
    plan: &'a Plan,
    inputs: &'a [f32],
    /// Written to for moments only.
    outputs: Mutex<&'a mut [f32]>,
    /// Each worker's.
    memory: &'a [Mutex<Activations>],
}

impl<'a> Batch<'a> {
    fn new(by_photo: &'a ByPhoto, plan: &'a Plan, activations: &'a mut Activations) -> Self {
        let Activations { arena, by_photo: memory, .. } = activations;
        // Inputs come first.
        let (inputs, outputs) = arena.split_at_mut(plan.inputs.iter().map(|port| port.fact.len()).sum());
        Self { by_photo, plan, inputs, outputs: Mutex::new(outputs), memory }
    }

    /// Takes one picture from the inputs to the outputs, in a worker's memory.
    fn take_through(&self, picture: usize, worker: usize, run: impl FnOnce(&Plan, &mut Activations)) {
        let mut own = self.memory[worker].lock().unwrap_or_else(PoisonError::into_inner);
        let one = &self.by_photo.one;
        for (whole, port) in self.plan.inputs.iter().zip(&one.inputs) {
            own.input(port).copy_from_slice(&self.inputs[self.part(whole, picture)]);
        }
        run(one, &mut own);
        let first = self.inputs.len();
        let mut outputs = self.outputs.lock().unwrap_or_else(PoisonError::into_inner);
        for (whole, port) in self.plan.outputs.iter().zip(&one.outputs) {
            let part = self.part(whole, picture);
            outputs[part.start - first..part.end - first].copy_from_slice(own.output(one, port));
        }
    }

    /// A picture's part of a port.
    fn part(&self, port: &Port, picture: usize) -> Range<usize> {
        let Place::Arena(range) = &port.place else { unreachable!("they all lie in the arena") };
        let len = range.len() / self.by_photo.pictures;
        range.start + picture * len..range.start + (picture + 1) * len
    }
}
