//! Everything that was configured, as one value.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use windlass_registry::{
    ClientTls, InvalidConfig, Registries, RegistryConfig, RegistryHosts, Secret,
};

use crate::address;
use crate::daemon_json::{self, DaemonSettings, Said};
use crate::error::{ConfigError, Problem};
use crate::file;
use crate::merge;
use crate::pull_settings::Pulling;
use crate::scan::Scan;
use crate::settings::{
    CertificateOrigin, DaemonJsonFile, Places, Proxy, ProxySettings, RegistrySettings,
    TimeoutSettings, WindlassFiles,
};
use crate::source::{Finding, Remark, Setting, Source, SourceKind, SourceState};
use crate::windlass_toml::{self, DaemonFile, Own};

/// What the files say, put together. A setting that none of them mentions is `None`.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// Where the store is.
    pub root: Option<Setting<PathBuf>>,
    /// How many layers download at a time; 0 is no limit (TM-7, TM-8).
    pub downloads: Option<Setting<u64>>,
    /// How many attempts without progress a blob gets (DM-10).
    pub attempts: Option<Setting<u64>>,
    /// Whether manifests of Docker's schema 1 are taken (MF-7).
    pub schema1: Option<Setting<bool>>,
    /// Hosts and ranges that may be spoken to without TLS, each in one form (EP-7).
    pub insecure: Option<Setting<Vec<String>>>,
    /// Files with certificates that are trusted beside the system's, for every host.
    pub roots: Vec<Setting<Vec<u8>>>,
    /// The proxies for everybody.
    pub proxies: ProxySettings,
    /// How long to wait.
    pub timeouts: TimeoutSettings,
    /// What [`Self::pull_settings`] returns beside these.
    pub(crate) pull: Pulling,
    /// The registries that something is said about, by name.
    pub registries: BTreeMap<String, RegistrySettings>,
    /// All others.
    pub default: RegistrySettings,
    /// Registries that cannot be asked, and why.
    pub unusable: BTreeMap<String, InvalidConfig>,
    /// Certificates by `host` or `host:port`; 443 is not written (EP-10, EP-11).
    pub certificates: BTreeMap<String, ClientTls>,
    /// Where they come from.
    pub certificate_origins: BTreeMap<String, Vec<CertificateOrigin>>,
    /// What [`Self::load_for_daemon`] read of the daemon itself.
    pub daemon: DaemonSettings,
    /// Every file and directory that was looked at, in order.
    pub sources: Vec<Source>,
    /// What people may want to know.
    pub findings: Vec<Finding>,
}

impl Loaded {
    /// Reads everything that `places` names, and the files that those name.
    ///
    /// # Errors
    /// If a `windlass.toml` or `daemon.json` or what is for every registry cannot be used. What is wrong about
    /// one registry is in [`Self::unusable`] instead.
    pub fn load(places: &Places) -> Result<Self, ConfigError> {
        Self::read(places, None)
    }

    /// The same for windlass's daemon, whose own `daemon.json` is `file`: what it says of registries and pulling goes
    /// before what Docker's says.
    ///
    /// # Errors
    /// Beside those of [`Self::load`], if it has a key that neither windlass nor Docker knows.
    pub fn load_for_daemon(places: &Places, file: &DaemonJsonFile) -> Result<Self, ConfigError> {
        Self::read(places, Some(file))
    }

    fn read(places: &Places, service: Option<&DaemonJsonFile>) -> Result<Self, ConfigError> {
        let mut sources = Vec::new();
        let mut findings = Vec::new();
        let own = read_own(&places.windlass, &mut sources, &mut findings)?;
        let mut scan = match &own.certs_dirs {
            Some(asked_for) => Scan::read(asked_for, true)?,
            None => Scan::read(&places.certs_dirs, false)?,
        };
        sources.append(&mut scan.sources);
        findings.append(&mut scan.findings);
        let daemon = match &own.daemon_json {
            Some(DaemonFile::None) => None,
            Some(DaemonFile::At(path)) => {
                let daemon = read_daemon(path, &mut sources, &mut findings)?;
                let missing = || ConfigError::file(path, Problem::NotThere);
                Some(daemon.ok_or_else(missing)?)
            }
            None => match &places.daemon_json {
                // Who names Docker's file as the daemon's has it read once, with all that is in it.
                Some(path) if service.is_some_and(|file| file.path() == path) => None,
                Some(path) => read_daemon(path, &mut sources, &mut findings)?,
                None => None,
            },
        };
        let dockers = daemon.unwrap_or_default();
        let (daemon, said) = match service {
            Some(file) => read_service(file, &mut sources, &mut findings)?,
            None => Default::default(),
        };
        let loaded = merge::merge(own, scan, said.over(dockers), sources, findings)?;
        Ok(Self { daemon, ..loaded })
    }

