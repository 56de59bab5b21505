//! The locations of credentials, and reading credential files.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};
use windlass_registry::Secret;

use crate::file::CredentialFile;
use crate::file_format::CredentialFileFormat;
use crate::parse_error::CredentialParseError;

/// The limit on the size of a credential file, in bytes.
pub(crate) const MAX_FILE_SIZE: u64 = 1 << 20;

/// The locations in which a user's credentials are looked up, in this order. The first location with credentials for
/// the host is used.
#[derive(Clone, Debug, Default)]
pub struct CredentialLocations {
    /// The configured file (`--authfile`, `REGISTRY_AUTH_FILE`), in podman's format. It must exist, except for a login,
    /// which creates it.
    pub explicit: Option<PathBuf>,
    /// The content of a file in Docker's format, which CI systems pass in `DOCKER_AUTH_CONFIG`.
    pub text: Option<Secret>,
    /// The directory of Docker's `config.json` (`DOCKER_CONFIG`). The default is `.docker` in [`Self::home`].
    pub docker: Option<PathBuf>,
    /// `XDG_RUNTIME_DIR`, which contains podman's `containers/auth.json`.
    pub runtime: Option<PathBuf>,
    /// `XDG_CONFIG_HOME`, which contains another `containers/auth.json`. The default is `.config` in [`Self::home`].
    pub config: Option<PathBuf>,
    /// The home directory. It may also contain the obsolete `.dockercfg`.
    pub home: Option<PathBuf>,
}

/// A location of credentials.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum CredentialLocation {
    /// A file.
    File(PathBuf),
    /// The text in [`CredentialLocations::text`].
    Text,
}

/// The reason why a credential file cannot be used. It contains nothing of the file except keys.
#[derive(Debug, thiserror::Error)]
pub enum CredentialReadError {
    /// The configured file does not exist.
    #[error("the credential file {} does not exist", .path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be read.
    #[error("cannot read credentials in {}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The file exceeds the size limit.
    #[error("{location} is larger than 1 MiB, the limit for credentials")]
    TooLarge {
        /// The file.
        location: CredentialLocation,
    },
    /// The content of the file is invalid.
    #[error("cannot use the credentials in {location}")]
    Broken {
        /// The file.
        location: CredentialLocation,
        /// The defect.
        source: CredentialParseError,
    },
}

/// A location and how to read it.
#[derive(Clone, Debug)]
pub(crate) struct FileSource {
    pub(crate) location: CredentialLocation,
    pub(crate) format: CredentialFileFormat,
    is_required: bool,
}

impl CredentialLocations {
    /// Returns the locations in their order, whether they exist or not.
    pub fn in_order(&self) -> Vec<CredentialLocation> {
        self.file_sources()
            .into_iter()
            .map(|source| source.location)
            .collect()
    }

    pub(crate) fn file_sources(&self) -> Vec<FileSource> {
        let podman = |directory: PathBuf| directory.join("containers/auth.json");
        let file = |path: Option<PathBuf>, format| path.map(|path| FileSource::file(path, format));
        let runtime = self.runtime.clone().map(podman);
        let config = self.in_home(self.config.as_ref(), ".config").map(podman);
        let dockercfg = self.home.as_ref().map(|home| home.join(".dockercfg"));
        let sources = [
            self.explicit.clone().map(FileSource::explicit),
            self.text.as_ref().map(|_| FileSource::TEXT),
            file(self.docker_config(), CredentialFileFormat::Docker),
            file(runtime, CredentialFileFormat::Podman),
            file(config, CredentialFileFormat::Podman),
            file(dockercfg, CredentialFileFormat::Dockercfg),
        ];
        sources.into_iter().flatten().collect()
    }

    /// Returns the file in which logins are stored: the configured file, or else Docker's.
    pub(crate) fn for_login(&self) -> Option<(PathBuf, CredentialFileFormat)> {
        let explicit = self
            .explicit
            .clone()
            .map(|path| (path, CredentialFileFormat::Podman));
        explicit.or_else(|| Some((self.docker_config()?, CredentialFileFormat::Docker)))
    }

    /// Reads the credentials at `source`. Returns `None` if the file does not exist.
    pub(crate) fn read(
        &self,
        source: &FileSource,
    ) -> Result<Option<CredentialFile>, CredentialReadError> {
        let bytes = match (&source.location, &self.text) {
            (CredentialLocation::File(path), _) => match read(path)? {
                None if source.is_required => {
                    return Err(CredentialReadError::Missing { path: path.clone() });
                }
                None => return Ok(None),
                Some(bytes) => bytes,
            },
            (CredentialLocation::Text, Some(text))
                if text.expose().len() as u64 > MAX_FILE_SIZE =>
            {
                return Err(CredentialReadError::TooLarge {
                    location: CredentialLocation::Text,
                });
            }
            (CredentialLocation::Text, text) => {
                let text = text.as_ref().map_or("", Secret::expose);
                text.as_bytes().to_vec()
            }
        };
        let parsed = CredentialFile::parse(source.format, &bytes);
        parsed
            .map(Some)
            .map_err(|error| CredentialReadError::Broken {
                location: source.location.clone(),
                source: error,
            })
    }

    fn docker_config(&self) -> Option<PathBuf> {
        let directory = self.in_home(self.docker.as_ref(), ".docker");
        directory.map(|directory| directory.join("config.json"))
    }

    fn in_home(&self, directory: Option<&PathBuf>, name: &str) -> Option<PathBuf> {
        let default = || self.home.as_ref().map(|home| home.join(name));
        directory.cloned().or_else(default)
    }
}

impl FileSource {
    const TEXT: Self = Self {
        location: CredentialLocation::Text,
        format: CredentialFileFormat::Docker,
        is_required: false,
    };

    fn file(path: PathBuf, format: CredentialFileFormat) -> Self {
        Self {
            location: CredentialLocation::File(path),
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

/// Returns the content of the credential file at `path`, or `None` if the file does not exist. Does not block on a fifo
/// or a terminal.
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
    file.take(MAX_FILE_SIZE + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() as u64 > MAX_FILE_SIZE {
        let location = CredentialLocation::File(path.to_owned());
        return Err(CredentialReadError::TooLarge { location });
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
    // A fifo without a writer would look like an empty file.
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
