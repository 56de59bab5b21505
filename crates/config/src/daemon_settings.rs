//! The settings of windlass's own daemon, which are in its own `daemon.json`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::error::{ConfigError, ConfigProblem};
use crate::json_document::{JsonDocument, JsonEntry};
use crate::log_options::{LogFormat, LogLevel, WordError};
use crate::source::Setting;

/// The definition of one setting of the daemon, except for its documentation.
struct DaemonDefinition<V> {
    key: &'static str,
    read: fn(&JsonEntry<'_>) -> Result<V, ConfigError>,
    /// The options of the command line that set the same, in Markdown.
    options: &'static str,
    /// Whether a change takes effect when the daemon reloads its configuration.
    is_reloaded: bool,
}

/// What the documentation contains about one setting of the daemon, in Markdown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DaemonSettingDocumentation {
    /// The key in a `daemon.json`.
    pub key: &'static str,
    /// The options of the command line that set the same.
    pub options: &'static str,
    /// Whether a change takes effect when the daemon reloads its configuration.
    pub is_reloaded: bool,
    /// What the setting is for.
    pub description: &'static str,
}

/// One day in seconds. No service manager waits longer.
const MAX_SHUTDOWN_SECONDS: u64 = 86_400;
/// The maximum number of uploads at a time; larger numbers are accepted and mean this one.
const MAX_UPLOADS: u64 = 1000;

