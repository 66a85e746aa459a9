//! What training and TensorFlow's tools leave in a graph: constants, placeholders, and nodes that pass a value on.

use super::super::attributes::Attributes;
use super::super::builder::training_default;
use super::super::constant::{self, Expansion};
use super::Piece;
use crate::graph::op::Op;
use crate::tensor::DType;

pub(super) fn read(op: &str, node: Attributes<'_>, port: usize, expansion: &mut Expansion) -> Option<Result<Piece, String>> {
    Some(match op {
        "Const" => {
            let proto = node.tensor("value").ok_or_else(|| "it has no value".to_owned());
            proto.and_then(|proto| constant::tensor(proto, expansion)).map(|tensor| Piece::Node(Op::Const(tensor)))
        }
        "Placeholder" | "PlaceholderV2" => Ok(Piece::Node(placeholder(node))),
        "PlaceholderWithDefault" | "Identity" | "RefIdentity" | "StopGradient" | "PreventGradient" | "Snapshot"
        | "CheckNumerics" | "CheckNumericsV2" | "EnsureShape" | "Print" | "DebugIdentity" | "DeepCopy" => {
            Ok(Piece::Same(0))
        }
        "IdentityN" => Ok(Piece::Same(port)),
        _ => return None,
    })
}

fn placeholder(node: Attributes<'_>) -> Op {
    if let Some(value) = training_default(node) {
        return Op::Const(value);
    }
    let dtype = node.dtype("dtype").unwrap_or(DType::F32);
    // Very old graphs leave the shape out, which reads as a scalar.
    let shape = node.shape("shape").filter(|shape| !shape.is_empty() || !dtype.is_float());
    Op::Input { dtype, shape }
}
