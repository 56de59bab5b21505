//! What to do about logins that cannot be kept, or forgotten.

use windlass_credentials::CredentialStoreError;

use super::{Advice, of_disk};

pub(super) fn of_keep(error: &CredentialStoreError) -> Advice {
    match error {
        CredentialStoreError::NoFile => {
            Advice::hint("credentials", "set HOME, or name a file with --authfile")
        }
        CredentialStoreError::Host { .. }
        | CredentialStoreError::Username
        | CredentialStoreError::Secret => Advice::code("credentials"),
        CredentialStoreError::File(_) | CredentialStoreError::NotAFile { .. } => Advice::hint(
            "credentials",
            "correct that file, or name another one with --authfile",
        ),
        CredentialStoreError::Helper { name, path, .. } => Advice::hint(
            "credential_helper",
            format!(
                "see what `docker-credential-{name} list` says, or take it out of {}",
                path.display()
            ),
        ),
        CredentialStoreError::Write { .. } => match of_disk(error, false, "credentials") {
            advice @ Advice { hint: None, .. } => advice,
            // Not the store's disk.
            advice => Advice::hint(advice.code, "name another file with --authfile"),
        },
        CredentialStoreError::Contended { .. } => Advice::hint("credentials", "try again"),
    }
}
