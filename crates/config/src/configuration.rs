//! The whole configuration as one value: reading it, and applying it to the engine's configuration.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use windlass_pull::PullerConfig;
use windlass_registry::{ClientTls, InvalidConfig, Registries, RegistryHosts};

use crate::address;
use crate::certs_dirs::CertsDirScan;
use crate::daemon_json::{
    DaemonFile, DaemonJson, DaemonSettings, read_daemon_file, read_docker_file,
};
use crate::error::{ConfigError, ConfigProblem};
use crate::file;
use crate::merge;
use crate::paths::{ConfigPaths, DaemonJsonFile, WindlassFiles};
use crate::registry_settings::{CertificateOrigin, RegistrySettings};
use crate::settings::{
    DaemonJsonChoice, SettingDefinition, SettingTarget, SettingVisitor, Settings, ValueType,
};
use crate::source::{Finding, FindingKind, Setting, SourceFile, SourceKind, SourceState};
use crate::windlass_toml::{self, WindlassToml};

/// The content of all files, merged.
#[derive(Clone, Debug, Default)]
pub struct Configuration {
    /// The settings, except those of single registries.
    pub settings: Settings,
    /// The registries that are configured, by name.
    pub registries: BTreeMap<String, RegistrySettings>,
    /// The configuration of all other registries.
    pub default: RegistrySettings,
    /// Registries with an invalid configuration, which cannot be used, and the errors.
    pub unusable: BTreeMap<String, InvalidConfig>,
    /// Certificates by `host` or `host:port`; port 443 is not written (EP-10, EP-11).
    pub certificates: BTreeMap<String, ClientTls>,
    /// The files that [`Self::certificates`] come from.
    pub certificate_origins: BTreeMap<String, Vec<CertificateOrigin>>,
    /// The settings of the daemon itself, if [`Self::load_for_daemon`] read them.
    pub daemon: DaemonSettings,
    /// The keys in the daemon's own `daemon.json`, as they are written there.
    pub daemon_keys: Vec<Setting<String>>,
    /// Every file and directory that was looked for, in order.
    pub sources: Vec<SourceFile>,
    /// What is noteworthy about the files and no error.
    pub findings: Vec<Finding>,
}

impl Configuration {
    /// Reads all files in `paths`, and the files that those name.
    ///
    /// # Errors
    /// If a `windlass.toml`, a `daemon.json` or the configuration of all registries is invalid. An error in the
    /// configuration of a single registry is in [`Self::unusable`] instead.
    pub fn load(paths: &ConfigPaths) -> Result<Self, ConfigError> {
        Self::read(paths, None)
    }

    /// Reads the same for windlass's daemon, whose own `daemon.json` is `file`. Its settings of registries and pulls
    /// override those in Docker's `daemon.json`.
    ///
    /// # Errors
    /// In addition to those of [`Self::load`]: if `file` has a key that neither windlass nor Docker has.
    pub fn load_for_daemon(
        paths: &ConfigPaths,
        file: &DaemonJsonFile,
    ) -> Result<Self, ConfigError> {
        Self::read(paths, Some(file))
    }

