//! Advice for logins that cannot be saved or removed.

use windlass_credentials::CredentialStoreError;

use super::{Advice, io_advice};
use crate::ErrorCode;

pub(crate) fn login_file_advice(error: &CredentialStoreError) -> Advice {
    match error {
        CredentialStoreError::NoFile => Advice::hint(
            ErrorCode::Credentials,
            "set HOME, or choose a file with --authfile",
        ),
        CredentialStoreError::Host { .. }
        | CredentialStoreError::Username
        | CredentialStoreError::Secret => Advice::code(ErrorCode::Credentials),
        CredentialStoreError::File(_) | CredentialStoreError::NotAFile { .. } => Advice::hint(
            ErrorCode::Credentials,
            "fix that file, or choose another one with --authfile",
        ),
        CredentialStoreError::Helper { name, path, .. } => Advice::hint(
            ErrorCode::CredentialHelper,
            format!(
                "run `docker-credential-{name} list` to check the helper, or remove it from {}",
                path.display()
            ),
        ),
        CredentialStoreError::Write { .. } => match io_advice(error, false, ErrorCode::Credentials)
        {
            advice @ Advice { hint: None, .. } => advice,
            // The hint of `io_advice` is about the store's disk.
            advice => Advice::hint(advice.code, "choose another file with --authfile"),
        },
        CredentialStoreError::Contended { .. } => Advice::hint(ErrorCode::Credentials, "try again"),
    }
}
