//! The progress messages of one streamed response.
//!
//! # Invariants
//! - A slow client delays nothing: messages are queued, and a message about progress replaces the one before it. The
//!   queue holds at most a few messages for each layer.
//! - Every status message is sent, in order. Of the progress of a layer, the latest is sent.
//! - [`MessageSender::closed`] returns as soon as the client disconnects. A client that reads nothing is disconnected by
//!   the write timeout of its connection.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::time;
use windlass_docker_api::ProgressMessage;

use crate::body::{ApiBody, ChunkSender};

/// The messages that wait to be sent. Clones share one queue.
#[derive(Clone, Debug, Default)]
pub(crate) struct MessageQueue(Arc<QueueState>);

#[derive(Debug, Default)]
struct QueueState {
    waiting: Mutex<VecDeque<QueuedMessage>>,
    grown: Notify,
}

#[derive(Debug)]
struct QueuedMessage {
    message: ProgressMessage,
    is_progress: bool,
}

/// The sender of the queue to one client.
#[derive(Debug)]
pub(crate) struct MessageSender {
    queue: MessageQueue,
    chunks: ChunkSender,
}

/// How long messages are collected before they are sent: progress is sent at most this often (PG-2).
const BATCH: Duration = Duration::from_millis(50);

impl MessageQueue {
    /// Queues a status message.
    pub(crate) fn push(&self, message: ProgressMessage) {
        let is_progress = false;
        self.waiting().push_back(QueuedMessage {
            message,
            is_progress,
        });
        self.0.grown.notify_one();
    }

    /// Queues the progress of the layer `id`, in place of progress with the same status that is not sent yet.
    pub(crate) fn push_progress(&self, id: &str, status: &str, current: u64, total: u64) {
        let queued = QueuedMessage {
            message: ProgressMessage::progress(id, status, current, total),
            is_progress: true,
        };
        let mut waiting = self.waiting();
        let is_of_layer = |queued: &&mut QueuedMessage| queued.message.id.as_deref() == Some(id);
        match waiting.iter_mut().rev().find(is_of_layer) {
            Some(last) if last.is_progress && last.message.status == queued.message.status => {
                *last = queued;
            }
            _ => waiting.push_back(queued),
        }
        drop(waiting);
        self.0.grown.notify_one();
    }

    /// Waits until the queue has a message.
    pub(crate) async fn wait_nonempty(&self) {
        while self.is_empty() {
            self.0.grown.notified().await;
        }
    }

    /// Removes all messages, and returns them as lines of JSON.
    pub(crate) fn take(&self) -> Bytes {
        let messages = std::mem::take(&mut *self.waiting());
        let lines = messages
            .into_iter()
            .flat_map(|queued| queued.message.to_line());
        lines.collect::<Vec<_>>().into()
    }

    fn is_empty(&self) -> bool {
        self.waiting().is_empty()
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, VecDeque<QueuedMessage>> {
        self.0
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl MessageSender {
    /// Returns the sender of `queue`, and the body that it sends.
    pub(crate) fn new(queue: MessageQueue) -> (Self, ApiBody) {
        let (chunks, body) = ApiBody::chunks();
        (Self { queue, chunks }, body)
    }

    /// Waits until the client disconnects.
    pub(crate) async fn closed(&self) {
        self.chunks.closed().await;
    }

    /// Sends messages as they are queued, as fast as the client reads, until the client disconnects.
    pub(crate) async fn run(&self) {
        loop {
            if self.queue.is_empty() {
                tokio::select! {
                    () = self.queue.0.grown.notified() => {}
                    () = self.chunks.closed() => return,
                }
                time::sleep(BATCH).await;
            }
            let Ok(permit) = self.chunks.reserve().await else {
                return;
            };
            let chunk = self.queue.take();
            if !chunk.is_empty() {
                permit.send(Ok(chunk));
            }
        }
    }

    /// Sends the rest of the queue, and ends the body.
    pub(crate) async fn finish(self) {
        let rest = self.queue.take();
        if !rest.is_empty() {
            // An error means that the client has disconnected.
            drop(self.chunks.send(Ok(rest)).await);
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    /// The status of each message, with its progress.
    fn take(queue: &MessageQueue) -> Vec<String> {
        statuses(&queue.take())
    }

    fn statuses(lines: &[u8]) -> Vec<String> {
        let lines = std::str::from_utf8(lines).unwrap().lines();
        let status = |line: &str| {
            let message: ProgressMessage = serde_json::from_str(line).unwrap();
            let (id, status) = (message.id.unwrap(), message.status.unwrap());
            let current = message.progress_detail.map_or(0, |detail| detail.current);
            format!("{id} {status} {current}")
        };
        lines.map(status).collect()
    }

    #[test]
    fn progress_replaces_progress_of_the_same_status_only() {
        let queue = MessageQueue::default();
        queue.push(ProgressMessage::about("a", "Waiting"));
        queue.push_progress("a", "Downloading", 1, 9);
        queue.push_progress("b", "Downloading", 5, 9);
        queue.push_progress("a", "Downloading", 2, 9);
        queue.push(ProgressMessage::about("a", "Download complete"));
        queue.push_progress("a", "Extracting", 3, 9);
        let expected = [
            "a Waiting 0",
            "a Downloading 2",
            "b Downloading 5",
            "a Download complete 0",
            "a Extracting 3",
        ];
        assert_eq!(take(&queue), expected);
    }

    #[tokio::test(start_paused = true)]
    async fn the_queue_of_a_client_that_does_not_read_stays_short() {
        let queue = MessageQueue::default();
        let (sender, mut body) = MessageSender::new(queue.clone());
        let running = tokio::spawn(async move { sender.run().await });
        for current in 1..=1000 {
            queue.push_progress("a", "Downloading", current, 1000);
            time::sleep(BATCH).await;
        }
        running.abort();
        drop(running.await);
        assert!(queue.waiting().len() <= 1);
        // The first messages fill the body, and the last one is still in the queue.
        let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(statuses(&first), ["a Downloading 1"]);
        assert_eq!(take(&queue), ["a Downloading 1000"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_disconnects_ends_the_stream() {
        let queue = MessageQueue::default();
        let (sender, body) = MessageSender::new(queue.clone());
        let running = tokio::spawn(async move {
            tokio::join!(sender.closed(), sender.run());
        });
        let long = Duration::from_secs(3600);
        time::sleep(long).await;
        assert!(!running.is_finished());
        drop(body);
        let ended = time::timeout(long, running).await;
        ended.unwrap().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn the_rest_is_sent_at_the_end() {
        let queue = MessageQueue::default();
        let (sender, body) = MessageSender::new(queue.clone());
        queue.push(ProgressMessage::about("a", "Pull complete"));
        let (all, ()) = tokio::join!(body.collect(), sender.finish());
        let all = all.unwrap().to_bytes();
        assert_eq!(statuses(&all), ["a Pull complete 0"]);
    }
}
