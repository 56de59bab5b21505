//! Directories with a directory for each registry: `certs.d`, of containerd, Docker and podman.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use windlass_registry::ClientTls;

use crate::address;
use crate::certs::{self, Beside};
use crate::error::{ConfigError, Problem};
use crate::file;
use crate::hosts_toml::{self, Hosts, Whose};
use crate::settings::CertificateOrigin;
use crate::source::{Finding, Origin, Remark, Setting, Source, SourceKind, SourceState};

/// How many entries all the directories may have together.
const MOST_ENTRIES: usize = 10_000;
/// The directory for registries that have none of their own.
const DEFAULT: &str = "_default";
const HOSTS_TOML: &str = "hosts.toml";

/// What is in the directories. One that cannot be used is an error of its registry's alone.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    /// By the name of the registry: what the first directory says that says anything.
    pub(crate) hosts: BTreeMap<String, Result<Hosts, ConfigError>>,
    /// For everybody else.
    pub(crate) default: Option<Hosts>,
    /// Registries that the default is not for, because they have a directory beside it.
    pub(crate) not_default: BTreeSet<String>,
    /// By host and port.
    pub(crate) certificates: BTreeMap<String, Certificates>,
    /// Roots for everybody.
    pub(crate) roots: Vec<Setting<Vec<u8>>>,
    pub(crate) sources: Vec<Source>,
    pub(crate) findings: Vec<Finding>,
    entries: usize,
}

/// The certificates for a host and port, from all directories.
#[derive(Debug, Default)]
pub(crate) struct Certificates {
    pub(crate) tls: ClientTls,
    pub(crate) origins: Vec<CertificateOrigin>,
    /// The registries that the directories are called after.
    pub(crate) registries: Vec<String>,
    pub(crate) broken: Option<ConfigError>,
    /// Client certificates that are passed over.
    pub(crate) findings: Vec<Finding>,
}

/// A registry's directory.
struct Directory {
    path: PathBuf,
    /// As it is called on disk, but for the underscores around a port.
    name: String,
    /// Whether it has those; it goes before the one that does not.
    has_underscores: bool,
}

impl Scan {
    /// Reads the directories `roots`, of which earlier ones decide.
    pub(crate) fn read(roots: &[PathBuf], are_asked_for: bool) -> Result<Self, ConfigError> {
        let mut scan = Self::default();
        for root in roots {
            scan.read_root(root, are_asked_for)?;
        }
        Ok(scan)
    }

