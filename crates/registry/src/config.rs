//! Configuration of the registry client.

use std::collections::BTreeMap;
use std::time::Duration;

pub use windlass_http::{ClientIdentity, ClientTls, Proxies};

use crate::hosts::Registries;

/// The configuration of a [`Client`](crate::Client).
#[derive(Clone, Debug)]
pub struct RegistryConfig {
    /// The endpoints of each registry.
    pub registries: Registries,
    /// TLS settings of hosts, by `host:port` or, for the default port of https, `host`. They apply to every
    /// request to that host, including redirects and token requests (EP-10).
    pub certificates: BTreeMap<String, ClientTls>,
    /// Hosts (`host` or `host:port`) and address ranges (`10.0.0.0/8`) that may be used without TLS, or with
    /// any certificate (EP-7). This machine may always be used without TLS.
    pub insecure: Vec<String>,
    /// Whether manifests of Docker's schema 1 are accepted (MF-7).
    pub schema1: bool,
    /// PEM files with certificates that are trusted in addition to the system's.
    pub extra_roots: Vec<Vec<u8>>,
    /// The `User-Agent` of every request.
    pub user_agent: String,
    /// The proxies to use; none by default.
    pub proxies: Proxies,
    /// Timeouts.
    pub timeouts: Timeouts,
    /// The maximum number of redirects of one request.
    pub redirects: usize,
}

/// Timeouts of the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For a connection, including its TLS handshake.
    pub connect: Duration,
    /// For the head of a response, measured from the start of the request ([`Self::connect`] is part of it).
    pub response: Duration,
    /// For progress of a body: a connection that delivers fewer than [`Self::floor`] bytes within this time
    /// fails. Time in which the caller does not read is not counted.
    pub stall: Duration,
    /// The minimum number of bytes of a body per [`Self::stall`].
    pub floor: u64,
    /// For a token request, including its body (HT-9).
    pub token: Duration,
    /// For the ping that distinguishes a registry from other servers (HT-4).
    pub ping: Duration,
}

impl Default for RegistryConfig {
    fn default() -> Self {
        Self {
            registries: Registries::default(),
            certificates: BTreeMap::new(),
            insecure: Vec::new(),
            schema1: false,
            extra_roots: Vec::new(),
            user_agent: concat!("windlass/", env!("CARGO_PKG_VERSION")).to_owned(),
            proxies: Proxies::default(),
            timeouts: Timeouts::default(),
            redirects: 5,
        }
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            response: Duration::from_secs(30),
            stall: Duration::from_secs(30),
            floor: 30 << 10,
            token: Duration::from_secs(15),
            ping: Duration::from_secs(15),
        }
    }
}
