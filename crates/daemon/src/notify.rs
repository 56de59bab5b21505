//! Reports the state of the daemon to the service manager (`sd_notify(3)`).

use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// The connection to the service manager. Without one, reports are dropped.
#[derive(Debug, Default)]
pub struct Notifier {
    socket: Option<UnixDatagram>,
    /// How often [`Notifier::alive`] has to be called.
    watchdog: Option<Duration>,
}

impl Notifier {
    /// Connects to `NOTIFY_SOCKET`, a path or `@` and an abstract name. `watchdog` is `WATCHDOG_USEC`; the daemon reports
    /// twice in that time.
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

    /// Reports that the daemon serves requests.
    pub fn ready(&self, status: &str) {
        self.send(&format!("READY=1\nSTATUS={status}"));
    }

    /// Reports that the configuration is being reloaded; [`Self::ready`] has to follow.
    pub fn reloading(&self) {
        let now = clock_gettime(ClockId::Monotonic);
        let micros = now
            .tv_sec
            .saturating_mul(1_000_000)
            .saturating_add(now.tv_nsec / 1000);
        self.send(&format!("RELOADING=1\nMONOTONIC_USEC={micros}"));
    }

    /// Reports that the daemon shuts down, which may take as long as `within`.
    pub fn stopping(&self, within: Duration) {
        let micros = within.as_micros();
        self.send(&format!("STOPPING=1\nEXTEND_TIMEOUT_USEC={micros}"));
    }

    /// Returns how often [`Self::alive`] has to be called, if the watchdog is enabled.
    pub fn watchdog(&self) -> Option<Duration> {
        self.watchdog
    }

    /// Reports that the daemon is alive.
    pub fn alive(&self) {
        self.send("WATCHDOG=1");
    }

    fn send(&self, text: &str) {
        if let Some(socket) = &self.socket
            && let Err(error) = socket.send(text.as_bytes())
        {
            tracing::warn!(%error, "cannot notify the service manager");
        }
    }
}
