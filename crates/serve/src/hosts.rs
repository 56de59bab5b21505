//! By which names a server may be called.

use std::net::IpAddr;

/// The names that requests may be addressed to.
///
/// A page in a browser on this machine could have its own name lead to 127.0.0.1 and then read what is served there
/// ("DNS rebinding"). The browser tells the name in `Host`, so names of others are refused. An address is never
/// such a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hosts {
    /// Addresses, `localhost` and what ends in `.localhost`, and these names.
    Only(Vec<String>),
    /// Any.
    Any,
}

impl Default for Hosts {
    fn default() -> Self {
        Self::Only(Vec::new())
    }
}

impl Hosts {
    /// Tells whether a request may be addressed to `authority`: a host, and a port that does not matter.
    pub fn admit(&self, authority: &str) -> bool {
        let Self::Only(names) = self else { return true };
        let Some(host) = host_of(authority) else {
            return false;
        };
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        let is_own = host == "localhost" || host.ends_with(".localhost");
        is_own || is_address(&host) || names.iter().any(|name| name.eq_ignore_ascii_case(&host))
    }
}

/// Splits off the port.
fn host_of(authority: &str) -> Option<&str> {
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ => (authority, ""),
    };
    let is_port = port.len() <= 5 && port.bytes().all(|byte| byte.is_ascii_digit());
    (is_port && !host.is_empty()).then_some(host)
}

fn is_address(host: &str) -> bool {
    let in_brackets = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    match in_brackets {
        Some(host) => matches!(host.parse(), Ok(IpAddr::V6(_))),
        None => matches!(host.parse(), Ok(IpAddr::V4(_))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_others_are_refused() {
        let hosts = Hosts::Only(vec!["Mirror.test".to_owned()]);
        for host in [
            "127.0.0.1",
            "127.0.0.1:80",
            "[::1]:80",
            "[::1]",
            "localhost",
            "LOCALHOST:1",
            "a.localhost.",
            "mirror.test:443",
            "192.0.2.1",
        ] {
            assert!(hosts.admit(host), "{host}");
        }
        for host in [
            "",
            ":80",
            "evil.test",
            "evil.test:80",
            "localhost.evil.test",
            "127.0.0.1.evil.test",
            "127.1:80",
            "::1",
            "[127.0.0.1]",
            "localhost:a",
            "user@localhost",
            "notlocalhost",
        ] {
            assert!(!hosts.admit(host), "{host}");
        }
        assert!(Hosts::Any.admit("evil.test"));
    }
}
