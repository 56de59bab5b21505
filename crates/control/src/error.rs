//! Errors of the client.

use std::io;

use windlass_error_report::ErrorReport;

/// Why a request has no result.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The operation failed, and this is the report of the daemon.
    #[error("{}", .0.message)]
    Reported(Box<ErrorReport>),
    /// The connection failed, or the daemon violated the protocol.
    #[error("the daemon that owns the store: {reason}")]
    Connection {
        /// What happened.
        reason: String,
    },
    /// The daemon is another version of windlass.
    #[error(
        "the daemon that owns the store is windlass {daemon}, and this is windlass {}",
        env!("CARGO_PKG_VERSION")
    )]
    Version {
        /// The version of the daemon.
        daemon: String,
    },
}

impl ControlError {
    /// Makes the error of a result that belongs to another kind of request.
    pub(crate) fn unexpected_result() -> Self {
        Self::connection("unexpected result")
    }

    pub(crate) fn connection(reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self::Connection { reason }
    }
}

impl From<io::Error> for ControlError {
    fn from(error: io::Error) -> Self {
        Self::connection(error.to_string())
    }
}
