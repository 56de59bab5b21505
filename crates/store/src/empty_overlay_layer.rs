//! Empty directories for the top of an overlay.
//!
//! The root directory of an overlay has the metadata of its topmost layer, but many tars do not contain their
//! root: then that of a lower layer is the right one. An empty directory with that metadata is stacked on top
//! of all layers. This also ensures that there are at least two directories, which an overlay
//! requires.

use std::os::fd::OwnedFd;
use std::path::PathBuf;

use rustix::fs::{Mode, OFlags, Stat, Timespec, Timestamps, fchmod, fchown, fstat, futimens};
use rustix::io::Errno;

use crate::error::{FileError, FileErrorContext};
use crate::store_root::EMPTY;
use crate::{Chain, Store};

impl Store {
    /// Returns the paths of the empty directories to stack on the layers of `chain`: one with the metadata of its root,
    /// or two for a chain without layers.
    ///
    /// They are created when they are first needed, and reused; nothing else depends on them.
    pub fn empty_overlay_layers(&self, chain: &Chain) -> Result<Vec<PathBuf>, FileError> {
        let has_root =
            |layer: &&crate::Layer| !layer.metadata().implied_directories.contains(&Vec::new());
        let layer = chain.layers.iter().find(has_root).or(chain.layers.last());
        let metadata = match layer {
            Some(layer) => Some(fstat(layer.open_dir()?).at("examine", || layer.path())?),
            None => None,
        };
        let top = self.inner().root().path().join(EMPTY);
        create_or_open(&top)?;
        let Some(metadata) = metadata else {
            return ["none", "none-below"]
                .map(|name| empty_root(top.join(name)))
                .into_iter()
                .collect();
        };
        let (mode, seconds) = (metadata.st_mode & 0o7777, metadata.st_mtime);
        let (uid, gid) = (metadata.st_uid, metadata.st_gid);
        let path = top.join(format!(
            "{mode:04o}-{uid}-{gid}-{seconds}-{}",
            metadata.st_mtime_nsec
        ));
        let directory = create_or_open(&path)?;
        // Repeated each time, because a crash may have happened after the creation.
        copy_metadata(&directory, &metadata).at("change", || path.clone())?;
        Ok(vec![path])
    }
}

/// Creates the root directory of an image without layers.
fn empty_root(path: PathBuf) -> Result<PathBuf, FileError> {
    let directory = create_or_open(&path)?;
    fchmod(&directory, Mode::from_raw_mode(0o755)).at("change", || path.clone())?;
    Ok(path)
}

/// Creates a directory, or opens an existing one.
fn create_or_open(path: &PathBuf) -> Result<OwnedFd, FileError> {
    match rustix::fs::mkdir(path, Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(error).at("create", || path.clone()),
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty()).at("open", || path.clone())
}

fn copy_metadata(directory: &OwnedFd, metadata: &Stat) -> rustix::io::Result<()> {
    let (uid, gid) = (
        rustix::fs::Uid::from_raw(metadata.st_uid),
        rustix::fs::Gid::from_raw(metadata.st_gid),
    );
    fchown(directory, Some(uid), Some(gid))?;
    fchmod(directory, Mode::from_raw_mode(metadata.st_mode & 0o7777))?;
    let nanoseconds = metadata.st_mtime_nsec.try_into().unwrap_or(0);
    let time = Timespec {
        tv_sec: metadata.st_mtime,
        tv_nsec: nanoseconds,
    };
    futimens(
        directory,
        &Timestamps {
            last_access: time,
            last_modification: time,
        },
    )
}
