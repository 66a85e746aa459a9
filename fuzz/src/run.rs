//! Runs the cases and counts their results.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::memory::Measure;
use crate::random::Random;
use crate::targets::{self, Target};
use crate::watchdog::{self, Running};

/// Message and location of the last panic.
static LAST_PANIC: Mutex<String> = Mutex::new(String::new());

/// The targets, ready to run.
pub(crate) struct Fuzzer {
    targets: Arc<Vec<Box<dyn Target>>>,
    seed: u64,
    folder: PathBuf,
    /// Contains the running case, in case the process dies.
    running: File,
}

impl Fuzzer {
    /// Reads the corpus and starts the watchdog. Files of failed cases go to `folder`.
    pub(crate) fn new(seed: u64, folder: PathBuf) -> Self {
        let targets = Arc::new(targets::all(&folder));
        let saving = folder.clone();
        watchdog::guard(targets.clone(), move |target, name, seed, number| {
            let input = target.input(&mut Random::of_case(seed, name, number));
            save(&saving, name, seed, number, &input.bytes);
        });
        std::panic::set_hook(Box::new(|panic| {
            *LAST_PANIC.lock().unwrap_or_else(PoisonError::into_inner) = panic.to_string();
        }));
        let running = File::create(folder.join("running")).expect("a folder to write to");
        Self { targets, seed, folder, running }
    }

    /// Returns all targets.
    pub(crate) fn targets(&self) -> &[Box<dyn Target>] {
        &self.targets
    }

    /// Runs the `cases` of one target, or as many as `time` allows.
    pub(crate) fn run(&self, target: usize, cases: Range<u64>, time: Duration) -> Tally {
        let began = Instant::now();
        let mut tally =
            Tally { target: targets::NAMES[target], seed: self.seed, ..Tally::default() };
        for number in cases {
            if began.elapsed() >= time {
                break;
            }
            self.case(target, number, &mut tally);
        }
        tally.time = began.elapsed();
        tally
    }

    fn case(&self, index: usize, number: u64, tally: &mut Tally) {
        let (target, name) = (self.targets[index].as_ref(), targets::NAMES[index]);
        let mut random = Random::of_case(self.seed, name, number);
        let input = target.input(&mut random);
        let note = format!("target {name}, case {number} of seed {} was running\n", self.seed);
        let _ = self.running.write_all_at(note.as_bytes(), 0);

        let (started, measure) = (Instant::now(), Measure::start());
        let running = Running::start(self.seed, index, number);
        let outcome = catch_unwind(AssertUnwindSafe(|| target.run(&input, &mut random)));
        drop(running);
        let (time, peak, bound) =
            (started.elapsed(), measure.peak(), target.bound(input.bytes.len()));

        let outcome = outcome.unwrap_or_else(|_| Err(last_panic())).and_then(|came| {
            let mebibytes = |bytes: usize| bytes as f64 / f64::from(1 << 20);
            if peak <= bound {
                return Ok(came);
            }
            Err(format!(
                "too much memory\n{:.1} MiB where {:.1} are allowed",
                mebibytes(peak),
                mebibytes(bound)
            ))
        });
        if outcome.is_err() {
            save(&self.folder, name, self.seed, number, &input.bytes);
        }
        tally.note(number, outcome, time, peak as f64 / bound as f64);
    }
}

/// Returns the message that the hook stored for the panic just caught.
fn last_panic() -> String {
    std::mem::take(&mut *LAST_PANIC.lock().unwrap_or_else(PoisonError::into_inner))
}

fn save(folder: &Path, target: &str, seed: u64, number: u64, bytes: &[u8]) {
    let path = folder.join(format!("{target}-{seed}-{number}"));
    if let Err(error) = std::fs::write(&path, bytes) {
        eprintln!("{}: {error}", path.display());
    }
}

/// The results of a target's cases.
#[derive(Default)]
pub(crate) struct Tally {
    target: &'static str,
    seed: u64,
    time: Duration,
    outcomes: BTreeMap<&'static str, u64>,
    /// For each first line of a failure: its count, the first case, and the whole message.
    failures: BTreeMap<String, (u64, u64, String)>,
    largest: (f64, u64),
    slowest: (Duration, u64),
}

impl Tally {
    /// Returns the number of passed cases.
    pub(crate) fn passed(&self) -> u64 {
        self.outcomes.values().sum()
    }

    /// Returns the number of failed cases.
    pub(crate) fn failed(&self) -> u64 {
        self.failures.values().map(|failure| failure.0).sum()
    }

    fn note(
        &mut self,
        number: u64,
        outcome: Result<&'static str, String>,
        time: Duration,
        share: f64,
    ) {
        if share > self.largest.0 {
            self.largest = (share, number);
        }
        self.slowest = self.slowest.max((time, number));
        match outcome {
            Ok(came) => *self.outcomes.entry(came).or_default() += 1,
            Err(what) => {
                let line = what.lines().next().unwrap_or_default().to_owned();
                self.failures.entry(line).or_insert((0, number, what)).0 += 1;
            }
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cases = self.passed() + self.failed();
        write!(
            f,
            "{}: {cases} cases of seed {} in {:.1} s:",
            self.target,
            self.seed,
            self.time.as_secs_f64()
        )?;
        for (came, count) in &self.outcomes {
            write!(f, " {count} {came},")?;
        }
        writeln!(f, " {} failed", self.failed())?;
        let ((share, large), (time, slow)) = (self.largest, self.slowest);
        write!(f, "  most memory: {:.0} % of the bound (case {large}); ", 100.0 * share)?;
        write!(f, "slowest: {:.2} s (case {slow})", time.as_secs_f64())?;
        for (count, first, what) in self.failures.values() {
            write!(
                f,
                "\n  {count} x {}\n    (case {first} was the first)",
                what.replace('\n', "\n    ")
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_hundred_cases_of_each_target_pass() {
        let folder = std::env::temp_dir().join(format!("lorgnette-fuzz-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let fuzzer = Fuzzer::new(0, folder.clone());
        for target in 0..fuzzer.targets().len() {
            let tally = fuzzer.run(target, 0..300, Duration::MAX);
            // The fuzzer's own hook stores the panic's message.
            eprintln!("{tally}");
            assert_eq!(tally.failed(), 0, "{tally}");
            assert!(
                tally.outcomes.len() > 1,
                "damage is neither always fatal nor always harmless: {tally}"
            );
        }
        std::fs::remove_dir_all(folder).unwrap();
    }
}
