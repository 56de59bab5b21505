//! What to do about logins that cannot be kept, or forgotten.

use windlass_credentials::LoginError;

use super::{Advice, of_disk};

pub(super) fn of_keep(error: &LoginError) -> Advice {
    match error {
        LoginError::NoPlace => {
            Advice::hint("credentials", "set HOME, or name a file with --authfile")
        }
        LoginError::Host { .. } | LoginError::Username | LoginError::Secret => {
            Advice::code("credentials")
        }
        LoginError::File(_) | LoginError::NotAFile { .. } => Advice::hint(
            "credentials",
            "correct that file, or name another one with --authfile",
        ),
        LoginError::Helper { name, path, .. } => Advice::hint(
            "credential_helper",
            format!(
                "see what `docker-credential-{name} list` says, or take it out of {}",
                path.display()
            ),
        ),
        LoginError::Write { .. } => match of_disk(error, false, "credentials") {
            advice @ Advice { hint: None, .. } => advice,
            // Not the store's disk.
            advice => Advice::hint(advice.code, "name another file with --authfile"),
        },
        LoginError::Contended { .. } => Advice::hint("credentials", "try again"),
    }
}
