//! `lorgnette index`: indexes folders of photos into a library.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use lorgnette::Observer;
use lorgnette::photos::{PassedOver, path_text};
use lorgnette_library::{
    Analysers, Event, FaceAnalyser, FailedSidecar, IndexOptions, Library, ModelRecord, Summary,
    printable,
};
use serde::Serialize;

use crate::Outcome;
use crate::analysis::{Analysis, AnalysisArguments};
use crate::arguments::{ExcludeArguments, Global, LibraryArguments, ReportFormat};
use crate::memory_limit;
use crate::messages::{Messages, count};
use crate::progress::Progress;
use crate::stream::{write_json, write_report};
use crate::verbs::library::in_library;

/// Analyse folders of photos once, so that they can be searched for objects and their places
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Folders, including their subfolders, or photos [default: the folders indexed before]
    #[arg(value_name = "FOLDER")]
    folders: Vec<PathBuf>,

    #[command(flatten)]
    library: LibraryArguments,

    #[command(flatten)]
    exclusions: ExcludeArguments,

    /// Try again the photos that could not be decoded, even if unchanged
    #[arg(long)]
    retry: bool,

    /// Write what was found into sidecars beside the photos (beach.jpg.xmp) for digiKam, Lightroom,
    /// immich and others: keywords, and regions with names. Sidecars of other programs stay
    #[arg(long)]
    write_sidecars: bool,

    /// Minimum probability of what sidecars name
    #[arg(long, value_name = "P", default_value_t = 0.5, requires = "write_sidecars")]
    sidecar_probability: f64,

    /// Format of the report
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    format: ReportFormat,

    #[command(flatten)]
    analysis: AnalysisArguments,
}

const EXAMPLES: &str = "\
Only new and changed photos are analysed. Moved photos are recognised by their
contents, and missing ones are marked. A stopped run continues where it stopped.
The photos are not changed: the library holds the detections. Detections of
another --model are added to those of earlier ones.

Examples:
  lorgnette index ~/Pictures --library pictures.lgn
  lorgnette index --library pictures.lgn
      the same folders again
  lorgnette index ~/Pictures --library pictures.lgn --model inception_v3
  lorgnette index ~/Pictures --library pictures.lgn --faces
  lorgnette search 'school bus in the middle' --library pictures.lgn";

/// Report as JSON.
#[derive(Serialize)]
struct Report {
    library: String,
    model: String,
    #[serde(flatten)]
    summary: Summary,
    /// Number of files that are no photos, by extension.
    skipped: BTreeMap<String, usize>,
    seconds: f64,
    /// Everything that was passed over, by kind.
    passed_over: PassedOver,
    /// Number of photos that were searched for faces.
    searched_for_faces: usize,
}

/// Runs the verb.
pub(crate) fn run(arguments: &Arguments, global: &Global, messages: Messages) -> Result<Outcome> {
    let path = arguments.library.path()?;
    memory_limit::share_with_sqlite()?;
    run_in(&path, arguments, global, messages).map_err(|error| in_library(error, &path))
}

fn run_in(
    path: &Path,
    arguments: &Arguments,
    global: &Global,
    messages: Messages,
) -> Result<Outcome> {
    let started = Instant::now();
    if let (None, Some(home)) = (arguments.library.named(), path.parent()) {
        fs::create_dir_all(home).with_context(|| home.display().to_string())?;
    }
    let mut library = Library::create(path)?;
    let nothing_to_index = arguments.folders.is_empty() && library.folders()?.is_empty();
    ensure!(!nothing_to_index, "which folders? {} does not know any yet", path.display());
    let Analysis { network, record: model_record, open, workers, .. } =
        arguments.analysis.network(global, messages)?;
    let options = IndexOptions {
        open,
        retry: arguments.retry,
        exclude: arguments.exclusions.exclude.clone(),
    };
    let mut printer =
        ProgressPrinter { messages, progress: None, passed_over: PassedOver::default() };
    let faces = arguments.face_analyser(&library, global)?;
    let summary = lorgnette_library::index(
        &mut library,
        &arguments.folders,
        Analysers { model: &model_record, workers: network.workers(workers) },
        &options,
        &mut printer,
    )?;
    let mut searched_for_faces = 0;
    if let Some((faces, face_record)) = faces {
        let summary = lorgnette_library::index(
            &mut library,
            &arguments.folders,
            Analysers { model: &face_record, workers: faces.workers(workers) },
            // Photos that cannot be decoded were tried again just now.
            &IndexOptions {
                open: arguments.analysis.open_options(),
                retry: false,
                ..options.clone()
            },
            &mut FaceProgress(&mut printer),
        )?;
        searched_for_faces = summary.analysed;
    }
    let mut sidecars_failed = false;
    if arguments.write_sidecars {
        let sidecars = library.write_sidecars(arguments.sidecar_probability)?;
        for path in &sidecars.foreign {
            let path = printable(&path_text(path));
            messages.note(&format_args!("{path}: another program's sidecar, left as it is"));
        }
        for FailedSidecar { path, reason } in &sidecars.failed {
            messages.error(&format_args!("{}: {reason}", printable(&path_text(path))));
        }
        sidecars_failed = !sidecars.failed.is_empty();
        messages.note(&format_args!("{} written", count(sidecars.written, "sidecar")));
    }
    let report = Report {
        library: path.display().to_string(),
        model: model_record.name,
        summary,
        seconds: started.elapsed().as_secs_f64(),
        skipped: printer.passed_over.files.clone(),
        passed_over: printer.passed_over,
        searched_for_faces,
    };
    write_report(|out| match arguments.format {
        ReportFormat::Json => write_json(out, &report),
        ReportFormat::Text => report.write(out),
    })?;
    let failed = summary.failed + summary.inaccessible;
    Ok(match Outcome::of_inputs(summary.found + summary.inaccessible, failed) {
        Outcome::Done if sidecars_failed => Outcome::SomeFailed,
        outcome => outcome,
    })
}

