//! Where a tar comes from.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use windlass::{ImportSource, WebUrl};
use windlass_report::TransferError;

use crate::backend::TarSource;
use crate::context::Context;
use crate::error::Error;
use crate::operation::OperationRunner;
use crate::signals::Signal;
use crate::stdin::Stdin;

/// Where a tar is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Source {
    Stdin,
    File(PathBuf),
    Url(WebUrl),
}

fn failed(action: &'static str) -> impl Fn(io::Error) -> TransferError {
    move |source| TransferError::File { action, source }
}

impl Source {
    /// Makes out what `text` means.
    pub(super) fn parse(text: &str) -> Result<Self, Error> {
        let scheme = text.split_once("://").map(|(scheme, _)| scheme);
        let is_web = |scheme: &str| ["http", "https"].contains(&&*scheme.to_ascii_lowercase());
        if text == "-" {
            return Ok(Self::Stdin);
        }
        if !scheme.is_some_and(is_web) {
            return Ok(Self::File(text.into()));
        }
        // The text is not repeated: it may have a password in it.
        let url = WebUrl::parse(text).map_err(|error| Error::Usage {
            text: format!("the URL cannot be used: {error}"),
        })?;
        Ok(Self::Url(url))
    }

    /// Returns what the image's history says. Where the file was is nobody's business.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Stdin => "-".to_owned(),
            Self::File(path) => {
                let name = path.file_name().unwrap_or(path.as_os_str());
                name.to_string_lossy().into_owned()
            }
            Self::Url(url) => url.to_string(),
        }
    }

    /// Returns what is being done, such as `Importing rootfs.tar`.
    pub(super) fn doing(&self, verb: &str) -> String {
        match self {
            Self::Stdin => format!("{verb} what comes from standard input"),
            Self::File(path) => format!("{verb} {}", path.display()),
            Self::Url(url) => format!("{verb} {url}"),
        }
    }

    /// Returns where the daemon gets the tar from.
    pub(super) fn tar(&self, stdin: Stdin) -> Result<TarSource, TransferError> {
        Ok(match self {
            Self::Stdin => TarSource::File(read_stdin(stdin)?.into()),
            Self::File(path) => TarSource::File(open(path)?.into()),
            Self::Url(url) => TarSource::Url(url.expose().to_owned()),
        })
    }

    /// Opens the file, or starts the download, unless a signal comes first.
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
                        .map(ImportSource::Download)
                        .map_err(TransferError::Url),
                    Err(signal) => return Ok(Err(signal)),
                }
            }
        };
        opened.map(Ok).map_err(|error| super::failed(self, error))
    }
}

fn read_stdin(stdin: Stdin) -> Result<File, TransferError> {
    stdin.into_file().map_err(failed("read standard input"))
}

fn open(path: &Path) -> Result<File, TransferError> {
    let file = File::open(path).map_err(failed("open it"))?;
    let data = file.metadata().map_err(failed("look at it"))?;
    if data.is_dir() {
        return Err(failed("read it")(io::ErrorKind::IsADirectory.into()));
    }
    Ok(file)
}
