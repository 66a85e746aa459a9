//! Photos in, answers out: every core at work, answers in the order of the photos, each written as
//! soon as it is known.

use std::io::{self, Write};
use std::ops::ControlFlow;
use std::time::Instant;

use anyhow::{Context as _, Result};
use lorgnette::parallel::par_map_ordered;
use serde::Serialize;

use crate::Outcome;
use crate::arguments::Format;
use crate::messages::{self, Messages};
use crate::photos::Photo;
use crate::printable::locked_stdout;
use crate::progress::Progress;

/// How so many threads share so many photos.
///
/// A photo alone is served by all threads. Several are each served by one worker, which decodes,
/// computes and writes; so one photo's decoding overlaps another's inference, and no thread waits
/// for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WorkSplit {
    /// Photos that are worked on at the same time.
    pub(crate) workers: usize,
    /// Threads for each.
    pub(crate) threads: usize,
}

impl WorkSplit {
    /// Shares `threads` among `photos`.
    pub(crate) fn new(threads: usize, photos: usize) -> Self {
        let workers = threads.min(photos).max(1);
        Self { workers, threads: threads / workers }
    }
}

/// The line about a photo that failed, in place of its answer.
#[derive(Serialize)]
struct Failure<'a> {
    photo: &'a str,
    error: &'a str,
}

/// Where answers go, and what became of the photos so far.
struct Output {
    out: Box<dyn Write>,
    format: Format,
    messages: Messages,
    progress: Progress,
    failed: usize,
    /// Why standard output takes no more.
    write_error: Option<io::Error>,
}

/// Lets `workers` turn photos into answers and `write`s each to standard output; `header` goes
/// before the first.
///
/// # Errors
/// If standard output takes no more. A reader that has seen enough and went away is no error.
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
    /// Writes and flushes, so that whatever happens next, this has been said.
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

    /// In JSON Lines in the answer's place, otherwise on standard error.
    fn put_failure(&mut self, photo: &Photo, error: &anyhow::Error) -> ControlFlow<()> {
        self.failed += 1;
        let error = messages::error_chain(error);
        if self.format == Format::Json {
            return self
                .put(|out| write_json(out, &Failure { photo: photo.name(), error: &error }));
        }
        let messages = self.messages;
        self.progress.suspend(|| messages.error(&error));
        ControlFlow::Continue(())
    }
}

/// Writes one line of JSON.
pub(crate) fn write_json(out: &mut dyn Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    writeln!(out)
}

/// Writes lines of comma-separated values, made in memory first: csv's own errors do not tell a
/// reader that went away from a full disk.
pub(crate) fn write_csv_lines(
    out: &mut dyn Write,
    fill: impl FnOnce(&mut csv::Writer<Vec<u8>>) -> csv::Result<()>,
) -> io::Result<()> {
    let mut lines = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
    fill(&mut lines)?;
    out.write_all(&lines.into_inner().map_err(csv::IntoInnerError::into_error)?)
}

/// Writes a report that is no answer to a photo.
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

#[cfg(test)]
mod tests {
    use super::WorkSplit;

    #[test]
    fn threads_are_shared_among_photos() {
        assert_eq!(WorkSplit::new(8, 1), WorkSplit { workers: 1, threads: 8 });
        assert_eq!(WorkSplit::new(8, 3), WorkSplit { workers: 3, threads: 2 });
        assert_eq!(WorkSplit::new(8, 100), WorkSplit { workers: 8, threads: 1 });
        assert_eq!(WorkSplit::new(1, 100), WorkSplit { workers: 1, threads: 1 });
    }
}
