//! All settings of windlass except those of single registries. Each one is defined here, in one place.
//!
//! To add a setting, add a field to [`Settings`] and, if the engine uses it, to its configuration. Everything else
//! follows from the definition: how files are read and merged, `windlass config show`, and the tables in
//! `docs/configuration.md`, which a test compares with the definitions.

mod daemon_json_values;
mod definition;
mod registry_types;
mod scalar_types;

use std::num::NonZeroU64;
use std::path::PathBuf;
use std::time::Duration;

use windlass_registry::Secret;

use crate::error::ConfigError;
use crate::source::Setting;

use daemon_json_values as daemon_json;
pub(crate) use definition::{
    ReadContext, SettingDefinition, SettingReader, SettingTarget, SettingVisitor, ValueType,
    define_settings, plain_text,
};
pub(crate) use registry_types::{DIRECT, NoProxyType, ProxyType};
pub use registry_types::{DaemonJsonChoice, RootCertificates};
use registry_types::{DaemonJsonType, InsecureRegistriesType, RootCertificatesType};
pub(crate) use scalar_types::RateType;
use scalar_types::{CountType, FlagType, PathListType, PathType, SizeType, TimeType};

/// More layers or attempts at a time than this are never useful.
const MAX_COUNT: u64 = 1000;
/// More connections than this to one host are not fair to others.
const MAX_CONNECTIONS: u64 = 64;
/// With smaller ranges, a server spends more time on requests than on bytes.
const MIN_CHUNK: u64 = 64 << 10;
const MAX_CHUNK: u64 = 1 << 30;

