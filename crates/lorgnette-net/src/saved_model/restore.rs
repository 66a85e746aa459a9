//! The variables of a SavedModel's graph in its bundle, by the graph's own nodes that restore them.

use std::collections::HashMap;
use std::sync::Arc;

use crate::error::Result;
use crate::graph::Op;
use crate::import::split_port;
use crate::proto::{NodeDef, Value};
use crate::tensor::Tensor;
use crate::weights::{Variables, Weights};

/// Variables by the names of their nodes.
#[derive(Debug)]
pub(super) struct RestoredVariables {
    weights: Arc<Weights>,
    /// The bundle's name of each variable node; a node that is not in it has its own name there.
    keys: HashMap<String, String>,
}

impl RestoredVariables {
    pub(super) fn new(weights: Arc<Weights>, keys: HashMap<String, String>) -> Self {
        Self { weights, keys }
    }

    fn key<'a>(&'a self, name: &'a str) -> &'a str {
        self.keys.get(name).map_or(name, String::as_str)
    }
}

impl Variables for RestoredVariables {
    fn variable(&self, name: &str, shape: &[Option<usize>]) -> Result<Tensor> {
        Variables::variable(&self.weights, self.key(name), shape)
    }

    fn operand(&self, name: &str, shape: &[Option<usize>]) -> Result<Op> {
        self.weights.operand(self.key(name), shape)
    }

    fn shape(&self, name: &str) -> Option<Vec<usize>> {
        Variables::shape(&self.weights, self.key(name))
    }
}

/// Returns the bundle's name of each variable that the graph restores as a whole: the assignment of
/// an output of `RestoreV2` to it.
pub(super) fn keys(nodes: &[NodeDef]) -> HashMap<String, String> {
    let graph = Lookup { by_name: nodes.iter().map(|node| (node.name.as_str(), node)).collect() };
    let is_assignment = |node: &&NodeDef| matches!(node.op.as_str(), "Assign" | "AssignVariableOp");
    nodes.iter().filter(is_assignment).filter_map(|node| graph.restored(node)).collect()
}

struct Lookup<'a> {
    by_name: HashMap<&'a str, &'a NodeDef>,
}

impl<'a> Lookup<'a> {
    /// Returns the variable's node and its name in the bundle.
    fn restored(&self, assignment: &NodeDef) -> Option<(String, String)> {
        let (variable, _) = self.source(assignment.input.first()?)?;
        let (restore, port) = self.source(assignment.input.get(1)?)?;
        if restore.op != "RestoreV2" {
            return None;
        }
        let key = self.text(restore.input.get(1)?, port)?;
        let part = self.text(restore.input.get(2)?, port)?;
        // A part of a variable is not under a name of its own.
        part.is_empty().then(|| (variable.name.clone(), key))
    }

    /// Follows identities to the node and the output that compute a tensor.
    fn source(&self, tensor: &str) -> Option<(&'a NodeDef, usize)> {
        const MAX_STEPS: usize = 64;
        let (mut name, mut port) = split_port(tensor);
        for _ in 0..MAX_STEPS {
            let node = *self.by_name.get(name)?;
            let input = match node.op.as_str() {
                "Identity" => node.input.first()?,
                "IdentityN" => node.input.get(port)?,
                _ => return Some((node, port)),
            };
            (name, port) = split_port(input);
        }
        None
    }

    /// Returns a text of a constant.
    fn text(&self, tensor: &str, index: usize) -> Option<String> {
        let (node, _) = self.source(tensor)?;
        let Some(Value::Tensor(value)) = &node.attr.get("value")?.value else { return None };
        let texts = &value.string_val;
        // The last text of a short list counts for all others.
        let text = texts.get(index).or(texts.last())?;
        String::from_utf8(text.to_vec()).ok()
    }
}