/// Defines the struct of the daemon's settings. Each field is written as `name: type = definition;` after its
/// documentation, and the struct has it as `Option<Setting<type>>`, which is `None` if the file has no such key.
macro_rules! define_daemon_settings {
    (
        $(#[$attribute:meta])*
        pub struct $name:ident {
            $($(#[doc = $documentation:literal])+ $field:ident: $value:ty = $definition:expr;)+
        }
    ) => {
        $(#[$attribute])*
        pub struct $name {
            $($(#[doc = $documentation])+ pub $field: Option<Setting<$value>>,)+
        }

        impl $name {
            $(fn $field() -> DaemonDefinition<$value> {
                $definition
            })+

            /// Reads all settings, in the order of their definitions.
            pub(crate) fn read(document: &JsonDocument<'_>) -> Result<Self, ConfigError> {
                Ok(Self { $($field: Self::$field().read(document)?,)+ })
            }
        }

        /// Returns the documentation of all settings of the daemon itself, in the order in which they are documented.
        pub fn daemon_setting_documentation() -> Vec<DaemonSettingDocumentation> {
            vec![$(
                $name::$field().document(concat!($($documentation),+).trim_ascii()),
            )+]
        }
    };
}

define_daemon_settings! {
    /// The settings of the daemon itself. Those of registries and pulls are in [`crate::Settings`].
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct DaemonSettings {
        /// Addresses that the daemon listens on: `unix:///PATH`, `tcp://IP:PORT`, `fd://` for all sockets of the service
        /// manager, or `fd://NAME` for those with that `FileDescriptorName=`. Default: the sockets of the service
        /// manager, or else the usual path.
        hosts: Vec<String> =
            DaemonDefinition::new("hosts", "`-H`, `--host`", texts);

        /// Group that may use the sockets that the daemon creates, by its name in `/etc/group` or its number.
        group: String =
            DaemonDefinition::new("group", "`-G`, `--group`", |entry| {
                entry.non_empty_text().map(str::to_owned)
            });

        /// Directory of the store. `root` in a `windlass.toml` overrides it, with a warning.
        data_root: PathBuf =
            DaemonDefinition::new("data-root", "`--data-root`, `--root`", file_path);

        /// The same as `tlsverify`.
        tls: bool =
            DaemonDefinition::new("tls", "", flag);

        /// Use TLS with certificates on both sides, which is the only way to listen on TCP. `false` turns it off, and
        /// with it every `tcp://` address.
        tlsverify: bool =
            DaemonDefinition::new("tlsverify", "`--tlsverify`", flag);

        /// PEM file with the certificate authority of the clients. A relative path starts at the directory of the file,
        /// and in an option at the working directory.
        ca: PathBuf =
            DaemonDefinition::new("tlscacert", "`--tlscacert`", file_path);

        /// PEM file with the certificate of the daemon.
        certificate: PathBuf =
            DaemonDefinition::new("tlscert", "`--tlscert`", file_path);

        /// PEM file with the key of the daemon.
        key: PathBuf =
            DaemonDefinition::new("tlskey", "`--tlskey`", file_path);

        /// Lowest level of messages in the log: `error`, `warn`, `info` (default), `debug` or `trace`.
        log_level: LogLevel =
            DaemonDefinition::new("log-level", "`-l`, `--log-level`", word).reloaded();

        /// Set the log level to `debug`, whatever `log-level` is.
        debug: bool =
            DaemonDefinition::new("debug", "", flag).reloaded();

        /// Format of the log: `text` (default), or `json` with one object per line.
        log_format: LogFormat =
            DaemonDefinition::new("log-format", "`--log-format`", word);

        /// No colours in the log. Otherwise text has colours on a terminal.
        raw_logs: bool =
            DaemonDefinition::new("raw-logs", "", flag);

        /// Labels for `docker info`, as `KEY=VALUE`.
        labels: Vec<String> =
            DaemonDefinition::new("labels", "`--label`", labels).reloaded();

        /// `IP:PORT` where only `/metrics` is served, over plain HTTP.
        metrics: SocketAddr =
            DaemonDefinition::new("metrics-addr", "`--metrics-addr`", socket_address);

        /// Seconds that requests have to finish when the daemon stops. Default: 10.
        shutdown_timeout: Duration =
            DaemonDefinition::new("shutdown-timeout", "`--shutdown-timeout`", |entry| {
                entry.number(0, MAX_SHUTDOWN_SECONDS).map(Duration::from_secs)
            })
            .reloaded();

        /// Number of blobs that a push uploads at a time. Default: 5.
        uploads: usize =
            DaemonDefinition::new(
                "max-concurrent-uploads",
                "`--max-concurrent-uploads`",
                |entry| Ok(entry.capped_number(1, MAX_UPLOADS)?.unwrap_or(1)),
            )
            .reloaded();

        /// Accepted, without effect.
        experimental: bool =
            DaemonDefinition::new("experimental", "", flag);

        /// Accepted, without effect.
        features: () =
            DaemonDefinition::new("features", "", |entry| match entry.is_object() {
                true => Ok(()),
                false => Err(entry.wrong_type("an object")),
            });
    }
}

impl<V> DaemonDefinition<V> {
    fn new(
        key: &'static str,
        options: &'static str,
        read: fn(&JsonEntry<'_>) -> Result<V, ConfigError>,
    ) -> Self {
        Self {
            key,
            read,
            options,
            is_reloaded: false,
        }
    }

    fn reloaded(self) -> Self {
        let is_reloaded = true;
        Self {
            is_reloaded,
            ..self
        }
    }

    fn read(&self, document: &JsonDocument<'_>) -> Result<Option<Setting<V>>, ConfigError> {
        let entry = document.entry(self.key)?;
        let setting = entry.map(|entry| {
            let value = (self.read)(&entry)?;
            Ok(Setting::new(value, entry.origin()))
        });
        setting.transpose()
    }

    fn document(&self, description: &'static str) -> DaemonSettingDocumentation {
        DaemonSettingDocumentation {
            key: self.key,
            options: self.options,
            is_reloaded: self.is_reloaded,
            description,
        }
    }
}

impl DaemonSettings {
    /// Returns whether TLS is on or off; `None` if the file has neither of the two keys.
    pub fn is_tls_on(&self) -> Option<bool> {
        let keys = [self.tls.as_ref(), self.tlsverify.as_ref()];
        let values = keys.into_iter().flatten().map(|key| key.value);
        values.reduce(|one, other| one || other)
    }

    /// Returns the log level. As in Docker, `debug` overrides `log-level`.
    pub fn effective_log_level(&self) -> Option<LogLevel> {
        match &self.debug {
            Some(debug) if debug.value => Some(LogLevel::Debug),
            _ => self.log_level.as_ref().map(|level| level.value),
        }
    }
}

fn flag(entry: &JsonEntry<'_>) -> Result<bool, ConfigError> {
    entry.flag()
}

fn texts(entry: &JsonEntry<'_>) -> Result<Vec<String>, ConfigError> {
    entry.texts()
}

fn file_path(entry: &JsonEntry<'_>) -> Result<PathBuf, ConfigError> {
    entry.file_path()
}

fn word<W: FromStr<Err = WordError>>(entry: &JsonEntry<'_>) -> Result<W, ConfigError> {
    let word = entry.text()?.parse();
    word.map_err(|error| entry.error(ConfigProblem::Word(error)))
}

fn labels(entry: &JsonEntry<'_>) -> Result<Vec<String>, ConfigError> {
    let labels = entry.texts()?;
    let is_label =
        |label: &String| matches!(label.split_once('='), Some((key, _)) if !key.is_empty());
    let expected = "labels such as `rack=12`";
    match labels.iter().all(is_label) {
        true => Ok(labels),
        false => Err(entry.error(ConfigProblem::Word(WordError { expected }))),
    }
}

fn socket_address(entry: &JsonEntry<'_>) -> Result<SocketAddr, ConfigError> {
    let expected = "IP:PORT, such as 127.0.0.1:9323";
    let address = entry.text()?.parse();
    address.map_err(|_| entry.error(ConfigProblem::Word(WordError { expected })))
}
