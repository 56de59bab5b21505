//! Names to addresses.

use std::io;
use std::net::{IpAddr, ToSocketAddrs as _};
use std::pin::Pin;
use std::thread;

use tokio::sync::oneshot;

use crate::cause::Cause;
use crate::error::{ConnectFailure, SendError};

/// The addresses of a name, as soon as they are known.
pub type AddressLookup<'a> = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send + 'a>>;

/// Looks names up.
///
/// Public so that a caller may know addresses that the system does not, and tests may have names without
/// name servers.
pub trait NameResolver: Send + Sync + 'static {
    /// Returns the addresses of `name`, those to be preferred first. None is as good as no such name.
    fn resolve<'a>(&'a self, name: &'a str) -> AddressLookup<'a>;
}

/// The system's way: `getaddrinfo`, on a thread that may block.
///
/// It cannot be told to stop, and may take half a minute where name servers are silent. Nobody waits for it
/// after that, not even the end of the runtime, which waits for tokio's own blocking threads.
#[derive(Clone, Copy, Debug)]
pub struct SystemResolver;

impl NameResolver for SystemResolver {
    fn resolve<'a>(&'a self, name: &'a str) -> AddressLookup<'a> {
        Box::pin(async move {
            let name = name.to_owned();
            apart(move || {
                let found = (name.as_str(), 0).to_socket_addrs()?;
                Ok(found.map(|address| address.ip()).collect())
            })
            .await
        })
    }
}

/// Has `work` done on a thread that nobody has to wait for.
async fn apart<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let (done, outcome) = oneshot::channel();
    thread::Builder::new()
        .name("windlass-names".to_owned())
        .spawn(move || drop(done.send(work())))?;
    let gone = |_| io::Error::other("looking the name up was stopped");
    outcome.await.map_err(gone)?
}

/// Says what a failed look-up means.
pub(crate) fn failed(error: io::Error) -> SendError {
    let failure = meaning(&error);
    SendError::Connect {
        failure,
        source: Cause::new(error),
    }
}

/// The standard library keeps of `getaddrinfo`'s code only the C library's words for it: glibc's and
/// musl's for `EAI_AGAIN` and `EAI_FAIL` are known, all others mean that there is no such name.
fn meaning(error: &io::Error) -> ConnectFailure {
    if error.raw_os_error().is_some() {
        return ConnectFailure::Other;
    }
    let words = error.to_string();
    let unanswered = ["Temporary failure", "Try again", "Non-recoverable"];
    if unanswered.iter().any(|known| words.contains(known)) {
        ConnectFailure::NameServer
    } else {
        ConnectFailure::NoSuchHost
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    /// T36: leaving is dropping, whatever the name servers do.
    #[test]
    fn the_end_of_the_runtime_waits_for_no_look_up() {
        let (let_go, gate) = std::sync::mpsc::channel::<()>();
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let runtime = runtime.unwrap();
        runtime.block_on(async {
            let hanging = apart(move || {
                gate.recv().ok();
                Ok(())
            });
            assert!(hanging.now_or_never().is_none());
        });
        drop(runtime);
        drop(let_go);
    }

    /// T36: a name server that does not answer may do so later, a name that is none will not.
    #[test]
    fn tells_a_silent_name_server_from_a_wrong_name() {
        use ConnectFailure::{NameServer, NoSuchHost};
        for (words, expected) in [
            ("Name or service not known", NoSuchHost),
            ("No address associated with hostname", NoSuchHost),
            ("Name does not resolve", NoSuchHost),
            ("Temporary failure in name resolution", NameServer),
            ("Try again", NameServer),
            ("Non-recoverable failure in name resolution", NameServer),
            ("Non-recoverable error", NameServer),
        ] {
            let error = io::Error::other(format!("failed to lookup address information: {words}"));
            assert_eq!(meaning(&error), expected, "{words}");
        }
        let full = io::Error::from_raw_os_error(24); // EMFILE
        assert_eq!(meaning(&full), ConnectFailure::Other);
    }
}
