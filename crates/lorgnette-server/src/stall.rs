//! Ends connections whose clients take nothing of their answers.
//!
//! With HTTP/1 such a client leaves the connection's buffers full, so that writing makes no
//! progress. With HTTP/2 it gives its streams no window, while the connection itself stays in use;
//! so the pieces of each answer are watched.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use axum::body::Body;
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// A stream whose writes fail when none has made progress for a while.
pub(crate) struct StallLimit<S> {
    stream: S,
    limit: Duration,
    /// Runs while a write waits.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl<S: Unpin> StallLimit<S> {
    pub(crate) fn new(stream: S, limit: Duration) -> Self {
        Self { stream, limit, stalled: None }
    }

    fn limited<T>(
        &mut self,
        context: &mut Context<'_>,
        polled: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.stalled = None;
            return polled;
        }
        let limit = self.limit;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        ready!(stalled.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for StallLimit<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for StallLimit<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.limited(context, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.limited(context, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(context);
        self.limited(context, polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_shutdown(context);
        self.limited(context, polled)
    }
}

/// The answers of one connection that are being sent.
#[derive(Clone, Default)]
pub(crate) struct Answers(Arc<Mutex<Vec<Weak<Offer>>>>);

/// Since when a piece of an answer waits to be taken; `None` while there is none to take.
struct Offer(Mutex<Option<Instant>>);

/// A body that is handed out in pieces, each of which is watched.
pub(crate) struct WatchedBody {
    body: Body,
    rest: Bytes,
    offer: Arc<Offer>,
}

/// Maximum bytes of a piece.
const PIECE: usize = 64 << 10;

impl Answers {
    /// Watches a body from now on.
    pub(crate) fn watch(&self, body: Body) -> WatchedBody {
        let offer = Arc::new(Offer(Mutex::new(Some(Instant::now()))));
        let mut offers = self.offers();
        offers.retain(|offer| offer.strong_count() > 0);
        offers.push(Arc::downgrade(&offer));
        WatchedBody { body, rest: Bytes::new(), offer }
    }

    /// Waits until a piece has not been taken for `limit`.
    pub(crate) async fn stalled(&self, limit: Duration) {
        while !self.is_stalled(limit) {
            tokio::time::sleep(limit / 4).await;
        }
    }

    fn is_stalled(&self, limit: Duration) -> bool {
        let since = |offer: &Weak<Offer>| offer.upgrade().and_then(|offer| *offer.since());
        self.offers().iter().filter_map(since).any(|since| since.elapsed() > limit)
    }

    fn offers(&self) -> MutexGuard<'_, Vec<Weak<Offer>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Offer {
    fn since(&self) -> MutexGuard<'_, Option<Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl hyper::body::Body for WatchedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        // Asking for the next piece says that the last one was taken.
        *this.offer.since() = None;
        if this.rest.is_empty() {
            match ready!(Pin::new(&mut this.body).poll_frame(context)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => this.rest = data,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                end => return Poll::Ready(end),
            }
        }
        let piece = this.rest.split_to(this.rest.len().min(PIECE));
        *this.offer.since() = Some(Instant::now());
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (rest, body) = (self.rest.len() as u64, self.body.size_hint());
        let mut hint = SizeHint::new();
        hint.set_lower(body.lower() + rest);
        if let Some(upper) = body.upper() {
            hint.set_upper(upper + rest);
        }
        hint
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    #[tokio::test]
    async fn bodies_come_out_as_they_went_in() {
        let bytes = Bytes::from((0..200_000u32).map(|n| n as u8).collect::<Vec<_>>());
        let answers = Answers::default();
        let body = answers.watch(Body::from(bytes.clone()));
        assert_eq!(hyper::body::Body::size_hint(&body).exact(), Some(200_000));
        assert_eq!(body.collect().await.expect("it is in memory").to_bytes(), bytes);
        assert!(!answers.is_stalled(Duration::ZERO), "it is gone");
    }

    #[tokio::test]
    async fn what_nobody_takes_is_noticed() {
        let answers = Answers::default();
        let mut body = answers.watch(Body::from(vec![0; 100_000]));
        std::thread::sleep(Duration::from_millis(2));
        assert!(answers.is_stalled(Duration::from_millis(1)), "nothing was taken");
        body.frame().await.expect("a piece").expect("it is in memory");
        assert!(!answers.is_stalled(Duration::from_secs(60)));
        answers.stalled(Duration::from_millis(5)).await;
    }

    #[tokio::test]
    async fn writes_end_when_nobody_reads() {
        use tokio::io::AsyncWriteExt as _;
        let (near, _far) = tokio::io::duplex(16);
        let mut stream = StallLimit::new(near, Duration::from_millis(20));
        stream.write_all(&[0; 16]).await.expect("it fits");
        let error = stream.write_all(&[0]).await.expect_err("nobody reads");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
