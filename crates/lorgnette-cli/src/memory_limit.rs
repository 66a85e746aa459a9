//! The memory of the program: what Rust allocates within `--memory-limit`, all threads together.

use std::fs;

use lorgnette::net::memory;

/// Minimum of the default, in MiB.
const MIN_DEFAULT: u64 = 8192;

/// Limits the memory of the process to `mib`, or to the default.
pub(crate) fn set(mib: Option<u32>) {
    memory::set_limit(mib.map_or_else(default, u64::from) << 20);
}

/// Returns half of the machine's memory, at least [`MIN_DEFAULT`], in MiB.
fn default() -> u64 {
    let total = fs::read_to_string("/proc/meminfo").ok().and_then(|text| total(&text));
    total.map_or(MIN_DEFAULT, |kib| (kib / 1024 / 2).max(MIN_DEFAULT))
}

/// Returns the memory that Linux tells of, in KiB.
fn total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::total;

    #[test]
    fn the_memory_is_that_of_the_machine() {
        assert_eq!(total("MemTotal:       32768000 kB\nMemFree: 1 kB\n"), Some(32_768_000));
        assert_eq!(total("nothing"), None);
    }
}
