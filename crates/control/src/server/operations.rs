//! The operations that the daemon performs for commands, on threads that may block.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use jiff::ZonedDateTime;
use windlass::{
    Caller, Choice, ContainerConfig, Copier, CopyEvent, CopyRequest, Digest, Fetching, FilterUse,
    Filters, ImageName, ImportOptions, LayoutKind, LoadFrom, LoadOptions, Loaded, Place, Prune,
    Reference, Remove, Tell, WebUrl,
};
use windlass_daemon::Daemon;
use windlass_report::{OperationError, TransferError};

use crate::{CancellableFile, ImageSource, ImportRequest, OperationResult};

/// A transfer into the store.
pub(super) struct Transfer<'a> {
    pub(super) daemon: &'a Daemon,
    pub(super) caller: Caller,
    pub(super) cancelled: &'a AtomicBool,
    pub(super) progress: Tell<'a>,
}

/// How many blobs a copy transfers concurrently.
const CONCURRENT_BLOBS: usize = 4;

pub(super) fn tag(
    daemon: &Daemon,
    name: String,
    target: &Reference,
) -> Result<OperationResult, OperationError> {
    match daemon.tag(&parse_name(&name)?, target) {
        Ok(()) => Ok(OperationResult::Completed),
        Err(source) => Err(OperationError::Tag { name, source }),
    }
}

pub(super) fn remove(
    daemon: &Daemon,
    name: String,
    force: bool,
) -> Result<OperationResult, OperationError> {
    match daemon.remove(&parse_name(&name)?, Remove { force }) {
        Ok(removal) => Ok(OperationResult::Removed { removal }),
        Err(source) => Err(OperationError::Remove { name, source }),
    }
}

pub(super) fn prune(
    daemon: &Daemon,
    all: bool,
    partials: bool,
    filters: &[String],
) -> Result<OperationResult, OperationError> {
    let filters = filters.iter().map(String::as_str);
    let filters = Filters::parse(FilterUse::Prune, filters, &ZonedDateTime::now());
    let options = Prune {
        all,
        partials,
        filters: filters.map_err(OperationError::Filter)?,
    };
    let pruned = daemon.prune(&options).map_err(OperationError::Prune)?;
    Ok(OperationResult::Pruned { pruned })
}

impl Transfer<'_> {
    /// Loads images from an archive or a directory.
    pub(super) fn load(
        &self,
        file: Option<OwnedFd>,
        options: &LoadOptions,
        action: String,
    ) -> Result<OperationResult, OperationError> {
        match self.try_load(file, options) {
            Ok(loaded) => Ok(OperationResult::Loaded { loaded }),
            Err(source) => Err(OperationError::Transfer {
                action,
                registry: None,
                source: Box::new(source),
            }),
        }
    }

    /// Makes an image of a tar.
    pub(super) fn import(
        &self,
        request: ImportRequest,
        file: Option<OwnedFd>,
    ) -> Result<OperationResult, OperationError> {
        let action = request.action.clone();
        match self.try_import(request, file) {
            Ok(image) => Ok(OperationResult::Loaded {
                loaded: vec![image],
            }),
            Err(source) => Err(OperationError::import(action, source)),
        }
    }

    fn try_load(
        &self,
        file: Option<OwnedFd>,
        options: &LoadOptions,
    ) -> Result<Vec<Loaded>, TransferError> {
        let file = require(file)?;
        let path = path_of(&file);
        let is_directory = file.metadata().is_ok_and(|metadata| metadata.is_dir());
        let from = match is_directory {
            true => LoadFrom::Path(&path),
            false => LoadFrom::File(file.try_clone().map_err(unreadable)?),
        };
        let engine = self.daemon.engine();
        let layout = engine.layout(from, self.cancelled, self.progress)?;
        let (cancelled, progress) = (self.cancelled, self.progress);
        Ok(self.daemon.load(&layout, options, cancelled, progress)?)
    }

    fn try_import(
        &self,
        request: ImportRequest,
        file: Option<OwnedFd>,
    ) -> Result<Loaded, TransferError> {
        let mut config = ContainerConfig::default();
        for change in &request.changes {
            config.change(change).map_err(invalid)?;
        }
        let options = ImportOptions {
            name: request.name,
            platform: request.platform,
            config,
            created: request.created,
            comment: request.comment,
            limit: request.limit,
        };
        // The digest of the tar is unknown until its end, so the events have that of no bytes.
        let digest = Digest::sha256(b"");
        let planned = |size| (self.progress)(CopyEvent::Planned(vec![(digest, size)]));
        let progress = |bytes| (self.progress)(CopyEvent::Moved { digest, bytes });
        let cancelled = self.cancelled;
        if let Some(url) = request.url {
            let url = WebUrl::parse(&url).map_err(invalid)?;
            let download = self.daemon.download(&url, options.limit);
            let download = download.map_err(TransferError::Url)?;
            download.length().into_iter().for_each(planned);
            let from = Fetching::new(download, self.daemon.runtime(), cancelled);
            return Ok(self.daemon.import(from, &options, cancelled, &progress)?);
        }
        let file = require(file)?;
        let metadata = file.metadata().map_err(unreadable)?;
        if metadata.is_file() {
            planned(metadata.len());
        }
        let from = CancellableFile { file, cancelled };
        Ok(self.daemon.import(from, &options, cancelled, &progress)?)
    }

    /// Copies an image into the store. The outer error is that of a malformed name.
    pub(super) fn copy(
        &self,
        source: ImageSource,
        file: Option<OwnedFd>,
        name: Reference,
        choice: Choice,
    ) -> Result<Result<OperationResult, TransferError>, OperationError> {
        let file = file.map(File::from);
        let source = match source {
            ImageSource::Registry { reference } => Place::Registry(reference),
            ImageSource::Store { name } => Place::Store(parse_name(&name)?),
            ImageSource::Files { name } => Place::Files {
                kind: LayoutKind::OciDirectory,
                path: file.as_ref().map(path_of).unwrap_or_default(),
                word: name,
            },
        };
        let request = CopyRequest {
            source,
            destination: Place::Store(ImageName::Reference(name)),
            choice,
            referrers: false,
            foreign: false,
            caller: self.caller.clone(),
            at_once: CONCURRENT_BLOBS,
            chunk: None,
        };
        let engine = self.daemon.engine();
        let copier = Copier {
            engine: Some(engine),
            remote: engine.remote(),
            runtime: self.daemon.runtime(),
            scratch: &|| engine.scratch(),
        };
        let copied = copier.copy(&request, self.cancelled, self.progress);
        Ok(copied
            .map(|copied| OperationResult::Copied {
                digest: copied.digest,
            })
            .map_err(TransferError::from))
    }
}

fn parse_name(text: &str) -> Result<ImageName, OperationError> {
    text.parse().map_err(OperationError::Reference)
}

fn require(file: Option<OwnedFd>) -> Result<File, TransferError> {
    let missing = || unreadable(io::Error::other("the request has no descriptor"));
    file.map(File::from).ok_or_else(missing)
}

fn unreadable(source: io::Error) -> TransferError {
    TransferError::File {
        action: "read the file of the request",
        source,
    }
}

/// The command validates its arguments, so this is the error of a client that does not.
fn invalid(error: impl std::error::Error + Send + Sync + 'static) -> TransferError {
    unreadable(io::Error::other(error))
}

/// Returns a path to an open file that is valid in every mount namespace.
fn path_of(file: &File) -> PathBuf {
    format!("/proc/self/fd/{}", file.as_raw_fd()).into()
}
