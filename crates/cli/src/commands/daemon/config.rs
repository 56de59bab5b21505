//! The configuration of the daemon: the command line and the files combined.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use windlass::EngineConfig;
use windlass::image::DEFAULT_REGISTRY;
use windlass_config::{DaemonSettings, LogFormat, LogLevel, Setting};
use windlass_daemon::{DaemonAddress, DaemonInfo};
use windlass_listen::{ServerTls, ServerTlsError, find_group};

use super::args::Args;
use crate::config::CommandSettings;
use crate::context::Context;
use crate::environment::Environment;
use crate::error::{DaemonError, Error};

/// The inputs of the configuration. They can be read again.
#[derive(Clone, Debug)]
pub(super) struct ConfigSource {
    args: Args,
    root: Option<PathBuf>,
    config: Option<PathBuf>,
    insecure: Vec<String>,
    environment: Environment,
}

/// The configuration of the daemon.
#[derive(Debug)]
pub(super) struct DaemonConfig {
    pub(super) fixed: FixedConfig,
    pub(super) reloadable: ReloadableConfig,
    /// Warnings about the files.
    pub(super) findings: Vec<String>,
}

/// Settings that apply until the daemon ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FixedConfig {
    /// The addresses to listen on; empty for the default.
    pub(super) hosts: Vec<DaemonAddress>,
    pub(super) group: Option<String>,
    pub(super) tls: Option<TlsFiles>,
    pub(super) metrics: Option<SocketAddr>,
    pub(super) root: PathBuf,
    pub(super) format: LogFormat,
    pub(super) raw: bool,
}

/// Settings that a reload changes.
#[derive(Debug)]
pub(super) struct ReloadableConfig {
    pub(super) engine: EngineConfig,
    pub(super) info: DaemonInfo,
    pub(super) uploads: Option<usize>,
    pub(super) level: LogLevel,
    pub(super) drain: Duration,
}

/// The files of the TLS configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TlsFiles {
    ca: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
}

/// The default time for requests in progress at a shutdown.
const DRAIN: Duration = Duration::from_secs(10);

impl ConfigSource {
    pub(super) fn new(args: &Args, context: &Context<'_>) -> Self {
        let global = context.global();
        Self {
            args: args.clone(),
            root: global.root.clone(),
            config: global.config.clone(),
            insecure: global.insecure_registry.clone(),
            environment: context.environment.clone(),
        }
    }

    /// Reads the configuration.
    pub(super) fn read(&self) -> Result<DaemonConfig, Error> {
        let settings = CommandSettings::load_for_daemon(
            self.config.as_deref(),
            self.args.config_file.as_deref(),
            &self.insecure,
            &self.environment,
        )?;
        let file = &settings.configuration.daemon;
        self.reject_duplicates(&settings.configuration.daemon_keys)?;
        let root = settings.root(self.root.as_deref(), &self.environment)?;
        let fixed = self.fixed(file, root.clone())?;
        let findings = settings.configuration.findings.iter();
        let mut findings: Vec<_> = findings.map(ToString::to_string).collect();
        findings.extend(overruled(&settings));
        Ok(DaemonConfig {
            reloadable: self.reloadable(&settings, root),
            fixed,
            findings,
        })
    }

    /// Rejects options that are both on the command line and in the file, like Docker: one of them is probably a mistake.
    fn reject_duplicates(&self, keys: &[Setting<String>]) -> Result<(), DaemonError> {
        let args = &self.args;
        let given = [
            ("hosts", !args.hosts.is_empty()),
            ("group", args.group.is_some()),
            ("data-root", self.root.is_some()),
            ("tlsverify", args.tlsverify),
            ("tlscacert", args.tlscacert.is_some()),
            ("tlscert", args.tlscert.is_some()),
            ("tlskey", args.tlskey.is_some()),
            ("log-level", args.log_level.is_some()),
            ("log-format", args.log_format.is_some()),
            ("labels", !args.labels.is_empty()),
            ("metrics-addr", args.metrics_addr.is_some()),
            ("shutdown-timeout", args.shutdown_timeout.is_some()),
            ("registry-mirrors", !args.registry_mirrors.is_empty()),
            ("insecure-registries", !self.insecure.is_empty()),
            (
                "max-concurrent-downloads",
                args.max_concurrent_downloads.is_some(),
            ),
            (
                "max-concurrent-uploads",
                args.max_concurrent_uploads.is_some(),
            ),
            (
                "max-download-attempts",
                args.max_download_attempts.is_some(),
            ),
        ];
        let is_given = |key: &str| given.contains(&(key, true));
        let twice = keys.iter().filter(|key| is_given(&key.value));
        let keys: Vec<_> = twice
            .map(|key| format!("{} ({})", key.value, key.origin))
            .collect();
        match keys.is_empty() {
            true => Ok(()),
            false => Err(DaemonError::Duplicate { keys }),
        }
    }

