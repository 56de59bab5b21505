//! Extended attributes, access control lists, times and owners of open files.

use std::os::fd::BorrowedFd;

use rustix::fs::{Gid, Timespec, Timestamps, Uid};
use rustix::io::Errno;

use crate::error::{EntryError, EntryErrorContext};
use crate::tar::{TarEntry, Timestamp};

pub(super) const ACL_ACCESS: &[u8] = b"system.posix_acl_access";
const ACL_DEFAULT: &[u8] = b"system.posix_acl_default";

/// Returns the times to set. The access time is set to the modification time.
pub(super) fn timestamps(time: Timestamp) -> Timestamps {
    let time = Timespec {
        tv_sec: time.seconds,
        tv_nsec: time.nanoseconds.into(),
    };
    Timestamps {
        last_access: time,
        last_modification: time,
    }
}

pub(super) fn owner(entry: &TarEntry) -> (Option<Uid>, Option<Gid>) {
    (
        Some(Uid::from_raw(entry.uid)),
        Some(Gid::from_raw(entry.gid)),
    )
}

/// Removes the attributes that a lower layer has set on a directory which has an entry in this layer.
pub(super) fn remove_xattrs(fd: BorrowedFd<'_>) -> Result<(), EntryError> {
    let mut names = vec![0; 64 << 10];
    let length = match rustix::fs::flistxattr(fd, &mut names[..]) {
        Ok(length) => length,
        Err(Errno::OPNOTSUPP) => return Ok(()),
        Err(error) => return Err(error).context("list extended attributes"),
    };
    for name in names[..length]
        .split(|&byte| byte == 0)
        .filter(|name| !name.is_empty())
    {
        if name != b"security.selinux" {
            match rustix::fs::fremovexattr(fd, name) {
                Ok(()) | Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::PERM) => {}
                Err(error) => return Err(error).context("remove an extended attribute"),
            }
        }
    }
    Ok(())
}

/// Returns whether new files in a directory inherit an access control list.
pub(super) fn has_default_acl(directory: BorrowedFd<'_>) -> bool {
    let mut nothing: [u8; 0] = [];
    rustix::fs::fgetxattr(directory, ACL_DEFAULT, &mut nothing[..]).is_ok()
}

/// Removes the access control lists that a new file has inherited from its directory. The tar does not contain
/// them.
pub(super) fn remove_inherited_acls(fd: BorrowedFd<'_>) {
    for name in [ACL_ACCESS, ACL_DEFAULT] {
        // An error is expected: most files have none.
        let _none = rustix::fs::fremovexattr(fd, name);
    }
}
