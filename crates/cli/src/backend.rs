//! The engine that changes the store for a command: one in this process, or the one of the daemon that owns the store.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use windlass::image::Reference;
use windlass::{
    CopyEvent, Engine, LoadFrom, LoadOptions, Loaded, Operation, Prune, Pruned, Removal,
    RemoveOptions,
};
use windlass_control::{ControlClient, LoadParams, PruneParams};
use windlass_error_report::{OperationError, TransferError};

use crate::error::Error;

/// The engine that changes the store.
pub(crate) enum Backend {
    /// An engine in this process, which owns the store.
    Local(Box<Engine>),
    /// The daemon that owns the store.
    Daemon(ControlClient),
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
            Self::Daemon(daemon) => Ok(daemon.tag(name, target)?),
        }
    }

    /// Removes a name, and the image with it if that is its last one.
    pub(crate) fn remove(&self, name: &str, force: bool) -> Result<Removal, Error> {
        let image = name.parse()?;
        let name = name.to_owned();
        match self {
            Self::Local(engine) => match engine.remove(&image, RemoveOptions { force }) {
                Ok(removal) => Ok(removal),
                Err(source) => Err(OperationError::Remove { name, source }.into()),
            },
            Self::Daemon(daemon) => Ok(daemon.remove(name, force)?),
        }
    }

    /// Removes unused images. `filters` are those of `options`, as the user wrote them.
    pub(crate) fn prune(&self, options: &Prune, filters: &[String]) -> Result<Pruned, Error> {
        match self {
            Self::Local(engine) => Ok(engine.prune(options).map_err(OperationError::Prune)?),
            Self::Daemon(daemon) => Ok(daemon.prune(PruneParams {
                all: options.all,
                partials: options.partials,
                filters: filters.to_owned(),
            })?),
        }
    }

    /// Loads images. `action` is what the command does, for error messages: `loading app.tar`.
    pub(crate) fn load(
        &self,
        from: LoadFrom,
        options: LoadOptions,
        action: String,
    ) -> Result<Operation<CopyEvent, Vec<Loaded>, Error>, Error> {
        match self {
            Self::Local(engine) => {
                let load = engine.load(from, options);
                Ok(load.map_err(|error| OperationError::transfer(action, error).into()))
            }
            Self::Daemon(daemon) => {
                let file = match from {
                    LoadFrom::Path(path) => open(&path)
                        .map_err(|error| OperationError::transfer(action.clone(), error))?,
                    LoadFrom::File(file) => file.into(),
                };
                let load = daemon.load(LoadParams { options, action }, file);
                Ok(load.map_err(Error::from))
            }
        }
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
