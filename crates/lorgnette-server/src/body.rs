//! Bodies of requests: read within limits of size, memory and time, before anything is decoded.

use std::io::Read as _;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Frame, SizeHint};
use hyper::http::HeaderMap;
use hyper::http::header::{CONTENT_ENCODING, CONTENT_LENGTH};

use crate::failure::{Code, Failure, Outcome};

/// Memory for the bodies of all requests.
#[derive(Debug)]
pub(crate) struct Budget {
    limit: u64,
    used: AtomicU64,
}

/// A request's part of the [`Budget`], given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Reservation {
    budget: Arc<Budget>,
    bytes: u64,
}

/// Limits of one body.
#[derive(Clone, Debug)]
pub(crate) struct BodyLimits {
    /// Maximum bytes, also after decompression.
    pub(crate) bytes: u64,
    /// Maximum time from the head to the last byte.
    pub(crate) time: Duration,
}

impl Budget {
    pub(crate) fn new(limit: u64) -> Arc<Self> {
        Arc::new(Self { limit, used: AtomicU64::new(0) })
    }

    /// Begins a reservation of no bytes.
    pub(crate) fn reserve(self: &Arc<Self>) -> Reservation {
        Reservation { budget: self.clone(), bytes: 0 }
    }
}

impl Reservation {
    /// Reserves more bytes.
    ///
    /// # Errors
    /// [`Code::ResourceExhausted`] if the budget has no more.
    pub(crate) fn grow(&mut self, bytes: u64) -> Outcome<()> {
        let limit = self.budget.limit;
        let add = |used: u64| used.checked_add(bytes).filter(|&sum| sum <= limit);
        match self.budget.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add) {
            Ok(_) => {
                self.bytes += bytes;
                Ok(())
            }
            Err(_) => {
                let what = "the memory for requests is in use";
                Err(Failure::full(what, Duration::from_secs(1)))
            }
        }
    }

    /// Gives everything back.
    pub(crate) fn clear(&mut self) {
        self.budget.used.fetch_sub(self.bytes, Ordering::Relaxed);
        self.bytes = 0;
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.clear();
    }
}

/// Reads a body and decompresses it.
///
/// # Errors
/// [`Code::TooLarge`], [`Code::ResourceExhausted`], [`Code::DeadlineExceeded`];
/// [`Code::InvalidArgument`] for a broken or an unknown encoding.
pub(crate) async fn read_body(
    headers: &HeaderMap,
    body: Body,
    limits: &BodyLimits,
    budget: &Arc<Budget>,
) -> Outcome<(Bytes, Reservation)> {
    let mut reservation = budget.reserve();
    let read = read(headers, body, limits, &mut reservation);
    let bytes = tokio::time::timeout(limits.time, read).await.map_err(|_| {
        let message = "the body did not come within its time";
        Failure::new(Code::DeadlineExceeded, message)
    })??;
    let bytes = match encoding(headers)? {
        None => bytes,
        Some(encoding) => decompress(encoding, &bytes, limits.bytes, &mut reservation)?,
    };
    Ok((bytes, reservation))
}

async fn read(
    headers: &HeaderMap,
    mut body: Body,
    limits: &BodyLimits,
    reservation: &mut Reservation,
) -> Outcome<Bytes> {
    let announced =
        headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let announced: u64 = announced.unwrap_or(0);
    if announced > limits.bytes {
        return Err(too_large(limits.bytes));
    }
    // A length is only believed as the bytes come.
    let mut collected = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Failure::new(Code::Cancelled, "the body broke off"))?;
        let Ok(data) = frame.into_data() else { continue };
        if collected.len() as u64 + data.len() as u64 > limits.bytes {
            return Err(too_large(limits.bytes));
        }
        let needed = collected.len() + data.len();
        if needed > collected.capacity() {
            // As a vector grows by itself, but never beyond what was announced.
            let doubled = needed.max(2 * collected.capacity()).max(1 << 14);
            let target = match announced as usize {
                announced if announced >= needed => doubled.min(announced),
                _ => doubled,
            };
            reservation.grow((target - collected.capacity()) as u64)?;
            collected.reserve_exact(target - collected.len());
        }
        collected.extend_from_slice(&data);
    }
    Ok(collected.into())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    Gzip,
    Deflate,
}

fn encoding(headers: &HeaderMap) -> Outcome<Option<Encoding>> {
    let Some(value) = headers.get(CONTENT_ENCODING) else { return Ok(None) };
    match value.to_str().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
        "" | "identity" => Ok(None),
        "gzip" | "x-gzip" => Ok(Some(Encoding::Gzip)),
        "deflate" => Ok(Some(Encoding::Deflate)),
        other => Err(Failure::invalid(format!(
            "Content-Encoding '{other}' is unknown: send gzip, deflate or identity"
        ))),
    }
}

