//! The descriptions of AVX2, AVX-512 and AMX.

#[cfg(target_arch = "x86_64")]
mod amx;

use super::{Isa, X86_CACHES};
use crate::Level;

#[cfg(target_arch = "x86_64")]
pub use amx::assume_amx;
#[cfg(target_arch = "x86_64")]
pub(crate) use amx::multiplies_bytes;

pub(super) static AVX2: Isa = Isa {
    name: "avx2",
    base: Level::Avx2,
    lanes: 8,
    registers: 16,
    panel_vectors: 2,
    tile_rows: 6,
    weight_load_cost: 3.0,
    caches: X86_CACHES,
    is_available: detect::avx2,
    unavailable_reason: || None,
    multiplies_bf16: || false,
};

pub(super) static AVX512: Isa = Isa {
    name: "avx512",
    base: Level::Avx512,
    lanes: 16,
    registers: 32,
    panel_vectors: 2,
    tile_rows: 14,
    weight_load_cost: 1.5,
    caches: X86_CACHES,
    is_available: detect::avx512,
    unavailable_reason: || None,
    multiplies_bf16: detect::avx512_bf16,
};

pub(super) static AMX: Isa = Isa {
    name: "amx",
    base: Level::Avx512,
    is_available: detect::amx,
    unavailable_reason: detect::amx_unavailable_reason,
    ..AVX512
};

/// Whether one stream of memory that the hardware reads ahead is read faster than four that code
/// prefetches: on AMD's cores (Zen 4) by a fifth; on Intel's (Sapphire Rapids) four are, by a
/// quarter.
#[cfg(target_arch = "x86_64")]
pub(crate) fn reads_one_stream_faster() -> bool {
    use std::arch::x86_64::__cpuid;
    use std::sync::LazyLock;
    static IS_AMD: LazyLock<bool> = LazyLock::new(|| {
        let vendor = __cpuid(0);
        let name = [vendor.ebx, vendor.edx, vendor.ecx].map(u32::to_le_bytes);
        name.concat() == b"AuthenticAMD"
    });
    *IS_AMD
}

#[cfg(target_arch = "x86_64")]
mod detect {
    use super::amx;

    pub(super) fn avx2() -> bool {
        is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("f16c")
    }

    pub(super) fn avx512() -> bool {
        avx2()
            && is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512bw")
    }

    /// Intel Cooper Lake and from Sapphire Rapids on, AMD from Zen 4 on.
    pub(super) fn avx512_bf16() -> bool {
        avx512() && is_x86_feature_detected!("avx512bf16")
    }

    pub(super) fn amx() -> bool {
        avx512_bf16() && amx::is_usable() == Ok(true)
    }

    pub(super) fn amx_unavailable_reason() -> Option<&'static str> {
        amx::is_usable().err()
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod detect {
    pub(super) fn avx2() -> bool {
        false
    }

    pub(super) fn avx512() -> bool {
        false
    }

    pub(super) fn avx512_bf16() -> bool {
        false
    }

    pub(super) fn amx() -> bool {
        false
    }

    pub(super) fn amx_unavailable_reason() -> Option<&'static str> {
        None
    }
}
