//! The description of [`Level::Simd128`].

use super::{Isa, X86_CACHES};
use crate::Level;

/// An engine's compiler maps WebAssembly's vectors to those of the CPU, of which x86-64 without
/// AVX-512 has sixteen.
pub(super) static SIMD128: Isa = Isa {
    name: "simd128",
    base: Level::Simd128,
    lanes: 4,
    registers: 16,
    panel_vectors: 2,
    tile_rows: 5,
    weight_load_cost: 1.5,
    caches: X86_CACHES,
    is_available: || cfg!(all(target_arch = "wasm32", target_feature = "simd128")),
    unavailable_reason: || None,
    multiplies_bf16: || false,
};
