//! What is configured, to be shown: without secrets, and without words.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};
use windlass_registry::{HostConfig, Proxies, Secret};

use crate::address::shown_proxy;
use crate::loaded::Loaded;
use crate::settings::{Proxy, RegistrySettings};
use crate::size::Rate;
use crate::source::{Origin, Setting, Source, lossy};

/// Everything that is configured, and where it comes from.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Overview {
    /// Every file that was looked at.
    pub sources: Vec<Source>,
    /// Every setting that is not about one registry, by its key in a `windlass.toml`; also those that no
    /// file mentions, which have neither value nor origin.
    pub settings: Vec<SettingOverview>,
    /// The registries that something is said about, then `*` for all others. Or the one that was asked for.
    pub registries: Vec<RegistryOverview>,
    /// Certificates, by host and port.
    pub certificates: BTreeMap<String, Vec<OriginOverview>>,
}

/// One setting.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SettingOverview {
    /// Its key in a `windlass.toml`, such as `timeouts.connect`.
    pub key: &'static str,
    /// Its value; `null` if no file mentions it.
    pub value: Value,
    /// Where it comes from.
    pub origin: Option<OriginOverview>,
}

/// Who answers for a registry.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct RegistryOverview {
    /// Its name, or `*`.
    pub name: String,
    /// Why it cannot be asked: an error and its causes.
    pub unusable: Option<Vec<String>>,
    /// Where it is said who answers; `null` if nothing says so.
    pub origin: Option<OriginOverview>,
    /// The hosts in the order in which they are asked. The registry's own host, which is last where none
    /// has the role `server`, is not among them.
    pub hosts: Vec<HostOverview>,
    /// Its own proxies; `null` if it has those of everybody.
    pub proxy: Option<Value>,
    /// Places that foreign layers may be fetched from.
    pub foreign_layers: Vec<String>,
    /// How fast bytes may come from it, in bytes a second, 0 for no limit; `null` if nothing says so.
    pub limit_rate: Option<SettingOverview>,
}

/// One host.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct HostOverview {
    /// `mirror` or `server`.
    pub role: &'static str,
    /// Where it is.
    pub url: String,
    /// What it is asked for.
    pub capabilities: Vec<&'static str>,
    /// How many files with roots there are for it alone.
    pub ca: usize,
    /// Whether it is shown a client certificate.
    pub client: bool,
    /// Whether any certificate is taken.
    pub skip_verify: bool,
    /// Whether its path is the API's own.
    pub override_path: bool,
    /// The names of headers that it is sent. Their values may be secrets.
    pub headers: Vec<String>,
    /// How long a connection may take, in seconds; `null` if as long as for everybody.
    pub dial_timeout: Option<f64>,
    /// Where it is described.
    pub origin: OriginOverview,
}

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OriginOverview {
    /// The file.
    #[serde(serialize_with = "lossy")]
    pub path: PathBuf,
    /// The line in it, where that is known.
    pub line: Option<usize>,
}

impl Loaded {
    /// Returns what is configured, for people to see: about everything, or about one registry.
    pub fn overview(&self, registry: Option<&str>) -> Overview {
        let registries = match registry {
            Some(name) => vec![self.registry_overview(name)],
            None => {
                let mut names: Vec<&str> = self.registries.keys().map(String::as_str).collect();
                names.extend(self.unusable.keys().map(String::as_str));
                names.sort_unstable();
                names.dedup();
                let named = names.into_iter().map(|name| self.registry_overview(name));
                let default = registry_overview("*", &self.default);
                named.chain([default]).collect()
            }
        };
        let certificates = self.certificate_origins.iter();
        Overview {
            sources: self.sources.clone(),
            settings: self.settings(),
            registries,
            certificates: certificates
                .map(|(endpoint, origins)| {
                    let origins = origins.iter().map(|found| (&found.origin).into());
                    (endpoint.clone(), origins.collect())
                })
                .collect(),
        }
    }

    fn registry_overview(&self, name: &str) -> RegistryOverview {
        match self.registry(name) {
            Ok(settings) => registry_overview(name, settings),
            Err(unusable) => RegistryOverview {
                unusable: Some(causes(unusable)),
                ..registry_overview(name, &RegistrySettings::default())
            },
        }
    }

    fn settings(&self) -> Vec<SettingOverview> {
        let timeouts = &self.timeouts;
        vec![
            shown("root", self.root.as_ref(), |path| {
                json!(path.to_string_lossy())
            }),
            shown("schema1", self.schema1.as_ref(), |flag| json!(flag)),
            shown("insecure-registries", self.insecure.as_ref(), |list| {
                json!(list)
            }),
            self.roots_overview(),
            shown("proxy.http", self.proxies.http.as_ref(), proxy),
            shown("proxy.https", self.proxies.https.as_ref(), proxy),
            shown("proxy.no-proxy", self.proxies.no_proxy.as_ref(), |hosts| {
                json!(hosts)
            }),
            shown("timeouts.connect", timeouts.connect.as_ref(), seconds),
            shown("timeouts.response", timeouts.response.as_ref(), seconds),
            shown("timeouts.floor", timeouts.floor.as_ref(), number),
            shown("timeouts.token", timeouts.token.as_ref(), seconds),
            shown("timeouts.ping", timeouts.ping.as_ref(), seconds),
        ]
        .into_iter()
        .chain(self.pull_overview())
        .collect()
    }

