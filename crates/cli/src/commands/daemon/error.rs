//! Why a daemon cannot be as it is wanted.

use std::io;
use std::path::PathBuf;

use windlass_config::{Origin, UrlProblem};
use windlass_daemon::DaemonAddressError;
use windlass_listen::{BindError, ServerTlsError};

/// Why a daemon cannot be as it is wanted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DaemonError {
    /// What the file has for an address is none.
    #[error("{origin}: hosts[{index}]")]
    Address {
        origin: Origin,
        index: usize,
        source: DaemonAddressError,
    },
    /// A mirror on the command line is none.
    #[error("--registry-mirror {text}")]
    Mirror { text: String, source: UrlProblem },
    /// Two words about one thing, and neither is the stronger one.
    #[error(
        "the following directives are specified both as a flag and in the configuration file: {}",
        .keys.join(", ")
    )]
    Twice { keys: Vec<String> },
    /// There is no place for a socket.
    #[error("no place for the socket: XDG_RUNTIME_DIR is not set")]
    NoPlace,
    /// It would be open to whoever reaches it.
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
    /// Nobody can come in.
    #[error(transparent)]
    Bind(BindError),
    /// There is a log already.
    #[error("the log cannot be started twice")]
    Log,
}
