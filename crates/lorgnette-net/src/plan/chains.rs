//! Which of a graph's nodes are computed together, as a [`Chain`](super::chain::Chain).
//!
//! A run of nodes, each the only reader of the one before, is divided into chains in the way that is reckoned to cost least. What
//! lies within a chain stays in a core's cache; in return the rows where two threads' parts meet are computed twice, and rows
//! may not divide evenly among threads. The reckoning is arithmetic on shapes and on the number of threads.

use lorgnette_kernels::{ConvShape, Elements, Level, Map, Window, choose_conv, reads_elements};

use super::chain::{MOST_INPUTS, MOST_LINKS};
use super::elements::Wanted;
use super::rows::View;
use super::{Bands, PlanOptions};
use crate::graph::NodeId;
use crate::graph::evaluate::{conv_window, pool_shape, rows};
use crate::graph::op::Op;
use crate::graph::shape::Shaped;

/// The chains of a graph.
#[derive(Debug)]
pub(super) struct Chains {
    /// For each node the last one of its chain: itself, if it is in none.
    ends: Vec<NodeId>,
    /// For the last node of each chain, rows of its result at a time; `None` for all others.
    bands: Vec<Option<usize>>,
}

impl Chains {
    /// Finds those that pay on so many threads.
    pub(super) fn find(shaped: &Shaped, options: &PlanOptions, threads: usize) -> Self {
        let ends = shaped.graph.iter().map(|(id, _)| id).collect();
        let mut found = Self { ends, bands: vec![None; shaped.graph.nodes().len()] };
        if options.bands == Bands::Never {
            return found;
        }
        let finder = Finder::new(shaped, options);
        let price = Price { bands: options.bands, threads };
        let mut seen = vec![false; shaped.graph.nodes().len()];
        for (id, _) in shaped.graph.iter() {
            if !seen[id.index()] {
                let run = finder.run_from(id);
                run.iter().for_each(|link| seen[link.id.index()] = true);
                price.divide(&run).into_iter().for_each(|links| found.join(&run[links], &price));
            }
        }
        found
    }

    fn join(&mut self, links: &[Candidate], price: &Price) {
        let (Some(last), true) = (links.last(), links.len() > 1) else { return };
        links.iter().for_each(|link| self.ends[link.id.index()] = last.id);
        self.bands[last.id.index()] = price.band(links);
    }

    /// The node with which a node is computed: the last one of its chain.
    pub(super) fn end(&self, id: NodeId) -> NodeId {
        self.ends[id.index()]
    }

    /// Whether only the next link of its chain ever sees the node's value.
    pub(super) fn is_inner(&self, id: NodeId) -> bool {
        self.end(id) != id
    }

    /// Rows at a time of the chain that ends with a node.
    pub(super) fn band(&self, id: NodeId) -> Option<usize> {
        self.bands[id.index()]
    }
}

/// A node that can be a link.
#[derive(Clone, Debug)]
struct Candidate {
    id: NodeId,
    view: View,
    /// What it costs by itself.
    work: f64,
    /// Whether it adds another value.
    adds: bool,
}

struct Finder<'a> {
    shaped: &'a Shaped,
    options: &'a PlanOptions,
    uses: Vec<usize>,
    /// The last reader of each node.
    readers: Vec<Option<NodeId>>,
    /// What each node's value is kept as.
    kept: Vec<Elements>,
}

impl<'a> Finder<'a> {
    fn new(shaped: &'a Shaped, options: &'a PlanOptions) -> Self {
        let mut readers = vec![None; shaped.graph.nodes().len()];
        for (id, node) in shaped.graph.iter() {
            node.inputs.iter().for_each(|input| readers[input.index()] = Some(id));
        }
        let kept = Wanted { shaped, level: options.level, formats: options.formats }.of_all();
        Self { shaped, options, uses: shaped.graph.uses(), readers, kept }
    }

    /// The nodes from `id` on that could be one chain.
    fn run_from(&self, id: NodeId) -> Vec<Candidate> {
        let mut run = Vec::new();
        let mut next = Some(id);
        while let Some(link) = next.and_then(|id| self.candidate(id)) {
            next = self.only_reader(link.id);
            run.push(link);
        }
        run
    }

