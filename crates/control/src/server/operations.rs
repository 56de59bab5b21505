//! The operations that the daemon performs for commands.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;

use jiff::ZonedDateTime;
use windlass::image::{ImageLocation, ImageName, LayoutKind, Reference};
use windlass::registry::{Caller, WebUrl};
use windlass::{
    ContainerConfig, Copier, CopyEvent, CopyRequest, Engine, EventSender, FilterUse, Filters,
    ImportOptions, ImportSource, LoadFrom, Loaded, Operation, Prune, RemoveOptions,
};
use windlass_daemon::Daemon;
use windlass_error_report::{OperationError, TransferError};

use crate::message::{
    CopyParams, ImageSource, ImportParams, LoadParams, OperationResult, PruneParams,
    TransferRequest,
};

/// A transfer into the store.
pub(super) type Transfer = Operation<CopyEvent, OperationResult, OperationError>;

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
    match daemon.remove(&parse_name(&name)?, RemoveOptions { force }) {
        Ok(removal) => Ok(OperationResult::Removed { removal }),
        Err(source) => Err(OperationError::Remove { name, source }),
    }
}

pub(super) fn prune(
    daemon: &Daemon,
    params: &PruneParams,
) -> Result<OperationResult, OperationError> {
    let filters = params.filters.iter().map(String::as_str);
    let filters = Filters::parse(FilterUse::Prune, filters, &ZonedDateTime::now());
    let options = Prune {
        all: params.all,
        partials: params.partials,
        filters: filters.map_err(OperationError::Filter)?,
    };
    let pruned = daemon.prune(&options).map_err(OperationError::Prune)?;
    Ok(OperationResult::Pruned { pruned })
}

/// Returns the operation that brings images into the store: from `file`, or from a registry or a web server.
pub(super) fn transfer(
    daemon: &Arc<Daemon>,
    caller: Caller,
    request: TransferRequest,
    file: Option<OwnedFd>,
) -> Result<Transfer, OperationError> {
    match request {
        TransferRequest::Load(params) => load(daemon, params, file),
        TransferRequest::Import(params) => import(daemon, params, file),
        TransferRequest::Copy(params) => copy(daemon, caller, params, file),
    }
}

/// Loads images from an archive or a directory.
fn load(
    daemon: &Arc<Daemon>,
    params: LoadParams,
    file: Option<OwnedFd>,
) -> Result<Transfer, OperationError> {
    let LoadParams { options, action } = params;
    let file = require(file).map_err(|error| OperationError::transfer(action.clone(), error))?;
    let is_directory = file.metadata().is_ok_and(|metadata| metadata.is_dir());
    let from = match is_directory {
        true => LoadFrom::Path(path_of(&file)),
        false => {
            let archive = file.try_clone();
            let failed = |error| OperationError::transfer(action.clone(), unreadable(error));
            LoadFrom::File(archive.map_err(failed)?)
        }
    };
    // The path of a directory is valid while its descriptor is open.
    let load = daemon.load(from, options).keep_until_done(file);
    Ok(load.then(move |loaded| match loaded {
        Ok(loaded) => Ok(OperationResult::Loaded { loaded }),
        Err(error) => Err(OperationError::transfer(action, error)),
    }))
}

/// Makes an image of a tar.
fn import(
    daemon: &Arc<Daemon>,
    params: ImportParams,
    file: Option<OwnedFd>,
) -> Result<Transfer, OperationError> {
    let action = params.action.clone();
    let import = match try_import(daemon, params, file) {
        Ok(import) => import,
        Err(source) => return Err(OperationError::import(action, source)),
    };
    Ok(import.then(|image| match image {
        Ok(image) => Ok(OperationResult::Loaded {
            loaded: vec![image],
        }),
        Err(source) => Err(OperationError::import(action, source)),
    }))
}

fn try_import(
    daemon: &Arc<Daemon>,
    params: ImportParams,
    file: Option<OwnedFd>,
) -> Result<Operation<CopyEvent, Loaded, TransferError>, TransferError> {
    let mut config = ContainerConfig::default();
    for change in &params.changes {
        config.change(change).map_err(invalid)?;
    }
    let options = ImportOptions {
        name: params.name,
        platform: params.platform,
        config,
        created: params.created,
        comment: params.comment,
        limit: params.limit,
    };
    let Some(url) = params.url else {
        let source = ImportSource::File(require(file)?);
        let import = daemon.import(source, options);
        return Ok(import.map_err(TransferError::from));
    };
    let url = WebUrl::parse(&url).map_err(invalid)?;
    let (daemon, runtime) = (Arc::clone(daemon), daemon.runtime());
    let import = Operation::new(|events: EventSender<CopyEvent>| async move {
        let remote = daemon.engine().remote();
        let download = remote.download(&url, options.limit).await;
        let source = ImportSource::Download(Box::new(download.map_err(TransferError::Url)?));
        let import = daemon.import(source, options);
        Ok(import.drive(|event| events.send(event)).await?)
    });
    Ok(import.run_on(&runtime))
}

fn place(
    source: ImageSource,
    file: Option<&File>,
    action: &str,
) -> Result<ImageLocation, OperationError> {
    Ok(match source {
        ImageSource::Registry { reference } => ImageLocation::Registry(reference),
        ImageSource::Store { name } => ImageLocation::Store(parse_name(&name)?),
        ImageSource::Files { name } => ImageLocation::Files {
            kind: LayoutKind::OciDirectory,
            path: match file {
                Some(file) => path_of(file),
                None => return Err(OperationError::transfer(action.to_owned(), no_descriptor())),
            },
            ref_name: name,
        },
    })
}

/// Copies an image into the store.
fn copy(
    daemon: &Arc<Daemon>,
    caller: Caller,
    params: CopyParams,
    file: Option<OwnedFd>,
) -> Result<Transfer, OperationError> {
    let file = file.map(File::from);
    let request = CopyRequest {
        source: place(params.source, file.as_ref(), &params.action)?,
        destination: ImageLocation::Store(ImageName::Reference(params.name)),
        choice: params.choice,
        referrers: false,
        include_foreign_layers: false,
        caller,
        concurrent_blobs: CONCURRENT_BLOBS,
        chunk_size: None,
    };
    let engine = Engine::clone(daemon.engine());
    let create_file = engine.clone();
    let copier = Copier {
        remote: engine.remote(),
        engine: Some(engine),
        create_file: Arc::new(move || create_file.scratch()),
    };
    let copy = copier.copy(request).map(|copied| OperationResult::Copied {
        digest: copied.digest,
    });
    let copy = copy.run_on(&daemon.runtime()).keep_until_done(file);
    Ok(copy.map_err(|source| OperationError::Transfer {
        action: params.action,
        registry: params.registry,
        source: Box::new(source.into()),
    }))
}

fn parse_name(text: &str) -> Result<ImageName, OperationError> {
    text.parse().map_err(OperationError::Reference)
}

fn require(file: Option<OwnedFd>) -> Result<File, TransferError> {
    file.map(File::from).ok_or_else(no_descriptor)
}

fn no_descriptor() -> TransferError {
    unreadable(io::Error::other("the request has no descriptor"))
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
