//! The description of [`Level::Neon`].

use super::{CacheModel, Isa};
use crate::Level;

/// Caches of Arm's cores for servers and telephones: 64 KiB of L1 in four ways of 256 sets
/// (Neoverse N1 and N2, Cortex-A76; their Technical Reference Manuals), 512 KiB or 1 MiB of L2.
/// Apple's performance cores have more of both. The costs are those fitted on x86-64: no time was
/// measured on an Arm CPU.
const ARM_CACHES: CacheModel = CacheModel {
    l1_conflict_stride: 8192,
    l2_budget: 192 << 10,
    max_l2_bytes: 384 << 10,
    ..super::X86_CACHES
};

pub(super) static NEON: Isa = Isa {
    name: "neon",
    base: Level::Neon,
    lanes: 4,
    registers: 32,
    // Sixteen sums, the inputs of four steps for eight pixels, and weights.
    tile_rows: 8,
    weight_load_cost: 1.5,
    caches: ARM_CACHES,
    is_available: || cfg!(target_arch = "aarch64"),
    unavailable_reason: || None,
    multiplies_bf16: || false,
};
