//! Owners, modes, times and extended attributes, set on what is held open.

use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::fs::{AtFlags, Gid, Mode, Stat, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;

use super::Applier;
use super::parents::Parent;
use super::tree::permissions;
use crate::error::{EntryError, Trying};
use crate::options::Ownership;
use crate::tar::{Entry, Time};

const ACL_ACCESS: &[u8] = b"system.posix_acl_access";
const ACL_DEFAULT: &[u8] = b"system.posix_acl_default";

impl Applier<'_> {
    /// Gives a file or directory that was just made, or found, its owner, attributes and `mode`.
    pub(super) fn dress(
        &mut self,
        fd: BorrowedFd<'_>,
        entry: &Entry,
        mode: u32,
        stat: &Stat,
        inherits_acl: bool,
    ) -> Result<(), EntryError> {
        if self.has_other_owner(stat, entry) {
            let (uid, gid) = owner(entry);
            rustix::fs::fchown(fd, uid, gid).trying("set the owner")?;
        }
        if inherits_acl {
            remove_inherited_acls(fd);
        }
        let mut has_acl = inherits_acl;
        // After the chown, which removes file capabilities.
        for (name, value) in entry.xattrs().filter(|(name, _)| is_kept(name)) {
            has_acl |= name == ACL_ACCESS;
            let set = rustix::fs::fsetxattr(fd, name, value, XattrFlags::empty());
            self.count_xattr(name, set)?;
        }
        // After the chown, which clears set-user-ID, and after access control lists, which set modes.
        if permissions(stat) != mode || has_acl {
            rustix::fs::fchmod(fd, Mode::from_raw_mode(mode)).trying("set the mode")?;
        }
        Ok(())
    }

    /// As [`Applier::dress`], with the times, for what cannot be opened: links and special files.
    pub(super) fn dress_by_name(
        &mut self,
        parent: &Parent,
        name: &[u8],
        entry: &Entry,
        mode: Option<u32>,
    ) -> Result<(), EntryError> {
        let stat = rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)
            .trying("look at what was made")?;
        if self.has_other_owner(&stat, entry) {
            let (uid, gid) = owner(entry);
            rustix::fs::chownat(parent, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW)
                .trying("set the owner")?;
        }
        let through = || [path_of(parent.fd_ref()).as_bytes(), b"/", name].concat();
        if parent.default_acl {
            // That there is none is the usual case.
            let _none = rustix::fs::lremovexattr(through(), ACL_ACCESS);
        }
        for (attribute, value) in entry.xattrs().filter(|(name, _)| is_kept(name)) {
            let set = rustix::fs::lsetxattr(through(), attribute, value, XattrFlags::empty());
            self.count_xattr(attribute, set)?;
        }
        if let Some(mode) = mode
            && (permissions(&stat) != mode || parent.default_acl)
        {
            set_mode_by_name(parent, name, mode)?;
        }
        let times = timestamps(entry.mtime);
        rustix::fs::utimensat(parent, name, &times, AtFlags::SYMLINK_NOFOLLOW)
            .trying("set the times")
    }

    fn has_other_owner(&self, stat: &Stat, entry: &Entry) -> bool {
        let same = stat.st_uid == entry.uid && stat.st_gid == entry.gid;
        self.options.ownership == Ownership::Exact && !same
    }

    /// Counts an attribute that cannot be set here, and fails on what should have worked.
    fn count_xattr(&mut self, name: &[u8], set: rustix::io::Result<()>) -> Result<(), EntryError> {
        let may_fail = match set {
            Ok(()) => return Ok(()),
            Err(Errno::OPNOTSUPP) => true,
            Err(Errno::PERM | Errno::ACCESS)
                if self.options.ownership == Ownership::CurrentUser =>
            {
                true
            }
            // Links and special files cannot have any of these.
            Err(Errno::PERM) => name.starts_with(b"user."),
            Err(_) => false,
        };
        if !may_fail {
            return set.trying("set an extended attribute");
        }
        self.applied.skipped.xattrs += 1;
        Ok(())
    }
}

