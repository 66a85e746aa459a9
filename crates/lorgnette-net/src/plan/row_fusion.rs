//! Chooses the nodes of a graph that are computed together as a
//! [`FusedGroup`](super::fused_group::FusedGroup).
//!
//! A run of nodes, each the only reader of the previous one, is divided into groups at the lowest
//! estimated cost. Values within a group stay in a core's cache; in return the rows at the boundary
//! of two threads' ranges are computed twice, and rows may not divide evenly among threads. The
//! cost model depends on nothing but shapes and the number of threads.

use lorgnette_kernels::{
    CacheModel, ConvShape, ImageLayout, Level, Window, choose_conv, preferred_input_storage,
};

use super::fused_group::MAX_STAGES;
use super::row_dependency::RowDependency;
use super::step_args::MAX_INPUTS;
use super::storage_types::StorageTypes;
use super::{PlanOptions, RowFusion};
use crate::graph::NodeId;
use crate::graph::evaluate::{conv_window, pool_shape, rows};
use crate::graph::op::Op;
use crate::graph::shape::TypedGraph;

/// The fused groups of a graph.
#[derive(Debug)]
pub(super) struct FusedGroups {
    /// For each node, the last node of its group; itself if it is in none.
    last_nodes: Vec<NodeId>,
    /// For the last node of each group, the rows of a block; `None` for all others.
    row_blocks: Vec<Option<usize>>,
}

impl FusedGroups {
    /// Finds the groups that are faster on `threads` threads.
    pub(super) fn find(
        typed: &TypedGraph,
        storage: &StorageTypes,
        options: &PlanOptions,
        threads: usize,
    ) -> Self {
        let last_nodes = typed.graph.iter().map(|(id, _)| id).collect();
        let mut found = Self { last_nodes, row_blocks: vec![None; typed.graph.nodes().len()] };
        if options.row_fusion == RowFusion::Never {
            return found;
        }
        let finder = GroupFinder::new(typed, storage, options);
        let caches = options.level.isa().caches;
        let cost_model = CostModel { row_fusion: options.row_fusion, threads, caches };
        let mut visited = vec![false; typed.graph.nodes().len()];
        for (id, _) in typed.graph.iter() {
            if !visited[id.index()] {
                let run = finder.run_from(id);
                run.iter().for_each(|stage| visited[stage.id.index()] = true);
                cost_model
                    .divide(&run)
                    .into_iter()
                    .for_each(|stages| found.add_group(&run[stages], &cost_model));
            }
        }
        found
    }

    fn add_group(&mut self, stages: &[StageCandidate], cost_model: &CostModel) {
        let (Some(last), true) = (stages.last(), stages.len() > 1) else { return };
        stages.iter().for_each(|stage| self.last_nodes[stage.id.index()] = last.id);
        self.row_blocks[last.id.index()] = cost_model.row_block(stages);
    }

    /// The last node of the group that a node belongs to.
    pub(super) fn last_node(&self, id: NodeId) -> NodeId {
        self.last_nodes[id.index()]
    }

    /// True if only the next stage of its group reads the node's value.
    pub(super) fn is_inner(&self, id: NodeId) -> bool {
        self.last_node(id) != id
    }

    /// Rows of a block of the group that ends with a node.
    pub(super) fn row_block(&self, id: NodeId) -> Option<usize> {
        self.row_blocks[id.index()]
    }
}

/// A node that can be a stage of a group.
#[derive(Clone, Debug)]
struct StageCandidate {
    id: NodeId,
    dependency: RowDependency,
    /// Estimated cost of its kernel alone.
    compute_cost: f64,
    /// Words of its packed weights.
    weights: usize,
    /// True if it adds another value.
    reads_addend: bool,
}

struct GroupFinder<'a> {
    typed: &'a TypedGraph,
    storage: &'a StorageTypes,
    options: &'a PlanOptions,
    uses: Vec<usize>,
    /// The last reader of each node.
    readers: Vec<Option<NodeId>>,
}

impl<'a> GroupFinder<'a> {
    fn new(typed: &'a TypedGraph, storage: &'a StorageTypes, options: &'a PlanOptions) -> Self {
        let mut readers = vec![None; typed.graph.nodes().len()];
        for (id, node) in typed.graph.iter() {
            node.inputs.iter().for_each(|input| readers[input.index()] = Some(id));
        }
        Self { typed, storage, options, uses: typed.graph.uses(), readers }
    }

