//! Frozen graphs: the graph's own nodes, with constants in place of variables.

use std::collections::{BTreeMap, HashSet};

use super::{Node, constant, node};
use crate::error::{Error, Result, UnsupportedNode};
use crate::graph::TensorOrLazy;
use crate::import::{GraphDef, is_quantized_operation};
use crate::proto::{NodeDef, Value as Attribute};

/// Returns the nodes that compute `fetches`, with constants in place of variables.
///
/// # Errors
/// [`Error::Unknown`] for a name that does not exist; [`Error::Unsupported`] with all quantised
/// operations, which TensorFlow does not have; an error if a variable has no value.
pub(crate) fn frozen(def: &GraphDef, fetches: &[&str]) -> Result<Vec<Node>> {
    let needed = def.needed(fetches)?;
    check_operations(&needed)?;
    needed
        .into_iter()
        .map(|original| {
            if let Some(value) =
                def.variable(original).transpose()?.or_else(|| def.large_constant(original))
            {
                return Ok(constant(&original.name, value));
            }
            if is_rounding(original) {
                // Numbers that are not rounded are nearer to the network's own.
                let float = [("T", Attribute::Type(1))];
                return Ok(node(&original.name, "Identity", original.input.clone(), &float));
            }
            let mut def = original.clone();
            if def.op == "ReadVariableOp" {
                let dtype = def.attr.get("dtype").and_then(|dtype| dtype.value.clone());
                let dtype = [("T", dtype.unwrap_or(Attribute::Type(1)))];
                return Ok(node(&def.name, "Identity", def.input, &dtype));
            }
            // The device on which it was computed has no meaning here.
            def.device.clear();
            Ok(Node { def, value: None })
        })
        .collect()
}

/// Checks that TensorFlow has the operations of these nodes.
fn check_operations(nodes: &[&NodeDef]) -> Result<()> {
    let quantised =
        nodes.iter().filter(|node| is_quantized_operation(&node.op) && !is_rounding(node));
    let unsupported: Vec<UnsupportedNode> = quantised
        .map(|node| UnsupportedNode {
            node: node.name.clone(),
            op: node.op.clone(),
            what: "TensorFlow has no operation for these integers".into(),
        })
        .collect();
    if unsupported.is_empty() { Ok(()) } else { Err(Error::Unsupported(unsupported)) }
}

/// Returns true if a node rounds real numbers to 8 bits when a network runs.
fn is_rounding(node: &NodeDef) -> bool {
    node.op == "LiteDynamicRange"
}

/// Returns the variables of a network by name. In a frozen graph these are the constants that
/// freezing made of variables; they are still read through the identities that read variables.
///
/// # Errors
/// If there are no variables, or one cannot be written out.
pub(crate) fn variables(def: &GraphDef, fetches: &[&str]) -> Result<Vec<(String, TensorOrLazy)>> {
    let needed = def.needed(fetches)?;
    let read: HashSet<&str> =
        needed.iter().filter(|node| reads_a_variable(node)).map(|node| input_name(node)).collect();
    let (mut found, mut expansion) = (BTreeMap::new(), def.expansion());
    for node in &needed {
        let mut value = def.variable(node).transpose()?;
        if value.is_none() && read.contains(node.name.as_str()) {
            value = def.constant_within(node, &mut expansion).map(TensorOrLazy::Tensor);
            if value.is_none() && def.is_numeric_constant(node) {
                let what = format!(
                    "the variable {} is damaged, or it and those before it have so many elements \
                     of one value that they take far more memory than the file",
                    node.name
                );
                return Err(Error::Format { path: def.path().into(), what });
            }
        }
        if let Some(value) = value {
            found.insert(node.name.clone(), value);
        }
    }
    if found.is_empty() {
        let what =
            "no constant of this graph was a variable (none is read through an identity called \
             read or ReadVariableOp): convert it to a frozen graph"
                .into();
        return Err(Error::Format { path: def.path().into(), what });
    }
    Ok(found.into_iter().collect())
}

/// Returns true if a node is the identity that freezing leaves in place of a variable's read:
/// `NAME/read`, or `…/ReadVariableOp` with an optional number.
fn reads_a_variable(node: &NodeDef) -> bool {
    let name = node.name.rsplit('/').next().unwrap_or_default();
    node.op == "Identity" && (name == "read" || name.starts_with("ReadVariableOp"))
}

