//! Runs photos on all cores and writes results in input order, each as soon as it is known.

use std::io::{self, Write};
use std::ops::ControlFlow;
use std::time::Instant;

use anyhow::{Context as _, Result};
use lorgnette::FailedPhoto;
pub(crate) use lorgnette::parallel::WorkSplit;
use lorgnette::parallel::par_map_ordered;
use lorgnette::spreadsheet;
use serde::Serialize;

use crate::Outcome;
use crate::arguments::Format;
use crate::hints;
use crate::messages::{self, Messages};
use crate::photos::Photo;
use crate::printable::locked_stdout;
use crate::progress::Progress;

/// Standard output, and counts of results.
struct Output {
    out: Box<dyn Write>,
    format: Format,
    messages: Messages,
    progress: Progress,
    failed: usize,
    /// The error of writing to standard output.
    write_error: Option<io::Error>,
}

/// Maps photos to results with `workers` and writes each to standard output with `write`, after
/// `header`.
///
/// # Errors
/// If standard output cannot be written. A reader that closes its end early is not an error.
pub(crate) fn answer_photos<A, W>(
    photos: &[Photo],
    workers: Vec<W>,
    (format, messages): (Format, Messages),
    header: &str,
    mut write: impl FnMut(&mut dyn Write, &Photo, &A) -> io::Result<()>,
) -> Result<Outcome>
where
    A: Send,
    W: FnMut(usize, &Photo) -> Result<A> + Send,
{
    let started = Instant::now();
    let progress = Progress::new(photos.len(), "photos", messages);
    let out = locked_stdout(format == Format::Text);
    let mut output = Output { out, format, messages, progress, failed: 0, write_error: None };
    if output.put(|out| out.write_all(header.as_bytes())).is_continue() {
        par_map_ordered(photos, workers, |photo, answer| {
            let flow = match answer {
                Ok(answer) => output.put(|out| write(out, photo, &answer)),
                Err(error) => output.put_failure(photo, &error),
            };
            output.progress.advance();
            flow
        });
    }
    let (failed, write_error) = (output.failed, output.write_error.take());
    drop(output);
    match write_error {
        Some(error) if error.kind() == io::ErrorKind::BrokenPipe => {
            return Ok(Outcome::StdoutClosed);
        }
        Some(error) => return Err(error).context("standard output"),
        None => {}
    }
    messages.detail(&format_args!(
        "{} in {:.2?}",
        messages::count(photos.len(), "photo"),
        started.elapsed()
    ));
    if failed > 0 && photos.len() > 1 {
        messages.note(&format_args!("{failed} of {} photos failed", photos.len()));
    }
    Ok(if failed > 0 { Outcome::SomeFailed } else { Outcome::Done })
}

impl Output {
    /// Writes and flushes, so that every result is visible at once.
    fn put(&mut self, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> ControlFlow<()> {
        let out = &mut self.out;
        let written = self.progress.suspend_for_output(|| write(out).and_then(|()| out.flush()));
        match written {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                self.write_error = Some(error);
                ControlFlow::Break(())
            }
        }
    }

    /// As a JSON line in the result's place, otherwise on standard error.
    fn put_failure(&mut self, photo: &Photo, error: &anyhow::Error) -> ControlFlow<()> {
        self.failed += 1;
        let mut failed = FailedPhoto::new(photo.name(), error.as_ref());
        failed.error += &hints::hint(error);
        if self.format == Format::Json {
            return self.put(|out| write_json(out, &failed));
        }
        let messages = self.messages;
        self.progress.suspend(|| messages.error(&failed.error));
        ControlFlow::Continue(())
    }
}

/// Writes one line of JSON.
pub(crate) fn write_json(out: &mut dyn Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    writeln!(out)
}

/// Writes lines of comma-separated values, formatted in memory first: csv's errors do not
/// distinguish a closed pipe from a full disk. Cells are no formulas.
pub(crate) fn write_csv_lines(
    out: &mut dyn Write,
    fill: impl FnOnce(&mut csv::Writer<Vec<u8>>) -> csv::Result<()>,
) -> io::Result<()> {
    let mut lines = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
    fill(&mut lines)?;
    let lines = lines.into_inner().map_err(csv::IntoInnerError::into_error)?;
    out.write_all(&spreadsheet::cells(lines)?)
}

/// Writes a report that is not about a photo.
///
/// # Errors
/// As [`answer_photos`].
pub(crate) fn write_report(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
    let mut out = locked_stdout(false);
    match write(&mut out).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(error).context("standard output")
        }
        _ => Ok(()),
    }
}
