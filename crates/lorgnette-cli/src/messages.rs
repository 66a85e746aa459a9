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

/// Prints a fault of this program as one message of its own. A fault of a decoder is not printed:
/// it is the error of its photo.
pub(crate) fn set_panic_hook() {
    std::panic::set_hook(Box::new(|panic| {
        if lorgnette::picture::is_decoding() {
            return;
        }
        let place = panic.location().map(|place| format!(" ({}:{})", place.file(), place.line()));
        let payload = panic.payload();
        let text = payload.downcast_ref::<String>().map(String::as_str);
        let what = text.or_else(|| payload.downcast_ref::<&str>().copied());
        let what = what.unwrap_or("no reason given");
        write_line(&format_args!(
            "lorgnette: this is a fault of the program: {what}{}: please report it, with the \
             command and its files",
            place.unwrap_or_default()
        ));
        if std::env::var_os("RUST_BACKTRACE").is_some() {
            write_line(&std::backtrace::Backtrace::force_capture());
        }
    }));
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