    /// The node that alone reads another, as its first input.
    fn only_reader(&self, id: NodeId) -> Option<NodeId> {
        let reader = self.readers[id.index()].filter(|_| self.uses[id.index()] == 1)?;
        (self.shaped.graph.node(reader).inputs.first() == Some(&id)).then_some(reader)
    }

    fn candidate(&self, id: NodeId) -> Option<Candidate> {
        let node = self.shaped.graph.node(id);
        let input = *node.inputs.first()?;
        let (x, fact) = (&self.shaped.fact(input).shape, self.shaped.fact(id));
        if x.len() != 4 || fact.shape.len() != 4 || self.shaped.graph.is_stored(input) {
            return None;
        }
        let [from, to] =
            [(input, x), (id, &fact.shape)].map(|(id, shape)| Map { elements: self.kept[id.index()], ..rows(shape) });
        let filter = || &self.shaped.fact(node.inputs[1]).shape;
        let of_taps = |window: Window| {
            let taps = window.kernel[0] * window.kernel[1];
            Some((View::new(from, to, window, 1)?, work_of_taps(self.options.level, &to, taps)))
        };
        let (view, work) = match &node.op {
            Op::Conv2d(conv) => {
                self.conv(ConvShape { input: from, output: to, window: conv_window(conv, x, filter()).ok()? })?
            }
            // Several filters for each channel may become a plain convolution.
            Op::DepthwiseConv2d(conv) if filter()[3] == 1 => of_taps(conv_window(conv, x, filter()).ok()?)?,
            Op::Pool(pool) => of_taps(pool_shape(pool, x, fact).ok()?.window)?,
            Op::Affine(_) | Op::Clamp(_) | Op::Unary(_) => of_taps(Window::POINT)?,
            _ => return None,
        };
        Some(Candidate { id, view, work, adds: node.inputs.len() > 2 })
    }

    fn conv(&self, shape: ConvShape) -> Option<(View, f64)> {
        let (level, formats) = (self.options.level, self.options.formats);
        let shape =
            ConvShape { input: Map { elements: reads_elements(&shape, level, formats), ..shape.input }, ..shape };
        let kernel = choose_conv(&shape, level, formats);
        let view = View::new(shape.input, shape.output, shape.window, (kernel.band)(&shape)?)?;
        Some((view, (kernel.cost)(&shape)))
    }
}

/// What a kernel costs that has so many taps for each value, none of which it shares with another.
fn work_of_taps(level: Level, map: &Map, taps: usize) -> f64 {
    /// What a tap costs beside a multiplication whose operands are in registers.
    const TAP: f64 = 2.0;
    let lanes = match level {
        Level::Avx512 | Level::Amx => 16,
        Level::Avx2 => 8,
        Level::Portable => 4,
    };
    (map.pixels() * map.channels.div_ceil(lanes)) as f64 * (1.0 + TAP * taps as f64)
}

/// What may lie between the links of a chain at a time: a part of a core's L2, which weights pass through as well.
const BETWEEN_BYTES: usize = 256 << 10;
/// What lies between them for a single row of the result, if it has to be.
const MOST_BETWEEN_BYTES: usize = 640 << 10;
/// What it costs, in vector multiplications as [`ConvKernel::cost`](lorgnette_kernels::ConvKernel), to write a cache line and to
/// read it again: within a core's L2,
const IN_CACHE: f64 = 1.0;
/// between the links of a chain, where some lines are moved before they are read a second time,
const IN_CHAIN: f64 = 2.0;
/// beyond L2,
const FROM_AFAR: f64 = 6.0;
/// and where as often as not another core has it.
const FROM_OTHERS: f64 = 12.0;
/// What it costs a thread to begin a parallel region and to wait for the others at its end.
const REGION: f64 = 8000.0;

/// Reckons what chains cost.
struct Price {
    bands: Bands,
    threads: usize,
}

