//! The access log: a JSON object a line, written by a thread of its own so that a slow disk holds
//! nothing up.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::json::write_string;
use crate::metrics::Metrics;

/// Lines that wait to be written; more are dropped and counted.
const MAX_WAITING: usize = 4096;

/// A log, or none. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Log {
    lines: Option<SyncSender<String>>,
    metrics: Arc<Metrics>,
}

impl Log {
    /// Starts a log that writes to `out`; `None` for a server without log.
    pub(crate) fn new(out: Option<Box<dyn Write + Send>>, metrics: Arc<Metrics>) -> Self {
        let lines = out.and_then(|mut out| {
            let (sender, receiver) = sync_channel::<String>(MAX_WAITING);
            let write = move || {
                for line in receiver {
                    // A log that cannot be written must not stop the server.
                    let _ = out.write_all(line.as_bytes()).and_then(|()| out.flush());
                }
            };
            std::thread::Builder::new().name("log".into()).spawn(write).ok().map(|_| sender)
        });
        Self { lines, metrics }
    }

    /// Writes an event with its fields.
    pub(crate) fn event(&self, event: &str, fields: &[(&str, &str)]) {
        let Some(lines) = &self.lines else { return };
        let mut line = String::from("{\"time\":");
        write_string(&mut line, &timestamp(SystemTime::now()));
        line.push_str(",\"event\":");
        write_string(&mut line, event);
        for (name, value) in fields {
            line.push(',');
            write_string(&mut line, name);
            line.push(':');
            if is_number(value) {
                line.push_str(value);
            } else {
                write_string(&mut line, value);
            }
        }
        line.push_str("}\n");
        if lines.try_send(line).is_err() {
            self.metrics.log_lines_dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// True for what JSON takes as a number as it is.
fn is_number(value: &str) -> bool {
    let digits = value.bytes().filter(u8::is_ascii_digit).count();
    let is_plain = value.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let has_leading_zero = value.len() > 1 && value.starts_with('0') && !value.starts_with("0.");
    is_plain
        && value.len() <= 18
        && value.starts_with(|c: char| c.is_ascii_digit())
        && value.ends_with(|c: char| c.is_ascii_digit())
        && digits + 1 >= value.len()
        && !has_leading_zero
}

/// A time in UTC as RFC 3339, with milliseconds.
fn timestamp(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (days, seconds) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    let (year, month, day) = date(days);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let milliseconds = since.subsec_millis();
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milliseconds:03}Z")
}

/// The date of a day since 1970.
fn date(days: u64) -> (u64, u64, u64) {
    let is_leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let (mut year, mut left) = (1970, days);
    while left >= if is_leap(year) { 366 } else { 365 } {
        left -= if is_leap(year) { 366 } else { 365 };
        year += 1;
    }
    let february = if is_leap(year) { 29 } else { 28 };
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if left < length {
            break;
        }
        left -= length;
        month += 1;
    }
    (year, month, left + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn times_are_those_of_rfc_3339() {
        let at = |seconds: u64, ms: u64| {
            timestamp(UNIX_EPOCH + Duration::from_millis(seconds * 1000 + ms))
        };
        assert_eq!(at(0, 0), "1970-01-01T00:00:00.000Z");
        assert_eq!(at(951_782_400, 7), "2000-02-29T00:00:00.007Z");
        assert_eq!(at(1_795_892_553, 250), "2026-11-28T19:02:33.250Z");
    }

    #[test]
    fn numbers_are_written_bare() {
        for (value, bare) in [("12", true), ("0.25", true), ("1.2.3", false), ("abc", false)] {
            assert_eq!(is_number(value), bare, "{value}");
        }
        assert!(!is_number("") && !is_number("007") && !is_number("5.") && !is_number("-"));
    }
}
