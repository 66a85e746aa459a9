//! The reports of trained models, as their training wrote them.

use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path as UrlPath, State};
use axum::http::HeaderValue;
use axum::http::header::CONTENT_SECURITY_POLICY;
use axum::response::Response;
use axum::routing::get;
use serde_json::json;

use crate::app::{App, failure_response, json_response, response};
use crate::failure::{Code, Failure, Outcome};
use crate::registry::VersionChoice;

/// A report needs no script and nothing from elsewhere, and gets neither.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox";
/// Maximum bytes of a report.
const MAX_BYTES: u64 = 64 << 20;

/// The routes of reports.
pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new().route("/models/reports", get(list)).route("/models/{name}/report", get(report))
}

/// Lists the models that have a report.
async fn list(State(app): State<Arc<App>>) -> Response {
    let mut available = app.registry.available();
    available.retain(|served| served.report.is_some());
    let names: Vec<&str> = available.iter().map(|served| served.name.as_str()).collect();
    json_response(200, json!({"reports": names}).to_string())
}

async fn report(State(app): State<Arc<App>>, UrlPath(name): UrlPath<String>) -> Response {
    match read(&app, &name).await {
        Ok(report) => {
            let mut response = response(200, "text/html; charset=utf-8", report);
            let policy = HeaderValue::from_static(POLICY);
            response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
            response
        }
        Err(failure) => failure_response(&failure, failure.code.http()),
    }
}

async fn read(app: &App, name: &str) -> Outcome<Vec<u8>> {
    let served = app.registry.find(name, &VersionChoice::Latest)?;
    let missing = || Failure::not_found(format!("the model '{name}' has no report"));
    let path = served.report.clone().ok_or_else(missing)?;
    let read = tokio::task::spawn_blocking(move || read_file(&path)).await;
    read.map_err(|error| Failure::new(Code::Internal, error.to_string()))?.ok_or_else(missing)
}

/// Reads a report; `None` if it is gone, or too large to be one.
fn read_file(path: &Path) -> Option<Vec<u8>> {
    let is_report = path.metadata().is_ok_and(|file| file.is_file() && file.len() <= MAX_BYTES);
    is_report.then(|| std::fs::read(path).ok()).flatten()
}