impl Arguments {
    /// The analyser of faces and its record, if faces are asked for or the library has those of
    /// this detector.
    fn face_analyser(
        &self,
        library: &Library,
        global: &Global,
    ) -> Result<Option<(FaceAnalyser, ModelRecord)>> {
        let is_asked = self.analysis.asks_for_faces();
        let models = library.models()?;
        if !is_asked && models.iter().all(|model| model.name != lorgnette::faces::EMBEDDED_NAME) {
            return Ok(None);
        }
        let (faces, record) = self.analysis.face_analyser(global)?;
        let is_known = models.iter().any(|model| model.fingerprint == Some(record.fingerprint));
        Ok((is_asked || is_known).then_some((faces, record)))
    }
}

/// Prints errors and progress of the search for faces. What is known of the folders was printed.
struct FaceProgress<'a>(&'a mut ProgressPrinter);

impl Observer<Event<'_>> for FaceProgress<'_> {
    fn event(&mut self, event: &Event<'_>) -> ControlFlow<()> {
        match event {
            Event::PassedOver(_) | Event::Inaccessible { .. } => ControlFlow::Continue(()),
            event => self.0.event(event),
        }
    }
}

/// Prints errors and progress.
struct ProgressPrinter {
    messages: Messages,
    progress: Option<Progress>,
    passed_over: PassedOver,
}

impl Observer<Event<'_>> for ProgressPrinter {
    fn event(&mut self, event: &Event<'_>) -> ControlFlow<()> {
        match event {
            Event::Started { photos } => {
                self.progress = Some(Progress::new(*photos, "photos", self.messages));
            }
            Event::PassedOver(passed_over) => self.passed_over = (*passed_over).clone(),
            Event::Inaccessible { path, error } => {
                self.messages.error(&printable(&format!("{}: {error}", path.display())));
            }
            Event::Done { error, .. } => {
                if let Some(progress) = &mut self.progress {
                    if let Some(error) = error {
                        progress.suspend(|| self.messages.error(&printable(error)));
                    }
                    progress.advance();
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

impl Report {
    /// Writes a line of totals, and a line for each outcome that occurred.
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { summary, .. } = self;
        let looked = count(summary.analysed, "photo");
        let speed = summary.analysed as f64 / self.seconds.max(1e-3);
        write!(out, "{} found, {looked} looked at", count(summary.found, "photo"))?;
        if summary.analysed > 0 {
            write!(out, " in {:.1} s, {speed:.1} photos/s", self.seconds)?;
        }
        writeln!(out)?;
        let kinds = [
            (summary.unchanged, "unchanged"),
            (summary.moved, "moved"),
            (summary.copied, "copies of others"),
            (summary.missing, "vanished"),
            (self.searched_for_faces, "searched for faces"),
            (summary.failed, "failed"),
            (
                summary.still_unreadable,
                "of the unchanged are still unreadable: `lorgnette library list --state \
                 unreadable`",
            ),
        ];
        kinds
            .iter()
            .filter(|(number, _)| *number > 0)
            .try_for_each(|(number, what)| writeln!(out, "{number:>8} {what}"))?;
        if self.passed_over.is_empty() {
            return Ok(());
        }
        writeln!(out, "passed over: {}", printable(&self.passed_over.to_string()))
    }
}
