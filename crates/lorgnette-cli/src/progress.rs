//! The progress bar.

use std::io::{self, IsTerminal as _};
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::messages::Messages;
use crate::printable::printable;

/// Time before the bar is shown.
const SHOW_AFTER: Duration = Duration::from_secs(2);
/// Maximum redraws per second.
const REDRAWS_A_SECOND: u8 = 10;

/// A bar that counts finished items, shown on a terminal after two seconds.
#[derive(Debug)]
pub(crate) struct Progress {
    total: usize,
    /// The noun of the items, such as "photos".
    noun: &'static str,
    done: usize,
    /// Text behind the count.
    message: String,
    started: Instant,
    /// True if the bar may be shown.
    enabled: bool,
    /// True if standard output is on a terminal too.
    stdout_is_terminal: bool,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Counts `total` items called `noun`. Never shown for a single item, without a terminal, or
    /// with `--quiet`.
    pub(crate) fn new(total: usize, noun: &'static str, messages: Messages) -> Self {
        let enabled = total > 1 && !messages.is_quiet() && io::stderr().is_terminal();
        let stdout_is_terminal = io::stdout().is_terminal();
        let (done, message) = (0, String::new());
        Self {
            total,
            noun,
            done,
            message,
            started: Instant::now(),
            enabled,
            stdout_is_terminal,
            bar: None,
        }
    }

    /// Counts one more item.
    pub(crate) fn advance(&mut self) {
        self.set_position(self.done + 1);
    }

    /// Sets the number of finished items.
    pub(crate) fn set_position(&mut self, done: usize) {
        self.done = done;
        if self.bar.is_none() && self.enabled && self.started.elapsed() > SHOW_AFTER {
            self.bar = Some(self.new_bar());
        }
        if let Some(bar) = &self.bar {
            bar.set_message(self.eta());
            bar.set_position(self.done as u64);
        }
    }

    /// Sets the text behind the count; control characters are escaped.
    pub(crate) fn set_message(&mut self, text: &str) {
        self.message = format!("; {}", printable(text));
    }

    /// Hides the bar while `write` writes to standard output, if both are on a terminal.
    pub(crate) fn suspend_for_output<T>(&self, write: impl FnOnce() -> T) -> T {
        if self.stdout_is_terminal { self.suspend(write) } else { write() }
    }

    /// Hides the bar while `write` writes to standard error.
    pub(crate) fn suspend<T>(&self, write: impl FnOnce() -> T) -> T {
        match &self.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    fn new_bar(&self) -> ProgressBar {
        let target = ProgressDrawTarget::stderr_with_hz(REDRAWS_A_SECOND);
        let bar = ProgressBar::with_draw_target(Some(self.total as u64), target)
            .with_elapsed(self.started.elapsed());
        let template = format!("{{wide_bar}} {{pos}} of {{len}} {}, {{msg}}", self.noun);
        let style = ProgressStyle::with_template(&template);
        bar.with_style(style.expect("a sound template"))
            .with_position(self.done as u64)
            .with_message(self.eta())
    }

    /// Estimates the remaining time from the mean so far. indicatif's own estimate counts from the
    /// moment the bar is first shown.
    fn eta(&self) -> String {
        let rest = self.total.saturating_sub(self.done) as f64 / self.done.max(1) as f64;
        format!("{} left{}", HumanDuration(self.started.elapsed().mul_f64(rest)), self.message)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