fn input_name(node: &NodeDef) -> &str {
    let input = node.input.first().map_or("", String::as_str);
    input.strip_suffix(":0").unwrap_or(input)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use prost::Message as _;

    use super::*;
    use crate::proto::{AttrValue, Dim, TensorProto, TensorShapeProto};

    /// Data types in TensorFlow's numbers.
    const FLOAT: i32 = 1;
    const BOOL: i32 = 10;

    fn graph_node(name: &str, op: &str, inputs: &[&str], value: Option<TensorProto>) -> NodeDef {
        let dtype = value.as_ref().map_or(FLOAT, |tensor| tensor.dtype);
        let mut attributes = vec![("dtype", Attribute::Type(dtype)), ("T", Attribute::Type(FLOAT))];
        attributes.extend(value.map(|tensor| ("value", Attribute::Tensor(Box::new(tensor)))));
        let attribute =
            |(name, value): (&str, Attribute)| (name.to_owned(), AttrValue { value: Some(value) });
        NodeDef {
            name: name.into(),
            op: op.into(),
            input: inputs.iter().map(|&input| input.to_owned()).collect(),
            attr: attributes.into_iter().map(attribute).collect(),
            ..NodeDef::default()
        }
    }

    /// A constant of one value that stands for 32 MiB, all that those of a small file may.
    fn large_constant(name: &str) -> NodeDef {
        let dim = vec![Dim { size: 2048 }, Dim { size: 4096 }];
        let shape = TensorShapeProto { dim, ..TensorShapeProto::default() };
        let large = TensorProto {
            dtype: FLOAT,
            tensor_shape: Some(shape),
            float_val: vec![1.0],
            ..TensorProto::default()
        };
        graph_node(name, "Const", &[], Some(large))
    }

    /// On a branch that is never taken, constants of one value stay a few bytes: written out they
    /// would be the size of all their elements.
    #[test]
    fn constants_of_dead_branches_are_written_as_they_are_stored() {
        let condition =
            TensorProto { dtype: BOOL, bool_val: vec![false], ..TensorProto::default() };
        let mut nodes = vec![
            graph_node("x", "Placeholder", &[], None),
            graph_node("condition", "Const", &[], Some(condition)),
            graph_node("switch", "Switch", &["x", "condition"], None),
        ];
        let mut dead = "switch:1".to_owned();
        for number in 0..50 {
            let (constant, product) = (format!("large{number}"), format!("product{number}"));
            nodes.push(large_constant(&constant));
            nodes.push(graph_node(&product, "Mul", &[&dead, &constant], None));
            dead = product;
        }
        nodes.push(graph_node("merge", "Merge", &["switch", &dead], None));
        let read: usize = nodes.iter().map(NodeDef::encoded_len).sum();
        let graph = crate::proto::GraphDef { node: nodes, versions: None };
        let graph = GraphDef::from_nodes(graph, Path::new("dead.pb")).unwrap();
        let nodes = frozen(&graph, &["merge"]).unwrap();
        assert_eq!(nodes.len(), 104);
        assert!(nodes.iter().all(|node| node.value.is_none()));
        let written: usize = nodes.iter().map(|node| node.def.encoded_len()).sum();
        assert!(written <= read, "{written} bytes of {read}");
    }

    /// What constants of one value stand for is bounded for all of them together; none is left out
    /// without a word.
    #[test]
    fn variables_of_one_value_are_bounded_together() {
        let mut nodes = Vec::new();
        let mut last = "large0/read".to_owned();
        for number in 0..5 {
            let (constant, read) = (format!("large{number}"), format!("large{number}/read"));
            nodes.push(large_constant(&constant));
            nodes.push(graph_node(&read, "Identity", &[&constant], None));
            let sum = format!("sum{number}");
            nodes.push(graph_node(&sum, "Add", &[&last, &read], None));
            last = sum;
        }
        let graph = crate::proto::GraphDef { node: nodes, versions: None };
        let graph = GraphDef::from_nodes(graph, Path::new("large.pb")).unwrap();
        assert_eq!(variables(&graph, &["large0/read"]).unwrap().len(), 1);
        let error = variables(&graph, &[&last]).unwrap_err().to_string();
        assert!(error.starts_with("large.pb: the variable large1 is"), "{error}");
    }
}
