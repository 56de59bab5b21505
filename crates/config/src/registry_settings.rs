//! The configuration of one registry, each value with the file and line that it comes from.

use std::num::NonZeroU64;

use windlass_registry::{HostConfig, Proxies};

use crate::source::{FileLocation, Setting};

/// The configuration of one registry, or of all registries that have none of their own.
#[derive(Clone, Debug, Default)]
pub struct RegistrySettings {
    /// The mirrors, in the order in which they are tried. All of them are tried before the server.
    pub mirrors: Vec<Setting<HostConfig>>,
    /// The server, which is tried last. `None` means the registry's own host.
    pub server: Option<Setting<HostConfig>>,
    /// The file that lists the hosts. `None` if no file does; then only the registry's own host is used.
    pub hosts_from: Option<FileLocation>,
    /// The proxies for all of these hosts. With `None` the general proxies are used.
    pub proxies: Option<Setting<Proxies>>,
    /// Origins that foreign layers may be fetched from (S2-9).
    pub foreign_hosts: Option<Setting<Vec<String>>>,
    /// The download limit of all these hosts together, in bytes per second. A value of `None` means no limit.
    pub limit_rate: Option<Setting<Option<NonZeroU64>>>,
}

/// The certificates that one file or directory configures for a host and port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateOrigin {
    /// The directory with the files, or the file that names them.
    pub origin: FileLocation,
    /// The number of files with root certificates.
    pub roots: usize,
    /// Whether there is a client certificate.
    pub has_identity: bool,
    /// Whether the certificate of the server is not verified.
    pub skip_verify: bool,
}
