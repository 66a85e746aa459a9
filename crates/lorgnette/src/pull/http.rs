//! HTTP requests for a file, or for the rest of it.

use std::io::{self, Read};

use ureq::http::header::{ACCEPT_ENCODING, IF_RANGE, LOCATION, RANGE};
use ureq::http::{Response, StatusCode, Uri};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::{
    ConnectProxyConnector, Connector as _, RustlsConnector, TcpConnector,
};
use ureq::{Agent, Body};

use super::PullOptions;
use super::pace::PacedConnector;
use super::partial_file::RemoteFile;

/// Maximum number of redirections.
const MAX_REDIRECTIONS: usize = 10;
const USER_AGENT: &str = concat!("lorgnette/", env!("CARGO_PKG_VERSION"));

/// Why a request failed.
pub(super) enum HttpFailure {
    /// May succeed later.
    Transient(String),
    /// The host is unreachable: may succeed later, if it was reachable before.
    Unreachable(String),
    /// Will not succeed.
    Permanent(String),
}

/// A request for a file.
pub(super) struct Request<'a> {
    pub(super) url: &'a str,
    /// The length of the partial file, and the file it is part of.
    pub(super) resume_from: Option<(u64, &'a RemoteFile)>,
}

impl Request<'_> {
    /// Sends the request and follows redirections.
    pub(super) fn send(&self, options: &PullOptions) -> Result<Response<Body>, HttpFailure> {
        let mut url = self.url.to_owned();
        for _ in 0..=MAX_REDIRECTIONS {
            let response = self.send_to(&url, options)?;
            if !is_redirection(response.status()) {
                return Ok(response);
            }
            let location =
                response.headers().get(LOCATION).and_then(|location| location.to_str().ok());
            let location = location.ok_or_else(|| permanent("redirected to nowhere"))?;
            url = redirected(&url, location).map_err(HttpFailure::Permanent)?;
        }
        Err(permanent(format!("redirected more than {MAX_REDIRECTIONS} times")))
    }

    fn send_to(&self, url: &str, options: &PullOptions) -> Result<Response<Body>, HttpFailure> {
        let mut request = agent(url, options)?.get(url).header(ACCEPT_ENCODING, "identity");
        if let Some((bytes, remote_file)) = self.resume_from {
            request = request.header(RANGE, format!("bytes={bytes}-"));
            if let Some(validator) = &remote_file.validator {
                request = request.header(IF_RANGE, validator);
            }
        }
        request.call().map_err(http_failure)
    }
}

fn agent(url: &str, options: &PullOptions) -> Result<Agent, HttpFailure> {
    let uri: Uri = url.parse().map_err(|error| permanent(format!("not an address: {error}")))?;
    let scheme = uri.scheme_str().unwrap_or_default();
    let proxy = options.proxies.proxy_for(scheme, uri.host().unwrap_or_default());
    let proxy = proxy.map(ureq::Proxy::new).transpose();
    let proxy =
        proxy.map_err(|error| permanent(format!("the proxy of the environment: {error}")))?;
    let builder = Agent::config_builder()
        .proxy(proxy)
        .max_redirects(0)
        .http_status_as_error(false)
        .user_agent(USER_AGENT)
        .timeout_connect(Some(options.retry_policy.connect))
        .timeout_recv_response(Some(options.retry_policy.stall))
        .timeout_per_read(Some(options.retry_policy.stall));
    let config =
        if scheme == "https" { builder.tls_config(tls()?).build() } else { builder.build() };
    let connector =
        ().chain(ConnectProxyConnector::default())
            .chain(TcpConnector::default())
            .chain(PacedConnector { window: options.retry_policy.stall })
            .chain(RustlsConnector::default());
    Ok(Agent::with_parts(config, connector, DefaultResolver::default()))
}

/// Mozilla's root certificates, or those of the file in `SSL_CERT_FILE`, for corporate proxies that
/// sign all connections.
fn tls() -> Result<TlsConfig, HttpFailure> {
    let roots = match std::env::var_os("SSL_CERT_FILE").filter(|path| !path.is_empty()) {
        None => RootCerts::WebPki,
        Some(path) => {
            let certificate_error = |error: &dyn std::fmt::Display| {
                permanent(format!("SSL_CERT_FILE {}: {error}", path.display()))
            };
            let pem = std::fs::read(&path).map_err(|error| certificate_error(&error))?;
            let items = parse_pem(&pem).filter_map(|item| match item {
                Ok(PemItem::Certificate(certificate)) => Some(certificate),
                _ => None,
            });
            let certificates: Vec<Certificate<'static>> = items.collect();
            if certificates.is_empty() {
                return Err(certificate_error(&"no certificate in it"));
            }
            RootCerts::new_with_certs(&certificates)
        }
    };
    if !has_tls() {
        return Err(permanent(
            "this CPU lacks the instructions that TLS needs here (AVX2, BMI2, ADX, AES): fetch it \
             by hand",
        ));
    }
    let provider = std::sync::Arc::new(rustls_graviola::default_provider());
    Ok(TlsConfig::builder().root_certs(roots).unversioned_rustls_crypto_provider(provider).build())
}

