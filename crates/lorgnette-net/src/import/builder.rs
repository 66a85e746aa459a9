//! Builds the graph node by node, leaves out dead branches and collects unknown operations.

use std::collections::{BTreeSet, HashMap};

use super::GraphDef;
use super::attributes::Attributes;
use super::branches::{self, Branch, Conditions};
use super::constant::Expansion;
use super::layout::PictureLayout;
use super::operation::{self, Piece};
use super::order::{Edge, Order, order};
use crate::error::{Error, Result, UnsupportedNode};
use crate::graph::op::Op;
use crate::graph::{Graph, NodeId};
use crate::proto::attribute::REFUSED;
use crate::tensor::{DType, Tensor};

/// The value that a node is fed.
pub(super) enum Fed<'a> {
    /// An input of the node's own shape.
    Input,
    /// An input that takes pictures with channels last.
    Picture(PictureLayout),
    /// A constant.
    Constant(&'a Tensor),
}

/// Builds the graph that computes `fetches` (node, output). `fed` are the nodes that are fed.
pub(super) fn build(
    def: &GraphDef,
    fed: &HashMap<usize, Fed<'_>>,
    fetches: &[(usize, usize)],
) -> Result<Graph> {
    let wanted: Vec<usize> = fetches.iter().map(|fetch| fetch.0).collect();
    let order = order(def, &wanted, |node: usize| {
        fed.contains_key(&node) || operation::decodes_a_photo(&def.nodes[node].op)
    })?;
    let mut builder = Builder {
        def,
        fed,
        ports: ports_read(&order, fetches),
        order: &order,
        graph: Graph::new(),
        branches: HashMap::new(),
        conditions: Conditions::default(),
        unsupported: Vec::new(),
        failure: None,
        expansion: Expansion::for_file(def.file.bytes().len()),
    };
    for &node in &order.nodes {
        builder.node(node);
    }
    builder.finish(fetches)
}

/// Returns the operation of a node that is a variable. Looks at no other node: a graph may have
/// many variables.
pub(super) fn variable(def: &GraphDef, index: usize) -> Result<Op> {
    let order = Order::of(index);
    let mut builder = Builder {
        def,
        fed: &HashMap::new(),
        ports: HashMap::new(),
        order: &order,
        graph: Graph::new(),
        branches: HashMap::new(),
        conditions: Conditions::default(),
        unsupported: Vec::new(),
        failure: None,
        expansion: Expansion::for_file(0),
    };
    let variable = builder.variable(index).map_err(|what| {
        builder.refuse(index, what);
        let unsupported = std::mem::take(&mut builder.unsupported);
        builder.failure.take().unwrap_or(Error::Unsupported(unsupported))
    })?;
    Ok(builder.graph.node(variable).op.clone())
}

/// Returns, for each node, the outputs that are read.
fn ports_read(order: &Order, fetches: &[(usize, usize)]) -> HashMap<usize, BTreeSet<usize>> {
    let mut ports: HashMap<usize, BTreeSet<usize>> = HashMap::new();
    let edges = order
        .inputs
        .iter()
        .flatten()
        .filter(|edge| !edge.control)
        .map(|edge| (edge.node, edge.port));
    for (node, port) in edges.chain(fetches.iter().copied()) {
        ports.entry(node).or_default().insert(port);
    }
    ports
}

struct Builder<'a> {
    def: &'a GraphDef,
    fed: &'a HashMap<usize, Fed<'a>>,
    order: &'a Order,
    ports: HashMap<usize, BTreeSet<usize>>,
    graph: Graph,
    /// The state of each output of each node.
    branches: HashMap<(usize, usize), Branch>,
    conditions: Conditions,
    unsupported: Vec<UnsupportedNode>,
    /// The error of a failed read of a variable.
    failure: Option<Error>,
    expansion: Expansion,
}

