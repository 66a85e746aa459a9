//! `lorgnette fleet run`.

use std::fs;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context as _, Result};
use clap::Args;
use lorgnette_library::fleet::{
    Existing, FleetAnalyser, FleetRun, FleetWorker, Manifest, Shard, ShardSummary,
};
use lorgnette_library::{FaceAnalyser, PhotoAnalyser};
use serde_json::json;

use crate::Outcome;
use crate::analysis::{Analysis, AnalysisArguments};
use crate::arguments::{Global, ReportFormat};
use crate::messages::{Messages, count};
use crate::progress::Progress;
use crate::stream::{write_json, write_report};

/// Analyse one shard of a manifest: a part with a row for each photo, and one of failures
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The photos: Parquet or CSV with a column path, uri or photo, or text with a path on each
    /// line
    #[arg(long, value_name = "FILE")]
    manifest: PathBuf,

    /// The K-th of N equal shards, from 0/N to N-1/N
    #[arg(long, value_name = "K/N", default_value = "0/1")]
    shard: Shard,

    /// Folder of the parts; made if it is not there
    #[arg(long, value_name = "DIR")]
    out: PathBuf,

    /// The folder at which relative paths begin [default: the manifest's]
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,

    /// Analyse a shard again that is there but has photos that could not be opened
    #[arg(long)]
    retry: bool,

    #[command(flatten)]
    analysis: AnalysisArguments,

    /// Format of the report
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    format: ReportFormat,
}

const EXAMPLES: &str = "\
Writes part-00003-of-00100.parquet and part-00003-of-00100.failed.parquet, both
whole or not at all, and nothing if they are there. Photos that fail are rows of
the latter, and do not change the exit code: a scheduler would run the shard
again. If none can be opened, nothing is written, and the exit code is 2.

Rows depend on photos, model, options and instruction set alone. Where machines
differ, --level avx2 gives all of them the same numbers.

Examples:
  lorgnette fleet run --manifest photos.parquet --shard 3/100 --out parts
  seq 0 99 | xargs -P 4 -I{} lorgnette fleet run --manifest photos.parquet \\
      --shard {}/100 --out parts --threads 1";

/// Runs the verb.
pub(super) fn run(arguments: &Arguments, global: &Global, messages: Messages) -> Result<Outcome> {
    let started = Instant::now();
    let manifest = Manifest::open(&arguments.manifest)?;
    fs::create_dir_all(&arguments.out).with_context(|| arguments.out.display().to_string())?;
    let Analysis { network, record, open, workers, level } =
        arguments.analysis.network(global, messages)?;
    let faces = arguments.analysis.faces(global)?;
    let (detector, face_record) = faces.unzip();
    let level = level.to_owned();
    let analyser = FleetAnalyser { model: record, faces: face_record, level, open };
    let existing = if arguments.retry { Existing::RetryUnread } else { Existing::Keep };
    let run = FleetRun {
        manifest: &manifest,
        shard: arguments.shard,
        out: &arguments.out,
        root: arguments.root.clone(),
        existing,
    };
    let mut fleet_workers = Vec::with_capacity(workers);
    let mut detectors = detector.map(|detector| detector.workers(workers)).unwrap_or_default();
    for network in network.workers(workers) {
        let network: Box<dyn PhotoAnalyser> = Box::new(network);
        let faces = detectors.pop().map(boxed);
        fleet_workers.push(FleetWorker { network, faces });
    }
    let mut progress: Option<Progress> = None;
    let summary = run.run(&analyser, fleet_workers, &mut |event: &lorgnette::Progress| {
        let bar = progress.get_or_insert_with(|| Progress::new(event.total, "photos", messages));
        bar.set_position(event.done);
        ControlFlow::Continue(())
    })?;
    drop(progress);
    if let Some(summary) = summary {
        report(arguments, &summary, started)?;
    }
    Ok(Outcome::Done)
}

fn boxed(detector: FaceAnalyser) -> Box<dyn PhotoAnalyser> {
    Box::new(detector)
}

fn report(arguments: &Arguments, summary: &ShardSummary, started: Instant) -> Result<()> {
    let ShardSummary { part, failed_part, analysed, failed, existed } = summary;
    let seconds = started.elapsed().as_secs_f64();
    let report = json!({
        "part": part.to_string_lossy(),
        "failed_part": failed_part.to_string_lossy(),
        "analysed": analysed,
        "failed": failed,
        "existed": existed,
        "seconds": seconds,
    });
    write_report(|out| match arguments.format {
        ReportFormat::Json => write_json(out, &report),
        ReportFormat::Text => {
            let photos = count(*analysed, "photo");
            write!(out, "{}: {photos}, {failed} failed", part.display())?;
            match existed {
                true => writeln!(out, ", was there"),
                false => writeln!(out, ", {:.1} photos/s", *analysed as f64 / seconds),
            }
        }
    })
}
