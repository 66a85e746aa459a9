//! Which proxy an address is reached through.

use std::env;

/// Proxies by the kind of address, as the usual variables of the environment have them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies {
    /// For `http` addresses.
    pub http: Option<String>,
    /// For `https` addresses.
    pub https: Option<String>,
    /// For those without one of their own.
    pub all: Option<String>,
    /// Hosts that are reached directly: names (with everything below them) with commas between, or
    /// `*`.
    pub except: String,
}

impl Proxies {
    /// From `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`, or the same in small letters,
    /// which come first.
    #[must_use]
    pub fn from_env() -> Self {
        let set = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
        let either = |name: &str| set(&name.to_lowercase()).or_else(|| set(name));
        Self {
            http: either("HTTP_PROXY"),
            https: either("HTTPS_PROXY"),
            all: either("ALL_PROXY"),
            except: either("NO_PROXY").unwrap_or_default(),
        }
    }

    /// The proxy for an address.
    pub(super) fn of(&self, scheme: &str, host: &str) -> Option<&str> {
        if self.except.split(',').any(|except| covers(except.trim(), host)) {
            return None;
        }
        let own = if scheme == "https" { &self.https } else { &self.http };
        own.as_ref().or(self.all.as_ref()).map(String::as_str)
    }
}

/// Whether a host is the one excepted, or below it.
fn covers(except: &str, host: &str) -> bool {
    let name = except.trim_start_matches('*').trim_start_matches('.').to_ascii_lowercase();
    let host = host.to_ascii_lowercase();
    match name.as_str() {
        "" => except == "*",
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
            except: "localhost, .example.org,*.net".into(),
            ..Proxies::default()
        };
        assert_eq!(
            (proxies.of("https", "tensorflow.org"), proxies.of("http", "tensorflow.org")),
            (Some("s"), Some("a"))
        );
        for host in ["localhost", "example.org", "a.Example.org", "b.net"] {
            assert_eq!(proxies.of("https", host), None, "{host}");
        }
        assert!(proxies.of("https", "badexample.org").is_some());
        assert_eq!(Proxies { except: "*".into(), ..proxies }.of("http", "b.de"), None);
    }
}
