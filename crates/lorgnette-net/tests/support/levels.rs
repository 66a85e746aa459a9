//! The CPU levels at which networks are tested.

use lorgnette_kernels::Level;

/// Returns the levels of this CPU, and emulated AMX if it supports the rest of that level.
pub(crate) fn levels() -> Vec<Level> {
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    if lorgnette_kernels::numerics::has_bf16() && !Level::Amx.is_available() {
        lorgnette_oracle::amx::emulate();
        lorgnette_kernels::assume_amx();
    }
    Level::available()
}
