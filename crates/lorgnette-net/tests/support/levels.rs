//! The levels that tests of networks run at.

use lorgnette_kernels::Level;

/// The levels of this CPU, and AMX in software where it has all the rest of it.
pub(crate) fn levels() -> Vec<Level> {
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    if lorgnette_kernels::numerics::has_bf16() && !Level::Amx.is_available() {
        lorgnette_oracle::amx::emulate();
        lorgnette_kernels::assume_amx();
    }
    Level::available()
}
