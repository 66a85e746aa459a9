//! Runs photos on all cores and writes results in input order, each as soon as it is known.

use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, Result};
use lorgnette::FailedPhoto;
pub(crate) use lorgnette::parallel::WorkSplit;
use lorgnette::parallel::par_map_ordered;
use lorgnette::spreadsheet;
use serde::Serialize;
use serde_json::Value;

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
    /// True if CSV has a column with the bytes of names.
    has_name_bytes: bool,
    /// True until the first record was written, if the verb writes its own header.
    is_header_next: bool,
    /// The error of writing to standard output.
    write_error: Option<io::Error>,
}

/// The outcome for a photo, as it is written.
pub(crate) type Written<'a, A> = Result<&'a A, &'a FailedPhoto>;

/// How the answers of a run are written.
#[derive(Clone, Copy)]
pub(crate) struct OutputOptions<'a> {
    pub(crate) format: Format,
    /// A line before the answers; none if empty.
    pub(crate) header: &'a str,
    pub(crate) messages: Messages,
}

/// Maps photos to results with `workers` and writes each to standard output with `write`, after
/// the header. A photo that failed is a line of JSON, or a message.
///
/// # Errors
/// If standard output cannot be written. A reader that closes its end early is not an error.
pub(crate) fn answer_photos<A, W>(
    photos: &[Photo],
    workers: Vec<W>,
    options: OutputOptions<'_>,
    mut write: impl FnMut(&mut dyn Write, &Photo, &A) -> io::Result<()>,
) -> Result<Outcome>
where
    A: Send,
    W: FnMut(usize, &Photo) -> Result<A> + Send,
{
    let write = |out: &mut dyn Write, photo: &Photo, answer: Written<'_, A>| match answer {
        Ok(answer) => write(out, photo, answer),
        Err(failed) if options.format == Format::Json => write_json(out, failed),
        Err(_) => Ok(()),
    };
    answer_every_photo(photos, workers, options, write)
}

/// As [`answer_photos`], with failed photos written by `write`, too.
pub(crate) fn answer_every_photo<A, W>(
    photos: &[Photo],
    workers: Vec<W>,
    options: OutputOptions<'_>,
    mut write: impl FnMut(&mut dyn Write, &Photo, Written<'_, A>) -> io::Result<()>,
) -> Result<Outcome>
where
    A: Send,
    W: FnMut(usize, &Photo) -> Result<A> + Send,
{
    let started = Instant::now();
    let OutputOptions { format, header, messages } = options;
    let mut output = Output {
        out: locked_stdout(format == Format::Text),
        format,
        messages,
        progress: Progress::new(photos.len(), "photos", messages),
        failed: 0,
        has_name_bytes: photos.iter().any(|photo| photo.name_bytes().is_some()),
        is_header_next: header.is_empty(),
        write_error: None,
    };
    if output.put_header(header).is_continue() {
        par_map_ordered(photos, workers, |photo, answer| {
            let flow = match answer {
                Ok(answer) => output.put(photo, |out| write(out, photo, Ok(&answer))),
                Err(error) => {
                    let failed = output.fail(photo, &error);
                    output.put(photo, |out| write(out, photo, Err(&failed)))
                }
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
    Ok(Outcome::of_inputs(photos.len(), failed))
}

impl Output {
    fn put_header(&mut self, header: &str) -> ControlFlow<()> {
        let more = match self.format == Format::Csv && self.has_name_bytes && !header.is_empty() {
            true => format!("{},{NAME_BYTES}\n", header.trim_end_matches('\n')),
            false => header.to_owned(),
        };
        self.write(more.as_bytes())
    }

    /// Writes and flushes, so that every result is visible at once. Results about a photo whose
    /// name is no text get the bytes of its name.
    fn put(
        &mut self,
        photo: &Photo,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> ControlFlow<()> {
        let mut text = Vec::new();
        let written = write(&mut text).and_then(|()| match (self.format, photo.name_bytes()) {
            (Format::Json, bytes) => {
                let passed_over = photo.passed_over().map(serde_json::to_value).transpose()?;
                let fields = [(NAME_BYTES, bytes.map(Value::from)), (PASSED_OVER, passed_over)];
                Ok(with_json_fields(text, fields))
            }
            (Format::Csv, bytes) if self.has_name_bytes => {
                self.with_column(&text, &bytes.unwrap_or_default())
            }
            _ => Ok(text),
        });
        match written {
            Ok(text) => self.write(&text),
            Err(error) => {
                self.write_error = Some(error);
                ControlFlow::Break(())
            }
        }
    }

    /// Adds a column to records of CSV; the first record is the header if the verb writes one.
    fn with_column(&mut self, records: &[u8], value: &str) -> io::Result<Vec<u8>> {
        let mut reader =
            csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(records);
        let mut text = Vec::new();
        for record in reader.byte_records() {
            let mut record = record?;
            let is_header = std::mem::take(&mut self.is_header_next);
            record.push_field(if is_header { NAME_BYTES.as_bytes() } else { value.as_bytes() });
            write_csv_lines(&mut text, |lines| lines.write_byte_record(&record))?;
        }
        Ok(text)
    }

    fn write(&mut self, text: &[u8]) -> ControlFlow<()> {
        let out = &mut self.out;
        let write = || out.write_all(text).and_then(|()| out.flush());
        match self.progress.suspend_for_output(write) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                self.write_error = Some(error);
                ControlFlow::Break(())
            }
        }
    }

    /// Counts a failure; in formats other than JSON it is said on standard error.
    fn fail(&mut self, photo: &Photo, error: &anyhow::Error) -> FailedPhoto {
        self.failed += 1;
        let mut failed = FailedPhoto::new(photo.name(), error.as_ref());
        failed.error += &hints::hint(error);
        if self.format != Format::Json {
            let messages = self.messages;
            self.progress.suspend(|| messages.error(&failed.error));
        }
        failed
    }
}

/// The field and column with the bytes of a path that is no text, as hexadecimal digits.
pub(crate) const NAME_BYTES: &str = "path_bytes";

/// The field with what was passed over in a folder, of its first photo.
const PASSED_OVER: &str = "passed_over";

/// Adds fields that have a value at the end of an object in JSON.
fn with_json_fields(mut object: Vec<u8>, fields: [(&str, Option<Value>); 2]) -> Vec<u8> {
    for (name, value) in fields {
        let end = object.iter().rposition(|&byte| byte == b'}');
        if let (Some(end), Some(value)) = (end, value) {
            let field = format!(",\"{name}\":{value}");
            object.splice(end..end, field.into_bytes());
        }
    }
    object
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

/// Writes a path with the bytes that it has in the file system, ended by `end`.
pub(crate) fn write_path(out: &mut dyn Write, path: &Path, end: &[u8]) -> io::Result<()> {
    out.write_all(path.as_os_str().as_encoded_bytes())?;
    out.write_all(end)
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
