//! A progress bar for people who wait.

use std::io::{self, IsTerminal as _};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::messages::Messages;

/// Nobody needs a bar for less.
const WORTH_A_BAR: Duration = Duration::from_secs(2);
/// Enough for the eye, little for the terminal.
const REDRAWS_A_SECOND: u8 = 10;

/// Counts items done, on a terminal, once it has taken a while.
#[derive(Debug)]
pub(crate) struct Progress {
    total: usize,
    done: usize,
    started: Instant,
    /// Whether anybody wants to see it.
    wanted: bool,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Progress through `total` items; never shown for one alone, without a terminal, or with `--quiet`.
    pub(crate) fn new(total: usize, messages: Messages) -> Self {
        let wanted = total > 1 && !messages.is_quiet() && io::stderr().is_terminal();
        Self { total, done: 0, started: Instant::now(), wanted, bar: None }
    }

    /// One more is done.
    pub(crate) fn advance(&mut self) {
        self.done += 1;
        if self.bar.is_none() && self.wanted && self.started.elapsed() > WORTH_A_BAR {
            self.bar = Some(self.drawn());
        }
        if let Some(bar) = &self.bar {
            bar.set_position(self.done as u64);
        }
    }

    /// Does something that may write to the terminal, with the bar out of its way.
    pub(crate) fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        match &self.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    fn drawn(&self) -> ProgressBar {
        let target = ProgressDrawTarget::stderr_with_hz(REDRAWS_A_SECOND);
        let bar = ProgressBar::with_draw_target(Some(self.total as u64), target).with_elapsed(self.started.elapsed());
        let style = ProgressStyle::with_template("{wide_bar} {pos} of {len} photos, {eta} left");
        bar.with_style(style.expect("a sound template"))
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
