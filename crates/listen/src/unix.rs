//! Unix sockets with a path.
//!
//! Owner, group and mode are set between `bind` and `listen`; until the latter the system refuses every client. The umask
//! of the process is not changed, because other threads would be affected.

use std::fs::{self, DirBuilder, File, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{
    DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, PermissionsExt as _, lchown,
};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, fchmod};
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind as bind_socket, listen,
    socket_with,
};
use rustix::process::geteuid;

use crate::BindError;

/// The permissions of a socket, and the preparation of its directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnixSocketOptions {
    /// The permissions of the socket: to connect takes the permission to write.
    pub mode: u32,
    /// The group that the socket belongs to, by name in `/etc/group` or by number.
    pub group: Option<String>,
    /// Whether missing directories are made, and a directory is refused in which other users could replace the socket
    /// (T49).
    pub prepare_directory: bool,
}

/// How many clients may wait to be accepted.
const BACKLOG: i32 = 4096;
/// The longest path that fits the address of a socket (unix(7)), in bytes, without the zero at its end.
const MAX_PATH: usize = 107;
/// The mode of directories that are made for a socket: only their owner may replace it.
const DIRECTORY_MODE: u32 = 0o755;

/// The path of a socket, removed on drop unless another process has taken it over.
#[derive(Debug)]
pub(crate) struct SocketPath(PathEntry);

/// The file at a path.
#[derive(Debug)]
struct PathEntry {
    path: PathBuf,
    /// Identifies the file by its device and inode. It is open because ext4, among others, gives the inode number of a
    /// removed file to the next new one.
    file: File,
}

/// Makes a socket at `path` and listens on it.
///
/// A socket whose process died is replaced; one that a process listens on is not.
pub(crate) fn bind(
    path: &Path,
    options: &UnixSocketOptions,
) -> Result<(UnixListener, SocketPath), BindError> {
    let length = path.as_os_str().len();
    if length > MAX_PATH {
        return Err(BindError::TooLong {
            path: path.to_owned(),
            length,
            limit: MAX_PATH,
        });
    }
    let gid = options.group.as_deref().map(find_group).transpose()?;
    if options.prepare_directory {
        let directory = path.parent().unwrap_or(Path::new("/"));
        let made = DirBuilder::new()
            .recursive(true)
            .mode(DIRECTORY_MODE)
            .create(directory);
        made.map_err(BindError::io("create the directory of", path.display()))?;
        refuse_exposed(directory)?;
    }
    remove_stale(path)?;
    let listener =
        make_socket(path, options.mode, gid).map_err(BindError::io("listen on", path.display()))?;
    let entry = PathEntry::open(path).map_err(BindError::io("read", path.display()))?;
    Ok((listener, SocketPath(entry)))
}

fn make_socket(path: &Path, mode: u32, gid: Option<u32>) -> io::Result<UnixListener> {
    let flags = SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    // `bind` makes the path with this mode, less the bits of the umask.
    fchmod(&socket, Mode::from_raw_mode(mode))?;
    bind_socket(&socket, &SocketAddrUnix::new(path)?)?;
    lchown(path, None, gid)?;
    fs::set_permissions(path, Permissions::from_mode(mode))?;
    listen(&socket, BACKLOG)?;
    Ok(UnixListener::from(socket))
}

/// Refuses a directory in which another user may rename files: that user could put a socket of its own there and
/// receive the passwords of clients.
fn refuse_exposed(directory: &Path) -> Result<(), BindError> {
    let metadata = fs::metadata(directory).map_err(BindError::io("read", directory.display()))?;
    let has_other_owner = ![0, geteuid().as_raw()].contains(&metadata.uid());
    let is_open = metadata.mode() & 0o002 != 0 && metadata.mode() & 0o1000 == 0;
    let reason = match (has_other_owner, is_open) {
        (true, _) => "the directory belongs to another user",
        (_, true) => "every user may write to the directory",
        _ => return Ok(()),
    };
    let directory = directory.to_owned();
    Err(BindError::ExposedDirectory { directory, reason })
}

/// Removes a socket that no process listens on.
fn remove_stale(path: &Path) -> Result<(), BindError> {
    let entry = match PathEntry::open(path) {
        Ok(entry) => entry,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(BindError::io("read", path.display())(error)),
    };
    let metadata = entry.file.metadata();
    let metadata = metadata.map_err(BindError::io("read", path.display()))?;
    if !metadata.file_type().is_socket() {
        let path = path.to_owned();
        return Err(BindError::NotASocket { path });
    }
    match UnixStream::connect(path) {
        Ok(_) => {
            let path = path.to_owned();
            return Err(BindError::InUse { path });
        }
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
        Err(error) => return Err(BindError::io("connect to", path.display())(error)),
    }
    // Another process may have put a new socket there meanwhile.
    entry
        .remove()
        .map_err(BindError::io("replace", path.display()))
}

/// Returns the number of a group: from its name in `/etc/group`, or from its number.
pub fn find_group(name: &str) -> Result<u32, BindError> {
    if let Ok(gid) = name.parse() {
        return Ok(gid);
    }
    let groups = fs::read("/etc/group").unwrap_or_default();
    let gid = groups.split(|byte| *byte == b'\n').find_map(|line| {
        let mut fields = line.split(|byte| *byte == b':');
        let is_match = fields.next() == Some(name.as_bytes());
        let gid = fields.nth(1).filter(|_| is_match)?;
        std::str::from_utf8(gid).ok()?.parse().ok()
    });
    let name = name.to_owned();
    gid.ok_or(BindError::NoGroup { name })
}

/// Returns whether every user may connect to the socket at `path`.
pub(crate) fn is_world_writable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.mode() & 0o002 != 0)
}

impl PathEntry {
    /// Opens the file at `path` itself, also if it is a symlink or a socket.
    fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::open(path, flags, Mode::empty())?.into();
        let path = path.to_owned();
        Ok(Self { path, file })
    }

    /// Removes the file, unless the path has another one by now.
    fn remove(&self) -> io::Result<()> {
        let id = |metadata: &Metadata| (metadata.dev(), metadata.ino());
        let own = id(&self.file.metadata()?);
        match fs::symlink_metadata(&self.path) {
            Ok(metadata) if id(&metadata) == own => fs::remove_file(&self.path),
            Ok(_) | Err(_) => Ok(()),
        }
    }
}

impl Drop for SocketPath {
    fn drop(&mut self) {
        // A path that cannot be removed is replaced by the next process that listens there.
        drop(self.0.remove());
    }
}

#[cfg(test)]
mod tests;
