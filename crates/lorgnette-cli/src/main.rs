//! The program `lorgnette`.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(lorgnette_cli::run(std::env::args_os()))
}
