//! A download, attempt after attempt.

use std::io::{Read as _, Write as _};
use std::thread;

use ureq::Body;
use ureq::http::Response;
use ureq::http::header::{CONTENT_LENGTH, CONTENT_RANGE, ETAG, HeaderName, LAST_MODIFIED};

use super::http::{self, Request, Trouble};
use super::part::{Part, Whole};
use super::{Event, Failure, PullOptions, check};
use crate::home::refused;

/// However much each attempt brings, there are no more than so many times the attempts that may
/// bring nothing.
const ATTEMPTS_IN_ALL: u32 = 20;
/// Bytes by which an archive is told.
const BEGINNING: usize = 512;

/// The download of one address into a part.
pub(super) struct Transfer<'a> {
    url: &'a str,
    part: &'a Part,
    options: &'a PullOptions,
    /// The size that the file must have.
    known: Option<u64>,
}

/// How an attempt ended.
enum Stop {
    Trouble(Trouble),
    Here(crate::Error),
}

impl From<Trouble> for Stop {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

fn passing(what: impl Into<String>) -> Stop {
    Stop::Trouble(Trouble::Passing(what.into()))
}

fn lasting(what: impl Into<String>) -> Stop {
    Stop::Trouble(Trouble::Lasting(what.into()))
}

impl<'a> Transfer<'a> {
    pub(super) fn new(
        url: &'a str,
        part: &'a Part,
        options: &'a PullOptions,
        known: Option<u64>,
    ) -> Self {
        Self { url, part, options, known }
    }

