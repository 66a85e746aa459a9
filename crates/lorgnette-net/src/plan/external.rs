//! Inputs and outputs in the caller's memory, where a run reads and writes them.
//!
//! They have places in the arena as well. In the steps in which such a place stands for the input
//! or the output, a step gets the caller's memory instead.

use std::ops::Range;

use bytemuck::{cast_slice, cast_slice_mut};

use super::step_args::StepArgs;
use super::{BufferRef, Plan, Port, Step};

/// An input in the caller's memory.
#[derive(Debug)]
struct ExternalInput<'v> {
    /// The input's place in the arena.
    place: Range<usize>,
    values: &'v [u8],
    /// Number of steps in which the place stands for the input.
    steps: usize,
}

/// An output in the caller's memory.
#[derive(Debug)]
struct ExternalOutput<'v> {
    /// The output's place in the arena.
    place: Range<usize>,
    values: &'v mut [u8],
    /// The step from which the place stands for the output.
    first: usize,
}

/// The caller's memory for one run.
#[derive(Debug, Default)]
pub(crate) struct ExternalMemory<'v> {
    inputs: Vec<ExternalInput<'v>>,
    outputs: Vec<ExternalOutput<'v>>,
}

impl<'v> ExternalMemory<'v> {
    /// Adds an input. Returns false if it has to be copied: if a step changes it in place, an
    /// output contains it, or a batch is computed picture by picture.
    pub(crate) fn add_input(&mut self, plan: &Plan, port: &Port, values: &'v [f32]) -> bool {
        let BufferRef::Arena(place) = &port.buffer_ref else { return false };
        let (place, values) = (place.clone(), cast_slice(values));
        let Some(steps) = plan.steps_of_input(&place) else { return false };
        let fits = values.len() == place.len();
        if fits {
            self.inputs.push(ExternalInput { place, values, steps });
        }
        fits
    }

    /// Adds an output. Returns false if it has to be copied: if it is a constant or an input, is
    /// written in pieces, shares its place with another one, or a batch is computed picture by
    /// picture.
    pub(crate) fn add_output(&mut self, plan: &Plan, port: &Port, values: &'v mut [f32]) -> bool {
        let BufferRef::Arena(place) = &port.buffer_ref else { return false };
        let (place, values) = (place.clone(), cast_slice_mut(values));
        let Some(first) = plan.first_step_of_output(&place) else { return false };
        let fits = values.len() == place.len();
        if fits {
            self.outputs.push(ExternalOutput { place, values, first });
        }
        fits
    }

    /// Puts the caller's memory into the arguments of a step.
    pub(super) fn put<'a>(&'a mut self, number: usize, step: &Step, args: &mut StepArgs<'a>) {
        for input in &self.inputs {
            if number < input.steps {
                put_inputs(&input.place, input.values, step, args);
            }
        }
        for output in &mut self.outputs {
            if number >= output.first && output.place == step.output {
                args.output = &mut *output.values;
            } else if number > output.first {
                put_inputs(&output.place, output.values, step, args);
            }
        }
    }
}

/// Puts values that stand for a place in the arena where a step reads in that place.
fn put_inputs<'a>(place: &Range<usize>, values: &'a [u8], step: &Step, args: &mut StepArgs<'a>) {
    for (slice, buffer_ref) in args.inputs.iter_mut().zip(&step.inputs) {
        if let BufferRef::Arena(read) = buffer_ref
            && contains(place, read)
        {
            *slice = Some(&values[read.start - place.start..read.end - place.start]);
        }
    }
}

impl Plan {
    /// Returns the number of steps in which a place stands for the input that it holds at first;
    /// `None` if the input has to be there.
    fn steps_of_input(&self, place: &Range<usize>) -> Option<usize> {
        let last = self.steps.iter().position(|step| overlap(&step.output, place));
        let steps = last.map_or(self.steps.len(), |last| last + 1);
        let is_kept = last.is_none() && self.outputs_in(place) > 0;
        let is_read_elsewhere = self.steps[..steps]
            .iter()
            .any(|step| is_changed_in_place(step, place) || reads_across(step, place));
        (self.per_sample.is_none() && !is_kept && !is_read_elsewhere).then_some(steps)
    }

    /// Returns the step from which a place stands for the output that it holds in the end; `None`
    /// if no step writes it whole, or another output is there.
    fn first_step_of_output(&self, place: &Range<usize>) -> Option<usize> {
        let last_writer =
            |steps: &[Step]| steps.iter().rposition(|step| overlap(&step.output, place));
        let mut first = last_writer(&self.steps)?;
        // Steps that change it in place follow the one that makes it.
        while is_changed_in_place(&self.steps[first], place) {
            if self.steps[first].output != *place {
                return None;
            }
            first = last_writer(&self.steps[..first])?;
        }
        let is_whole = self.steps[first].output == *place && self.outputs_in(place) == 1;
        let is_read_across = self.steps[first..].iter().any(|step| reads_across(step, place));
        (self.per_sample.is_none() && is_whole && !is_read_across).then_some(first)
    }

    /// Returns the number of outputs that have bytes in a place.
    fn outputs_in(&self, place: &Range<usize>) -> usize {
        let is_there = |output: &&Port| match &output.buffer_ref {
            BufferRef::Arena(other) => overlap(other, place),
            BufferRef::Constant(_) => false,
        };
        self.outputs.iter().filter(is_there).count()
    }
}

/// Returns the places that a step reads of those that overlap `place`.
fn reads<'s>(step: &'s Step, place: &'s Range<usize>) -> impl Iterator<Item = &'s Range<usize>> {
    step.inputs.iter().filter_map(move |input| match input {
        BufferRef::Arena(read) if overlap(read, place) => Some(read),
        _ => None,
    })
}

/// True if a step writes over what it reads in a place.
fn is_changed_in_place(step: &Step, place: &Range<usize>) -> bool {
    reads(step, place).any(|read| *read == step.output)
}

/// True if a step reads beyond the bounds of a place.
fn reads_across(step: &Step, place: &Range<usize>) -> bool {
    reads(step, place).any(|read| !contains(place, read))
}

fn contains(place: &Range<usize>, part: &Range<usize>) -> bool {
    place.start <= part.start && part.end <= place.end
}

fn overlap(a: &Range<usize>, b: &Range<usize>) -> bool {
    a.start < b.end && b.start < a.end
}
