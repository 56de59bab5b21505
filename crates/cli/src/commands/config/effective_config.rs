//! The configuration that is in effect, from files, the environment, the command line and defaults.

use std::path::Path;

use serde::Serialize;
use serde_json::{Value, json};
use windlass_config::{FileLocation, SettingOverview, SourceFile};
use windlass_credentials::CredentialLocation;

use super::registry_view::RegistryView;
use super::show_target::ShowTarget;
use super::value_origin::ValueOrigin;
use crate::config::{self, CommandSettings};
use crate::context::Context;
use crate::environment::Environment;
use crate::error::Error;

/// The output of `windlass config show --json`. Its names are an interface for programs: add, do not rename.
#[derive(Debug, Serialize)]
pub(super) struct EffectiveConfig {
    /// Every file and directory that was looked for.
    pub(super) files: Vec<SourceFile>,
    /// The locations of credentials, in the order in which they are used.
    pub(super) credentials: Vec<CredentialLocationView>,
    /// Every setting that is not about one registry.
    pub(super) settings: Vec<SettingView>,
    /// Warnings about the files.
    pub(super) remarks: Vec<String>,
    /// The registries that are configured and `*` for all others, or the registry that was given.
    pub(super) registries: Vec<RegistryView>,
}

/// A location that may have credentials.
#[derive(Debug, Serialize)]
pub(super) struct CredentialLocationView {
    pub(super) place: String,
    pub(super) exists: bool,
}

/// A setting and its value.
#[derive(Debug, Serialize)]
pub(super) struct SettingView {
    /// The key in a `windlass.toml`.
    pub(super) key: &'static str,
    pub(super) value: Value,
    /// The value for people.
    #[serde(skip)]
    pub(super) text: String,
    pub(super) from: ValueOrigin,
}

impl EffectiveConfig {
    /// Collects the configuration, with all registries or only `target`.
    pub(super) fn collect(
        context: &Context<'_>,
        authfile: Option<&Path>,
        target: Option<&ShowTarget>,
    ) -> Result<Self, Error> {
        let credentials = context.credentials(authfile);
        let settings = context.settings()?;
        let overview = settings.configuration.overview(&settings.pull);
        let findings = settings.configuration.findings.iter();
        let views = overview.settings.into_iter();
        let views = views.map(|setting| SettingView::new(setting, context, settings));
        Ok(Self {
            credentials: credential_locations(context, authfile),
            settings: views.collect::<Result<_, _>>()?,
            remarks: findings.map(ToString::to_string).collect(),
            registries: match target {
                Some(target) => vec![RegistryView::of_target(target, settings, &credentials)],
                None => overview.registries.iter().map(RegistryView::new).collect(),
            },
            files: overview.sources,
        })
    }
}

impl SettingView {
    /// Returns a setting, including values from the command line and the environment.
    fn new(
        setting: SettingOverview,
        context: &Context<'_>,
        settings: &CommandSettings,
    ) -> Result<Self, Error> {
        let SettingOverview {
            key,
            value,
            text,
            is_default,
            origin,
        } = setting;
        let global = context.global();
        let from = match &origin {
            Some(origin) => ValueOrigin::file(origin),
            None if is_default => ValueOrigin::Default,
            None => ValueOrigin::Environment,
        };
        let view = Self {
            key,
            value,
            text,
            from,
        };
        Ok(match key {
            "root" => {
                let root = context.root()?.to_string_lossy().into_owned();
                let from = match (&global.root, view.from) {
                    (Some(_), _) => ValueOrigin::CommandLine,
                    (None, from @ ValueOrigin::File { .. }) => from,
                    (None, _) => ValueOrigin::Default,
                };
                Self {
                    value: json!(root),
                    text: root,
                    from,
                    ..view
                }
            }
            // The lists of the file and of the command line add up.
            "insecure-registries" if !global.insecure_registry.is_empty() => {
                let from = match origin {
                    Some(FileLocation { path, line }) => {
                        ValueOrigin::FileAndCommandLine { path, line }
                    }
                    None => ValueOrigin::CommandLine,
                };
                let registries = &settings.pull.registry.insecure;
                Self {
                    value: json!(registries),
                    text: registries.join(", "),
                    from,
                    ..view
                }
            }
            "ca" => view.with_roots_of(&context.environment),
            _ => view,
        })
    }

    /// Adds the root certificates of the environment, which replace those of the system. The value of this setting names
    /// the files, so its origin is `default` even if a file configures it.
    fn with_roots_of(self, environment: &Environment) -> Self {
        let files = environment.ssl_cert_file.iter();
        let paths = files.chain(&environment.ssl_cert_dirs);
        let mut paths: Vec<Value> = paths.map(|path| json!(path.to_string_lossy())).collect();
        let from = match paths.is_empty() {
            true => {
                return Self {
                    from: ValueOrigin::Default,
                    ..self
                };
            }
            false => ValueOrigin::Environment,
        };
        paths.extend(self.value.as_array().into_iter().flatten().cloned());
        let texts: Vec<_> = paths.iter().filter_map(Value::as_str).collect();
        Self {
            text: texts.join(", "),
            value: json!(paths),
            from,
            ..self
        }
    }
}

fn credential_locations(
    context: &Context<'_>,
    authfile: Option<&Path>,
) -> Vec<CredentialLocationView> {
    let locations = config::credential_locations(authfile, &context.environment);
    let locations = locations.in_order().into_iter();
    locations
        .map(|location| CredentialLocationView {
            exists: match &location {
                CredentialLocation::File(path) => path.exists(),
                CredentialLocation::Text => true,
            },
            place: location.to_string(),
        })
        .collect()
}
