//! Queries of registries that a signal interrupts.

use std::path::Path;
use std::sync::Arc;

use tokio::runtime::{Builder, Runtime};
use windlass::error::PullError;
use windlass::image::Reference;
use windlass::registry::{Caller, CredentialScope, Remote};
use windlass_credentials::CredentialStore;
use windlass_error_report::{LoginState, OperationError, RegistryAction};

use crate::context::Context;
use crate::error::Error;
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
    let response = runtime()?.block_on(async {
        tokio::select! {
            biased;
            signal = signals.first() => Err(signal),
            response = request => Ok(response),
        }
    });
    match response {
        Ok(Ok(response)) => Ok(QueryOutcome::Response(response)),
        Ok(Err(source)) => Err(OperationError::Registry {
            action,
            reference: reference.clone(),
            login: login_state(&credentials, reference),
            source: Box::new(source),
        }
        .into()),
        Err(signal) => {
            note("Stopped.");
            Ok(QueryOutcome::Interrupted(signal))
        }
    }
}

/// Returns which credentials the user has for the repository of `reference`.
pub(super) fn login_state(credentials: &CredentialStore, reference: &Reference) -> LoginState {
    let repository = reference.repository();
    let scope = CredentialScope {
        host: repository.registry().to_owned(),
        repository: repository.path().to_owned(),
    };
    LoginState::from(credentials.source_of(&scope))
}

/// Creates a runtime that uses only the current thread.
pub(crate) fn runtime() -> Result<Runtime, Error> {
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.map_err(Error::Runtime)
}
