//! All settings of windlass except those of single registries. Each one is defined here, in one place.
//!
//! To add a setting, add a field to [`Settings`] and, if the engine uses it, to its configuration. Everything else
//! follows from the definition: how files are read and merged, `windlass config show`, and the tables in
//! `docs/configuration.md`, which a test compares with the definitions.

mod definition;
mod reader;
mod reference;
mod value_types;

use std::num::NonZeroU64;
use std::path::PathBuf;
use std::time::Duration;

use windlass_registry::Secret;

use crate::daemon_json;
use crate::error::ConfigError;
use crate::source::Setting;

pub(crate) use definition::{
    DaemonJsonValue, Definition, SettingReader, SettingVisitor, Target, ValueType, define_settings,
    plain_text,
};
pub(crate) use reader::{ReadContext, TomlSettings};
pub use reference::{SettingReference, setting_references};
pub(crate) use value_types::{ByteRate, DIRECT, NoProxy, ProxyAddress};
use value_types::{
    Count, DaemonJsonFileName, FilePath, FilePaths, Flag, InsecureRegistries, RootCertificateFiles,
    Size, Time,
};
pub use value_types::{DaemonJsonChoice, RootCertificates};

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
            Definition::new("root", FilePath, Target::Program)
                .default_text("`/var/lib/windlass`, or `~/.local/share/windlass`");

        /// Accept Docker's old signed manifests (schema 1).
        schema1: bool =
            Definition::new("schema1", Flag, Target::Field(|pull| &mut pull.registry.schema1));

        /// Registries that may be used without TLS, or with a certificate that cannot be verified. For this machine,
        /// plain HTTP is always allowed. `--insecure-registry` adds to the list.
        insecure_registries: Vec<String> =
            Definition::new(
                "insecure-registries",
                InsecureRegistries,
                Target::List(|pull| &mut pull.registry.insecure, add_missing),
            )
            .daemon_json("insecure-registries", daemon_json::insecure_registries);

        /// PEM files with root certificates that are trusted in addition to those of the system. The lists of several
        /// files add up.
        ca: Vec<RootCertificates> =
            Definition::new("ca", RootCertificateFiles, Target::Program).merge(both_lists);

        /// Proxy for `http` URLs. `proxy = ADDRESS` sets this and `proxy.https`.
        http_proxy: Option<Secret> =
            Definition::new(
                "proxy.http",
                ProxyAddress,
                Target::Field(|pull| &mut pull.registry.proxies.http),
            )
            .group_key("proxy")
            .daemon_json("proxies.http-proxy", daemon_json::proxy)
            .default_text("`HTTP_PROXY`");

        /// Proxy for `https` URLs.
        https_proxy: Option<Secret> =
            Definition::new(
                "proxy.https",
                ProxyAddress,
                Target::Field(|pull| &mut pull.registry.proxies.https),
            )
            .group_key("proxy")
            .daemon_json("proxies.https-proxy", daemon_json::proxy)
            .default_text("`HTTPS_PROXY`");

        /// Hosts, domains (`.example.com`) and address ranges that are connected to directly.
        no_proxy: Option<String> =
            Definition::new(
                "proxy.no-proxy",
                NoProxy,
                Target::Field(|pull| &mut pull.registry.proxies.no_proxy),
            )
            .daemon_json("proxies.no-proxy", daemon_json::no_proxy)
            .default_text("`NO_PROXY`");

        /// Time to connect, including TLS.
        connect_timeout: Duration =
            Definition::new(
                "timeouts.connect",
                Time::POSITIVE,
                Target::Field(|pull| &mut pull.registry.timeouts.connect),
            );

        /// Time until the head of a response arrives.
        response_timeout: Duration =
            Definition::new(
                "timeouts.response",
                Time::POSITIVE,
                Target::Field(|pull| &mut pull.registry.timeouts.response),
            );

        /// A connection that delivers less than this within `pull.timeout` is closed.
        timeout_floor: u64 =
            Definition::new(
                "timeouts.floor",
                Count::new("bytes", 0, 1 << 30),
                Target::Field(|pull| &mut pull.registry.timeouts.floor),
            );

        /// Time to get a token.
        token_timeout: Duration =
            Definition::new(
                "timeouts.token",
                Time::POSITIVE,
                Target::Field(|pull| &mut pull.registry.timeouts.token),
            );

        /// Time to find out whether a host is a registry.
        ping_timeout: Duration =
            Definition::new(
                "timeouts.ping",
                Time::POSITIVE,
                Target::Field(|pull| &mut pull.registry.timeouts.ping),
            );

        /// Number of layers that download at a time, over all pulls; 0 means no limit.
        downloads: usize =
            Definition::new(
                "pull.downloads",
                Count::new("layers", 0, MAX_COUNT),
                Target::Field(|pull| &mut pull.downloads),
            )
            .older_key("downloads")
            .daemon_json("max-concurrent-downloads", |entry, _| entry.capped_number(0, MAX_COUNT));

        /// Number of layers that are unpacked at a time, over all pulls; 0 means as many as there are threads.
        unpacks: usize =
            Definition::new(
                "pull.unpacks",
                Count::new("layers", 0, MAX_COUNT),
                Target::Field(|pull| &mut pull.unpacks),
            );

        /// Maximum number of connections for one large blob. Each is tried out, and kept only if it makes the download
        /// faster; 1 means a single connection.
        connections: usize =
            Definition::new(
                "pull.connections",
                Count::new("connections", 1, MAX_CONNECTIONS),
                Target::Field(|pull| &mut pull.split.connections),
            );

        /// A second connection is opened only if at least this much of the blob is missing.
        split_from: u64 =
            Definition::new(
                "pull.split-from",
                Size::ANY,
                Target::Field(|pull| &mut pull.split.from),
            );

        /// Size of the range that one of several connections requests at a time.
        chunk: u64 =
            Definition::new(
                "pull.chunk",
                Size::within(MIN_CHUNK, MAX_CHUNK),
                Target::Field(|pull| &mut pull.split.chunk),
            );

        /// Number of attempts without progress before a download fails.
        attempts: u32 =
            Definition::new(
                "pull.retry",
                Count::new("attempts", 1, MAX_COUNT),
                Target::Field(|pull| &mut pull.retry.attempts),
            )
            .older_key("attempts")
            .daemon_json("max-download-attempts", |entry, _| entry.capped_number(1, MAX_COUNT));

        /// Pause before the second attempt. It doubles with each further attempt, up to 20 s.
        retry_delay: Duration =
            Definition::new(
                "pull.retry-delay",
                Time::POSITIVE,
                Target::Field(|pull| &mut pull.retry.first_pause),
            );

        /// Time without progress after which a connection is closed and the next attempt starts.
        stall_timeout: Duration =
            Definition::new(
                "pull.timeout",
                Time::POSITIVE,
                Target::Field(|pull| &mut pull.registry.timeouts.stall),
            )
            .older_key("timeouts.stall");

        /// Maximum download rate, over all pulls.
        limit_rate: Option<NonZeroU64> =
            Definition::new("pull.limit-rate", ByteRate, Target::Field(|pull| &mut pull.rate));

        /// Time that a partly downloaded layer is kept after its last progress.
        partials_max_age: Duration =
            Definition::new(
                "partials.max-age",
                Time::ANY,
                Target::Field(|pull| &mut pull.keep.max_age),
            );

        /// Maximum size of all partly downloaded layers together. The oldest are removed first; 0 keeps none.
        partials_max_size: u64 =
            Definition::new(
                "partials.max-size",
                Size::ANY,
                Target::Field(|pull| &mut pull.keep.max_bytes),
            );

        /// Directories to read instead of the usual `certs.d` directories.
        certs_dirs: Vec<PathBuf> =
            Definition::new("certs-dirs", FilePaths, Target::Program)
                .default_text("see [the files](#the-files)")
                .hidden();

        /// Docker's `daemon.json`: another file, or none.
        daemon_json: DaemonJsonChoice =
            Definition::new("daemon-json", DaemonJsonFileName, Target::Program)
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