    fn fixed(&self, file: &DaemonSettings, root: PathBuf) -> Result<FixedConfig, DaemonError> {
        let args = &self.args;
        let hosts = match args.hosts.is_empty() {
            false => args.hosts.clone(),
            true => file.hosts.as_ref().map_or(Ok(Vec::new()), addresses)?,
        };
        let tls = self.tls(file, &hosts)?;
        let group = args.group.clone().or_else(|| value(file.group.as_ref()));
        if let Some(group) = &group {
            find_group(group).map_err(DaemonError::Bind)?;
        }
        let format = args.log_format.or_else(|| value(file.log_format.as_ref()));
        Ok(FixedConfig {
            hosts,
            group,
            tls,
            metrics: args.metrics_addr.or_else(|| value(file.metrics.as_ref())),
            root,
            format: format.unwrap_or(LogFormat::Text),
            raw: value(file.raw_logs.as_ref()).unwrap_or_default(),
        })
    }

    /// Returns the TLS files: all of them, or none. An address that is open to the network requires them.
    fn tls(
        &self,
        file: &DaemonSettings,
        hosts: &[DaemonAddress],
    ) -> Result<Option<TlsFiles>, DaemonError> {
        let args = &self.args;
        let path = |given: &Option<PathBuf>, file: &Option<Setting<PathBuf>>| {
            given.clone().or_else(|| value(file.as_ref()))
        };
        let ca = path(&args.tlscacert, &file.ca);
        let certificate = path(&args.tlscert, &file.certificate);
        let key = path(&args.tlskey, &file.key);
        let is_off = !args.tlsverify && file.is_tls_on() == Some(false);
        let is_on = args.tlsverify || file.is_tls_on() == Some(true);
        let tcp = hosts
            .iter()
            .find(|host| matches!(host, DaemonAddress::Tcp(_)));
        let missing = match (&ca, &certificate, &key) {
            (Some(_), Some(_), Some(_)) if is_off => "`tlsverify`",
            (Some(ca), Some(certificate), Some(key)) => {
                return Ok(Some(TlsFiles {
                    ca: ca.clone(),
                    certificate: certificate.clone(),
                    key: key.clone(),
                }));
            }
            (None, _, _) => "--tlscacert, the authority of the client certificates,",
            (_, None, _) => "--tlscert, the certificate of the daemon,",
            (_, _, None) => "--tlskey, the key of the certificate,",
        };
        let address = match tcp {
            Some(tcp) => tcp.to_string(),
            None if is_on => "--tlsverify".to_owned(),
            None => return Ok(None),
        };
        Err(DaemonError::WithoutTls { address, missing })
    }

    fn reloadable(&self, settings: &CommandSettings, root: PathBuf) -> ReloadableConfig {
        let args = &self.args;
        let file = &settings.configuration.daemon;
        let mut engine = settings.engine(root);
        if let Some(downloads) = args.max_concurrent_downloads {
            engine.pull.downloads = downloads;
        }
        if let Some(attempts) = args.max_download_attempts {
            engine.pull.retry.attempts = attempts;
        }
        if !args.registry_mirrors.is_empty() {
            let registries = &mut engine.pull.registry.registries;
            let hub = registries.named.entry(DEFAULT_REGISTRY.to_owned());
            let hub = hub.or_insert_with(|| registries.default.clone());
            hub.mirrors.clone_from(&args.registry_mirrors);
        }
        let labels = match args.labels.is_empty() {
            false => args.labels.clone(),
            true => value(file.labels.as_ref()).unwrap_or_default(),
        };
        let drain = args.shutdown_timeout.map(Duration::from_secs);
        let level = args.log_level.or_else(|| file.effective_log_level());
        let uploads = args.max_concurrent_uploads;
        ReloadableConfig {
            info: info(&engine, labels),
            engine,
            uploads: uploads.or_else(|| value(file.uploads.as_ref())),
            level: level.unwrap_or(LogLevel::Info),
            drain: drain
                .or_else(|| value(file.shutdown_timeout.as_ref()))
                .unwrap_or(DRAIN),
        }
    }
}

