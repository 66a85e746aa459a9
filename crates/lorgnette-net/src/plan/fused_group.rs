//! Kernels that a picture goes through together, some rows at a time: what one leaves for the next
//! stays in the core's own cache.
//!
//! The rows of the last result are dealt to the threads in contiguous parts. A thread goes through
//! its part band by band; before each, every link computes the rows that the band needs and that
//! are not there yet. Rows that the next band needs as well are kept; only where two threads' parts
//! meet, some are computed twice.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use lorgnette_kernels::{ImageLayout, Level, RowTask, RowTasks, ThreadPool};

use super::kernel::{Kernel, StepArgs};
use super::row_dependency::RowDependency;

/// The most kernels of a group.
pub(super) const MAX_STAGES: usize = 16;
/// The inputs of a step.
pub(super) const MAX_INPUTS: usize = 3;

/// Kernels, each the only reader of the one before.
#[derive(Debug)]
pub(super) struct FusedGroup {
    stages: Vec<Stage>,
    /// Rows of the last result that are computed at a time.
    row_block: usize,
    /// Rows at a multiple of which a thread's part begins.
    row_align: usize,
    /// Floats of each thread's own scratch, and where in it the kernels' begins.
    scratch_per_thread: usize,
    kernel_scratch_start: usize,
    /// What the kernels run on: the thread that calls.
    single_thread: ThreadPool,
}

/// One kernel of a group.
#[derive(Debug)]
pub(super) struct Stage {
    /// The node whose result it computes.
    pub(super) name: String,
    /// The result's shape, for reports.
    pub(super) shape: Vec<usize>,
    pub(super) kernel: Kernel,
    /// The step's input that is added, and where its values lie.
    residual: Option<(usize, ImageLayout)>,
    dependency: RowDependency,
    /// Where in a thread's scratch its rows lie.
    scratch_range: Range<usize>,
}

impl Stage {
    /// A link; `residual` is the number of the step's input that is added.
    pub(super) fn new(
        name: String,
        shape: Vec<usize>,
        kernel: Kernel,
        residual: Option<usize>,
    ) -> Self {
        let dependency =
            kernel.row_dependency().expect("only kernels that have a view are chained");
        let residual =
            residual.zip(kernel.residual()).map(|(slot, ImageLayout { stride, storage, .. })| {
                (slot, ImageLayout { stride, storage, ..dependency.to })
            });
        Self { name, shape, kernel, residual, dependency, scratch_range: 0..0 }
    }
}

impl Stage {
    /// Floats that it reads and writes, but for weights.
    pub(super) fn floats(&self) -> usize {
        let floats = |map: &ImageLayout| map.pixels() * map.words();
        floats(&self.dependency.from)
            + floats(&self.dependency.to) * if self.residual.is_some() { 2 } else { 1 }
    }
}

/// Time spent in each link, over all threads, in nanoseconds.
#[derive(Debug, Default)]
struct Clock([AtomicU64; MAX_STAGES]);

impl FusedGroup {
    /// A group that computes about so many rows of its result at a time.
    pub(super) fn new(mut stages: Vec<Stage>, row_block: usize) -> Self {
        let row_align = row_align(&stages);
        let row_block = row_block.next_multiple_of(row_align);
        let max_rows = MaxRows::new(&stages, row_block, row_align);
        let (mut at, mut scratch) = (0, 0);
        for (i, stage) in stages.iter_mut().enumerate() {
            stage.scratch_range = at..at + max_rows.live[i] * row_len(&stage.dependency.to);
            at = stage.scratch_range.end.next_multiple_of(LINE);
            scratch =
                scratch.max(stage.kernel.rows_scratch_len(&stage.dependency, max_rows.computed[i]));
        }
        // A line between them, so that no two threads write to one.
        let scratch_per_thread = (at + scratch).next_multiple_of(LINE) + LINE;
        Self {
            stages,
            row_block,
            row_align,
            scratch_per_thread,
            kernel_scratch_start: at,
            single_thread: ThreadPool::new(1),
        }
    }

    pub(super) fn stages(&self) -> &[Stage] {
        &self.stages
    }

    /// Floats of scratch for so many threads.
    pub(super) fn scratch_len(&self, threads: usize) -> usize {
        threads * self.scratch_per_thread
    }

