//! What a value depends on, in 32 bytes.

use lorgnette_kernels::formats::has_bf16;
use lorgnette_kernels::{Formats, Level, Precision};
use sha2::{Digest as _, Sha256};

use crate::error::Result;
use crate::graph::{Graph, Value};

/// A digest of a graph's operations, their order, their weights, the level they run at and the numbers they compute with.
///
/// # Errors
/// If a weight cannot be read.
pub(crate) fn fingerprint(graph: &Graph, level: Level, formats: Formats) -> Result<[u8; 32]> {
    let mut digest = Sha256::new();
    digest.update(level.name());
    if formats != Formats::default() {
        let rounds = formats.precision != Precision::Float32 && has_bf16();
        digest.update(format!("{formats:?} {rounds};"));
    }
    for node in graph.nodes() {
        match Value::of(&node.op) {
            Some(value) => {
                digest.update(format!("{} {:?}", value.dtype(), value.shape()));
                // A piece at a time: large weights are never in memory as a whole.
                value.each_piece(&lorgnette_kernels::Pool::new(1), |piece| {
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
