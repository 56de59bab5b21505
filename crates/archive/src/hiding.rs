//! How the tree of a layer records what it hides of the layers below.
//!
//! overlayfs has two forms. A hidden file is a character device 0:0 (a whiteout), or an empty file with the attribute
//! `overlay.whiteout`; a directory that hides its counterparts has the attribute `overlay.opaque`. The attributes are
//! in the namespace `trusted`, which needs `CAP_SYS_ADMIN` outside of user namespaces, or `user`. In a container, or on an
//! overlay file system, the first forms are often refused.

use std::os::fd::BorrowedFd;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat, XattrFlags};
use rustix::io::Errno;
const TRUSTED_OPAQUE: &str = "trusted.overlay.opaque";
const USER_OPAQUE: &str = "user.overlay.opaque";
const USER_WHITEOUT: &str = "user.overlay.whiteout";
const SET: &[u8] = b"y";

/// How a layer records hidden files and directories.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HidingForm {
    /// Whether a hidden file is a character device 0:0, and not a file with an attribute.
    pub devices: bool,
    /// Whether an opaque directory has the attribute in the namespace `trusted`, and not in `user`.
    pub trusted: bool,
}

impl HidingForm {
    /// The form that overlayfs mounts without options.
    pub const TRUSTED: Self = Self {
        devices: true,
        trusted: true,
    };
    /// The form where attributes in the namespace `trusted` may not be set.
    pub const USER: Self = Self {
        devices: true,
        trusted: false,
    };

    /// Returns the usual form as far as the file system of the empty directory `dir` and the rights of this process permit
    /// it.
    pub fn probe(dir: BorrowedFd<'_>, usual: Self) -> Self {
        const NAME: &str = "probe";
        let device = rustix::fs::mknodat(dir, NAME, FileType::CharacterDevice, Mode::empty(), 0);
        let devices = device.is_ok() && rustix::fs::unlinkat(dir, NAME, AtFlags::empty()).is_ok();
        let trusted = usual.trusted
            && rustix::fs::fsetxattr(dir, TRUSTED_OPAQUE, SET, XattrFlags::empty()).is_ok()
            && rustix::fs::fremovexattr(dir, TRUSTED_OPAQUE).is_ok();
        Self { devices, trusted }
    }

    /// Marks the directory `dir` as opaque.
    pub(crate) fn set_opaque(self, dir: BorrowedFd<'_>) -> rustix::io::Result<()> {
        let name = if self.trusted {
            TRUSTED_OPAQUE
        } else {
            USER_OPAQUE
        };
        rustix::fs::fsetxattr(dir, name, SET, XattrFlags::empty())
    }

    /// Creates the new file `name` that hides its counterparts.
    pub(crate) fn create_whiteout(
        self,
        dir: BorrowedFd<'_>,
        name: &[u8],
    ) -> rustix::io::Result<()> {
        if self.devices {
            let kind = FileType::CharacterDevice;
            return rustix::fs::mknodat(dir, name, kind, Mode::empty(), 0);
        }
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let file = rustix::fs::openat(dir, name, flags, Mode::RUSR | Mode::WUSR)?;
        let marked = rustix::fs::fsetxattr(&file, USER_WHITEOUT, SET, XattrFlags::empty());
        if marked.is_err() {
            // An empty file must not stand for a hidden one.
            rustix::fs::unlinkat(dir, name, AtFlags::empty())?;
        }
        marked
    }
}

/// Returns whether `name` in `dir`, whose metadata is `stat`, hides its counterparts in the layers below. Layers cannot set
/// the attribute on files of their own.
pub(crate) fn is_whiteout(
    dir: BorrowedFd<'_>,
    name: &[u8],
    stat: &Stat,
) -> rustix::io::Result<bool> {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::CharacterDevice => Ok(stat.st_rdev == 0),
        FileType::RegularFile if stat.st_size == 0 => has_whiteout_attribute(dir, name),
        _ => Ok(false),
    }
}

fn has_whiteout_attribute(dir: BorrowedFd<'_>, name: &[u8]) -> rustix::io::Result<bool> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::openat(dir, name, flags, Mode::empty())?;
    let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&file));
    let mut value = [0; 1];
    match rustix::fs::getxattr(path, USER_WHITEOUT, &mut value[..]) {
        Ok(length) => Ok(value[..length] == *SET),
        // A whiteout can be read by its owner, so a file that cannot is none.
        Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::RANGE | Errno::ACCESS | Errno::PERM) => {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}
