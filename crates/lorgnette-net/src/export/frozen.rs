//! A graph's own nodes, with what is variable made constant.

use std::collections::{BTreeMap, HashSet};

use super::{Node, constant, node};
use crate::error::{Error, Result};
use crate::graph::TensorOrLazy;
use crate::import::GraphDef;
use crate::proto::{NodeDef, Value as Attribute};

/// The nodes that compute `fetches`, as they are in the graph, but for variables: those are
/// constants.
///
/// # Errors
/// [`Error::Unknown`] for a name that is not there; if a variable is nowhere.
pub(crate) fn frozen(def: &GraphDef, fetches: &[&str]) -> Result<Vec<Node>> {
    def.needed(fetches)?
        .into_iter()
        .map(|original| {
            if let Some(value) =
                def.variable(original).transpose()?.or_else(|| def.large_constant(original))
            {
                return Ok(constant(&original.name, value));
            }
            let mut def = original.clone();
            if def.op == "ReadVariableOp" {
                let dtype = def.attr.get("dtype").and_then(|dtype| dtype.value.clone());
                let dtype = [("T", dtype.unwrap_or(Attribute::Type(1)))];
                return Ok(node(&def.name, "Identity", def.input, &dtype));
            }
            // Where it was computed is no matter of the network's.
            def.device.clear();
            Ok(Node { def, value: None })
        })
        .collect()
}

/// The variables of a network by name: those of a graph with variables; of a frozen one, the
/// constants that freezing made of them, which are still read through the identities that read
/// variables.
///
/// # Errors
/// If there are none.
pub(crate) fn variables(def: &GraphDef, fetches: &[&str]) -> Result<Vec<(String, TensorOrLazy)>> {
    let needed = def.needed(fetches)?;
    let read: HashSet<&str> =
        needed.iter().filter(|node| reads_a_variable(node)).map(|node| input_name(node)).collect();
    let mut found = BTreeMap::new();
    for node in &needed {
        let constant = || {
            def.constant(node)
                .filter(|_| read.contains(node.name.as_str()))
                .map(TensorOrLazy::Tensor)
        };
        if let Some(value) = def.variable(node).transpose()?.or_else(constant) {
            found.insert(node.name.clone(), value);
        }
    }
    if found.is_empty() {
        let what =
            "no constant of this graph was a variable (none is read through an identity called read or ReadVariableOp): convert it to a frozen graph"
                .into();
        return Err(Error::Format { path: def.path().into(), what });
    }
    Ok(found.into_iter().collect())
}

/// Whether a node is what freezing leaves of reading a variable: `NAME/read`, or
/// `…/ReadVariableOp`, perhaps numbered.
fn reads_a_variable(node: &NodeDef) -> bool {
    let name = node.name.rsplit('/').next().unwrap_or_default();
    node.op == "Identity" && (name == "read" || name.starts_with("ReadVariableOp"))
}

fn input_name(node: &NodeDef) -> &str {
    let input = node.input.first().map_or("", String::as_str);
    input.strip_suffix(":0").unwrap_or(input)
}
