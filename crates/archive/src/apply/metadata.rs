//! Sets the owner, mode, times and extended attributes of files.

use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{AtFlags, Mode, OFlags, Stat, XattrFlags};
use rustix::io::Errno;

use super::applier::Applier;
use super::attributes::{ACL_ACCESS, owner, remove_inherited_acls, timestamps};
use super::open_directories::OpenDirectory;
use super::stat::{permissions, proc_path};
use crate::error::{EntryError, EntryErrorContext};
use crate::options::Ownership;
use crate::tar::TarEntry;
use crate::unpack_rules::is_allowed_xattr;

impl Applier<'_> {
    /// Sets the owner and extended attributes of an open file from its entry, and then the `mode`. `stat` is the
    /// current state of the file.
    pub(super) fn set_metadata(
        &mut self,
        fd: BorrowedFd<'_>,
        entry: &TarEntry,
        mode: u32,
        stat: &Stat,
        inherits_acl: bool,
    ) -> Result<(), EntryError> {
        if self.has_other_owner(stat, entry) {
            let (uid, gid) = owner(entry);
            rustix::fs::fchown(fd, uid, gid).context("set the owner")?;
        }
        if inherits_acl {
            remove_inherited_acls(fd);
        }
        let mut has_acl = inherits_acl;
        // After the owner, because chown removes file capabilities.
        for (name, value) in entry.xattrs().filter(|(name, _)| is_allowed_xattr(name)) {
            has_acl |= name == ACL_ACCESS;
            let set = rustix::fs::fsetxattr(fd, name, value, XattrFlags::empty());
            self.check_xattr(name, set)?;
        }
        // After the owner, because chown clears set-user-ID, and after access control lists, which change
        // the mode.
        if permissions(stat) != mode || has_acl {
            rustix::fs::fchmod(fd, Mode::from_raw_mode(mode)).context("set the mode")?;
        }
        Ok(())
    }

    /// Like [`Applier::set_metadata`], including the times, for files that cannot be opened: symbolic links and
    /// special files.
    pub(super) fn set_metadata_by_name(
        &mut self,
        parent: &OpenDirectory,
        name: &[u8],
        entry: &TarEntry,
        mode: Option<u32>,
    ) -> Result<(), EntryError> {
        let stat = rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)
            .context("read the metadata of the new file")?;
        if self.has_other_owner(&stat, entry) {
            let (uid, gid) = owner(entry);
            rustix::fs::chownat(parent, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW)
                .context("set the owner")?;
        }
        let path = || [proc_path(parent.as_fd()).as_bytes(), b"/", name].concat();
        if parent.has_default_acl {
            // An error is expected: most files have none.
            let _none = rustix::fs::lremovexattr(path(), ACL_ACCESS);
        }
        for (attribute, value) in entry.xattrs().filter(|(name, _)| is_allowed_xattr(name)) {
            let set = rustix::fs::lsetxattr(path(), attribute, value, XattrFlags::empty());
            self.check_xattr(attribute, set)?;
        }
        if let Some(mode) = mode
            && (permissions(&stat) != mode || parent.has_default_acl)
        {
            set_mode_by_name(parent, name, mode)?;
        }
        let times = timestamps(entry.mtime);
        rustix::fs::utimensat(parent, name, &times, AtFlags::SYMLINK_NOFOLLOW)
            .context("set the times")
    }

    fn has_other_owner(&self, stat: &Stat, entry: &TarEntry) -> bool {
        let is_same = stat.st_uid == entry.uid && stat.st_gid == entry.gid;
        self.options.ownership == Ownership::Exact && !is_same
    }

    /// Counts an attribute that this system does not support as skipped. Returns any other error.
    fn check_xattr(&mut self, name: &[u8], set: rustix::io::Result<()>) -> Result<(), EntryError> {
        let is_unsupported = match set {
            Ok(()) => return Ok(()),
            Err(Errno::OPNOTSUPP) => true,
            Err(Errno::PERM | Errno::ACCESS)
                if self.options.ownership == Ownership::CurrentUser =>
            {
                true
            }
            // Symbolic links and special files cannot have `user.` attributes.
            Err(Errno::PERM) => name.starts_with(b"user."),
            Err(_) => false,
        };
        if !is_unsupported {
            return set.context("set an extended attribute");
        }
        self.applied.skipped.xattrs += 1;
        Ok(())
    }
}

/// Sets the mode of a special file. It is opened with `O_PATH` because opening it for reading may block or
/// trigger a device.
fn set_mode_by_name(parent: &OpenDirectory, name: &[u8], mode: u32) -> Result<(), EntryError> {
    let flags = OFlags::PATH.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
    let fd = rustix::fs::openat(parent, name, flags, Mode::empty()).context("open it")?;
    rustix::fs::chmod(proc_path(fd.as_fd()), Mode::from_raw_mode(mode)).context("set the mode")
}
