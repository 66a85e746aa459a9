//! The state that all handlers share, and the layers around each of them: authorisation, request
//! ids, counting and the access log.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use crate::body::{BodyLimits, Budget, Reservation, read_body};
use crate::compress::{Encoding, compressed};
use crate::failure::{Code, Failure, Outcome};
use crate::json;
use crate::library::{Shelf, check_site};
use crate::log::Log;
use crate::metrics::Metrics;
use crate::photos::Faces;
use crate::registry::Registry;
use crate::scheduler::Scheduler;
use crate::served::{Inference, Input, OutputSpec, Pending, Served};

/// The state of a server.
pub(crate) struct App {
    pub(crate) registry: Registry,
    pub(crate) scheduler: Scheduler,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) log: Log,
    pub(crate) budget: Arc<Budget>,
    pub(crate) body_limits: BodyLimits,
    /// Maximum time from a request's head to its answer.
    pub(crate) timeout: Duration,
    /// The bearer token that requests need.
    pub(crate) token: Option<String>,
    /// The library of photos.
    pub(crate) shelf: Option<Arc<Shelf>>,
    /// The face detector.
    pub(crate) faces: Arc<Faces>,
    /// True if other machines reach the server, by whatever name.
    allow_remote: bool,
    /// True if clients may load and unload models.
    pub(crate) model_control: bool,
    /// True from the signal to shut down on: new work goes elsewhere.
    pub(crate) is_stopping: AtomicBool,
    next_id: AtomicU64,
}

/// The address of a client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// When a request must be answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline(pub(crate) Instant);

static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Makes a browser ask for the token, as a password.
static BASIC: HeaderValue = HeaderValue::from_static("Basic realm=\"the password is the token\"");
static TRACE_PARENT: HeaderName = HeaderName::from_static("traceparent");

/// Maximum length of a request's id that is taken from the client.
const MAX_ID: usize = 128;

impl App {
    pub(crate) fn new(
        registry: Registry,
        scheduler: Scheduler,
        metrics: Arc<Metrics>,
        log: Log,
        settings: AppSettings,
    ) -> Self {
        Self {
            registry,
            scheduler,
            metrics,
            log,
            budget: Budget::new(settings.memory),
            body_limits: settings.body_limits,
            timeout: settings.timeout,
            token: settings.token,
            shelf: settings.shelf,
            faces: settings.faces,
            allow_remote: settings.allow_remote,
            model_control: settings.model_control,
            is_stopping: AtomicBool::new(false),
            next_id: AtomicU64::new(0),
        }
    }

    /// Reads the body of a request.
    ///
    /// # Errors
    /// As [`read_body`].
    pub(crate) async fn read(
        &self,
        headers: &HeaderMap,
        body: Body,
    ) -> Outcome<(Bytes, Reservation)> {
        read_body(headers, body, &self.body_limits, &self.budget).await
    }

    /// Computes outputs of a model; all protocols come here.
    ///
    /// # Errors
    /// Those of [`Served::check`], [`Scheduler::run`] and [`Served::infer`].
    pub(crate) async fn infer(
        &self,
        served: &Arc<Served>,
        input: Input,
        outputs: Vec<OutputSpec>,
        deadline: Deadline,
    ) -> Outcome<Inference> {
        let pending = Pending::new(&served.metrics);
        let outcome = match served.check(&input) {
            Ok(_) => {
                let served = served.clone();
                let work = move |turn: &_| served.infer(turn, &input, &outputs);
                self.scheduler.run(deadline.0, work).await
            }
            Err(failure) => Err(failure),
        };
        self.count_refused(outcome.as_ref().err());
        let counted = outcome.as_ref().map(|inference| (inference.batch, &inference.times));
        pending.finish(counted.map_err(|failure| failure.code));
        outcome
    }

