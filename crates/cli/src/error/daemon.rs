//! Errors in the configuration of the daemon.

use std::io;
use std::path::PathBuf;

use windlass_config::FileLocation;
use windlass_daemon::DaemonAddressError;
use windlass_listen::{BindError, ServerTlsError};

/// The configuration of the daemon cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DaemonError {
    /// An address in the file is invalid.
    #[error("{origin}: hosts[{index}]")]
    Address {
        origin: FileLocation,
        index: usize,
        source: DaemonAddressError,
    },
    /// Options that are both on the command line and in the file.
    #[error(
        "the following directives are specified both as a flag and in the configuration file: {}",
        .keys.join(", ")
    )]
    Duplicate { keys: Vec<String> },
    /// There is no default path for the socket.
    #[error("no default path for the socket: XDG_RUNTIME_DIR is not set")]
    NoSocketPath,
    /// An address that is open to the network has no TLS.
    #[error("{address} needs TLS with certificates on both sides, and {missing} is missing")]
    WithoutTls {
        address: String,
        missing: &'static str,
    },
    /// A file for TLS cannot be read.
    #[error("reading {}", .path.display())]
    File { path: PathBuf, source: io::Error },
    /// The certificates cannot be used.
    #[error("{}", .path.display())]
    Tls {
        path: PathBuf,
        source: ServerTlsError,
    },
    /// A listener cannot be made.
    #[error(transparent)]
    Bind(BindError),
    /// There is a subscriber for log events already.
    #[error("cannot start the log twice")]
    Log,
}
