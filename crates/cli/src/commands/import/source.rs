//! The source of a tar archive.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use windlass::ImportSource;
use windlass::registry::WebUrl;
use windlass_error_report::{OperationError, TransferError};

use crate::context::Context;
use crate::error::Error;
use crate::operation::OperationRunner;
use crate::signals::Signal;
use crate::stdin::Stdin;

/// The source of a tar archive.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Source {
    Stdin,
    File(PathBuf),
    Url(WebUrl),
}

/// A tar that the daemon imports.
pub(super) enum TarSource {
    Url(String),
    File(OwnedFd),
}

fn file_error(action: &'static str) -> impl Fn(io::Error) -> TransferError {
    move |source| TransferError::File { action, source }
}

impl Source {
    /// Parses the argument: `-`, a URL or a path.
    pub(super) fn parse(text: &str) -> Result<Self, Error> {
        let scheme = text.split_once("://").map(|(scheme, _)| scheme);
        let is_web = |scheme: &str| ["http", "https"].contains(&&*scheme.to_ascii_lowercase());
        if text == "-" {
            return Ok(Self::Stdin);
        }
        if !scheme.is_some_and(is_web) {
            return Ok(Self::File(text.into()));
        }
        // The error does not include the text, which may contain a password.
        let url = WebUrl::parse(text).map_err(|error| Error::Usage {
            text: format!("invalid URL: {error}"),
        })?;
        Ok(Self::Url(url))
    }

    /// Returns the text for the history of the image, without the directory of a file.
    pub(super) fn history_text(&self) -> String {
        match self {
            Self::Stdin => "-".to_owned(),
            Self::File(path) => {
                let name = path.file_name().unwrap_or(path.as_os_str());
                name.to_string_lossy().into_owned()
            }
            Self::Url(url) => url.to_string(),
        }
    }

    /// Returns a description such as `Importing rootfs.tar`.
    pub(super) fn action(&self, verb: &str) -> String {
        match self {
            Self::Stdin => format!("{verb} from standard input"),
            Self::File(path) => format!("{verb} {}", path.display()),
            Self::Url(url) => format!("{verb} {url}"),
        }
    }

    /// Opens the file, or returns the URL, for the daemon.
    pub(super) fn open_for_daemon(&self, stdin: Stdin) -> Result<TarSource, TransferError> {
        Ok(match self {
            Self::Stdin => TarSource::File(read_stdin(stdin)?.into()),
            Self::File(path) => TarSource::File(open(path)?.into()),
            Self::Url(url) => TarSource::Url(url.expose().to_owned()),
        })
    }

    /// Opens the file or starts the download, unless a signal arrives first.
    pub(super) fn open(
        &self,
        context: &Context<'_>,
        stdin: Stdin,
        runner: &OperationRunner,
        limit: Option<u64>,
    ) -> Result<Result<ImportSource, Signal>, Error> {
        let opened = match self {
            Self::Stdin => read_stdin(stdin).map(ImportSource::File),
            Self::File(path) => open(path).map(ImportSource::File),
            Self::Url(url) => {
                let remote = context.remote()?;
                match runner.wait(remote.download(url, limit)) {
                    Ok(download) => download
                        .map(|download| ImportSource::Download(Box::new(download)))
                        .map_err(TransferError::Url),
                    Err(signal) => return Ok(Err(signal)),
                }
            }
        };
        opened.map(Ok).map_err(|error| self.import_error(error))
    }

    /// Returns the error of a failed import.
    pub(super) fn import_error(&self, error: TransferError) -> Error {
        OperationError::import(self.action("importing"), error).into()
    }
}

fn read_stdin(stdin: Stdin) -> Result<File, TransferError> {
    stdin.into_file().map_err(file_error("read standard input"))
}

fn open(path: &Path) -> Result<File, TransferError> {
    let file = File::open(path).map_err(file_error("open it"))?;
    let data = file.metadata().map_err(file_error("read its metadata"))?;
    if data.is_dir() {
        return Err(file_error("read it")(io::ErrorKind::IsADirectory.into()));
    }
    Ok(file)
}
