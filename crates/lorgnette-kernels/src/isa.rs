//! Descriptions of instruction sets: registers, availability, caches and constants of the cost
//! model.
//!
//! A new instruction set is a variant of [`Level`], a file here with its description, and a file in
//! `simd` with its vectors. All descriptions are compiled everywhere; only their detection depends
//! on the architecture.

mod neon;
mod portable;
mod wasm;
mod x86;

use crate::Level;

#[cfg(target_arch = "x86_64")]
pub use x86::assume_amx;
#[cfg(target_arch = "x86_64")]
pub(crate) use x86::{multiplies_bytes, reads_one_stream_faster};

/// Float32 values of a cache line (64 bytes on every supported CPU).
pub(crate) const CACHE_LINE: usize = 16;

/// An instruction set, its registers, and its constants of the cost model.
///
/// Costs are in units of one vector multiply-add, as those of
/// [`ConvKernel::cost`](crate::ConvKernel::cost).
#[derive(Debug)]
pub struct Isa {
    /// The name that options and `lorgnette explain` use.
    pub name: &'static str,
    /// The level whose vectors this one computes with, and whose kernels it also runs.
    pub base: Level,
    /// Float32 values of a vector register.
    pub lanes: usize,
    /// Vector registers.
    pub registers: usize,
    /// Vectors of output channels of a panel of packed weights, which is as wide as the largest
    /// register tile: 2, or 4 where the tile is for narrow vectors and many registers.
    pub panel_vectors: usize,
    /// Pixels of the largest register tile. A tile holds a panel's vectors of sums for each pixel,
    /// two of weights and one of input.
    pub tile_rows: usize,
    /// Cost of reading one weight from memory, for one of two threads that share 19 GB/s.
    pub weight_load_cost: f64,
    /// Caches of a core.
    pub caches: CacheModel,
    is_available: fn() -> bool,
    unavailable_reason: fn() -> Option<&'static str>,
    multiplies_bf16: fn() -> bool,
}

/// Sizes of a core's caches and the costs of passing values through them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CacheModel {
    /// Bytes between two pixels, a multiple of which puts them into one or two sets of L1.
    pub l1_conflict_stride: usize,
    /// Bytes of L2 for values between the stages of a fused group; weights use the rest.
    pub l2_budget: usize,
    /// Upper limit of the same if a single row needs more than the budget.
    pub max_l2_bytes: usize,
    /// Bytes of weights that stay in L2 beside them from one block of rows to the next.
    pub l2_weights: usize,
    /// Cost of writing a cache line and reading it again within a core's L2.
    pub l2_line_cost: f64,
    /// Cost of a cache line between the stages of a fused group, where some lines are moved before
    /// they are read a second time.
    pub group_line_cost: f64,
    /// Cost of a cache line beyond L2.
    pub l3_line_cost: f64,
    /// Cost of a cache line that another core may have written.
    pub remote_line_cost: f64,
    /// Cost for a thread of entering a parallel region and waiting at its end.
    pub region_overhead: f64,
}

/// Caches as fitted on x86-64: 64 L1 sets of 64 bytes (every CPU with AVX2 up to now), 1 MiB of L2.
const X86_CACHES: CacheModel = CacheModel {
    l1_conflict_stride: 2048,
    l2_budget: 256 << 10,
    max_l2_bytes: 640 << 10,
    l2_weights: 768 << 10,
    l2_line_cost: 1.0,
    group_line_cost: 2.0,
    l3_line_cost: 6.0,
    remote_line_cost: 12.0,
    region_overhead: 8000.0,
};

impl Level {
    /// Returns the level's description.
    pub const fn isa(self) -> &'static Isa {
        match self {
            Self::Portable => &portable::PORTABLE,
            Self::Avx2 => &x86::AVX2,
            Self::Avx512 => &x86::AVX512,
            Self::Amx => &x86::AMX,
            Self::Neon => &neon::NEON,
            Self::Simd128 => &wasm::SIMD128,
        }
    }

    /// True if this CPU and its operating system have the level.
    pub fn is_available(self) -> bool {
        (self.isa().is_available)()
    }

    /// Returns why this process cannot use the level although the CPU has it. Only AMX needs more
    /// than a CPU.
    pub fn unavailable_reason(self) -> Option<&'static str> {
        (self.isa().unavailable_reason)()
    }

    /// True if this CPU multiplies pairs of bf16 at this level.
    pub fn multiplies_bf16(self) -> bool {
        (self.isa().multiplies_bf16)()
    }
}

/// Whether one stream of memory is read faster than several: not known of other architectures,
/// whose vectors are so short that a stream is enough.
#[cfg(not(target_arch = "x86_64"))]
pub(crate) fn reads_one_stream_faster() -> bool {
    true
}

/// Largest value of a field over all levels.
macro_rules! max_over_levels {
    ($field:ident) => {{
        let (mut max, mut i) = (0, 0);
        while i < Level::ALL.len() {
            if Level::ALL[i].isa().$field > max {
                max = Level::ALL[i].isa().$field;
            }
            i += 1;
        }
        max
    }};
}

/// Float32 values of the widest vectors of any level.
pub(crate) const MAX_LANES: usize = max_over_levels!(lanes);

/// Pixels of the largest register tile of any level.
pub(crate) const MAX_TILE_ROWS: usize = max_over_levels!(tile_rows);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_fit_the_registers() {
        for level in Level::ALL {
            let isa = level.isa();
            assert!([2, 4].contains(&isa.panel_vectors), "{level}");
            assert!(isa.panel_vectors * isa.tile_rows + 3 <= isa.registers, "{level}");
        }
    }

    #[test]
    fn a_base_is_its_own_base() {
        for level in Level::ALL {
            assert_eq!(level.base_isa().base_isa(), level.base_isa());
            assert_eq!(level.base_isa().isa().lanes, level.isa().lanes);
        }
    }
}
