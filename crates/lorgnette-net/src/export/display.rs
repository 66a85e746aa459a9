//! A graph for people to look at: no weights, variables as such, shapes on every edge.

use std::collections::HashMap;

use super::{Node, node, shape_proto};
use crate::graph::shape::TypedGraph;
use crate::proto::{
    AttrValue, Dim, ListValue, NodeDef, TensorProto, TensorShapeProto, Value as Attribute,
};

/// Lengths by node; `None` where they depend on the batch.
pub(crate) type Shapes = HashMap<String, Vec<Option<usize>>>;

/// The shapes of a graph's nodes, from what they are for two batches: what differs is the batch's.
pub(crate) fn shapes(one: &TypedGraph, two: &TypedGraph) -> Shapes {
    let named = one.graph.nodes().iter().zip(&one.facts).zip(&two.facts);
    let shape =
        |a: &[usize], b: &[usize]| a.iter().zip(b).map(|(&a, &b)| (a == b).then_some(a)).collect();
    named.map(|((node, one), two)| (node.name.clone(), shape(&one.shape, &two.shape))).collect()
}

/// Nodes to be looked at. Constants called in `variables` are shown as TF-Slim has them: a
/// variable, and a node that reads it. Constants lose their elements; nodes have their `shapes`.
pub(crate) fn for_display(nodes: Vec<Node>, variables: &[&str], shapes: &Shapes) -> Vec<NodeDef> {
    let is_variable: std::collections::HashSet<&str> = variables.iter().copied().collect();
    let mut shapes = shapes.clone();
    let mut displayed = Vec::with_capacity(nodes.len() + variables.len());
    for Node { mut def, value } in nodes {
        let own = value.as_ref().map(|value| value.shape().iter().map(|&n| Some(n)).collect());
        for input in &mut def.input {
            if is_variable.contains(input.as_str()) {
                input.push_str("/read");
            }
        }
        if let Some(value) = value.filter(|_| is_variable.contains(def.name.as_str())) {
            let dtype = Attribute::Type(value.dtype().tensorflow());
            let shape = Attribute::Shape(shape_proto(value.shape()));
            let variable = node(
                &def.name,
                "VariableV2",
                Vec::new(),
                &[("dtype", dtype.clone()), ("shape", shape)],
            );
            let read = node(
                &format!("{}/read", def.name),
                "Identity",
                vec![def.name.clone()],
                &[("T", dtype)],
            );
            displayed.extend([variable.def, read.def].map(|def| with_shape(def, own.as_ref())));
            continue;
        }
        hollow(&mut def);
        let shape = own.or_else(|| shape_of(&def, &shapes));
        if let Some(shape) = &shape {
            shapes.insert(def.name.clone(), shape.clone());
        }
        displayed.push(with_shape(def, shape.as_ref()));
    }
    displayed
}

/// A node's shape: as it was found, or where it only hands a value on, that value's.
fn shape_of(def: &NodeDef, shapes: &Shapes) -> Option<Vec<Option<usize>>> {
    let hands_on =
        ["Identity", "CheckNumerics", "StopGradient", "ReadVariableOp", "PlaceholderWithDefault"];
    let input = || def.input.first().filter(|_| hands_on.contains(&def.op.as_str()));
    let named = |name: &str| shapes.get(name).cloned();
    named(&def.name).or_else(|| named(input()?.trim_end_matches(":0")))
}

fn with_shape(mut def: NodeDef, shape: Option<&Vec<Option<usize>>>) -> NodeDef {
    if let Some(shape) = shape {
        let size = |length: &Option<usize>| length.map_or(-1, |length| length as i64);
        let dim = shape.iter().map(|length| Dim { size: size(length) }).collect();
        let shape = vec![TensorShapeProto { dim, unknown_rank: false }];
        let value = Some(Attribute::List(ListValue { shape, ..ListValue::default() }));
        def.attr.insert("_output_shapes".into(), AttrValue { value });
    }
    def
}

/// Takes a constant's elements away, but for those of shapes and axes.
fn hollow(def: &mut NodeDef) {
    const SHORT: usize = 64;
    for attribute in def.attr.values_mut() {
        if let Some(Attribute::Tensor(tensor)) = &mut attribute.value
            && tensor.tensor_content.len() + 4 * tensor.float_val.len() > SHORT
        {
            let TensorProto { dtype, tensor_shape, .. } = std::mem::take(&mut **tensor);
            **tensor = TensorProto { dtype, tensor_shape, ..TensorProto::default() };
        }
    }
}