    fn read(
        paths: &ConfigPaths,
        daemon_file: Option<&DaemonJsonFile>,
    ) -> Result<Self, ConfigError> {
        let mut log = ReadLog::default();
        let windlass_toml = log.read_windlass_files(&paths.windlass)?;
        let certs_dirs = windlass_toml.settings.certs_dirs.as_ref();
        let mut scan = match certs_dirs {
            Some(certs_dirs) => CertsDirScan::read(&certs_dirs.value, true)?,
            None => CertsDirScan::read(&paths.certs_dirs, false)?,
        };
        log.sources.append(&mut scan.sources);
        log.findings.append(&mut scan.findings);
        let choice = windlass_toml.settings.daemon_json.as_ref();
        let docker = match choice.map(|setting| &setting.value) {
            Some(DaemonJsonChoice::None) => None,
            Some(DaemonJsonChoice::File(path)) => {
                let read = log.read_docker_file(path)?;
                let missing = || ConfigError::file(path, ConfigProblem::Missing);
                Some(read.ok_or_else(missing)?)
            }
            None => match &paths.daemon_json {
                // One file for both daemons is read once, as the daemon's own.
                Some(path) if daemon_file.is_some_and(|file| file.path() == path) => None,
                Some(path) => log.read_docker_file(path)?,
                None => None,
            },
        };
        let mut daemon_json = docker.unwrap_or_default();
        let (mut daemon, mut daemon_keys) = (DaemonSettings::default(), Vec::new());
        if let Some(file) = daemon_file
            && let Some(read) = log.read_daemon_file(file)?
        {
            daemon_json = read.daemon_json.over(daemon_json);
            (daemon, daemon_keys) = (read.settings, read.keys);
        }
        let merged = merge::merge(windlass_toml, scan, daemon_json, log.sources, log.findings)?;
        Ok(Self {
            daemon,
            daemon_keys,
            ..merged
        })
    }

    /// Applies the configuration to `config`, which has the defaults and the values of the environment.
    ///
    /// Every setting overrides the value of the environment, except that insecure registries and certificates are
    /// added to those in `config`. Options of the command line have to be applied after this. To reload, apply the new
    /// configuration to a new `config`: values that another configuration added are not removed.
    pub fn apply(&self, config: &mut PullerConfig) {
        self.settings.visit(&mut SettingApplier { config });
        // The first pause can be set to any length, and none of the later ones is shorter.
        let retry = &mut config.retry;
        retry.longest_pause = retry.longest_pause.max(retry.first_pause);
        let roots = self.settings.ca.iter().flat_map(|setting| &setting.value);
        let roots = roots.map(|root| root.pem.clone());
        config.registry.extra_roots.extend(roots);
        for (name, registry) in &self.registries {
            let limit = registry.limit_rate.as_ref().and_then(|limit| limit.value);
            config
                .registry_rates
                .extend(limit.map(|limit| (name.clone(), limit)));
        }
        for (endpoint, tls) in &self.certificates {
            let entry = config.registry.certificates.entry(endpoint.clone());
            let merged = entry.or_default();
            merged.roots.extend(tls.roots.iter().cloned());
            merged.skip_verify |= tls.skip_verify;
            if merged.identity.is_none() {
                merged.identity.clone_from(&tls.identity);
            }
        }
        config.registry.registries = self.registries();
    }

    /// Returns the configuration of the registry `name`, or the general one if it has none of its own.
    ///
    /// # Errors
    /// If the configuration of the registry is invalid.
    pub fn registry(&self, name: &str) -> Result<&RegistrySettings, &InvalidConfig> {
        let name = address::registry_name(name).unwrap_or_else(|| name.to_owned());
        match self.unusable.get(&name) {
            Some(unusable) => Err(unusable),
            None => Ok(self.registries.get(&name).unwrap_or(&self.default)),
        }
    }

    fn registries(&self) -> Registries {
        let named = self.registries.iter();
        Registries {
            named: named
                .map(|(name, settings)| (name.clone(), hosts(settings)))
                .collect(),
            default: hosts(&self.default),
            unusable: self.unusable.clone(),
        }
    }
}

/// Sets the fields of the engine's configuration.
struct SettingApplier<'a> {
    config: &'a mut PullerConfig,
}

impl SettingVisitor for SettingApplier<'_> {
    fn visit<T: ValueType>(
        &mut self,
        definition: &SettingDefinition<T>,
        setting: Option<&Setting<T::Value>>,
        _: &'static str,
    ) {
        let Some(setting) = setting else { return };
        match &definition.target {
            SettingTarget::Field(field) => field(self.config).clone_from(&setting.value),
            SettingTarget::List(field, add) => add(field(self.config), &setting.value),
            SettingTarget::Program => {}
        }
    }
}

