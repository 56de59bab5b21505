//! Sockets that the service manager made: they are there before the daemon is (`sd_listen_fds(3)`).

use std::net::TcpListener;
use std::os::fd::{BorrowedFd, FromRawFd as _, OwnedFd, RawFd};
use std::os::unix::net::UnixListener;

use rustix::io::{FdFlags, fcntl_setfd};
use rustix::net::sockopt::{socket_acceptconn, socket_domain, socket_type};
use rustix::net::{AddressFamily, SocketType};

use super::unix::is_everybodys;
use super::{BindError, Bound, Entry};
use crate::tls::Tls;

/// The sockets that were passed and are not used yet.
#[derive(Debug, Default)]
pub struct Inherited(Vec<Passed>);

#[derive(Debug)]
struct Passed {
    socket: OwnedFd,
    number: RawFd,
    /// What the service manager calls it.
    name: String,
}

/// The first number that is passed.
const FIRST: RawFd = 3;
/// More than any service has.
const MOST: usize = 64;

impl Inherited {
    /// Takes the `count` sockets that were passed to this process; `names` are theirs, as far as there are any.
    ///
    /// Once in a process, before anything else could have opened their numbers.
    pub fn take(count: usize, names: &[String]) -> Result<Self, BindError> {
        let numbers = (FIRST..).take(count.min(MOST));
        let names = names.iter().map(Some).chain(std::iter::repeat(None));
        let sockets = numbers.zip(names).map(|(number, name)| {
            let name = name.cloned().unwrap_or_default();
            let socket = own(number)?;
            Ok(Passed {
                socket,
                number,
                name,
            })
        });
        sockets.collect::<Result<_, _>>().map(Self)
    }

    /// Says whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns those that are called `name`, or all. What is open to the network is not without `tls`.
    pub fn claim(
        &mut self,
        name: Option<&str>,
        tls: Option<&Tls>,
    ) -> Result<Vec<Bound>, BindError> {
        let is_wanted = |passed: &Passed| name.is_none_or(|name| passed.name == name);
        let (wanted, others) = std::mem::take(&mut self.0).into_iter().partition(is_wanted);
        self.0 = others;
        let wanted: Vec<Passed> = wanted;
        if wanted.is_empty() {
            return Err(match name {
                Some(name) => BindError::NotInherited {
                    name: name.to_owned(),
                },
                None => BindError::NothingInherited,
            });
        }
        let bound = wanted.into_iter().map(|passed| passed.bind(tls));
        bound.collect()
    }
}

impl Passed {
    fn bind(self, tls: Option<&Tls>) -> Result<Bound, BindError> {
        let number = self.number;
        let failed = |error: rustix::io::Errno| {
            BindError::io("use the inherited socket", number)(error.into())
        };
        let is_stream = socket_type(&self.socket) == Ok(SocketType::STREAM);
        if !is_stream || socket_acceptconn(&self.socket) != Ok(true) {
            return Err(BindError::NotListening { number });
        }
        if socket_domain(&self.socket).map_err(failed)? == AddressFamily::UNIX {
            return unix(UnixListener::from(self.socket), number);
        }
        let listener = TcpListener::from(self.socket);
        let place = match listener.local_addr() {
            Ok(address) => format!("tcp://{address}"),
            Err(_) => format!("the inherited socket {number}"),
        };
        let Some(tls) = tls else {
            return Err(BindError::WithoutTls { place });
        };
        Ok(Bound {
            name: format!("{place} (fd {number})"),
            entry: Entry::Tcp(listener, tls.clone()),
            _path: None,
        })
    }
}

fn unix(listener: UnixListener, number: RawFd) -> Result<Bound, BindError> {
    let address = listener.local_addr().ok();
    let Some(path) = address.as_ref().and_then(|address| address.as_pathname()) else {
        return Err(BindError::Abstract { number });
    };
    if is_everybodys(path) {
        tracing::warn!(path = %path.display(), "every user of this machine may use the inherited socket: it should have SocketMode=0660");
    }
    Ok(Bound {
        name: format!("unix://{} (fd {number})", path.display()),
        entry: Entry::Unix(listener),
        _path: None,
    })
}

#[expect(unsafe_code, reason = "a number that is inherited has no owner yet")]
fn own(number: RawFd) -> Result<OwnedFd, BindError> {
    // SAFETY: it is only asked about, and closed by nobody meanwhile.
    let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
    // Those that the daemon starts do not inherit it. If it is not open, it is nobody's.
    fcntl_setfd(borrowed, FdFlags::CLOEXEC)
        .map_err(|error| BindError::io("use the inherited socket", number)(error.into()))?;
    // SAFETY: the service manager says that it is this process's, it is open, and nobody else takes it.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}