    /// Counts a request that was refused because the server is full.
    pub(crate) fn count_refused(&self, failure: Option<&Failure>) {
        if failure.is_some_and(|failure| failure.code == Code::ResourceExhausted) {
            self.metrics.refused.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// True if requests can be answered.
    pub(crate) fn is_ready(&self) -> bool {
        !self.is_stopping.load(Ordering::Relaxed) && self.registry.is_ready()
    }

    /// Checks that clients may load and unload models.
    ///
    /// # Errors
    /// [`Code::Unavailable`], as Triton answers.
    pub(crate) fn check_model_control(&self) -> Outcome<()> {
        match self.model_control {
            true => Ok(()),
            false => {
                let message = "explicit model load / unload is not allowed on this server";
                Err(Failure::new(Code::Unavailable, message))
            }
        }
    }

    /// True if a request may name the server in any way: it is meant for other machines, or its
    /// clients show a token.
    pub(crate) fn is_any_host_allowed(&self) -> bool {
        self.allow_remote || self.token.is_some()
    }

    /// Checks that a request may be answered at all.
    ///
    /// # Errors
    /// [`Code::Unauthenticated`], [`Code::PermissionDenied`].
    fn check(&self, request: &Request) -> Outcome<()> {
        check_site(request.method(), request.headers())?;
        if self.is_authorised(request.uri().path(), request.headers()) {
            return Ok(());
        }
        let message = "this server needs a token: send it in Authorization: Bearer";
        Err(Failure::new(Code::Unauthenticated, message))
    }

    fn is_authorised(&self, path: &str, headers: &HeaderMap) -> bool {
        let Some(token) = &self.token else { return true };
        // Probes have no secrets.
        let is_probe =
            matches!(path, "/livez" | "/readyz" | "/v2/health/live" | "/v2/health/ready")
                || path.starts_with("/grpc.health.v1.Health/");
        let given = headers.get(AUTHORIZATION).map(HeaderValue::as_bytes).unwrap_or_default();
        let after = |scheme: &[u8]| match given.split_at_checked(scheme.len()) {
            Some((start, rest)) if start.eq_ignore_ascii_case(scheme) => Some(rest),
            _ => None,
        };
        let password = after(b"Basic ").and_then(password);
        let given = after(b"Bearer ").or(password.as_deref()).unwrap_or_default();
        is_probe || equal_in_constant_time(given, token.as_bytes())
    }

    /// A request id that no other request of this server has.
    fn new_id(&self) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let number = self.next_id.fetch_add(1, Ordering::Relaxed);
        format!("{:x}-{number:x}", now.as_micros() as u64)
    }
}

/// The settings of an [`App`].
pub(crate) struct AppSettings {
    /// Bytes of all requests' bodies.
    pub(crate) memory: u64,
    pub(crate) body_limits: BodyLimits,
    pub(crate) timeout: Duration,
    pub(crate) token: Option<String>,
    pub(crate) shelf: Option<Arc<Shelf>>,
    pub(crate) faces: Arc<Faces>,
    pub(crate) allow_remote: bool,
    pub(crate) model_control: bool,
}

/// Surrounds every handler.
pub(crate) async fn around(
    State(app): State<Arc<App>>,
    mut request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let interface = interface(&path, request.headers());
    let id = request_id(request.headers()).unwrap_or_else(|| app.new_id());
    let trace =
        request.headers().get(&TRACE_PARENT).filter(|value| is_trace_parent(value)).cloned();
    let peer = request.extensions().get::<Peer>().map(|Peer(address)| address.to_string());
    let accepted = Encoding::accepted(request.headers());
    let timeout = grpc_timeout(request.headers()).unwrap_or(app.timeout).min(app.timeout);
    request.extensions_mut().insert(Deadline(started + timeout));
    let mut response = match app.check(&request) {
        Ok(()) => next.run(request).await,
        Err(failure) if interface == "grpc" => tonic::Status::from(failure).into_http(),
        Err(failure) => {
            let is_page = wants_page(request.headers());
            let mut response = failure_response(&failure, failure.code.http());
            if is_page && failure.code == Code::Unauthenticated {
                response.headers_mut().append(WWW_AUTHENTICATE, BASIC.clone());
            }
            response
        }
    };
    if let Some(encoding) = accepted.filter(|_| interface != "grpc") {
        response = compressed(response, encoding).await;
    }
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID.clone(), value);
    }
    if let Some(trace) = &trace {
        headers.insert(TRACE_PARENT.clone(), trace.clone());
    }
    let nosniff = HeaderValue::from_static("nosniff");
    headers.insert(HeaderName::from_static("x-content-type-options"), nosniff);
    let method = known_method(method.as_str());
    let status = response.status().as_u16();
    app.metrics.count_request(interface, method, status);
    let milliseconds = format!("{:.3}", started.elapsed().as_secs_f64() * 1e3);
    app.log.event(
        "request",
        &[
            ("id", &id),
            ("client", peer.as_deref().unwrap_or_default()),
            ("interface", interface),
            ("method", method),
            ("path", shortened(&path)),
            ("status", &status.to_string()),
            ("ms", &milliseconds),
            ("trace", trace.as_ref().and_then(|trace| trace.to_str().ok()).unwrap_or_default()),
        ],
    );
    response
}

/// The protocol of a request, for counting.
fn interface(path: &str, headers: &HeaderMap) -> &'static str {
    let is_grpc = headers
        .get(CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"));
    if is_grpc {
        "grpc"
    } else if path == "/v2" || path.starts_with("/v2/") {
        "open_inference"
    } else if path.get(..10).is_some_and(|start| start.eq_ignore_ascii_case("/v1/models")) {
        "tensorflow_serving"
    } else if path == "/v1/library" || path.starts_with("/v1/library/") {
        "library"
    } else {
        "photos"
    }
}