impl Parent {
    fn fd_ref(&self) -> BorrowedFd<'_> {
        std::os::fd::AsFd::as_fd(&self.fd)
    }
}

/// Returns the times to set: the modification time, for the last access too.
pub(super) fn timestamps(time: Time) -> Timestamps {
    let time = Timespec {
        tv_sec: time.seconds,
        tv_nsec: time.nanoseconds.into(),
    };
    Timestamps {
        last_access: time,
        last_modification: time,
    }
}

/// Says whether a layer may set the attribute. overlayfs's own would redirect the kernel (A21), and
/// labels and measurements are this host's, not the image's.
pub(crate) fn is_kept(name: &[u8]) -> bool {
    let overlay = name.starts_with(b"trusted.overlay.") || name.starts_with(b"user.overlay.");
    let host = matches!(
        name,
        b"security.selinux" | b"security.ima" | b"security.evm"
    );
    !overlay && !host
}

/// Marks a directory as hiding what the layers below have in it.
pub(super) fn set_opaque(fd: BorrowedFd<'_>, ownership: Ownership) -> Result<(), EntryError> {
    let name = match ownership {
        Ownership::Exact => c"trusted.overlay.opaque",
        Ownership::CurrentUser => c"user.overlay.opaque",
    };
    rustix::fs::fsetxattr(fd, name, b"y", XattrFlags::empty()).trying("mark it as opaque")
}

/// Removes the attributes of a directory that a lower layer has left and this one's entry replaces.
pub(super) fn remove_xattrs(fd: BorrowedFd<'_>) -> Result<(), EntryError> {
    let mut names = vec![0; 64 << 10];
    let length = match rustix::fs::flistxattr(fd, &mut names[..]) {
        Ok(length) => length,
        Err(Errno::OPNOTSUPP) => return Ok(()),
        Err(error) => return Err(error).trying("list extended attributes"),
    };
    for name in names[..length]
        .split(|&byte| byte == 0)
        .filter(|name| !name.is_empty())
    {
        if name != b"security.selinux" {
            match rustix::fs::fremovexattr(fd, name) {
                Ok(()) | Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::PERM) => {}
                Err(error) => return Err(error).trying("remove an extended attribute"),
            }
        }
    }
    Ok(())
}

/// Says whether what is made in a directory inherits an access control list.
pub(super) fn has_default_acl(directory: BorrowedFd<'_>) -> bool {
    let mut nothing: [u8; 0] = [];
    rustix::fs::fgetxattr(directory, ACL_DEFAULT, &mut nothing[..]).is_ok()
}

/// Removes access control lists that came from a parent directory, which no entry asked for.
pub(super) fn remove_inherited_acls(fd: BorrowedFd<'_>) {
    for name in [ACL_ACCESS, ACL_DEFAULT] {
        // That there is none is the usual case.
        let _none = rustix::fs::fremovexattr(fd, name);
    }
}

/// Returns a path that leads to what is held, and nowhere else.
pub(super) fn path_of(fd: BorrowedFd<'_>) -> String {
    format!("/proc/self/fd/{}", fd.as_raw_fd())
}

fn owner(entry: &Entry) -> (Option<Uid>, Option<Gid>) {
    (
        Some(Uid::from_raw(entry.uid)),
        Some(Gid::from_raw(entry.gid)),
    )
}

/// Sets the mode of a special file, which must not be opened: only held.
fn set_mode_by_name(parent: &Parent, name: &[u8], mode: u32) -> Result<(), EntryError> {
    use std::os::fd::AsFd;
    let held = rustix::fs::OFlags::PATH
        .union(rustix::fs::OFlags::NOFOLLOW)
        .union(rustix::fs::OFlags::CLOEXEC);
    let fd = rustix::fs::openat(parent, name, held, Mode::empty()).trying("hold it")?;
    rustix::fs::chmod(path_of(fd.as_fd()), Mode::from_raw_mode(mode)).trying("set the mode")
}
