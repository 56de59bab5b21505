//! Waits for work on blocking threads.

use std::panic;

use tokio::task::{JoinError, JoinHandle};

use crate::error::{LayerError, PullError};

/// Waits for blocking work of a pull. A panic of the work is resumed.
pub(crate) async fn blocking_result<T>(
    work: JoinHandle<Result<T, PullError>>,
) -> Result<T, PullError> {
    match work.await {
        Ok(result) => result,
        Err(error) => panic::resume_unwind(error.into_panic()),
    }
}

/// Returns the result of a task of a layer's transfer. A panic of the task is resumed.
pub(crate) fn join_result<T>(
    joined: Result<Result<T, LayerError>, JoinError>,
) -> Result<T, LayerError> {
    joined.map_err(task_error)?
}

/// Resumes the panic of a task that did not end. A task without a panic was cancelled by the shutdown of the runtime.
pub(crate) fn task_error(error: JoinError) -> LayerError {
    match error.try_into_panic() {
        Ok(payload) => panic::resume_unwind(payload),
        Err(_) => LayerError::Cancelled,
    }
}
