//! Where the time of a training went.

use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use lorgnette::features::Timings;

use crate::table::{Align, Fit, Table};

/// The stage that many threads share.
pub(super) const FEATURES: &str = "features";

/// A stopwatch.
pub(super) struct Stopwatch(Mutex<Laps>);

struct Laps {
    last: Instant,
    all: Vec<(&'static str, Duration)>,
}

impl Stopwatch {
    pub(super) fn start() -> Self {
        Self(Mutex::new(Laps { last: Instant::now(), all: Vec::new() }))
    }

    /// What was done since the last time.
    pub(super) fn lap(&self, what: &'static str) {
        let mut laps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let taken = now - laps.last;
        laps.all.push((what, taken));
        laps.last = now;
    }

    /// Writes a table to standard error: each stage, and what the threads did that computed
    /// features.
    pub(super) fn write(&self, timings: Timings, threads: usize) -> io::Result<()> {
        let laps = &self.0.lock().unwrap_or_else(PoisonError::into_inner).all;
        let whole: Duration = laps.iter().map(|(_, time)| *time).sum();
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
        for (what, time) in laps {
            table.row(row(what, *time));
            if *what == FEATURES {
                within(timings, threads).for_each(|(what, time)| table.row(row(what, time)));
            }
        }
        table.total(row("all", whole));
        table.write(&mut io::stderr(), Fit { width: None, elastic: 0, droppable: &[] })
    }
}

/// What the threads did, each as if all of them had done it at once; what nobody did is left out.
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
