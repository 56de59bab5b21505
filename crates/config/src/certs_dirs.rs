//! The `certs.d` directories of windlass, containerd, Docker and podman, which have one directory for each registry.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use windlass_registry::ClientTls;

use crate::address;
use crate::certs::{self, HostsTomlPresence};
use crate::error::{ConfigError, ConfigProblem};
use crate::file;
use crate::hosts_toml::{self, ConfiguredHosts, HostsScope};
use crate::registry_settings::CertificateOrigin;
use crate::settings::RootCertificates;
use crate::source::{FileLocation, Finding, FindingKind, SourceFile, SourceKind, SourceState};

/// The maximum number of entries of all directories together.
const MAX_ENTRIES: usize = 10_000;
/// The directory for registries without one of their own.
const DEFAULT: &str = "_default";
const HOSTS_TOML: &str = "hosts.toml";

/// The content of the directories. An error in the directory of one registry does not affect others.
#[derive(Debug, Default)]
pub(crate) struct CertsDirScan {
    /// The hosts of registries, by name, from the first directory that has a `hosts.toml` for them.
    pub(crate) hosts: BTreeMap<String, Result<ConfiguredHosts, ConfigError>>,
    /// The hosts of all other registries.
    pub(crate) default: Option<ConfiguredHosts>,
    /// Registries that have a directory beside `_default`, which is therefore not for them.
    pub(crate) not_default: BTreeSet<String>,
    /// The certificates, by host and port.
    pub(crate) certificates: BTreeMap<String, EndpointCertificates>,
    /// Root certificates for all hosts.
    pub(crate) roots: Vec<RootCertificates>,
    pub(crate) sources: Vec<SourceFile>,
    pub(crate) findings: Vec<Finding>,
    /// The number of entries that were read so far.
    entries: usize,
}

/// The certificates for a host and port, from all directories.
#[derive(Debug, Default)]
pub(crate) struct EndpointCertificates {
    pub(crate) tls: ClientTls,
    pub(crate) origins: Vec<CertificateOrigin>,
    /// The registries whose directories the certificates are in.
    pub(crate) registries: Vec<String>,
    pub(crate) broken: Option<ConfigError>,
    /// Client certificates that are not used.
    pub(crate) findings: Vec<Finding>,
}

/// The directory of a registry.
struct RegistryDirectory {
    path: PathBuf,
    /// Its name, without the underscores around a port.
    name: String,
    /// Whether the name on disk has those underscores. Such a directory takes precedence over one without.
    has_underscores: bool,
}

impl CertsDirScan {
    /// Reads the directories `roots`, of which earlier ones override later ones. A missing directory is a finding if it
    /// `is_configured`.
    pub(crate) fn read(roots: &[PathBuf], is_configured: bool) -> Result<Self, ConfigError> {
        let mut scan = Self::default();
        for root in roots {
            scan.read_root(root, is_configured)?;
        }
        Ok(scan)
    }

    fn read_root(&mut self, root: &Path, is_configured: bool) -> Result<(), ConfigError> {
        let names = match list_directory(root, &mut self.entries) {
            Ok(names) => names,
            Err(ConfigProblem::Read(error)) if file::is_absent(&error) => {
                self.add_source(root, SourceKind::CertsDir, SourceState::Absent);
                if is_configured {
                    self.findings
                        .push(Finding::file(root, FindingKind::MissingDirectory));
                }
                return Ok(());
            }
            Err(ConfigProblem::Read(error)) if error.kind() == io::ErrorKind::PermissionDenied => {
                self.add_source(root, SourceKind::CertsDir, SourceState::Unreadable);
                let kind = FindingKind::Unreadable(error.kind());
                self.findings.push(Finding::file(root, kind));
                return Ok(());
            }
            Err(problem) => return Err(ConfigError::file(root, problem)),
        };
        self.add_source(root, SourceKind::CertsDir, SourceState::Read);
        let directories = self.find_directories(root, &names);
        let mut own = BTreeSet::new();
        let had_default = self.default.is_some();
        for directory in &directories {
            match directory.name.as_str() {
                DEFAULT => self.read_default(directory)?,
                _ => own.extend(self.read_directory(directory)?),
            }
        }
        if !had_default && self.default.is_some() {
            self.not_default = own;
        }
        Ok(())
    }

