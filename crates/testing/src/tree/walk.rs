//! Walks a tree by directory handles, so that links and long paths do no harm.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use rustix::fs::{
    AtFlags, Dir, FileType, Mode, OFlags, Stat, fstat, lgetxattr, llistxattr, major, minor, openat,
    readlinkat, statat,
};
use rustix::io::Errno;
use windlass_oci::{Algorithm, Digest, Hasher};

use super::{TreeEntry, TreeEntryKind, TreeSnapshot};

/// The entries so far, and the files with several names.
struct TreeWalker {
    entries: BTreeMap<Vec<u8>, TreeEntry>,
    names: HashMap<(u64, u64), Vec<Vec<u8>>>,
    watched: bool,
}

pub(super) fn walk(directory: BorrowedFd<'_>, watched: bool) -> io::Result<TreeSnapshot> {
    let mut walk = TreeWalker {
        entries: BTreeMap::new(),
        names: HashMap::new(),
        watched,
    };
    let root = openat(directory, ".", directory_flags(), Mode::empty())?;
    let stat = fstat(&root)?;
    walk.add_entry(root.as_fd(), b".", b".".to_vec(), &stat)?;
    walk.enter(root.as_fd(), b"")?;
    Ok(TreeSnapshot {
        entries: walk.linked(),
    })
}

impl TreeWalker {
    fn enter(&mut self, directory: BorrowedFd<'_>, path: &[u8]) -> io::Result<()> {
        for child in Dir::read_from(directory)? {
            let child = child?;
            let name = child.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let separator: &[u8] = if path.is_empty() { b"" } else { b"/" };
            let path = [path, separator, name.to_bytes()].concat();
            let stat = statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
            self.add_entry(directory, name.to_bytes(), path.clone(), &stat)?;
            if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
                match openat(directory, name, directory_flags(), Mode::empty()) {
                    Ok(inner) => self.enter(inner.as_fd(), &path)?,
                    Err(Errno::ACCESS) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }

    fn add_entry(
        &mut self,
        parent: BorrowedFd<'_>,
        name: &[u8],
        path: Vec<u8>,
        stat: &Stat,
    ) -> io::Result<()> {
        let kind = kind(parent, name, stat)?;
        if stat.st_nlink > 1 && kind != TreeEntryKind::Directory {
            let names = self.names.entry((stat.st_dev, stat.st_ino)).or_default();
            names.push(path.clone());
        }
        let change = (stat.st_ctime, nanoseconds(stat.st_ctime_nsec), stat.st_ino);
        let entry = TreeEntry {
            kind,
            mode: stat.st_mode & 0o7777,
            uid: stat.st_uid,
            gid: stat.st_gid,
            mtime: (stat.st_mtime, nanoseconds(stat.st_mtime_nsec)),
            linked: None,
            xattrs: xattrs(parent, name)?,
            change: self.watched.then_some(change),
        };
        self.entries.insert(path, entry);
        Ok(())
    }

    /// Sets, for each file with several names, the first of them.
    fn linked(mut self) -> BTreeMap<Vec<u8>, TreeEntry> {
        for names in self.names.into_values().filter(|names| names.len() > 1) {
            let first = names.iter().min().cloned();
            for name in names {
                if let Some(entry) = self.entries.get_mut(&name) {
                    entry.linked.clone_from(&first);
                }
            }
        }
        self.entries
    }
}

fn kind(parent: BorrowedFd<'_>, name: &[u8], stat: &Stat) -> io::Result<TreeEntryKind> {
    let device = || (major(stat.st_rdev), minor(stat.st_rdev));
    Ok(match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => TreeEntryKind::File {
            size: u64::try_from(stat.st_size).unwrap_or_default(),
            digest: digest(parent, name)?,
        },
        FileType::Directory => TreeEntryKind::Directory,
        FileType::Symlink => {
            TreeEntryKind::Symlink(readlinkat(parent, name, Vec::new())?.into_bytes())
        }
        FileType::Fifo => TreeEntryKind::Fifo,
        FileType::Socket => TreeEntryKind::Socket,
        FileType::CharacterDevice => TreeEntryKind::CharDevice(device().0, device().1),
        FileType::BlockDevice => TreeEntryKind::BlockDevice(device().0, device().1),
        FileType::Unknown => return Err(io::Error::other("a file of unknown type")),
    })
}

fn digest(parent: BorrowedFd<'_>, name: &[u8]) -> io::Result<Option<Digest>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = match openat(parent, name, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(Errno::ACCESS) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let mut hasher = Hasher::new(Algorithm::Sha256);
    let mut buffer = vec![0; 128 << 10];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(Some(hasher.finish())),
            count => hasher.update(&buffer[..count]),
        }
    }
}

fn xattrs(parent: BorrowedFd<'_>, name: &[u8]) -> io::Result<BTreeMap<Vec<u8>, Vec<u8>>> {
    // There is no system call with a handle and a name; this path is short for any file.
    let mut path = format!("/proc/self/fd/{}/", parent.as_raw_fd()).into_bytes();
    path.extend(name);
    let names = sized(|buffer| llistxattr(&*path, buffer))?;
    let names = names.split(|byte| *byte == 0);
    let names = names.filter(|name| !name.is_empty() && *name != b"security.selinux");
    names
        .map(|name| {
            let value = sized(|buffer| lgetxattr(&*path, name, buffer))?;
            Ok((name.to_vec(), value))
        })
        .collect()
}

/// Calls with a buffer of the maximum size of an attribute.
fn sized(call: impl Fn(&mut [u8]) -> rustix::io::Result<usize>) -> io::Result<Vec<u8>> {
    let mut buffer = vec![0; 64 << 10];
    match call(&mut buffer) {
        Ok(length) => {
            buffer.truncate(length);
            Ok(buffer)
        }
        // The file system has no attributes, or this user may not read them.
        Err(Errno::OPNOTSUPP | Errno::ACCESS) => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

fn directory_flags() -> OFlags {
    OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC
}

fn nanoseconds(value: impl TryInto<u32>) -> u32 {
    value.try_into().unwrap_or_default()
}
