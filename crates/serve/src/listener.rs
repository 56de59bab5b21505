//! Listening.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use socket2::{Domain, SockAddr, Socket, Type};

use crate::Listen;

/// How many connections may wait to be taken.
const BACKLOG: i32 = 128;

/// A socket that listens. One in the file system is removed on drop.
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
    address: Listen,
    left_behind: Option<LeftBehind>,
}

/// Why there can be no listening.
#[derive(Debug, thiserror::Error)]
#[error("listening on {listen}")]
pub struct BindError {
    /// Where.
    pub listen: Listen,
    /// Why not.
    pub source: io::Error,
}

/// A listener in the runtime.
#[derive(Debug)]
pub(crate) struct Accepting {
    socket: Accepted,
    _left_behind: Option<LeftBehind>,
}

#[derive(Debug)]
enum Accepted {
    Tcp(tokio::net::TcpListener),
    Unix(tokio::net::UnixListener),
}

/// Who came.
#[derive(Debug)]
pub(crate) enum Visitor {
    Tcp(tokio::net::TcpStream, SocketAddr),
    Unix(tokio::net::UnixStream),
}

/// A socket's path, removed on drop.
#[derive(Debug)]
struct LeftBehind(PathBuf);

impl Listener {
    /// Listens. A socket in the file system is for its owner alone; one that nobody listens on any more is replaced.
    pub fn bind(listen: &Listen) -> Result<Self, BindError> {
        let bound = match listen {
            Listen::Tcp(address) => tcp(&(*address).into()),
            Listen::Unix(path) => unix(path),
        };
        bound.map_err(|source| BindError {
            listen: listen.clone(),
            source,
        })
    }

    /// Returns where it listens: with the port that was free.
    pub fn address(&self) -> &Listen {
        &self.address
    }

    /// Enters the runtime.
    pub(crate) fn into_accepting(self) -> io::Result<Accepting> {
        self.socket.set_nonblocking(true)?;
        let socket = match self.address {
            Listen::Tcp(_) => Accepted::Tcp(tokio::net::TcpListener::from_std(self.socket.into())?),
            Listen::Unix(_) => {
                Accepted::Unix(tokio::net::UnixListener::from_std(self.socket.into())?)
            }
        };
        Ok(Accepting {
            socket,
            _left_behind: self.left_behind,
        })
    }
}

impl Accepting {
    /// Waits for the next connection.
    pub(crate) async fn accept(&self) -> io::Result<Visitor> {
        match &self.socket {
            Accepted::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                Ok(Visitor::Tcp(stream, peer))
            }
            Accepted::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                Ok(Visitor::Unix(stream))
            }
        }
    }
}

impl Drop for LeftBehind {
    fn drop(&mut self) {
        // Somebody may have removed it before.
        drop(fs::remove_file(&self.0));
    }
}

fn tcp(address: &SockAddr) -> io::Result<Listener> {
    let socket = Socket::new(address.domain(), Type::STREAM, None)?;
    // Connections of a server that was just here do not keep the port.
    socket.set_reuse_address(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)?;
    let bound = socket.local_addr()?.as_socket();
    let bound = bound.expect("an IP socket has an IP address");
    Ok(Listener {
        socket,
        address: Listen::Tcp(bound),
        left_behind: None,
    })
}

fn unix(path: &Path) -> io::Result<Listener> {
    let address = SockAddr::unix(path)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    match socket.bind(&address) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_left_over(path) => {
            fs::remove_file(path)?;
            socket.bind(&address)?;
        }
        bound => bound?,
    }
    // Before anybody can connect.
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    socket.listen(BACKLOG)?;
    Ok(Listener {
        socket,
        address: Listen::Unix(path.to_owned()),
        left_behind: Some(LeftBehind(path.to_owned())),
    })
}

/// Tells whether this is a socket that nobody listens on.
fn is_left_over(path: &Path) -> bool {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|facts| facts.file_type().is_socket());
    is_socket
        && UnixStream::connect(path)
            .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}
