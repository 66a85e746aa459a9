//! The pages for people, and the description of the interface for programs. All of it is in the
//! program; no page loads anything from elsewhere.

use axum::Router;
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY};
use axum::response::Response;
use axum::routing::get;

use crate::app::response;

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

/// Scripts and styles of this server only, pictures also from memory; in no other site's frame.
const POLICY: &str = "default-src 'self'; img-src 'self' blob: data:; \
                      style-src 'self' 'unsafe-inline'; frame-ancestors 'none'; \
                      base-uri 'none'; form-action 'self'";

/// The routes of all pages.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/", get(|| page(HTML, include_str!("../pages/index.html"))))
        .route("/models", get(|| page(HTML, include_str!("../pages/models.html"))))
        .route("/pages/style.css", get(|| page(STYLE, include_str!("../pages/style.css"))))
        .route("/pages/photo.js", get(|| page(SCRIPT, include_str!("../pages/photo.js"))))
        .route("/pages/models.js", get(|| page(SCRIPT, include_str!("../pages/models.js"))))
        .route(
            "/openapi.json",
            get(|| page("application/json", include_str!("../pages/openapi.json"))),
        )
}

async fn page(content_type: &'static str, text: &'static str) -> Response {
    let mut response = response(200, content_type, text);
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}
