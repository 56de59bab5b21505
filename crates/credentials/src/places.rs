//! Where credential files are, and how one is read.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};
use windlass_registry::Secret;

use crate::file::{CredentialFile, CredentialFileFormat, CredentialParseError};

/// The largest credential file that is read, in bytes.
pub(crate) const LARGEST: u64 = 1 << 20;

/// Where this user may keep credentials, in the order in which they are looked for. The first that has
/// something wins.
#[derive(Clone, Debug, Default)]
pub struct CredentialLocations {
    /// A file that the user named (`--authfile`, `REGISTRY_AUTH_FILE`), in podman's format. It must be there,
    /// unless for a login, which makes it.
    pub explicit: Option<PathBuf>,
    /// The content of a file in Docker's format, as CI systems hand it over (`DOCKER_AUTH_CONFIG`).
    pub text: Option<Secret>,
    /// The directory of Docker's `config.json` (`DOCKER_CONFIG`), if it is not `.docker` in [`Self::home`].
    pub docker: Option<PathBuf>,
    /// `XDG_RUNTIME_DIR`, which has podman's `containers/auth.json`.
    pub runtime: Option<PathBuf>,
    /// `XDG_CONFIG_HOME`, which has another `containers/auth.json`, if it is not `.config` in [`Self::home`].
    pub config: Option<PathBuf>,
    /// The home directory; it may also have Docker's old `.dockercfg`.
    pub home: Option<PathBuf>,
}

/// One of the [`CredentialLocations`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum CredentialLocation {
    /// A file.
    File(PathBuf),
    /// [`CredentialLocations::text`].
    Text,
}

/// Why a credential file is of no use. Shows nothing of what is in it, beside keys.
#[derive(Debug, thiserror::Error)]
pub enum CredentialReadError {
    /// The user named it, and it is not there.
    #[error("{} was named for credentials, and is not there", .path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// It is there and cannot be read.
    #[error("cannot read credentials in {}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Nobody has so many credentials.
    #[error("{place} is too large for credentials, more than 1 MiB")]
    TooLarge {
        /// The file.
        place: CredentialLocation,
    },
    /// It does not say what such a file says.
    #[error("cannot use the credentials in {place}")]
    Broken {
        /// The file.
        place: CredentialLocation,
        /// What is wrong with it.
        source: CredentialParseError,
    },
}

/// A place, and how to read it.
#[derive(Clone, Debug)]
pub(crate) struct Spot {
    pub(crate) place: CredentialLocation,
    pub(crate) format: CredentialFileFormat,
    is_required: bool,
}

impl CredentialLocations {
    /// Returns the places in their order, whether there is anything or not.
    pub fn in_order(&self) -> Vec<CredentialLocation> {
        self.spots().into_iter().map(|spot| spot.place).collect()
    }

    pub(crate) fn spots(&self) -> Vec<Spot> {
        let podman = |directory: PathBuf| directory.join("containers/auth.json");
        let file = |path: Option<PathBuf>, format| path.map(|path| Spot::file(path, format));
        let runtime = self.runtime.clone().map(podman);
        let config = self.in_home(self.config.as_ref(), ".config").map(podman);
        let dockercfg = self.home.as_ref().map(|home| home.join(".dockercfg"));
        let places = [
            self.explicit.clone().map(Spot::explicit),
            self.text.as_ref().map(|_| Spot::TEXT),
            file(self.docker_config(), CredentialFileFormat::Docker),
            file(runtime, CredentialFileFormat::Podman),
            file(config, CredentialFileFormat::Podman),
            file(dockercfg, CredentialFileFormat::Dockercfg),
        ];
        places.into_iter().flatten().collect()
    }

    /// Returns the file that logins are kept in: the one that the user named, else Docker's.
    pub(crate) fn for_login(&self) -> Option<(PathBuf, CredentialFileFormat)> {
        let explicit = self
            .explicit
            .clone()
            .map(|path| (path, CredentialFileFormat::Podman));
        explicit.or_else(|| Some((self.docker_config()?, CredentialFileFormat::Docker)))
    }

    /// Reads what is at `spot`; `None` if there is nothing.
    pub(crate) fn read(&self, spot: &Spot) -> Result<Option<CredentialFile>, CredentialReadError> {
        let bytes = match (&spot.place, &self.text) {
            (CredentialLocation::File(path), _) => match read(path)? {
                None if spot.is_required => {
                    return Err(CredentialReadError::Missing { path: path.clone() });
                }
                None => return Ok(None),
                Some(bytes) => bytes,
            },
            (CredentialLocation::Text, Some(text)) if text.expose().len() as u64 > LARGEST => {
                return Err(CredentialReadError::TooLarge {
                    place: CredentialLocation::Text,
                });
            }
            (CredentialLocation::Text, text) => {
                let text = text.as_ref().map_or("", Secret::expose);
                text.as_bytes().to_vec()
            }
        };
        let parsed = CredentialFile::parse(spot.format, &bytes);
        parsed
            .map(Some)
            .map_err(|source| CredentialReadError::Broken {
                place: spot.place.clone(),
                source,
            })
    }

    fn docker_config(&self) -> Option<PathBuf> {
        let directory = self.in_home(self.docker.as_ref(), ".docker");
        directory.map(|directory| directory.join("config.json"))
    }

    fn in_home(&self, directory: Option<&PathBuf>, name: &str) -> Option<PathBuf> {
        let usual = || self.home.as_ref().map(|home| home.join(name));
        directory.cloned().or_else(usual)
    }
}

impl Spot {
    const TEXT: Self = Self {
        place: CredentialLocation::Text,
        format: CredentialFileFormat::Docker,
        is_required: false,
    };

    fn file(path: PathBuf, format: CredentialFileFormat) -> Self {
        Self {
            place: CredentialLocation::File(path),
            format,
            is_required: false,
        }
    }

    fn explicit(path: PathBuf) -> Self {
        Self {
            is_required: true,
            ..Self::file(path, CredentialFileFormat::Podman)
        }
    }
}

impl fmt::Display for CredentialLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Text => f.write_str("DOCKER_AUTH_CONFIG"),
        }
    }
}

/// Returns the bytes of the credential file at `path`; `None` if there is no file. Does not wait for whoever
/// might write into a pipe or a terminal.
pub(crate) fn read(path: &Path) -> Result<Option<Vec<u8>>, CredentialReadError> {
    let unreadable = |source| CredentialReadError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let file = match open(path) {
        Ok(file) => file,
        Err(error) if is_absent(&error) => return Ok(None),
        Err(error) => return Err(unreadable(error)),
    };
    let mut bytes = Vec::new();
    file.take(LARGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() as u64 > LARGEST {
        let place = CredentialLocation::File(path.to_owned());
        return Err(CredentialReadError::TooLarge { place });
    }
    Ok(Some(bytes))
}

fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let mut options = OpenOptions::new();
    let file = options
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)?;
    // An empty pipe looks like an empty file, which is nobody's credentials.
    match file.metadata()?.file_type().is_fifo() {
        true => Err(io::Error::other("it is a pipe")),
        false => Ok(file),
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

#[cfg(test)]
mod tests;
