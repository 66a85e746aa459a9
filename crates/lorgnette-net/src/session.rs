//! A plan with the memory of one run.

use std::sync::Arc;
use std::time::Duration;

use lorgnette_kernels::ThreadPool;

use crate::error::{Error, Result};
use crate::graph::shape::Fact;
use crate::plan::{Activations, ExternalMemory, Plan, Port};
use crate::plan_cache::{PlanCache, PlannedRun};
use crate::plan_file::PlanFileIntegrity;
use crate::source::node_name;

/// Runs a network for inputs of fixed shapes: fill [`input_mut`](Self::input_mut), call
/// [`run`](Self::run), read [`output`](Self::output).
///
/// A session has its own memory, which is taken when it is first needed and goes back to the
/// network when the session is dropped, for the next one. A clone has memory of its own over the
/// same plan and the same weights, on the same threads.
///
/// ```no_run
/// # use lorgnette_net::{LoadOptions, Network, RunOptions};
/// # fn main() -> lorgnette_net::Result<()> {
/// let path = std::path::Path::new("lenet.ckpt");
/// let network = Network::open(path, LoadOptions::default(), RunOptions::default())?;
/// let mut session = network.session(&[("input", &[1, 28, 28, 1])], &["Predictions"])?;
/// session.input_mut("input")?.fill(0.5);
/// session.run()?;
/// println!("{:?}", session.output("Predictions")?);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Session {
    cache: Arc<PlanCache>,
    planned: Arc<PlannedRun>,
    pool: Arc<ThreadPool>,
    max_idle_bytes: u64,
    activations: Option<Activations>,
    /// The state of the plan file whose weights are used.
    integrity: Option<Arc<PlanFileIntegrity>>,
}

impl Session {
    pub(crate) fn new(
        cache: Arc<PlanCache>,
        planned: Arc<PlannedRun>,
        pool: Arc<ThreadPool>,
        max_idle_bytes: u64,
    ) -> Self {
        Self { cache, planned, pool, max_idle_bytes, activations: None, integrity: None }
    }

    /// Returns the session that also checks a plan file after each run.
    pub(crate) fn checked_with(mut self, integrity: Option<Arc<PlanFileIntegrity>>) -> Self {
        self.integrity = integrity;
        self
    }

    /// The plan that it runs.
    pub fn plan(&self) -> &Arc<Plan> {
        &self.planned.plan
    }

    /// The inputs, with their types and shapes.
    pub fn inputs(&self) -> &[Port] {
        self.planned.plan.inputs()
    }

    /// The outputs in the order they were asked for, with their types and shapes.
    pub fn outputs(&self) -> &[Port] {
        self.planned.plan.outputs()
    }

    /// The shape of the input of that TensorFlow tensor name.
    ///
    /// # Errors
    /// [`Error::Unknown`] if the outputs depend on no such input.
    pub fn input_shape(&self, name: &str) -> Result<&[usize]> {
        Ok(&self.input_fact(name)?.shape)
    }

    /// The type, shape and scale of the input of that TensorFlow tensor name.
    pub(crate) fn input_fact(&self, name: &str) -> Result<&Fact> {
        Ok(&self.inputs()[self.input_index(name)?].fact)
    }

    /// The shape of the output of that TensorFlow tensor name.
    ///
    /// # Errors
    /// [`Error::Unknown`] if it was not asked for.
    pub fn output_shape(&self, name: &str) -> Result<&[usize]> {
        Ok(&self.outputs()[self.output_index(name)?].fact.shape)
    }

    /// The values of the input of that TensorFlow tensor name, real numbers where it is quantised.
    /// They have to be written before each
    /// run, since a run may use their memory for other values.
    ///
    /// # Errors
    /// [`Error::Unknown`] if the outputs depend on no such input; [`Error::Memory`] if there is no
    /// memory for the activations.
    pub fn input_mut(&mut self, name: &str) -> Result<&mut [f32]> {
        let index = self.input_index(name)?;
        let planned = self.planned.clone();
        Ok(self.activations()?.input(&planned.plan.inputs()[index]))
    }

    /// Computes the outputs from the inputs.
    ///
    /// # Errors
    /// [`Error::Memory`] if there is no memory for the activations; [`Error::Format`] if the plan
    /// file that the weights are in is damaged, or was written to meanwhile.
    pub fn run(&mut self) -> Result<()> {
        let (planned, pool) = (self.planned.clone(), self.pool.clone());
        planned.plan.run(self.activations()?, &pool);
        self.check_plan_file()
    }