    /// Puts what is configured into `config`.
    ///
    /// What `config` holds already is the environment's, which every setting beats; except that insecure
    /// registries and certificates are added to those that are there. What the command line says about
    /// anything else is to be put into `config` afterwards. Who loads again applies it to a `config` of its own:
    /// what another [`Loaded`] has added to this one would stay.
    pub fn apply(&self, config: &mut RegistryConfig) {
        config.registries = self.registries();
        for (endpoint, tls) in &self.certificates {
            let there = config.certificates.entry(endpoint.clone()).or_default();
            there.roots.extend(tls.roots.iter().cloned());
            there.skip_verify |= tls.skip_verify;
            if there.identity.is_none() {
                there.identity.clone_from(&tls.identity);
            }
        }
        for entry in self.insecure.iter().flat_map(|setting| &setting.value) {
            if !config.insecure.contains(entry) {
                config.insecure.push(entry.clone());
            }
        }
        let roots = self.roots.iter().map(|root| root.value.clone());
        config.extra_roots.extend(roots);
        set(&mut config.schema1, self.schema1.as_ref());
        set_proxy(&mut config.proxies.http, self.proxies.http.as_ref());
        set_proxy(&mut config.proxies.https, self.proxies.https.as_ref());
        if let Some(no_proxy) = &self.proxies.no_proxy {
            config.proxies.no_proxy = Some(no_proxy.value.clone());
        }
        let timeouts = &mut config.timeouts;
        set(&mut timeouts.connect, self.timeouts.connect.as_ref());
        set(&mut timeouts.response, self.timeouts.response.as_ref());
        set(&mut timeouts.stall, self.timeouts.stall.as_ref());
        set(&mut timeouts.floor, self.timeouts.floor.as_ref());
        set(&mut timeouts.token, self.timeouts.token.as_ref());
        set(&mut timeouts.ping, self.timeouts.ping.as_ref());
    }

    /// Returns what is said about the registry `name`, which may be said about all that are not named.
    ///
    /// # Errors
    /// If what is said about it cannot be used.
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

fn set<T: Clone>(value: &mut T, setting: Option<&Setting<T>>) {
    if let Some(setting) = setting {
        value.clone_from(&setting.value);
    }
}

fn set_proxy(value: &mut Option<Secret>, setting: Option<&Setting<Proxy>>) {
    match setting.map(|setting| &setting.value) {
        None => {}
        Some(Proxy::Direct) => *value = None,
        Some(Proxy::Through(address)) => *value = Some(address.clone()),
    }
}

fn read_own(
    files: &WindlassFiles,
    sources: &mut Vec<Source>,
    findings: &mut Vec<Finding>,
) -> Result<Own, ConfigError> {
    let mut read = |path: &Path| -> Result<Option<Own>, ConfigError> {
        let text = file::read_text(path).map_err(|problem| ConfigError::file(path, problem))?;
        let state = match text {
            Some(_) => SourceState::Read,
            None => SourceState::Absent,
        };
        sources.push(Source::new(path, SourceKind::Windlass, state));
        let text = text.as_deref();
        text.map(|text| windlass_toml::read(path, text, findings))
            .transpose()
    };
    match files {
        WindlassFiles::Only(path) => {
            read(path)?.ok_or_else(|| ConfigError::file(path, Problem::NotThere))
        }
        WindlassFiles::Usual(paths) => {
            let mut own = Own::default();
            for path in paths {
                if let Some(later) = read(path)? {
                    own = later.over(own);
                }
            }
            Ok(own)
        }
    }
}

/// Reads Docker's file. It is not windlass's: who may not read it goes on without.
fn read_daemon(
    path: &Path,
    sources: &mut Vec<Source>,
    findings: &mut Vec<Finding>,
) -> Result<Option<Said>, ConfigError> {
    let mut note = |state| sources.push(Source::new(path, SourceKind::DaemonJson, state));
    let text = match file::read_text(path) {
        Err(Problem::Read(error)) if error.kind() == io::ErrorKind::PermissionDenied => {
            note(SourceState::Unreadable);
            let remark = Remark::Unreadable(error.kind());
            findings.push(Finding::file(path, remark));
            return Ok(None);
        }
        text => text.map_err(|problem| ConfigError::file(path, problem))?,
    };
    let Some(text) = text else {
        note(SourceState::Absent);
        return Ok(None);
    };
    note(SourceState::Read);
    let daemon = daemon_json::read(path, &text, findings)?;
    Ok(Some(Said::at(path, daemon)))
}

/// Reads the daemon's own file. Whoever may not read it is not to go on without.
fn read_service(
    file: &DaemonJsonFile,
    sources: &mut Vec<Source>,
    findings: &mut Vec<Finding>,
) -> Result<(DaemonSettings, Said), ConfigError> {
    let path = file.path();
    let text = file::read_text(path).map_err(|problem| ConfigError::file(path, problem))?;
    let state = match text {
        Some(_) => SourceState::Read,
        None => SourceState::Absent,
    };
    sources.push(Source::new(path, SourceKind::DaemonJson, state));
    let Some(text) = text else {
        return match file {
            DaemonJsonFile::Usual(_) => Ok(Default::default()),
            DaemonJsonFile::Only(_) => Err(ConfigError::file(path, Problem::NotThere)),
        };
    };
    let (daemon, registries) = daemon_json::read_service(path, &text, findings)?;
    Ok((daemon, Said::at(path, registries)))
}
