//! A download over several attempts.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::thread;

use ureq::Body;
use ureq::http::Response;
use ureq::http::header::{CONTENT_LENGTH, CONTENT_RANGE, ETAG, HeaderName, LAST_MODIFIED};

use super::http::{self, HttpFailure, Request};
use super::partial_file::{PartialFile, RemoteFile};
use super::{Event, FetchFailure, PullObserver, PullOptions, check, pace};
use crate::error::io_error;
use crate::observer::report;

/// Maximum number of attempts, as a multiple of those without progress.
const MAX_ATTEMPT_FACTOR: u32 = 20;
/// Number of bytes by which an archive is recognised.
const MAGIC_BYTES: usize = 512;

/// The download of one address into a partial file.
pub(super) struct Transfer<'a> {
    url: &'a str,
    partial_file: &'a PartialFile,
    options: &'a PullOptions,
    /// The required size of the file.
    expected_bytes: Option<u64>,
}

/// Result of an attempt.
enum AttemptFailure {
    HttpFailure(HttpFailure),
    Local(crate::Error),
}

impl From<HttpFailure> for AttemptFailure {
    fn from(http_failure: HttpFailure) -> Self {
        Self::HttpFailure(http_failure)
    }
}

fn transient(what: impl Into<String>) -> AttemptFailure {
    AttemptFailure::HttpFailure(HttpFailure::Transient(what.into()))
}

fn permanent(what: impl Into<String>) -> AttemptFailure {
    AttemptFailure::HttpFailure(HttpFailure::Permanent(what.into()))
}

impl<'a> Transfer<'a> {
    pub(super) fn new(
        url: &'a str,
        partial_file: &'a PartialFile,
        options: &'a PullOptions,
        expected_bytes: Option<u64>,
    ) -> Self {
        Self { url, partial_file, options, expected_bytes }
    }

    /// Downloads until the file is complete or no attempt is left. Returns true if it was assembled
    /// from several responses.
    pub(super) fn run(&self, observer: &mut PullObserver<'_>) -> Result<bool, FetchFailure> {
        let retry_policy = self.options.retry_policy;
        let (mut max_received, mut attempts_without_progress, mut pause) =
            (self.bytes(), 0, retry_policy.pause);
        let mut resumed = max_received > 0;
        // Fewer bytes are no progress.
        let min_progress = (pace::MIN_RATE * retry_policy.stall.as_secs_f64()) as u64 + 1;
        for attempt in 1_u32.. {
            let why = match self.attempt(observer) {
                Ok(()) => return Ok(resumed),
                Err(AttemptFailure::Local(error)) => return Err(FetchFailure::Local(error)),
                Err(AttemptFailure::HttpFailure(HttpFailure::Permanent(what))) => {
                    return Err(FetchFailure::Remote(what));
                }
                Err(AttemptFailure::HttpFailure(HttpFailure::Unreachable(what)))
                    if attempt == 1 =>
                {
                    return Err(FetchFailure::Remote(what));
                }
                Err(AttemptFailure::HttpFailure(
                    HttpFailure::Transient(what) | HttpFailure::Unreachable(what),
                )) => what,
            };
            let bytes = self.bytes();
            resumed |= bytes > 0;
            if bytes >= max_received.saturating_add(min_progress) {
                (max_received, attempts_without_progress, pause) = (bytes, 0, retry_policy.pause);
            } else {
                attempts_without_progress += 1;
            }
            if attempts_without_progress >= retry_policy.attempts
                || attempt >= retry_policy.attempts.saturating_mul(MAX_ATTEMPT_FACTOR)
            {
                return Err(FetchFailure::Remote(format!("{why} (tried {attempt} times)")));
            }
            report(observer, &Event::Waiting { why: &why, pause }).map_err(FetchFailure::Local)?;
            thread::sleep(pause);
            pause *= 2;
        }
        Err(FetchFailure::Remote("tried too often".into()))
    }

    fn bytes(&self) -> u64 {
        self.partial_file.resume_state(self.url).map_or(0, |(bytes, _)| bytes)
    }

    fn attempt(&self, observer: &mut PullObserver<'_>) -> Result<(), AttemptFailure> {
        let resume_state = self.partial_file.resume_state(self.url);
        if let Some((bytes, remote_file)) = &resume_state
            && remote_file.bytes == Some(*bytes)
        {
            return Ok(());
        }
        let resume_from = resume_state.as_ref().map(|(bytes, remote_file)| (*bytes, remote_file));
        let response = Request { url: self.url, resume_from }.send(self.options)?;
        match (response.status().as_u16(), resume_state) {
            (200, _) => {
                let remote_file = remote_file(self.url, &response);
                self.check_size(remote_file.bytes)?;
                let file = self.partial_file.begin(&remote_file).map_err(AttemptFailure::Local)?;
                let into = Received { file, bytes: 0, total: remote_file.bytes };
                self.receive(response, into, observer)
            }
            (206, Some((bytes, remote_file))) => {
                let total = self.resumed_total(&response, bytes, &remote_file)?;
                self.check_size(total)?;
                let file = self.partial_file.resume().map_err(AttemptFailure::Local)?;
                self.receive(response, Received { file, bytes, total }, observer)
            }
            (416, Some(_)) => {
                self.restart("the server has no more of the file than was received: starting over")
            }
            (status @ (408 | 425 | 429 | 500..=599), _) => {
                Err(transient(status_text(status, &response)))
            }
            (status, _) => Err(permanent(status_text(status, &response))),
        }
    }