    /// Computes. Allocates nothing.
    pub(super) fn run(&self, args: StepArgs<'_>) {
        self.run_with_clock(args, None);
    }

    /// Computes, and gives each link's share of the time.
    pub(super) fn run_timed(&self, args: StepArgs<'_>) -> Vec<Duration> {
        let (clock, started) = (Clock::default(), Instant::now());
        self.run_with_clock(args, Some(&clock));
        let took = started.elapsed();
        let spent: Vec<f64> = clock
            .0
            .iter()
            .take(self.stages.len())
            .map(|time| time.load(Ordering::Relaxed) as f64)
            .collect();
        let all: f64 = spent.iter().sum();
        spent.iter().map(|spent| took.mul_f64(spent / all.max(1.0))).collect()
    }

    fn run_with_clock(&self, args: StepArgs<'_>, clock: Option<&Clock>) {
        let StepArgs { level, pool, inputs, output, scratch } = args;
        let map = &self.last().dependency.to;
        // Parts of a picture meet in rows that are computed twice; pictures do not.
        let count = if map.batch.is_multiple_of(pool.threads()) { 1 } else { pool.threads() };
        let tasks = RowTasks {
            layout: map,
            output,
            count,
            row_align: self.row_align,
            scratch,
            scratch_per_thread: self.scratch_per_thread,
        };
        tasks.run(pool, &|task| {
            let rows = task.rows.clone();
            let mut executor =
                Executor { group: self, level, inputs, task, live: LiveRows::new(), clock };
            for start in rows.clone().step_by(self.row_block) {
                executor.run_block(start..rows.end.min(start + self.row_block));
            }
        });
    }

    fn last(&self) -> &Stage {
        self.stages.last().expect("a group has stages")
    }
}

/// A thread's way through its part.
struct Executor<'a> {
    group: &'a FusedGroup,
    level: Level,
    inputs: [Option<&'a [f32]>; MAX_INPUTS],
    task: RowTask<'a>,
    live: LiveRows,
    clock: Option<&'a Clock>,
}

impl Executor<'_> {
    /// Computes a band of the result.
    fn run_block(&mut self, row_block: Range<usize>) {
        let updates = self.live.update(&self.group.stages, row_block);
        for (i, update) in updates.iter().enumerate().take(self.group.stages.len()) {
            let started = self.clock.map(|_| Instant::now());
            self.shift_rows(i, &update.retained);
            if update.computed.is_empty() {
                continue;
            }
            self.run_stage(i, &update.computed);
            if let Some((clock, started)) = self.clock.zip(started) {
                clock.0[i].fetch_add(started.elapsed().as_nanos() as u64, Ordering::Relaxed);
            }
        }
    }

    /// Moves the rows that are kept of a link's place to its front.
    fn shift_rows(&mut self, i: usize, retained: &Range<usize>) {
        let Stage { dependency, scratch_range, .. } = &self.group.stages[i];
        if retained.start > 0 {
            let at = |row: usize| scratch_range.start + row * row_len(&dependency.to);
            self.task
                .scratch
                .copy_within(at(retained.start)..at(retained.end), scratch_range.start);
        }
    }

    /// Computes rows of a link's result.
    fn run_stage(&mut self, i: usize, rows: &Range<usize>) {
        let FusedGroup { stages, kernel_scratch_start, single_thread, .. } = self.group;
        let Stage { kernel, dependency, scratch_range, residual, .. } = &stages[i];
        let RowTask { image, rows: task_rows, output, scratch } = &mut self.task;
        let (buffers, scratch) = scratch.split_at_mut(*kernel_scratch_start);
        let (before, own_buffer) = buffers.split_at_mut(scratch_range.start);
        let values_from = |slot: usize, map: &ImageLayout, row: usize| {
            let values = self.inputs[slot].expect("the plan gave the group this input");
            &values[(*image * map.height + row) * row_len(map)..]
        };
        let (first_input_row, live) = (dependency.input_rows(rows).start, &self.live.0);
        let input = match i.checked_sub(1) {
            None => values_from(0, &dependency.from, first_input_row),
            Some(i) => {
                &before[stages[i].scratch_range.start
                    + (first_input_row - live[i].start) * row_len(&dependency.from)..]
            }
        };
        let residual = residual.as_ref().map(|(slot, map)| values_from(*slot, map, rows.start));
        let output = if i + 1 == stages.len() {
            &mut output[(rows.start - task_rows.start) * row_len(&dependency.to)..]
        } else {
            &mut own_buffer
                [(rows.start - live[i].start) * row_len(&dependency.to)..scratch_range.len()]
        };
        let inputs = [Some(input), residual, None];
        kernel.run_rows(
            dependency,
            rows,
            StepArgs { level: self.level, pool: single_thread, inputs, output, scratch },
        );
    }
}