impl Price {
    /// The chains that a run is divided into; many are of one link.
    fn divide(&self, run: &[Candidate]) -> Vec<std::ops::Range<usize>> {
        // What the first so many links cost at best, and where the last chain of those begins.
        let mut best = vec![(0.0, 0)];
        for end in 1..=run.len() {
            let from = |start: usize| (best[start].0 + self.of(&run[start..end]), start);
            let ways = (end.saturating_sub(MOST_LINKS)..end).map(from);
            best.push(ways.min_by(|a, b| a.0.total_cmp(&b.0)).expect("a link can be alone"));
        }
        let starts = std::iter::successors(Some(run.len()), |&end| (end > 0).then(|| best[end].1));
        let bounds: Vec<usize> = starts.collect();
        bounds.windows(2).map(|pair| pair[1]..pair[0]).collect()
    }

    /// What some links cost as one chain.
    fn of(&self, links: &[Candidate]) -> f64 {
        let [inner @ .., last] = links else { return 0.0 };
        let around = self.region() + self.between(&last.view.to);
        if inner.is_empty() {
            // Kernels by themselves divide their work evenly.
            return around + last.work;
        }
        if links.iter().filter(|link| link.adds).count() >= MOST_INPUTS || self.band(links).is_none() {
            return f64::INFINITY;
        }
        if matches!(self.bands, Bands::Always(_)) {
            return 0.0;
        }
        let kept: f64 = inner.iter().map(|link| IN_CHAIN * lines(&link.view.to)).sum();
        around + kept + self.work(links)
    }

    /// The links' work on as many parts as there are threads, the rows where they meet counted twice.
    fn work(&self, links: &[Candidate]) -> f64 {
        let mut rows = links.last().map_or(0, |last| last.view.to.height.div_ceil(self.threads));
        let mut work = 0.0;
        for Candidate { view, work: whole, .. } in links.iter().rev() {
            rows = rows.next_multiple_of(view.together).min(view.to.height);
            work += whole * (rows * self.threads) as f64 / view.to.height as f64;
            rows = match self.threads {
                // Each of two parts meets another on one side only.
                2 => (rows * view.step() + view.most_seen(rows)).div_ceil(2).min(view.from.height),
                _ => view.most_seen(rows),
            };
        }
        work
    }

    /// The most rows at a time that leave what lies between links in their part of a core's L2, or a single one where that leaves
    /// it at least in L2; `None` where it does not.
    fn band(&self, links: &[Candidate]) -> Option<usize> {
        let most = match self.bands {
            Bands::Always(rows) => return Some(rows),
            _ => links.last()?.view.to.height,
        };
        let fits = |rows: &usize| bytes_between(links, *rows) <= BETWEEN_BYTES;
        let little = || bytes_between(links, 1) <= MOST_BETWEEN_BYTES;
        (1..=most).take_while(fits).last().or_else(|| little().then_some(1))
    }

    /// What it costs to begin and end a parallel region.
    fn region(&self) -> f64 {
        if self.threads == 1 { 0.0 } else { REGION * self.threads as f64 }
    }

    /// What it costs that one kernel leaves a value for another.
    fn between(&self, map: &Map) -> f64 {
        let far = map.pixels() * map.floats() * size_of::<f32>() > 2 * BETWEEN_BYTES;
        lines(map)
            * if self.threads > 1 {
                FROM_OTHERS
            } else if far {
                FROM_AFAR
            } else {
                IN_CACHE
            }
    }
}

/// Cache lines of a value.
fn lines(map: &Map) -> f64 {
    (map.pixels() * map.floats().div_ceil(16)) as f64
}

/// What lies between links for a band of so many rows of the result.
fn bytes_between(links: &[Candidate], mut rows: usize) -> usize {
    let mut floats = 0;
    for pair in links.windows(2).rev() {
        let (map, reader) = (&pair[0].view.to, &pair[1].view);
        rows = reader.most_seen(rows.next_multiple_of(reader.together).min(reader.to.height));
        floats += rows.next_multiple_of(pair[0].view.together).min(map.height) * map.width * map.floats();
    }
    floats * size_of::<f32>()
}
