//! Stores logins, and removes them.

use std::io;
use std::path::PathBuf;

use windlass_oci::text::{Sanitized, sanitize};

use crate::edit;
use crate::entry::{InvalidLogin, LoginCredentials};
use crate::file::CredentialFile;
use crate::file_format::CredentialFileFormat;
use crate::helper::HelperError;
use crate::key::is_valid_host;
use crate::locations::{self, CredentialLocation, CredentialReadError};
use crate::rewrite::{RewriteError, rewrite};
use crate::store::CredentialStore;

/// Where a login has been stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredLogin {
    /// The file. If a helper stores the secret, the file only has an empty entry.
    pub file: PathBuf,
    /// The helper that stores the secret, without `docker-credential-`.
    pub helper: Option<Sanitized>,
}

/// The result of a logout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErasedLogin {
    /// The file in which logins are stored.
    pub file: PathBuf,
    /// The keys of the removed entries.
    pub keys: Vec<String>,
    /// The helper that removed the login, unless it reported that it had none.
    pub helper: Option<Sanitized>,
}

/// The reason why a login could not be stored or removed. It contains no secret.
#[derive(Debug, thiserror::Error)]
pub enum CredentialStoreError {
    /// No file is configured, and there is no home directory.
    #[error("no credential file is configured, and there is no home directory")]
    NoFile,
    /// The host is invalid (D10).
    #[error("{host:?} is not a registry's host")]
    Host {
        /// The host.
        host: Sanitized,
    },
    /// The user name cannot be stored in Docker's format.
    #[error("the user name is empty or contains a colon or a control character")]
    Username,
    /// The password or token cannot be stored.
    #[error("the password or token contains a control character, or the token is empty")]
    Secret,
    /// The file cannot be used.
    #[error(transparent)]
    File(CredentialReadError),
    /// A helper failed.
    #[error("cannot {action} the credentials for {host} with docker-credential-{name}, configured in {}", .path.display())]
    Helper {
        /// The name of the program without `docker-credential-`.
        name: Sanitized,
        /// The file that configures the helper.
        path: PathBuf,
        /// `store` or `erase`.
        action: &'static str,
        /// The host.
        host: Sanitized,
        /// The error of the helper.
        source: HelperError,
    },
    /// The path is a directory, a fifo or a device.
    #[error("{} is not a file", .path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// The file could not be replaced. It is unchanged.
    #[error("cannot replace {}", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// Other programs changed the file during every attempt.
    #[error("{} keeps being changed by other programs", .path.display())]
    Contended {
        /// The file.
        path: PathBuf,
    },
}

/// The file in which logins are stored.
struct LoginFile {
    path: PathBuf,
    format: CredentialFileFormat,
    /// The helper that the file configures for the host.
    helper: Option<String>,
}

impl CredentialStore {
    /// Stores `login` for `host`, which has the form `host` or `host:port` (`docker.io` for Docker Hub). Replaces the
    /// previous login.
    ///
    /// The login is stored in the configured file, or else in Docker's `config.json`, which is created if it is
    /// missing. If that file configures a helper for the host, the helper stores the secret. [`Self::source_of`]
    /// returns another location, such as `DOCKER_AUTH_CONFIG`, if that one takes precedence.
    pub fn store(
        &self,
        host: &str,
        login: &LoginCredentials,
    ) -> Result<StoredLogin, CredentialStoreError> {
        login.check().map_err(CredentialStoreError::from)?;
        let target = self.login_file(host)?;
        if let Some(name) = &target.helper {
            let helper = self.shared.helpers.find(name);
            helper
                .and_then(|helper| helper.store(host, login))
                .map_err(|source| target.helper_failed(name, "store", host, source))?;
        }
        let plain_login = Some(login).filter(|_| target.helper.is_none());
        let written = rewrite(&target.path, |bytes| {
            edit::set_entry(bytes, target.format, host, plain_login).map(Some)
        });
        self.clear_cache();
        written?;
        let helper = target.helper.as_deref().map(sanitize);
        Ok(StoredLogin {
            file: target.path,
            helper,
        })
    }

    /// Removes what [`Self::store`] has stored for `host`, under all keys of the host. Other locations are unchanged;
    /// [`Self::source_of`] returns whether they have credentials.
    pub fn erase(&self, host: &str) -> Result<ErasedLogin, CredentialStoreError> {
        let target = self.login_file(host)?;
        let mut keys = Vec::new();
        // The entries first, because they may contain secrets in plain text and the helper may fail.
        let written = rewrite(&target.path, |bytes| {
            let removed = edit::remove_entries(bytes, target.format, host)?;
            keys.clear();
            Ok(removed.map(|removed| {
                keys = removed.keys;
                removed.bytes
            }))
        });
        self.clear_cache();
        written?;
        let mut erased_by = None;
        if let Some(name) = &target.helper {
            let helper = self.shared.helpers.find(name);
            let had_login = helper
                .and_then(|helper| helper.erase(host))
                .map_err(|source| target.helper_failed(name, "erase", host, source))?;
            erased_by = had_login.then(|| sanitize(name));
        }
        Ok(ErasedLogin {
            file: target.path,
            keys,
            helper: erased_by,
        })
    }

    fn login_file(&self, host: &str) -> Result<LoginFile, CredentialStoreError> {
        if !is_valid_host(host) {
            return Err(CredentialStoreError::Host {
                host: sanitize(host),
            });
        }
        let location = self.shared.locations.for_login();
        let (path, format) = location.ok_or(CredentialStoreError::NoFile)?;
        let bytes = locations::read(&path).map_err(CredentialStoreError::File)?;
        let file = CredentialFile::parse(format, &bytes.unwrap_or_default());
        let file = file.map_err(|source| {
            let location = CredentialLocation::File(path.clone());
            CredentialStoreError::File(CredentialReadError::Broken { location, source })
        })?;
        let helper = file.helper_for(host).map(|helper| helper.name.to_owned());
        Ok(LoginFile {
            path,
            format,
            helper,
        })
    }
}

impl ErasedLogin {
    /// Returns whether there was nothing to remove.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.helper.is_none()
    }
}

impl LoginFile {
    fn helper_failed(
        &self,
        name: &str,
        action: &'static str,
        host: &str,
        source: HelperError,
    ) -> CredentialStoreError {
        CredentialStoreError::Helper {
            name: sanitize(name),
            path: self.path.clone(),
            action,
            host: sanitize(host),
            source,
        }
    }
}

impl From<InvalidLogin> for CredentialStoreError {
    fn from(invalid: InvalidLogin) -> Self {
        match invalid {
            InvalidLogin::Username => Self::Username,
            InvalidLogin::Secret => Self::Secret,
        }
    }
}

impl From<RewriteError> for CredentialStoreError {
    fn from(error: RewriteError) -> Self {
        match error {
            RewriteError::File(error) => Self::File(error),
            RewriteError::Io(path, source) => Self::Write { path, source },
            RewriteError::NotAFile(path) => Self::NotAFile { path },
            RewriteError::Contended(path) => Self::Contended { path },
        }
    }
}