    /// Returns the directories of registries among `names`, in the order in which they are read.
    fn find_directories(&mut self, root: &Path, names: &[PathBuf]) -> Vec<RegistryDirectory> {
        let mut directories = Vec::new();
        for name in names {
            // Hidden directories are not for registries: a mounted Kubernetes ConfigMap keeps its files in one.
            if name.as_os_str().as_encoded_bytes().starts_with(b".") {
                continue;
            }
            let path = root.join(name);
            match fs::metadata(&path) {
                Ok(found) if !found.is_dir() => {}
                Err(error) if file::is_absent(&error) => {
                    let kind = FindingKind::Unreadable(error.kind());
                    self.findings.push(Finding::file(&path, kind));
                }
                // If it cannot be inspected, listing it reports the error for its registry.
                Ok(_) | Err(_) => {
                    directories.push(RegistryDirectory::new(path, &name.to_string_lossy()));
                }
            }
        }
        directories.sort_by_cached_key(RegistryDirectory::sort_key);
        directories
    }

    /// Reads the directory of one registry, and returns the registry's name.
    fn read_directory(
        &mut self,
        directory: &RegistryDirectory,
    ) -> Result<Option<String>, ConfigError> {
        let registry = match address::registry_name(&directory.name) {
            // Docker reads certificates from this directory, for another registry than its users expect.
            Some(name) if name == "docker.io" && directory.name != name => None,
            name => name,
        };
        let endpoint = address::endpoint(&directory.name);
        let Some(endpoint) = endpoint else {
            let finding = Finding::file(&directory.path, FindingKind::NotARegistry);
            self.findings.push(finding);
            return Ok(None);
        };
        let names = match list_directory(&directory.path, &mut self.entries) {
            Ok(names) => names,
            Err(problem @ ConfigProblem::TooMany { .. }) => {
                return Err(ConfigError::file(&directory.path, problem));
            }
            Err(problem) => {
                let error = ConfigError::file(&directory.path, problem);
                self.add_certificates(&endpoint, directory, Err(error));
                return Ok(registry);
            }
        };
        let hosts_toml = self.read_hosts(directory, registry.as_deref(), &names);
        let tls = certs::read(&directory.path, &names, hosts_toml, &mut self.findings);
        self.add_certificates(&endpoint, directory, tls);
        Ok(registry)
    }

    /// Reads the `hosts.toml` among `names`, unless an earlier directory has one for the registry.
    fn read_hosts(
        &mut self,
        directory: &RegistryDirectory,
        registry: Option<&str>,
        names: &[PathBuf],
    ) -> HostsTomlPresence {
        if !names.iter().any(|name| name.as_os_str() == HOSTS_TOML) {
            return HostsTomlPresence::Absent;
        }
        let path = directory.path.join(HOSTS_TOML);
        let Some(registry) = registry else {
            let finding = Finding::file(&path, FindingKind::NotARegistry);
            self.findings.push(finding);
            self.add_source(&path, SourceKind::HostsToml, SourceState::Ignored);
            return HostsTomlPresence::Present;
        };
        if self.hosts.contains_key(registry) {
            self.add_source(&path, SourceKind::HostsToml, SourceState::Ignored);
            return HostsTomlPresence::Present;
        }
        let hosts = read_hosts(&path, HostsScope::Registry(registry), &mut self.findings);
        let state = match &hosts {
            Ok(None) => {
                self.add_source(&path, SourceKind::HostsToml, SourceState::Ignored);
                return HostsTomlPresence::Absent;
            }
            Ok(Some(_)) => SourceState::Read,
            Err(_) => SourceState::Broken,
        };
        self.add_source(&path, SourceKind::HostsToml, state);
        if let Some(hosts) = hosts.transpose() {
            self.hosts.insert(registry.to_owned(), hosts);
        }
        HostsTomlPresence::Present
    }

    /// Reads the directory for all other registries. An error in it is an error of the whole configuration.
    fn read_default(&mut self, directory: &RegistryDirectory) -> Result<(), ConfigError> {
        let path = &directory.path;
        let names = list_directory(path, &mut self.entries)
            .map_err(|problem| ConfigError::file(path, problem))?;
        let mut hosts_toml = HostsTomlPresence::Absent;
        if names.iter().any(|name| name.as_os_str() == HOSTS_TOML) {
            let path = path.join(HOSTS_TOML);
            if self.default.is_some() {
                self.add_source(&path, SourceKind::HostsToml, SourceState::Ignored);
            } else {
                self.default = read_hosts(&path, HostsScope::Default, &mut self.findings)?;
                self.add_source(&path, SourceKind::HostsToml, SourceState::Read);
            }
            hosts_toml = HostsTomlPresence::Present;
        }
        if let Some(tls) = certs::read(path, &names, hosts_toml, &mut self.findings)? {
            self.add_source(path, SourceKind::Certificates, SourceState::Read);
            let roots = tls.roots.into_iter().map(|pem| RootCertificates {
                path: path.clone(),
                pem,
            });
            self.roots.extend(roots);
            if tls.identity.is_some() {
                let finding = Finding::file(path, FindingKind::DefaultIdentity);
                self.findings.push(finding);
            }
        }
        Ok(())
    }

