//! Lorgnette's fuzzer: feeds damaged files to the readers of all external formats.
//!
//! No case may panic, hang, exceed its target's memory bound, or give an error that does not name
//! the file. A case depends only on the seed, the target and its number, which together reproduce
//! it.

mod capture;
mod memory;
mod mutate;
mod random;
mod run;
mod targets;
mod watchdog;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, ValueEnum};

use crate::run::Fuzzer;

#[global_allocator]
static ALLOCATOR: memory::Counting = memory::Counting;

/// Feeds damaged files to Lorgnette's readers, and fails if a reader does worse than refuse one.
#[derive(Parser)]
struct Arguments {
    /// The target to fuzz.
    #[arg(value_enum, default_value = "all")]
    target: Choice,
    /// Cases of each target [default: 20000, or as many as --seconds allow]
    #[arg(long)]
    cases: Option<u64>,
    /// Seconds after which the run ends; the targets share the time.
    #[arg(long)]
    seconds: Option<u64>,
    /// The seed; other seeds give other cases.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The number of the first case, to reproduce one.
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// The folder for the files of failed cases [default: a temporary folder]
    #[arg(long, value_name = "FOLDER")]
    save: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Choice {
    Graphs,
    Onnx,
    Photos,
    Jpegs,
    Tensors,
    Labels,
    Checkpoints,
    Plans,
    Queries,
    Libraries,
    Tflite,
    Verbs,
    Saved,
    Records,
    Requests,
    Tiffs,
    Faxes,
    Folders,
    #[cfg(feature = "heic")]
    Heic,
    #[cfg(feature = "avif")]
    Avif,
    #[cfg(feature = "jxl")]
    Jxl,
    All,
}

impl Choice {
    fn includes(self, target: usize) -> bool {
        matches!(self, Self::All) || self as usize == target
    }
}

const CASES: u64 = 20_000;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let folder = arguments.save.unwrap_or_else(|| std::env::temp_dir().join("lorgnette-fuzz"));
    if let Err(error) = std::fs::create_dir_all(&folder) {
        eprintln!("{}: {error}", folder.display());
        return ExitCode::FAILURE;
    }
    let fuzzer = Fuzzer::new(arguments.seed, folder);
    let chosen: Vec<usize> =
        (0..fuzzer.targets().len()).filter(|&target| arguments.target.includes(target)).collect();
    let cases =
        arguments.cases.unwrap_or(if arguments.seconds.is_some() { u64::MAX } else { CASES });
    let shares: f64 = chosen.iter().map(|&target| fuzzer.targets()[target].share()).sum();
    let (mut passed, mut failed) = (0, 0);
    for target in chosen {
        let share = fuzzer.targets()[target].share() / shares;
        let time =
            arguments.seconds.map_or(Duration::MAX, |all| Duration::from_secs(all).mul_f64(share));
        let tally =
            fuzzer.run(target, arguments.first..arguments.first.saturating_add(cases), time);
        println!("{tally}");
        passed += tally.passed();
        failed += tally.failed();
    }
    println!("{passed} passed, {failed} failed");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