impl FixedConfig {
    /// Returns the settings that differ in `other`, by their keys in the file.
    pub(super) fn changes(&self, other: &Self) -> Vec<&'static str> {
        let all = [
            ("hosts", self.hosts != other.hosts),
            ("group", self.group != other.group),
            ("tlscacert, tlscert, tlskey", self.tls != other.tls),
            ("metrics-addr", self.metrics != other.metrics),
            ("data-root", self.root != other.root),
            ("log-format", self.format != other.format),
            ("raw-logs", self.raw != other.raw),
        ];
        changed(&all)
    }
}

impl ReloadableConfig {
    /// Returns the settings that differ in `other` and still require a restart, by their names in `windlass.toml`.
    pub(super) fn changes(&self, other: &Self) -> Vec<&'static str> {
        let (ours, theirs) = (&self.engine.pull, &other.engine.pull);
        changed(&[
            ("pull.retry", ours.retry != theirs.retry),
            ("pull.connections", ours.split != theirs.split),
            ("partials", ours.retention != theirs.retention),
        ])
    }
}

impl TlsFiles {
    /// Reads the files.
    pub(super) fn read(&self) -> Result<ServerTls, DaemonError> {
        let read = |path: &Path| {
            std::fs::read(path).map_err(|source| DaemonError::File {
                path: path.to_owned(),
                source,
            })
        };
        let (ca, certificate) = (read(&self.ca)?, read(&self.certificate)?);
        let tls = ServerTls::with_client_authentication(&ca, &certificate, &read(&self.key)?);
        tls.map_err(|source| {
            let path = match &source {
                ServerTlsError::Authorities { .. } => &self.ca,
                ServerTlsError::Certificate { .. } | ServerTlsError::Mismatch(_) => {
                    &self.certificate
                }
                ServerTlsError::Key { .. } => &self.key,
            };
            let path = path.clone();
            DaemonError::Tls { path, source }
        })
    }
}

fn value<T: Clone>(setting: Option<&Setting<T>>) -> Option<T> {
    setting.map(|setting| setting.value.clone())
}

fn changed(all: &[(&'static str, bool)]) -> Vec<&'static str> {
    let changed = all.iter().filter(|(_, is_changed)| *is_changed);
    changed.map(|(name, _)| *name).collect()
}

fn addresses(file: &Setting<Vec<String>>) -> Result<Vec<DaemonAddress>, DaemonError> {
    let parse = |(index, text): (usize, &String)| {
        text.parse().map_err(|source| DaemonError::Address {
            origin: file.origin.clone(),
            index,
            source,
        })
    };
    file.value.iter().enumerate().map(parse).collect()
}

fn info(engine: &EngineConfig, labels: Vec<String>) -> DaemonInfo {
    let hub = engine.pull.registry.registries.named.get(DEFAULT_REGISTRY);
    let mirrors = hub.into_iter().flat_map(|hub| &hub.mirrors);
    DaemonInfo {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        root: engine.root.to_string_lossy().into_owned(),
        insecure_registries: engine.pull.registry.insecure.clone(),
        mirrors: mirrors.map(|mirror| mirror.url.to_string()).collect(),
        labels,
    }
}

/// Returns a warning if another file overrules the store in the file of the daemon.
fn overruled(settings: &CommandSettings) -> Option<String> {
    let root = settings.configuration.settings.root.as_ref()?;
    let data_root = settings.configuration.daemon.data_root.as_ref()?;
    (root.value != data_root.value).then(|| {
        format!(
            "{}: data-root: ignored, because {} names another store",
            data_root.origin, root.origin
        )
    })
}
