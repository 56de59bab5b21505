//! What the daemon does for commands on threads that may block.

use std::fs::File;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use jiff::ZonedDateTime;
use windlass::{
    Caller, Choice, ContainerConfig, Copier, CopyEvent, CopyRequest, Digest, Fetching, FilterUse,
    Filters, ImportOptions, LayoutKind, LoadFrom, LoadOptions, Place, Prune, Reference, Remove,
    Tell, WebUrl,
};
use windlass_daemon::Daemon;

use crate::commands::import::{Patient, not_imported};
use crate::error::{Error, FreightError, Login};
use crate::hatch::wire::{Ask, Done, From, Import, image_name};

/// What it takes to carry something into the store.
pub(super) struct With<'a> {
    pub(super) daemon: &'a Daemon,
    pub(super) caller: Caller,
    pub(super) stop: &'a AtomicBool,
    pub(super) tell: Tell<'a>,
}

/// How many blobs are carried at a time.
const AT_ONCE: usize = 4;

pub(super) fn tag(daemon: &Daemon, source: String, target: &Reference) -> Result<Done, Error> {
    let tagged = daemon.tag(&image_name(&source)?, target);
    tagged.map_err(|error| Error::Tag {
        name: source,
        source: error,
    })?;
    Ok(Done::Well)
}

pub(super) fn remove(daemon: &Daemon, name: String, force: bool) -> Result<Done, Error> {
    let removal = daemon.remove(&image_name(&name)?, Remove { force });
    let removal = removal.map_err(|source| Error::Remove { name, source })?;
    Ok(Done::Removed { removal })
}

pub(super) fn prune(
    daemon: &Daemon,
    (all, partials): (bool, bool),
    filters: &[String],
) -> Result<Done, Error> {
    let filters = filters.iter().map(String::as_str);
    let filters = Filters::parse(FilterUse::Prune, filters, &ZonedDateTime::now());
    let what = Prune {
        all,
        partials,
        filters: filters.map_err(Error::Filter)?,
    };
    let pruned = daemon.prune(&what).map_err(Error::Prune)?;
    Ok(Done::Pruned { pruned })
}

impl With<'_> {
    pub(super) fn carry(&self, ask: Ask, file: Option<OwnedFd>) -> Result<Done, Error> {
        match ask {
            Ask::Load {
                choice,
                name,
                doing,
            } => {
                let options = LoadOptions { choice, name };
                let loaded = self.load(file, &options);
                loaded.map_err(|source| freight(doing, None, source))
            }
            Ask::Import(import) => {
                let doing = import.doing.clone();
                let imported = self.import(import, file);
                imported.map_err(|source| not_imported(doing, source))
            }
            Ask::Copy {
                from,
                name,
                choice,
                doing,
                login,
            } => {
                let copied = self.copy(from, file, (name, choice))?;
                copied.map_err(|source| freight(doing, login, source))
            }
            Ask::Hold
            | Ask::Pull { .. }
            | Ask::Tag { .. }
            | Ask::Remove { .. }
            | Ask::Prune { .. } => Err(Error::hatch("that is carried nowhere")),
        }
    }

    fn load(&self, file: Option<OwnedFd>, options: &LoadOptions) -> Result<Done, FreightError> {
        let file = came_along(file)?;
        let path = path_of(&file);
        let is_directory = file.metadata().is_ok_and(|facts| facts.is_dir());
        let from = match is_directory {
            true => LoadFrom::Path(&path),
            false => LoadFrom::File(file.try_clone().map_err(unreadable)?),
        };
        let layout = self.daemon.engine().layout(from, self.stop, self.tell)?;
        let loaded = self.daemon.load(&layout, options, self.stop, self.tell)?;
        Ok(Done::Loaded { loaded })
    }

    fn import(&self, import: Import, file: Option<OwnedFd>) -> Result<Done, FreightError> {
        let mut config = ContainerConfig::default();
        for change in &import.changes {
            // The command has found them to be right.
            let changed = config.change(change);
            changed.map_err(|error| unreadable(std::io::Error::other(error)))?;
        }
        let options = ImportOptions {
            name: import.name,
            platform: import.platform,
            config,
            created: import.created,
            comment: import.comment,
            limit: import.limit,
        };
        let digest = Digest::sha256(b"");
        let planned = |size| (self.tell)(CopyEvent::Planned(vec![(digest, size)]));
        let tell = |bytes| (self.tell)(CopyEvent::Moved { digest, bytes });
        let image = match import.url {
            Some(url) => {
                let url = WebUrl::parse(&url);
                let url = url.map_err(|error| unreadable(std::io::Error::other(error)))?;
                let download = self.daemon.download(&url, import.limit);
                let download = download.map_err(FreightError::Url)?;
                download.length().into_iter().for_each(planned);
                let from = Fetching::new(download, self.daemon.runtime(), self.stop);
                self.daemon.import(from, &options, self.stop, &tell)?
            }
            None => {
                let file = came_along(file)?;
                let facts = file.metadata().map_err(unreadable)?;
                facts
                    .is_file()
                    .then_some(facts.len())
                    .into_iter()
                    .for_each(planned);
                let from = Patient {
                    file,
                    stop: self.stop,
                };
                self.daemon.import(from, &options, self.stop, &tell)?
            }
        };
        Ok(Done::Loaded {
            loaded: vec![image],
        })
    }

    fn copy(
        &self,
        from: From,
        file: Option<OwnedFd>,
        (name, choice): (Reference, Choice),
    ) -> Result<Result<Done, FreightError>, Error> {
        let file = file.map(File::from);
        let source = match from {
            From::Registry { reference } => Place::Registry(reference),
            From::Store { name } => Place::Store(image_name(&name)?),
            From::Files { word } => Place::Files {
                kind: LayoutKind::OciDirectory,
                path: file.as_ref().map(path_of).unwrap_or_default(),
                word,
            },
        };
        let request = CopyRequest {
            source,
            destination: Place::Store(windlass::ImageName::Reference(name)),
            choice,
            referrers: false,
            foreign: false,
            caller: self.caller.clone(),
            at_once: AT_ONCE,
            chunk: None,
        };
        let copier = Copier {
            engine: Some(self.daemon.engine()),
            remote: self.daemon.engine().remote(),
            runtime: self.daemon.runtime(),
            scratch: &|| self.daemon.engine().scratch(),
        };
        let copied = copier.copy(&request, self.stop, self.tell);
        Ok(copied
            .map(|copied| Done::Copied {
                digest: copied.digest,
            })
            .map_err(FreightError::from))
    }
}

fn came_along(file: Option<OwnedFd>) -> Result<File, FreightError> {
    let missing = || unreadable(std::io::Error::other("no file came along"));
    file.map(File::from).ok_or_else(missing)
}

fn unreadable(source: std::io::Error) -> FreightError {
    FreightError::File {
        action: "read what came along",
        source,
    }
}

/// Returns a path that leads to an open file: what it is depends on no namespace.
fn path_of(file: &File) -> PathBuf {
    format!("/proc/self/fd/{}", file.as_raw_fd()).into()
}

fn freight(doing: String, asked: Option<(String, Login)>, source: FreightError) -> Error {
    Error::Freight {
        doing,
        asked,
        source: Box::new(source),
    }
}
