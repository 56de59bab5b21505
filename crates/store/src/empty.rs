//! Empty directories for the top of an overlay.
//!
//! The root of an overlay looks like that of its topmost layer, which many tars do not carry: then it is the
//! root of a lower layer that counts. An empty directory with that one's metadata goes on top of all
//! layers. So there are always two directories at least, and fewer are no overlay.

use std::os::fd::OwnedFd;
use std::path::PathBuf;

use rustix::fs::{Mode, OFlags, Stat, Timespec, Timestamps, fchmod, fchown, fstat, futimens};
use rustix::io::Errno;

use crate::error::{At, FileError};
use crate::root::EMPTY;
use crate::{Chain, Store};

impl Store {
    /// Returns the path of an empty directory that looks as the root of `chain` is to look.
    ///
    /// It is made when it is first asked for, and kept for the next; nothing else depends on it.
    pub fn empty_top(&self, chain: &Chain) -> Result<PathBuf, FileError> {
        let carries_root =
            |layer: &&crate::Layer| !layer.metadata().implied_directories.contains(&Vec::new());
        let layer = chain
            .layers
            .iter()
            .find(carries_root)
            .or(chain.layers.last());
        let looks = match layer {
            Some(layer) => Some(fstat(layer.open_dir()?).at("examine", || layer.path())?),
            None => None,
        };
        let top = self.inner().root().path().join(EMPTY);
        make(&top)?;
        let Some(looks) = looks else { return Ok(top) };
        let (mode, seconds) = (looks.st_mode & 0o7777, looks.st_mtime);
        let (uid, gid) = (looks.st_uid, looks.st_gid);
        let path = top.join(format!(
            "{mode:04o}-{uid}-{gid}-{seconds}-{}",
            looks.st_mtime_nsec
        ));
        let directory = make(&path)?;
        // Each time: a crash may have come between making it and this.
        dress(&directory, &looks).at("change", || path.clone())?;
        Ok(path)
    }
}

/// Makes a directory, or opens the one that is there.
fn make(path: &PathBuf) -> Result<OwnedFd, FileError> {
    match rustix::fs::mkdir(path, Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(error).at("create", || path.clone()),
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty()).at("open", || path.clone())
}

fn dress(directory: &OwnedFd, looks: &Stat) -> rustix::io::Result<()> {
    let (uid, gid) = (
        rustix::fs::Uid::from_raw(looks.st_uid),
        rustix::fs::Gid::from_raw(looks.st_gid),
    );
    fchown(directory, Some(uid), Some(gid))?;
    fchmod(directory, Mode::from_raw_mode(looks.st_mode & 0o7777))?;
    let nanoseconds = looks.st_mtime_nsec.try_into().unwrap_or(0);
    let time = Timespec {
        tv_sec: looks.st_mtime,
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
