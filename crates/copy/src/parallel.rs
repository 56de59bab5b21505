//! Parallel work on threads that may block.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use windlass_operation::{Cancellation, Cancelled};

/// Calls `work` for each of `items`, on at most `concurrency` threads, until a call fails or the work is cancelled.
/// Returns the first failure, or else [`Cancelled`].
pub fn for_each_parallel<T: Sync, E: Send + From<Cancelled>>(
    items: &[T],
    concurrency: usize,
    cancellation: &Cancellation,
    work: impl Fn(&T) -> Result<(), E> + Sync,
) -> Result<(), E> {
    let next = AtomicUsize::new(0);
    let has_failed = AtomicBool::new(false);
    let first_error = Mutex::new(None);
    let run = || {
        while !has_failed.load(Ordering::Relaxed) && !cancellation.is_cancelled() {
            let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) else {
                return;
            };
            if let Err(error) = work(item) {
                has_failed.store(true, Ordering::Relaxed);
                let mut first = first_error.lock().unwrap_or_else(PoisonError::into_inner);
                first.get_or_insert(error);
            }
        }
    };
    thread::scope(|scope| {
        for _ in 1..concurrency.min(items.len()) {
            scope.spawn(run);
        }
        run();
    });
    let first = first_error.into_inner();
    match first.unwrap_or_else(PoisonError::into_inner) {
        Some(error) => Err(error),
        None if cancellation.is_cancelled() => Err(Cancelled.into()),
        None => Ok(()),
    }
}
