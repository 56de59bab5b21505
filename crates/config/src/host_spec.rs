//! The keys of one host in a TOML table, with the names of containerd or of windlass.

use std::path::{Path, PathBuf};
use std::time::Duration;

use url::Url;
use windlass_oci::text::sanitize;
use windlass_registry::{ClientTls, HostCapabilities, HostConfig, Secret};

use crate::address;
use crate::documentation::RegistryKeyDocumentation;
use crate::duration;
use crate::error::{ConfigError, ConfigProblem};
use crate::header::{self, HeaderProblem};
use crate::pem;
use crate::source::{FileLocation, Finding, FindingKind, Setting};
use crate::toml_document::{TomlItem, TomlTable};

/// How the keys are written, and what an empty value means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// `skip_verify`. An empty value is the same as a missing key.
    Containerd,
    /// `skip-verify`. An empty value is an error.
    Windlass,
}

/// The keys of a host, with the names of windlass.
pub(crate) const KEYS: [RegistryKeyDocumentation; 7] = [
    RegistryKeyDocumentation {
        key: "capabilities",
        syntax: "array of `\"pull\"`, `\"resolve\"`, `\"push\"`",
        default: "all",
        description: "What the host is used for. Tags are looked up only at hosts with `resolve`.",
    },
    RegistryKeyDocumentation {
        key: "ca",
        syntax: "path, or array of paths",
        default: "none",
        description: "PEM files with root certificates that are trusted for this host.",
    },
    RegistryKeyDocumentation {
        key: "client",
        syntax: "path, `{ cert, key }`, or array as in `hosts.toml`",
        default: "none",
        description: "Client certificate for this host: one PEM file, or two.",
    },
    RegistryKeyDocumentation {
        key: "skip-verify",
        syntax: "true, false",
        default: "`false`",
        description: "Do not verify the certificate of this host.",
    },
    RegistryKeyDocumentation {
        key: "header",
        syntax: "table of texts or arrays of texts",
        default: "none",
        description: "Headers that are sent with every request to this host. The values are treated as secrets.",
    },
    RegistryKeyDocumentation {
        key: "override-path",
        syntax: "true, false",
        default: "`false`",
        description: "Use the path of the address as it is, without adding `/v2`.",
    },
    RegistryKeyDocumentation {
        key: "dial-timeout",
        syntax: "time",
        default: "`timeouts.connect`",
        description: "Time to connect to this host.",
    },
];

/// The values of the keys of a host. The files that they name are not read yet.
#[derive(Debug, Default)]
pub(crate) struct HostSpec {
    capabilities: Option<HostCapabilities>,
    ca: Vec<FileName>,
    client: Vec<ClientFiles>,
    skip_verify: Option<bool>,
    headers: Vec<(String, Secret)>,
    override_path: bool,
    connect: Option<Duration>,
    /// An error about the first key that needs the address of a host.
    needs_server: Option<ConfigError>,
}

/// The name of a file, and where it is configured.
#[derive(Debug)]
struct FileName {
    path: PathBuf,
    location: ErrorLocation,
}

/// The files of a client certificate.
#[derive(Debug)]
struct ClientFiles {
    certificate: FileName,
    /// The file with the key. `None` if the certificate's file has it.
    key: Option<PathBuf>,
}

/// The location of a value, for errors that may occur later.
#[derive(Debug)]
struct ErrorLocation(ConfigError);

impl Dialect {
    /// Returns the key `name`, which has hyphens, as this dialect writes it.
    fn key(self, name: &str) -> String {
        match self {
            Self::Containerd => name.replace('-', "_"),
            Self::Windlass => name.to_owned(),
        }
    }
}

impl HostSpec {
    /// Takes the keys of a host out of `table`. Relative paths start at `base`.
    pub(crate) fn take(
        table: &mut TomlTable<'_>,
        dialect: Dialect,
        base: &Path,
    ) -> Result<Self, ConfigError> {
        let mut spec = Self::default();
        if let Some(item) = table.take("ca") {
            for item in item.one_or_more()? {
                spec.ca.push(FileName::read(&item, base)?);
            }
        }
        if let Some(item) = table.take("client") {
            spec.client = read_clients(item, base)?;
        }
        if let Some(item) = table.take(&dialect.key("skip-verify")) {
            spec.skip_verify = Some(item.flag()?);
        }
        if let Some(item) = table.take("capabilities") {
            spec.require_server(&item);
            spec.capabilities = read_capabilities(item, dialect)?;
        }
        if let Some(item) = table.take("header") {
            spec.require_server(&item);
            spec.headers = read_headers(item)?;
        }
        if let Some(item) = table.take(&dialect.key("override-path")) {
            spec.require_server(&item);
            spec.override_path = item.flag()?;
        }
        if let Some(item) = table.take(&dialect.key("dial-timeout")) {
            spec.require_server(&item);
            spec.connect = read_dial_timeout(&item, dialect)?;
        }
        Ok(spec)
    }

