//! Refuses requests that a browser sends for pages of other sites.
//!
//! A server at this machine's own address is in reach of every page that a browser of this machine
//! shows. Browsers say in `Sec-Fetch-Site` or `Origin` for which site they ask. A site whose name
//! leads to this machine (DNS rebinding) is its own site to the browser; it is told by `Host`.

use std::net::IpAddr;

use axum::http::header::{HOST, ORIGIN};
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Method};

use crate::failure::{Code, Failure, Outcome};

/// Refuses requests that change something, or cost something, in the name of another site.
///
/// # Errors
/// [`Code::PermissionDenied`].
pub(crate) fn check_site(method: &Method, headers: &HeaderMap) -> Outcome<()> {
    // A link from another site may lead here.
    let is_safe = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    match text(headers, "sec-fetch-site") {
        Some("cross-site" | "same-site") if !is_safe => Err(other_site()),
        _ => Ok(()),
    }
}

/// Refuses requests about a library that are not from this server's own pages or from a program.
///
/// # Errors
/// [`Code::PermissionDenied`].
pub(super) fn check_caller(is_any_host_allowed: bool, parts: &Parts) -> Outcome<()> {
    let headers = &parts.headers;
    // HTTP/2 has the host in the URI.
    let host = parts.uri.authority().map(Authority::as_str);
    let host = host.or_else(|| text(headers, HOST.as_str())).unwrap_or_default();
    if !is_any_host_allowed && !is_local(host) {
        let message = format!(
            "this server is not known as {host}: address it as localhost or by its number, or \
             start it with --allow-remote"
        );
        return Err(Failure::new(Code::PermissionDenied, message));
    }
    match text(headers, "sec-fetch-site") {
        Some("same-origin" | "none") => Ok(()),
        Some(_) => Err(other_site()),
        None => match text(headers, ORIGIN.as_str()) {
            Some(origin) if host_of(origin) != Some(host) => Err(other_site()),
            _ => Ok(()),
        },
    }
}

fn other_site() -> Failure {
    Failure::new(Code::PermissionDenied, "a page of another site may not ask this")
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).map(HeaderValue::to_str)?.ok()
}

fn host_of(origin: &str) -> Option<&str> {
    origin.split_once("://").map(|(_, host)| host)
}

/// True for addresses in numbers and for `localhost`, which no site can make its own.
fn is_local(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    let name = name.to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost") || name.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::extract::Request;

    use super::*;

    fn outcome(host: &'static str, fields: &[(&'static str, &'static str)]) -> Outcome<()> {
        let mut request = Request::new(Body::empty());
        request.headers_mut().insert(HOST, HeaderValue::from_static(host));
        for (name, value) in fields {
            request.headers_mut().insert(*name, HeaderValue::from_static(value));
        }
        check_caller(false, &request.into_parts().0)
    }

    #[test]
    fn programs_and_own_pages_may_ask() {
        for host in ["localhost:8501", "127.0.0.1", "[::1]:8501", "LOCALHOST", "10.0.0.7:80"] {
            assert_eq!(outcome(host, &[]), Ok(()), "{host}");
        }
        assert_eq!(outcome("localhost:8501", &[("sec-fetch-site", "same-origin")]), Ok(()));
        let own = [("origin", "http://localhost:8501")];
        assert_eq!(outcome("localhost:8501", &own), Ok(()));
    }

    #[test]
    fn pages_of_other_sites_may_not() {
        for host in ["evil.example:8501", "127.0.0.1.evil.example", "", "localhost.evil.example"] {
            assert!(outcome(host, &[]).is_err(), "{host}");
        }
        for field in [
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
            ("origin", "http://evil.example"),
            ("origin", "http://localhost:3000"),
            ("origin", "null"),
        ] {
            assert!(outcome("localhost:8501", &[field]).is_err(), "{field:?}");
        }
    }

    #[test]
    fn links_lead_here_but_forms_do_not() {
        let mut headers = HeaderMap::new();
        headers.insert("sec-fetch-site", HeaderValue::from_static("cross-site"));
        assert_eq!(check_site(&Method::GET, &headers), Ok(()));
        assert!(check_site(&Method::POST, &headers).is_err());
    }
}
