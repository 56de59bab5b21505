//! The credentials for registries: the files of Docker and podman, credential helpers, login and logout.
//!
//! A [`CredentialStore`] looks up the credentials of one user, from the given [`CredentialLocations`] and helpers. It
//! blocks. For pulls it implements [`CredentialProvider`](windlass_registry::CredentialProvider), which does not.
//!
//! Rules that hold everywhere in this crate:
//! - Nothing here reads the environment: the caller passes the locations and the home directory as values.
//! - Credentials that exist but cannot be used are an error. A request is not sent anonymously because a helper
//!   failed (D9).
//! - A helper is a program that the user has configured. It is looked up by name in absolute directories, runs
//!   without a shell and with limits on its time and output, and is killed together with its children (D10, T30).
//! - No secret appears in an error, in `Debug` output, or in the arguments of a program (D11, I7).
//! - A file is replaced atomically, and everything in it that is not for the host stays unchanged.

mod edit;
mod entry;
mod file;
mod file_format;
mod helper;
mod json_object;
mod key;
mod locations;
mod login;
mod parse_error;
mod process;
mod provider;
mod rewrite;
mod single_flight;
mod store;

pub use entry::{LoginCredentials, LoginSecret};
pub use file::{ConfiguredHelper, CredentialEntry, CredentialFile};
pub use file_format::CredentialFileFormat;
pub use helper::{CredentialHelper, HelperError, HelperSettings};
pub use locations::{CredentialLocation, CredentialLocations, CredentialReadError};
pub use login::{CredentialStoreError, ErasedLogin, StoredLogin};
pub use parse_error::CredentialParseError;
pub use store::{CredentialSource, CredentialStore, LookupError};
