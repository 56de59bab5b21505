//! One host as a TOML table describes it, in containerd's words or in windlass's.

use std::path::{Path, PathBuf};
use std::time::Duration;

use url::Url;
use windlass_oci::text::sanitize;
use windlass_registry::{ClientTls, HostCapabilities, HostConfig, Secret};

use crate::address;
use crate::document::{Item, Table};
use crate::duration;
use crate::error::{ConfigError, Problem};
use crate::header::{self, HeaderProblem};
use crate::pem;
use crate::source::{Finding, Origin, Remark, Setting};

/// Who spells the keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// `skip_verify`; empty is as good as absent.
    Containerd,
    /// `skip-verify`; whatever is there must say something.
    Windlass,
}

/// What a table says about a host, but for where it is. Files are named in it and not read.
#[derive(Debug, Default)]
pub(crate) struct HostSpec {
    capabilities: Option<HostCapabilities>,
    ca: Vec<FileName>,
    client: Vec<ClientFiles>,
    skip_verify: Option<bool>,
    headers: Vec<(String, Secret)>,
    override_path: bool,
    connect: Option<Duration>,
    /// The first key that only means something for a host that is named.
    needs_server: Option<ConfigError>,
}

/// A file that a value names.
#[derive(Debug)]
struct FileName {
    path: PathBuf,
    /// The value, with nothing wrong yet.
    at: ConfigErrorAt,
}

/// A client certificate, and its key if that is in another file.
#[derive(Debug)]
struct ClientFiles {
    certificate: FileName,
    key: Option<PathBuf>,
}

/// Where an error would be.
#[derive(Debug)]
struct ConfigErrorAt(ConfigError);

impl Dialect {
    /// Returns the key `name` (with hyphens) as this dialect spells it.
    fn key(self, name: &str) -> String {
        match self {
            Self::Containerd => name.replace('-', "_"),
            Self::Windlass => name.to_owned(),
        }
    }
}

impl HostSpec {
    /// Takes what is about a host out of `table`. Files are relative to `base`.
    pub(crate) fn take(
        table: &mut Table<'_>,
        dialect: Dialect,
        base: &Path,
    ) -> Result<Self, ConfigError> {
        let mut spec = Self::default();
        if let Some(item) = table.take("ca") {
            for item in item.one_or_more()? {
                spec.ca.push(FileName::of(&item, base)?);
            }
        }
        if let Some(item) = table.take("client") {
            spec.client = clients(item, base)?;
        }
        if let Some(item) = table.take(&dialect.key("skip-verify")) {
            spec.skip_verify = Some(item.flag()?);
        }
        if let Some(item) = table.take("capabilities") {
            spec.take_for_server(&item);
            spec.capabilities = capabilities(item, dialect)?;
        }
        if let Some(item) = table.take("header") {
            spec.take_for_server(&item);
            spec.headers = headers(item)?;
        }
        if let Some(item) = table.take(&dialect.key("override-path")) {
            spec.take_for_server(&item);
            spec.override_path = item.flag()?;
        }
        if let Some(item) = table.take(&dialect.key("dial-timeout")) {
            spec.take_for_server(&item);
            spec.connect = dial_timeout(&item, dialect)?;
        }
        Ok(spec)
    }

    /// Tells whether files with certificates are named.
    pub(crate) fn has_files(&self) -> bool {
        !self.ca.is_empty() || !self.client.is_empty()
    }

    /// Tells whether anything is said about certificates.
    pub(crate) fn is_about_tls(&self) -> bool {
        self.has_files() || self.skip_verify.is_some()
    }

    /// Returns whether any certificate is to be taken, if that is said.
    pub(crate) fn skip_verify(&self) -> Option<bool> {
        self.skip_verify
    }

    /// Tells whether anything is said about how requests are made.
    pub(crate) fn is_about_requests(&self) -> bool {
        self.needs_server.is_some()
    }

    /// Tells whether anything is said that counts for a host that is not named, too.
    pub(crate) fn says_more_than_where(&self) -> bool {
        let skips = self.skip_verify == Some(true);
        skips || self.has_files() || !self.headers.is_empty() || self.connect.is_some()
    }

    /// Refuses what needs a host that is named.
    pub(crate) fn refuse_without_server(self) -> Result<Self, ConfigError> {
        match self.needs_server {
            Some(error) => Err(error),
            None => Ok(self),
        }
    }

    /// Forgets what containerd does for a host that is not named.
    pub(crate) fn without_server(&mut self, findings: &mut Vec<Finding>) {
        let is_there = self.capabilities.take().is_some() || self.override_path;
        self.override_path = false;
        if let (true, Some(error)) = (is_there, &self.needs_server) {
            findings.push(Finding {
                origin: Origin {
                    path: error.path.clone(),
                    line: error.place.map(|place| place.line),
                },
                key: error.key.clone(),
                remark: Remark::NeedsServer,
            });
        }
    }