define_settings! {
    /// All settings except those of single registries, each with the file and line that it comes from.
    ///
    /// A setting is `None` if no file has it.
    #[derive(Clone, Debug, Default, PartialEq)]
    pub struct Settings {
        /// Directory of the store.
        root: PathBuf =
            SettingDefinition::new("root", PathType, SettingTarget::Program)
                .default_text("`/var/lib/windlass`, or `~/.local/share/windlass`");

        /// Accept Docker's old signed manifests (schema 1).
        schema1: bool =
            SettingDefinition::new(
                "schema1",
                FlagType,
                SettingTarget::Field(|pull| &mut pull.registry.schema1),
            );

        /// Registries that may be used without TLS, or with a certificate that cannot be verified. For this machine,
        /// plain HTTP is always allowed. `--insecure-registry` adds to the list.
        insecure_registries: Vec<String> =
            SettingDefinition::new(
                "insecure-registries",
                InsecureRegistriesType,
                SettingTarget::List(|pull| &mut pull.registry.insecure, add_missing),
            )
            .daemon_json("insecure-registries", daemon_json::insecure_registries);

        /// PEM files with root certificates that are trusted in addition to those of the system. The lists of several
        /// files add up.
        ca: Vec<RootCertificates> =
            SettingDefinition::new("ca", RootCertificatesType, SettingTarget::Program)
                .merge(both_lists);

        /// Proxy for `http` URLs. `proxy = ADDRESS` sets this and `proxy.https`.
        http_proxy: Option<Secret> =
            SettingDefinition::new(
                "proxy.http",
                ProxyType,
                SettingTarget::Field(|pull| &mut pull.registry.proxies.http),
            )
            .group_key("proxy")
            .daemon_json("proxies.http-proxy", daemon_json::proxy)
            .default_text("`HTTP_PROXY`, or `ALL_PROXY`");

        /// Proxy for `https` URLs.
        https_proxy: Option<Secret> =
            SettingDefinition::new(
                "proxy.https",
                ProxyType,
                SettingTarget::Field(|pull| &mut pull.registry.proxies.https),
            )
            .group_key("proxy")
            .daemon_json("proxies.https-proxy", daemon_json::proxy)
            .default_text("`HTTPS_PROXY`, or `ALL_PROXY`");

        /// Hosts, domains (`.example.com`) and address ranges that are connected to directly.
        no_proxy: Option<String> =
            SettingDefinition::new(
                "proxy.no-proxy",
                NoProxyType,
                SettingTarget::Field(|pull| &mut pull.registry.proxies.no_proxy),
            )
            .daemon_json("proxies.no-proxy", daemon_json::no_proxy)
            .default_text("`NO_PROXY`");

        /// Time to connect, including TLS.
        connect_timeout: Duration =
            SettingDefinition::new(
                "timeouts.connect",
                TimeType::POSITIVE,
                SettingTarget::Field(|pull| &mut pull.registry.timeouts.connect),
            );

        /// Time until the head of a response arrives.
        response_timeout: Duration =
            SettingDefinition::new(
                "timeouts.response",
                TimeType::POSITIVE,
                SettingTarget::Field(|pull| &mut pull.registry.timeouts.response),
            );

        /// A connection that delivers less than this within `pull.timeout` is closed.
        timeout_floor: u64 =
            SettingDefinition::new(
                "timeouts.floor",
                CountType::new("bytes", 0, 1 << 30),
                SettingTarget::Field(|pull| &mut pull.registry.timeouts.floor),
            );

        /// Time to get a token.
        token_timeout: Duration =
            SettingDefinition::new(
                "timeouts.token",
                TimeType::POSITIVE,
                SettingTarget::Field(|pull| &mut pull.registry.timeouts.token),
            );

        /// Time to find out whether a host is a registry.
        ping_timeout: Duration =
            SettingDefinition::new(
                "timeouts.ping",
                TimeType::POSITIVE,
                SettingTarget::Field(|pull| &mut pull.registry.timeouts.ping),
            );

        /// Number of layers that download at a time, over all pulls; 0 means no limit.
        downloads: usize =
            SettingDefinition::new(
                "pull.downloads",
                CountType::new("layers", 0, MAX_COUNT),
                SettingTarget::Field(|pull| &mut pull.downloads),
            )
            .older_key("downloads")
            .daemon_json("max-concurrent-downloads", |entry, _| entry.capped_number(0, MAX_COUNT));

        /// Number of layers that are unpacked at a time, over all pulls; 0 means as many as there are threads.
        unpacks: usize =
            SettingDefinition::new(
                "pull.unpacks",
                CountType::new("layers", 0, MAX_COUNT),
                SettingTarget::Field(|pull| &mut pull.unpacks),
            );

        /// Maximum number of connections for one large blob. Each is tried out, and kept only if it makes the download
        /// faster; 1 means a single connection.
        connections: usize =
            SettingDefinition::new(
                "pull.connections",
                CountType::new("connections", 1, MAX_CONNECTIONS),
                SettingTarget::Field(|pull| &mut pull.split.connections),
            );

        /// A second connection is opened only if at least this much of the blob is missing.
        split_from: u64 =
            SettingDefinition::new(
                "pull.split-from",
                SizeType::ANY,
                SettingTarget::Field(|pull| &mut pull.split.from),
            );

        /// Size of the range that one of several connections requests at a time.
        chunk: u64 =
            SettingDefinition::new(
                "pull.chunk",
                SizeType::within(MIN_CHUNK, MAX_CHUNK),
                SettingTarget::Field(|pull| &mut pull.split.chunk),
            );

        /// Number of attempts without progress before a download fails.
        attempts: u32 =
            SettingDefinition::new(
                "pull.retry",
                CountType::new("attempts", 1, MAX_COUNT),
                SettingTarget::Field(|pull| &mut pull.retry.attempts),
            )
            .older_key("attempts")
            .daemon_json("max-download-attempts", |entry, _| entry.capped_number(1, MAX_COUNT));

        /// Pause before the second attempt. It doubles with each further attempt, up to 20 s.
        retry_delay: Duration =
            SettingDefinition::new(
                "pull.retry-delay",
                TimeType::POSITIVE,
                SettingTarget::Field(|pull| &mut pull.retry.first_pause),
            );

        /// Time without progress after which a connection is closed and the next attempt starts.
        stall_timeout: Duration =
            SettingDefinition::new(
                "pull.timeout",
                TimeType::POSITIVE,
                SettingTarget::Field(|pull| &mut pull.registry.timeouts.stall),
            )
            .older_key("timeouts.stall");

        /// Maximum download rate, over all pulls.
        limit_rate: Option<NonZeroU64> =
            SettingDefinition::new(
                "pull.limit-rate",
                RateType,
                SettingTarget::Field(|pull| &mut pull.rate),
            );

        /// Time that a partly downloaded layer is kept after its last progress.
        partials_max_age: Duration =
            SettingDefinition::new(
                "partials.max-age",
                TimeType::ANY,
                SettingTarget::Field(|pull| &mut pull.retention.max_age),
            );

        /// Maximum size of all partly downloaded layers together. The oldest are removed first; 0 keeps none.
        partials_max_size: u64 =
            SettingDefinition::new(
                "partials.max-size",
                SizeType::ANY,
                SettingTarget::Field(|pull| &mut pull.retention.max_bytes),
            );

        /// Directories to read instead of the usual `certs.d` directories.
        certs_dirs: Vec<PathBuf> =
            SettingDefinition::new("certs-dirs", PathListType, SettingTarget::Program)
                .default_text("see [the files](#the-files)")
                .hidden();

        /// Docker's `daemon.json`: another file, or none.
        daemon_json: DaemonJsonChoice =
            SettingDefinition::new("daemon-json", DaemonJsonType, SettingTarget::Program)
                .default_text("`/etc/docker/daemon.json`")
                .hidden();
    }
}

/// Adds the elements that `list` does not have.
fn add_missing(list: &mut Vec<String>, elements: &Vec<String>) {
    for element in elements {
        if !list.contains(element) {
            list.push(element.clone());
        }
    }
}

/// Returns the elements of the weaker list, followed by those of the stronger one.
fn both_lists<T>(stronger: Setting<Vec<T>>, weaker: Setting<Vec<T>>) -> Setting<Vec<T>> {
    let mut value = weaker.value;
    value.extend(stronger.value);
    Setting::new(value, stronger.origin)
}
