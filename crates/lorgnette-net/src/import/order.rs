//! The nodes that the fetches need, in topological order.

use std::collections::HashSet;

use super::{GraphDef, split_port};
use crate::error::{Error, Result};

/// An input of a node: node, output, and whether it is a control edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Edge {
    pub(super) node: usize,
    pub(super) port: usize,
    pub(super) control: bool,
}

/// The needed part of a graph.
pub(super) struct Order {
    /// The nodes in topological order.
    pub(super) nodes: Vec<usize>,
    /// The inputs of each node of the file; empty for nodes that were not reached.
    pub(super) inputs: Vec<Vec<Edge>>,
    /// The nodes reached by value edges, not only by control edges.
    pub(super) by_value: HashSet<usize>,
}

impl Order {
    /// Returns the order of a single node without inputs.
    pub(super) fn of(node: usize) -> Self {
        Self { nodes: vec![node], inputs: Vec::new(), by_value: HashSet::from([node]) }
    }
}

/// Collects the nodes that `fetches` need. `stop` tells which nodes are computed from nothing.
///
/// Control edges matter to inference in one case: they tell which branch of a Switch a node is in.
/// They are followed only if the graph has a Switch.
pub(super) fn order(
    def: &GraphDef,
    fetches: &[usize],
    stop: impl Fn(usize) -> bool,
) -> Result<Order> {
    let control_matters = def.nodes.iter().any(|node| node.op == "Switch");
    let mut walk = Walk {
        def,
        inputs: vec![Vec::new(); def.nodes.len()],
        state: vec![State::New; def.nodes.len()],
        nodes: Vec::new(),
    };
    for &fetch in fetches {
        walk.visit(fetch, control_matters, &stop)?;
    }
    let mut by_value = HashSet::new();
    let mut waiting = fetches.to_vec();
    while let Some(node) = waiting.pop() {
        if by_value.insert(node) {
            waiting.extend(
                walk.inputs[node].iter().filter(|edge| !edge.control).map(|edge| edge.node),
            );
        }
    }
    Ok(Order { nodes: walk.nodes, inputs: walk.inputs, by_value })
}

const LOOP: &str = "it is part of a loop; of loops, only those that take the pictures of a batch \
                    one by one (tf.map_fn) are read: choose an input behind the loop, or export \
                    the graph without it";

#[derive(Clone, Copy, PartialEq)]
enum State {
    New,
    Open,
    Done,
}

struct Walk<'a> {
    def: &'a GraphDef,
    inputs: Vec<Vec<Edge>>,
    state: Vec<State>,
    nodes: Vec<usize>,
}

impl Walk<'_> {
    /// Visits nodes depth first with an explicit stack: a hostile graph may be a chain of a million
    /// nodes.
    fn visit(
        &mut self,
        start: usize,
        control_matters: bool,
        stop: impl Fn(usize) -> bool,
    ) -> Result<()> {
        let mut stack = vec![(start, 0)];
        while let Some((node, next)) = stack.pop() {
            if next == 0 {
                if self.state[node] != State::New {
                    continue;
                }
                self.state[node] = State::Open;
                if !stop(node) {
                    self.inputs[node] = self.edges(node, control_matters)?;
                }
            }
            match self.inputs[node].get(next).map(|edge| edge.node) {
                None => {
                    self.state[node] = State::Done;
                    self.nodes.push(node);
                }
                Some(input) => {
                    stack.push((node, next + 1));
                    match self.state[input] {
                        State::New => stack.push((input, 0)),
                        State::Open => {
                            return Err(self.failure(node, LOOP));
                        }
                        State::Done => {}
                    }
                }
            }
        }
        Ok(())
    }

    fn edges(&self, node: usize, control_matters: bool) -> Result<Vec<Edge>> {
        let mut edges = Vec::new();
        for input in &self.def.nodes[node].input {
            let (name, control) =
                input.strip_prefix('^').map_or((input.as_str(), false), |name| (name, true));
            if control && !control_matters {
                continue;
            }
            let (name, port) = split_port(name);
            match self.def.by_name.get(name) {
                Some(&node) => edges.push(Edge { node, port, control }),
                None if control => {}
                None => {
                    return Err(
                        self.failure(node, &format!("its input '{input}' is not in the graph"))
                    );
                }
            }
        }
        Ok(edges)
    }

    fn failure(&self, node: usize, what: &str) -> Error {
        let node = &self.def.nodes[node];
        Error::node(&node.name, &node.op, what)
    }
}