fn decompress(
    encoding: Encoding,
    bytes: &[u8],
    limit: u64,
    reservation: &mut Reservation,
) -> Outcome<Bytes> {
    let mut reader: Box<dyn std::io::Read> = match encoding {
        Encoding::Gzip => Box::new(flate2::read::MultiGzDecoder::new(bytes)),
        Encoding::Deflate => Box::new(flate2::read::ZlibDecoder::new(bytes)),
    };
    let mut out = Vec::new();
    let mut piece = vec![0; 1 << 16];
    loop {
        let read = reader.read(&mut piece).map_err(|error| {
            Failure::invalid(format!("the body's Content-Encoding is broken: {error}"))
        })?;
        if read == 0 {
            return Ok(out.into());
        }
        if (out.len() + read) as u64 > limit {
            return Err(too_large(limit));
        }
        if out.len() + read > out.capacity() {
            let target = (2 * out.capacity()).max(1 << 17);
            reservation.grow((target - out.capacity()) as u64)?;
            out.reserve_exact(target - out.len());
        }
        out.extend_from_slice(&piece[..read]);
    }
}

fn too_large(limit: u64) -> Failure {
    let message = format!("the body is larger than the {limit} bytes that this server takes");
    Failure::new(Code::TooLarge, message)
}

/// A reservation that its body fills and that its request keeps until it is answered.
pub(crate) type SharedReservation = Arc<Mutex<Reservation>>;

/// A body whose bytes count against the budget while it is read: for gRPC, which reads by itself.
pub(crate) struct CountedBody {
    body: Body,
    reservation: SharedReservation,
    /// True for streams of messages: each is answered before the next is read, so that only the
    /// bytes since the last pause count.
    is_stream: bool,
    /// Bytes to reserve with the first frame: what compressed messages may become.
    hidden: u64,
}

impl CountedBody {
    pub(crate) fn new(
        body: Body,
        reservation: SharedReservation,
        is_stream: bool,
        hidden: u64,
    ) -> Self {
        Self { body, reservation, is_stream, hidden }
    }
}

impl hyper::body::Body for CountedBody {
    type Data = Bytes;
    type Error = tonic::Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, tonic::Status>>> {
        let this = &mut *self;
        let polled = Pin::new(&mut this.body).poll_frame(context);
        let mut reservation = this.reservation.lock().unwrap_or_else(PoisonError::into_inner);
        if polled.is_pending() && this.is_stream {
            reservation.clear();
        }
        let Some(frame) = ready!(polled) else { return Poll::Ready(None) };
        let frame = frame.map_err(|_| tonic::Status::cancelled("the body broke off"))?;
        let mut length = frame.data_ref().map_or(0, Bytes::len) as u64;
        if reservation.bytes == 0 {
            length += this.hidden;
        }
        reservation.grow(length).map_err(tonic::Status::from)?;
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn limits(bytes: u64) -> BodyLimits {
        BodyLimits { bytes, time: Duration::from_secs(5) }
    }

    fn outcome(
        headers: &[(&'static str, &'static str)],
        body: Vec<u8>,
        limits: &BodyLimits,
        budget: &Arc<Budget>,
    ) -> Outcome<Bytes> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().expect("a header"));
        }
        let read = read_body(&map, Body::from(body), limits, budget);
        runtime.expect("a runtime").block_on(read).map(|(bytes, _)| bytes)
    }

    #[test]
    fn a_body_beyond_the_limit_is_refused() {
        let budget = Budget::new(1 << 20);
        assert_eq!(outcome(&[], vec![7; 100], &limits(100), &budget), Ok(vec![7; 100].into()));
        let failed = outcome(&[], vec![7; 101], &limits(100), &budget);
        assert_eq!(failed.map_err(|failure| failure.code), Err(Code::TooLarge));
        let failed = outcome(&[("content-length", "999")], vec![], &limits(100), &budget);
        assert_eq!(failed.map_err(|failure| failure.code), Err(Code::TooLarge));
        assert_eq!(budget.used.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn bodies_share_a_budget() {
        let budget = Budget::new(1 << 16);
        let mut other = budget.reserve();
        other.grow(60_000).expect("there is room");
        let failed = outcome(&[], vec![7; 10_000], &limits(1 << 20), &budget);
        assert_eq!(failed.map_err(|failure| failure.code), Err(Code::ResourceExhausted));
        drop(other);
        assert!(outcome(&[], vec![7; 10_000], &limits(1 << 20), &budget).is_ok());
    }

    #[test]
    fn a_decompression_bomb_ends_at_the_limit() {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        for _ in 0..64 {
            encoder.write_all(&[0; 1 << 16]).expect("memory");
        }
        let bomb = encoder.finish().expect("memory");
        assert!(bomb.len() < 10_000);
        let headers = [("content-encoding", "gzip")];
        let budget = Budget::new(1 << 24);
        let failed = outcome(&headers, bomb.clone(), &limits(1 << 20), &budget);
        assert_eq!(failed.map_err(|failure| failure.code), Err(Code::TooLarge));
        let whole = outcome(&headers, bomb, &limits(1 << 22), &budget).expect("it fits");
        assert_eq!(whole.len(), 1 << 22);
        assert!(outcome(&headers, b"not gzip".to_vec(), &limits(100), &budget).is_err());
        assert!(outcome(&[("content-encoding", "br")], vec![], &limits(100), &budget).is_err());
    }
}
