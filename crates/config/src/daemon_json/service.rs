//! The `daemon.json` of windlass's own daemon. Whoever writes it means windlass: a key that nothing has is an error.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use windlass_oci::text::sanitize;

use super::json::{Json, place_of};
use super::{DaemonJson, entries, wrong};
use crate::document::nearest;
use crate::error::{ConfigError, Problem};
use crate::source::{Finding, Origin, Remark, Setting};

/// What the file says of the daemon itself. What it says of registries and pulling counts as that of Docker's file does,
/// before it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DaemonSettings {
    /// `hosts`: where clients come in, as they stand there.
    pub hosts: Option<Setting<Vec<String>>>,
    /// `group`: who may use the socket beside its owner.
    pub group: Option<Setting<String>>,
    /// `tls` and `tlsverify`.
    pub tls: Option<Setting<bool>>,
    /// `tlscacert`: who signs clients' certificates.
    pub ca: Option<Setting<PathBuf>>,
    /// `tlscert`: the daemon's certificate.
    pub certificate: Option<Setting<PathBuf>>,
    /// `tlskey`: its key.
    pub key: Option<Setting<PathBuf>>,
    /// `data-root`: the store.
    pub data_root: Option<Setting<PathBuf>>,
    /// `log-level`, or `debug`.
    pub log_level: Option<Setting<LogLevel>>,
    /// `log-format`.
    pub log_format: Option<Setting<LogFormat>>,
    /// `raw-logs`: no colours.
    pub raw_logs: Option<Setting<bool>>,
    /// `labels`: words about the daemon, `key=value`.
    pub labels: Option<Setting<Vec<String>>>,
    /// `shutdown-timeout`: how long requests may take to end.
    pub shutdown_timeout: Option<Setting<Duration>>,
    /// `max-concurrent-uploads`, from 1.
    pub uploads: Option<Setting<usize>>,
    /// `metrics-addr`: where only the metrics are.
    pub metrics: Option<Setting<SocketAddr>>,
    /// The keys that say something, as they are written, each with its line.
    pub keys: Vec<Setting<String>>,
}

/// What is written into the log: this and what is worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// What cannot be gone on with.
    Error,
    /// What should not be.
    Warn,
    /// What was done.
    Info,
    /// How it was done.
    Debug,
    /// Every step.
    Trace,
}

/// How the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For programs: an object a line.
    Json,
}

/// A word that is none of those that can stand there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}")]
pub struct WordError {
    expected: &'static str,
}

/// Longer, no service manager waits either: a day.
const LONGEST_DRAIN: u64 = 86_400;

/// The keys that windlass knows.
const OWN: [&str; 23] = [
    "data-root",
    "debug",
    "features",
    "group",
    "hosts",
    "insecure-registries",
    "labels",
    "log-format",
    "log-level",
    "max-concurrent-downloads",
    "max-concurrent-uploads",
    "max-download-attempts",
    "metrics-addr",
    "proxies",
    "raw-logs",
    "registry-mirrors",
    "shutdown-timeout",
    "tls",
    "tlscacert",
    "tlscert",
    "tlskey",
    "tlsverify",
    "experimental",
];

