//! What can go wrong before there is a response, as data.

use std::fmt;
use std::net::IpAddr;

use crate::cause::Cause;

/// Why a [`Connection`](crate::Connection) cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SetupError {
    /// One of [`Tls::roots`](crate::Tls::roots) has no certificate, or one that cannot be used.
    #[error("certificate authority {index} cannot be used: {reason}")]
    Root {
        /// Which one, counted from 0.
        index: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// [`Tls::identity`](crate::Tls::identity) is not a certificate with its key.
    #[error("the client certificate cannot be used: {reason}")]
    Identity {
        /// What is wrong with it.
        reason: String,
    },
    /// One of [`Proxies`](crate::Proxies) is not the URL of a proxy.
    #[error("the {scheme} proxy cannot be used: {reason}")]
    Proxy {
        /// For which scheme it was to be used.
        scheme: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// [`Connection::user_agent`](crate::Connection::user_agent) cannot be sent.
    #[error("the user agent cannot be sent in a header")]
    UserAgent,
}

/// Why there is no response.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SendError {
    /// The request's URI is not `http` or `https`, or has no host that could be asked.
    #[error("not the URL of a host")]
    Uri,
    /// There is no connection to the host.
    #[error("{failure}")]
    Connect {
        /// What kind of failure it is.
        failure: ConnectFailure,
        /// What the system said.
        source: Cause,
    },
    /// There is no connection to the proxy, or it did not give one to the host.
    #[error("no way through the proxy")]
    Proxy {
        /// How it failed.
        source: ProxyFailure,
    },
    /// The host has no certificate that can be trusted, or does not speak TLS, or not with this client.
    #[error("no secure connection")]
    Tls {
        /// What the TLS library said.
        source: Cause,
    },
    /// The host has no address but such as [`AddressPolicy`](crate::Reach) forbids.
    #[error("the host's address {address} is not asked")]
    RefusedAddress {
        /// One of them.
        address: IpAddr,
    },
    /// Nothing came for too long.
    #[error("timed out waiting for {waiting_for}")]
    Timeout {
        /// What did not come.
        waiting_for: SendPhase,
    },
    /// What came is no answer in HTTP.
    #[error("the answer is not HTTP")]
    NotHttp {
        /// Where that shows.
        source: Cause,
    },
    /// The head of the answer is larger than any honest one. (In HTTP/2 such a stream is broken off, and
    /// that is [`Self::Transport`].)
    #[error("the head of the answer is too large")]
    HeadTooLarge,
    /// The connection failed before there was an answer.
    #[error("the connection failed")]
    Transport {
        /// What happened to it.
        source: Cause,
    },
}

/// What a wait for a response was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendPhase {
    /// A connection, its TLS handshake included.
    Connection,
    /// The head of the response.
    Response,
}

/// Why there is no connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectFailure {
    /// Nothing listens there.
    Refused,
    /// There is no way there.
    Unreachable,
    /// The host has no address.
    NoSuchHost,
    /// The name servers did not answer.
    NameServer,
    /// Something else; the source says what.
    Other,
}

/// Why there is no connection through the proxy.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ProxyFailure {
    /// There is no connection to the proxy itself.
    #[error("{failure}")]
    Connect {
        /// What kind of failure it is.
        failure: ConnectFailure,
        /// What the system said.
        source: Cause,
    },
    /// The proxy has no certificate that can be trusted, or does not speak TLS.
    #[error("no secure connection")]
    Tls {
        /// What the TLS library said.
        source: Cause,
    },
    /// It wants a user name and a password, or others (407, RFC 1929).
    #[error("it does not accept the credentials")]
    Credentials,
    /// It answered `CONNECT` with this status.
    #[error("it answered with status {status}")]
    Status {
        /// The HTTP status.
        status: u16,
    },
    /// It answered with this code of SOCKS (RFC 1928 section 6).
    #[error("it answered: {}", socks(*.code))]
    Socks {
        /// The reply code.
        code: u8,
    },
    /// It does not speak the protocol of a proxy.
    #[error("it does not answer like a proxy")]
    NotAProxy,
    /// The connection failed before it had answered.
    #[error("the connection to it failed")]
    Transport {
        /// What happened to it.
        source: Cause,
    },
}

impl SendError {
    /// Says what a failure before any answer means.
    pub(crate) fn of(cause: Cause) -> Self {
        // What the connector found out comes back wrapped by the pool.
        if let Some(known) = cause.find::<Self>() {
            return known.clone();
        }
        if cause.find::<rustls::Error>().is_some() {
            return Self::Tls { source: cause };
        }
        let http = cause.find::<hyper_core::Error>();
        if http.is_some_and(hyper_core::Error::is_parse_too_large) {
            return Self::HeadTooLarge;
        }
        if http.is_some_and(hyper_core::Error::is_parse) {
            return Self::NotHttp { source: cause };
        }
        Self::Transport { source: cause }
    }

    /// Says the same of the proxy that was to be reached.
    pub(crate) fn of_the_proxy(self) -> Self {
        let source = match self {
            Self::Connect { failure, source } => ProxyFailure::Connect { failure, source },
            Self::Tls { source } => ProxyFailure::Tls { source },
            Self::Uri
            | Self::Proxy { .. }
            | Self::RefusedAddress { .. }
            | Self::Timeout { .. }
            | Self::NotHttp { .. }
            | Self::HeadTooLarge
            | Self::Transport { .. } => return self,
        };
        Self::Proxy { source }
    }
}

impl fmt::Display for SendPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connection => "a connection",
            Self::Response => "an answer",
        })
    }
}

impl fmt::Display for ConnectFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused => "nothing listens there",
            Self::Unreachable => "unreachable",
            Self::NoSuchHost => "no such host",
            Self::NameServer => "the name servers do not answer",
            Self::Other => "cannot connect",
        })
    }
}

/// The replies of RFC 1928 section 6.
fn socks(code: u8) -> String {
    let words = match code {
        1 => "it cannot",
        2 => "not allowed",
        3 => "network unreachable",
        4 => "host unreachable",
        5 => "connection refused",
        6 => "expired on the way",
        7 => "it cannot connect",
        8 => "it cannot reach this kind of address",
        code => return format!("code {code}"),
    };
    words.to_owned()
}
