//! Runs the work of handlers: blocking work and operations.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt as _;
use tokio::task;
use windlass::{Event, Operation};

use crate::Daemon;
use crate::response::ApiError;

/// Runs `work` on a thread that may block on the disk.
pub(super) async fn blocking<T: Send + 'static>(
    daemon: &Arc<Daemon>,
    work: impl FnOnce(&Daemon) -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    let daemon = Arc::clone(daemon);
    match task::spawn_blocking(move || work(&daemon)).await {
        Ok(done) => done,
        Err(error) => {
            tracing::error!(%error, "a request failed because of a bug");
            Err(ApiError::bug())
        }
    }
}

/// Drives an operation. A panic becomes an error of the API.
pub(super) async fn drive<E: Event, T: Send + 'static, X: Send + 'static>(
    operation: Operation<E, T, X>,
    on_event: impl FnMut(E),
) -> Result<Result<T, X>, ApiError> {
    let driven = AssertUnwindSafe(operation.drive(on_event)).catch_unwind();
    driven.await.map_err(|_panic| {
        tracing::error!("a request failed because of a bug");
        ApiError::bug()
    })
}
