//! Time of a training's stages.

use std::io;
use std::time::{Duration, Instant};

use lorgnette::features::Timings;

use crate::table::{Align, Fit, Table};

/// The stage that many threads share.
pub(super) const FEATURES: &str = "features";

/// Measures the stages of a training.
pub(super) struct Stopwatch {
    last: Instant,
    laps: Vec<(&'static str, Duration)>,
}

impl Stopwatch {
    pub(super) fn start() -> Self {
        Self { last: Instant::now(), laps: Vec::new() }
    }

    /// Ends a stage.
    pub(super) fn lap(&mut self, stage: &'static str) {
        let now = Instant::now();
        self.laps.push((stage, now - self.last));
        self.last = now;
    }

    /// Writes a table to standard error: each stage, and what the threads did that computed
    /// features.
    pub(super) fn write(&self, timings: Timings, threads: usize) -> io::Result<()> {
        let whole: Duration = self.laps.iter().map(|(_, time)| *time).sum();
        let mut table = Table::new(&[
            ("stage", Align::Left),
            ("seconds", Align::Right),
            ("share", Align::Right),
        ]);
        let row = |what: &str, time: Duration| {
            let (seconds, whole) = (time.as_secs_f64(), whole.as_secs_f64());
            vec![
                what.to_owned(),
                format!("{seconds:.3}"),
                format!("{:.1} %", 100.0 * seconds / whole),
            ]
        };
        for (what, time) in &self.laps {
            table.row(row(what, *time));
            if *what == FEATURES {
                within(timings, threads).for_each(|(what, time)| table.row(row(what, time)));
            }
        }
        table.total(row("all", whole));
        table.write(&mut io::stderr(), Fit { width: None, elastic: 0, droppable: &[] })
    }
}

/// Returns the threads' times divided by their number; zero times are left out.
fn within(timings: Timings, threads: usize) -> impl Iterator<Item = (&'static str, Duration)> {
    let Timings { reading, decoding, augmenting, preprocessing, network } = timings;
    let all = [
        ("  reading files", reading),
        ("  decoding", decoding),
        ("  distorting", augmenting),
        ("  preprocessing", preprocessing),
        ("  network", network),
    ];
    let threads = threads.max(1) as u32;
    all.into_iter()
        .filter(|(_, time)| !time.is_zero())
        .map(move |(what, time)| (what, time / threads))
}
