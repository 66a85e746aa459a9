//! Remains of training and of TensorFlow's tools: constants, placeholders, and nodes that forward a
//! value.

use super::super::attributes::Attributes;
use super::super::constant::{self, Expansion};
use super::Piece;
use crate::graph::op::Op;
use crate::tensor::{DType, Tensor};

pub(super) fn read(
    op: &str,
    node: Attributes<'_>,
    port: usize,
    expansion: &mut Expansion,
) -> Option<Result<Piece, String>> {
    Some(match op {
        "Const" => {
            let proto = node.tensor("value").ok_or_else(|| "it has no value".to_owned());
            proto
                .and_then(|proto| constant::tensor(proto, expansion))
                .map(|tensor| Piece::Node(Op::Const(tensor)))
        }
        "Placeholder" | "PlaceholderV2" => Ok(Piece::Node(placeholder(node))),
        "PlaceholderWithDefault"
        | "Identity"
        | "RefIdentity"
        | "StopGradient"
        | "PreventGradient"
        | "Snapshot"
        | "CheckNumerics"
        | "CheckNumericsV2"
        | "EnsureShape"
        | "Print"
        | "DebugIdentity"
        | "DeepCopy"
        | "ReadVariableOp" => Ok(Piece::Same(0)),
        "IdentityN" => Ok(Piece::Same(port)),
        _ => return None,
    })
}

fn placeholder(node: Attributes<'_>) -> Op {
    if let Some(value) = training_default(node) {
        return Op::Const(value);
    }
    let dtype = node.dtype("dtype").unwrap_or(DType::F32);
    // Very old graphs omit the shape, which reads as a scalar.
    let shape = node.shape("shape").filter(|shape| !shape.is_empty() || !dtype.is_float());
    Op::Input { dtype, shape }
}

/// Returns the value of a placeholder that only training needs, if it is not fed: flags are off,
/// and dropout keeps everything.
fn training_default(attributes: Attributes<'_>) -> Option<Tensor> {
    let name = attributes.0.name.rsplit('/').next().unwrap_or_default().to_lowercase();
    match attributes.dtype("dtype")? {
        DType::Bool => Some(Tensor::from_i64(DType::Bool, &[], &[0])),
        DType::F32 if name.contains("keep_prob") => Some(Tensor::scalar(1.0)),
        _ => None,
    }
}
