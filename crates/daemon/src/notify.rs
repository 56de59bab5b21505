//! Tells the service manager how the daemon is (`sd_notify(3)`).

use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// The way to the service manager; without one, nobody is told.
#[derive(Debug, Default)]
pub struct Notifier {
    socket: Option<UnixDatagram>,
    /// How often it wants to hear that the daemon is alive.
    watchdog: Option<Duration>,
}

impl Notifier {
    /// Makes one of `NOTIFY_SOCKET` (a path, or `@` and an abstract name) and `WATCHDOG_USEC`, as they came in the environment.
    /// What is to be told is told twice in that time.
    pub fn new(socket: Option<&Path>, watchdog: Option<Duration>) -> io::Result<Self> {
        let Some(path) = socket else {
            return Ok(Self::default());
        };
        let bytes = path.as_os_str().as_bytes();
        let address = match bytes.strip_prefix(b"@") {
            Some(name) => SocketAddr::from_abstract_name(name)?,
            None => SocketAddr::from_pathname(path)?,
        };
        let socket = UnixDatagram::unbound()?;
        socket.connect_addr(&address)?;
        Ok(Self {
            socket: Some(socket),
            watchdog: watchdog.map(|period| period / 2),
        })
    }

    /// The daemon answers.
    pub fn ready(&self, status: &str) {
        self.send(&format!("READY=1\nSTATUS={status}"));
    }

    /// The configuration is read anew; [`Self::ready`] follows.
    pub fn reloading(&self) {
        let now = clock_gettime(ClockId::Monotonic);
        let micros = now
            .tv_sec
            .saturating_mul(1_000_000)
            .saturating_add(now.tv_nsec / 1000);
        self.send(&format!("RELOADING=1\nMONOTONIC_USEC={micros}"));
    }

    /// The daemon ends, which may take as long as `within`.
    pub fn stopping(&self, within: Duration) {
        let micros = within.as_micros();
        self.send(&format!("STOPPING=1\nEXTEND_TIMEOUT_USEC={micros}"));
    }

    /// Returns how often [`Self::alive`] has to be said, if it has.
    pub fn watchdog(&self) -> Option<Duration> {
        self.watchdog
    }

    /// The daemon is alive.
    pub fn alive(&self) {
        self.send("WATCHDOG=1");
    }

    fn send(&self, text: &str) {
        if let Some(socket) = &self.socket
            && let Err(error) = socket.send(text.as_bytes())
        {
            tracing::warn!(%error, "the service manager was not told");
        }
    }
}
