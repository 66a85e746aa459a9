//! The program `lorgnette`.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use lorgnette::net::memory::LimitedAllocator;

/// Every allocation counts against `--memory-limit`.
#[global_allocator]
static ALLOCATOR: LimitedAllocator = LimitedAllocator;

fn main() -> ExitCode {
    ExitCode::from(lorgnette_cli::run(std::env::args_os()))
}
