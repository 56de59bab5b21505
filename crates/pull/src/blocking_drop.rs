//! Drops large values on a blocking thread.

use std::ops::Deref;

use tokio::runtime::Handle;
use tokio::sync::watch;

/// A value that is dropped on a blocking thread, because dropping it removes files.
#[derive(Debug)]
pub(crate) struct BlockingDrop<T: Send + 'static> {
    /// `None` only after the drop has started.
    value: Option<T>,
    pending: watch::Receiver<()>,
}

impl<T: Send + 'static> BlockingDrop<T> {
    /// Wraps `value`. Until it is dropped, `pending` has one more receiver.
    pub(crate) fn new(value: T, pending: &watch::Sender<()>) -> Self {
        Self {
            value: Some(value),
            pending: pending.subscribe(),
        }
    }
}

impl<T: Send + 'static> Deref for BlockingDrop<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.value.as_ref().expect("only drop takes the value")
    }
}

impl<T: Send + 'static> Drop for BlockingDrop<T> {
    fn drop(&mut self) {
        let (value, pending) = (self.value.take(), self.pending.clone());
        let drop_value = move || {
            drop(value);
            drop(pending);
        };
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(drop_value)),
            Err(_) => drop_value(),
        }
    }
}
