//! Where clients come in: sockets that are made here, or inherited.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::net::AddressFamily;
use rustix::net::sockopt::socket_domain;

/// Where clients come in, as people write it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// `unix://PATH`
    Unix(PathBuf),
    /// `tcp://IP:PORT`
    Tcp(SocketAddr),
    /// `fd://`: the sockets that the service manager made.
    Inherited,
}

/// What is no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no address to listen on: give unix:///PATH, tcp://IP:PORT or fd://")]
pub struct AddressError {
    text: String,
}

/// A socket that clients come in by.
#[derive(Debug)]
pub enum Bound {
    /// On this machine, by a path.
    Unix {
        /// The socket.
        listener: UnixListener,
        /// Its path, where it was made here: it goes with the daemon.
        path: Option<PathBuf>,
    },
    /// From elsewhere: only with certificates on both sides.
    Tcp(TcpListener),
}

/// Why nobody can come in.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another daemon answers there.
    #[error("{} is in use: another daemon answers there", .path.display())]
    Live {
        /// The socket.
        path: PathBuf,
    },
    /// Something else is there.
    #[error("{} is there, and is no socket: remove it, or listen elsewhere", .path.display())]
    NotASocket {
        /// What is there.
        path: PathBuf,
    },
    /// There is no such group.
    #[error("there is no group {name:?} for the socket")]
    NoGroup {
        /// The group.
        name: String,
    },
    /// The path or address cannot be used.
    #[error("cannot {action} {place}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// With what.
        place: String,
        /// Why not.
        source: io::Error,
    },
    /// No socket was inherited.
    #[error("fd:// was given, and the service manager passed no socket")]
    NothingInherited,
}

/// What clients on this machine may: the owner and the group, nobody else.
const MODE: u32 = 0o660;
/// The first of the sockets that a service manager passes.
const FIRST_INHERITED: RawFd = 3;

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let wrong = || AddressError {
            text: text.to_owned(),
        };
        let (scheme, rest) = text.split_once("://").ok_or_else(wrong)?;
        match (scheme, rest) {
            ("unix", path) if path.starts_with('/') => Ok(Self::Unix(path.into())),
            ("tcp", address) => address.parse().map(Self::Tcp).map_err(|_| wrong()),
            ("fd", _) => Ok(Self::Inherited),
            _ => Err(wrong()),
        }
    }
}

/// Makes a socket at `path` that its owner and `group` may use. One that is left from a daemon that died is replaced, one
/// that somebody answers on is not.
pub fn bind(path: &Path, group: Option<&str>) -> Result<Bound, BindError> {
    let failed = |action| {
        let place = path.display().to_string();
        move |source: io::Error| BindError::Io {
            action,
            place,
            source,
        }
    };
    if let Some(parent) = path.parent().filter(|parent| !parent.exists()) {
        fs::create_dir_all(parent).map_err(failed("make the directory of"))?;
    }
    clear(path)?;
    let gid = group.map(find_group).transpose()?;
    // Nobody comes in before owner and mode are right.
    let before = rustix::process::umask(Mode::from_raw_mode(0o177));
    let listener = UnixListener::bind(path);
    rustix::process::umask(before);
    let listener = listener.map_err(failed("listen on"))?;
    if let Some(gid) = gid {
        std::os::unix::fs::chown(path, None, Some(gid)).map_err(failed("give the group to"))?;
    }
    fs::set_permissions(path, fs::Permissions::from_mode(MODE))
        .map_err(failed("change the mode of"))?;
    Ok(Bound::Unix {
        listener,
        path: Some(path.to_owned()),
    })
}

/// Makes room for a socket.
fn clear(path: &Path) -> Result<(), BindError> {
    let failed = |action| {
        move |source| BindError::Io {
            action,
            place: path.display().to_string(),
            source,
        }
    };
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed("look at")(error)),
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
        Err(error) => return Err(failed("look at")(error)),
    }
    // What was looked at is what goes: somebody else may have put a new one there meanwhile.
    let is_same = fs::symlink_metadata(path)
        .is_ok_and(|now| (now.dev(), now.ino()) == (metadata.dev(), metadata.ino()));
    if is_same {
        fs::remove_file(path).map_err(failed("replace"))?;
    }
    Ok(())
}