/// The keys that only mean something to who runs containers, or to other versions of Docker. A file that was written for
/// Docker works here, too.
const DOCKERS: [&str; 84] = [
    "allow-direct-routing",
    "allow-nondistributable-artifacts",
    "api-cors-header",
    "authorization-plugins",
    "bip",
    "bip6",
    "bridge",
    "bridge-accept-fwmark",
    "builder",
    "cdi-spec-dirs",
    "cgroup-parent",
    "cluster-advertise",
    "cluster-store",
    "cluster-store-opts",
    "containerd",
    "containerd-namespace",
    "containerd-plugin-namespace",
    "containerd-plugins-namespace",
    "cpu-rt-period",
    "cpu-rt-runtime",
    "default-address-pools",
    "default-cgroupns-mode",
    "default-gateway",
    "default-gateway-v6",
    "default-init",
    "default-ipc-mode",
    "default-network-opts",
    "default-runtime",
    "default-shm-size",
    "default-ulimits",
    "deprecated-key-path",
    "disable-legacy-registry",
    "dns",
    "dns-opts",
    "dns-search",
    "exec-opts",
    "exec-root",
    "firewall-backend",
    "fixed-cidr",
    "fixed-cidr-v6",
    "host-gateway-ip",
    "host-gateway-ips",
    "icc",
    "init",
    "init-path",
    "ip",
    "ip-forward",
    "ip-forward-no-drop",
    "ip-masq",
    "ip6tables",
    "iptables",
    "ipv6",
    "live-restore",
    "log-driver",
    "log-opts",
    "min-api-version",
    "mtu",
    "network-control-plane-mtu",
    "network-diagnostic-port",
    "no-new-privileges",
    "node-generic-resources",
    "nri-opts",
    "oom-score-adjust",
    "pidfile",
    "root-key-limit",
    "rootless",
    "runtimes",
    "seccomp-profile",
    "selinux-enabled",
    "storage-driver",
    "storage-opts",
    "swarm-default-advertise-addr",
    "swarm-raft-election-tick",
    "swarm-raft-heartbeat-tick",
    "trust-key",
    "userland-proxy",
    "userland-proxy-path",
    "userns-remap",
    "validate",
    "attach",
    "time-offset",
    "no-proxy",
    "http-proxy",
    "https-proxy",
];

/// Those of `proxies`.
const PROXIES: [&str; 3] = ["http-proxy", "https-proxy", "no-proxy"];

/// Reads the text of the file at `path`.
pub(crate) fn read(
    path: &Path,
    text: &str,
    findings: &mut Vec<Finding>,
) -> Result<(DaemonSettings, DaemonJson), ConfigError> {
    let mut reader = Reader {
        path,
        text,
        read: DaemonSettings::default(),
        dockers: Vec::new(),
        is_debug: false,
    };
    let mut registries = DaemonJson::default();
    let entries = entries(path, text)?;
    reader.refuse_unknown(&entries)?;
    for (key, value) in entries {
        let origin = reader.origin(&key);
        reader.read.keys.push(Setting::new(key.clone(), origin));
        // It is dropped there, and may be wanted here.
        let copy = value.clone();
        let is_taken = registries.take(path, &key, value, findings);
        if !is_taken.map_err(|error| reader.placed(error, &key))? {
            let taken = reader.take(&key, &copy);
            taken.map_err(|problem| reader.placed(wrong(path, &key, problem), &key))?;
        }
    }
    if reader.is_debug {
        // As in Docker, whatever the level is otherwise.
        let origin = reader.origin("debug");
        reader.read.log_level = Some(Setting::new(LogLevel::Debug, origin));
    }
    findings.extend(reader.finding());
    Ok((reader.read, registries))
}

struct Reader<'a> {
    path: &'a Path,
    text: &'a str,
    read: DaemonSettings,
    /// The keys that are Docker's alone.
    dockers: Vec<String>,
    is_debug: bool,
}

