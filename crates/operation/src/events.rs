//! The queue between work and the receiver of its events.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// Something that work reports while it runs.
pub trait Event: Send + 'static {
    /// Makes this event, which was not received yet, stand for itself and the `later` one, if they count the same
    /// thing.
    fn merge(&mut self, later: &Self) -> Merge
    where
        Self: Sized,
    {
        let _ = later;
        Merge::Ordered
    }
}

/// How two events relate to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Merge {
    /// The earlier event now stands for both.
    Merged,
    /// They are about different things: the later one may be merged with an event before the earlier one.
    Unrelated,
    /// The later event has to arrive after the earlier one.
    Ordered,
}

/// The sending end of an operation's events. Sending never waits and never fails: events that nothing receives are
/// dropped.
pub struct EventSender<E>(Arc<Mutex<Queue<E>>>);

/// The receiving end of an operation's events.
pub struct EventReceiver<E>(Arc<Mutex<Queue<E>>>);

struct Queue<E> {
    events: VecDeque<E>,
    senders: usize,
    has_receiver: bool,
    /// Woken when an event or the end comes.
    waker: Option<Waker>,
}

/// Work without events.
impl Event for Infallible {}

impl<E: Event> EventSender<E> {
    /// Makes a queue and returns its two ends.
    pub fn channel() -> (Self, EventReceiver<E>) {
        let queue = Arc::new(Mutex::new(Queue {
            events: VecDeque::new(),
            senders: 1,
            has_receiver: true,
            waker: None,
        }));
        (Self(Arc::clone(&queue)), EventReceiver(queue))
    }

    /// Sends an event.
    pub fn send(&self, event: E) {
        let waker = {
            let mut queue = lock(&self.0);
            if !queue.has_receiver {
                return;
            }
            queue.add(event);
            queue.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<E: Event> Queue<E> {
    fn add(&mut self, event: E) {
        for earlier in self.events.iter_mut().rev() {
            match earlier.merge(&event) {
                Merge::Merged => return,
                Merge::Unrelated => {}
                Merge::Ordered => break,
            }
        }
        self.events.push_back(event);
    }
}

impl<E> EventReceiver<E> {
    /// Waits for the next event; `None` when there are no more senders.
    pub async fn next(&mut self) -> Option<E> {
        poll_fn(|context| self.poll_next(context)).await
    }

    /// Polls for the next event; `None` when there are no more senders.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<E>> {
        let mut queue = lock(&self.0);
        match queue.events.pop_front() {
            Some(event) => Poll::Ready(Some(event)),
            None if queue.senders == 0 => Poll::Ready(None),
            None => {
                queue.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }

    /// Returns the next event if there is one already.
    pub fn try_next(&mut self) -> Option<E> {
        lock(&self.0).events.pop_front()
    }
}

fn lock<E>(queue: &Mutex<Queue<E>>) -> MutexGuard<'_, Queue<E>> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<E> Clone for EventSender<E> {
    fn clone(&self) -> Self {
        lock(&self.0).senders += 1;
        Self(Arc::clone(&self.0))
    }
}

impl<E> Drop for EventSender<E> {
    fn drop(&mut self) {
        let waker = {
            let mut queue = lock(&self.0);
            queue.senders -= 1;
            match queue.senders {
                0 => queue.waker.take(),
                _ => None,
            }
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<E> Drop for EventReceiver<E> {
    fn drop(&mut self) {
        let events = {
            let mut queue = lock(&self.0);
            queue.has_receiver = false;
            std::mem::take(&mut queue.events)
        };
        drop(events);
    }
}

impl<E> fmt::Debug for EventSender<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventSender").finish_non_exhaustive()
    }
}

impl<E> fmt::Debug for EventReceiver<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventReceiver").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq)]
    enum Step {
        Begin(char),
        Count(char, u64),
    }

    impl Event for Step {
        fn merge(&mut self, later: &Self) -> Merge {
            match (self, later) {
                (Self::Count(a, count), Self::Count(b, more)) if a == b => {
                    *count += more;
                    Merge::Merged
                }
                (Self::Begin(a) | Self::Count(a, _), Self::Begin(b) | Self::Count(b, _)) => {
                    match a == b {
                        true => Merge::Ordered,
                        false => Merge::Unrelated,
                    }
                }
            }
        }
    }

    #[test]
    fn counts_that_were_not_received_are_merged_and_order_is_kept() {
        use Step::{Begin, Count};
        let (sender, mut receiver) = EventSender::channel();
        let sent = [
            Begin('a'),
            Count('a', 1),
            Begin('b'),
            Count('a', 2),
            Begin('a'),
            Count('a', 4),
            Count('b', 8),
            Count('a', 16),
        ];
        for step in sent {
            sender.send(step);
        }
        let received: Vec<_> = std::iter::from_fn(|| receiver.try_next()).collect();
        assert_eq!(
            received,
            [
                Begin('a'),
                Count('a', 3),
                Begin('b'),
                Begin('a'),
                Count('a', 20),
                Count('b', 8),
            ]
        );
        sender.send(Count('a', 1));
        assert_eq!(receiver.try_next(), Some(Count('a', 1)));
    }

    #[tokio::test]
    async fn the_receiver_ends_with_the_last_sender() {
        let (sender, mut receiver) = EventSender::<Step>::channel();
        let other = sender.clone();
        drop(sender);
        let receiving = tokio::spawn(async move { (receiver.next().await, receiver.next().await) });
        tokio::task::yield_now().await;
        other.send(Step::Begin('a'));
        drop(other);
        let received = receiving.await.expect("the task does not panic");
        assert_eq!(received, (Some(Step::Begin('a')), None));
    }
}
