//! gRPC: services written by hand over tonic's codecs and streams.

mod health;
mod inference;
mod messages;
mod prediction;
mod reflection;

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt as _};
use tonic::codec::{CompressionEncoding, EnabledCompressionEncodings};
use tonic::server::Grpc;
use tonic::{Code, Status};
use tonic_prost::ProstCodec;
use tower_service::Service;

use crate::app::{App, Deadline};
use crate::body::{CountedBody, SharedReservation};
use crate::failure::Outcome;

/// The routes of all services.
pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/inference.GRPCInferenceService/{method}", post(inference::handle))
        .route("/tensorflow.serving.PredictionService/{method}", post(prediction::handle))
        .route("/tensorflow.serving.ModelService/{method}", post(prediction::handle_model))
        .route("/grpc.health.v1.Health/{method}", post(health::handle))
        .route("/grpc.reflection.v1.ServerReflection/{method}", post(reflection::handle))
        .route("/grpc.reflection.v1alpha.ServerReflection/{method}", post(reflection::handle))
}

/// The answer to a call, when it is there.
type Answering = Pin<Box<dyn Future<Output = Response> + Send>>;

/// A stream of answers.
type Answers<T> = ReceiverStream<Result<T, Status>>;

/// Time between two looks whether the server shuts down.
const LOOK: Duration = Duration::from_millis(200);

/// Answers each message of a stream in turn, until either side ends it. What is being computed
/// stops when the client has gone.
fn each<Q, A, F>(
    app: Arc<App>,
    mut requests: impl Stream<Item = Result<Q, Status>> + Send + Unpin + 'static,
    mut answer: impl FnMut(Q) -> F + Send + 'static,
) -> Answers<A>
where
    Q: Send + 'static,
    A: Send + 'static,
    F: Future<Output = A> + Send + 'static,
{
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    tokio::spawn(async move {
        loop {
            let request = match tokio::time::timeout(LOOK, requests.next()).await {
                Ok(Some(request)) => request,
                Ok(None) => return,
                // Nothing is left that was accepted.
                Err(_) if app.is_stopping.load(Ordering::Relaxed) => return,
                Err(_) => continue,
            };
            let answer = async {
                match request {
                    Ok(request) => Ok(answer(request).await),
                    Err(status) => Err(status),
                }
            };
            let answer = tokio::select! {
                answer = answer => answer,
                () = sender.closed() => return,
            };
            let is_last = answer.is_err();
            if sender.send(answer).await.is_err() || is_last {
                return;
            }
        }
    });
    ReceiverStream::new(receiver)
}

/// Answers a call of a method that does not exist.
fn unimplemented(method: &str) -> Response {
    let status = Status::new(Code::Unimplemented, format!("there is no method '{method}'"));
    let response: axum::http::Response<Body> = status.into_http();
    response.into_response()
}

/// Answers a call with one message for one.
fn unary<Q, A, F>(
    app: &Arc<App>,
    request: Request,
    call: impl FnOnce(Arc<App>, Q, Deadline) -> F + Send + 'static,
) -> Answering
where
    Q: prost::Message + Default + Send + 'static,
    A: prost::Message + Default + Send + 'static,
    F: Future<Output = Outcome<A>> + Send + 'static,
{
    let deadline = *request.extensions().get().expect("set around every handler");
    let shared = app.clone();
    let method = Method(Some(move |request: tonic::Request<Q>| async move {
        let answer = call(shared, request.into_inner(), deadline).await?;
        Ok(tonic::Response::new(answer))
    }));
    let mut codec = codec(app, is_compressed(&request));
    let (request, reservation) = counted(app, request, false);
    Box::pin(async move {
        let response = codec.unary(method, request).await.map(Body::new);
        drop(reservation);
        response
    })
}

/// Answers a call with a stream of messages for a stream of messages.
fn streaming<Q, A>(
    app: &Arc<App>,
    request: Request,
    call: impl FnOnce(Arc<App>, tonic::Streaming<Q>, Deadline) -> Answers<A> + Send + 'static,
) -> Answering
where
    Q: prost::Message + Default + Send + 'static,
    A: prost::Message + Default + Send + 'static,
{
    let deadline = *request.extensions().get().expect("set around every handler");
    let shared = app.clone();
    let method = Method(Some(move |request: tonic::Request<tonic::Streaming<Q>>| async move {
        Ok(tonic::Response::new(call(shared, request.into_inner(), deadline)))
    }));
    let mut codec = codec(app, is_compressed(&request));
    let (request, _) = counted(app, request, true);
    Box::pin(async move { codec.streaming(method, request).await.map(Body::new) })
}

/// Answers a call with a stream of messages for one.
fn server_streaming<Q, A>(
    app: &Arc<App>,
    request: Request,
    call: impl FnOnce(Arc<App>, Q) -> Answers<A> + Send + 'static,
) -> Answering
where
    Q: prost::Message + Default + Send + 'static,
    A: prost::Message + Default + Send + 'static,
{
    let shared = app.clone();
    let method = Method(Some(move |request: tonic::Request<Q>| async move {
        Ok(tonic::Response::new(call(shared, request.into_inner())))
    }));
    let mut codec = codec(app, is_compressed(&request));
    let (request, _) = counted(app, request, false);
    Box::pin(async move { codec.server_streaming(method, request).await.map(Body::new) })
}

/// The codec of a call. Answers are compressed if the request is: clients of Python say that they
/// accept it in every call.
fn codec<Q, A>(app: &App, is_compressed: bool) -> Grpc<ProstCodec<A, Q>>
where
    Q: prost::Message + Default + Send + 'static,
    A: prost::Message + Default + Send + 'static,
{
    let mut encodings = EnabledCompressionEncodings::default();
    encodings.enable(CompressionEncoding::Gzip);
    encodings.enable(CompressionEncoding::Deflate);
    let answers = if is_compressed { encodings } else { EnabledCompressionEncodings::default() };
    let limit = usize::try_from(app.body_limits.bytes).unwrap_or(usize::MAX);
    Grpc::new(ProstCodec::default())
        .apply_compression_config(encodings, answers)
        .apply_max_message_size_config(Some(limit), Some(usize::MAX))
}

fn is_compressed(request: &Request) -> bool {
    let encoding = request.headers().get("grpc-encoding");
    encoding.is_some_and(|encoding| encoding.as_bytes() != b"identity")
}

/// The request with its body counted. A compressed one counts as the largest that it can become.
fn counted(
    app: &App,
    request: Request,
    is_stream: bool,
) -> (axum::http::Request<CountedBody>, SharedReservation) {
    let hidden = if is_compressed(&request) { app.body_limits.bytes } else { 0 };
    let reservation: SharedReservation = Arc::new(Mutex::new(app.budget.reserve()));
    let shared = reservation.clone();
    (request.map(|body| CountedBody::new(body, shared, is_stream, hidden)), reservation)
}

/// A function of one call as the service that tonic takes.
struct Method<F>(Option<F>);

impl<Q, A, F, R> Service<tonic::Request<Q>> for Method<F>
where
    F: FnOnce(tonic::Request<Q>) -> R,
    R: Future<Output = Result<tonic::Response<A>, Status>> + Send + 'static,
    A: 'static,
{
    type Response = tonic::Response<A>;
    type Error = Status;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Status>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: tonic::Request<Q>) -> Self::Future {
        match self.0.take() {
            Some(call) => Box::pin(call(request)),
            None => Box::pin(async { Err(Status::internal("a method is called once")) }),
        }
    }
}
