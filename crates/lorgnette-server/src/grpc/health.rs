//! `grpc.health.v1.Health`.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Request, State};
use axum::response::Response;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::messages::health::{HealthCheckRequest, HealthCheckResponse};
use super::{Answers, server_streaming, unary, unimplemented};
use crate::app::{App, Deadline};
use crate::failure::{Failure, Outcome};

const SERVING: i32 = 1;
const NOT_SERVING: i32 = 2;
const SERVICE_UNKNOWN: i32 = 3;
/// The services that clients may ask for; the empty name is the server.
const SERVICES: [&str; 5] = [
    "",
    "inference.GRPCInferenceService",
    "tensorflow.serving.PredictionService",
    "tensorflow.serving.ModelService",
    "grpc.health.v1.Health",
];
/// Time between two looks of a watch.
const WATCH: Duration = Duration::from_millis(200);

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    Path(method): Path<String>,
    request: Request,
) -> Response {
    match method.as_str() {
        "Check" => unary(&app, request, check).await,
        "Watch" => server_streaming(&app, request, watch).await,
        other => unimplemented(other),
    }
}

async fn check(
    app: Arc<App>,
    request: HealthCheckRequest,
    _: Deadline,
) -> Outcome<HealthCheckResponse> {
    match status(&app, &request.service) {
        SERVICE_UNKNOWN => Err(Failure::not_found("unknown service")),
        status => Ok(HealthCheckResponse { status }),
    }
}

fn status(app: &App, service: &str) -> i32 {
    match SERVICES.contains(&service) {
        false => SERVICE_UNKNOWN,
        true if app.is_ready() => SERVING,
        true => NOT_SERVING,
    }
}

/// Answers the status now and after each change.
fn watch(app: Arc<App>, request: HealthCheckRequest) -> Answers<HealthCheckResponse> {
    let (sender, receiver) = tokio::sync::mpsc::channel::<Result<_, Status>>(1);
    tokio::spawn(async move {
        let mut last = None;
        // Ends when the client has gone, and with the server.
        loop {
            let status = status(&app, &request.service);
            if last != Some(status) {
                last = Some(status);
                if sender.send(Ok(HealthCheckResponse { status })).await.is_err() {
                    return;
                }
            }
            tokio::select! {
                () = sender.closed() => return,
                () = tokio::time::sleep(WATCH) => {}
            }
            if app.is_stopping.load(std::sync::atomic::Ordering::Relaxed)
                && last == Some(NOT_SERVING)
            {
                return;
            }
        }
    });
    ReceiverStream::new(receiver)
}
