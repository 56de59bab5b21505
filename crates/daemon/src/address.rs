//! The addresses that the daemon can listen on.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

/// An address to listen on, in Docker's notation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DaemonAddress {
    /// `unix:///PATH`
    Unix(PathBuf),
    /// `tcp://IP:PORT`
    Tcp(SocketAddr),
    /// `fd://`: all sockets of the service manager; `fd://NAME`: those with this `FileDescriptorName=`.
    Inherited(Option<String>),
}

/// A text is not an address to listen on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not an address to listen on: use unix:///PATH, tcp://IP:PORT or fd://")]
pub struct DaemonAddressError {
    text: String,
}

impl FromStr for DaemonAddress {
    type Err = DaemonAddressError;

    fn from_str(text: &str) -> Result<Self, DaemonAddressError> {
        let wrong = || DaemonAddressError {
            text: text.to_owned(),
        };
        let (scheme, rest) = text.split_once("://").ok_or_else(wrong)?;
        match (scheme, rest) {
            ("unix", path) if path.starts_with('/') && !path.contains('\0') => {
                Ok(Self::Unix(path.into()))
            }
            ("tcp", address) => address.parse().map(Self::Tcp).map_err(|_| wrong()),
            // Docker's documentation also uses `fd://*`.
            ("fd", "" | "*") => Ok(Self::Inherited(None)),
            ("fd", name) if !name.contains([':', '/']) => Ok(Self::Inherited(Some(name.into()))),
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for DaemonAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp(address) => write!(f, "tcp://{address}"),
            Self::Inherited(name) => write!(f, "fd://{}", name.as_deref().unwrap_or_default()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_a_scheme() {
        let parse = |text: &str| text.parse::<DaemonAddress>();
        assert_eq!(
            parse("unix:///run/x.sock"),
            Ok(DaemonAddress::Unix("/run/x.sock".into()))
        );
        let tcp = DaemonAddress::Tcp(([127, 0, 0, 1], 2376).into());
        assert_eq!(parse("tcp://127.0.0.1:2376"), Ok(tcp));
        assert_eq!(parse("fd://"), Ok(DaemonAddress::Inherited(None)));
        assert_eq!(parse("fd://*"), Ok(DaemonAddress::Inherited(None)));
        assert_eq!(
            parse("fd://api"),
            Ok(DaemonAddress::Inherited(Some("api".into())))
        );
        for text in [
            "",
            "/run/x",
            "unix://x",
            "unix://",
            "unix:///a\0b",
            "tcp://host:1",
            "tcp://:2376",
            "npipe:////x",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
