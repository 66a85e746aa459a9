//! A progress bar for people who wait.

use std::io::{self, IsTerminal as _};
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::messages::Messages;

/// Nobody needs a bar for less.
const SHOW_AFTER: Duration = Duration::from_secs(2);
/// Enough for the eye, little for the terminal.
const REDRAWS_A_SECOND: u8 = 10;

/// Counts items done, on a terminal, once it has taken a while.
#[derive(Debug)]
pub(crate) struct Progress {
    total: usize,
    /// What is counted, such as "photos".
    noun: &'static str,
    done: usize,
    /// What else there is to say.
    message: String,
    started: Instant,
    /// Whether anybody wants to see it.
    enabled: bool,
    /// Whether standard output is on a terminal too.
    stdout_is_terminal: bool,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Progress through `total` items, which are called `noun`; never shown for one alone, without
    /// a terminal, or with `--quiet`.
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

    /// One more is done.
    pub(crate) fn advance(&mut self) {
        self.set_position(self.done + 1);
    }

    /// So many are done.
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

    /// Shows something beside the bar from now on.
    pub(crate) fn set_message(&mut self, text: &str) {
        self.message = format!("; {text}");
    }

    /// Writes to standard output, with the bar out of the way if both are on the terminal.
    pub(crate) fn suspend_for_output<T>(&self, write: impl FnOnce() -> T) -> T {
        if self.stdout_is_terminal { self.suspend(write) } else { write() }
    }

    /// Writes to standard error, with the bar out of the way.
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

    /// How long the rest will take if it goes on like this. indicatif's own estimate takes a bar
    /// that is first shown late for one that got there in no time.
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
