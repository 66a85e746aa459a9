//! Fingerprints of graphs.

use lorgnette_kernels::numerics::has_bf16;
use lorgnette_kernels::{IntegerEpilogue, Level, NumericOptions, Precision};
use sha2::{Digest as _, Sha256};

use crate::error::Result;
use crate::graph::{Graph, TensorOrLazy};

/// Returns a digest of a graph's operations, their order and weights, the CPU level and the number
/// formats.
///
/// # Errors
/// If a weight cannot be read.
pub(crate) fn fingerprint(
    graph: &Graph,
    level: Level,
    numerics: NumericOptions,
) -> Result<[u8; 32]> {
    let mut digest = Sha256::new();
    digest.update(level.name());
    if numerics != NumericOptions::default() {
        let rounds = numerics.compute != Precision::Float32 && has_bf16();
        let (precision, weights) = (numerics.compute, numerics.weight_storage);
        digest.update(format!(
            "Formats {{ precision: {precision:?}, weights: {weights:?} }} {rounds};"
        ));
    }
    if numerics.epilogue != IntegerEpilogue::default() {
        digest.update(numerics.epilogue.name());
    }
    for node in graph.nodes() {
        match TensorOrLazy::from_op(&node.op) {
            Some(value) => {
                digest.update(format!("{} {:?}", value.dtype(), value.shape()));
                // In pieces, so that large weights are never in memory as a whole.
                value.each_piece(&lorgnette_kernels::ThreadPool::new(1), |piece| {
                    digest.update(piece);
                    Ok(())
                })?;
            }
            None => digest.update(format!("{:?}", node.op)),
        }
        digest.update(format!("{:?};", node.inputs));
    }
    digest.update(format!("{:?}", graph.outputs()));
    Ok(digest.finalize().into())
}
