//! Who changes the store for a command: the command itself, or the daemon that owns the store. Either way the same is
//! done, and told.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use rustix::fs::{Mode, OFlags};
use windlass::{
    Digest, Engine, ImportOptions, LoadFrom, LoadOptions, Loaded, Prune, Pruned, Reference,
    Removal, Remove, Tell,
};

use crate::commands::image_name;
use crate::error::{Error, FreightError};
use crate::hatch::{Ask, Done, Hatch, Import};

/// Who changes the store for a command.
pub(crate) enum Hand {
    /// The command itself, which owns it.
    Engine(Box<Engine>),
    /// The daemon that owns it.
    Daemon(Hatch),
}

/// What the user is told is being done, what ends it, and who is told how far it is.
pub(crate) type Telling<'a> = (&'a str, &'a AtomicBool, Tell<'a>);

impl Hand {
    /// Gives an image one more name.
    pub(crate) fn tag(&self, source: &str, target: Reference) -> Result<(), Error> {
        match self {
            Self::Engine(engine) => {
                let tagged = engine.tag(&image_name(source)?, &target);
                tagged.map_err(|error| Error::Tag {
                    name: source.to_owned(),
                    source: error,
                })
            }
            Self::Daemon(daemon) => {
                let source = source.to_owned();
                daemon.have_done(&Ask::Tag { source, target }).map(drop)
            }
        }
    }

    /// Removes a name, and the image with it if that was its last one.
    pub(crate) fn remove(&self, name: &str, force: bool) -> Result<Removal, Error> {
        let image = image_name(name)?;
        let name = name.to_owned();
        match self {
            Self::Engine(engine) => {
                let removal = engine.remove(&image, Remove { force });
                removal.map_err(|source| Error::Remove { name, source })
            }
            Self::Daemon(daemon) => match daemon.have_done(&Ask::Remove { name, force })? {
                Done::Removed { removal } => Ok(removal),
                _ => Err(other()),
            },
        }
    }

    /// Removes what nobody needs; `filters` is what `what` has, as the user wrote it.
    pub(crate) fn prune(&self, what: &Prune, filters: &[String]) -> Result<Pruned, Error> {
        match self {
            Self::Engine(engine) => engine.prune(what).map_err(Error::Prune),
            Self::Daemon(daemon) => {
                let ask = Ask::Prune {
                    all: what.all,
                    partials: what.partials,
                    filters: filters.to_owned(),
                };
                match daemon.have_done(&ask)? {
                    Done::Pruned { pruned } => Ok(pruned),
                    _ => Err(other()),
                }
            }
        }
    }

    /// Loads images.
    pub(crate) fn load(
        &self,
        from: LoadFrom<'_>,
        options: &LoadOptions,
        (doing, stop, tell): Telling<'_>,
    ) -> Result<Vec<Loaded>, Error> {
        let failed = |source: FreightError| Error::Freight {
            doing: doing.to_owned(),
            asked: None,
            source: Box::new(source),
        };
        match self {
            Self::Engine(engine) => {
                let layout = engine.layout(from, stop, tell);
                let layout = layout.map_err(|error| failed(error.into()))?;
                let loaded = engine.load(&layout, options, stop, tell);
                loaded.map_err(|error| failed(error.into()))
            }
            Self::Daemon(daemon) => {
                let file = match from {
                    LoadFrom::Path(path) => open(path).map_err(failed)?,
                    LoadFrom::File(file) => file.into(),
                };
                let ask = Ask::Load {
                    choice: options.choice.clone(),
                    name: options.name.clone(),
                    doing: doing.to_owned(),
                };
                match daemon.carry(&ask, Some(file), stop, tell)? {
                    Done::Loaded { loaded } => Ok(loaded),
                    _ => Err(other()),
                }
            }
        }
    }
}

/// Has the daemon make an image of a tar: of `file`, or of what is at the URL.
pub(crate) fn import_by(
    daemon: &Hatch,
    (options, changes): (&ImportOptions, &[String]),
    (url, file): (Option<String>, Option<OwnedFd>),
    (doing, stop, tell): Telling<'_>,
) -> Result<Loaded, Error> {
    let ask = Ask::Import(Import {
        url,
        name: options.name.clone(),
        platform: options.platform.clone(),
        changes: changes.to_owned(),
        created: options.created.clone(),
        comment: options.comment.clone(),
        limit: options.limit,
        doing: doing.to_owned(),
    });
    match daemon.carry(&ask, file, stop, tell)? {
        Done::Loaded { mut loaded } if loaded.len() == 1 => Ok(loaded.swap_remove(0)),
        _ => Err(other()),
    }
}

/// Returns the digest of what a daemon has copied.
pub(crate) fn copied(done: &Done) -> Result<Digest, Error> {
    match done {
        Done::Copied { digest } => Ok(*digest),
        _ => Err(other()),
    }
}

/// Opens a file or a directory for the daemon to read. Of a pipe nobody may have the other end yet.
pub(crate) fn open(path: &Path) -> Result<OwnedFd, FreightError> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened = rustix::fs::open(path, flags, Mode::empty());
    let opened = opened.map_err(|error| FreightError::File {
        action: "open it",
        source: error.into(),
    })?;
    Ok(File::from(opened).into())
}

fn other() -> Error {
    Error::hatch("it answered another question")
}
