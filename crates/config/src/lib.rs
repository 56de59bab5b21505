//! Reads the configuration of windlass from files, with the file and line that each value comes from.
//!
//! [`Configuration::load`] reads windlass's own `windlass.toml`, containerd's `hosts.toml`, and Docker's `certs.d` and
//! `daemon.json`, at the paths in [`ConfigPaths`]. [`Configuration::apply`] applies the result to a
//! [`windlass_pull::PullerConfig`], and [`Configuration::overview`] lists all values without secrets. To reload, load and
//! apply again, and keep the previous values if there is an error (EP-8, EP-9).
//!
//! [`Settings`] has all settings except those of single registries. Each is defined in one place, `src/settings.rs`.
//!
//! `docs/configuration.md` explains which file overrides which. This crate reads neither the environment nor the home
//! directory, and no error or finding contains a value that could be secret.

mod address;
mod certs;
mod certs_dirs;
mod config_overview;
mod configuration;
mod daemon_file;
mod daemon_json;
mod daemon_settings;
mod documentation;
mod duration;
mod error;
mod file;
mod header;
mod host_spec;
mod hosts_toml;
mod json_document;
mod load;
mod log_options;
mod merge;
mod paths;
mod pem;
mod registry_settings;
mod settings;
mod size;
mod source;
mod spelling;
mod toml_document;
mod windlass_toml;

pub use address::{
    InsecureProblem, ProxyProblem, UrlProblem, insecure_registry, registry_mirror, registry_name,
    shown_proxy,
};
pub use config_overview::{
    ConfigOverview, HostOverview, HostRole, RegistryOverview, SettingOverview,
};
pub use configuration::Configuration;
pub use daemon_settings::{
    DaemonSettingDocumentation, DaemonSettings, daemon_setting_documentation,
};
pub use documentation::{RegistryKeyDocumentation, SettingDocumentation, setting_documentation};
pub use duration::{DurationProblem, parse_duration, parse_positive_duration, shown_duration};
pub use error::{ConfigError, ConfigProblem, TextPosition};
pub use header::HeaderProblem;
pub use log_options::{LogFormat, LogLevel, WordError};
pub use paths::{ConfigPaths, DaemonJsonFile, WindlassFiles};
pub use registry_settings::{CertificateOrigin, RegistrySettings};
pub use settings::{DaemonJsonChoice, RootCertificates, Settings};
pub use size::{RateProblem, SizeProblem, parse_rate, parse_size, shown_rate, shown_size};
pub use source::{
    FileLocation, Finding, FindingKind, Setting, SourceFile, SourceKind, SourceState,
};
pub use windlass_toml::{host_key_documentation, registry_key_documentation};
