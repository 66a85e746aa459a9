//! The plan as a table.

use std::time::Duration;

use lorgnette_kernels::Formats;

use super::{Place, Plan};

/// One step, for people.
#[derive(Clone, Debug)]
pub struct StepReport {
    /// The node whose result the step writes.
    pub name: String,
    /// The kernel chosen.
    pub kernel: String,
    /// What it multiplies, and what it keeps weights as; `None` for what has no weights.
    pub formats: Option<Formats>,
    /// The kernels that could have been, with other arithmetic.
    pub rejected: Vec<Rejected>,
    /// The shape of the node's result.
    pub shape: Vec<usize>,
    /// Floating-point operations, a multiplication and an addition counting as two.
    pub flops: u64,
    /// Bytes of weights read.
    pub weight_bytes: usize,
    /// Bytes of activations read and written.
    pub activation_bytes: usize,
    /// The time it took, where it was run.
    pub time: Option<Duration>,
}

/// A kernel that was not chosen.
#[derive(Clone, Debug)]
pub struct Rejected {
    /// Its name.
    pub kernel: &'static str,
    /// What it is reckoned to cost, the chosen kernel's cost being 1.
    pub cost: f64,
}

impl Plan {
    /// The steps in order; `times` from [`Plan::run_timed`] may be empty.
    ///
    /// Where a batch goes through picture by picture, the steps are those of one.
    pub fn report(&self, times: &[Duration]) -> Vec<StepReport> {
        if let Some(by_photo) = &self.by_photo {
            return by_photo.one.report(times);
        }
        let length = |place: &Place| match place {
            Place::Arena(range) | Place::Constant(range) => range.len(),
        };
        let report = |(i, step): (usize, &super::Step)| StepReport {
            name: step.name.clone(),
            kernel: step.kernel.name(),
            formats: step.kernel.formats(),
            rejected: step.kernel.rejected(self.level, self.formats),
            shape: step.shape.clone(),
            flops: step.kernel.flops(),
            weight_bytes: step.kernel.weight_bytes(),
            activation_bytes: size_of::<f32>()
                * (step.elements.floats(step.shape.iter().product()) + step.inputs.iter().map(length).sum::<usize>()),
            time: times.get(i).copied(),
        };
        self.steps.iter().enumerate().map(report).collect()
    }
}
