//! The door for pulls: lookups that do not block.

use std::pin::Pin;
use std::sync::Arc;

use tokio::task::spawn_blocking;
use windlass_registry::{CredentialError, CredentialProvider, CredentialScope, Credentials};

use crate::keys::CredentialStore;

/// Why a lookup has no result at all.
#[derive(Debug, thiserror::Error)]
#[error("looking up credentials was stopped")]
struct Stopped(#[source] tokio::task::JoinError);

impl CredentialProvider for CredentialStore {
    /// Looks credentials up on a thread that may block. Dropping the future ends a helper for which nobody
    /// else waits.
    fn credentials<'a>(
        &'a self,
        door: &'a CredentialScope,
    ) -> Pin<Box<dyn Future<Output = Result<Credentials, CredentialError>> + Send + 'a>> {
        let asker = Arc::new(());
        let (keys, door, waiting) = (self.clone(), door.clone(), Arc::downgrade(&asker));
        Box::pin(async move {
            let lookup = spawn_blocking(move || keys.lookup_while(&door, &waiting)).await;
            drop(asker);
            match lookup {
                Ok(outcome) => outcome.map_err(CredentialError::new),
                Err(error) => Err(CredentialError::new(Stopped(error))),
            }
        })
    }
}
