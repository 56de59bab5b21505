//! Queries of registries that a signal interrupts.

use std::path::Path;
use std::sync::Arc;

use windlass::error::PullError;
use windlass::image::Reference;
use windlass::registry::{Caller, Remote};
use windlass_error_report::{LoginState, OperationError, RegistryAction};

use crate::context::Context;
use crate::error::Error;
use crate::operation::current_thread_runtime;
use crate::output::message::note;
use crate::signals::{Signal, Signals};

/// The result of a query.
pub(super) enum QueryOutcome<T> {
    /// The registry responded.
    Response(T),
    /// A signal arrived first; a note about it was printed.
    Interrupted(Signal),
}

/// Sends a query about `reference` to its registry or mirrors, with the credentials of the user.
pub(super) fn query<T, F>(
    context: &Context<'_>,
    authfile: Option<&Path>,
    action: RegistryAction,
    reference: &Reference,
    start: impl FnOnce(Remote, Caller) -> F,
) -> Result<QueryOutcome<T>, Error>
where
    F: Future<Output = Result<T, PullError>>,
{
    let credentials = context.credentials(authfile);
    let request = start(
        context.remote()?,
        Caller::new(Arc::new(credentials.clone())),
    );
    let signals = Signals::watch().map_err(Error::Runtime)?;
    let response = current_thread_runtime()?.block_on(signals.interruptible(request));
    match response {
        Ok(Ok(response)) => Ok(QueryOutcome::Response(response)),
        Ok(Err(source)) => Err(OperationError::Registry {
            action,
            reference: reference.clone(),
            login: LoginState::find(&credentials, reference),
            source: Box::new(source),
        }
        .into()),
        Err(signal) => {
            note("Stopped.");
            Ok(QueryOutcome::Interrupted(signal))
        }
    }
}
