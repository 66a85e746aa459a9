//! The memory of the program: what Rust and SQLite allocate, and the program itself, within
//! `--memory-limit`, all threads together.

use std::fs;

use lorgnette::net::memory;
use lorgnette_library::Error;

/// Minimum of the default, in MiB.
const MIN_DEFAULT: u64 = 8192;
/// Bytes that the program's own pages, the embedded network and the stacks of threads take: 36 MiB
/// were measured with eight threads.
const PROGRAM: u64 = 40 << 20;
/// Maximum bytes of SQLite, whatever a library file makes it do.
const MAX_SQLITE: u64 = 1 << 30;

/// Limits the memory of the process to `mib`, or to the default.
pub(crate) fn set(mib: Option<u32>) {
    memory::set_limit(mib.map_or_else(default, u64::from) << 20);
    memory::set_aside(program());
    if mib.is_some() {
        memory::return_freed_memory();
    }
}

/// Gives SQLite its part of the limit: a quarter at most. Called before a library is opened.
pub(crate) fn share_with_sqlite() -> Result<(), Error> {
    let bytes = MAX_SQLITE.min(memory::limit() / 4);
    memory::set_aside(program() + bytes);
    lorgnette_library::limit_memory(bytes)
}

/// Returns what the program itself may take: little where the limit is very low, because the
/// system can take its pages back.
fn program() -> u64 {
    PROGRAM.min(memory::limit() / 4)
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
