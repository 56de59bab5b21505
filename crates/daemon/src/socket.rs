//! Where clients come in: sockets that are made here, or inherited.

mod inherited;
mod unix;

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::str::FromStr;

use crate::tls::Tls;

pub use inherited::Inherited;
pub use unix::{bind, find_group};

/// Where clients come in, as people write it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// `unix:///PATH`
    Unix(PathBuf),
    /// `tcp://IP:PORT`
    Tcp(SocketAddr),
    /// `fd://`: the sockets that the service manager made; `fd://NAME`: those that it calls so.
    Inherited(Option<String>),
}

/// What is no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no address to listen on: give unix:///PATH, tcp://IP:PORT or fd://")]
pub struct AddressError {
    text: String,
}

/// A socket that clients come in by.
#[derive(Debug)]
pub struct Bound {
    pub(crate) entry: Entry,
    /// What it is called in the log.
    name: String,
    /// Its path, where it was made here: it goes with the daemon.
    _path: Option<unix::OwnPath>,
}

/// What a socket is.
#[derive(Debug)]
pub(crate) enum Entry {
    /// On this machine, by a path.
    Unix(UnixListener),
    /// From elsewhere: only with certificates on both sides.
    Tcp(TcpListener, Tls),
    /// For the metrics, and nothing else.
    Metrics(TcpListener),
}

/// Why nobody can come in.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another daemon answers there.
    #[error("{} is in use: another daemon answers there", .path.display())]
    Live {
        /// The socket.
        path: PathBuf,
    },
    /// Something else is there.
    #[error("{} is there, and is no socket: remove it, or listen elsewhere", .path.display())]
    NotASocket {
        /// What is there.
        path: PathBuf,
    },
    /// It does not fit where the system wants it.
    #[error("{} is too long for a socket: {length} bytes, and {most} are the most", .path.display())]
    TooLong {
        /// The path.
        path: PathBuf,
        /// How long it is, in bytes.
        length: usize,
        /// How long it may be, in bytes.
        most: usize,
    },
    /// Others could put another socket in its place.
    #[error("{} is no place for a socket: {reason}", .directory.display())]
    Exposed {
        /// The directory.
        directory: PathBuf,
        /// Why not.
        reason: &'static str,
    },
    /// There is no such group.
    #[error("there is no group {name:?} for the socket")]
    NoGroup {
        /// The group.
        name: String,
    },
    /// The path or address cannot be used.
    #[error("cannot {action} {place}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// With what.
        place: String,
        /// Why not.
        source: io::Error,
    },
    /// No socket was inherited.
    #[error("fd:// was given, and the service manager passed no socket")]
    NothingInherited,
    /// None that was inherited is called so.
    #[error("fd://{name} was given, and the service manager passed no socket of that name")]
    NotInherited {
        /// The name.
        name: String,
    },
    /// What was inherited is nothing to listen on.
    #[error("the inherited descriptor {number} is not a stream socket that listens")]
    NotListening {
        /// Its number.
        number: i32,
    },
    /// The socket has no path, so no permissions either.
    #[error("the inherited socket {number} has no path: anybody on this network could use it")]
    Abstract {
        /// Its number.
        number: i32,
    },
    /// Whoever reaches it would be master of the store.
    #[error("{place} is open to the network: it takes TLS with certificates on both sides")]
    WithoutTls {
        /// The socket.
        place: String,
    },
}

impl BindError {
    fn io(action: &'static str, place: impl fmt::Display) -> impl FnOnce(io::Error) -> Self {
        let place = place.to_string();
        move |source| Self::Io {
            action,
            place,
            source,
        }
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let wrong = || AddressError {
            text: text.to_owned(),
        };
        let (scheme, rest) = text.split_once("://").ok_or_else(wrong)?;
        match (scheme, rest) {
            ("unix", path) if path.starts_with('/') && !path.contains('\0') => {
                Ok(Self::Unix(path.into()))
            }
            ("tcp", address) => address.parse().map(Self::Tcp).map_err(|_| wrong()),
            // Docker's people write `fd://*`, too.
            ("fd", "" | "*") => Ok(Self::Inherited(None)),
            ("fd", name) if !name.contains([':', '/']) => Ok(Self::Inherited(Some(name.into()))),
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp(address) => write!(f, "tcp://{address}"),
            Self::Inherited(name) => write!(f, "fd://{}", name.as_deref().unwrap_or_default()),
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// Makes a socket at `address` for clients from elsewhere, who prove by `tls` who they are.
pub fn bind_tcp(address: SocketAddr, tls: &Tls) -> Result<Bound, BindError> {
    let listener = listen(address)?;
    Ok(Bound {
        name: format!("tcp://{}", local(&listener, address)),
        entry: Entry::Tcp(listener, tls.clone()),
        _path: None,
    })
}

/// Makes a socket at `address` where anybody may read the metrics, in plain HTTP, and nothing else.
pub fn bind_metrics(address: SocketAddr) -> Result<Bound, BindError> {
    let listener = listen(address)?;
    Ok(Bound {
        name: format!("http://{}/metrics", local(&listener, address)),
        entry: Entry::Metrics(listener),
        _path: None,
    })
}

fn listen(address: SocketAddr) -> Result<TcpListener, BindError> {
    TcpListener::bind(address).map_err(BindError::io("listen on", address))
}

/// The port is the system's choice where none was asked for.
fn local(listener: &TcpListener, asked: SocketAddr) -> SocketAddr {
    listener.local_addr().unwrap_or(asked)
}

#[cfg(test)]
mod tests;
