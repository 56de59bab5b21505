//! Why a process cannot listen.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why a process cannot listen on an address, a path or an inherited socket.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another process accepts connections at this path.
    #[error("{} is in use: another process listens there", .path.display())]
    InUse {
        /// The socket.
        path: PathBuf,
    },
    /// The path names something else than a socket.
    #[error("{} exists and is not a socket: remove it, or choose another path", .path.display())]
    NotASocket {
        /// The path.
        path: PathBuf,
    },
    /// The path does not fit the address of a unix socket.
    #[error("{} is too long for a socket: {length} bytes, the limit is {limit}", .path.display())]
    TooLong {
        /// The path.
        path: PathBuf,
        /// Its length in bytes.
        length: usize,
        /// The longest path that the system takes, in bytes.
        limit: usize,
    },
    /// Other users could put another socket in the place of this one.
    #[error("refusing to put a socket into {}: {reason}", .directory.display())]
    ExposedDirectory {
        /// The directory.
        directory: PathBuf,
        /// Why it is refused.
        reason: &'static str,
    },
    /// There is no such group.
    #[error("there is no group {name:?} for the socket")]
    NoGroup {
        /// The group.
        name: String,
    },
    /// The system refused an operation on the path or the address.
    #[error("cannot {action} {target}")]
    Io {
        /// The operation.
        action: &'static str,
        /// The path or the address.
        target: String,
        /// Why it failed.
        source: io::Error,
    },
    /// The service manager passed no socket.
    #[error("fd:// was given, but the service manager passed no socket")]
    NothingInherited,
    /// The service manager passed no socket of this name.
    #[error("fd://{name} was given, but the service manager passed no socket of that name")]
    NotInherited {
        /// The name.
        name: String,
    },
    /// The inherited descriptor is not a listening stream socket.
    #[error("the inherited descriptor {number} is not a listening stream socket")]
    NotListening {
        /// The descriptor.
        number: i32,
    },
    /// The inherited socket has an abstract name, and so no permissions.
    #[error(
        "the inherited socket {number} has no path: every process in this network namespace could connect"
    )]
    Abstract {
        /// The descriptor.
        number: i32,
    },
    /// The inherited socket is open to the network, and the server has no TLS configuration.
    #[error("{target} is open to the network: it requires TLS with certificates on both sides")]
    WithoutTls {
        /// The address.
        target: String,
    },
}

impl BindError {
    pub(crate) fn io(
        action: &'static str,
        target: impl fmt::Display,
    ) -> impl FnOnce(io::Error) -> Self {
        let target = target.to_string();
        move |source| Self::Io {
            action,
            target,
            source,
        }
    }
}