/// A method that may be a label: clients can send any.
fn known_method(method: &str) -> &'static str {
    let known = ["GET", "POST", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH"];
    known.into_iter().find(|known| *known == method).unwrap_or("OTHER")
}

/// The first part of a path, for the log.
fn shortened(path: &str) -> &str {
    let end = (0..=path.len().min(512)).rev().find(|&end| path.is_char_boundary(end));
    &path[..end.unwrap_or(0)]
}

fn request_id(headers: &HeaderMap) -> Option<String> {
    let id = headers.get(&REQUEST_ID)?.to_str().ok()?;
    let is_printable = id.bytes().all(|byte| byte.is_ascii_graphic());
    (!id.is_empty() && id.len() <= MAX_ID && is_printable).then(|| id.to_owned())
}

/// True for W3C's `00-TRACE-SPAN-FLAGS`.
fn is_trace_parent(value: &HeaderValue) -> bool {
    let parts: Vec<&[u8]> = value.as_bytes().split(|&byte| byte == b'-').collect();
    let is_hexadecimal = |part: &&[u8]| part.iter().all(u8::is_ascii_hexdigit);
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    lengths == [2, 32, 16, 2] && parts.iter().all(is_hexadecimal)
}

/// The time that a gRPC client gives a request.
fn grpc_timeout(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 {
        return None;
    }
    let value: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(value * 3600),
        "M" => Duration::from_secs(value * 60),
        "S" => Duration::from_secs(value),
        "m" => Duration::from_millis(value),
        "u" => Duration::from_micros(value),
        "n" => Duration::from_nanos(value),
        _ => return None,
    })
}

/// The password of `Authorization: Basic`, as browsers send it once a person has typed it.
fn password(encoded: &[u8]) -> Option<Vec<u8>> {
    let text = STANDARD.decode(encoded).ok()?;
    let colon = text.iter().position(|&byte| byte == b':')?;
    Some(text[colon + 1..].to_vec())
}

/// True if a person waits for a page.
fn wants_page(headers: &HeaderMap) -> bool {
    headers.get(ACCEPT).is_some_and(|value| value.as_bytes().starts_with(b"text/html"))
}

fn equal_in_constant_time(a: &[u8], b: &[u8]) -> bool {
    let differences = a.iter().zip(b).fold(0, |sum, (a, b)| sum | (a ^ b));
    a.len() == b.len() && differences == 0
}

/// A response with a body of that type.
pub(crate) fn response(status: u16, content_type: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// A response of JSON.
pub(crate) fn json_response(status: u16, body: impl Into<Body>) -> Response {
    response(status, "application/json", body)
}

/// The response to a failed request: `{"error": …}`, as both protocols have it.
pub(crate) fn failure_response(failure: &Failure, status: u16) -> Response {
    let body = format!("{{\n    \"error\": {}\n}}", json::quoted(&failure.message));
    let mut response = json_response(status, body);
    let headers = response.headers_mut();
    if let Some(after) = failure.retry_after {
        headers.insert(RETRY_AFTER, HeaderValue::from(after.as_secs_f64().ceil() as u64));
    }
    if failure.code == Code::Unauthenticated {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

/// Decodes `%XX` in a part of a path.
///
/// # Errors
/// [`Code::InvalidArgument`] for a broken code or what is not UTF-8.
pub(crate) fn percent_decoded(text: &str) -> Outcome<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let mut digit = || bytes.next().and_then(|byte| char::from(byte).to_digit(16));
        match digit().zip(digit()) {
            Some((high, low)) => out.push((16 * high + low) as u8),
            None => return Err(Failure::invalid("a path with a broken percent code")),
        }
    }
    String::from_utf8(out).map_err(|_| Failure::invalid("a path that is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_of_grpc_have_units() {
        let timeout = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert("grpc-timeout", HeaderValue::from_static(text));
            grpc_timeout(&headers)
        };
        assert_eq!(timeout("250m"), Some(Duration::from_millis(250)));
        assert_eq!(timeout("3S"), Some(Duration::from_secs(3)));
        for wrong in ["", "S", "3", "-3S", "123456789S", "3x"] {
            assert_eq!(timeout(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn trace_contexts_are_those_of_w3c() {
        let is_right = |text: &'static str| is_trace_parent(&HeaderValue::from_static(text));
        assert!(is_right("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"));
        assert!(!is_right("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7"));
        assert!(!is_right("00-zzf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"));
    }

    #[test]
    fn percent_codes_are_decoded() {
        assert_eq!(percent_decoded("a%20b%C3%A9"), Ok("a bé".into()));
        for wrong in ["%", "%2", "%zz", "%ff"] {
            assert!(percent_decoded(wrong).is_err(), "{wrong}");
        }
    }
}