    /// Returns whether there are files with certificates.
    pub(crate) fn has_files(&self) -> bool {
        !self.ca.is_empty() || !self.client.is_empty()
    }

    /// Returns whether a key is about certificates.
    pub(crate) fn is_about_tls(&self) -> bool {
        self.has_files() || self.skip_verify.is_some()
    }

    /// Returns the value of `skip-verify`, if there is one.
    pub(crate) fn skip_verify(&self) -> Option<bool> {
        self.skip_verify
    }

    /// Returns whether a key is about requests.
    pub(crate) fn is_about_requests(&self) -> bool {
        self.needs_server.is_some()
    }

    /// Returns whether a key counts for the registry's own host, too.
    pub(crate) fn has_keys_of_own_host(&self) -> bool {
        let skips = self.skip_verify == Some(true);
        skips || self.has_files() || !self.headers.is_empty() || self.connect.is_some()
    }

    /// Returns an error if a key needs the address of a host.
    pub(crate) fn reject_keys_without_server(self) -> Result<Self, ConfigError> {
        match self.needs_server {
            Some(error) => Err(error),
            None => Ok(self),
        }
    }

    /// Drops the keys that containerd ignores without the address of a host.
    pub(crate) fn drop_server_keys(&mut self, findings: &mut Vec<Finding>) {
        let is_set = self.capabilities.take().is_some() || self.override_path;
        self.override_path = false;
        if let (true, Some(error)) = (is_set, &self.needs_server) {
            findings.push(Finding {
                origin: FileLocation {
                    path: error.path.clone(),
                    line: error.position.map(|position| position.line),
                },
                key: error.key.clone(),
                kind: FindingKind::NeedsServer,
            });
        }
    }

    /// Reads the files, and returns the configuration of the host at `url`.
    pub(crate) fn host(
        self,
        url: Url,
        origin: FileLocation,
        findings: &mut Vec<Finding>,
    ) -> Result<Setting<HostConfig>, ConfigError> {
        let tls = self.read_tls(findings)?;
        let host = HostConfig {
            override_path: self.override_path,
            capabilities: self.capabilities.unwrap_or_default(),
            tls,
            headers: self.headers,
            connect: self.connect,
            ..HostConfig::new(url)
        };
        Ok(Setting::new(host, origin))
    }

    /// Reads the files with certificates and keys.
    pub(crate) fn read_tls(&self, findings: &mut Vec<Finding>) -> Result<ClientTls, ConfigError> {
        let mut tls = ClientTls {
            skip_verify: self.skip_verify.unwrap_or_default(),
            ..ClientTls::default()
        };
        for file in &self.ca {
            let roots = pem::roots(&file.path);
            tls.roots
                .push(roots.map_err(|problem| file.location.error(problem))?);
        }
        if let Some(client) = self.client.first() {
            let identity = pem::identity(&client.certificate.path, client.key.as_deref());
            let location = &client.certificate.location;
            tls.identity = Some(identity.map_err(|problem| location.error(problem))?);
            if self.client.len() > 1 {
                findings.push(location.finding(FindingKind::SeveralIdentities {
                    used: client.certificate.path.clone(),
                }));
            }
        }
        Ok(tls)
    }

    /// Records that the key of `item` needs the address of a host.
    fn require_server(&mut self, item: &TomlItem<'_>) {
        self.needs_server
            .get_or_insert_with(|| item.error(ConfigProblem::NeedsServer));
    }
}

impl FileName {
    fn read(item: &TomlItem<'_>, base: &Path) -> Result<Self, ConfigError> {
        Ok(Self {
            path: item.path(base)?,
            location: ErrorLocation(item.error(ConfigProblem::Missing)),
        })
    }
}

impl ErrorLocation {
    fn error(&self, problem: ConfigProblem) -> ConfigError {
        ConfigError {
            path: self.0.path.clone(),
            position: self.0.position,
            key: self.0.key.clone(),
            problem: Box::new(problem),
        }
    }

