//! From a host to a TCP connection.

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

/// How long a connection is silent before the system asks whether the peer is still there, and how long
/// between the times it asks.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// Connects to hosts.
pub(crate) struct Dialer {
    pub(crate) resolver: Arc<dyn NameResolver>,
}

impl Dialer {
    /// Connects to the first of the host's addresses that answers.
    pub(crate) async fn dial(
        &self,
        host: &Host,
        port: u16,
        reach: AddressPolicy,
    ) -> Result<TcpStream, SendError> {
        let addresses = self.addresses(host, reach).await?;
        race(addresses, |address| connect(SocketAddr::new(address, port)))
            .await
            .map_err(failed)
    }

    /// Returns the addresses of `host` that may be dialled, in the order to try them in; one at least.
    pub(crate) async fn addresses(
        &self,
        host: &Host,
        reach: AddressPolicy,
    ) -> Result<Vec<IpAddr>, SendError> {
        let found = match host {
            Host::Ipv4(address) => vec![IpAddr::V4(*address)],
            Host::Ipv6(address) => vec![IpAddr::V6(*address)],
            Host::Domain(name) => {
                let found = self.resolver.resolve(name).await;
                at_home(name, found.map_err(resolve::failed)?)?
            }
        };
        Ok(interleaved(reach.narrow(found)?))
    }
}

impl AddressPolicy {
    /// Keeps the addresses that may be dialled.
    fn narrow(self, found: Vec<IpAddr>) -> Result<Vec<IpAddr>, SendError> {
        let first = found.first().copied().ok_or_else(|| SendError::Connect {
            failure: ConnectFailure::NoSuchHost,
            source: Cause::new("it has no address"),
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

    /// Refuses a host that is spelled as an address that may not be dialled.
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

/// Keeps this machine's addresses of a name of this machine. It is spoken to without TLS and without a proxy,
/// and name servers are asked for it: they must not make another machine of it (RFC 6761 section 6.3).
fn at_home(name: &str, mut found: Vec<IpAddr>) -> Result<Vec<IpAddr>, SendError> {
    if !is_localhost(name) {
        return Ok(found);
    }
    found.retain(|address| SpecialAddress::of(*address) == Some(SpecialAddress::Loopback));
    if found.is_empty() {
        return Err(SendError::Connect {
            failure: ConnectFailure::NoSuchHost,
            source: Cause::new("a name of this machine has no address of it"),
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

fn failed(error: io::Error) -> SendError {
    let failure = match error.kind() {
        io::ErrorKind::ConnectionRefused => ConnectFailure::Refused,
        kind if is_unreachable(kind) => ConnectFailure::Unreachable,
        // The system's own patience, where it is the shorter one.
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

    /// D4, T25: a name that leads onto the link, wherever else it leads.
    #[test]
    fn addresses_on_the_link_are_left_out() {
        let reach = AddressPolicy::NoLinkLocal;
        let both = addresses(&["169.254.169.254", "10.0.0.1"]);
        assert_eq!(
            reach.narrow(both.clone()).unwrap(),
            addresses(&["10.0.0.1"])
        );
        assert_eq!(AddressPolicy::Any.narrow(both.clone()).unwrap(), both);

        let refused = addresses(&["fe80::1", "169.254.169.254", "0.0.0.0", "::", "ff02::1"]);
        for address in refused {
            let error = reach.narrow(vec![address]).unwrap_err();
            assert!(
                matches!(error, SendError::RefusedAddress { address: found } if found == address),
                "{error:?}"
            );
        }
    }

    #[test]
    fn a_name_without_an_address_is_none() {
        let error = AddressPolicy::Any.narrow(Vec::new()).unwrap_err();
        let SendError::Connect { failure, .. } = error else {
            panic!("{error:?}")
        };
        assert_eq!(failure, ConnectFailure::NoSuchHost);
    }
}
