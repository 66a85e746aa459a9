//! Kernels that a picture goes through together, some rows at a time: what one leaves for the next stays in the core's own
//! cache.
//!
//! The rows of the last result are dealt to the threads in contiguous parts. A thread goes through its part band by band;
//! before each, every link computes the rows that the band needs and that are not there yet. Rows that the next band needs as
//! well are kept; only where two threads' parts meet, some are computed twice.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use lorgnette_kernels::{Level, Map, Part, Parts, Pool};

use super::kernel::{Kernel, Site};
use super::rows::View;

/// The most kernels of a chain.
pub(super) const MOST_LINKS: usize = 16;
/// The inputs of a step.
pub(super) const MOST_INPUTS: usize = 3;

/// Kernels, each the only reader of the one before.
#[derive(Debug)]
pub(super) struct Chain {
    links: Vec<Link>,
    /// Rows of the last result that are computed at a time.
    band: usize,
    /// Rows at a multiple of which a thread's part begins.
    unit: usize,
    /// Floats of each thread's own scratch, and where in it the kernels' begins.
    own_len: usize,
    kernels_at: usize,
    /// What the kernels run on: the thread that calls.
    alone: Pool,
}

/// One kernel of a chain.
#[derive(Debug)]
pub(super) struct Link {
    /// The node whose result it computes.
    pub(super) name: String,
    /// The result's shape, for reports.
    pub(super) shape: Vec<usize>,
    pub(super) kernel: Kernel,
    /// The step's input that is added, and where its values lie.
    residual: Option<(usize, Map)>,
    view: View,
    /// Where in a thread's scratch its rows lie.
    place: Range<usize>,
}

impl Link {
    /// A link; `residual` is the number of the step's input that is added.
    pub(super) fn new(name: String, shape: Vec<usize>, kernel: Kernel, residual: Option<usize>) -> Self {
        let view = kernel.view().expect("only kernels that have a view are chained");
        let residual = residual
            .zip(kernel.residual())
            .map(|(slot, Map { stride, elements, .. })| (slot, Map { stride, elements, ..view.to }));
        Self { name, shape, kernel, residual, view, place: 0..0 }
    }
}

impl Link {
    /// Floats that it reads and writes, but for weights.
    pub(super) fn floats(&self) -> usize {
        let floats = |map: &Map| map.pixels() * map.floats();
        floats(&self.view.from) + floats(&self.view.to) * if self.residual.is_some() { 2 } else { 1 }
    }
}

/// Time spent in each link, over all threads, in nanoseconds.
#[derive(Debug, Default)]
struct Clock([AtomicU64; MOST_LINKS]);

impl Chain {
    /// A chain that computes about so many rows of its result at a time.
    pub(super) fn new(mut links: Vec<Link>, band: usize) -> Self {
        let unit = unit(&links);
        let band = band.next_multiple_of(unit);
        let most = Most::of(&links, band, unit);
        let (mut at, mut scratch) = (0, 0);
        for (i, link) in links.iter_mut().enumerate() {
            link.place = at..at + most.held[i] * row_len(&link.view.to);
            at = link.place.end.next_multiple_of(LINE);
            scratch = scratch.max(link.kernel.rows_scratch_len(&link.view, most.fresh[i]));
        }
        // A line between them, so that no two threads write to one.
        let own_len = (at + scratch).next_multiple_of(LINE) + LINE;
        Self { links, band, unit, own_len, kernels_at: at, alone: Pool::new(1) }
    }

    pub(super) fn links(&self) -> &[Link] {
        &self.links
    }

    /// Floats of scratch for so many threads.
    pub(super) fn scratch_len(&self, threads: usize) -> usize {
        threads * self.own_len
    }

    /// Computes. Allocates nothing.
    pub(super) fn run(&self, site: Site<'_>) {
        self.run_by(site, None);
    }

    /// Computes, and gives each link's share of the time.
    pub(super) fn run_timed(&self, site: Site<'_>) -> Vec<Duration> {
        let (clock, started) = (Clock::default(), Instant::now());
        self.run_by(site, Some(&clock));
        let took = started.elapsed();
        let spent: Vec<f64> =
            clock.0.iter().take(self.links.len()).map(|time| time.load(Ordering::Relaxed) as f64).collect();
        let all: f64 = spent.iter().sum();
        spent.iter().map(|spent| took.mul_f64(spent / all.max(1.0))).collect()
    }

    fn run_by(&self, site: Site<'_>, clock: Option<&Clock>) {
        let Site { level, pool, inputs, output, scratch } = site;
        let map = &self.last().view.to;
        // Parts of a picture meet in rows that are computed twice; pictures do not.
        let count = if map.batch.is_multiple_of(pool.threads()) { 1 } else { pool.threads() };
        let parts = Parts { map, output, count, unit: self.unit, scratch, own_len: self.own_len };
        parts.run(pool, &|part| {
            let rows = part.rows.clone();
            let mut walk = Walk { chain: self, level, inputs, part, held: Held::none(), clock };
            for start in rows.clone().step_by(self.band) {
                walk.to(start..rows.end.min(start + self.band));
            }
        });
    }

    fn last(&self) -> &Link {
        self.links.last().expect("a chain has links")
    }
}

/// A thread's way through its part.
struct Walk<'a> {
    chain: &'a Chain,
    level: Level,
    inputs: [Option<&'a [f32]>; MOST_INPUTS],
    part: Part<'a>,
    held: Held,
    clock: Option<&'a Clock>,
}

