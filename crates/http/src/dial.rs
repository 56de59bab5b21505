//! Opens TCP connections to hosts.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpSocket, TcpStream};
use url::Host;

use crate::address::{SpecialAddress, is_localhost};
use crate::cause::Cause;
use crate::connection::AddressPolicy;
use crate::error::{ConnectFailure, SendError, SendPhase};
use crate::race::{interleaved, is_unreachable, race};
use crate::resolve::{self, NameResolver};

/// How long a TCP connection may be idle before the first keepalive probe, and the interval between probes.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// Opens TCP connections.
pub(crate) struct Dialer {
    pub(crate) resolver: Arc<dyn NameResolver>,
}

impl Dialer {
    /// Connects to the first address of the host that accepts the connection.
    pub(crate) async fn dial(
        &self,
        host: &Host,
        port: u16,
        address_policy: AddressPolicy,
    ) -> Result<TcpStream, SendError> {
        let addresses = self.addresses(host, address_policy).await?;
        race(addresses, |address| connect(SocketAddr::new(address, port)))
            .await
            .map_err(connect_error)
    }

    /// Returns the addresses of `host` that may be connected to, in the order to try them; at least one.
    pub(crate) async fn addresses(
        &self,
        host: &Host,
        address_policy: AddressPolicy,
    ) -> Result<Vec<IpAddr>, SendError> {
        let found = match host {
            Host::Ipv4(address) => vec![IpAddr::V4(*address)],
            Host::Ipv6(address) => vec![IpAddr::V6(*address)],
            Host::Domain(name) => {
                let found = self.resolver.resolve(name).await;
                loopback_only(name, found.map_err(resolve::lookup_error)?)?
            }
        };
        Ok(interleaved(address_policy.filter_addresses(found)?))
    }
}

impl AddressPolicy {
    /// Keeps the addresses that may be connected to.
    fn filter_addresses(self, found: Vec<IpAddr>) -> Result<Vec<IpAddr>, SendError> {
        let first = found.first().copied().ok_or_else(|| SendError::Connect {
            failure: ConnectFailure::NoSuchHost,
            source: Cause::new("the name has no address"),
        })?;
        let allowed: Vec<_> = found
            .into_iter()
            .filter(|address| self.permits(*address))
            .collect();
        if allowed.is_empty() {
            return Err(SendError::RefusedAddress { address: first });
        }
        Ok(allowed)
    }

    /// Rejects a host that is a literal of an address that may not be connected to.
    pub(crate) fn check_literal(self, host: &Host) -> Result<(), SendError> {
        let address = match host {
            Host::Domain(_) => return Ok(()),
            Host::Ipv4(address) => IpAddr::V4(*address),
            Host::Ipv6(address) => IpAddr::V6(*address),
        };
        if self.permits(address) {
            Ok(())
        } else {
            Err(SendError::RefusedAddress { address })
        }
    }

    fn permits(self, address: IpAddr) -> bool {
        match self {
            Self::Any => true,
            Self::NoLinkLocal => !matches!(
                SpecialAddress::of(address),
                Some(
                    SpecialAddress::LinkLocal
                        | SpecialAddress::Unspecified
                        | SpecialAddress::Multicast
                )
            ),
        }
    }
}

/// Keeps the loopback addresses of a name of this machine. Such names are connected to without TLS and
/// without a proxy, but name servers may be queried for them: an answer with another address must be ignored
/// (RFC 6761 section 6.3).
fn loopback_only(name: &str, mut found: Vec<IpAddr>) -> Result<Vec<IpAddr>, SendError> {
    if !is_localhost(name) {
        return Ok(found);
    }
    found.retain(|address| SpecialAddress::of(*address) == Some(SpecialAddress::Loopback));
    if found.is_empty() {
        return Err(SendError::Connect {
            failure: ConnectFailure::NoSuchHost,
            source: Cause::new("a name of this machine does not resolve to a loopback address"),
        });
    }
    Ok(found)
}

async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE)
        .with_interval(KEEPALIVE);
    SockRef::from(&socket).set_tcp_keepalive(&keepalive)?;
    socket.connect(address).await
}

fn connect_error(error: io::Error) -> SendError {
    let failure = match error.kind() {
        io::ErrorKind::ConnectionRefused => ConnectFailure::Refused,
        kind if is_unreachable(kind) => ConnectFailure::Unreachable,
        // The connect timeout of the operating system, if it is shorter than ours.
        io::ErrorKind::TimedOut => {
            return SendError::Timeout {
                waiting_for: SendPhase::Connection,
            };
        }
        _ => ConnectFailure::Other,
    };
    SendError::Connect {
        failure,
        source: Cause::new(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(list: &[&str]) -> Vec<IpAddr> {
        list.iter().map(|text| text.parse().unwrap()).collect()
    }

    /// D4, T25: of a name with several addresses, the link-local ones are skipped.
    #[test]
    fn link_local_addresses_are_skipped() {
        let address_policy = AddressPolicy::NoLinkLocal;
        let both = addresses(&["169.254.169.254", "10.0.0.1"]);
        assert_eq!(
            address_policy.filter_addresses(both.clone()).unwrap(),
            addresses(&["10.0.0.1"])
        );
        assert_eq!(
            AddressPolicy::Any.filter_addresses(both.clone()).unwrap(),
            both
        );

        let refused = addresses(&["fe80::1", "169.254.169.254", "0.0.0.0", "::", "ff02::1"]);
        for address in refused {
            let error = address_policy.filter_addresses(vec![address]).unwrap_err();
            assert!(
                matches!(error, SendError::RefusedAddress { address: found } if found == address),
                "{error:?}"
            );
        }
    }

    #[test]
    fn a_name_without_addresses_does_not_exist() {
        let error = AddressPolicy::Any.filter_addresses(Vec::new()).unwrap_err();
        let SendError::Connect { failure, .. } = error else {
            panic!("{error:?}")
        };
        assert_eq!(failure, ConnectFailure::NoSuchHost);
    }
}
