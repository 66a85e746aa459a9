//! Imports one NodeDef. Each family of operations has a file; the first that knows the operation's
//! name reads it.

mod arithmetic;
mod channels;
mod fused;
mod leftover;
pub(crate) mod quantized;
mod structure;
mod window;

use super::attributes::Attributes;
use super::constant::Expansion;
use crate::graph::op::Op;
use crate::graph::{Graph, NodeId};
use crate::proto::attribute::REFUSED;
use crate::tensor::Tensor;

/// The imported form of a node.
pub(super) enum Piece {
    /// One operation on the node's inputs, in their order.
    Node(Op),
    /// No operation: the value of that input.
    Same(usize),
    /// Several operations, the last of which has the node's name.
    Chain(Build),
}

type Build = Box<dyn FnOnce(&mut Chain<'_>) -> Result<NodeId, String>>;

impl Piece {
    fn chain(build: impl FnOnce(&mut Chain<'_>) -> Result<NodeId, String> + 'static) -> Self {
        Self::Chain(Box::new(build))
    }
}

/// The builder of a node that becomes several.
pub(super) struct Chain<'a> {
    pub(super) graph: &'a mut Graph,
    pub(super) name: &'a str,
    pub(super) inputs: &'a [NodeId],
}

impl Chain<'_> {
    fn input(&self, i: usize) -> Result<NodeId, String> {
        self.inputs.get(i).copied().ok_or_else(|| format!("input {i} is missing"))
    }

    /// Returns the values of a small constant or variable.
    fn stored_values(&self, i: usize) -> Option<Vec<f32>> {
        const MAX_VALUES: usize = 1 << 16;
        let tensor = match &self.graph.node(*self.inputs.get(i)?).op {
            Op::Const(tensor) => tensor.clone(),
            Op::Variable(lazy) if lazy.len() <= MAX_VALUES => lazy.read().ok()?,
            _ => return None,
        };
        (tensor.len() <= MAX_VALUES).then(|| tensor.to_f32())
    }

    /// Returns the values of a constant input.
    fn numbers(&self, i: usize) -> Option<Vec<i64>> {
        self.graph.constant_of(*self.inputs.get(i)?).map(Tensor::to_i64)
    }

    /// Adds an intermediate node, named after the final one.
    fn step(&mut self, suffix: &str, op: Op, inputs: &[NodeId]) -> Result<NodeId, String> {
        checked(&op, inputs.len())?;
        Ok(self.graph.add(format!("{}/{suffix}", self.name), op, inputs))
    }

    fn constant(&mut self, suffix: &str, tensor: Tensor) -> NodeId {
        self.graph.constant(format!("{}/{suffix}", self.name), tensor)
    }

    /// Adds the final node.
    pub(super) fn finish(&mut self, op: Op, inputs: &[NodeId]) -> Result<NodeId, String> {
        checked(&op, inputs.len())?;
        Ok(self.graph.add(self.name, op, inputs))
    }
}

fn checked(op: &Op, inputs: usize) -> Result<(), String> {
    let wanted = op.input_count();
    if wanted.contains(&inputs) {
        return Ok(());
    }
    Err(format!("{inputs} inputs where {} to {} belong", wanted.start(), wanted.end()))
}

/// Imports the output `port` of a node. The error names the unsupported aspect; it is empty if the
/// operation is unknown.
pub(super) fn read(
    node: Attributes<'_>,
    port: usize,
    inputs: usize,
    expansion: &mut Expansion,
) -> Result<Piece, String> {
    let op = node.0.op.as_str();
    if let Some(reason) = node.text(REFUSED) {
        return Err(reason.to_owned());
    }
    let families = [window::read, arithmetic::read, structure::read, fused::read, quantized::read];
    if let Some(piece) = quantized::placeholder(op, node) {
        return Ok(piece);
    }
    if let Some(piece) = leftover::read(op, node, port, expansion) {
        return piece;
    }
    let Some(piece) = families.iter().find_map(|family| family(op, node, port, inputs)) else {
        return Err(String::new());
    };
    let several = matches!(op, "Split" | "SplitV" | "Unpack" | "TopKV2" | "TopK")
        || op.starts_with("FusedBatchNorm");
    if port > 0 && !several {
        return Err(format!("output {port} is not known"));
    }
    piece
}

/// Returns true if the operation decodes an image file: such a node is fed with pixels.
pub(crate) fn decodes_a_photo(op: &str) -> bool {
    matches!(
        op,
        "DecodeJpeg"
            | "DecodePng"
            | "DecodeImage"
            | "DecodeBmp"
            | "DecodeGif"
            | "DecodeAndCropJpeg"
    )
}

/// Returns true if the operation is a variable, whose value is not in the graph.
pub(super) fn is_variable(op: &str) -> bool {
    matches!(op, "Variable" | "VariableV2" | "AutoReloadVariable" | "VarHandleOp")
}
