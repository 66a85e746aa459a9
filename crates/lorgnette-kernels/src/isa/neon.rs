//! The description of [`Level::Neon`].

use super::{CacheModel, Isa};
use crate::Level;

/// Caches of Arm's own cores. A way of L1 has 16 KiB (Neoverse N1, N2 and V1, Cortex-A72, A76 and
/// A78: 64 KiB in four ways, or 32 KiB in two) or 8 KiB (Cortex-A53 and A55), and L2 has at least
/// 512 KiB for a core of a server and 256 KiB for one of a telephone (the Technical Reference
/// Manuals, chapters on the L1 and L2 memory systems).
const ARM_CACHES: CacheModel = CacheModel {
    l1_conflict_stride: 8192,
    l2_budget: 192 << 10,
    max_l2_bytes: 384 << 10,
    l2_weights: 320 << 10,
    ..super::X86_CACHES
};

/// Caches of Apple's performance cores: 128 KiB of L1 in eight ways, and 12 MiB of L2 or more that
/// four of them share (M1; `sysctl hw.perflevel0`).
const APPLE_CACHES: CacheModel = CacheModel {
    l1_conflict_stride: 8192,
    l2_budget: 1 << 20,
    max_l2_bytes: 2 << 20,
    l2_weights: 2 << 20,
    ..super::X86_CACHES
};

pub(super) static NEON: Isa = Isa {
    name: "neon",
    base: Level::Neon,
    lanes: 4,
    registers: 32,
    // Twenty vectors of sums, the inputs of four steps for five pixels, and four of weights: 29 of
    // the 32 registers.
    panel_vectors: 4,
    tile_rows: 5,
    weight_load_cost: 1.5,
    // The costs are those fitted on x86-64: no time was measured on an Arm CPU.
    caches: if cfg!(target_vendor = "apple") { APPLE_CACHES } else { ARM_CACHES },
    is_available: || cfg!(target_arch = "aarch64"),
    unavailable_reason: || None,
    multiplies_bf16: detect::bf16,
};

#[cfg(target_arch = "aarch64")]
mod detect {
    /// True if the CPU multiplies matrices of bf16 (Neoverse N2 and V1, Apple M2, Cortex-A710).
    pub(super) fn bf16() -> bool {
        std::arch::is_aarch64_feature_detected!("bf16")
    }
}

#[cfg(not(target_arch = "aarch64"))]
mod detect {
    pub(super) fn bf16() -> bool {
        false
    }
}