    fn add_certificates(
        &mut self,
        endpoint: &str,
        directory: &RegistryDirectory,
        read: Result<Option<ClientTls>, ConfigError>,
    ) {
        let (state, tls) = match read {
            Ok(None) => return,
            Ok(Some(tls)) => (SourceState::Read, Ok(tls)),
            Err(error) => (SourceState::Broken, Err(error)),
        };
        self.add_source(&directory.path, SourceKind::Certificates, state);
        let certificates = self.certificates.entry(endpoint.to_owned()).or_default();
        certificates
            .registries
            .extend(address::registry_name(&directory.name));
        certificates.add(tls, FileLocation::file(&directory.path));
    }

    fn add_source(&mut self, path: &Path, kind: SourceKind, state: SourceState) {
        self.sources.push(SourceFile::new(path, kind, state));
    }
}

impl EndpointCertificates {
    /// Adds the certificates from `origin`. Roots add up; of client certificates and errors the first one stays.
    pub(crate) fn add(&mut self, read: Result<ClientTls, ConfigError>, origin: FileLocation) {
        match read {
            Ok(tls) => {
                self.record(CertificateOrigin {
                    origin,
                    roots: tls.roots.len(),
                    has_identity: tls.identity.is_some(),
                    skip_verify: tls.skip_verify,
                });
                self.add_tls(tls);
            }
            Err(error) => {
                self.broken.get_or_insert(error);
            }
        }
    }

    /// Adds the certificates of weaker files.
    pub(crate) fn append(&mut self, weaker: Self) {
        self.findings.extend(weaker.findings);
        weaker
            .origins
            .into_iter()
            .for_each(|origin| self.record(origin));
        self.add_tls(weaker.tls);
        self.registries.extend(weaker.registries);
        self.broken = self.broken.take().or(weaker.broken);
    }

    /// Records where certificates come from, and that a client certificate is not used.
    fn record(&mut self, origin: CertificateOrigin) {
        let first = self.origins.iter().find(|found| found.has_identity);
        if let (Some(first), true) = (first, origin.has_identity) {
            self.findings.push(Finding {
                origin: origin.origin.clone(),
                key: None,
                kind: FindingKind::SeveralIdentities {
                    used: first.origin.path.clone(),
                },
            });
        }
        self.origins.push(origin);
    }

    fn add_tls(&mut self, tls: ClientTls) {
        self.tls.roots.extend(tls.roots);
        self.tls.skip_verify |= tls.skip_verify;
        self.tls.identity = self.tls.identity.take().or(tls.identity);
    }
}

impl RegistryDirectory {
    /// Returns the sort key of directories. Those of one registry are next to each other, and the one with exactly its
    /// name is first.
    fn sort_key(&self) -> (String, bool, bool, String) {
        let lower = self.name.to_lowercase();
        let is_other = lower != self.name;
        (lower, is_other, !self.has_underscores, self.name.clone())
    }

    fn new(path: PathBuf, name: &str) -> Self {
        let port = name
            .strip_suffix('_')
            .and_then(|name| name.rsplit_once('_'))
            .filter(|(host, port)| {
                let is_number = port.bytes().all(|byte| byte.is_ascii_digit());
                !host.is_empty() && !port.is_empty() && is_number
            });
        match port {
            Some((host, port)) => Self {
                path,
                name: format!("{host}:{port}"),
                has_underscores: true,
            },
            None => Self {
                path,
                name: name.to_owned(),
                has_underscores: false,
            },
        }
    }
}

/// Reads a `hosts.toml`. `None` if it is empty, which to containerd is the same as missing.
fn read_hosts(
    path: &Path,
    scope: HostsScope<'_>,
    findings: &mut Vec<Finding>,
) -> Result<Option<ConfiguredHosts>, ConfigError> {
    let text = file::read_text(path).map_err(|problem| ConfigError::file(path, problem))?;
    match text.as_deref() {
        None | Some("") => Ok(None),
        Some(text) => hosts_toml::read(path, text, scope, findings).map(Some),
    }
}

/// Returns the names in a directory, sorted, and adds their number to `count`.
fn list_directory(path: &Path, count: &mut usize) -> Result<Vec<PathBuf>, ConfigProblem> {
    let mut names = Vec::new();
    for entry in fs::read_dir(path).map_err(ConfigProblem::Read)? {
        names.push(PathBuf::from(
            entry.map_err(ConfigProblem::Read)?.file_name(),
        ));
        *count += 1;
        if *count > MAX_ENTRIES {
            return Err(ConfigProblem::TooMany { limit: MAX_ENTRIES });
        }
    }
    names.sort();
    Ok(names)
}