    /// Discards the partial file, to start from the beginning.
    fn restart<T>(&self, why: &str) -> Result<T, AttemptFailure> {
        self.partial_file.discard().map_err(AttemptFailure::Local)?;
        Err(transient(why))
    }

    /// Size of the whole file, if the response continues at the end of the partial file.
    fn resumed_total(
        &self,
        response: &Response<Body>,
        bytes: u64,
        remote_file: &RemoteFile,
    ) -> Result<Option<u64>, AttemptFailure> {
        let Some((start, total)) = header(response, CONTENT_RANGE).and_then(content_range) else {
            return self.restart("the server sent a part without saying which: starting over");
        };
        if start != bytes {
            return self.restart(&format!(
                "the server sent what follows byte {start}, not {bytes}: starting over"
            ));
        }
        let same = remote_file.bytes.is_none() || total.is_none() || remote_file.bytes == total;
        // A response to If-Range without a validator is about the same file by definition.
        let changed =
            |name, recorded: &String| header(response, name).is_some_and(|now| now != recorded);
        let recorded = remote_file.validator.as_ref();
        let name = if recorded.is_some_and(|validator| validator.starts_with('"')) {
            ETAG
        } else {
            LAST_MODIFIED
        };
        if !same || recorded.is_some_and(|recorded| changed(name, recorded)) {
            return self.restart("the file has changed on the server: starting over");
        }
        Ok(total.or(remote_file.bytes))
    }

    fn check_size(&self, stated_bytes: Option<u64>) -> Result<(), AttemptFailure> {
        match (stated_bytes, self.expected_bytes) {
            (Some(stated_bytes), Some(expected_bytes)) if stated_bytes != expected_bytes => {
                Err(permanent(format!(
                    "it has {stated_bytes} bytes there; the right file has {expected_bytes}"
                )))
            }
            (Some(stated_bytes), None) if stated_bytes > self.options.max_bytes => {
                Err(permanent(format!(
                    "it has {stated_bytes} bytes there, over the limit of {}",
                    self.options.max_bytes
                )))
            }
            _ => Ok(()),
        }
    }

    /// Writes the body. The first bytes must be an archive's, and the size is limited.
    fn receive(
        &self,
        response: Response<Body>,
        into: Received,
        observer: &mut PullObserver<'_>,
    ) -> Result<(), AttemptFailure> {
        let Received { mut file, mut bytes, total } = into;
        let max_bytes = total.or(self.expected_bytes).unwrap_or(self.options.max_bytes);
        let mut body = response.into_body().into_with_config().limit(u64::MAX).reader();
        let mut buffer = vec![0; 1 << 16];
        if bytes == 0 {
            let mut start = Vec::new();
            // Bytes before an error count; the error recurs.
            let _ = body.by_ref().take(MAGIC_BYTES as u64).read_to_end(&mut start);
            if !start.is_empty() {
                check::check_magic(&start)
                    .map_err(|what| AttemptFailure::HttpFailure(HttpFailure::Permanent(what)))?;
            }
            file.write_all(&start).map_err(|error| {
                AttemptFailure::Local(io_error(self.partial_file.path(), error))
            })?;
            bytes = start.len() as u64;
        }
        loop {
            report(observer, &Event::Received { bytes, total }).map_err(AttemptFailure::Local)?;
            let length = http::read(&mut body, &mut buffer)
                .map_err(|what| transient(interrupted_text(&what, bytes, total)))?;
            if length == 0 {
                break;
            }
            bytes += length as u64;
            if bytes > max_bytes {
                self.partial_file.discard().map_err(AttemptFailure::Local)?;
                return Err(permanent(format!("more than {max_bytes} bytes came: refused")));
            }
            file.write_all(&buffer[..length]).map_err(|error| {
                AttemptFailure::Local(io_error(self.partial_file.path(), error))
            })?;
        }
        match total {
            Some(total) if bytes < total => {
                Err(transient(interrupted_text("the connection ended", bytes, Some(total))))
            }
            _ if bytes == 0 => Err(transient("an empty answer")),
            _ => Ok(()),
        }
    }
}

/// The partial file that a body is appended to.
struct Received {
    file: File,
    /// Number of bytes in it.
    bytes: u64,
    /// Size of the whole file, if the server stated it.
    total: Option<u64>,
}

fn interrupted_text(what: &str, bytes: u64, total: Option<u64>) -> String {
    total.map_or_else(
        || format!("{what} after {bytes} bytes"),
        |total| format!("{what} after {bytes} of {total} bytes"),
    )
}

fn status_text(status: u16, response: &Response<Body>) -> String {
    format!(
        "the server answered {status} {}",
        response.status().canonical_reason().unwrap_or_default()
    )
    .trim_end()
    .into()
}

fn header(response: &Response<Body>, name: HeaderName) -> Option<&str> {
    response.headers().get(name)?.to_str().ok()
}

/// The remote file of a complete response. Weak tags (`W/…`) are not allowed in `If-Range` (RFC
/// 9110, 13.1.5).
fn remote_file(url: &str, response: &Response<Body>) -> RemoteFile {
    let tag = header(response, ETAG).filter(|tag| tag.starts_with('"'));
    let validator = tag.or_else(|| header(response, LAST_MODIFIED)).map(str::to_owned);
    let bytes = header(response, CONTENT_LENGTH).and_then(|length| length.parse().ok());
    RemoteFile { url: url.into(), validator, bytes }
}

/// First byte and whole size from `bytes 5-9/10` or `bytes 5-9/*`.
fn content_range(text: &str) -> Option<(u64, Option<u64>)> {
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let start = range.split_once('-')?.0.trim().parse().ok()?;
    Some((start, total.trim().parse().ok()))
}
