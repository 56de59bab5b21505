//! The stream in which something long is told to one client.
//!
//! # Invariants
//! - What is told never waits for the client: it is queued, and a count replaces the one before it. The queue holds at
//!   most a few lines a layer, however slow the client is.
//! - Every step is told, in order. Of counts, the latest is.
//! - A client that leaves is noticed at once, by [`MessageStream::closed`].

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::time;
use windlass_engine_api::ProgressMessage;

use crate::body::{Body, Chunks};

/// MessageQueue that wait to be sent. Clones are the same queue.
#[derive(Clone, Debug, Default)]
pub(crate) struct MessageQueue(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    waiting: Mutex<VecDeque<Line>>,
    grown: Notify,
}

#[derive(Debug)]
struct Line {
    message: ProgressMessage,
    is_count: bool,
}

/// The client's end of the queue.
#[derive(Debug)]
pub(crate) struct MessageStream {
    lines: MessageQueue,
    pieces: Chunks,
}

/// How long a client that reads nothing is waited for when all is said.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long lines are gathered: counts come at most that often (PG-2).
const GATHER: Duration = Duration::from_millis(50);

impl MessageQueue {
    /// Tells a step.
    pub(crate) fn push(&self, message: ProgressMessage) {
        let is_count = false;
        self.waiting().push_back(Line { message, is_count });
        self.0.grown.notify_one();
    }

    /// Tells how far the layer `id` is, in place of what was told of it and is not sent yet.
    pub(crate) fn count(&self, id: &str, words: &str, current: u64, total: u64) {
        let line = Line {
            message: ProgressMessage::progress(id, words, current, total),
            is_count: true,
        };
        let mut waiting = self.waiting();
        let of_layer = |line: &&mut Line| line.message.id.as_deref() == Some(id);
        match waiting.iter_mut().rev().find(of_layer) {
            Some(last) if last.is_count && last.message.status == line.message.status => {
                *last = line;
            }
            _ => waiting.push_back(line),
        }
        drop(waiting);
        self.0.grown.notify_one();
    }

    /// Waits until there is something to tell.
    pub(crate) async fn begun(&self) {
        while self.is_empty() {
            self.0.grown.notified().await;
        }
    }

    /// Takes what waits, as it goes over the wire.
    pub(crate) fn take(&self) -> Bytes {
        let lines = std::mem::take(&mut *self.waiting());
        let lines = lines.into_iter().flat_map(|line| line.message.line());
        lines.collect::<Vec<_>>().into()
    }

    fn is_empty(&self) -> bool {
        self.waiting().is_empty()
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, VecDeque<Line>> {
        self.0
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl MessageStream {
    /// Makes the body that `lines` are sent in.
    pub(crate) fn new(lines: MessageQueue) -> (Self, Body) {
        let (pieces, body) = Body::pieces();
        (Self { lines, pieces }, body)
    }

    /// Waits until the client has left.
    pub(crate) async fn closed(&self) {
        self.pieces.closed().await;
    }

    /// Sends lines as they come, as fast as the client reads. Ends when the client has left.
    pub(crate) async fn run(&self) {
        loop {
            if self.lines.is_empty() {
                tokio::select! {
                    () = self.lines.0.grown.notified() => {}
                    () = self.pieces.closed() => return,
                }
                time::sleep(GATHER).await;
            }
            let Ok(permit) = self.pieces.reserve().await else {
                return;
            };
            let piece = self.lines.take();
            if !piece.is_empty() {
                permit.send(Ok(piece));
            }
        }
    }

    /// Sends what is left, and ends the body.
    pub(crate) async fn finish(self) {
        let rest = self.lines.take();
        if !rest.is_empty() {
            // One that has left, or reads nothing any more, does not learn how it ended.
            let _gone = time::timeout(PATIENCE, self.pieces.send(Ok(rest))).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(lines: &MessageQueue) -> String {
        String::from_utf8(lines.take().to_vec()).unwrap()
    }

    #[test]
    fn counts_replace_counts_and_nothing_else() {
        let lines = MessageQueue::default();
        lines.push(ProgressMessage::about("a", "Waiting"));
        lines.count("a", "Downloading", 1, 9);
        lines.count("b", "Downloading", 5, 9);
        lines.count("a", "Downloading", 2, 9);
        lines.push(ProgressMessage::about("a", "Download complete"));
        lines.count("a", "Extracting", 3, 9);
        let told = told(&lines);
        let words: Vec<_> = told.lines().collect();
        assert_eq!(words.len(), 5, "{told}");
        assert!(words[1].contains("\"current\":2"), "{told}");
        assert!(words[3].contains("Download complete"), "{told}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_read_keeps_nobody_waiting() {
        let lines = MessageQueue::default();
        let (feed, _body) = MessageStream::new(lines.clone());
        let running = tokio::spawn(async move { feed.run().await });
        for round in 0..10_000 {
            lines.count("a", "Downloading", round, 10_000);
            tokio::task::yield_now().await;
        }
        time::sleep(Duration::from_secs(5)).await;
        lines.count("a", "Downloading", 10_000, 10_000);
        assert!(lines.waiting().len() <= 1);
        running.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn who_leaves_is_noticed() {
        let (feed, body) = MessageStream::new(MessageQueue::default());
        drop(body);
        feed.closed().await;
        feed.run().await;
    }
}
