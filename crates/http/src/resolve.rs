//! Resolves names to addresses.

use std::io;
use std::net::{IpAddr, ToSocketAddrs as _};
use std::pin::Pin;
use std::thread;

use tokio::sync::oneshot;

use crate::cause::Cause;
use crate::error::{ConnectFailure, SendError};

/// The pending result of [`NameResolver::resolve`].
pub type AddressLookup<'a> = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send + 'a>>;

/// Resolves names.
///
/// Public so that a caller can supply addresses that the system does not have, and tests can have names
/// without name servers.
pub trait NameResolver: Send + Sync + 'static {
    /// Returns the addresses of `name` in order of preference. An empty list means that the name does not
    /// exist.
    fn resolve<'a>(&'a self, name: &'a str) -> AddressLookup<'a>;
}

/// The system's resolver: `getaddrinfo`, on a thread of its own.
///
/// A call cannot be cancelled, and may take half a minute if the name servers do not respond. Its thread is
/// not one of the runtime's: the shutdown of the runtime waits for tokio's blocking threads.
#[derive(Clone, Copy, Debug)]
pub struct SystemResolver;

impl NameResolver for SystemResolver {
    fn resolve<'a>(&'a self, name: &'a str) -> AddressLookup<'a> {
        Box::pin(async move {
            let name = name.to_owned();
            run_on_own_thread(move || {
                let found = (name.as_str(), 0).to_socket_addrs()?;
                Ok(found.map(|address| address.ip()).collect())
            })
            .await
        })
    }
}

/// Runs `work` on a thread that nothing waits for.
async fn run_on_own_thread<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let (done, outcome) = oneshot::channel();
    thread::Builder::new()
        .name("windlass-names".to_owned())
        .spawn(move || drop(done.send(work())))?;
    let cancelled = |_| io::Error::other("the name lookup was cancelled");
    outcome.await.map_err(cancelled)?
}

/// Converts an error of the resolver.
pub(crate) fn lookup_error(error: io::Error) -> SendError {
    let failure = classify(&error);
    SendError::Connect {
        failure,
        source: Cause::new(error),
    }
}

/// The standard library keeps the message of `getaddrinfo`'s error but not its code. The messages of glibc
/// and musl for `EAI_AGAIN` and `EAI_FAIL` are recognised; any other means that the name does not exist.
fn classify(error: &io::Error) -> ConnectFailure {
    if error.raw_os_error().is_some() {
        return ConnectFailure::Other;
    }
    let message = error.to_string();
    let unanswered = ["Temporary failure", "Try again", "Non-recoverable"];
    if unanswered.iter().any(|known| message.contains(known)) {
        ConnectFailure::NameServer
    } else {
        ConnectFailure::NoSuchHost
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    /// T36: a dropped lookup does not delay the caller, however long the name servers take.
    #[test]
    fn runtime_shutdown_does_not_wait_for_lookups() {
        let (release, gate) = std::sync::mpsc::channel::<()>();
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let runtime = runtime.unwrap();
        runtime.block_on(async {
            let lookup = run_on_own_thread(move || {
                gate.recv().ok();
                Ok(())
            });
            assert!(lookup.now_or_never().is_none());
        });
        drop(runtime);
        drop(release);
    }

    /// T36: a name server that does not respond may do so later; a name that does not exist will not appear.
    #[test]
    fn distinguishes_unresponsive_name_servers_from_unknown_names() {
        use ConnectFailure::{NameServer, NoSuchHost};
        for (message, expected) in [
            ("Name or service not known", NoSuchHost),
            ("No address associated with hostname", NoSuchHost),
            ("Name does not resolve", NoSuchHost),
            ("Temporary failure in name resolution", NameServer),
            ("Try again", NameServer),
            ("Non-recoverable failure in name resolution", NameServer),
            ("Non-recoverable error", NameServer),
        ] {
            let error =
                io::Error::other(format!("failed to lookup address information: {message}"));
            assert_eq!(classify(&error), expected, "{message}");
        }
        let full = io::Error::from_raw_os_error(24); // EMFILE
        assert_eq!(classify(&full), ConnectFailure::Other);
    }
}