/// Finds a group by its name, or takes its number.
fn find_group(name: &str) -> Result<u32, BindError> {
    if let Ok(gid) = name.parse() {
        return Ok(gid);
    }
    let groups = fs::read_to_string("/etc/group").unwrap_or_default();
    let of_name = groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok())?
    });
    let name = name.to_owned();
    of_name.ok_or(BindError::NoGroup { name })
}

/// Takes the sockets that the service manager made (`sd_listen_fds(3)`): `count` of them, meant for process `pid`.
///
/// # Safety of what it does
/// Once in a process, before anything else could have opened these numbers.
pub fn inherited(count: Option<u32>, pid: Option<u32>) -> Result<Vec<Bound>, BindError> {
    let count = count.filter(|_| pid.is_none_or(|pid| pid == std::process::id()));
    let count = RawFd::try_from(count.unwrap_or_default()).unwrap_or_default();
    if count == 0 {
        return Err(BindError::NothingInherited);
    }
    let sockets = FIRST_INHERITED..FIRST_INHERITED.saturating_add(count.min(64));
    sockets.map(take).collect()
}

#[expect(unsafe_code, reason = "a number that is inherited has no owner yet")]
fn take(number: RawFd) -> Result<Bound, BindError> {
    // SAFETY: the service manager says that this one is ours, and nobody else takes it.
    let socket = unsafe { OwnedFd::from_raw_fd(number) };
    let failed = |source: Errno| BindError::Io {
        action: "use the inherited socket",
        place: number.to_string(),
        source: source.into(),
    };
    rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::CLOEXEC).map_err(failed)?;
    debug_assert_eq!(socket.as_raw_fd(), number);
    if socket_domain(&socket).map_err(failed)? == AddressFamily::UNIX {
        let listener = UnixListener::from(socket);
        let path = None;
        return Ok(Bound::Unix { listener, path });
    }
    Ok(Bound::Tcp(TcpListener::from(socket)))
}

impl Drop for Bound {
    fn drop(&mut self) {
        if let Self::Unix {
            path: Some(path), ..
        } = self
        {
            // Left behind, the next daemon replaces it.
            drop(fs::remove_file(path));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_a_scheme() {
        let parse = |text: &str| text.parse::<Address>();
        assert_eq!(
            parse("unix:///run/x.sock"),
            Ok(Address::Unix("/run/x.sock".into()))
        );
        assert_eq!(
            parse("tcp://127.0.0.1:2376"),
            Ok(Address::Tcp(([127, 0, 0, 1], 2376).into()))
        );
        assert_eq!(parse("fd://"), Ok(Address::Inherited));
        for odd in ["", "/run/x", "unix://x", "tcp://host:1", "npipe:////x"] {
            assert!(parse(odd).is_err(), "{odd}");
        }
    }

    #[test]
    fn stale_sockets_are_replaced_and_live_ones_are_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("new/d.sock");
        let first = bind(&path, None).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, MODE);
        assert!(matches!(bind(&path, None), Err(BindError::Live { .. })));
        // As a daemon that was killed leaves it.
        let Bound::Unix { listener, .. } = &first else {
            unreachable!()
        };
        let copy = listener.try_clone().unwrap();
        std::mem::forget(first);
        drop(copy);
        fs::write(directory.path().join("file"), "x").unwrap();
        let file = bind(&directory.path().join("file"), None);
        assert!(matches!(file, Err(BindError::NotASocket { .. })));
        let none = bind(&directory.path().join("other"), Some("no-such-group"));
        assert!(matches!(none, Err(BindError::NoGroup { .. })));
    }
}
