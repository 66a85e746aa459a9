//! Messages on standard error.

use std::fmt::Display;
use std::io::{self, Write as _};

use crate::printable::printable;

/// Prints messages, as many as `--quiet` and `--verbose` allow.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Messages {
    quiet: bool,
    verbose: bool,
}

impl Messages {
    /// As many messages as `--quiet` and `--verbose` ask for.
    pub(crate) fn new(quiet: bool, verbose: bool) -> Self {
        Self { quiet, verbose }
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

/// Counts in words: `1 photo`, `2 photos`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    match number {
        1 => format!("1 {noun}"),
        _ if noun.ends_with('s') => format!("{number} {noun}es"),
        _ => format!("{number} {noun}s"),
    }
}
