//! The levels that these tests run at.

use lorgnette_kernels::numerics::has_bf16;
use lorgnette_kernels::{CONV_KERNELS, DEPTHWISE_KERNELS, Level};

/// Returns the levels of this CPU, and emulated AMX where the CPU has everything else.
pub(crate) fn levels() -> Vec<Level> {
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    if has_bf16() && !Level::Amx.is_available() {
        lorgnette_oracle::amx::emulate();
        lorgnette_kernels::assume_amx();
    }
    Level::available()
}

#[test]
fn the_expected_levels_are_tested() {
    let expected = std::env::var("LORGNETTE_EXPECT_LEVELS").unwrap_or_default();
    for name in expected.split(',').filter(|name| !name.is_empty()) {
        // Not a level, but kernels of one that need more of the CPU.
        if name.trim() == "bf16" {
            assert!(has_bf16(), "this machine cannot test bf16");
            continue;
        }
        let level: Level = name.trim().parse().unwrap();
        assert!(levels().contains(&level), "this machine cannot test {level}");
        assert!(
            CONV_KERNELS.iter().any(|kernel| kernel.level == level),
            "no convolution at {level}"
        );
        let depthwise = DEPTHWISE_KERNELS.iter().any(|kernel| kernel.level == level.base_isa());
        assert!(depthwise, "no depthwise convolution at {level}");
    }
}