impl Builder<'_> {
    fn node(&mut self, index: usize) {
        let ports: Vec<usize> = self.ports.get(&index).into_iter().flatten().copied().collect();
        let edges = &self.order.inputs[index];
        let inputs: Vec<Branch> =
            edges.iter().filter(|edge| !edge.control).map(|edge| self.branch(edge)).collect();
        let held_back =
            edges.iter().filter(|edge| edge.control).any(|edge| self.node_is_dead(edge.node));
        let dead =
            held_back || (inputs.contains(&Branch::Dead) && self.def.nodes[index].op != "Merge");
        let outcome = if dead {
            Ok(vec![Branch::Dead; ports.len()])
        } else {
            self.outputs(index, &inputs, &ports)
        };
        match outcome {
            Ok(branches) => {
                self.branches.extend(ports.into_iter().map(|port| (index, port)).zip(branches));
            }
            Err(what) => {
                self.refuse(index, what);
                self.branches.extend(ports.into_iter().map(|port| ((index, port), Branch::Opaque)));
            }
        }
        // Whether the node runs at all, for control edges, under a port that does not exist.
        self.branches.insert((index, usize::MAX), if dead { Branch::Dead } else { Branch::Opaque });
    }

    fn branch(&self, edge: &Edge) -> Branch {
        self.branches.get(&(edge.node, edge.port)).copied().unwrap_or(Branch::Opaque)
    }

    fn node_is_dead(&self, index: usize) -> bool {
        self.branches.get(&(index, usize::MAX)) == Some(&Branch::Dead)
    }

    /// Reports a node that values depend on and that cannot be imported. A reader of a refused node
    /// is not reported again.
    fn refuse(&mut self, index: usize, what: String) {
        let reads_refused = what == READS_REFUSED;
        if self.order.by_value.contains(&index) && !reads_refused {
            let node = &self.def.nodes[index];
            self.unsupported.push(UnsupportedNode {
                node: node.name.clone(),
                op: node.op.clone(),
                what,
            });
        }
    }

    /// Imports the outputs `ports` of a live node.
    fn outputs(
        &mut self,
        index: usize,
        inputs: &[Branch],
        ports: &[usize],
    ) -> Result<Vec<Branch>, String> {
        let def = &self.def.nodes[index];
        let fed = match self.fed.get(&index) {
            Some(Fed::Constant(value)) => {
                Some(self.graph.constant(def.name.clone(), (*value).clone()))
            }
            Some(Fed::Picture(layout)) => {
                let dtype = Attributes(def).dtype("dtype").unwrap_or(DType::F32);
                Some(layout.add(&mut self.graph, &def.name, dtype))
            }
            Some(Fed::Input) => Some(self.input(index)?),
            None if operation::decodes_a_photo(&def.op) => Some(self.input(index)?),
            None => None,
        };
        if let Some(id) = fed {
            return Ok(vec![Branch::Node(id); ports.len()]);
        }
        if operation::is_variable(&def.op) {
            let id = self.variable(index)?;
            return Ok(vec![Branch::Node(id); ports.len()]);
        }
        match (def.op.as_str(), inputs) {
            ("Switch", &[data, condition]) => {
                let both = branches::switch(&self.graph, data, condition, &mut self.conditions)
                    .ok_or("its condition is not a constant")?;
                return Ok(ports
                    .iter()
                    .map(|&port| both.get(port).copied().unwrap_or(Branch::Opaque))
                    .collect());
            }
            ("Merge", _) => return Ok(vec![branches::merge(inputs.iter().copied()); ports.len()]),
            _ => {}
        }
        let inputs: Option<Vec<NodeId>> = inputs
            .iter()
            .map(|branch| if let Branch::Node(id) = branch { Some(*id) } else { None })
            .collect();
        let Some(inputs) = inputs else {
            // A node that is refused for a reason of its own is named too.
            let reason = Attributes(def).text(REFUSED).unwrap_or(READS_REFUSED);
            return Err(reason.to_owned());
        };
        ports.iter().map(|&port| self.convert(index, &inputs, port)).collect()
    }

    fn convert(&mut self, index: usize, inputs: &[NodeId], port: usize) -> Result<Branch, String> {
        let def = &self.def.nodes[index];
        let piece = operation::read(Attributes(def), port, inputs.len(), &mut self.expansion)?;
        let name = if port == 0 { def.name.clone() } else { format!("{}:{port}", def.name) };
        let mut chain = operation::Chain { graph: &mut self.graph, name: &name, inputs };
        Ok(Branch::Node(match piece {
            Piece::Node(op) => chain.finish(op, inputs)?,
            Piece::Same(input) => *inputs.get(input).ok_or("an input is missing")?,
            Piece::Chain(build) => build(&mut chain)?,
        }))
    }

    /// Imports a variable by its saved name: the node's own or its shared name.
    fn variable(&mut self, index: usize) -> Result<NodeId, String> {
        let (def, attributes) = (&self.def.nodes[index], Attributes(&self.def.nodes[index]));
        let variables = self.def.variables.as_ref().ok_or(
            "a variable, whose value is in a checkpoint: name that, or put it in the graph's \
             folder",
        )?;
        let shared = attributes.text("shared_name").filter(|name| variables.shape(name).is_some());
        let name = if variables.shape(&def.name).is_some() {
            &def.name
        } else {
            shared.unwrap_or(&def.name)
        };
        let rank = variables.shape(name).map_or(0, |shape| shape.len());
        // Old graphs omit the shape of a variable.
        let shape = attributes
            .shape("shape")
            .filter(|shape| shape.len() == rank)
            .unwrap_or_else(|| vec![None; rank]);
        let operand = variables.operand(name, &shape).map_err(|error| {
            let what = error.to_string();
            self.failure.get_or_insert(error);
            what
        })?;
        Ok(self.graph.add(def.name.clone(), operand, &[]))
    }

    /// Creates an input for a tensor that is fed or an image that is decoded.
    fn input(&mut self, index: usize) -> Result<NodeId, String> {
        let def = &self.def.nodes[index];
        let attributes = Attributes(def);
        if let Some(Piece::Chain(build)) = operation::quantized::quantized_input(attributes) {
            let name = &def.name;
            return build(&mut operation::Chain { graph: &mut self.graph, name, inputs: &[] });
        }
        let (dtype, shape) = if operation::decodes_a_photo(&def.op) {
            let channels =
                attributes.int("channels").and_then(|c| usize::try_from(c).ok()).filter(|&c| c > 0);
            let dtype = attributes.dtype("dtype").unwrap_or(DType::U8);
            (dtype, Some(vec![None, None, Some(channels.unwrap_or(3))]))
        } else {
            let declared = matches!(
                def.op.as_str(),
                "Placeholder" | "PlaceholderWithDefault" | "PlaceholderV2"
            );
            let dtype = ["dtype", "DstT", "T"].iter().find_map(|name| attributes.dtype(name));
            (dtype.unwrap_or(DType::F32), attributes.shape("shape").filter(|_| declared))
        };
        // Very old graphs omit the shape of placeholders, which reads as a scalar.
        let shape = shape.filter(|shape| !shape.is_empty() || !dtype.is_float());
        Ok(self.graph.add(def.name.clone(), Op::Input { dtype, shape }, &[]))
    }

    fn finish(mut self, fetches: &[(usize, usize)]) -> Result<Graph> {
        if let Some(error) = self.failure {
            return Err(error);
        }
        if !self.unsupported.is_empty() {
            return Err(Error::Unsupported(self.unsupported));
        }
        let mut outputs = Vec::new();
        for fetch in fetches {
            match self.branches.get(fetch) {
                Some(Branch::Node(id)) => outputs.push(*id),
                _ => {
                    let node = &self.def.nodes[fetch.0];
                    return Err(Error::node(
                        &node.name,
                        &node.op,
                        "it is in a branch that is never taken",
                    ));
                }
            }
        }
        self.graph.set_outputs(outputs);
        Ok(self.graph.pruned())
    }
}

/// The reason for a node whose input was refused.
const READS_REFUSED: &str = "it reads a node that is not known";
