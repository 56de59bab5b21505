//! The whole configuration as one value, and how it is applied to the engine's configuration.

use std::collections::BTreeMap;

use windlass_pull::PullerConfig;
use windlass_registry::{ClientTls, InvalidConfig, Registries, RegistryHosts};

use crate::address;
use crate::daemon_settings::DaemonSettings;
use crate::registry_settings::{CertificateOrigin, RegistrySettings};
use crate::settings::{SettingDefinition, SettingTarget, SettingVisitor, Settings, ValueType};
use crate::source::{Finding, Setting, SourceFile};

/// The content of all files, merged.
#[derive(Clone, Debug, Default)]
pub struct Configuration {
    /// The settings, except those of single registries.
    pub settings: Settings,
    /// The registries that are configured, by name.
    pub registries: BTreeMap<String, RegistrySettings>,
    /// The configuration of all other registries.
    pub default: RegistrySettings,
    /// Registries with an invalid configuration, which cannot be used, and the errors.
    pub unusable: BTreeMap<String, InvalidConfig>,
    /// Certificates by `host` or `host:port`; port 443 is not written (EP-10, EP-11).
    pub certificates: BTreeMap<String, ClientTls>,
    /// The files that [`Self::certificates`] come from.
    pub certificate_origins: BTreeMap<String, Vec<CertificateOrigin>>,
    /// The settings of the daemon itself, if [`Self::load_for_daemon`] read them.
    pub daemon: DaemonSettings,
    /// The keys in the daemon's own `daemon.json`, as they are written there.
    pub daemon_keys: Vec<Setting<String>>,
    /// Every file and directory that was looked for, in order.
    pub sources: Vec<SourceFile>,
    /// What is noteworthy about the files and no error.
    pub findings: Vec<Finding>,
}

impl Configuration {
    /// Applies the configuration to `config`, which has the defaults and the values of the environment.
    ///
    /// Every setting overrides the value of the environment, except that insecure registries and certificates are
    /// added to those in `config`. Options of the command line have to be applied after this. To reload, apply the new
    /// configuration to a new `config`: values that another configuration added are not removed.
    pub fn apply(&self, config: &mut PullerConfig) {
        self.settings.visit(&mut SettingApplier { config });
        // The first pause can be set to any length, and none of the later ones is shorter.
        let retry = &mut config.retry;
        retry.longest_pause = retry.longest_pause.max(retry.first_pause);
        let roots = self.settings.ca.iter().flat_map(|setting| &setting.value);
        let roots = roots.map(|root| root.pem.clone());
        config.registry.extra_roots.extend(roots);
        for (name, registry) in &self.registries {
            let limit = registry.limit_rate.as_ref().and_then(|limit| limit.value);
            config
                .registry_rates
                .extend(limit.map(|limit| (name.clone(), limit)));
        }
        for (endpoint, tls) in &self.certificates {
            let entry = config.registry.certificates.entry(endpoint.clone());
            let merged = entry.or_default();
            merged.roots.extend(tls.roots.iter().cloned());
            merged.skip_verify |= tls.skip_verify;
            if merged.identity.is_none() {
                merged.identity.clone_from(&tls.identity);
            }
        }
        config.registry.registries = self.registries();
    }

    /// Returns the configuration of the registry `name`, or the general one if it has none of its own.
    ///
    /// # Errors
    /// If the configuration of the registry is invalid.
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

/// Sets the fields of the engine's configuration.
struct SettingApplier<'a> {
    config: &'a mut PullerConfig,
}

impl SettingVisitor for SettingApplier<'_> {
    fn visit<T: ValueType>(
        &mut self,
        definition: &SettingDefinition<T>,
        setting: Option<&Setting<T::Value>>,
        _: &'static str,
    ) {
        let Some(setting) = setting else { return };
        match &definition.target {
            SettingTarget::Field(field) => field(self.config).clone_from(&setting.value),
            SettingTarget::List(field, add) => add(field(self.config), &setting.value),
            SettingTarget::Program => {}
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