    /// The nodes from `id` on that could form one group.
    fn run_from(&self, id: NodeId) -> Vec<StageCandidate> {
        let mut run = Vec::new();
        let mut next = Some(id);
        while let Some(stage) = next.and_then(|id| self.candidate(id)) {
            next = self.only_reader(stage.id);
            run.push(stage);
        }
        run
    }

    /// The only reader of a node, if it reads it as its first input.
    fn only_reader(&self, id: NodeId) -> Option<NodeId> {
        let reader = self.readers[id.index()].filter(|_| self.uses[id.index()] == 1)?;
        (self.typed.graph.node(reader).inputs.first() == Some(&id)).then_some(reader)
    }

    fn candidate(&self, id: NodeId) -> Option<StageCandidate> {
        let node = self.typed.graph.node(id);
        let input = *node.inputs.first()?;
        let (x, fact) = (&self.typed.fact(input).shape, self.typed.fact(id));
        if x.len() != 4 || fact.shape.len() != 4 || self.typed.graph.is_stored(input) {
            return None;
        }
        let layout = |id: NodeId, shape: &[usize]| {
            Some(ImageLayout { storage: self.storage.get(id).real().ok()?, ..rows(shape) })
        };
        let (from, to) = (layout(input, x)?, layout(id, &fact.shape)?);
        let filter = || &self.typed.fact(node.inputs[1]).shape;
        let windowed = |window: Window| {
            let taps = window.kernel[0] * window.kernel[1];
            Some((
                RowDependency::new(from, to, window, 1)?,
                windowed_cost(self.options.level, &to, taps),
                taps * to.channels,
            ))
        };
        let (dependency, compute_cost, weights) = match &node.op {
            Op::Conv2d(conv) => self.conv(ConvShape {
                input: from,
                output: to,
                window: conv_window(conv, x, filter()).ok()?,
            })?,
            // With several filters for each channel it may become a dense convolution.
            Op::DepthwiseConv2d(conv) if filter()[3] == 1 => {
                windowed(conv_window(conv, x, filter()).ok()?)?
            }
            Op::Pool(pool) => windowed(pool_shape(pool, x, fact).ok()?.window)?,
            Op::Affine(_) | Op::Clamp(_) | Op::Unary(_) => windowed(Window::POINTWISE)?,
            _ => return None,
        };
        let reads_addend = node.inputs.len() > 2;
        Some(StageCandidate { id, dependency, compute_cost, weights, reads_addend })
    }

    fn conv(&self, shape: ConvShape) -> Option<(RowDependency, f64, usize)> {
        let (level, numerics) = (self.options.level, self.options.numerics);
        let shape = ConvShape {
            input: ImageLayout {
                storage: preferred_input_storage(&shape, level, numerics),
                ..shape.input
            },
            ..shape
        };
        let kernel = choose_conv(&shape, level, numerics);
        let dependency = RowDependency::new(
            shape.input,
            shape.output,
            shape.window,
            (kernel.row_block)(&shape)?,
        )?;
        Some((dependency, (kernel.cost)(&shape), (kernel.packed_len)(&shape)))
    }
}

/// Estimated cost of a kernel with `taps` loads for each value.
fn windowed_cost(level: Level, map: &ImageLayout, taps: usize) -> f64 {
    /// Cost of a tap relative to a multiplication with operands in registers.
    const TAP_COST: f64 = 2.0;
    (map.pixels() * map.channels.div_ceil(level.isa().lanes)) as f64
        * (1.0 + TAP_COST * taps as f64)
}

/// Estimates the cost of groups.
struct CostModel {
    row_fusion: RowFusion,
    threads: usize,
    caches: CacheModel,
}

impl CostModel {
    /// Divides a run into groups of the lowest total cost; many have one stage.
    fn divide(&self, run: &[StageCandidate]) -> Vec<std::ops::Range<usize>> {
        // The lowest cost of the first stages, and the start of the last group among them.
        let mut best = vec![(0.0, 0)];
        for end in 1..=run.len() {
            let split_cost =
                |start: usize| (best[start].0 + self.group_cost(&run[start..end]), start);
            let splits = (end.saturating_sub(MAX_STAGES)..end).map(split_cost);
            best.push(splits.min_by(|a, b| a.0.total_cmp(&b.0)).expect("a link can be alone"));
        }
        let starts = std::iter::successors(Some(run.len()), |&end| (end > 0).then(|| best[end].1));
        let bounds: Vec<usize> = starts.collect();
        bounds.windows(2).map(|pair| pair[1]..pair[0]).collect()
    }

