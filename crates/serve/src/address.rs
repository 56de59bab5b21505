//! Where to listen, as people write it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

/// Where a server listens: `ADDRESS:PORT`, `localhost:PORT` (127.0.0.1), or `unix:PATH`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// On an address of this machine; port 0 is any that is free.
    Tcp(SocketAddr),
    /// On a socket in the file system.
    Unix(PathBuf),
}

/// A text does not say where to listen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected ADDRESS:PORT or unix:PATH, such as 127.0.0.1:7700")]
pub struct ListenError;

impl Listen {
    /// Tells whether other machines can reach it.
    pub fn is_remote(&self) -> bool {
        match self {
            Self::Tcp(address) => !is_loopback(address.ip()),
            Self::Unix(_) => false,
        }
    }
}

fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

impl FromStr for Listen {
    type Err = ListenError;

    fn from_str(text: &str) -> Result<Self, ListenError> {
        if let Some(path) = text.strip_prefix("unix:") {
            return match path {
                "" => Err(ListenError),
                path => Ok(Self::Unix(path.into())),
            };
        }
        if let Some(port) = text.strip_prefix("localhost:") {
            let is_digits = port.bytes().all(|byte| byte.is_ascii_digit());
            let port = port.parse().ok().filter(|_| is_digits);
            let port = port.ok_or(ListenError)?;
            return Ok(Self::Tcp((Ipv4Addr::LOCALHOST, port).into()));
        }
        text.parse().map(Self::Tcp).map_err(|_| ListenError)
    }
}

impl fmt::Display for Listen {
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
    fn addresses_and_sockets_are_told_apart() {
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
            let listen: Listen = text.parse().unwrap();
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
            assert_eq!(text.parse::<Listen>(), Err(ListenError), "{text}");
        }
    }
}
