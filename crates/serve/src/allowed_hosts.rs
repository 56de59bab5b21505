//! The host names that requests may be addressed to.

use std::net::IpAddr;

/// The host names that requests may be addressed to.
///
/// The name of a web page can resolve to 127.0.0.1, so that the page reads images in a browser on this machine ("DNS
/// rebinding"). The browser sends the name in `Host`: foreign names are refused. An IP address cannot be such a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AllowedHosts {
    /// IP addresses, `localhost`, names that end in `.localhost`, and these names.
    Only(Vec<String>),
    /// Every name.
    Any,
}

impl Default for AllowedHosts {
    fn default() -> Self {
        Self::Only(Vec::new())
    }
}

impl AllowedHosts {
    /// Returns whether a request may be addressed to `authority`, a host with or without a port.
    pub fn allows(&self, authority: &str) -> bool {
        let Self::Only(names) = self else { return true };
        let Some(host) = host_of(authority) else {
            return false;
        };
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        let is_own = host == "localhost" || host.ends_with(".localhost");
        is_own || is_address(&host) || names.iter().any(|name| name.eq_ignore_ascii_case(&host))
    }
}

/// Returns the host of `authority` without the port.
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
    fn foreign_names_are_refused() {
        let hosts = AllowedHosts::Only(vec!["Mirror.test".to_owned()]);
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
            assert!(hosts.allows(host), "{host}");
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
            assert!(!hosts.allows(host), "{host}");
        }
        assert!(AllowedHosts::Any.allows("evil.test"));
    }
}
