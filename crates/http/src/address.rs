//! Classifies addresses that are not on the public internet.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::Host;

/// The metadata services of Alibaba Cloud and Oracle Cloud, which are not link-local.
const METADATA_V4: [Ipv4Addr; 2] = [
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(192, 0, 0, 192),
];
/// The metadata services of Amazon and Google over IPv6.
const METADATA_V6: [Ipv6Addr; 2] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
];

/// A range of addresses that is not on the public internet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpecialAddress {
    /// `0.0.0.0/8`, `255.255.255.255`, `::`: not the address of any host.
    Unspecified,
    /// `127.0.0.0/8`, `::1`: this machine.
    Loopback,
    /// `169.254.0.0/16`, `fe80::/10`: the local link, where cloud providers serve instance metadata. The
    /// metadata addresses outside these ranges are included.
    LinkLocal,
    /// RFC 1918, RFC 6598 and `fc00::/7`: a private network.
    Private,
    /// `224.0.0.0/4`, `ff00::/8`: multicast.
    Multicast,
}

impl SpecialAddress {
    /// Returns the range of `host` if it is an address literal or a name of this machine.
    pub fn of_host<S: AsRef<str>>(host: &Host<S>) -> Option<Self> {
        match host {
            Host::Domain(name) => is_localhost(name.as_ref()).then_some(Self::Loopback),
            Host::Ipv4(address) => Self::of_v4(*address),
            Host::Ipv6(address) => Self::of_v6(*address),
        }
    }

    /// Returns the range of `address`; of the embedded IPv4 address where it has one.
    ///
    /// An embedded IPv4 address that a gateway translates never refers to this machine: a translated
    /// `127.0.0.1` is unspecified, not loopback.
    pub fn of(address: IpAddr) -> Option<Self> {
        match address {
            IpAddr::V4(address) => Self::of_v4(address),
            IpAddr::V6(address) => Self::of_v6(address),
        }
    }

    fn of_v4(address: Ipv4Addr) -> Option<Self> {
        let [first, second, ..] = address.octets();
        if METADATA_V4.contains(&address) {
            Some(Self::LinkLocal)
        } else if first == 0 || address.is_broadcast() {
            Some(Self::Unspecified)
        } else if address.is_loopback() {
            Some(Self::Loopback)
        } else if address.is_link_local() {
            Some(Self::LinkLocal)
        } else if address.is_private() || (first == 100 && second & 0xc0 == 64) {
            Some(Self::Private)
        } else if address.is_multicast() {
            Some(Self::Multicast)
        } else {
            None
        }
    }

    fn of_v6(address: Ipv6Addr) -> Option<Self> {
        if let Some(mapped) = address.to_ipv4_mapped() {
            return Self::of_v4(mapped);
        }
        if address.is_unspecified() {
            Some(Self::Unspecified)
        } else if address.is_loopback() {
            Some(Self::Loopback)
        } else if let Some(inner) = translated_v4(address) {
            match Self::of_v4(inner) {
                Some(Self::Loopback) => Some(Self::Unspecified),
                special => special,
            }
        } else if METADATA_V6.contains(&address) || address.is_unicast_link_local() {
            Some(Self::LinkLocal)
        } else if address.is_unique_local() || is_site_local(address) {
            Some(Self::Private)
        } else if address.is_multicast() {
            Some(Self::Multicast)
        } else {
            None
        }
    }
}

/// Returns whether `name` refers to this machine (RFC 6761 section 6.3).
pub(crate) fn is_localhost(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost")
}

/// `fec0::/10`, which RFC 3879 deprecates and some networks still use.
fn is_site_local(address: Ipv6Addr) -> bool {
    address.segments()[0] & 0xffc0 == 0xfec0
}

/// Returns the IPv4 address embedded in an IPv6 address: NAT64 (`64:ff9b::/96`, RFC 6052, and
/// `64:ff9b:1::/48`, RFC 8215, of which the last bits are used), 6to4 (`2002::/16`, RFC 3056), and the two
/// obsolete forms with leading zeros (`::/96`, `::ffff:0:0:0/96`).
fn translated_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let last = |[high, low]: [u16; 2]| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Ipv4Addr::new(a, b, c, d)
    };
    match address.segments() {
        [0x64, 0xff9b, 0 | 1, _, _, _, high, low]
        | [0, 0, 0, 0, 0 | 0xffff, 0, high, low]
        | [0x2002, high, low, ..] => Some(last([high, low])),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::SpecialAddress;

    fn special(url: &str) -> Option<SpecialAddress> {
        SpecialAddress::of_host(&Url::parse(url).unwrap().host().unwrap())
    }

    /// T25: every notation of an internal address is recognised.
    #[test]
    fn classifies_every_notation_of_an_address() {
        use SpecialAddress::{LinkLocal, Loopback, Multicast, Private, Unspecified};
        for (url, expected) in [
            ("https://127.0.0.1/", Some(Loopback)),
            ("https://127.1/", Some(Loopback)),
            ("https://2130706433/", Some(Loopback)),
            ("https://0x7f.0.0.1/", Some(Loopback)),
            ("https://[::1]/", Some(Loopback)),
            ("https://[::ffff:127.0.0.1]/", Some(Loopback)),
            ("https://localhost/", Some(Loopback)),
            ("https://LOCALHOST./", Some(Loopback)),
            ("https://a.localhost/", Some(Loopback)),
            ("https://0/", Some(Unspecified)),
            ("https://[::]/", Some(Unspecified)),
            ("https://255.255.255.255/", Some(Unspecified)),
            ("https://169.254.169.254/", Some(LinkLocal)),
            ("https://[fe80::1]/", Some(LinkLocal)),
            ("https://[64:ff9b::a9fe:a9fe]/", Some(LinkLocal)),
            ("https://[64:ff9b:1::a9fe:a9fe]/", Some(LinkLocal)),
            ("https://[2002:a9fe:a9fe::1]/", Some(LinkLocal)),
            ("https://[::169.254.169.254]/", Some(LinkLocal)),
            ("https://[::ffff:0:169.254.169.254]/", Some(LinkLocal)),
            ("https://100.100.100.200/", Some(LinkLocal)),
            ("https://192.0.0.192/", Some(LinkLocal)),
            ("https://[fd00:ec2::254]/", Some(LinkLocal)),
            ("https://[fd20:ce::254]/", Some(LinkLocal)),
            ("https://[64:ff9b::127.0.0.1]/", Some(Unspecified)),
            ("https://[2002:7f00:1::]/", Some(Unspecified)),
            ("https://[::127.0.0.1]/", Some(Unspecified)),
            ("https://[64:ff9b::10.0.0.1]/", Some(Private)),
            ("https://[64:ff9b::8.8.8.8]/", None),
            ("https://[2002:808:808::1]/", None),
            ("https://[fec0::1]/", Some(Private)),
            ("https://10.0.0.1/", Some(Private)),
            ("https://172.31.0.1/", Some(Private)),
            ("https://192.168.0.1/", Some(Private)),
            ("https://100.64.0.1/", Some(Private)),
            ("https://[fd00::1]/", Some(Private)),
            ("https://224.0.0.1/", Some(Multicast)),
            ("https://[ff02::1]/", Some(Multicast)),
            ("https://8.8.8.8/", None),
            ("https://100.128.0.1/", None),
            ("https://[2606:4700::1]/", None),
            ("https://auth.example/", None),
            ("https://localhost.example/", None),
        ] {
            assert_eq!(special(url), expected, "{url}");
        }
    }
}