    /// Downloads, until the file is whole or there is no hope; says whether it was put together of
    /// several answers.
    pub(super) fn run(&self, progress: &mut dyn FnMut(Event<'_>)) -> Result<bool, Failure> {
        let patience = self.options.patience;
        let (mut furthest, mut idle, mut pause) = (self.bytes(), 0, patience.pause);
        let mut resumed = furthest > 0;
        for attempt in 1_u32.. {
            let why = match self.attempt(progress) {
                Ok(()) => return Ok(resumed),
                Err(Stop::Here(error)) => return Err(Failure::Here(error)),
                Err(Stop::Trouble(Trouble::Lasting(what))) => return Err(Failure::There(what)),
                Err(Stop::Trouble(Trouble::Unreachable(what))) if attempt == 1 => {
                    return Err(Failure::There(what));
                }
                Err(Stop::Trouble(Trouble::Passing(what) | Trouble::Unreachable(what))) => what,
            };
            let bytes = self.bytes();
            resumed |= bytes > 0;
            if bytes > furthest {
                (furthest, idle, pause) = (bytes, 0, patience.pause);
            } else {
                idle += 1;
            }
            if idle >= patience.attempts
                || attempt >= patience.attempts.saturating_mul(ATTEMPTS_IN_ALL)
            {
                return Err(Failure::There(format!("{why} (tried {attempt} times)")));
            }
            progress(Event::Waiting { why: &why, pause });
            thread::sleep(pause);
            pause *= 2;
        }
        Err(Failure::There("tried too often".into()))
    }

    fn bytes(&self) -> u64 {
        self.part.of(self.url).map_or(0, |(bytes, _)| bytes)
    }

    fn attempt(&self, progress: &mut dyn FnMut(Event<'_>)) -> Result<(), Stop> {
        let begun = self.part.of(self.url);
        if let Some((bytes, whole)) = &begun
            && whole.bytes == Some(*bytes)
        {
            return Ok(());
        }
        let rest_after = begun.as_ref().map(|(bytes, whole)| (*bytes, whole));
        let response = Request { url: self.url, rest_after }.send(self.options)?;
        match (response.status().as_u16(), begun) {
            (200, _) => {
                let whole = whole(self.url, &response);
                self.check_size(whole.bytes)?;
                let file = self.part.begin(&whole).map_err(Stop::Here)?;
                self.receive(response, (file, 0, whole.bytes), progress)
            }
            (206, Some((bytes, whole))) => {
                let total = self.continued(&response, bytes, &whole)?;
                self.check_size(total)?;
                let file = self.part.resume().map_err(Stop::Here)?;
                self.receive(response, (file, bytes, total), progress)
            }
            (416, Some(_)) => {
                self.anew("the server has no more of the file than is here: begun anew")
            }
            (status @ (408 | 425 | 429 | 500..=599), _) => {
                Err(passing(answered(status, &response)))
            }
            (status, _) => Err(lasting(answered(status, &response))),
        }
    }

    /// Gives up what is there, to try again from the beginning.
    fn anew<T>(&self, why: &str) -> Result<T, Stop> {
        self.part.discard().map_err(Stop::Here)?;
        Err(passing(why))
    }

    /// The size of the whole file, if the answer goes on where the part ends.
    fn continued(
        &self,
        response: &Response<Body>,
        bytes: u64,
        whole: &Whole,
    ) -> Result<Option<u64>, Stop> {
        let Some((start, total)) = header(response, CONTENT_RANGE).and_then(content_range) else {
            return self.anew("the server sent a part without saying which: begun anew");
        };
        if start != bytes {
            return self.anew(&format!(
                "the server sent what follows byte {start}, not {bytes}: begun anew"
            ));
        }
        let same = whole.bytes.is_none() || total.is_none() || whole.bytes == total;
        // Without a validator of its own, an answer to If-Range is about the same file by
        // definition.
        let changed = |name, noted: &String| header(response, name).is_some_and(|now| now != noted);
        let noted = whole.validator.as_ref();
        let name = if noted.is_some_and(|validator| validator.starts_with('"')) {
            ETAG
        } else {
            LAST_MODIFIED
        };
        if !same || noted.is_some_and(|noted| changed(name, noted)) {
            return self.anew("the file has changed on the server: begun anew");
        }
        Ok(total.or(whole.bytes))
    }

    fn check_size(&self, said: Option<u64>) -> Result<(), Stop> {
        match (said, self.known) {
            (Some(said), Some(known)) if said != known => {
                Err(lasting(format!("it has {said} bytes there; the right file has {known}")))
            }
            (Some(said), None) if said > self.options.most_bytes => Err(lasting(format!(
                "it has {said} bytes there, over the limit of {}",
                self.options.most_bytes
            ))),
            _ => Ok(()),
        }
    }

    /// Writes what comes. The first bytes must be an archive's, and there must not be too many.
    fn receive(
        &self,
        response: Response<Body>,
        (mut file, mut bytes, total): (std::fs::File, u64, Option<u64>),
        progress: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), Stop> {
        let most = total.or(self.known).unwrap_or(self.options.most_bytes);
        let mut body = response.into_body().into_with_config().limit(u64::MAX).reader();
        let mut piece = vec![0; 1 << 16];
        if bytes == 0 {
            let mut start = Vec::new();
            // What came before an error counts; the error comes again.
            let _ = body.by_ref().take(BEGINNING as u64).read_to_end(&mut start);
            if !start.is_empty() {
                check::beginning(&start).map_err(|what| Stop::Trouble(Trouble::Lasting(what)))?;
            }
            file.write_all(&start).map_err(|error| Stop::Here(refused(self.part.path(), error)))?;
            bytes = start.len() as u64;
        }
        loop {
            progress(Event::Received { bytes, total });
            let length = http::read(&mut body, &mut piece)
                .map_err(|what| passing(ended(&what, bytes, total)))?;
            if length == 0 {
                break;
            }
            bytes += length as u64;
            if bytes > most {
                self.part.discard().map_err(Stop::Here)?;
                return Err(lasting(format!("more than {most} bytes came: refused")));
            }
            file.write_all(&piece[..length])
                .map_err(|error| Stop::Here(refused(self.part.path(), error)))?;
        }
        match total {
            Some(total) if bytes < total => {
                Err(passing(ended("the connection ended", bytes, Some(total))))
            }
            _ if bytes == 0 => Err(passing("an empty answer")),
            _ => Ok(()),
        }
    }
}

fn ended(what: &str, bytes: u64, total: Option<u64>) -> String {
    total.map_or_else(
        || format!("{what} after {bytes} bytes"),
        |total| format!("{what} after {bytes} of {total} bytes"),
    )
}

fn answered(status: u16, response: &Response<Body>) -> String {
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

/// What a full answer says of its file. Weak tags (`W/…`) may not stand in `If-Range` (RFC 9110,
/// 13.1.5).
fn whole(url: &str, response: &Response<Body>) -> Whole {
    let tag = header(response, ETAG).filter(|tag| tag.starts_with('"'));
    let validator = tag.or_else(|| header(response, LAST_MODIFIED)).map(str::to_owned);
    let bytes = header(response, CONTENT_LENGTH).and_then(|length| length.parse().ok());
    Whole { url: url.into(), validator, bytes }
}

/// First byte and whole size of `bytes 5-9/10` or `bytes 5-9/*`.
fn content_range(text: &str) -> Option<(u64, Option<u64>)> {
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let start = range.split_once('-')?.0.trim().parse().ok()?;
    Some((start, total.trim().parse().ok()))
}
