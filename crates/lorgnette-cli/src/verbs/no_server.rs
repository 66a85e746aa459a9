//! `lorgnette serve` in a program without its server.

use std::ffi::OsString;

use anyhow::{Result, bail};
use clap::Args;

use crate::Outcome;
use crate::arguments::Global;
use crate::messages::Messages;

/// Serve models over HTTP and gRPC (not in this build)
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[arg(hide = true, trailing_var_arg = true, allow_hyphen_values = true)]
    _arguments: Vec<OsString>,
}

/// Says how to get the server.
pub(crate) fn run(_: &Arguments, _: &Global, _: Messages) -> Result<Outcome> {
    bail!(
        "this program was built without its server: build it with\n  \
         cargo build --release -p lorgnette-cli --features serve"
    )
}