    fn read_root(&mut self, root: &Path, is_asked_for: bool) -> Result<(), ConfigError> {
        let names = match list(root, &mut self.entries) {
            Ok(names) => names,
            Err(Problem::Read(error)) if file::is_absent(&error) => {
                self.source(root, SourceKind::CertsDir, SourceState::Absent);
                if is_asked_for {
                    self.findings.push(Finding::file(root, Remark::NotThere));
                }
                return Ok(());
            }
            Err(Problem::Read(error)) if error.kind() == io::ErrorKind::PermissionDenied => {
                self.source(root, SourceKind::CertsDir, SourceState::Unreadable);
                let remark = Remark::Unreadable(error.kind());
                self.findings.push(Finding::file(root, remark));
                return Ok(());
            }
            Err(problem) => return Err(ConfigError::file(root, problem)),
        };
        self.source(root, SourceKind::CertsDir, SourceState::Read);
        let directories = self.directories(root, &names);
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

    /// Returns the directories among `names`, with those that go before others of their registry first.
    fn directories(&mut self, root: &Path, names: &[PathBuf]) -> Vec<Directory> {
        let mut directories = Vec::new();
        for name in names {
            // What is hidden is not a registry's: a mounted ConfigMap has its files there.
            if name.as_os_str().as_encoded_bytes().starts_with(b".") {
                continue;
            }
            let path = root.join(name);
            match fs::metadata(&path) {
                Ok(found) if !found.is_dir() => {}
                Err(error) if file::is_absent(&error) => {
                    let remark = Remark::Unreadable(error.kind());
                    self.findings.push(Finding::file(&path, remark));
                }
                // What it is about is not known to be nothing: listing it will tell.
                Ok(_) | Err(_) => directories.push(Directory::new(path, &name.to_string_lossy())),
            }
        }
        directories.sort_by_cached_key(Directory::rank);
        directories
    }

    /// Reads the directory of one registry, and returns the registry's name.
    fn read_directory(&mut self, directory: &Directory) -> Result<Option<String>, ConfigError> {
        let registry = match address::registry_name(&directory.name) {
            // Docker has certificates there, for another registry than its users mean.
            Some(name) if name == "docker.io" && directory.name != name => None,
            name => name,
        };
        let endpoint = address::endpoint(&directory.name);
        let Some(endpoint) = endpoint else {
            let finding = Finding::file(&directory.path, Remark::NotARegistry);
            self.findings.push(finding);
            return Ok(None);
        };
        let names = match list(&directory.path, &mut self.entries) {
            Ok(names) => names,
            Err(problem @ Problem::TooMany { .. }) => {
                return Err(ConfigError::file(&directory.path, problem));
            }
            Err(problem) => {
                let error = ConfigError::file(&directory.path, problem);
                self.add_certificates(&endpoint, directory, Err(error));
                return Ok(registry);
            }
        };
        let beside = self.read_hosts(directory, registry.as_deref(), &names);
        let tls = certs::read(&directory.path, &names, beside, &mut self.findings);
        self.add_certificates(&endpoint, directory, tls);
        Ok(registry)
    }

    /// Reads the `hosts.toml` among `names`, unless an earlier one decides already.
    fn read_hosts(
        &mut self,
        directory: &Directory,
        registry: Option<&str>,
        names: &[PathBuf],
    ) -> Beside {
        if !names.iter().any(|name| name.as_os_str() == HOSTS_TOML) {
            return Beside::Nothing;
        }
        let path = directory.path.join(HOSTS_TOML);
        let Some(registry) = registry else {
            let finding = Finding::file(&path, Remark::NotARegistry);
            self.findings.push(finding);
            self.source(&path, SourceKind::HostsToml, SourceState::Ignored);
            return Beside::HostsToml;
        };
        if self.hosts.contains_key(registry) {
            self.source(&path, SourceKind::HostsToml, SourceState::Ignored);
            return Beside::HostsToml;
        }
        let hosts = read_hosts(&path, Whose::Registry(registry), &mut self.findings);
        let state = match &hosts {
            Ok(None) => {
                self.source(&path, SourceKind::HostsToml, SourceState::Ignored);
                return Beside::Nothing;
            }
            Ok(Some(_)) => SourceState::Read,
            Err(_) => SourceState::Broken,
        };
        self.source(&path, SourceKind::HostsToml, state);
        if let Some(hosts) = hosts.transpose() {
            self.hosts.insert(registry.to_owned(), hosts);
        }
        Beside::HostsToml
    }

    /// Reads the directory for everybody. What is wrong with it is wrong for everybody.
    fn read_default(&mut self, directory: &Directory) -> Result<(), ConfigError> {
        let path = &directory.path;
        let names =
            list(path, &mut self.entries).map_err(|problem| ConfigError::file(path, problem))?;
        let mut beside = Beside::Nothing;
        if names.iter().any(|name| name.as_os_str() == HOSTS_TOML) {
            let path = path.join(HOSTS_TOML);
            if self.default.is_some() {
                self.source(&path, SourceKind::HostsToml, SourceState::Ignored);
            } else {
                self.default = read_hosts(&path, Whose::Everybody, &mut self.findings)?;
                self.source(&path, SourceKind::HostsToml, SourceState::Read);
            }
            beside = Beside::HostsToml;
        }
        if let Some(tls) = certs::read(path, &names, beside, &mut self.findings)? {
            self.source(path, SourceKind::Certificates, SourceState::Read);
            let roots = tls.roots.into_iter();
            self.roots
                .extend(roots.map(|root| Setting::new(root, Origin::file(path))));
            if tls.identity.is_some() {
                let finding = Finding::file(path, Remark::EverybodysIdentity);
                self.findings.push(finding);
            }
        }
        Ok(())
    }

    fn add_certificates(
        &mut self,
        endpoint: &str,
        directory: &Directory,
        read: Result<Option<ClientTls>, ConfigError>,
    ) {
        let (state, tls) = match read {
            Ok(None) => return,
            Ok(Some(tls)) => (SourceState::Read, Ok(tls)),
            Err(error) => (SourceState::Broken, Err(error)),
        };
        self.source(&directory.path, SourceKind::Certificates, state);
        let certificates = self.certificates.entry(endpoint.to_owned()).or_default();
        certificates
            .registries
            .extend(address::registry_name(&directory.name));
        certificates.add(tls, Origin::file(&directory.path));
    }

    fn source(&mut self, path: &Path, kind: SourceKind, state: SourceState) {
        self.sources.push(Source::new(path, kind, state));
    }
}

impl Certificates {
    /// Adds what is read from `origin`: roots add up, the first client certificate and the first error stay.
    pub(crate) fn add(&mut self, read: Result<ClientTls, ConfigError>, origin: Origin) {
        match read {
            Ok(tls) => {
                self.note(CertificateOrigin {
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

    /// Adds what weaker files say.
    pub(crate) fn append(&mut self, weaker: Self) {
        self.findings.extend(weaker.findings);
        weaker
            .origins
            .into_iter()
            .for_each(|origin| self.note(origin));
        self.add_tls(weaker.tls);
        self.registries.extend(weaker.registries);
        self.broken = self.broken.take().or(weaker.broken);
    }

    /// Notes where certificates come from, and a client's that is passed over.
    fn note(&mut self, origin: CertificateOrigin) {
        let first = self.origins.iter().find(|found| found.has_identity);
        if let (Some(first), true) = (first, origin.has_identity) {
            self.findings.push(Finding {
                origin: origin.origin.clone(),
                key: None,
                remark: Remark::SeveralIdentities {
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

impl Directory {
    /// Returns what directories are sorted by: those of one registry stand together, the one that is called
    /// like it first.
    fn rank(&self) -> (String, bool, bool, String) {
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

/// Reads a `hosts.toml`; none if it is empty, which is nothing to containerd.
fn read_hosts(
    path: &Path,
    whose: Whose<'_>,
    findings: &mut Vec<Finding>,
) -> Result<Option<Hosts>, ConfigError> {
    let text = file::read_text(path).map_err(|problem| ConfigError::file(path, problem))?;
    match text.as_deref() {
        None | Some("") => Ok(None),
        Some(text) => hosts_toml::read(path, text, whose, findings).map(Some),
    }
}

/// Returns the names in a directory, in order; `count` is of all that were ever returned.
fn list(path: &Path, count: &mut usize) -> Result<Vec<PathBuf>, Problem> {
    let mut names = Vec::new();
    for entry in fs::read_dir(path).map_err(Problem::Read)? {
        names.push(PathBuf::from(entry.map_err(Problem::Read)?.file_name()));
        *count += 1;
        if *count > MOST_ENTRIES {
            return Err(Problem::TooMany {
                limit: MOST_ENTRIES,
            });
        }
    }
    names.sort();
    Ok(names)
}
