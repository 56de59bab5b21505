//! Requests of a push, and what follows from their errors.

use std::time::Duration;

use tokio::time;
use windlass_pull::Attempts;
use windlass_registry::RegistryError;

use super::target::PushTarget;
use crate::error::{CopyError, PushError};
use crate::events::CopyContext;

/// The reason why an attempt failed.
pub(super) enum AttemptError {
    /// The request to the registry failed. The error defines whether it is retried.
    Registry(RegistryError),
    /// An error that a retry does not correct.
    Permanent(CopyError),
}

impl PushTarget {
    /// Repeats a request until it succeeds, fails permanently or has no attempts left.
    pub(super) fn retry<T, F>(
        &self,
        context: &CopyContext,
        request: impl Fn() -> F,
    ) -> Result<T, CopyError>
    where
        F: Future<Output = Result<T, RegistryError>>,
    {
        let mut attempts = Attempts::new(self.retry);
        loop {
            let error = match wait(request(), context) {
                Ok(done) => return Ok(done),
                Err(AttemptError::Permanent(error)) => return Err(error),
                Err(AttemptError::Registry(error)) => error,
            };
            match attempts.pause_after(&error) {
                Some(pause) => pause_for(pause, context)?,
                None => return Err(PushError::from(error).into()),
            }
        }
    }
}

/// Blocks until the response to a request arrives, or the copy is cancelled.
pub(super) fn wait<T>(
    request: impl Future<Output = Result<T, RegistryError>>,
    context: &CopyContext,
) -> Result<T, AttemptError> {
    let response = context.wait(request).map_err(CopyError::from)?;
    Ok(response?)
}

/// Waits for `pause`, or until the copy is cancelled.
pub(super) fn pause_for(pause: Duration, context: &CopyContext) -> Result<(), CopyError> {
    Ok(context.wait(async { time::sleep(pause).await })?)
}

impl From<RegistryError> for AttemptError {
    fn from(error: RegistryError) -> Self {
        Self::Registry(error)
    }
}

impl From<CopyError> for AttemptError {
    fn from(error: CopyError) -> Self {
        Self::Permanent(error)
    }
}
