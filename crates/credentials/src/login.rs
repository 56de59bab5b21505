//! LoginCredentials and logout: what is kept for the next time, and where.

use std::io;
use std::path::PathBuf;

use windlass_oci::text::{Sanitized, sanitize};

use crate::edit;
use crate::entry::{LoginCredentials, Unfit};
use crate::file::{CredentialFile, CredentialFileFormat};
use crate::helper::HelperError;
use crate::key::is_sound_host;
use crate::keys::CredentialStore;
use crate::places::{self, CredentialLocation, CredentialReadError};
use crate::rewrite::{RewriteError, rewrite};

/// Where a login is kept now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredLogin {
    /// The file; with a helper, it only says that there is a login.
    pub file: PathBuf,
    /// What the name of the helper that keeps the secret has behind `docker-credential-`.
    pub helper: Option<Sanitized>,
}

/// What a logout removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErasedLogin {
    /// The file that logins are kept in.
    pub file: PathBuf,
    /// The keys that it had for the host.
    pub keys: Vec<String>,
    /// The helper that was asked to forget the host, unless it says that it had nothing.
    pub helper: Option<Sanitized>,
}

/// Why a login or a logout came to nothing. Holds no secret.
#[derive(Debug, thiserror::Error)]
pub enum CredentialStoreError {
    /// There is no home directory, and no file was named.
    #[error(
        "there is no place for credentials: neither a file was named, nor is there a home directory"
    )]
    NoPlace,
    /// Not a host, or one that could be taken for something else (D10).
    #[error("{host:?} is not a registry's host")]
    Host {
        /// The host.
        host: Sanitized,
    },
    /// Docker could not read it.
    #[error("the user name is empty, or has a colon or a control character in it")]
    Username,
    /// No registry could be told.
    #[error("the password or token has a control character in it, or is an empty token")]
    Secret,
    /// The file is of no use as it is.
    #[error(transparent)]
    File(CredentialReadError),
    /// The helper did not do it.
    #[error("having docker-credential-{name}, which {} names, {action} the credentials of {host}", .path.display())]
    Helper {
        /// What the program's name has behind `docker-credential-`.
        name: Sanitized,
        /// The file that names it.
        path: PathBuf,
        /// `store` or `erase`.
        action: &'static str,
        /// The host.
        host: Sanitized,
        /// What happened.
        source: HelperError,
    },
    /// It is a directory, a pipe or a device.
    #[error("{} is not a file", .path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// The file cannot be replaced; it is as it was.
    #[error("cannot replace {}", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Other programs changed the file each time it was about to be replaced.
    #[error("{} is being changed all the time", .path.display())]
    Contended {
        /// The file.
        path: PathBuf,
    },
}

/// The file that logins are kept in.
struct Home {
    path: PathBuf,
    format: CredentialFileFormat,
    /// The helper that it names for the host.
    helper: Option<String>,
}

impl CredentialStore {
    /// Keeps `login` for `host` (`host` or `host:port`, `docker.io` for Docker Hub), in place of what was there.
    ///
    /// It goes into the file that the user named, else Docker's `config.json`, which is made if it is
    /// missing; if that file names a helper for the host, the helper keeps the secret.
    /// [`Self::source_of`] tells whether another place, such as `DOCKER_AUTH_CONFIG`, is asked before.
    pub fn store(
        &self,
        host: &str,
        login: &LoginCredentials,
    ) -> Result<StoredLogin, CredentialStoreError> {
        login.check().map_err(CredentialStoreError::from)?;
        let home = self.home_of(host)?;
        if let Some(name) = &home.helper {
            let helper = self.shared.helpers.find(name);
            helper
                .and_then(|helper| helper.store(host, login))
                .map_err(|source| home.helper_failed(name, "store", host, source))?;
        }
        let kept = Some(login).filter(|_| home.helper.is_none());
        let written = rewrite(&home.path, |bytes| {
            edit::put(bytes, home.format, host, kept).map(Some)
        });
        self.forget();
        written?;
        let helper = home.helper.as_deref().map(sanitize);
        Ok(StoredLogin {
            file: home.path,
            helper,
        })
    }

    /// Removes what [`Self::store`] keeps for `host`, under all keys that mean this host; other places are
    /// left alone, and [`Self::source_of`] tells whether they have something.
    pub fn erase(&self, host: &str) -> Result<ErasedLogin, CredentialStoreError> {
        let home = self.home_of(host)?;
        let mut keys = Vec::new();
        // First what is in the open, even if the helper fails then.
        let written = rewrite(&home.path, |bytes| {
            let taken = edit::take(bytes, home.format, host)?;
            keys.clear();
            Ok(taken.map(|taken| {
                keys = taken.keys;
                taken.bytes
            }))
        });
        self.forget();
        written?;
        let mut asked = None;
        if let Some(name) = &home.helper {
            let helper = self.shared.helpers.find(name);
            let had_it = helper
                .and_then(|helper| helper.erase(host))
                .map_err(|source| home.helper_failed(name, "erase", host, source))?;
            asked = had_it.then(|| sanitize(name));
        }
        Ok(ErasedLogin {
            file: home.path,
            keys,
            helper: asked,
        })
    }

    fn home_of(&self, host: &str) -> Result<Home, CredentialStoreError> {
        if !is_sound_host(host) {
            return Err(CredentialStoreError::Host {
                host: sanitize(host),
            });
        }
        let place = self.shared.places.for_login();
        let (path, format) = place.ok_or(CredentialStoreError::NoPlace)?;
        let bytes = places::read(&path).map_err(CredentialStoreError::File)?;
        let file = CredentialFile::parse(format, &bytes.unwrap_or_default());
        let file = file.map_err(|source| {
            let place = CredentialLocation::File(path.clone());
            CredentialStoreError::File(CredentialReadError::Broken { place, source })
        })?;
        let helper = file.helper_for(host).map(|helper| helper.name.to_owned());
        Ok(Home {
            path,
            format,
            helper,
        })
    }
}

impl ErasedLogin {
    /// Tells whether there was nothing to remove.
    pub fn is_nothing(&self) -> bool {
        self.keys.is_empty() && self.helper.is_none()
    }
}

impl Home {
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

impl From<Unfit> for CredentialStoreError {
    fn from(unfit: Unfit) -> Self {
        match unfit {
            Unfit::Username => Self::Username,
            Unfit::Secret => Self::Secret,
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
