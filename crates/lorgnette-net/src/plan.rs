//! A graph for inputs of one size, as steps. Every kernel is chosen, every weight packed and every
//! value has a place in memory, so that a run allocates nothing, decides nothing and cannot fail.
//!
//! ```text
//! Shaped ─▶ layout (who lies where, what is written in place) ─▶ memory (one arena)
//!        └▶ lower (an operation's kernel) ─▶ packing (its weights) ─▶ steps
//! ```

mod concatenation;
mod convolutions;
mod explain;
mod external;
mod fused_group;
mod kernel;
mod layout;
mod lower;
mod memory;
mod per_sample;
mod row_dependency;
mod row_fusion;
mod row_kernel;
mod run;
mod step_args;
mod storage_preference;
mod storage_types;
mod weight_cache;

pub use convolutions::Convolution;
pub use explain::{Alternative, StepReport};
pub(crate) use external::ExternalMemory;
pub use run::Activations;
pub use weight_cache::WeightCache;
pub(crate) use weight_cache::{PackedWeights, WeightKey};

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use lorgnette_kernels::{Buffer, Level, NumericOptions, ThreadPool};

use crate::error::{Error, Result};
use crate::graph::Op;
use crate::graph::quantized::{IntegerKernel, port_fact};
use crate::graph::shape::{Fact, TypedGraph};
use fused_group::FusedGroup;
use kernel::Kernel;
use lower::PlacedGraph;
use per_sample::PerSample;
use row_fusion::FusedGroups;
use row_kernel::RowKernel;
use storage_types::{Storage, StorageTypes};

/// The machine and the limits that a plan is made for.
#[derive(Clone, Copy, Debug)]
pub struct PlanOptions {
    /// The CPU level whose kernels are used.
    pub level: Level,
    /// The number formats of products and of stored weights.
    pub numerics: NumericOptions,
    /// Maximum bytes of the activations.
    pub memory_limit: u64,
    /// Which layers are fused. For tests that compare.
    #[doc(hidden)]
    pub row_fusion: RowFusion,
}

/// Which layers are computed together, one block of rows at a time, so that the values between them
/// stay in a core's cache. No bit of an answer depends on it; only the tests that show this choose.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RowFusion {
    /// Those where the cost model predicts a gain.
    #[default]
    Auto,
    /// None.
    Never,
    /// All that can be, with this many rows in a block.
    Always(usize),
}

impl Default for PlanOptions {
    /// The best level of this CPU, float32, and 8 GiB of activations.
    fn default() -> Self {
        Self {
            level: Level::best(),
            numerics: NumericOptions::default(),
            memory_limit: 8 << 30,
            row_fusion: RowFusion::Auto,
        }
    }
}

/// A network for inputs of one size, ready to run.
#[derive(Debug)]
pub struct Plan {
    /// Identifies its activations.
    id: u64,
    /// The plan for one picture, if a batch is computed picture by picture; there are then no steps
    /// here.
    per_sample: Option<PerSample>,
    steps: Vec<Step>,
    /// Length of the arena in bytes.
    arena_len: usize,
    constants: Buffer,
    inputs: Vec<Port>,
    outputs: Vec<Port>,
    level: Level,
    numerics: NumericOptions,
}

/// One run of a kernel or of a fused group.
#[derive(Debug)]
struct Step {
    /// The node whose result it writes.
    name: String,
    kernel: StepKernel,
    inputs: Vec<BufferRef>,
    output: Range<usize>,
    /// The result's shape, for reports.
    shape: Vec<usize>,
    /// How the result is stored.
    storage: Storage,
}

/// A kernel, or several that are computed block by block.
#[derive(Debug)]
enum StepKernel {
    Single(Kernel),
    /// Of 8-bit integers.
    Integer(IntegerKernel),
    Group(FusedGroup),
}

impl Step {
    /// The number of kernels it runs.
    fn len(&self) -> usize {
        match &self.kernel {
            StepKernel::Single(_) | StepKernel::Integer(_) => 1,
            StepKernel::Group(group) => group.stages().len(),
        }
    }

    /// Bytes that it reads and writes, without packed weights.
    fn activation_bytes(&self) -> usize {
        let read: usize = self.inputs.iter().map(|input| input.range().len()).sum();
        let elements = self.storage.pixel_len(self.shape.iter().product());
        read + elements * self.storage.size()
    }

    /// Those of its kernels that can compute a range of rows.
    fn row_kernels(&self) -> impl Iterator<Item = &RowKernel> {
        let (single, stages) = match &self.kernel {
            StepKernel::Single(kernel) => (kernel.row_wise(), &[][..]),
            StepKernel::Integer(_) => (None, &[][..]),
            StepKernel::Group(group) => (None, group.stages()),
        };
        single.into_iter().chain(stages.iter().map(|stage| &stage.kernel))
    }

    /// Words of scratch for a run on `threads` threads.
    fn scratch_len(&self, threads: usize) -> usize {
        match &self.kernel {
            StepKernel::Single(kernel) => kernel.scratch_len(threads),
            StepKernel::Integer(kernel) => kernel.scratch_len(threads).div_ceil(size_of::<f32>()),
            StepKernel::Group(group) => group.scratch_len(threads),
        }
    }
}

