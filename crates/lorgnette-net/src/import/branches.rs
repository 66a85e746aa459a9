//! Switch and Merge of a condition that is constant, such as `is_training`. The branch not taken is
//! dead, and so are its readers up to the Merge.

use std::collections::HashMap;

use crate::graph::op::Op;
use crate::graph::{Graph, NodeId};

/// The state of a node's output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Branch {
    /// In a branch that is never taken.
    Dead,
    /// The value of this node.
    Node(NodeId),
    /// Live, but not imported as a value.
    Opaque,
}

/// Returns the two outputs of a Switch (false, true), or `None` if its condition is not constant.
pub(super) fn switch(
    graph: &Graph,
    data: Branch,
    condition: Branch,
    conditions: &mut Conditions,
) -> Option<[Branch; 2]> {
    let (Branch::Node(condition), true) = (condition, data != Branch::Dead) else {
        return if data == Branch::Dead || condition == Branch::Dead {
            Some([Branch::Dead; 2])
        } else {
            None
        };
    };
    let is_true = conditions.number(graph, condition)? != 0.0;
    Some(if is_true { [Branch::Dead, data] } else { [data, Branch::Dead] })
}

/// Returns the live input of a Merge.
pub(super) fn merge(inputs: impl IntoIterator<Item = Branch>) -> Branch {
    inputs.into_iter().find(|branch| *branch != Branch::Dead).unwrap_or(Branch::Dead)
}

/// Values of the nodes that conditions depend on. Each is computed once, whatever reads it: a chain
/// of additions of a value to itself has 2ⁿ paths.
#[derive(Debug, Default)]
pub(super) struct Conditions {
    values: HashMap<NodeId, Option<f32>>,
}

impl Conditions {
    /// Returns a node's value if it depends on constants alone.
    fn number(&mut self, graph: &Graph, id: NodeId) -> Option<f32> {
        let mut waiting = vec![id];
        while let Some(&next) = waiting.last() {
            let before = waiting.len();
            if !self.values.contains_key(&next) {
                let inputs = operands(graph, next).iter().copied();
                waiting.extend(inputs.filter(|input| !self.values.contains_key(input)));
            }
            if waiting.len() == before {
                let value = self.compute(graph, next);
                self.values.entry(next).or_insert(value);
                waiting.pop();
            }
        }
        self.values[&id]
    }

    /// Computes a node's value from those of its operands.
    fn compute(&self, graph: &Graph, id: NodeId) -> Option<f32> {
        let node = graph.node(id);
        let input = |i: usize| self.values.get(node.inputs.get(i)?).copied().flatten();
        match &node.op {
            Op::Const(value) if value.len() == 1 => value.to_f32().first().copied(),
            Op::Identity | Op::Cast(_) => input(0),
            Op::Binary(op, clamp) => Some(clamp.apply(op.apply(input(0)?, input(1)?))),
            _ => None,
        }
    }
}

/// Returns the inputs that a node's value is computed from.
fn operands(graph: &Graph, id: NodeId) -> &[NodeId] {
    let node = graph.node(id);
    match &node.op {
        Op::Identity | Op::Cast(_) | Op::Binary(..) => &node.inputs,
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use lorgnette_kernels::{Binary, Clamp};

    use super::*;
    use crate::tensor::Tensor;

    #[test]
    fn a_value_that_is_read_twice_is_computed_once() {
        for length in [50, 100] {
            let mut graph = Graph::new();
            let mut last = graph.constant("start", Tensor::scalar(0.5));
            for number in 0..length {
                let op = Op::Binary(Binary::Add, Clamp::NONE);
                last = graph.add(format!("add{number}"), op, &[last, last]);
            }
            let mut conditions = Conditions::default();
            assert_eq!(conditions.number(&graph, last), Some(0.5 * 2f32.powi(length)));
            assert_eq!(conditions.values.len(), length as usize + 1);
        }
    }

    #[test]
    fn a_value_that_is_fed_is_unknown() {
        let mut graph = Graph::new();
        let input = Op::Input { dtype: crate::tensor::DType::F32, shape: None };
        let fed = graph.add("fed", input, &[]);
        let one = graph.constant("one", Tensor::scalar(1.0));
        let sum = graph.add("sum", Op::Binary(Binary::Add, Clamp::NONE), &[fed, one]);
        assert_eq!(Conditions::default().number(&graph, sum), None);
    }
}
