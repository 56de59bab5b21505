//! Where a tar comes from.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use tokio::runtime::Runtime;
use windlass::{Fetching, ImportError, Remote, WebUrl};

use crate::error::{Error, FreightError};
use crate::signals::Signals;
use crate::stdin::Stdin;

/// Where a tar is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Source {
    Stdin,
    File(PathBuf),
    Url(WebUrl),
}

/// A pipe that may be silent for long: it is asked again and again, and so ^C is noticed.
pub(crate) struct Patient<'a> {
    pub(crate) file: File,
    pub(crate) stop: &'a AtomicBool,
}

/// How long one look takes.
const LOOK: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 100_000_000,
};

fn failed(action: &'static str) -> impl Fn(io::Error) -> FreightError {
    move |source| FreightError::File { action, source }
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
    pub(super) fn file(&self, stdin: Stdin) -> Result<Option<OwnedFd>, FreightError> {
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
    ) -> Result<(Box<dyn Read + Send + 'a>, Option<u64>), FreightError> {
        let stop = signals.flag();
        match self {
            Self::Stdin => {
                let file = stdin.into_file().map_err(failed("read standard input"))?;
                Ok((Box::new(Patient { file, stop }), None))
            }
            Self::File(path) => {
                let file = File::open(path).map_err(failed("open it"))?;
                let data = file.metadata().map_err(failed("look at it"))?;
                if data.is_dir() {
                    return Err(failed("read it")(io::ErrorKind::IsADirectory.into()));
                }
                let size = data.is_file().then_some(data.len());
                Ok((Box::new(Patient { file, stop }), size))
            }
            Self::Url(url) => {
                let remote = remote.expect("it was made for the URL");
                let download = runtime.block_on(async {
                    tokio::select! {
                        begun = remote.download(url, limit) => begun.map_err(FreightError::Url),
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

impl Read for Patient<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while !self.stop.load(Ordering::Relaxed) {
            let mut ready = [PollFd::new(&self.file, PollFlags::IN)];
            match poll(&mut ready, Some(&LOOK)) {
                Ok(0) | Err(Errno::INTR) => {}
                // Whatever is wrong, reading tells.
                Ok(_) | Err(_) => return self.file.read(buffer),
            }
        }
        Err(io::Error::other("cancelled"))
    }
}
