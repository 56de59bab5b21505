//! The addresses that the server can listen on.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use windlass_listen::{BindError, Listener, UnixSocketOptions};

/// An address to listen on: `ADDRESS:PORT`, `localhost:PORT` (127.0.0.1) or `unix:PATH`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAddress {
    /// An address of this machine; port 0 is any free port.
    Tcp(SocketAddr),
    /// A unix socket.
    Unix(PathBuf),
}

/// A text is not an address to listen on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected ADDRESS:PORT or unix:PATH, such as 127.0.0.1:7700")]
pub struct ListenAddressError;

/// The permissions of a unix socket.
const SOCKET_MODE: u32 = 0o600;

impl ListenAddress {
    /// Returns whether other machines can connect.
    pub fn is_remote(&self) -> bool {
        match self {
            Self::Tcp(address) => !is_loopback(address.ip()),
            Self::Unix(_) => false,
        }
    }

    /// Listens on the address. Only the owner of a unix socket can connect to it.
    pub fn bind(&self) -> Result<Listener, BindError> {
        match self {
            Self::Tcp(address) => Listener::bind_tcp(*address),
            Self::Unix(path) => {
                let options = UnixSocketOptions {
                    mode: SOCKET_MODE,
                    group: None,
                    prepare_directory: false,
                };
                Listener::bind_unix(path, &options)
            }
        }
    }
}

fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

impl FromStr for ListenAddress {
    type Err = ListenAddressError;

    fn from_str(text: &str) -> Result<Self, ListenAddressError> {
        if let Some(path) = text.strip_prefix("unix:") {
            return match path {
                "" => Err(ListenAddressError),
                path => Ok(Self::Unix(path.into())),
            };
        }
        if let Some(port) = text.strip_prefix("localhost:") {
            let is_digits = port.bytes().all(|byte| byte.is_ascii_digit());
            let port = port.parse().ok().filter(|_| is_digits);
            let port = port.ok_or(ListenAddressError)?;
            return Ok(Self::Tcp((Ipv4Addr::LOCALHOST, port).into()));
        }
        text.parse().map(Self::Tcp).map_err(|_| ListenAddressError)
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_sockets_are_parsed() {
        for (text, shown, is_remote) in [
            ("127.0.0.1:7700", "127.0.0.1:7700", false),
            ("localhost:0", "127.0.0.1:0", false),
            ("[::1]:80", "[::1]:80", false),
            ("[::ffff:127.0.0.1]:80", "[::ffff:127.0.0.1]:80", false),
            ("0.0.0.0:80", "0.0.0.0:80", true),
            ("[::]:80", "[::]:80", true),
            ("192.0.2.1:80", "192.0.2.1:80", true),
            ("unix:a/b", "unix:a/b", false),
        ] {
            let listen: ListenAddress = text.parse().unwrap();
            assert_eq!(
                (listen.to_string().as_str(), listen.is_remote()),
                (shown, is_remote)
            );
        }
        for text in [
            "",
            "7700",
            ":7700",
            "localhost",
            "localhost:+1",
            "unix:",
            "::1:80",
            "a.test:1",
        ] {
            assert_eq!(
                text.parse::<ListenAddress>(),
                Err(ListenAddressError),
                "{text}"
            );
        }
    }
}
