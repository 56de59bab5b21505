//! Reads what people configured into values, and remembers what was read from where.
//!
//! [`Loaded::load`] reads windlass's own `windlass.toml`, containerd's `hosts.toml`, and Docker's `certs.d` and
//! `daemon.json`, wherever the [`Places`] that it is given say they are. The result is a value:
//! [`Loaded::apply`] puts it into a [`windlass_registry::RegistryConfig`], [`Loaded::overview`] shows it
//! without its secrets. Loading again is how to reload: who does it swaps the values if all went well, and
//! keeps what he has if not (EP-8, EP-9).
//!
//! What beats what is in `docs/configuration.md`. Nothing here reads the environment or knows a home, and no
//! error or finding shows a value that could be secret.

mod address;
mod certs;
mod daemon_json;
mod document;
mod duration;
mod error;
mod file;
mod header;
mod host_spec;
mod hosts_toml;
mod loaded;
mod merge;
mod overview;
mod pem;
mod pull_settings;
mod scan;
mod settings;
mod size;
mod source;
mod windlass_toml;

pub use address::{
    InsecureProblem, ProxyProblem, UrlProblem, insecure_registry, registry_mirror, shown_proxy,
};
pub use daemon_json::{DaemonSettings, LogFormat, LogLevel, WordError};
pub use duration::{DurationProblem, parse_duration, parse_positive_duration};
pub use error::{ConfigError, Place, Problem};
pub use header::HeaderProblem;
pub use loaded::Loaded;
pub use overview::{HostOverview, OriginOverview, Overview, RegistryOverview, SettingOverview};
pub use pull_settings::PullSettings;
pub use settings::{
    CertificateOrigin, DaemonJsonFile, Places, Proxy, ProxySettings, RegistrySettings,
    TimeoutSettings, WindlassFiles,
};
pub use size::{Rate, RateProblem, SizeProblem, parse_rate, parse_size, shown_size};
pub use source::{Finding, Origin, Remark, Setting, Source, SourceKind, SourceState};
