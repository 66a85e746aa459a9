//! Selection of a proxy for an address.

use std::env;

/// Proxies by scheme, as in the usual environment variables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies {
    /// For `http` addresses.
    pub http: Option<String>,
    /// For `https` addresses.
    pub https: Option<String>,
    /// For other schemes, and those without a proxy of their own.
    pub all: Option<String>,
    /// Hosts that are reached directly: names (including their subdomains) separated by commas, or
    /// `*`.
    pub exceptions: String,
}

impl Proxies {
    /// Reads `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`, or their lower-case forms,
    /// which take precedence.
    #[must_use]
    pub fn from_env() -> Self {
        let variable = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
        let either = |name: &str| variable(&name.to_lowercase()).or_else(|| variable(name));
        Self {
            http: either("HTTP_PROXY"),
            https: either("HTTPS_PROXY"),
            all: either("ALL_PROXY"),
            exceptions: either("NO_PROXY").unwrap_or_default(),
        }
    }

    /// The proxy for an address.
    pub(super) fn proxy_for(&self, scheme: &str, host: &str) -> Option<&str> {
        if self.exceptions.split(',').any(|exceptions| host_matches(exceptions.trim(), host)) {
            return None;
        }
        let scheme_proxy = if scheme == "https" { &self.https } else { &self.http };
        scheme_proxy.as_ref().or(self.all.as_ref()).map(String::as_str)
    }
}

/// True if a host is an exception or its subdomain.
fn host_matches(exceptions: &str, host: &str) -> bool {
    let name = exceptions.trim_start_matches('*').trim_start_matches('.').to_ascii_lowercase();
    let host = host.to_ascii_lowercase();
    match name.as_str() {
        "" => exceptions == "*",
        name => host.strip_suffix(name).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')),
    }
}

#[cfg(test)]
mod tests {
    use super::Proxies;

    #[test]
    fn excepted_hosts_have_none() {
        let proxies = Proxies {
            https: Some("s".into()),
            all: Some("a".into()),
            exceptions: "localhost, .example.org,*.net".into(),
            ..Proxies::default()
        };
        assert_eq!(
            (
                proxies.proxy_for("https", "tensorflow.org"),
                proxies.proxy_for("http", "tensorflow.org")
            ),
            (Some("s"), Some("a"))
        );
        for host in ["localhost", "example.org", "a.Example.org", "b.net"] {
            assert_eq!(proxies.proxy_for("https", host), None, "{host}");
        }
        assert!(proxies.proxy_for("https", "badexample.org").is_some());
        assert_eq!(Proxies { exceptions: "*".into(), ..proxies }.proxy_for("http", "b.de"), None);
    }
}
