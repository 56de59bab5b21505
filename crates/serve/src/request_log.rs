//! One log entry for each request.

use std::sync::Arc;
use std::time::{Duration, Instant};

/// A request and its response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestLogEntry {
    /// The address of the client, or `unix`.
    pub peer: String,
    /// The method, as it was sent.
    pub method: String,
    /// The path and the query, as they were sent.
    pub target: String,
    /// The status of the response.
    pub status: u16,
    /// Bytes of the body that were passed to the connection.
    pub bytes: u64,
    /// Whether the whole body was passed.
    pub is_complete: bool,
    /// The time from the request's head to the body's last byte.
    pub duration: Duration,
}

/// Receives the entry of a request when its response is sent or abandoned. It runs on the runtime's thread and must not
/// block.
pub type OnResponse = Arc<dyn Fn(RequestLogEntry) + Send + Sync>;

/// The entry of a response that is being sent. It is passed on when this is dropped.
pub(crate) struct PendingLogEntry {
    entry: RequestLogEntry,
    started: Instant,
    on_response: OnResponse,
}

impl PendingLogEntry {
    pub(crate) fn new(peer: &str, method: &str, target: &str, on_response: OnResponse) -> Self {
        Self {
            entry: RequestLogEntry {
                peer: peer.to_owned(),
                method: method.to_owned(),
                target: target.to_owned(),
                status: 0,
                bytes: 0,
                is_complete: false,
                duration: Duration::ZERO,
            },
            started: Instant::now(),
            on_response,
        }
    }

    pub(crate) fn set_status(&mut self, status: u16) {
        self.entry.status = status;
    }

    pub(crate) fn record_sent(&mut self, bytes: u64, is_last: bool) {
        self.entry.bytes += bytes;
        self.entry.is_complete = is_last;
    }
}

impl Drop for PendingLogEntry {
    fn drop(&mut self) {
        self.entry.duration = self.started.elapsed();
        (self.on_response)(self.entry.clone());
    }
}
