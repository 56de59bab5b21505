//! The availability of the registry: up, failing in one of several ways, or stopped.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener};
use std::os::fd::OwnedFd;
use std::sync::{Condvar, Mutex};
use std::time::Duration;

use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, listen, socket_with, sockopt};
use tokio::sync::watch;

use super::Registry;

/// The time that the registry's thread gets to follow the switch.
const WAIT_LIMIT: Duration = Duration::from_secs(30);

/// How the registry treats connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Availability {
    Up,
    /// Resets all connections.
    Resetting,
    /// Does not listen.
    Refusing,
    /// Accepts connections, and neither reads nor writes.
    Silent,
    /// Stopped.
    Off,
}

/// The setting of the switch. A connection compares the number of resets, so that it is reset also if the
/// registry is up again already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SwitchState {
    pub(super) power: Availability,
    pub(super) resets: u64,
}

/// The switch, and the state that the registry's thread has reached.
#[derive(Debug)]
pub(super) struct AvailabilitySwitch {
    requested: watch::Sender<SwitchState>,
    reached: Mutex<SwitchState>,
    followed: Condvar,
}

/// A port of loopback that belongs to the registry, also while it does not listen.
///
/// A bound socket that never listens reserves it; the listening socket shares the port (`SO_REUSEPORT`), which
/// the kernel does not assign to others that request a free port.
#[derive(Debug)]
pub(super) struct ReservedPort {
    address: SocketAddrV4,
    _reservation: OwnedFd,
}

impl AvailabilitySwitch {
    pub(super) fn new() -> Self {
        let up = SwitchState {
            power: Availability::Up,
            resets: 0,
        };
        Self {
            requested: watch::Sender::new(up),
            reached: Mutex::new(up),
            followed: Condvar::new(),
        }
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<SwitchState> {
        self.requested.subscribe()
    }

    /// Sets the switch and waits until it applies to new connections.
    pub(super) fn set(&self, power: Availability) {
        self.set_without_waiting(power);
        let requested = *self.requested.borrow();
        let reached = self
            .reached
            .lock()
            .expect("no thread panics with the state locked");
        let (reached, _) = self
            .followed
            .wait_timeout_while(reached, WAIT_LIMIT, |reached| *reached != requested)
            .expect("no thread panics with the state locked");
        let is_reached = *reached == requested;
        drop(reached);
        assert!(
            is_reached,
            "the registry did not reach the state {requested:?}"
        );
    }

    pub(super) fn set_without_waiting(&self, power: Availability) {
        let resets = matches!(
            power,
            Availability::Resetting | Availability::Refusing | Availability::Off
        );
        self.requested.send_modify(|position| {
            position.power = power;
            position.resets += u64::from(resets);
        });
    }

    /// Records that `position` applies to new connections.
    pub(super) fn mark_reached(&self, position: SwitchState) {
        *self
            .reached
            .lock()
            .expect("no thread panics with the state locked") = position;
        self.followed.notify_all();
    }
}

impl ReservedPort {
    /// If there is none at this address.
    pub(super) fn reserve(ip: Ipv4Addr) -> Self {
        let (socket, address) = bound(SocketAddrV4::new(ip, 0));
        Self {
            address,
            _reservation: socket,
        }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address.into()
    }

    /// Listens on the port; the socket does not block.
    pub(super) fn listen(&self) -> TcpListener {
        let (socket, _) = bound(self.address);
        listen(&socket, 1024).expect("the port is the registry's own");
        socket.into()
    }
}

impl Registry {
    /// Resets open connections, and new ones when they are accepted.
    pub fn reset_connections(&self) {
        self.shared.switch.set(Availability::Resetting);
    }

    /// Resets open connections and refuses new ones. The port stays reserved.
    pub fn stop_listening(&self) {
        self.shared.switch.set(Availability::Refusing);
    }

    /// Accepts connections and sends nothing, not even a TLS handshake (T28, T33). Open connections stop.
    pub fn stop_answering(&self) {
        self.shared.switch.set(Availability::Silent);
    }

    /// Returns to normal operation, with all content. Connections that waited in silence continue.
    pub fn restore(&self) {
        self.shared.switch.set(Availability::Up);
    }

    /// Removes all scripts and returns to normal operation.
    pub fn clear_scripts_and_restore(&self) {
        self.shared.state().scripts.clear();
        self.restore();
    }
}

/// Returns a socket that shares its port with others of this process.
fn bound(address: SocketAddrV4) -> (OwnedFd, SocketAddrV4) {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)
        .expect("a socket can be created");
    sockopt::set_socket_reuseport(&socket, true).expect("a TCP socket can share its port");
    bind(&socket, &address).expect("loopback has a free port");
    let address = rustix::net::getsockname(&socket).expect("a bound socket has an address");
    let address = address.try_into().expect("it was bound to an IPv4 address");
    (socket, address)
}