    /// As [`run`](Self::run), with the memory of the caller: `inputs`, by name, are read where they
    /// are, and the outputs are written to `outputs`, one for each of [`outputs`](Self::outputs).
    /// Inputs that are not among them have to be written before.
    ///
    /// Returns the number of values that were copied nevertheless. Copied are inputs that the
    /// network changes in place or gives as outputs, outputs that are constants or share their
    /// memory, and batches that are computed picture by picture.
    ///
    /// # Errors
    /// As [`run`](Self::run) and [`input_mut`](Self::input_mut); [`Error::Input`] if there are more
    /// or fewer outputs, or an input or output has another number of values.
    pub fn run_with(
        &mut self,
        inputs: &[(&str, &[f32])],
        outputs: &mut [&mut [f32]],
    ) -> Result<usize> {
        let (planned, pool) = (self.planned.clone(), self.pool.clone());
        let plan = &planned.plan;
        if outputs.len() != plan.outputs().len() {
            let (given, expected) = (outputs.len(), plan.outputs().len());
            return Err(Error::Input(format!("{given} outputs in place of {expected}")));
        }
        let mut external = ExternalMemory::default();
        let mut copied_values = 0;
        for (name, values) in inputs {
            let port = &plan.inputs()[self.input_index(name)?];
            check_length(port, values.len())?;
            if !external.add_input(plan, port, values) {
                self.activations()?.input(port).copy_from_slice(values);
                copied_values += values.len();
            }
        }
        let mut copied_outputs = Vec::new();
        for (index, (port, values)) in plan.outputs().iter().zip(&mut *outputs).enumerate() {
            check_length(port, values.len())?;
            if !external.add_output(plan, port, values) {
                copied_outputs.push(index);
            }
        }
        plan.run_with(self.activations()?, &pool, external);
        for index in copied_outputs {
            outputs[index].copy_from_slice(self.output_at(index)?);
            copied_values += outputs[index].len();
        }
        self.check_plan_file()?;
        Ok(copied_values)
    }

    /// As [`run`](Self::run), with the time that each step of [`Plan::report`] took.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn run_timed(&mut self) -> Result<Vec<Duration>> {
        let (planned, pool) = (self.planned.clone(), self.pool.clone());
        let times = planned.plan.run_timed(self.activations()?, &pool);
        self.check_plan_file()?;
        Ok(times)
    }

    fn check_plan_file(&self) -> Result<()> {
        self.integrity.as_ref().map_or(Ok(()), |integrity| integrity.check())
    }

    /// The values of the output of that TensorFlow tensor name after a run.
    ///
    /// # Errors
    /// [`Error::Unknown`] if it was not asked for; [`Error::Input`] before the first run.
    pub fn output(&self, name: &str) -> Result<&[f32]> {
        self.output_at(self.output_index(name)?)
    }

    /// The values of the output number `index` after a run, in the order of
    /// [`outputs`](Self::outputs).
    ///
    /// # Errors
    /// [`Error::Input`] before the first run.
    ///
    /// # Panics
    /// If there are fewer outputs.
    pub fn output_at(&self, index: usize) -> Result<&[f32]> {
        let plan = &self.planned.plan;
        let activations = self.activations.as_ref().ok_or_else(|| {
            Error::Input("a session has no outputs before its first run".to_owned())
        })?;
        Ok(activations.output(plan, &plan.outputs()[index]))
    }

    fn activations(&mut self) -> Result<&mut Activations> {
        if self.activations.is_none() {
            self.activations = Some(self.cache.activations(&self.planned, self.pool.threads())?);
        }
        Ok(self.activations.as_mut().expect("taken above"))
    }

    fn input_index(&self, name: &str) -> Result<usize> {
        // Nodes of broken graphs may have names that end in `:0` themselves.
        let find = |node: &str| self.inputs().iter().position(|port| port.name == node);
        find(name).or_else(|| find(node_name(name))).ok_or_else(|| {
            Error::unknown("input", name, self.inputs().iter().map(|port| port.name.as_str()))
        })
    }

    fn output_index(&self, name: &str) -> Result<usize> {
        let fetches = &self.planned.key.fetches;
        fetches
            .iter()
            .position(|fetch| node_name(fetch) == node_name(name))
            .ok_or_else(|| Error::unknown("output", name, fetches.iter().map(String::as_str)))
    }
}

/// Checks the number of values of an input or an output.
fn check_length(port: &Port, given: usize) -> Result<()> {
    let expected = port.fact.shape.iter().product::<usize>();
    if given == expected {
        return Ok(());
    }
    Err(Error::Input(format!("{}: {given} values in place of {expected}", port.name)))
}

impl Clone for Session {
    fn clone(&self) -> Self {
        let (cache, planned, pool) = (self.cache.clone(), self.planned.clone(), self.pool.clone());
        let session = Self::new(cache, planned, pool, self.max_idle_bytes);
        session.checked_with(self.integrity.clone())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(activations) = self.activations.take() {
            self.cache.keep_idle(activations, self.max_idle_bytes);
        }
    }
}