    /// Estimated cost of stages as one group.
    fn group_cost(&self, stages: &[StageCandidate]) -> f64 {
        let [inner @ .., last] = stages else { return 0.0 };
        let outer_cost = self.region_cost() + self.transfer_cost(&last.dependency.to);
        if inner.is_empty() {
            // A kernel by itself divides its work evenly among threads.
            return outer_cost + last.compute_cost;
        }
        let Some(row_block) = self.row_block(stages) else { return f64::INFINITY };
        if stages.iter().filter(|stage| stage.reads_addend).count() >= MAX_INPUTS {
            return f64::INFINITY;
        }
        if matches!(self.row_fusion, RowFusion::Always(_)) {
            return 0.0;
        }
        let transfers: f64 = inner
            .iter()
            .map(|stage| self.caches.group_line_cost * cache_lines(&stage.dependency.to))
            .sum();
        outer_cost + transfers + self.weights_cost(stages, row_block) + self.compute_cost(stages)
    }

    /// Cost of reading the weights for every block but each thread's first, if they do not stay in
    /// L2.
    fn weights_cost(&self, stages: &[StageCandidate], row_block: usize) -> f64 {
        let bytes = size_of::<f32>() * stages.iter().map(|stage| stage.weights).sum::<usize>();
        if bytes <= self.caches.l2_weights {
            return 0.0;
        }
        let rows = stages.last().map_or(0, |last| last.dependency.to.height).div_ceil(self.threads);
        let repeats = self.threads * (rows.div_ceil(row_block) - 1);
        self.caches.l3_line_cost * (repeats * bytes.div_ceil(LINE_BYTES)) as f64
    }

    /// Estimated cost of the kernels, with one range of rows for each thread and boundary rows
    /// counted twice.
    fn compute_cost(&self, stages: &[StageCandidate]) -> f64 {
        let mut rows =
            stages.last().map_or(0, |last| last.dependency.to.height.div_ceil(self.threads));
        let mut compute_cost = 0.0;
        for StageCandidate { dependency, compute_cost: total, .. } in stages.iter().rev() {
            rows = rows.next_multiple_of(dependency.row_granularity).min(dependency.to.height);
            compute_cost += total * (rows * self.threads) as f64 / dependency.to.height as f64;
            rows = match self.threads {
                // Each of two ranges has a boundary on one side only.
                2 => (rows * dependency.row_stride() + dependency.max_input_rows(rows))
                    .div_ceil(2)
                    .min(dependency.from.height),
                _ => dependency.max_input_rows(rows),
            };
        }
        compute_cost
    }

    /// The maximum rows of a block whose values between stages fit the budget in L2; one row if
    /// these at least fit L2; `None` if they do not.
    fn row_block(&self, stages: &[StageCandidate]) -> Option<usize> {
        let max_rows = match self.row_fusion {
            RowFusion::Always(rows) => return Some(rows),
            _ => stages.last()?.dependency.to.height,
        };
        let fits = |rows: &usize| live_bytes(stages, *rows) <= self.caches.l2_budget;
        let is_within_l2 = || live_bytes(stages, 1) <= self.caches.max_l2_bytes;
        (1..=max_rows).take_while(fits).last().or_else(|| is_within_l2().then_some(1))
    }

    /// Cost of a parallel region.
    fn region_cost(&self) -> f64 {
        if self.threads == 1 { 0.0 } else { self.caches.region_overhead * self.threads as f64 }
    }

    /// Cost of passing a value from one kernel to another.
    fn transfer_cost(&self, map: &ImageLayout) -> f64 {
        let is_beyond_l2 =
            map.pixels() * map.words() * size_of::<f32>() > 2 * self.caches.l2_budget;
        cache_lines(map)
            * if self.threads > 1 {
                self.caches.remote_line_cost
            } else if is_beyond_l2 {
                self.caches.l3_line_cost
            } else {
                self.caches.l2_line_cost
            }
    }
}

/// Bytes of a cache line.
const LINE_BYTES: usize = 64;

/// Cache lines of a value.
fn cache_lines(map: &ImageLayout) -> f64 {
    (map.pixels() * map.words().div_ceil(16)) as f64
}

/// Bytes of values between stages for a block of `rows` rows of the result.
fn live_bytes(stages: &[StageCandidate], mut rows: usize) -> usize {
    let mut floats = 0;
    for pair in stages.windows(2).rev() {
        let (map, reader) = (&pair[0].dependency.to, &pair[1].dependency);
        rows = reader
            .max_input_rows(rows.next_multiple_of(reader.row_granularity).min(reader.to.height));
        floats += rows.next_multiple_of(pair[0].dependency.row_granularity).min(map.height)
            * map.width
            * map.words();
    }
    floats * size_of::<f32>()
}
