//! Asynchronous lookups for pulls.

use std::pin::Pin;
use std::sync::Arc;

use tokio::task::spawn_blocking;
use windlass_registry::{CredentialError, CredentialProvider, CredentialScope, Credentials};

use crate::store::CredentialStore;

/// The error of a lookup whose task did not complete.
#[derive(Debug, thiserror::Error)]
#[error("the lookup of credentials was interrupted")]
struct LookupInterrupted(#[source] tokio::task::JoinError);

impl CredentialProvider for CredentialStore {
    /// Looks up credentials on a blocking thread. Dropping the future kills the helper unless another lookup waits for
    /// it.
    fn credentials<'a>(
        &'a self,
        scope: &'a CredentialScope,
    ) -> Pin<Box<dyn Future<Output = Result<Credentials, CredentialError>> + Send + 'a>> {
        let waiter = Arc::new(());
        let (store, scope, weak) = (self.clone(), scope.clone(), Arc::downgrade(&waiter));
        Box::pin(async move {
            let lookup = spawn_blocking(move || store.lookup_while_waited_for(&scope, &weak)).await;
            drop(waiter);
            match lookup {
                Ok(outcome) => outcome.map_err(CredentialError::new),
                Err(error) => Err(CredentialError::new(LookupInterrupted(error))),
            }
        })
    }
}
