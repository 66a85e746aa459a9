//! TF-Slim's layers, scopes and argument scopes, in which the zoo's tables are written.
//!
//! Names are TF-Slim's own: `conv2d` in scope `X` reads the variable `X/weights` and makes the
//! nodes `X/Conv2D`, `X/BatchNorm/FusedBatchNormV3` (or `X/BiasAdd`) and `X/Relu`.
//!
//! This file has the state of a network that is being built: scopes, names, end points, variables.
//! `layers` turns rows of a table into nodes, `arithmetic` builds the operations between them,
//! `classifier` the end.

mod arithmetic;
mod atrous;
mod classifier;
mod layer;
mod layers;

pub(super) use atrous::Atrous;
pub(super) use layer::{
    Activation, ArgScope, Kernel, Layer, Normalizer, Width, avg_pool2d, concat, conv2d, depthwise,
    max_pool2d,
};

use std::collections::HashMap;

use super::{ZooGraph, ZooOptions};
use crate::error::{Error, Result};
use crate::graph::op::Op;
use crate::graph::{Graph, NodeId, TensorOrLazy};
use crate::names::nearest;
use crate::tensor::{DType, Tensor};
use crate::weights::Variables;

pub(super) use crate::graph::op::Border::{Same, Valid};

/// The reason why building stops before the end of a table.
#[derive(Debug)]
pub(super) enum Halt {
    /// A variable or an option is invalid.
    Failed(Error),
    /// The requested end point is built.
    Reached,
}

impl From<Error> for Halt {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// The result of a building step.
pub(super) type BuildResult<T = FeatureMap> = Result<T, Halt>;

/// An image batch, or a matrix (with height and width 1), between two layers.
#[derive(Clone, Copy, Debug)]
pub(super) struct FeatureMap {
    pub(super) id: NodeId,
    /// Rows, for an input of the expected size; 0 if that is too small.
    pub(super) height: usize,
    pub(super) width: usize,
    pub(super) channels: usize,
}

/// A scope's prefixes: those of nodes and variables differ in a scope that is entered a second
/// time.
#[derive(Clone, Debug, Default)]
struct Scope {
    nodes: String,
    variables: String,
}

/// A network that is being built.
pub(super) struct Slim<'a> {
    variables: &'a dyn Variables,
    options: &'a ZooOptions,
    /// The settings of the following layers.
    pub(super) args: ArgScope,
    graph: Graph,
    scope: Scope,
    /// The number of times that each node name was used.
    names: HashMap<String, usize>,
    input: FeatureMap,
    end_points: Vec<(String, NodeId)>,
    /// The variables so far.
    variable_nodes: Vec<NodeId>,
    features: Option<FeatureMap>,
    logits: Option<FeatureMap>,
    probabilities: Option<NodeId>,
}

impl<'a> Slim<'a> {
    pub(super) fn new(
        variables: &'a dyn Variables,
        options: &'a ZooOptions,
        side: usize,
        channels: usize,
    ) -> Self {
        let mut graph = Graph::new();
        let shape = Some(vec![None, None, None, Some(channels)]);
        let id = graph.add("input", Op::Input { dtype: DType::F32, shape }, &[]);
        let [height, width] = options.size.unwrap_or([side; 2]);
        Self {
            variables,
            options,
            args: ArgScope::default(),
            graph,
            scope: Scope::default(),
            names: HashMap::from([("input".into(), 1)]),
            input: FeatureMap { id, height, width, channels },
            end_points: Vec::new(),
            variable_nodes: Vec::new(),
            features: None,
            logits: None,
            probabilities: None,
        }
    }

    /// Returns the network after its table has ended with `end`.
    pub(super) fn finish(self, end: BuildResult<()>) -> Result<ZooGraph> {
        if let Err(Halt::Failed(error)) = end {
            return Err(error);
        }
        let mut names = self.end_points.iter().map(|(name, _)| name.as_str());
        if let Some(name) = &self.options.final_endpoint
            && !names.clone().any(|known| known == name)
        {
            return Err(Error::Unknown {
                kind: "end point",
                name: name.clone(),
                nearest: nearest(name, &mut names),
            });
        }
        let name = |id: NodeId| self.graph.node(id).name.clone();
        Ok(ZooGraph {
            input: name(self.input.id),
            logits: self.logits.map(|logits| name(logits.id)),
            probabilities: self.probabilities.map(name),
            features: name(self.features.unwrap_or(self.input).id),
            classes: self.logits.map(|logits| logits.channels),
            end_points: self.end_points,
            variables: self.variable_nodes,
            graph: self.graph,
        })
    }

    /// Returns the input.
    pub(super) fn input(&self) -> FeatureMap {
        self.input
    }