    fn pull_overview(&self) -> [SettingOverview; 11] {
        let pull = &self.pull;
        [
            shown("pull.downloads", self.downloads.as_ref(), number),
            shown("pull.unpacks", pull.unpacks.as_ref(), number),
            shown("pull.connections", pull.connections.as_ref(), number),
            shown("pull.split-from", pull.split_from.as_ref(), number),
            shown("pull.chunk", pull.chunk.as_ref(), number),
            shown("pull.retry", self.attempts.as_ref(), number),
            shown("pull.retry-delay", pull.retry_delay.as_ref(), seconds),
            shown("pull.timeout", self.timeouts.stall.as_ref(), seconds),
            shown_rate("pull.limit-rate", pull.limit_rate.as_ref()),
            shown("partials.max-age", pull.max_age.as_ref(), seconds),
            shown("partials.max-size", pull.max_size.as_ref(), number),
        ]
    }

    /// The files are their own origins.
    fn roots_overview(&self) -> SettingOverview {
        let paths: Vec<_> = self
            .roots
            .iter()
            .map(|root| root.origin.path.to_string_lossy())
            .collect();
        SettingOverview {
            key: "ca",
            value: match paths.is_empty() {
                true => Value::Null,
                false => json!(paths),
            },
            origin: None,
        }
    }
}

fn shown<T>(
    key: &'static str,
    setting: Option<&Setting<T>>,
    value: impl FnOnce(&T) -> Value,
) -> SettingOverview {
    SettingOverview {
        key,
        value: setting.map_or(Value::Null, |setting| value(&setting.value)),
        origin: setting.map(|setting| (&setting.origin).into()),
    }
}

fn proxy(proxy: &Proxy) -> Value {
    match proxy {
        Proxy::Direct => json!("direct"),
        Proxy::Through(address) => json!(shown_proxy(address)),
    }
}

/// 0 is no limit, as in a file.
fn shown_rate(key: &'static str, setting: Option<&Setting<Rate>>) -> SettingOverview {
    shown(key, setting, |rate| {
        json!(rate.limit().map_or(0, NonZeroU64::get))
    })
}

fn number<T: Serialize>(number: &T) -> Value {
    json!(number)
}

fn seconds(time: &Duration) -> Value {
    json!(time.as_secs_f64())
}

fn registry_overview(name: &str, settings: &RegistrySettings) -> RegistryOverview {
    let mirrors = settings
        .mirrors
        .iter()
        .map(|host| host_overview("mirror", host));
    let server = settings
        .server
        .iter()
        .map(|host| host_overview("server", host));
    let foreign_layers = settings.foreign_hosts.as_ref();
    RegistryOverview {
        name: name.to_owned(),
        unusable: None,
        origin: settings.hosts_from.as_ref().map(OriginOverview::from),
        hosts: mirrors.chain(server).collect(),
        proxy: settings
            .proxies
            .as_ref()
            .map(|setting| proxies(&setting.value)),
        foreign_layers: foreign_layers.map_or_else(Vec::new, |setting| setting.value.clone()),
        limit_rate: settings
            .limit_rate
            .as_ref()
            .map(|limit| shown_rate("limit-rate", Some(limit))),
    }
}

fn host_overview(role: &'static str, host: &Setting<HostConfig>) -> HostOverview {
    let HostConfig {
        url,
        override_path,
        capabilities,
        tls,
        headers,
        connect,
    } = &host.value;
    let can = [
        (capabilities.pull, "pull"),
        (capabilities.resolve, "resolve"),
    ];
    HostOverview {
        role,
        url: url.as_str().to_owned(),
        capabilities: can
            .into_iter()
            .filter_map(|(can, what)| can.then_some(what))
            .collect(),
        ca: tls.roots.len(),
        client: tls.identity.is_some(),
        skip_verify: tls.skip_verify,
        override_path: *override_path,
        headers: headers.iter().map(|(name, _)| name.clone()).collect(),
        dial_timeout: connect.map(|time| time.as_secs_f64()),
        origin: (&host.origin).into(),
    }
}

fn proxies(proxies: &Proxies) -> Value {
    let address = |proxy: &Option<Secret>| {
        let address = proxy.as_ref().map(shown_proxy);
        address.unwrap_or_else(|| "direct".to_owned())
    };
    json!({
        "http": address(&proxies.http),
        "https": address(&proxies.https),
        "no-proxy": proxies.no_proxy,
    })
}

fn causes(error: &dyn std::error::Error) -> Vec<String> {
    let chain = std::iter::successors(Some(error), |error| error.source());
    chain.map(ToString::to_string).collect()
}

impl From<&Origin> for OriginOverview {
    fn from(origin: &Origin) -> Self {
        Self {
            path: origin.path.clone(),
            line: origin.line,
        }
    }
}
