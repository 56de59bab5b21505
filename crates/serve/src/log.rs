//! What was answered, for those who keep a log.

use std::sync::Arc;
use std::time::{Duration, Instant};

/// A request that was answered, as far as that went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// Who asked: an address, or `unix`.
    pub peer: String,
    /// The method, as it was sent.
    pub method: String,
    /// The path and the query, as they were sent.
    pub target: String,
    /// The status of the answer.
    pub status: u16,
    /// Bytes of the body that were handed to the system.
    pub bytes: u64,
    /// Whether those were all.
    pub is_complete: bool,
    /// From the request's head to the body's last byte.
    pub duration: Duration,
}

/// Is told of every request when its answer is sent, on the runtime's thread: it must not block.
pub type OnAnswer = Arc<dyn Fn(Answered) + Send + Sync>;

/// Notes an answer while it is sent, and tells of it on drop.
pub(crate) struct Note {
    answered: Answered,
    begun: Instant,
    on_answer: OnAnswer,
}

impl Note {
    pub(crate) fn new(peer: &str, method: &str, target: &str, on_answer: OnAnswer) -> Self {
        Self {
            answered: Answered {
                peer: peer.to_owned(),
                method: method.to_owned(),
                target: target.to_owned(),
                status: 0,
                bytes: 0,
                is_complete: false,
                duration: Duration::ZERO,
            },
            begun: Instant::now(),
            on_answer,
        }
    }

    pub(crate) fn status(&mut self, status: u16) {
        self.answered.status = status;
    }

    pub(crate) fn sent(&mut self, bytes: u64, is_last: bool) {
        self.answered.bytes += bytes;
        self.answered.is_complete = is_last;
    }
}

impl Drop for Note {
    fn drop(&mut self) {
        self.answered.duration = self.begun.elapsed();
        (self.on_answer)(self.answered.clone());
    }
}
