//! Drops large values on a blocking thread.

use std::ops::Deref;

use tokio::runtime::Handle;
use tokio::sync::watch;

/// A value that is dropped on a thread that may block, because dropping it removes files.
#[derive(Debug)]
pub(crate) struct BlockingDrop<T: Send + 'static> {
    /// Taken when it is dropped.
    value: Option<T>,
    not_over: watch::Receiver<()>,
}

impl<T: Send + 'static> BlockingDrop<T> {
    /// Keeps `value`; until it is gone, `over` has a receiver more.
    pub(crate) fn new(value: T, over: &watch::Sender<()>) -> Self {
        Self {
            value: Some(value),
            not_over: over.subscribe(),
        }
    }
}

impl<T: Send + 'static> Deref for BlockingDrop<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.value.as_ref().expect("it is taken in the end only")
    }
}

impl<T: Send + 'static> Drop for BlockingDrop<T> {
    fn drop(&mut self) {
        let (value, not_over) = (self.value.take(), self.not_over.clone());
        let gone = move || {
            drop(value);
            drop(not_over);
        };
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(gone)),
            Err(_) => gone(),
        }
    }
}
