//! How registries are to be spoken to, as values.

use std::collections::BTreeMap;
use std::time::Duration;

pub use windlass_http::{ClientIdentity, ClientTls, Proxies};

use crate::hosts::Registries;

/// Everything that can be chosen about the way to registries.
#[derive(Clone, Debug)]
pub struct RegistryConfig {
    /// Who answers for which registry.
    pub registries: Registries,
    /// Certificates for hosts, by their `host:port` or, at the scheme's own port, `host`: whatever registry
    /// they answer for, and wherever a registry leads (EP-10).
    pub certificates: BTreeMap<String, ClientTls>,
    /// Hosts (`host` or `host:port`) and ranges of addresses (`10.0.0.0/8`) that may be spoken to without
    /// TLS, or in TLS with any certificate (EP-7). This machine itself may always be spoken to without TLS.
    pub insecure: Vec<String>,
    /// Whether manifests of Docker's schema 1 are taken (MF-7).
    pub schema1: bool,
    /// Certificates in PEM form (one or more in each) trusted beside the system's.
    pub extra_roots: Vec<Vec<u8>>,
    /// The `User-Agent` of every request.
    pub user_agent: String,
    /// Proxies to go through; none by default.
    pub proxies: Proxies,
    /// How long to wait for what.
    pub timeouts: Timeouts,
    /// How many redirects are followed for one request.
    pub redirects: usize,
}

/// How long the client waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For a connection, its TLS handshake included.
    pub connect: Duration,
    /// For the head of a response, from the moment the request is made (so [`Self::connect`] is part of it).
    pub response: Duration,
    /// For progress on a body. A connection that brings less than [`Self::floor`] bytes for so long a time
    /// of waiting is given up. Time in which the caller does not ask for more is not waiting.
    pub stall: Duration,
    /// The least number of bytes a body must bring per [`Self::stall`].
    pub floor: u64,
    /// For a token, request and body together (HT-9).
    pub token: Duration,
    /// For the ping that tells a registry from other servers (HT-4).
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