    /// Reads the files, and returns the host at `url`.
    pub(crate) fn host(
        self,
        url: Url,
        origin: Origin,
        findings: &mut Vec<Finding>,
    ) -> Result<Setting<HostConfig>, ConfigError> {
        let tls = self.tls(findings)?;
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
    pub(crate) fn tls(&self, findings: &mut Vec<Finding>) -> Result<ClientTls, ConfigError> {
        let mut tls = ClientTls {
            skip_verify: self.skip_verify.unwrap_or_default(),
            ..ClientTls::default()
        };
        for file in &self.ca {
            let roots = pem::roots(&file.path);
            tls.roots
                .push(roots.map_err(|problem| file.at.error(problem))?);
        }
        if let Some(client) = self.client.first() {
            let identity = pem::identity(&client.certificate.path, client.key.as_deref());
            let at = &client.certificate.at;
            tls.identity = Some(identity.map_err(|problem| at.error(problem))?);
            if self.client.len() > 1 {
                findings.push(at.finding(Remark::SeveralIdentities {
                    used: client.certificate.path.clone(),
                }));
            }
        }
        Ok(tls)
    }

    /// Notes that the key of `item` is for a host that is named.
    fn take_for_server(&mut self, item: &Item<'_>) {
        self.needs_server
            .get_or_insert_with(|| item.error(Problem::NeedsServer));
    }
}

impl FileName {
    fn of(item: &Item<'_>, base: &Path) -> Result<Self, ConfigError> {
        Ok(Self {
            path: item.path(base)?,
            at: ConfigErrorAt(item.error(Problem::NotThere)),
        })
    }
}

impl ConfigErrorAt {
    fn error(&self, problem: Problem) -> ConfigError {
        ConfigError {
            path: self.0.path.clone(),
            place: self.0.place,
            key: self.0.key.clone(),
            problem: Box::new(problem),
        }
    }

    fn finding(&self, remark: Remark) -> Finding {
        Finding {
            origin: Origin {
                path: self.0.path.clone(),
                line: self.0.place.map(|place| place.line),
            },
            key: self.0.key.clone(),
            remark,
        }
    }
}

/// Reads the names of certificates for `ca` at the top of a windlass.toml, and the files.
pub(crate) fn roots(item: Item<'_>, base: &Path) -> Result<Vec<Setting<Vec<u8>>>, ConfigError> {
    let mut roots = Vec::new();
    for item in item.one_or_more()? {
        let file = FileName::of(&item, base)?;
        let bytes = pem::roots(&file.path).map_err(|problem| item.error(problem))?;
        roots.push(Setting::new(bytes, Origin::file(&file.path)));
    }
    Ok(roots)
}

/// Reads `client`: a file, a table of two, or an array of files and pairs of files.
fn clients(item: Item<'_>, base: &Path) -> Result<Vec<ClientFiles>, ConfigError> {
    if item.is_table() {
        let mut table = item.table()?;
        let mut half = |key| {
            let half = table.take(key);
            half.ok_or_else(|| table.error(Problem::MissingKey { key }))
        };
        let (certificate, key) = (half("cert")?, half("key")?);
        table.refuse_rest(&["cert", "key"])?;
        return Ok(vec![pair(&certificate, &key, base)?]);
    }
    let mut clients = Vec::new();
    for item in item.one_or_more()? {
        if !item.is_array() {
            clients.push(ClientFiles {
                certificate: FileName::of(&item, base)?,
                key: None,
            });
            continue;
        }
        let wrong = item.wrong_type("an array of a certificate and a key");
        match <[Item<'_>; 2]>::try_from(item.elements()?) {
            Ok([certificate, key]) => clients.push(pair(&certificate, &key, base)?),
            Err(_) => return Err(wrong),
        }
    }
    Ok(clients)
}

fn pair(certificate: &Item<'_>, key: &Item<'_>, base: &Path) -> Result<ClientFiles, ConfigError> {
    let key = match key.text()? {
        // In the certificate's file.
        "" => None,
        _ => Some(key.path(base)?),
    };
    Ok(ClientFiles {
        certificate: FileName::of(certificate, base)?,
        key,
    })
}

/// Reads `capabilities`. An empty list says nothing to containerd.
fn capabilities(item: Item<'_>, dialect: Dialect) -> Result<Option<HostCapabilities>, ConfigError> {
    let empty = item.error(Problem::Empty);
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
                return Err(item.error(Problem::Capability { found }));
            }
        }
    }
    Ok(Some(capabilities))
}

fn headers(item: Item<'_>) -> Result<Vec<(String, Secret)>, ConfigError> {
    let mut headers = Vec::new();
    let mut bytes = 0;
    for item in item.table()?.take_all() {
        let wrong = |item: &Item<'_>, problem| item.error(Problem::Header(problem));
        header::check_name(item.name()).map_err(|problem| wrong(&item, problem))?;
        let name = item.name().to_owned();
        for value in item.one_or_more()? {
            let text = value.text()?;
            header::check_value(text).map_err(|problem| wrong(&value, problem))?;
            bytes += name.len() + text.len();
            if headers.len() == header::MOST || bytes > header::MOST_BYTES {
                return Err(wrong(&value, HeaderProblem::TooMany));
            }
            headers.push((name.clone(), Secret::new(text)));
        }
    }
    Ok(headers)
}

/// Reads `dial_timeout`. To Go zero is no limit, and so it is to leave the usual one in place.
fn dial_timeout(item: &Item<'_>, dialect: Dialect) -> Result<Option<Duration>, ConfigError> {
    let text = item.text()?;
    let connect = match dialect {
        Dialect::Containerd if text.is_empty() => return Ok(None),
        Dialect::Containerd => {
            duration::parse_go(text).map(|time| Some(time).filter(|t| !t.is_zero()))
        }
        Dialect::Windlass => duration::parse_positive_duration(text).map(Some),
    };
    connect.map_err(|problem| item.error(Problem::Duration(problem)))
}
