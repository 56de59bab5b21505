//! An overview of the configuration for people and programs, without secrets.

use std::collections::BTreeMap;
use std::num::NonZeroU64;

use serde::Serialize;
use serde_json::{Value, json};
use windlass_pull::PullerConfig;
use windlass_registry::{HostConfig, Proxies, Secret};

use crate::address::shown_proxy;
use crate::configuration::Configuration;
use crate::registry_settings::RegistrySettings;
use crate::settings::{DIRECT, RateType, SettingDefinition, SettingVisitor, ValueType, plain_text};
use crate::source::{FileLocation, Setting, SourceFile};

/// The whole configuration, and where each value comes from.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ConfigOverview {
    /// Every file that was looked for.
    pub sources: Vec<SourceFile>,
    /// Every setting that is not about one registry.
    pub settings: Vec<SettingOverview>,
    /// The registries that are configured, then `*` for all others.
    pub registries: Vec<RegistryOverview>,
    /// The files with certificates, by host and port.
    pub certificates: BTreeMap<String, Vec<FileLocation>>,
}

/// A setting with the value that is in effect.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SettingOverview {
    /// The key in a `windlass.toml`, such as `timeouts.connect`.
    pub key: &'static str,
    /// The value for programs: times are in seconds, sizes in bytes, and a rate of 0 is no limit. `null` if there is
    /// none.
    pub value: Value,
    /// The value for people.
    #[serde(skip)]
    pub text: String,
    /// Whether the value is the default, and neither a file nor the environment sets it.
    #[serde(skip)]
    pub is_default: bool,
    /// The file that the value comes from.
    pub origin: Option<FileLocation>,
}

/// The hosts of a registry.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct RegistryOverview {
    /// Its name, or `*`.
    pub name: String,
    /// Why it cannot be used: an error and its causes.
    pub unusable: Option<Vec<String>>,
    /// The file that lists the hosts; `null` if no file does.
    pub origin: Option<FileLocation>,
    /// The hosts in the order in which they are tried. The registry's own host, which is last if no host has the role
    /// `server`, is not among them.
    pub hosts: Vec<HostOverview>,
    /// Its own proxies; `null` if the general ones are used.
    pub proxy: Option<Value>,
    /// Origins that foreign layers may be fetched from.
    pub foreign_layers: Vec<String>,
    /// The maximum download rate of its hosts; `null` if it has none of its own.
    pub limit_rate: Option<SettingOverview>,
}

/// A host of a registry.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct HostOverview {
    /// Its role.
    pub role: HostRole,
    /// Its address.
    pub url: String,
    /// What it is used for: `pull`, `resolve` or both.
    pub capabilities: Vec<&'static str>,
    /// The number of files with root certificates for this host alone.
    pub ca: usize,
    /// Whether there is a client certificate for it.
    pub client: bool,
    /// Whether its certificate is not verified.
    pub skip_verify: bool,
    /// Whether no `/v2` is added to the path of its address.
    pub override_path: bool,
    /// The names of configured headers. Their values may be secrets.
    pub headers: Vec<String>,
    /// The time to connect, in seconds; `null` if it is the general one.
    pub dial_timeout: Option<f64>,
    /// Where it is configured.
    pub origin: FileLocation,
}

/// The role of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum HostRole {
    /// It has copies of images.
    Mirror,
    /// It replaces the registry's own host.
    Server,
}

impl Configuration {
    /// Returns an overview of everything. `effective` is the engine's configuration after [`Self::apply`].
    pub fn overview(&self, effective: &PullerConfig) -> ConfigOverview {
        let mut names: Vec<&str> = self.registries.keys().map(String::as_str).collect();
        names.extend(self.unusable.keys().map(String::as_str));
        names.sort_unstable();
        names.dedup();
        let named = names.into_iter().map(|name| self.registry_overview(name));
        let registries = named
            .chain([registry_overview("*", &self.default)])
            .collect();
        let mut settings = EffectiveSettings {
            effective: effective.clone(),
            defaults: PullerConfig::default(),
            settings: Vec::new(),
        };
        self.settings.visit(&mut settings);
        let certificates = self.certificate_origins.iter();
        ConfigOverview {
            sources: self.sources.clone(),
            settings: settings.settings,
            registries,
            certificates: certificates
                .map(|(endpoint, origins)| {
                    let origins = origins.iter().map(|found| found.origin.clone());
                    (endpoint.clone(), origins.collect())
                })
                .collect(),
        }
    }

    /// Returns an overview of the registry `name`.
    pub fn registry_overview(&self, name: &str) -> RegistryOverview {
        match self.registry(name) {
            Ok(settings) => registry_overview(name, settings),
            Err(unusable) => RegistryOverview {
                unusable: Some(causes(unusable)),
                ..registry_overview(name, &RegistrySettings::default())
            },
        }
    }
}

/// Collects the settings with the values that are in effect.
struct EffectiveSettings {
    effective: PullerConfig,
    defaults: PullerConfig,
    settings: Vec<SettingOverview>,
}

impl SettingVisitor for EffectiveSettings {
    fn visit<T: ValueType>(
        &mut self,
        definition: &SettingDefinition<T>,
        setting: Option<&Setting<T::Value>>,
        _: &'static str,
    ) {
        if !definition.is_shown {
            return;
        }
        let value_type = &definition.value_type;
        let effective = definition.value_in(&mut self.effective);
        let default = definition.value_in(&mut self.defaults);
        let is_default = setting.is_none() && effective == default;
        let value = effective.as_ref().or(setting.map(|setting| &setting.value));
        let json = match value {
            Some(value) if setting.is_some() => value_type.to_json(value),
            Some(value) => value_type.unset_to_json(value),
            None => Value::Null,
        };
        self.settings.push(SettingOverview {
            key: definition.key,
            text: match value {
                Some(value) if !json.is_null() => value_type.to_text(value),
                _ => plain_text(&json),
            },
            value: json,
            is_default,
            origin: setting
                .and_then(|setting| value_type.origin(setting))
                .cloned(),
        });
    }
}

fn registry_overview(name: &str, settings: &RegistrySettings) -> RegistryOverview {
    let mirrors = settings
        .mirrors
        .iter()
        .map(|host| host_overview(HostRole::Mirror, host));
    let server = settings
        .server
        .iter()
        .map(|host| host_overview(HostRole::Server, host));
    let foreign_layers = settings.foreign_hosts.as_ref();
    RegistryOverview {
        name: name.to_owned(),
        unusable: None,
        origin: settings.hosts_from.clone(),
        hosts: mirrors.chain(server).collect(),
        proxy: settings
            .proxies
            .as_ref()
            .map(|setting| proxies(&setting.value)),
        foreign_layers: foreign_layers.map_or_else(Vec::new, |setting| setting.value.clone()),
        limit_rate: settings.limit_rate.as_ref().map(limit_overview),
    }
}

fn limit_overview(limit: &Setting<Option<NonZeroU64>>) -> SettingOverview {
    SettingOverview {
        key: "limit-rate",
        value: RateType.to_json(&limit.value),
        text: RateType.to_text(&limit.value),
        is_default: false,
        origin: Some(limit.origin.clone()),
    }
}

fn host_overview(role: HostRole, host: &Setting<HostConfig>) -> HostOverview {
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
        origin: host.origin.clone(),
    }
}

fn proxies(proxies: &Proxies) -> Value {
    let address = |proxy: &Option<Secret>| {
        let address = proxy.as_ref().map(shown_proxy);
        address.unwrap_or_else(|| DIRECT.to_owned())
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
