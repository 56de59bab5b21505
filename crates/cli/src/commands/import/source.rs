//! Where a tar comes from.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use tokio::runtime::Runtime;
use windlass::{Fetching, ImportError, Remote, WebUrl};
use windlass_control::CancellableFile;
use windlass_report::TransferError;

use crate::error::Error;
use crate::signals::Signals;
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

    /// Returns the URL, if it is one.
    pub(super) fn url(&self) -> Option<String> {
        match self {
            Self::Url(url) => Some(url.expose().to_owned()),
            Self::Stdin | Self::File(_) => None,
        }
    }

    /// Opens the file or standard input, if it is that, for somebody else to read.
    pub(super) fn file(&self, stdin: Stdin) -> Result<Option<OwnedFd>, TransferError> {
        Ok(match self {
            Self::Stdin => {
                let file = stdin.into_file().map_err(failed("read standard input"))?;
                Some(file.into())
            }
            Self::File(path) => {
                let file = File::open(path).map_err(failed("open it"))?;
                let data = file.metadata().map_err(failed("look at it"))?;
                if data.is_dir() {
                    return Err(failed("read it")(io::ErrorKind::IsADirectory.into()));
                }
                Some(file.into())
            }
            Self::Url(_) => None,
        })
    }

    /// Opens it, and returns its size if that is known.
    pub(super) fn open<'a>(
        &self,
        stdin: Stdin,
        remote: Option<&Remote>,
        runtime: &Runtime,
        signals: &'a Signals,
        limit: Option<u64>,
    ) -> Result<(Box<dyn Read + Send + 'a>, Option<u64>), TransferError> {
        let stop = signals.flag();
        match self {
            Self::Stdin => {
                let file = stdin.into_file().map_err(failed("read standard input"))?;
                Ok((
                    Box::new(CancellableFile {
                        file,
                        cancelled: stop,
                    }),
                    None,
                ))
            }
            Self::File(path) => {
                let file = File::open(path).map_err(failed("open it"))?;
                let data = file.metadata().map_err(failed("look at it"))?;
                if data.is_dir() {
                    return Err(failed("read it")(io::ErrorKind::IsADirectory.into()));
                }
                let size = data.is_file().then_some(data.len());
                Ok((
                    Box::new(CancellableFile {
                        file,
                        cancelled: stop,
                    }),
                    size,
                ))
            }
            Self::Url(url) => {
                let remote = remote.expect("it was made for the URL");
                let download = runtime.block_on(async {
                    tokio::select! {
                        begun = remote.download(url, limit) => begun.map_err(TransferError::Url),
                        _ = signals.first() => Err(ImportError::Cancelled.into()),
                    }
                })?;
                let size = download.length();
                let fetching = Fetching::new(download, runtime.handle().clone(), stop);
                Ok((Box::new(fetching), size))
            }
        }
    }
}