fn hosts(settings: &RegistrySettings) -> RegistryHosts {
    let foreign_hosts = settings.foreign_hosts.as_ref();
    RegistryHosts {
        mirrors: settings
            .mirrors
            .iter()
            .map(|host| host.value.clone())
            .collect(),
        server: settings.server.as_ref().map(|host| host.value.clone()),
        proxies: settings
            .proxies
            .as_ref()
            .map(|proxies| proxies.value.clone()),
        foreign_hosts: foreign_hosts.map_or_else(Vec::new, |hosts| hosts.value.clone()),
    }
}

/// The files that were looked for, and what is noteworthy about them.
#[derive(Default)]
struct ReadLog {
    sources: Vec<SourceFile>,
    findings: Vec<Finding>,
}

impl ReadLog {
    fn read_windlass_files(&mut self, files: &WindlassFiles) -> Result<WindlassToml, ConfigError> {
        match files {
            WindlassFiles::Only(path) => self
                .read_windlass_file(path)?
                .ok_or_else(|| ConfigError::file(path, ConfigProblem::Missing)),
            WindlassFiles::Usual(paths) => {
                let mut merged = WindlassToml::default();
                for path in paths {
                    if let Some(later) = self.read_windlass_file(path)? {
                        merged = later.over(merged);
                    }
                }
                Ok(merged)
            }
        }
    }

    fn read_windlass_file(&mut self, path: &Path) -> Result<Option<WindlassToml>, ConfigError> {
        let text = self.read_own_text(path, SourceKind::Windlass)?;
        text.map(|text| windlass_toml::read(path, &text, &mut self.findings))
            .transpose()
    }

    /// Reads Docker's `daemon.json`. `None` if it does not exist, or if the user may not read it: the file is not
    /// windlass's own.
    fn read_docker_file(&mut self, path: &Path) -> Result<Option<DaemonJson>, ConfigError> {
        let text = match file::read_text(path) {
            Err(ConfigProblem::Read(error)) if error.kind() == io::ErrorKind::PermissionDenied => {
                self.add_source(path, SourceKind::DaemonJson, SourceState::Unreadable);
                let kind = FindingKind::Unreadable(error.kind());
                self.findings.push(Finding::file(path, kind));
                return Ok(None);
            }
            text => text.map_err(|problem| ConfigError::file(path, problem))?,
        };
        self.add_source(path, SourceKind::DaemonJson, state_of(text.as_deref()));
        text.map(|text| read_docker_file(path, &text, &mut self.findings))
            .transpose()
    }

    /// Reads the daemon's own `daemon.json`. `None` if it does not exist. It is an error if the user may not read it.
    fn read_daemon_file(
        &mut self,
        file: &DaemonJsonFile,
    ) -> Result<Option<DaemonFile>, ConfigError> {
        let path = file.path();
        let text = self.read_own_text(path, SourceKind::DaemonJson)?;
        match (text, file) {
            (Some(text), _) => read_daemon_file(path, &text, &mut self.findings).map(Some),
            (None, DaemonJsonFile::Usual(_)) => Ok(None),
            (None, DaemonJsonFile::Only(_)) => Err(ConfigError::file(path, ConfigProblem::Missing)),
        }
    }

    fn read_own_text(
        &mut self,
        path: &Path,
        kind: SourceKind,
    ) -> Result<Option<String>, ConfigError> {
        let text = file::read_text(path).map_err(|problem| ConfigError::file(path, problem))?;
        self.add_source(path, kind, state_of(text.as_deref()));
        Ok(text)
    }

    fn add_source(&mut self, path: &Path, kind: SourceKind, state: SourceState) {
        self.sources.push(SourceFile::new(path, kind, state));
    }
}

fn state_of(text: Option<&str>) -> SourceState {
    match text {
        Some(_) => SourceState::Read,
        None => SourceState::Absent,
    }
}