impl Reader<'_> {
    fn refuse_unknown(&self, entries: &[(String, Json)]) -> Result<(), ConfigError> {
        let refuse = |keys: &[&str], name: String, known: &[&'static str]| {
            let nearest = nearest(keys.last().unwrap_or(&""), known);
            Err(ConfigError {
                place: place_of(self.text, keys),
                ..wrong(self.path, &name, Problem::UnknownKey { nearest })
            })
        };
        for (key, value) in entries {
            if !OWN.contains(&key.as_str()) && !DOCKERS.contains(&key.as_str()) {
                return refuse(&[key], sanitize(key).to_string(), &OWN);
            }
            let Json::Object(inner) = value else { continue };
            if key != "proxies" {
                continue;
            }
            let unknown = inner
                .iter()
                .find(|(inner, _)| !PROXIES.contains(&inner.as_str()));
            if let Some((inner, _)) = unknown {
                return refuse(
                    &[key, inner],
                    format!("{key}.{}", sanitize(inner)),
                    &PROXIES,
                );
            }
        }
        Ok(())
    }

    fn take(&mut self, key: &str, value: &Json) -> Result<(), Problem> {
        let origin = self.origin(key);
        let read = &mut self.read;
        match key {
            "hosts" => read.hosts = Some(Setting::new(value.clone().texts()?, origin)),
            "group" => read.group = Some(Setting::new(value.some_text()?.to_owned(), origin)),
            "tls" | "tlsverify" => {
                let is_wanted = read.tls.as_ref().is_some_and(|tls| tls.value) || value.flag()?;
                read.tls = Some(Setting::new(is_wanted, origin));
            }
            "tlscacert" => read.ca = Some(Setting::new(file(self.path, value)?, origin)),
            "tlscert" => read.certificate = Some(Setting::new(file(self.path, value)?, origin)),
            "tlskey" => read.key = Some(Setting::new(file(self.path, value)?, origin)),
            "data-root" => read.data_root = Some(Setting::new(file(self.path, value)?, origin)),
            "log-level" => {
                let level = value.text()?.parse().map_err(Problem::Word)?;
                read.log_level = Some(Setting::new(level, origin));
            }
            "debug" => self.is_debug = value.flag()?,
            "experimental" => drop(value.flag()?),
            "log-format" => {
                let format = value.text()?.parse().map_err(Problem::Word)?;
                read.log_format = Some(Setting::new(format, origin));
            }
            "raw-logs" => read.raw_logs = Some(Setting::new(value.flag()?, origin)),
            "labels" => read.labels = Some(Setting::new(labels(value)?, origin)),
            "shutdown-timeout" => {
                let seconds = value.number_within(0, LONGEST_DRAIN)?;
                let timeout = Duration::from_secs(seconds);
                read.shutdown_timeout = Some(Setting::new(timeout, origin));
            }
            "max-concurrent-uploads" => {
                let uploads = usize::try_from(value.number(1)?).unwrap_or(usize::MAX);
                read.uploads = Some(Setting::new(uploads, origin));
            }
            "metrics-addr" => {
                let expected = "IP:PORT, such as 127.0.0.1:9323";
                let address = value.text()?.parse();
                let address = address.map_err(|_| Problem::Word(WordError { expected }))?;
                read.metrics = Some(Setting::new(address, origin));
            }
            // What they switch on is here, or is about something else.
            "features" => match value {
                Json::Object(_) => {}
                other => return Err(other.wrong_type("an object")),
            },
            _ => self.dockers.push(key.to_owned()),
        }
        Ok(())
    }

    /// One remark for all keys that mean nothing here.
    fn finding(&self) -> Option<Finding> {
        (!self.dockers.is_empty()).then(|| Finding {
            origin: Origin::file(self.path),
            key: Some(self.dockers.join(", ")),
            remark: Remark::Dockers,
        })
    }

    fn origin(&self, key: &str) -> Origin {
        Origin {
            path: self.path.to_owned(),
            line: place_of(self.text, &[key]).map(|place| place.line),
        }
    }

    fn placed(&self, error: ConfigError, key: &str) -> ConfigError {
        ConfigError {
            place: place_of(self.text, &[key]),
            ..error
        }
    }
}

/// Returns the path that it must be; a relative one begins where the file is.
fn file(path: &Path, value: &Json) -> Result<PathBuf, Problem> {
    let text = value.some_text()?;
    match text.starts_with('~') {
        true => Err(Problem::Tilde),
        false => Ok(path.parent().unwrap_or(Path::new("/")).join(text)),
    }
}

fn labels(value: &Json) -> Result<Vec<String>, Problem> {
    let labels = value.clone().texts()?;
    let is_label =
        |label: &String| matches!(label.split_once('='), Some((key, _)) if !key.is_empty());
    let expected = "labels such as `rack=12`";
    match labels.iter().all(is_label) {
        true => Ok(labels),
        false => Err(Problem::Word(WordError { expected })),
    }
}

impl FromStr for LogLevel {
    type Err = WordError;

    /// Takes Docker's words, two of which are for what windlass has no level for.
    fn from_str(text: &str) -> Result<Self, WordError> {
        Ok(match text {
            "trace" => Self::Trace,
            "debug" => Self::Debug,
            "info" => Self::Info,
            "warn" => Self::Warn,
            "error" | "fatal" | "panic" => Self::Error,
            _ => {
                let expected = "`trace`, `debug`, `info`, `warn`, `error` or `fatal`";
                return Err(WordError { expected });
            }
        })
    }
}

impl FromStr for LogFormat {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(WordError {
                expected: "`text` or `json`",
            }),
        }
    }
}

impl fmt::Display for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        })
    }
}

#[cfg(test)]
mod tests;