    fn finding(&self, kind: FindingKind) -> Finding {
        Finding {
            origin: FileLocation {
                path: self.0.path.clone(),
                line: self.0.position.map(|position| position.line),
            },
            key: self.0.key.clone(),
            kind,
        }
    }
}

/// Reads `client`: a file, a table of two, or an array of files and pairs of files.
fn read_clients(item: TomlItem<'_>, base: &Path) -> Result<Vec<ClientFiles>, ConfigError> {
    if item.is_table() {
        let mut table = item.table()?;
        let mut half = |key| {
            let half = table.take(key);
            half.ok_or_else(|| table.error(ConfigProblem::MissingKey { key }))
        };
        let (certificate, key) = (half("cert")?, half("key")?);
        table.reject_remaining_keys(&["cert", "key"])?;
        return Ok(vec![read_pair(&certificate, &key, base)?]);
    }
    let mut clients = Vec::new();
    for item in item.one_or_more()? {
        if !item.is_array() {
            clients.push(ClientFiles {
                certificate: FileName::read(&item, base)?,
                key: None,
            });
            continue;
        }
        let wrong = item.wrong_type("an array of a certificate and a key");
        match <[TomlItem<'_>; 2]>::try_from(item.elements()?) {
            Ok([certificate, key]) => clients.push(read_pair(&certificate, &key, base)?),
            Err(_) => return Err(wrong),
        }
    }
    Ok(clients)
}

fn read_pair(
    certificate: &TomlItem<'_>,
    key: &TomlItem<'_>,
    base: &Path,
) -> Result<ClientFiles, ConfigError> {
    let key = match key.text()? {
        // The key is in the file of the certificate.
        "" => None,
        _ => Some(key.path(base)?),
    };
    Ok(ClientFiles {
        certificate: FileName::read(certificate, base)?,
        key,
    })
}

/// Reads `capabilities`. To containerd an empty list is the same as a missing key.
fn read_capabilities(
    item: TomlItem<'_>,
    dialect: Dialect,
) -> Result<Option<HostCapabilities>, ConfigError> {
    let empty = item.error(ConfigProblem::Empty);
    let elements = item.elements()?;
    match (elements.is_empty(), dialect) {
        (false, _) => {}
        (true, Dialect::Containerd) => return Ok(None),
        (true, Dialect::Windlass) => return Err(empty),
    }
    let mut capabilities = HostCapabilities {
        pull: false,
        resolve: false,
    };
    for item in elements {
        let text = item.text()?;
        match text.to_ascii_lowercase().as_str() {
            "pull" => capabilities.pull = true,
            "resolve" => capabilities.resolve = true,
            "push" => {}
            _ => {
                let found = sanitize(&address::without_secrets(text));
                return Err(item.error(ConfigProblem::Capability { found }));
            }
        }
    }
    Ok(Some(capabilities))
}

fn read_headers(item: TomlItem<'_>) -> Result<Vec<(String, Secret)>, ConfigError> {
    let mut headers = Vec::new();
    let mut bytes = 0;
    for item in item.table()?.take_all() {
        let error = |item: &TomlItem<'_>, problem| item.error(ConfigProblem::Header(problem));
        header::check_name(item.name()).map_err(|problem| error(&item, problem))?;
        let name = item.name().to_owned();
        for value in item.one_or_more()? {
            let text = value.text()?;
            header::check_value(text).map_err(|problem| error(&value, problem))?;
            bytes += name.len() + text.len();
            if headers.len() == header::MAX_HEADERS || bytes > header::MAX_BYTES {
                return Err(error(&value, HeaderProblem::TooMany));
            }
            headers.push((name.clone(), Secret::new(text)));
        }
    }
    Ok(headers)
}

/// Reads `dial_timeout`. To containerd zero means no limit of its own; then the general one applies.
fn read_dial_timeout(
    item: &TomlItem<'_>,
    dialect: Dialect,
) -> Result<Option<Duration>, ConfigError> {
    let text = item.text()?;
    let connect = match dialect {
        Dialect::Containerd if text.is_empty() => return Ok(None),
        Dialect::Containerd => {
            duration::parse_go(text).map(|time| Some(time).filter(|t| !t.is_zero()))
        }
        Dialect::Windlass => duration::parse_positive_duration(text).map(Some),
    };
    connect.map_err(|problem| item.error(ConfigProblem::Duration(problem)))
}
