//! Connections: accepted up to a number, served with HTTP/1 or HTTP/2 by their first bytes, closed
//! when their client is too slow, and finished before the server ends.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};

use crate::app::{App, Peer};
use crate::stall::{Answers, StallLimit};

/// How connections are served.
#[derive(Clone)]
pub(crate) struct Connections {
    pub(crate) app: Arc<App>,
    pub(crate) router: Router,
    pub(crate) limit: Arc<Semaphore>,
    /// Maximum time of a handshake, and of a request's head.
    pub(crate) head_timeout: Duration,
    /// Maximum time in which a client takes nothing of its answer.
    pub(crate) write_timeout: Duration,
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<tokio_rustls::TlsAcceptor>,
}

/// Maximum bytes of a request's head.
const MAX_HEAD: usize = 64 << 10;
/// Maximum number of requests at a time on one connection of HTTP/2.
const MAX_STREAMS: u32 = 128;
/// Bytes that a client of HTTP/2 may send ahead of a reader.
const STREAM_WINDOW: u32 = 1 << 20;
/// How long requests are waited for when the server ends.
const MAX_DRAIN: Duration = Duration::from_secs(60);
/// How long connections are still accepted when the server ends.
const LAST_ACCEPTS: Duration = Duration::from_millis(20);
/// How long a connection's first request is waited for when the server ends.
const LAST_REQUEST: Duration = Duration::from_secs(2);
/// The first bytes of HTTP/2.
const HTTP2: &[u8] = b"PRI";

/// How a connection learns that the server ends. The server waits until it is dropped.
struct Ending {
    watcher: Watcher,
    stop: watch::Receiver<bool>,
}

impl Ending {
    /// Waits until the server ends and the connection has had a request: one that ends before its
    /// first is closed, though its client has sent it.
    async fn after_request(&mut self, begun: &Notify) {
        let _ = self.stop.wait_for(|stop| *stop).await;
        let _ = tokio::time::timeout(LAST_REQUEST, begun.notified()).await;
    }
}

/// Accepts connections until `stop` becomes true, then waits until their requests are answered.
pub(crate) async fn serve(
    listener: TcpListener,
    connections: Connections,
    stop: watch::Receiver<bool>,
) {
    let graceful = GracefulShutdown::new();
    let ending = || Ending { watcher: graceful.watcher(), stop: stop.clone() };
    let mut stopped = stop.clone();
    loop {
        // Beyond the limit, a connection is not even accepted.
        let next = async {
            let permit = connections.limit.clone().acquire_owned().await.ok();
            (permit, listener.accept().await)
        };
        let (permit, accepted) = tokio::select! {
            next = next => next,
            _ = stopped.wait_for(|stop| *stop) => break,
        };
        let (Some(permit), Ok((stream, peer))) = (permit, accepted) else {
            // Out of descriptors, for example: it may pass.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        connections.clone().spawn(stream, Peer(peer), ending(), permit);
    }
    // Those that the system has taken are answered, too.
    tokio::time::sleep(LAST_ACCEPTS).await;
    if let Ok(listener) = listener.into_std() {
        connections.accept_pending(&listener, ending);
    }
    let _ = tokio::time::timeout(MAX_DRAIN, graceful.shutdown()).await;
}

impl Connections {
    /// Accepts the connections that wait, without waiting for others.
    fn accept_pending(&self, listener: &std::net::TcpListener, ending: impl Fn() -> Ending) {
        while let Ok(permit) = self.limit.clone().try_acquire_owned()
            && let Ok((stream, peer)) = listener.accept()
            && stream.set_nonblocking(true).is_ok()
            && let Ok(stream) = TcpStream::from_std(stream)
        {
            self.clone().spawn(stream, Peer(peer), ending(), permit);
        }
    }

    fn spawn(self, stream: TcpStream, peer: Peer, ending: Ending, permit: OwnedSemaphorePermit) {
        tokio::spawn(async move {
            let app = self.app.clone();
            app.metrics.connections.fetch_add(1, Ordering::Relaxed);
            self.connection(stream, peer, ending).await;
            app.metrics.connections.fetch_sub(1, Ordering::Relaxed);
            drop(permit);
        });
    }

    async fn connection(self, stream: TcpStream, peer: Peer, ending: Ending) {
        // Small answers are not held back.
        let _ = stream.set_nodelay(true);
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            let handshake = tokio::time::timeout(self.head_timeout, tls.accept(stream)).await;
            if let Ok(Ok(stream)) = handshake {
                let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                self.http(stream, is_http2, peer, ending).await;
            }
            return;
        }
        let first = tokio::time::timeout(self.head_timeout, begins_as_http2(&stream)).await;
        if let Ok(Ok(is_http2)) = first {
            self.http(stream, is_http2, peer, ending).await;
        }
    }

    async fn http<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
        self,
        stream: S,
        is_http2: bool,
        peer: Peer,
        mut ending: Ending,
    ) {
        let router = TowerToHyperService::new(self.router);
        let stream = TokioIo::new(StallLimit::new(stream, self.write_timeout));
        // Errors are the client's: it has gone, or broke the protocol.
        if is_http2 {
            let answers = Answers::default();
            let watched = answers.clone();
            let service = service_fn(move |mut request: Request<Incoming>| {
                request.extensions_mut().insert(peer);
                let (answer, watched) = (router.call(request), watched.clone());
                async move { answer.await.map(|answer| answer.map(|body| watched.watch(body))) }
            });
            let mut http = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            http.timer(TokioTimer::new())
                .keep_alive_interval(self.head_timeout)
                .keep_alive_timeout(self.head_timeout)
                .max_concurrent_streams(MAX_STREAMS)
                .max_header_list_size(MAX_HEAD as u32)
                .initial_stream_window_size(STREAM_WINDOW)
                .initial_connection_window_size(4 * STREAM_WINDOW);
            tokio::select! {
                _ = ending.watcher.watch(http.serve_connection(stream, service)) => {}
                () = answers.stalled(self.write_timeout) => {}
            }
        } else {
            let begun = Arc::new(Notify::new());
            let first = begun.clone();
            let service = service_fn(move |mut request: Request<Incoming>| {
                begun.notify_one();
                request.extensions_mut().insert(peer);
                router.call(request)
            });
            let mut http = hyper::server::conn::http1::Builder::new();
            http.timer(TokioTimer::new())
                .header_read_timeout(self.head_timeout)
                .max_buf_size(MAX_HEAD);
            let mut connection = pin!(http.serve_connection(stream, service));
            tokio::select! {
                _ = connection.as_mut() => {}
                () = ending.after_request(&first) => {
                    connection.as_mut().graceful_shutdown();
                    let _ = connection.await;
                }
            }
        }
    }
}

/// Waits for the first bytes, and leaves them to be read.
async fn begins_as_http2(stream: &TcpStream) -> std::io::Result<bool> {
    let mut bytes = [0; HTTP2.len()];
    loop {
        let length = stream.peek(&mut bytes).await?;
        if length == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if length == HTTP2.len() || !HTTP2.starts_with(&bytes[..length]) {
            return Ok(bytes[..length] == *HTTP2);
        }
        // Less than three bytes have come so far.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
