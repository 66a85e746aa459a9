//! Fused groups: consecutive kernels that are computed together, one block of rows at a time, so
//! that the values between them stay in the core's cache.
//!
//! Each thread has a contiguous range of the last result's rows and computes it block by block. For
//! each block, every stage first computes the rows that the block needs and that are not live yet.
//! Rows that the next block needs too are retained. Only at the boundary of two threads' ranges are
//! some rows computed twice.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use lorgnette_kernels::{ImageLayout, Level, RowTask, RowTasks, ThreadPool};

use super::row_dependency::RowDependency;
use super::row_kernel::RowKernel;
use super::step_args::{MAX_INPUTS, StepArgs, WordArgs};

/// Maximum number of stages of a group.
pub(super) const MAX_STAGES: usize = 16;

/// Kernels, each the only reader of the previous one's result.
#[derive(Debug)]
pub(super) struct FusedGroup {
    stages: Vec<Stage>,
    /// Rows of the last result in a block.
    row_block: usize,
    /// Alignment, in rows of the last result, of each thread's range.
    row_align: usize,
    /// Words of scratch of each thread, and the offset of the kernels' scratch in it.
    scratch_per_thread: usize,
    kernel_scratch_start: usize,
    /// The pool that the kernels run on: the calling thread.
    single_thread: ThreadPool,
}

/// One kernel of a group.
#[derive(Debug)]
pub(super) struct Stage {
    /// The node whose result it computes.
    pub(super) name: String,
    /// The result's shape, for reports.
    pub(super) shape: Vec<usize>,
    pub(super) kernel: RowKernel,
    /// The number of the step's input that is added, and its layout.
    residual: Option<(usize, ImageLayout)>,
    dependency: RowDependency,
    /// The range of its rows in a thread's scratch.
    scratch_range: Range<usize>,
}

impl Stage {
    /// `residual` is the number of the step's input that is added.
    pub(super) fn new(
        name: String,
        shape: Vec<usize>,
        kernel: RowKernel,
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
    /// Bytes that it reads and writes, without weights.
    pub(super) fn activation_bytes(&self) -> usize {
        let bytes = |map: &ImageLayout| map.pixels() * map.words() * size_of::<f32>();
        bytes(&self.dependency.from)
            + bytes(&self.dependency.to) * if self.residual.is_some() { 2 } else { 1 }
    }
}

/// Nanoseconds spent in each stage, summed over threads.
#[derive(Debug, Default)]
struct Clock([AtomicU64; MAX_STAGES]);

impl FusedGroup {
    /// A group with blocks of at least `row_block` rows.
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
        // A cache line between the threads' scratch prevents false sharing.
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

    /// Words of scratch for `threads` threads.
    pub(super) fn scratch_len(&self, threads: usize) -> usize {
        threads * self.scratch_per_thread
    }

    /// Computes the last result, without allocating.
    pub(super) fn run(&self, args: StepArgs<'_>) {
        self.run_with_clock(args.into_words(), None);
    }

    /// As [`run`](Self::run), with each stage's share of the time.
    pub(super) fn run_timed(&self, args: StepArgs<'_>) -> Vec<Duration> {
        let (clock, started) = (Clock::default(), Instant::now());
        self.run_with_clock(args.into_words(), Some(&clock));
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

    fn run_with_clock(&self, args: WordArgs<'_>, clock: Option<&Clock>) {
        let WordArgs { level, pool, inputs, output, scratch } = args;
        let map = &self.last().dependency.to;
        // Ranges within a picture compute boundary rows twice; whole pictures do not.
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

/// Computes a thread's range of rows.
struct Executor<'a> {
    group: &'a FusedGroup,
    level: Level,
    inputs: [Option<&'a [f32]>; MAX_INPUTS],
    task: RowTask<'a>,
    live: LiveRows,
    clock: Option<&'a Clock>,
}

impl Executor<'_> {
    /// Computes a block of the result.
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

    /// Moves the retained rows of a stage to the front of its buffer.
    fn shift_rows(&mut self, i: usize, retained: &Range<usize>) {
        let Stage { dependency, scratch_range, .. } = &self.group.stages[i];
        if retained.start > 0 {
            let at = |row: usize| scratch_range.start + row * row_len(&dependency.to);
            self.task
                .scratch
                .copy_within(at(retained.start)..at(retained.end), scratch_range.start);
        }
    }

    /// Computes rows of a stage's result.
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
            WordArgs { level: self.level, pool: single_thread, inputs, output, scratch },
        );
    }
}

/// The rows of each stage's result that are in its buffer; none for the last stage.
#[derive(Clone, Debug)]
struct LiveRows([Range<usize>; MAX_STAGES]);

/// The rows that a stage retains and computes for a block.
#[derive(Clone, Debug, Default)]
struct RowUpdate {
    /// The rows that are retained, counted from the first live one.
    retained: Range<usize>,
    /// The rows that are computed.
    computed: Range<usize>,
}

impl LiveRows {
    fn new() -> Self {
        Self([const { 0..0 }; MAX_STAGES])
    }

    /// Returns the updates for a block of the last result and marks its rows as live.
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

    /// Retains the live rows among those that are needed.
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

/// Maximum rows that each stage holds and computes at a time, for any start of a range.
struct MaxRows {
    live: [usize; MAX_STAGES],
    computed: [usize; MAX_STAGES],
}

impl MaxRows {
    fn new(stages: &[Stage], row_block: usize, row_align: usize) -> Self {
        /// Blocks of a range after which the updates repeat.
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

/// Words of a cache line.
const LINE: usize = 16;

/// Distance between rows in words.
fn row_len(map: &ImageLayout) -> usize {
    map.width * map.word_stride()
}

/// Alignment, in rows of the result, of each thread's range, so that no stage computes a row group
/// twice.
fn row_align(stages: &[Stage]) -> usize {
    let (mut step, mut row_align) = (1, 1);
    for Stage { dependency, .. } in stages.iter().rev() {
        row_align = row_align.max(dependency.row_granularity.div_ceil(step));
        step *= dependency.row_stride();
    }
    row_align
}
