//! Sockets with a path.
//!
//! Nobody comes in before owner and mode are right: the socket gets them between `bind` and `listen`, and until the latter
//! every client is refused. The process's umask is not touched, which other threads would notice.

use std::fs::{self, DirBuilder, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{
    DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, PermissionsExt as _, lchown,
};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, fchmod};
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind as bind_socket, listen,
    socket_with,
};
use rustix::process::geteuid;

use super::{BindError, Bound, Entry};

/// What clients on this machine may: the owner and the group, nobody else.
pub(super) const MODE: u32 = 0o660;
/// How many clients may wait to be let in.
const BACKLOG: i32 = 4096;
/// What fits into the system's address of a socket (unix(7)), without the zero at its end.
const LONGEST: usize = 107;
/// What others may do in the directory: nothing that could replace the socket.
const DIRECTORY_MODE: u32 = 0o755;

/// A path that goes when its daemon does, unless another daemon has it by then.
#[derive(Debug)]
pub(super) struct OwnPath {
    path: PathBuf,
    id: (u64, u64),
}

/// Makes a socket at `path` that its owner and `group` may use. One that is left from a daemon that died is replaced, one
/// that somebody answers on is not.
///
/// Missing directories are made. One in which others could replace the socket is refused (T49).
pub fn bind(path: &Path, group: Option<&str>) -> Result<Bound, BindError> {
    let length = path.as_os_str().len();
    if length > LONGEST {
        return Err(BindError::TooLong {
            path: path.to_owned(),
            length,
            most: LONGEST,
        });
    }
    let gid = group.map(find_group).transpose()?;
    let directory = path.parent().unwrap_or(Path::new("/"));
    let made = DirBuilder::new()
        .recursive(true)
        .mode(DIRECTORY_MODE)
        .create(directory);
    made.map_err(BindError::io("make the directory of", path.display()))?;
    refuse_exposed(directory)?;
    clear(path)?;
    let listener = listener(path, gid).map_err(BindError::io("listen on", path.display()))?;
    let metadata = fs::symlink_metadata(path).map_err(BindError::io("look at", path.display()))?;
    let path = path.to_owned();
    Ok(Bound {
        entry: Entry::Unix(listener),
        name: format!("unix://{}", path.display()),
        _path: Some(OwnPath {
            path,
            id: id(&metadata),
        }),
    })
}

fn listener(path: &Path, gid: Option<u32>) -> io::Result<UnixListener> {
    let flags = SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    // The path is made with this mode, less what the umask takes away.
    fchmod(&socket, Mode::from_raw_mode(MODE))?;
    bind_socket(&socket, &SocketAddrUnix::new(path)?)?;
    lchown(path, None, gid)?;
    fs::set_permissions(path, Permissions::from_mode(MODE))?;
    listen(&socket, BACKLOG)?;
    Ok(UnixListener::from(socket))
}

/// Whoever may rename in the directory may put a socket of its own there, and be told clients' passwords.
fn refuse_exposed(directory: &Path) -> Result<(), BindError> {
    let metadata =
        fs::metadata(directory).map_err(BindError::io("look at", directory.display()))?;
    let is_others = ![0, geteuid().as_raw()].contains(&metadata.uid());
    let is_open = metadata.mode() & 0o002 != 0 && metadata.mode() & 0o1000 == 0;
    let reason = match (is_others, is_open) {
        (true, _) => "it belongs to another user",
        (_, true) => "everybody may write there",
        _ => return Ok(()),
    };
    let directory = directory.to_owned();
    Err(BindError::Exposed { directory, reason })
}

/// Makes room for a socket.
fn clear(path: &Path) -> Result<(), BindError> {
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(BindError::io("look at", path.display())(error)),
    };
    if !metadata.file_type().is_socket() {
        let path = path.to_owned();
        return Err(BindError::NotASocket { path });
    }
    match UnixStream::connect(path) {
        Ok(_) => {
            let path = path.to_owned();
            return Err(BindError::Live { path });
        }
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
        Err(error) => return Err(BindError::io("look at", path.display())(error)),
    }
    // What was looked at is what goes: somebody else may have put a new one there meanwhile.
    remove(path, id(&metadata)).map_err(BindError::io("replace", path.display()))
}

/// Removes what is at `path`, if it is what it was.
fn remove(path: &Path, was: (u64, u64)) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if id(&metadata) == was => fs::remove_file(path),
        _ => Ok(()),
    }
}

fn id(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

/// Finds the number of a group by its name in `/etc/group`, or takes its number.
pub fn find_group(name: &str) -> Result<u32, BindError> {
    if let Ok(gid) = name.parse() {
        return Ok(gid);
    }
    let groups = fs::read("/etc/group").unwrap_or_default();
    let of_name = groups.split(|byte| *byte == b'\n').find_map(|line| {
        let mut fields = line.split(|byte| *byte == b':');
        let is_it = fields.next() == Some(name.as_bytes());
        let gid = fields.nth(1).filter(|_| is_it)?;
        std::str::from_utf8(gid).ok()?.parse().ok()
    });
    let name = name.to_owned();
    of_name.ok_or(BindError::NoGroup { name })
}

/// Tells whether `path` lets others in than its owner and its group.
pub(super) fn is_everybodys(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.mode() & 0o002 != 0)
}

impl Drop for OwnPath {
    fn drop(&mut self) {
        // Left behind, the next daemon replaces it.
        drop(remove(&self.path, self.id));
    }
}
