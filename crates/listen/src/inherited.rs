//! Sockets that the service manager made before it started the process (`sd_listen_fds(3)`).

use std::net::TcpListener;
use std::os::fd::{BorrowedFd, FromRawFd as _, OwnedFd, RawFd};
use std::os::unix::net::UnixListener;

use rustix::io::{FdFlags, fcntl_setfd};
use rustix::net::sockopt::{socket_acceptconn, socket_domain, socket_type};
use rustix::net::{AddressFamily, SocketType};

use crate::listener::ListenerSocket;
use crate::unix::is_world_writable;
use crate::{BindError, Listener, ServerTls};

/// The inherited sockets that are not claimed yet.
#[derive(Debug, Default)]
pub struct InheritedSockets(Vec<InheritedSocket>);

#[derive(Debug)]
struct InheritedSocket {
    socket: OwnedFd,
    number: RawFd,
    /// Its `FileDescriptorName=`.
    name: String,
}

/// The number of the first inherited descriptor.
const FIRST: RawFd = 3;
/// How many are taken at most; no service has more.
const MAX_SOCKETS: usize = 64;

impl InheritedSockets {
    /// Takes the `count` sockets that were passed to this process; `names` are theirs, in the same order.
    ///
    /// Call it once in a process, before anything else could have opened their numbers.
    pub fn take(count: usize, names: &[String]) -> Result<Self, BindError> {
        let numbers = (FIRST..).take(count.min(MAX_SOCKETS));
        let names = names.iter().map(Some).chain(std::iter::repeat(None));
        let sockets = numbers.zip(names).map(|(number, name)| {
            let name = name.cloned().unwrap_or_default();
            let socket = own(number)?;
            Ok(InheritedSocket {
                socket,
                number,
                name,
            })
        });
        sockets.collect::<Result<_, _>>().map(Self)
    }

    /// Returns whether no socket is left.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Removes and returns the sockets named `name`, or all. One that is open to the network is refused without `tls`.
    pub fn claim(
        &mut self,
        name: Option<&str>,
        tls: Option<&ServerTls>,
    ) -> Result<Vec<Listener>, BindError> {
        let is_match = |socket: &InheritedSocket| name.is_none_or(|name| socket.name == name);
        let (claimed, others): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.0).into_iter().partition(is_match);
        self.0 = others;
        if claimed.is_empty() {
            return Err(match name {
                Some(name) => BindError::NotInherited {
                    name: name.to_owned(),
                },
                None => BindError::NothingInherited,
            });
        }
        let listeners = claimed.into_iter().map(|socket| socket.into_listener(tls));
        listeners.collect()
    }
}

impl InheritedSocket {
    fn into_listener(self, tls: Option<&ServerTls>) -> Result<Listener, BindError> {
        let number = self.number;
        let failed = |error: rustix::io::Errno| {
            BindError::io("use the inherited socket", number)(error.into())
        };
        let is_stream = socket_type(&self.socket) == Ok(SocketType::STREAM);
        if !is_stream || socket_acceptconn(&self.socket) != Ok(true) {
            return Err(BindError::NotListening { number });
        }
        if socket_domain(&self.socket).map_err(failed)? == AddressFamily::UNIX {
            return unix_listener(UnixListener::from(self.socket), number);
        }
        let listener = TcpListener::from(self.socket);
        let target = match listener.local_addr() {
            Ok(address) => format!("tcp://{address}"),
            Err(_) => format!("the inherited socket {number}"),
        };
        let Some(tls) = tls else {
            return Err(BindError::WithoutTls { target });
        };
        let name = format!("{target} (fd {number})");
        Ok(Listener::new(ListenerSocket::Tcp(listener), name).with_tls(tls.clone()))
    }
}

fn unix_listener(listener: UnixListener, number: RawFd) -> Result<Listener, BindError> {
    let address = listener.local_addr().ok();
    let Some(path) = address.as_ref().and_then(|address| address.as_pathname()) else {
        return Err(BindError::Abstract { number });
    };
    if is_world_writable(path) {
        tracing::warn!(
            path = %path.display(),
            "every user of this machine may connect to the inherited socket: set SocketMode=0660"
        );
    }
    let name = format!("unix://{} (fd {number})", path.display());
    Ok(Listener::new(ListenerSocket::Unix(listener), name))
}

#[expect(
    unsafe_code,
    reason = "an inherited descriptor is only a number, and has no owner yet"
)]
fn own(number: RawFd) -> Result<OwnedFd, BindError> {
    // SAFETY: the borrow lasts for one call, and no other code closes the descriptor meanwhile. If it is not open, the
    // call fails.
    let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
    // Child processes do not inherit it.
    fcntl_setfd(borrowed, FdFlags::CLOEXEC)
        .map_err(|error| BindError::io("use the inherited socket", number)(error.into()))?;
    // SAFETY: the service manager passed it to this process, it is open, and only this function takes it.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}
