//! The engine that changes the store for a command: one in this process, or the one of the daemon that owns the store.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use rustix::fs::{Mode, OFlags};
use windlass::{
    Engine, ImportOptions, LoadFrom, LoadOptions, Loaded, Prune, Pruned, Reference, Removal,
    Remove, Tell,
};
use windlass_control::{
    ControlClient, ControlError, ImportRequest, OperationResult, Request, TransferContext,
};
use windlass_report::{OperationError, TransferError};

use crate::error::Error;

/// The engine that changes the store.
pub(crate) enum Backend {
    /// An engine in this process, which owns the store.
    Local(Box<Engine>),
    /// The daemon that owns the store.
    Daemon(ControlClient),
}

/// How a transfer is described, observed and cancelled.
#[derive(Clone, Copy)]
pub(crate) struct TransferOptions<'a> {
    /// What the command does, for error messages: `loading app.tar`.
    pub(crate) action: &'a str,
    /// Cancels the transfer when it is set.
    pub(crate) cancelled: &'a AtomicBool,
    /// Receives the events.
    pub(crate) progress: Tell<'a>,
}

/// A tar for the daemon to import: a URL or an open file.
pub(crate) struct ImportSource {
    pub(crate) url: Option<String>,
    pub(crate) file: Option<OwnedFd>,
}

impl Backend {
    /// Gives an image another name.
    pub(crate) fn tag(&self, source: &str, target: Reference) -> Result<(), Error> {
        let name = source.to_owned();
        match self {
            Self::Local(engine) => match engine.tag(&source.parse()?, &target) {
                Ok(()) => Ok(()),
                Err(source) => Err(OperationError::Tag { name, source }.into()),
            },
            Self::Daemon(daemon) => {
                let source = name;
                daemon.run(&Request::Tag { source, target })?;
                Ok(())
            }
        }
    }

    /// Removes a name, and the image with it if that is its last one.
    pub(crate) fn remove(&self, name: &str, force: bool) -> Result<Removal, Error> {
        let image = name.parse()?;
        let name = name.to_owned();
        match self {
            Self::Local(engine) => match engine.remove(&image, Remove { force }) {
                Ok(removal) => Ok(removal),
                Err(source) => Err(OperationError::Remove { name, source }.into()),
            },
            Self::Daemon(daemon) => match daemon.run(&Request::Remove { name, force })? {
                OperationResult::Removed { removal } => Ok(removal),
                _ => Err(ControlError::unexpected_result().into()),
            },
        }
    }

    /// Removes unused images. `filters` are those of `options`, as the user wrote them.
    pub(crate) fn prune(&self, options: &Prune, filters: &[String]) -> Result<Pruned, Error> {
        match self {
            Self::Local(engine) => Ok(engine.prune(options).map_err(OperationError::Prune)?),
            Self::Daemon(daemon) => {
                let request = Request::Prune {
                    all: options.all,
                    partials: options.partials,
                    filters: filters.to_owned(),
                };
                match daemon.run(&request)? {
                    OperationResult::Pruned { pruned } => Ok(pruned),
                    _ => Err(ControlError::unexpected_result().into()),
                }
            }
        }
    }

    /// Loads images.
    pub(crate) fn load(
        &self,
        from: LoadFrom<'_>,
        options: &LoadOptions,
        transfer: TransferOptions<'_>,
    ) -> Result<Vec<Loaded>, Error> {
        let TransferOptions {
            cancelled,
            progress,
            ..
        } = transfer;
        match self {
            Self::Local(engine) => {
                let layout = engine.layout(from, cancelled, progress);
                let layout = layout.map_err(|error| transfer.error(error.into()))?;
                let loaded = engine.load(&layout, options, cancelled, progress);
                loaded.map_err(|error| transfer.error(error.into()))
            }
            Self::Daemon(daemon) => {
                let file = match from {
                    LoadFrom::Path(path) => open(path).map_err(|error| transfer.error(error))?,
                    LoadFrom::File(file) => file.into(),
                };
                let request = Request::Load {
                    options: options.clone(),
                    action: transfer.action.to_owned(),
                };
                match daemon.transfer(&request, Some(file), transfer.context())? {
                    OperationResult::Loaded { loaded } => Ok(loaded),
                    _ => Err(ControlError::unexpected_result().into()),
                }
            }
        }
    }
}

impl<'a> TransferOptions<'a> {
    fn error(&self, source: TransferError) -> Error {
        let error = OperationError::Transfer {
            action: self.action.to_owned(),
            registry: None,
            source: Box::new(source),
        };
        error.into()
    }

    /// Returns the context of a transfer that needs no credentials.
    fn context(&self) -> TransferContext<'a> {
        TransferContext {
            credentials: None,
            cancelled: self.cancelled,
            progress: self.progress,
        }
    }
}

/// Lets the daemon make an image of a tar. `changes` are those of `options`, as the user wrote them.
pub(crate) fn import_by_daemon(
    daemon: &ControlClient,
    source: ImportSource,
    options: &ImportOptions,
    changes: &[String],
    transfer: TransferOptions<'_>,
) -> Result<Loaded, Error> {
    let request = Request::Import(ImportRequest {
        url: source.url,
        name: options.name.clone(),
        platform: options.platform.clone(),
        changes: changes.to_owned(),
        created: options.created.clone(),
        comment: options.comment.clone(),
        limit: options.limit,
        action: transfer.action.to_owned(),
    });
    match daemon.transfer(&request, source.file, transfer.context())? {
        OperationResult::Loaded { mut loaded } if loaded.len() == 1 => Ok(loaded.swap_remove(0)),
        _ => Err(ControlError::unexpected_result().into()),
    }
}

/// Opens a file or a directory for the daemon to read. Opening a pipe does not wait for its writer.
pub(crate) fn open(path: &Path) -> Result<OwnedFd, TransferError> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened = rustix::fs::open(path, flags, Mode::empty());
    let opened = opened.map_err(|error| TransferError::File {
        action: "open it",
        source: error.into(),
    })?;
    Ok(File::from(opened).into())
}