/// The place of a value: a range of bytes.
#[derive(Clone, Debug, PartialEq)]
enum BufferRef {
    Arena(Range<usize>),
    Constant(Range<usize>),
}

impl BufferRef {
    /// The range in its buffer.
    fn range(&self) -> &Range<usize> {
        match self {
            Self::Arena(range) | Self::Constant(range) => range,
        }
    }
}

/// A value that the caller writes or reads.
#[derive(Clone, Debug)]
pub struct Port {
    /// The node's name.
    pub name: String,
    /// Its type and shape. A quantised value is written and read as the real numbers that its
    /// integers stand for.
    pub fact: Fact,
    buffer_ref: BufferRef,
}

impl Plan {
    /// Plans an optimised graph. Weights that `weight_cache` has are not packed again; `pool` packs
    /// the others.
    ///
    /// # Errors
    /// [`Error::Memory`] if the activations exceed the limit; [`Error::Unsupported`] with all nodes
    /// that cannot run; [`Error::Input`] for numbers that this CPU cannot compute with.
    pub fn new(
        typed: &TypedGraph,
        weight_cache: &WeightCache,
        options: &PlanOptions,
        pool: &ThreadPool,
    ) -> Result<Self> {
        check_numerics(options)?;
        let storage = StorageTypes::new(typed, options);
        let groups = FusedGroups::find(typed, &storage, options, pool.threads());
        let layout = layout::assign_slots(typed, &storage, &groups, options)?;
        let graph = PlacedGraph { typed, groups: &groups, layout: &layout };
        let lowered = lower::lower(graph, weight_cache, options, pool)?;
        let port = |id: crate::graph::NodeId| Port {
            name: typed.graph.node(id).name.clone(),
            fact: port_fact(typed, id),
            buffer_ref: lowered.buffer_of(&layout, id),
        };
        let is_input =
            |id: &crate::graph::NodeId| matches!(typed.graph.node(*id).op, Op::Input { .. });
        Ok(Self {
            id: next_plan_id(),
            per_sample: None,
            inputs: typed.graph.iter().map(|(id, _)| id).filter(is_input).map(port).collect(),
            outputs: typed.graph.outputs().iter().map(|&id| port(id)).collect(),
            steps: lowered.steps,
            arena_len: layout.arena_len,
            constants: lowered.constants,
            level: options.level,
            numerics: options.numerics,
        })
    }

    /// The inputs, with their types and shapes.
    pub fn inputs(&self) -> &[Port] {
        &self.inputs
    }

    /// The outputs in the order they were asked for.
    pub fn outputs(&self) -> &[Port] {
        &self.outputs
    }

    /// Bytes of the activations of one run on `threads` threads.
    pub fn activation_bytes(&self, threads: usize) -> usize {
        let own = self.arena_len + self.scratch_len(threads);
        own + self.per_sample.as_ref().map_or(0, |per_sample| per_sample.activation_bytes(threads))
    }

    /// Bytes of scratch that the kernels need on up to `threads` threads. Some need more on fewer
    /// threads, among which work divides less evenly.
    fn scratch_len(&self, threads: usize) -> usize {
        let scratch_lens = |threads| self.steps.iter().map(move |step| step.scratch_len(threads));
        (1..=threads).flat_map(scratch_lens).max().unwrap_or(0) * size_of::<f32>()
    }

    /// The CPU level whose kernels it runs.
    pub fn level(&self) -> Level {
        self.level
    }

    /// The number formats of products and of stored weights.
    pub fn numerics(&self) -> NumericOptions {
        self.numerics
    }

    /// Allocates memory for one run at a time, on up to `threads` threads. Pages take memory once
    /// they are written.
    ///
    /// # Errors
    /// [`Error::Memory`] if the system has no more, or the limit of the process is reached.
    pub fn activations(&self, threads: usize) -> Result<Activations> {
        let buffer = |len| {
            let out_of_memory =
                |_| Error::Memory { what: "the activations".into(), needed: len as u64, limit: 0 };
            crate::memory::check("the activations", len as u64)?;
            Buffer::zeroed(len).map_err(out_of_memory)
        };
        let per_sample = self
            .per_sample
            .as_ref()
            .map(|per_sample| per_sample.activations(threads))
            .transpose()?;
        let (arena, scratch) = (buffer(self.arena_len)?, buffer(self.scratch_len(threads))?);
        Ok(Activations {
            plan_id: self.id,
            bytes: self.activation_bytes(threads) as u64,
            arena,
            scratch,
            threads,
            per_sample: per_sample.unwrap_or_default(),
        })
    }
}

/// Returns a number that no other plan of this process has.
fn next_plan_id() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

fn check_numerics(options: &PlanOptions) -> Result<()> {
    let (level, precision) = (options.level, options.numerics.compute);
    if precision.is_available(level) {
        return Ok(());
    }
    let why = if lorgnette_kernels::numerics::has_bf16() {
        format!("it needs the CPU level avx512 or amx, and {level} is asked for")
    } else {
        "this CPU has no products of bf16".to_owned()
    };
    let advice = "take precision auto, which is bf16 where that is faster, or float32";
    Err(Error::Input(format!("precision {precision}: {why}: {advice}")))
}
