//! Graphs for display: without weights, with variables as such, with shapes on every edge.

use std::collections::HashMap;

use super::{Node, node, shape_proto};
use crate::graph::shape::TypedGraph;
use crate::proto::{
    AttrValue, Dim, ListValue, NodeDef, TensorProto, TensorShapeProto, Value as Attribute,
};

/// Shapes by node name. A length is `None` if it depends on the batch.
pub(crate) type Shapes = HashMap<String, Vec<Option<usize>>>;

/// Returns the nodes' shapes, from their facts at batch sizes 1 and 2. Lengths that differ depend
/// on the batch.
pub(crate) fn shapes(one: &TypedGraph, two: &TypedGraph) -> Shapes {
    let named = one.graph.nodes().iter().zip(&one.facts).zip(&two.facts);
    let shape =
        |a: &[usize], b: &[usize]| a.iter().zip(b).map(|(&a, &b)| (a == b).then_some(a)).collect();
    named.map(|((node, one), two)| (node.name.clone(), shape(&one.shape, &two.shape))).collect()
}

/// Returns the nodes for display. A constant named in `variables` becomes TF-Slim's pair of a
/// variable and the node that reads it. Large constants lose their elements. Nodes get their
/// `shapes`.
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

/// Returns a node's shape: the inferred one, or its input's if the operation forwards its input.
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

/// Removes a constant's elements, except those of short ones such as shapes and axes.
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