/// True if Graviola supports this CPU; it would abort the process otherwise.
fn has_tls() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        macro_rules! all {
            ($($feature:tt),*) => { $(std::is_x86_feature_detected!($feature))&&* };
        }
        all!("adx", "aes", "avx", "avx2", "bmi1", "bmi2", "pclmulqdq", "ssse3")
    }
    #[cfg(not(target_arch = "x86_64"))]
    true
}

fn permanent(what: impl Into<String>) -> HttpFailure {
    HttpFailure::Permanent(what.into())
}

fn http_failure(error: ureq::Error) -> HttpFailure {
    match error {
        ureq::Error::Rustls(_)
        | ureq::Error::Tls(_)
        | ureq::Error::BadUri(_)
        | ureq::Error::InvalidProxyUrl => HttpFailure::Permanent(error.to_string()),
        ureq::Error::HostNotFound => HttpFailure::Unreachable(error.to_string()),
        // Certificate errors are permanent.
        ureq::Error::Io(error)
            if error
                .get_ref()
                .and_then(|inner| inner.downcast_ref::<rustls::Error>())
                .is_some() =>
        {
            permanent(format!("{error}; SSL_CERT_FILE names other authorities than Mozilla's"))
        }
        ureq::Error::Io(error) if is_unreachable(&error) => {
            HttpFailure::Unreachable(error.to_string())
        }
        ureq::Error::Io(error) => HttpFailure::Transient(error.to_string()),
        other => HttpFailure::Transient(other.to_string()),
    }
}

/// Name resolution failures have no error kind of their own.
fn is_unreachable(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, HostUnreachable, NetworkUnreachable};
    let kinds = [ConnectionRefused, HostUnreachable, NetworkUnreachable];
    kinds.contains(&error.kind()) || error.to_string().contains("failed to lookup address")
}

fn is_redirection(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// Resolves a redirection (RFC 3986, 5.2, as far as servers use it).
fn redirected(from: &str, to: &str) -> Result<String, String> {
    let (scheme, rest) = from.split_once("://").unwrap_or(("http", from));
    let host = rest.split('/').next().unwrap_or(rest);
    let path = rest.split(['?', '#']).next().unwrap_or(rest);
    let folder = path.rsplit_once('/').map_or(host, |(folder, _)| folder);
    let target = match to {
        _ if super::source::is_url(to) => to.to_owned(),
        _ if to.contains("://") => {
            return Err(format!("redirected to {to}, which is no web address"));
        }
        _ if to.starts_with("//") => format!("{scheme}:{to}"),
        _ if to.starts_with('/') => format!("{scheme}://{host}{to}"),
        _ => format!("{scheme}://{folder}/{to}"),
    };
    let is_https = |url: &str| url.to_ascii_lowercase().starts_with("https:");
    if is_https(from) && !is_https(&target) {
        return Err(format!("redirected from https to {target}: refused"));
    }
    Ok(target)
}

/// Reads the next bytes. The end of the connection is not always the end of the file.
pub(super) fn read(body: &mut impl Read, buffer: &mut [u8]) -> Result<usize, String> {
    loop {
        match body.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => return read.map_err(|error| error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::redirected;

    #[test]
    fn redirections_are_followed_as_browsers_do() {
        let from = |to| redirected("https://host:8/a/b.tgz?x=/y", to);
        assert_eq!(from("c.tgz").unwrap(), "https://host:8/a/c.tgz");
        assert_eq!(from("/c.tgz").unwrap(), "https://host:8/c.tgz");
        assert_eq!(from("//other/c").unwrap(), "https://other/c");
        assert_eq!(from("https://other/c").unwrap(), "https://other/c");
        assert_eq!(redirected("http://host", "c").unwrap(), "http://host/c");
    }

    #[test]
    fn redirections_do_not_leave_tls_or_the_web() {
        assert!(redirected("https://host/a", "http://host/a").unwrap_err().contains("refused"));
        assert!(
            redirected("https://host/a", "file:///etc/passwd")
                .unwrap_err()
                .contains("no web address")
        );
        assert!(redirected("http://host/a", "https://host/a").is_ok());
    }
}