impl Walk<'_> {
    /// Computes a band of the result.
    fn to(&mut self, band: Range<usize>) {
        let advances = self.held.advance(&self.chain.links, band);
        for (i, advance) in advances.iter().enumerate().take(self.chain.links.len()) {
            let started = self.clock.map(|_| Instant::now());
            self.make_room(i, &advance.kept);
            if advance.fresh.is_empty() {
                continue;
            }
            self.link(i, &advance.fresh);
            if let Some((clock, started)) = self.clock.zip(started) {
                clock.0[i].fetch_add(started.elapsed().as_nanos() as u64, Ordering::Relaxed);
            }
        }
    }

    /// Moves the rows that are kept of a link's place to its front.
    fn make_room(&mut self, i: usize, kept: &Range<usize>) {
        let Link { view, place, .. } = &self.chain.links[i];
        if kept.start > 0 {
            let at = |row: usize| place.start + row * row_len(&view.to);
            self.part.scratch.copy_within(at(kept.start)..at(kept.end), place.start);
        }
    }

    /// Computes rows of a link's result.
    fn link(&mut self, i: usize, rows: &Range<usize>) {
        let Chain { links, kernels_at, alone, .. } = self.chain;
        let Link { kernel, view, place, residual, .. } = &links[i];
        let Part { picture, rows: part_rows, output, scratch } = &mut self.part;
        let (buffers, scratch) = scratch.split_at_mut(*kernels_at);
        let (before, own) = buffers.split_at_mut(place.start);
        let given = |slot: usize, map: &Map, row: usize| {
            let values = self.inputs[slot].expect("the plan gave the chain this input");
            &values[(*picture * map.height + row) * row_len(map)..]
        };
        let (seen, held) = (view.sees(rows).start, &self.held.0);
        let input = match i.checked_sub(1) {
            None => given(0, &view.from, seen),
            Some(i) => &before[links[i].place.start + (seen - held[i].start) * row_len(&view.from)..],
        };
        let residual = residual.as_ref().map(|(slot, map)| given(*slot, map, rows.start));
        let output = if i + 1 == links.len() {
            &mut output[(rows.start - part_rows.start) * row_len(&view.to)..]
        } else {
            &mut own[(rows.start - held[i].start) * row_len(&view.to)..place.len()]
        };
        let inputs = [Some(input), residual, None];
        kernel.run_rows(view, rows, Site { level: self.level, pool: alone, inputs, output, scratch });
    }
}

/// The rows of each link's result that are in its place; of the last one's, none.
#[derive(Clone, Debug)]
struct Held([Range<usize>; MOST_LINKS]);

/// What a link does for a band.
#[derive(Clone, Debug, Default)]
struct Advance {
    /// The rows that are kept, counted from the first one that was held.
    kept: Range<usize>,
    /// The rows of its result that it computes.
    fresh: Range<usize>,
}

impl Held {
    fn none() -> Self {
        Self([const { 0..0 }; MOST_LINKS])
    }

    /// What is to be done for a band of the last result; the rows are then held.
    fn advance(&mut self, links: &[Link], band: Range<usize>) -> [Advance; MOST_LINKS] {
        let mut advances: [Advance; MOST_LINKS] = Default::default();
        let last = links.len() - 1;
        advances[last].fresh = links[last].view.whole(band);
        for i in (0..last).rev() {
            let reader = &advances[i + 1].fresh;
            if reader.is_empty() {
                break;
            }
            let needed = links[i + 1].view.sees(reader);
            advances[i] = self.hold(i, &links[i].view, needed);
        }
        advances
    }

    /// Keeps what is there of the rows that are needed.
    fn hold(&mut self, i: usize, view: &View, needed: Range<usize>) -> Advance {
        let held = self.0[i].clone();
        let kept = needed.start.max(held.start)..held.end;
        let fresh = match kept.is_empty() {
            true => view.whole(needed),
            false if needed.end > kept.end => kept.end..view.whole(kept.end..needed.end).end,
            false => kept.end..kept.end,
        };
        let (kept, first) = if kept.is_empty() { (0..0, fresh.start) } else { (kept.clone(), kept.start) };
        self.0[i] = first..fresh.end;
        let from_first = |row: usize| row.saturating_sub(held.start);
        Advance { kept: from_first(kept.start)..from_first(kept.end), fresh }
    }
}

/// The most rows that a link holds and computes at a time, wherever a part begins.
struct Most {
    held: [usize; MOST_LINKS],
    fresh: [usize; MOST_LINKS],
}

impl Most {
    fn of(links: &[Link], band: usize, unit: usize) -> Self {
        /// Bands of a part after which nothing changes any more.
        const BANDS: usize = 4;
        let mut most = Self { held: [0; MOST_LINKS], fresh: [0; MOST_LINKS] };
        let height = links[links.len() - 1].view.to.height;
        for start in (0..height).step_by(unit) {
            let mut held = Held::none();
            for start in (start..height).step_by(band).take(BANDS) {
                let advances = held.advance(links, start..height.min(start + band));
                for (i, advance) in advances.iter().enumerate() {
                    most.held[i] = most.held[i].max(held.0[i].len());
                    most.fresh[i] = most.fresh[i].max(advance.fresh.len());
                }
            }
        }
        most
    }
}

/// Floats of a cache line.
const LINE: usize = 16;

/// Floats from row to row.
fn row_len(map: &Map) -> usize {
    map.width * map.stride
}

/// Rows of the result at a multiple of which parts begin, so that what a link computes together is computed once.
fn unit(links: &[Link]) -> usize {
    let (mut step, mut unit) = (1, 1);
    for Link { view, .. } in links.iter().rev() {
        unit = unit.max(view.together.div_ceil(step));
        step *= view.step();
    }
    unit
}
