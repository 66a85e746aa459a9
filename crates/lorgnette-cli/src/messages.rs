//! Messages on standard error.

use std::fmt::Display;
use std::io::{self, Write as _};

use crate::arguments::Global;
use crate::printable::printable;

/// Prints messages, as many as `--quiet` and `--verbose` allow.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Messages {
    quiet: bool,
    verbose: bool,
}

impl Messages {
    /// Takes the level from `--quiet` and `--verbose`.
    pub(crate) fn new(global: &Global) -> Self {
        Self { quiet: global.quiet, verbose: global.verbose }
    }

    /// Prints a failure, always.
    pub(crate) fn error(self, message: &dyn Display) {
        write_line(&format_args!("lorgnette: {message}"));
    }

    /// Prints something the user should know, unless `--quiet`.
    pub(crate) fn note(self, message: &dyn Display) {
        if !self.quiet {
            write_line(&format_args!("lorgnette: {message}"));
        }
    }

    /// Prints a detail, if `--verbose`.
    pub(crate) fn detail(self, message: &dyn Display) {
        if self.verbose {
            write_line(message);
        }
    }

    /// True if only failures are printed.
    pub(crate) fn is_quiet(self) -> bool {
        self.quiet
    }
}

/// Writes a line to standard error, control characters escaped. A closed standard error is ignored;
/// `eprintln!` would panic.
fn write_line(message: &dyn Display) {
    let _ = writeln!(io::stderr(), "{}", printable(&message.to_string()));
}

/// Joins an error and its causes, without those that the message before them contains.
pub(crate) fn error_chain(error: &anyhow::Error) -> String {
    let mut message = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if message.is_empty() {
            message = cause;
        } else if !message.contains(&cause) {
            message = format!("{message}: {cause}");
        }
    }
    message
}

/// Counts in words: `1 photo`, `2 photos`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::error_chain;

    #[test]
    fn a_cause_is_printed_once() {
        let twice = anyhow!("disk full").context("out.npy: disk full");
        assert_eq!(error_chain(&twice), "out.npy: disk full");
        let once = anyhow!("disk full").context("out.npy: cannot be written");
        assert_eq!(error_chain(&once), "out.npy: cannot be written: disk full");
    }
}
