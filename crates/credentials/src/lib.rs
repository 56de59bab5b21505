//! Who the user is to registries: the files of Docker and podman, credential helpers, login and logout.
//!
//! [`CredentialStore`] is the door: it answers for one user, from the [`CredentialLocations`] and with the [`HelperSettings`] that it was
//! given. It blocks; for pulls it is a [`CredentialProvider`](windlass_registry::Keyring), which does not.
//!
//! Rules that hold everywhere in this crate:
//! - Nothing here reads the environment or knows a home directory: places arrive as values.
//! - What is there and cannot be used is an error, and not the same as nothing: nobody is taken for nobody
//!   because a helper failed (D9).
//! - A helper is a program of the user's, found by name in absolute directories, run without a shell, with
//!   a limit on its time and on what it prints, and ended with its children (D10, T30).
//! - No secret is in an error, in `Debug`, or among the arguments of a program (D11, I7).
//! - A file is replaced whole or not at all, and keeps every byte that is not about the host.

mod document;
mod edit;
mod entry;
mod file;
mod flight;
mod helper;
mod key;
mod keyring;
mod keys;
mod login;
mod places;
mod rewrite;
mod run;

pub use entry::{LoginCredentials, LoginSecret};
pub use file::{
    ConfiguredHelper, CredentialEntry, CredentialFile, CredentialFileFormat, CredentialParseError,
};
pub use helper::{CredentialHelper, HelperError, HelperSettings};
pub use keys::{CredentialSource, CredentialStore, LookupError};
pub use login::{CredentialStoreError, ErasedLogin, StoredLogin};
pub use places::{CredentialLocation, CredentialLocations, CredentialReadError};