/// The rows of each link's result that are in its place; of the last one's, none.
#[derive(Clone, Debug)]
struct LiveRows([Range<usize>; MAX_STAGES]);

/// What a link does for a band.
#[derive(Clone, Debug, Default)]
struct RowUpdate {
    /// The rows that are kept, counted from the first one that was held.
    retained: Range<usize>,
    /// The rows of its result that it computes.
    computed: Range<usize>,
}

impl LiveRows {
    fn new() -> Self {
        Self([const { 0..0 }; MAX_STAGES])
    }

    /// What is to be done for a band of the last result; the rows are then held.
    fn update(&mut self, stages: &[Stage], row_block: Range<usize>) -> [RowUpdate; MAX_STAGES] {
        let mut updates: [RowUpdate; MAX_STAGES] = Default::default();
        let last = stages.len() - 1;
        updates[last].computed = stages[last].dependency.align_rows(row_block);
        for i in (0..last).rev() {
            let reader = &updates[i + 1].computed;
            if reader.is_empty() {
                break;
            }
            let needed = stages[i + 1].dependency.input_rows(reader);
            updates[i] = self.retain(i, &stages[i].dependency, needed);
        }
        updates
    }

    /// Keeps what is there of the rows that are needed.
    fn retain(&mut self, i: usize, dependency: &RowDependency, needed: Range<usize>) -> RowUpdate {
        let live = self.0[i].clone();
        let retained = needed.start.max(live.start)..live.end;
        let computed = match retained.is_empty() {
            true => dependency.align_rows(needed),
            false if needed.end > retained.end => {
                retained.end..dependency.align_rows(retained.end..needed.end).end
            }
            false => retained.end..retained.end,
        };
        let (retained, first) = if retained.is_empty() {
            (0..0, computed.start)
        } else {
            (retained.clone(), retained.start)
        };
        self.0[i] = first..computed.end;
        let from_first = |row: usize| row.saturating_sub(live.start);
        RowUpdate { retained: from_first(retained.start)..from_first(retained.end), computed }
    }
}

/// The most rows that a link holds and computes at a time, wherever a part begins.
struct MaxRows {
    live: [usize; MAX_STAGES],
    computed: [usize; MAX_STAGES],
}

impl MaxRows {
    fn new(stages: &[Stage], row_block: usize, row_align: usize) -> Self {
        /// Bands of a part after which nothing changes any more.
        const STEADY_BLOCKS: usize = 4;
        let mut max_rows = Self { live: [0; MAX_STAGES], computed: [0; MAX_STAGES] };
        let height = stages[stages.len() - 1].dependency.to.height;
        for start in (0..height).step_by(row_align) {
            let mut live = LiveRows::new();
            for start in (start..height).step_by(row_block).take(STEADY_BLOCKS) {
                let updates = live.update(stages, start..height.min(start + row_block));
                for (i, update) in updates.iter().enumerate() {
                    max_rows.live[i] = max_rows.live[i].max(live.0[i].len());
                    max_rows.computed[i] = max_rows.computed[i].max(update.computed.len());
                }
            }
        }
        max_rows
    }
}

/// Floats of a cache line.
const LINE: usize = 16;

/// Floats from row to row.
fn row_len(map: &ImageLayout) -> usize {
    map.width * map.stride
}

/// Rows of the result at a multiple of which parts begin, so that what a link computes together is
/// computed once.
fn row_align(stages: &[Stage]) -> usize {
    let (mut step, mut row_align) = (1, 1);
    for Stage { dependency, .. } in stages.iter().rev() {
        row_align = row_align.max(dependency.row_granularity.div_ceil(step));
        step *= dependency.row_stride();
    }
    row_align
}
