//! The `NO_PROXY` list.

use std::net::IpAddr;

use ipnet::IpNet;
use url::Host;

use crate::target::TargetOrigin;

/// Hosts that are connected to without a proxy.
///
/// Entries that cannot be parsed are ignored: the variable is shared with other programs, whose syntax
/// differs.
#[derive(Debug)]
pub(super) struct NoProxyList(Vec<NoProxyRule>);

#[derive(Debug)]
struct NoProxyRule {
    hosts: HostPattern,
    /// `None` matches every port.
    port: Option<u16>,
}

#[derive(Debug)]
enum HostPattern {
    All,
    Range(IpNet),
    /// The domain and its subdomains.
    Domain(String),
    /// Subdomains of the domain only.
    Below(String),
}

impl NoProxyList {
    pub(super) fn parse(list: &str) -> Self {
        let items = list.split(|c: char| c == ',' || c.is_ascii_whitespace());
        Self(items.filter_map(NoProxyRule::parse).collect())
    }

    pub(super) fn contains(&self, target: &TargetOrigin) -> bool {
        self.0.iter().any(|rule| rule.matches(target))
    }
}

impl NoProxyRule {
    fn parse(item: &str) -> Option<Self> {
        if let Some(hosts) = HostPattern::parse_range(item) {
            return Some(Self { hosts, port: None });
        }
        let (host, port) = match item.rsplit_once(':') {
            Some((host, port)) => match port.parse() {
                Ok(port) => (host, Some(port)),
                Err(_) => (item, None),
            },
            None => (item, None),
        };
        let hosts = HostPattern::parse(host)?;
        Some(Self { hosts, port })
    }

    fn matches(&self, target: &TargetOrigin) -> bool {
        self.port.is_none_or(|port| port == target.port) && self.hosts.matches(&target.host)
    }
}

impl HostPattern {
    fn parse(text: &str) -> Option<Self> {
        if text == "*" {
            return Some(Self::All);
        }
        let bare = text
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .unwrap_or(text);
        if let Some(range) = Self::parse_range(bare) {
            return Some(range);
        }
        let name = plain(text);
        let below = name.strip_prefix("*.").or_else(|| name.strip_prefix('.'));
        match below {
            Some("") => None,
            Some(below) => Some(Self::Below(below.to_owned())),
            None if name.is_empty() => None,
            None => Some(Self::Domain(name)),
        }
    }

    fn parse_range(text: &str) -> Option<Self> {
        let address = text.parse::<IpAddr>().map(IpNet::from);
        address.or_else(|_| text.parse()).ok().map(Self::Range)
    }

    fn matches(&self, host: &Host) -> bool {
        let below = |name: &str, parent: &str| {
            name.strip_suffix(parent)
                .is_some_and(|rest| rest.ends_with('.'))
        };
        match (self, host) {
            (Self::All, _) => true,
            (Self::Range(range), Host::Ipv4(address)) => range.contains(&IpAddr::V4(*address)),
            (Self::Range(range), Host::Ipv6(address)) => {
                range.contains(&IpAddr::V6(*address).to_canonical())
                    || range.contains(&IpAddr::V6(*address))
            }
            (Self::Domain(name), Host::Domain(host)) => {
                let host = plain(host);
                host == *name || below(&host, name)
            }
            (Self::Below(name), Host::Domain(host)) => below(&plain(host), name),
            (Self::Range(_), Host::Domain(_))
            | (Self::Domain(_) | Self::Below(_), Host::Ipv4(_) | Host::Ipv6(_)) => false,
        }
    }
}

/// Returns the form in which names are compared.
fn plain(name: &str) -> String {
    let name = name.strip_suffix('.').unwrap_or(name);
    name.to_ascii_lowercase()
}