    /// Returns the requested options.
    pub(super) fn options(&self) -> &'a ZooOptions {
        self.options
    }

    /// Returns the depth multiplier: the requested one, otherwise the network's `own`, otherwise
    /// none, which follows the file.
    pub(super) fn depth_multiplier(&self, own: Option<f64>) -> Option<f64> {
        let paper = (!self.variables.has_shapes()).then_some(1.0);
        self.options.depth_multiplier.or(own).or(paper)
    }

    /// Builds the content of a scope.
    pub(super) fn scope<T>(
        &mut self,
        name: &str,
        body: impl FnOnce(&mut Self) -> BuildResult<T>,
    ) -> BuildResult<T> {
        self.scoped(name, name, body)
    }

    /// Builds a network's base, whose nodes (but not variables) have the network's scope twice.
    pub(super) fn base<T>(
        &mut self,
        name: &str,
        body: impl FnOnce(&mut Self) -> BuildResult<T>,
    ) -> BuildResult<T> {
        self.scoped(&format!("{name}/{name}"), name, body)
    }

    fn scoped<T>(
        &mut self,
        nodes: &str,
        variables: &str,
        body: impl FnOnce(&mut Self) -> BuildResult<T>,
    ) -> BuildResult<T> {
        let inner = Scope {
            nodes: join(&self.scope.nodes, nodes),
            variables: join(&self.scope.variables, variables),
        };
        let outer = std::mem::replace(&mut self.scope, inner);
        let result = body(self);
        self.scope = outer;
        result
    }

    /// Builds layers with the channels of the table, regardless of the network's width.
    pub(super) fn exactly<T>(
        &mut self,
        body: impl FnOnce(&mut Self) -> BuildResult<T>,
    ) -> BuildResult<T> {
        let outer = std::mem::replace(&mut self.args.width, Width::Fixed);
        let result = body(self);
        self.args.width = outer;
        result
    }

    /// Names an end point. Building stops here if it is the last one requested.
    pub(super) fn end_point(&mut self, name: &str, net: FeatureMap) -> BuildResult {
        match self.end_points.iter_mut().find(|(known, _)| known == name) {
            Some((_, id)) => *id = net.id,
            None => self.end_points.push((name.to_owned(), net.id)),
        }
        if self.options.final_endpoint.as_deref() != Some(name) {
            return Ok(net);
        }
        self.features = Some(net);
        Err(Halt::Reached)
    }

    /// Names an end point by the current scope and `name`.
    pub(super) fn scoped_end_point(&mut self, name: &str, net: FeatureMap) -> BuildResult {
        self.end_point(&join(&self.scope.nodes, name), net)
    }

    /// Returns the shape of a variable in the current scope.
    pub(super) fn stored_shape(&self, name: &str) -> Option<Vec<usize>> {
        self.variables.shape(&join(&self.scope.variables, name))
    }

    /// Adds a node in the current scope.
    pub(super) fn node(&mut self, name: &str, op: Op, inputs: &[NodeId]) -> NodeId {
        let name = join(&self.scope.nodes, name);
        let times = self.names.entry(name.clone()).or_insert(0);
        *times += 1;
        let name = if *times == 1 { name } else { format!("{name}_{}", *times - 1) };
        self.graph.add(name, op, inputs)
    }

    fn constant(&mut self, name: &str, tensor: Tensor) -> NodeId {
        self.node(name, Op::Const(tensor), &[])
    }

    fn integers(&mut self, name: &str, shape: &[usize], values: &[i64]) -> NodeId {
        self.constant(name, Tensor::from_i64(DType::I32, shape, values))
    }

    /// Adds a variable of the current scope to the graph, under its own name.
    fn variable(
        &mut self,
        name: &str,
        shape: &[Option<usize>],
    ) -> BuildResult<(NodeId, Vec<usize>)> {
        let name = join(&self.scope.variables, name);
        let operand = self.variables.operand(&name, shape)?;
        let shape =
            TensorOrLazy::from_op(&operand).map_or_else(Vec::new, |value| value.shape().to_vec());
        let id = self.graph.add(name, operand, &[]);
        self.variable_nodes.push(id);
        Ok((id, shape))
    }

    /// Returns the number of channels of a layer of `depth`; `None` follows the file.
    pub(super) fn depth(&self, depth: usize) -> Option<usize> {
        match self.args.width {
            Width::Fixed => Some(depth),
            Width::Stored => None,
            Width::Truncated { multiplier, min_depth } => {
                Some(((depth as f64 * multiplier) as usize).max(min_depth))
            }
            Width::Divisible { multiplier, min_depth } => {
                Some(divisible(depth as f64 * multiplier, min_depth))
            }
        }
    }
}

/// Rounds a number of channels to a multiple of 8, at least `min_depth`, and at most a tenth below
/// `value`.
pub(super) fn divisible(value: f64, min_depth: usize) -> usize {
    let rounded = ((value + 4.0) as usize / 8 * 8).max(min_depth);
    if (rounded as f64) < 0.9 * value { rounded + 8 } else { rounded }
}

fn join(scope: &str, name: &str) -> String {
    match (scope, name) {
        ("", name) => name.to_owned(),
        (scope, "") => scope.to_owned(),
        (scope, name) => format!("{scope}/{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_round_as_tf_slim_rounds_them() {
        assert_eq!(
            [11.2, 16.8, 18.0, 22.4, 44.8, 1.0].map(|v| divisible(v, 8)),
            [16, 16, 24, 24, 48, 8]
        );
    }
}
