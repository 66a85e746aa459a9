//! Which of a graph's nodes are computed together, as a [`Chain`](super::chain::Chain).

use lorgnette_kernels::{ConvShape, Window, choose_conv};

use super::chain::{MOST_INPUTS, MOST_LINKS};
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
    /// For the last node of each chain, rows of its result at a time; 0 for all others.
    bands: Vec<usize>,
}

impl Chains {
    /// Finds them.
    pub(super) fn find(shaped: &Shaped, options: &PlanOptions) -> Self {
        let mut finder = Finder::new(shaped, options);
        let mut taken = vec![false; shaped.graph.nodes().len()];
        for (id, _) in shaped.graph.iter() {
            if !taken[id.index()] {
                let run = finder.run_from(id);
                run.iter().for_each(|link| taken[link.id.index()] = true);
                finder.divide(&run);
            }
        }
        finder.found
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
        Some(self.bands[id.index()]).filter(|&rows| rows > 0)
    }
}

/// A node that can be a link.
#[derive(Clone, Debug)]
struct Candidate {
    id: NodeId,
    view: View,
    /// Floats of weights it reads.
    weights: usize,
    adds: bool,
}

struct Finder<'a> {
    shaped: &'a Shaped,
    options: &'a PlanOptions,
    uses: Vec<usize>,
    /// The last reader of each node.
    readers: Vec<Option<NodeId>>,
    found: Chains,
}

impl<'a> Finder<'a> {
    fn new(shaped: &'a Shaped, options: &'a PlanOptions) -> Self {
        let count = shaped.graph.nodes().len();
        let mut readers = vec![None; count];
        for (id, node) in shaped.graph.iter() {
            node.inputs.iter().for_each(|input| readers[input.index()] = Some(id));
        }
        let ends = shaped.graph.iter().map(|(id, _)| id).collect();
        let found = Chains { ends, bands: vec![0; count] };
        Self { shaped, options, uses: shaped.graph.uses(), readers, found }
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
        let fact = self.shaped.fact(id);
        let input = *node.inputs.first()?;
        let x = self.shaped.fact(input);
        if x.shape.len() != 4 || fact.shape.len() != 4 || self.shaped.graph.is_stored(input) {
            return None;
        }
        let (from, to) = (rows(&x.shape), rows(&fact.shape));
        let (view, weights) = match &node.op {
            Op::Conv2d(conv) => {
                let window = conv_window(conv, &x.shape, &self.shaped.fact(node.inputs[1]).shape).ok()?;
                let shape = ConvShape { input: from, output: to, window };
                let kernel = choose_conv(&shape, self.options.level, self.options.formats);
                (View::new(from, to, window, (kernel.band)(&shape)?)?, (kernel.packed_len)(&shape))
            }
            Op::DepthwiseConv2d(conv) => {
                let filter = &self.shaped.fact(node.inputs[1]).shape;
                if filter[3] != 1 {
                    return None;
                }
                let window = conv_window(conv, &x.shape, filter).ok()?;
                (View::new(from, to, window, 1)?, 0)
            }
            Op::Pool(pool) => (View::new(from, to, pool_shape(pool, &x.shape, fact).ok()?.window, 1)?, 0),
            Op::Affine(epilogue) if !epilogue.residual => (View::new(from, to, Window::POINT, 1)?, 0),
            Op::Clamp(_) | Op::Unary(_) => (View::new(from, to, Window::POINT, 1)?, 0),
            _ => return None,
        };
        Some(Candidate { id, view, weights, adds: node.inputs.len() > 2 })
    }

    /// Divides a run into chains.
    fn divide(&mut self, run: &[Candidate]) {
        let (most, rows) = match self.options.bands {
            Bands::Never => (1, 0),
            Bands::Always(rows) => (MOST_LINKS, rows),
            Bands::Auto => (MOST_LINKS, std::env::var("BANDS").map_or(4, |v| v.parse().unwrap())),
        };
        if rows == 0 {
            return;
        }
        for links in run.chunks(most) {
            if links.len() > 1 && links.iter().filter(|link| link.adds).count() < MOST_INPUTS {
                let end = links[links.len() - 1].id;
                links.iter().for_each(|link| self.found.ends[link.id.index()] = end);
                self.found.bands[end.index()] = rows;
            }
        }
    }
}
