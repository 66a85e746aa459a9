//! The description of [`Level::Portable`].

use super::{Isa, X86_CACHES};
use crate::Level;

pub(super) static PORTABLE: Isa = Isa {
    name: "portable",
    base: Level::Portable,
    lanes: 4,
    registers: 16,
    panel_vectors: 2,
    tile_rows: 4,
    weight_load_cost: 1.5,
    caches: X86_CACHES,
    is_available: || true,
    unavailable_reason: || None,
    multiplies_bf16: || false,
};
