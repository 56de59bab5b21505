//! Whether the registry is to be had: up, dead in one of several ways, or gone.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener};
use std::os::fd::OwnedFd;
use std::sync::{Condvar, Mutex};
use std::time::Duration;

use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, listen, socket_with, sockopt};
use tokio::sync::watch;

use super::Registry;

/// How long the registry's thread may take to do as the switch says.
const WAIT_LIMIT: Duration = Duration::from_secs(30);

/// What the registry does with connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Availability {
    Up,
    /// Resets connections as they come.
    Resetting,
    /// Does not listen.
    Refusing,
    /// Takes connections and neither reads nor writes.
    Silent,
    /// The end.
    Off,
}

/// The switch as it was turned last. The number of resets tells a connection that it was to be reset,
/// also when the power is already up again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SwitchState {
    pub(super) power: Availability,
    pub(super) resets: u64,
}

/// The switch, and how far the registry's thread has followed it.
#[derive(Debug)]
pub(super) struct AvailabilitySwitch {
    wanted: watch::Sender<SwitchState>,
    reached: Mutex<SwitchState>,
    followed: Condvar,
}

/// A port of loopback that is the registry's own, whether it is listened on or not.
///
/// It is held by a bound socket that never listens; the one that does shares the port with it
/// (`SO_REUSEPORT`), which the kernel allows nobody who asks for any free port.
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
            wanted: watch::Sender::new(up),
            reached: Mutex::new(up),
            followed: Condvar::new(),
        }
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<SwitchState> {
        self.wanted.subscribe()
    }

    /// Turns the switch and waits until new connections meet with it.
    pub(super) fn set(&self, power: Availability) {
        self.set_without_waiting(power);
        let wanted = *self.wanted.borrow();
        let reached = self.reached.lock().expect("nothing panics in here");
        let (reached, _) = self
            .followed
            .wait_timeout_while(reached, WAIT_LIMIT, |reached| *reached != wanted)
            .expect("nothing panics in here");
        let there = *reached == wanted;
        drop(reached);
        assert!(there, "the registry did not do as told: {wanted:?}");
    }

    pub(super) fn set_without_waiting(&self, power: Availability) {
        let resets = matches!(
            power,
            Availability::Resetting | Availability::Refusing | Availability::Off
        );
        self.wanted.send_modify(|position| {
            position.power = power;
            position.resets += u64::from(resets);
        });
    }

    /// Says that new connections now meet with `position`.
    pub(super) fn mark_reached(&self, position: SwitchState) {
        *self.reached.lock().expect("nothing panics in here") = position;
        self.followed.notify_all();
    }
}

impl ReservedPort {
    /// Takes a free port.
    ///
    /// # Panics
    /// If there is none at that address.
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

    /// Listens on the port; it does not block.
    pub(super) fn listen(&self) -> TcpListener {
        let (socket, _) = bound(self.address);
        listen(&socket, 1024).expect("the port is the registry's own");
        socket.into()
    }
}

impl Registry {
    /// Goes down: open connections are reset, and new ones as they come.
    pub fn reset_connections(&self) {
        self.shared.switch.set(Availability::Resetting);
    }

    /// Dies: open connections are reset and new ones refused. The port stays this registry's own.
    pub fn stop_listening(&self) {
        self.shared.switch.set(Availability::Refusing);
    }

    /// Falls silent: connections are taken and nothing ever comes of them, not even a TLS handshake (T28,
    /// T33). Open ones stop where they are.
    pub fn stop_answering(&self) {
        self.shared.switch.set(Availability::Silent);
    }

    /// Comes back, with everything it had, from wherever it went. Connections that waited in silence go on.
    pub fn restore(&self) {
        self.shared.switch.set(Availability::Up);
    }

    /// Forgets all scripts and comes back: from now on there is the truth only.
    pub fn clear_scripts_and_restore(&self) {
        self.shared.state().scripts.clear();
        self.restore();
    }
}

/// A socket that shares its port with those that also would.
fn bound(address: SocketAddrV4) -> (OwnedFd, SocketAddrV4) {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)
        .expect("the system has a socket to give");
    sockopt::set_socket_reuseport(&socket, true).expect("a TCP socket can share its port");
    bind(&socket, &address).expect("loopback has a free port");
    let address = rustix::net::getsockname(&socket).expect("a bound socket has an address");
    let address = address.try_into().expect("it was bound to an IPv4 address");
    (socket, address)
}
