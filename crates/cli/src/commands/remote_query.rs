//! Asks registries, until they have answered or a signal comes.

use std::path::Path;
use std::sync::Arc;

use tokio::runtime::{Builder, Runtime};
use windlass::{Caller, CredentialScope, PullError, Reference, Remote};
use windlass_credentials::CredentialStore;
use windlass_report::{LoginState, OperationError, RegistryAction};

use crate::context::{Context, note};
use crate::error::Error;
use crate::signals::{Signal, Signals};

/// How a question ended.
pub(super) enum Answer<T> {
    /// This is the answer.
    Got(T),
    /// A signal came first, which was said.
    Stopped(Signal),
}

/// Asks the registry of `reference`, or its mirrors, on behalf of the user.
pub(super) fn ask<T, F>(
    context: &Context<'_>,
    authfile: Option<&Path>,
    (action, reference): (RegistryAction, &Reference),
    question: impl FnOnce(Remote, Caller) -> F,
) -> Result<Answer<T>, Error>
where
    F: Future<Output = Result<T, PullError>>,
{
    let keys = context.keys(authfile);
    let question = question(context.remote()?, Caller::new(Arc::new(keys.clone())));
    let signals = Signals::watch().map_err(Error::Runtime)?;
    let answer = runtime()?.block_on(async {
        tokio::select! {
            biased;
            signal = signals.first() => Err(signal),
            answer = question => Ok(answer),
        }
    });
    match answer {
        Ok(Ok(answer)) => Ok(Answer::Got(answer)),
        Ok(Err(source)) => Err(OperationError::Registry {
            action,
            reference: reference.clone(),
            login: login(&keys, reference),
            source: Box::new(source),
        }
        .into()),
        Err(signal) => {
            note("Stopped.");
            Ok(Answer::Stopped(signal))
        }
    }
}

/// Returns what the user has to prove himself with where `reference` lives.
pub(super) fn login(keys: &CredentialStore, reference: &Reference) -> LoginState {
    let repository = reference.repository();
    let door = CredentialScope {
        host: repository.registry().to_owned(),
        repository: repository.path().to_owned(),
    };
    LoginState::from(keys.source_of(&door))
}

/// Makes the runtime that commands wait in: this thread is all of it.
pub(crate) fn runtime() -> Result<Runtime, Error> {
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.map_err(Error::Runtime)
}
