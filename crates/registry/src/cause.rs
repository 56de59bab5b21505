//! What went wrong below HTTP, told apart and stripped of URLs.

use std::error::Error;
use std::{fmt, io};

use crate::error::{Asked, ConnectFailure, Phase, RegistryError};
use crate::resolver::RefusedAddress;
use crate::{AuthError, RealmRefusal};

/// A failure of the transport.
///
/// Its `Display` is the innermost cause alone ("Connection refused (os error 111)"): the layers between
/// say only that they passed it on. It never holds a URL, as that of a redirect may be a secret.
pub struct Cause(reqwest::Error);

impl Cause {
    pub(crate) fn new(error: reqwest::Error) -> Self {
        Self(error.without_url())
    }

    fn find<T: Error + 'static>(&self) -> Option<&T> {
        chain(&self.0).find_map(|error| error.downcast_ref())
    }

    fn io_kind(&self) -> Option<io::ErrorKind> {
        self.find::<io::Error>().map(io::Error::kind)
    }

    /// Says what a failure before any answer means.
    pub(crate) fn before_answer(self, asked: &Asked) -> RegistryError {
        let asked = asked.boxed();
        if self.find::<RefusedAddress>().is_some() {
            let realm = asked.endpoint.to_string();
            return RegistryError::Auth {
                asked,
                source: AuthError::Realm {
                    realm,
                    source: RealmRefusal::Inside,
                },
            };
        }
        if self.find::<rustls::Error>().is_some() {
            return RegistryError::Tls {
                asked,
                source: self,
            };
        }
        if self.0.is_timeout() {
            let waiting_for = if self.0.is_connect() {
                Phase::Connection
            } else {
                Phase::Answer
            };
            return RegistryError::Timeout { asked, waiting_for };
        }
        if self.0.is_connect() {
            return self.connecting(asked);
        }
        if self
            .find::<hyper_core::Error>()
            .is_some_and(hyper_core::Error::is_parse)
        {
            let reason = "its answer is not HTTP".to_owned();
            return RegistryError::NotARegistry { asked, reason };
        }
        RegistryError::Transport {
            asked,
            source: self,
        }
    }

    fn connecting(self, asked: Box<Asked>) -> RegistryError {
        let failure = match self.io_kind() {
            _ if self.0.is_dns() => self.naming(),
            // The peer hung up on the handshake; on TCP alone there is nothing to read yet.
            Some(io::ErrorKind::UnexpectedEof) => {
                return RegistryError::Tls {
                    asked,
                    source: self,
                };
            }
            Some(io::ErrorKind::ConnectionRefused) => ConnectFailure::Refused,
            Some(io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable) => {
                ConnectFailure::Unreachable
            }
            _ => ConnectFailure::Other,
        };
        RegistryError::Connect {
            asked,
            failure,
            source: self,
        }
    }

    /// The standard library keeps of `getaddrinfo`'s code only the C library's words for it: glibc's and
    /// musl's for `EAI_AGAIN` are known, all others mean that there is no such name.
    fn naming(&self) -> ConnectFailure {
        let words = self.to_string();
        if words.contains("Temporary failure") || words.contains("Try again") {
            ConnectFailure::NameServer
        } else {
            ConnectFailure::NoSuchHost
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let innermost = chain(&self.0).last().unwrap_or(&self.0);
        fmt::Display::fmt(innermost, f)
    }
}

impl fmt::Debug for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for Cause {}

/// The error and its causes, outermost first. An `io::Error` hides what it wraps from `source`.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| {
        let wrapped = error
            .downcast_ref::<io::Error>()
            .and_then(|error| error.get_ref())
            .map(|inner| inner as &(dyn Error + 'static));
        wrapped.or_else(|| error.source())
    })
}
