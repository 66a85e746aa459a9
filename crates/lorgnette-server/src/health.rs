//! `/livez`, `/readyz` and `/metrics`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use crate::app::{App, response};
use crate::metrics::write_metrics;

const TEXT: &str = "text/plain; charset=utf-8";

/// Answers 200 as long as the process does.
pub(crate) async fn live() -> Response {
    response(200, TEXT, "live\n")
}

/// Answers 200 when every model is loaded, and 503 before that and while the server shuts down.
pub(crate) async fn ready(State(app): State<Arc<App>>) -> Response {
    match app.is_ready() {
        true => response(200, TEXT, "ready\n"),
        false => response(503, TEXT, "not ready\n"),
    }
}

/// Answers all metrics in Prometheus' text format.
pub(crate) async fn metrics(State(app): State<Arc<App>>) -> Response {
    let text = write_metrics(&app.metrics, &app.scheduler);
    response(200, "text/plain; version=0.0.4; charset=utf-8", text)
}
