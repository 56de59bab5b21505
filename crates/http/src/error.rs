//! Errors of setup and of requests that got no response.

use std::fmt;
use std::net::IpAddr;

use crate::cause::Cause;

/// Why the configuration of a [`ConnectionConfig`](crate::ConnectionConfig) is invalid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SetupError {
    /// One of [`ClientTls::roots`](crate::ClientTls::roots) contains no certificate, or an invalid one.
    #[error("certificate authority {index} cannot be used: {reason}")]
    Root {
        /// Its index, from 0.
        index: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// [`ClientTls::identity`](crate::ClientTls::identity) is not a certificate with its key.
    #[error("the client certificate cannot be used: {reason}")]
    Identity {
        /// What is wrong with it.
        reason: String,
    },
    /// One of [`Proxies`](crate::Proxies) is not a valid proxy URL.
    #[error("the {scheme} proxy cannot be used: {reason}")]
    Proxy {
        /// The scheme it is configured for.
        scheme: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// [`ConnectionConfig::user_agent`](crate::ConnectionConfig::user_agent) is not a valid header value.
    #[error("the user agent is not a valid header value")]
    UserAgent,
}

/// Why a request got no response.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SendError {
    /// The URI of the request is not `http` or `https`, or has no valid host.
    #[error("not an http or https URL with a host")]
    Uri,
    /// The connection to the host failed.
    #[error("{failure}")]
    Connect {
        /// The kind of failure.
        failure: ConnectFailure,
        /// The error of the operating system.
        source: Cause,
    },
    /// The connection to the proxy failed, or the proxy did not connect to the host.
    #[error("cannot connect through the proxy")]
    Proxy {
        /// The failure.
        source: ProxyFailure,
    },
    /// The certificate of the host is not trusted, the host does not use TLS, or the handshake failed.
    #[error("no secure connection")]
    Tls {
        /// The error of the TLS library.
        source: Cause,
    },
    /// Every address of the host is forbidden by [`AddressPolicy`](crate::AddressPolicy).
    #[error("connections to the address {address} are not allowed")]
    RefusedAddress {
        /// One of the addresses.
        address: IpAddr,
    },
    /// A timeout expired.
    #[error("timed out waiting for {waiting_for}")]
    Timeout {
        /// What did not arrive in time.
        waiting_for: SendPhase,
    },
    /// The response is not HTTP.
    #[error("the response is not HTTP")]
    NotHttp {
        /// The parse error.
        source: Cause,
    },
    /// The head of the response exceeds the size limit. (In HTTP/2 the stream is reset instead, which is
    /// reported as [`Self::Transport`].)
    #[error("the headers of the response are too large")]
    HeadTooLarge,
    /// The connection failed before a response arrived.
    #[error("the connection failed")]
    Transport {
        /// What happened to the connection.
        source: Cause,
    },
}

/// What a request was waiting for when it timed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendPhase {
    /// A connection, including its TLS handshake.
    Connection,
    /// The head of the response.
    Response,
}

/// Why a connection failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectFailure {
    /// The connection was refused.
    Refused,
    /// The host or network is unreachable.
    Unreachable,
    /// The name does not exist or has no address.
    NoSuchHost,
    /// The name servers did not respond.
    NameServer,
    /// Another failure; see the source.
    Other,
}

/// Why a connection through a proxy failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ProxyFailure {
    /// The connection to the proxy failed.
    #[error("{failure}")]
    Connect {
        /// The kind of failure.
        failure: ConnectFailure,
        /// The error of the operating system.
        source: Cause,
    },
    /// The certificate of the proxy is not trusted, or the proxy does not use TLS.
    #[error("no secure connection")]
    Tls {
        /// The error of the TLS library.
        source: Cause,
    },
    /// The proxy requires credentials, or rejected those that were sent (407, RFC 1929).
    #[error("it rejected the credentials")]
    Credentials,
    /// The proxy responded to `CONNECT` with this status.
    #[error("it responded with status {status}")]
    Status {
        /// The HTTP status.
        status: u16,
    },
    /// The proxy replied with this SOCKS code (RFC 1928 section 6).
    #[error("it replied: {}", socks(*.code))]
    Socks {
        /// The reply code.
        code: u8,
    },
    /// The peer does not use a proxy protocol.
    #[error("its response is not that of a proxy")]
    NotAProxy,
    /// The connection to the proxy failed before it responded.
    #[error("the connection to it failed")]
    Transport {
        /// What happened to the connection.
        source: Cause,
    },
}

impl SendError {
    /// Classifies a failure that occurred before a response.
    pub(crate) fn from_cause(cause: Cause) -> Self {
        // An error of the connector, wrapped by the connection pool.
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

    /// Converts a failure of the connection to a proxy.
    pub(crate) fn into_proxy_error(self) -> Self {
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
            Self::Response => "a response",
        })
    }
}

impl fmt::Display for ConnectFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused => "nothing is listening there",
            Self::Unreachable => "unreachable",
            Self::NoSuchHost => "no such host",
            Self::NameServer => "the name servers do not respond",
            Self::Other => "cannot connect",
        })
    }
}

/// Describes a reply code of RFC 1928 section 6.
fn socks(code: u8) -> String {
    let text = match code {
        1 => "general failure",
        2 => "not allowed",
        3 => "network unreachable",
        4 => "host unreachable",
        5 => "connection refused",
        6 => "TTL expired",
        7 => "CONNECT is not supported",
        8 => "this kind of address is not supported",
        code => return format!("code {code}"),
    };
    text.to_owned()
}
