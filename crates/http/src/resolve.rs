//! Names to addresses.

use std::io;
use std::net::IpAddr;
use std::pin::Pin;

use crate::cause::Cause;
use crate::error::{ConnectFailure, SendError};

/// The addresses of a name, as soon as they are known.
pub type Resolving<'a> = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send + 'a>>;

/// Looks names up.
///
/// Public so that a caller may know addresses that the system does not, and tests may have names without
/// name servers.
pub trait Resolve: Send + Sync + 'static {
    /// Returns the addresses of `name`, those to be preferred first. None is as good as no such name.
    fn resolve<'a>(&'a self, name: &'a str) -> Resolving<'a>;
}

/// The system's way: `getaddrinfo`, on a thread that may block.
#[derive(Debug)]
pub(crate) struct System;

impl Resolve for System {
    fn resolve<'a>(&'a self, name: &'a str) -> Resolving<'a> {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
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
    use super::*;

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
