//! The pages for people, and the description of the interface for programs. All of it is in the
//! program; no page loads anything from elsewhere.

use axum::Router;
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY};
use axum::response::Response;
use axum::routing::get;
use bytes::Bytes;

use crate::app::response;

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const PICTURE: &str = "image/svg+xml";
const STYLE: &str = "text/css; charset=utf-8";

/// Scripts and styles of this server only, pictures also from memory; in no other site's frame.
const POLICY: &str = "default-src 'self'; img-src 'self' blob: data:; object-src 'none'; \
                      frame-ancestors 'none'; base-uri 'none'; form-action 'self'";

/// The pages' scripts and styles.
const FILES: [(&str, &str, &str); 10] = [
    ("/pages/icon.svg", PICTURE, include_str!("../pages/icon.svg")),
    ("/pages/style.css", STYLE, include_str!("../pages/style.css")),
    ("/pages/library.css", STYLE, include_str!("../pages/library.css")),
    ("/pages/common.js", SCRIPT, include_str!("../pages/common.js")),
    ("/pages/photo.js", SCRIPT, include_str!("../pages/photo.js")),
    ("/pages/models.js", SCRIPT, include_str!("../pages/models.js")),
    ("/pages/boxes.js", SCRIPT, include_str!("../pages/boxes.js")),
    ("/pages/names.js", SCRIPT, include_str!("../pages/names.js")),
    ("/pages/library.js", SCRIPT, include_str!("../pages/library.js")),
    ("/pages/duplicates.js", SCRIPT, include_str!("../pages/duplicates.js")),
];

/// Where the links to the other pages go.
const LINKS: &str = "<!--links-->";
/// Path and name of each page in the links.
const PAGES: [(&str, &str); 4] = [
    ("/", "Photo"),
    ("/library", "Library"),
    ("/library/duplicates", "Duplicates"),
    ("/models", "Models"),
];

/// The routes of all pages; links to the library only if there is one.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>(has_library: bool) -> Router<S> {
    let mut router = Router::new();
    for (path, content_type, text) in FILES {
        let text = Bytes::from_static(text.as_bytes());
        router = router.route(path, get(async move || page(200, content_type, text.clone())));
    }
    let no_library = include_str!("../pages/no_library.html");
    let (library, duplicates) =
        (include_str!("../pages/library.html"), include_str!("../pages/duplicates.html"));
    for (path, text, needs_library) in [
        ("/", include_str!("../pages/index.html"), false),
        ("/models", include_str!("../pages/models.html"), false),
        ("/library", library, true),
        ("/library/duplicates", duplicates, true),
    ] {
        let (status, text) = match needs_library && !has_library {
            true => (404, no_library),
            false => (200, text),
        };
        let html = Bytes::from(text.replace(LINKS, &links(path, has_library)));
        router = router.route(path, get(async move || page(status, HTML, html.clone())));
    }
    let description = Bytes::from_static(include_bytes!("../pages/openapi.json"));
    let answer = async move || page(200, "application/json", description.clone());
    router.route("/openapi.json", get(answer))
}

fn links(current: &str, has_library: bool) -> String {
    let pages = PAGES.iter().filter(|(path, _)| has_library || !path.starts_with("/library"));
    let link = |(path, name): &(&str, &str)| {
        let mark = if *path == current { " aria-current=\"page\"" } else { "" };
        format!("<a href=\"{path}\"{mark}>{name}</a>")
    };
    let links = pages.map(link).chain(["<a href=\"/openapi.json\">Interface</a>".to_owned()]);
    links.collect::<Vec<_>>().join(" · ")
}

fn page(status: u16, content_type: &'static str, text: Bytes) -> Response {
    let mut response = response(status, content_type, text);
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}
