//! What is in effect: from the files, the environment, the command line, or because nobody says otherwise.

use std::num::NonZeroU64;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::{Value, json};
use windlass::{EngineConfig, Proxies, RegistryConfig, Secret};
use windlass_config::{OriginOverview, SettingOverview, Source, shown_proxy};

use super::Asked;
use super::way::Way;
use crate::config;
use crate::context::Context;
use crate::environment::Environment;
use crate::error::Error;

/// Everything that is shown. The names are an interface: add, do not rename.
#[derive(Debug, Serialize)]
pub(super) struct Facts {
    /// Every file and directory that was looked at.
    pub(super) files: Vec<Source>,
    /// The places where credentials are looked for, in their order.
    pub(super) credentials: Vec<Place>,
    /// Everything that is not about one registry.
    pub(super) settings: Vec<Setting>,
    /// What people may want to know of the files.
    pub(super) remarks: Vec<String>,
    /// The registries that something is said about and `*` for all others, or the one that was asked for.
    pub(super) registries: Vec<Way>,
}

/// A place that may have credentials.
#[derive(Debug, Serialize)]
pub(super) struct Place {
    pub(super) place: String,
    pub(super) exists: bool,
}

/// One setting.
#[derive(Debug, Serialize)]
pub(super) struct Setting {
    /// Its key in a `windlass.toml`.
    pub(super) key: &'static str,
    pub(super) value: Value,
    pub(super) from: From,
}

/// Where something is said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum From {
    /// In a file.
    File { path: PathBuf, line: Option<usize> },
    /// In a file, and the command line adds to it.
    FileAndCommandLine { path: PathBuf, line: Option<usize> },
    /// In the environment.
    Environment,
    /// On the command line, or in the variable that stands in for the option.
    CommandLine,
    /// Nowhere.
    Default,
}

impl Facts {
    /// Gathers everything, or about registries only what was asked for.
    pub(super) fn gather(
        context: &Context<'_>,
        authfile: Option<&Path>,
        asked: Option<&Asked>,
    ) -> Result<Self, Error> {
        let keys = context.keys(authfile);
        let settings = context.settings()?;
        let overview = settings.loaded.overview(None);
        let known = overview.settings.into_iter();
        let findings = settings.loaded.findings.iter();
        Ok(Self {
            credentials: places(context, authfile),
            settings: known
                .map(|known| setting(known, context, &settings.registry))
                .collect::<Result<_, _>>()?,
            remarks: findings.map(ToString::to_string).collect(),
            registries: match asked {
                Some(asked) => vec![Way::to(asked, settings, &keys)],
                None => overview.registries.iter().map(Way::general).collect(),
            },
            files: overview.sources,
        })
    }
}

impl From {
    pub(super) fn file(origin: &OriginOverview) -> Self {
        Self::File {
            path: origin.path.clone(),
            line: origin.line,
        }
    }

    /// Returns what people read.
    pub(super) fn text(&self) -> String {
        match self {
            Self::File { path, line } => place(path, *line),
            Self::FileAndCommandLine { path, line } => {
                format!("{}, command line", place(path, *line))
            }
            Self::Environment => "environment".to_owned(),
            Self::CommandLine => "command line".to_owned(),
            Self::Default => "default".to_owned(),
        }
    }
}

/// What the files say, or what holds where they say nothing. What the command line says beats both.
fn setting(
    known: SettingOverview,
    context: &Context<'_>,
    config: &RegistryConfig,
) -> Result<Setting, Error> {
    let SettingOverview { key, value, origin } = known;
    let global = context.global();
    let from_file = origin.as_ref().map(From::file);
    let (value, from) = match key {
        "root" if global.root.is_some() => (path(&context.root()?), From::CommandLine),
        // They add up.
        "insecure-registries" if !global.insecure_registry.is_empty() => {
            let from = match origin {
                Some(OriginOverview { path, line }) => From::FileAndCommandLine { path, line },
                None => From::CommandLine,
            };
            (json!(config.insecure), from)
        }
        // It is a list of files, which say it themselves.
        "ca" => roots(value, &context.environment),
        _ => match from_file {
            Some(from) => (value, from),
            None => unsaid(key, context, config)?,
        },
    };
    Ok(Setting { key, value, from })
}

fn unsaid(
    key: &str,
    context: &Context<'_>,
    config: &RegistryConfig,
) -> Result<(Value, From), Error> {
    let Proxies {
        http,
        https,
        no_proxy,
    } = &config.proxies;
    let by_environment = |value: Value| match value {
        Value::Null => (value, From::Default),
        _ => (value, From::Environment),
    };
    let proxy = |proxy: &Option<Secret>| by_environment(json!(proxy.as_ref().map(shown_proxy)));
    let timeouts = &config.timeouts;
    let pull = EngineConfig::new(PathBuf::new()).pull;
    let value = match key {
        "root" => path(&context.root()?),
        "pull.downloads" => json!(pull.downloads),
        "pull.unpacks" => json!(pull.unpacks),
        "pull.connections" => json!(pull.split.connections),
        "pull.split-from" => json!(pull.split.from),
        "pull.chunk" => json!(pull.split.chunk),
        "pull.retry" => json!(pull.retry.attempts),
        "pull.retry-delay" => json!(pull.retry.first_pause.as_secs_f64()),
        "pull.timeout" => json!(timeouts.stall.as_secs_f64()),
        "pull.limit-rate" => json!(pull.rate.map_or(0, NonZeroU64::get)),
        "partials.max-age" => json!(pull.keep.max_age.as_secs_f64()),
        "partials.max-size" => json!(pull.keep.max_bytes),
        "schema1" => json!(config.schema1),
        "insecure-registries" => json!(config.insecure),
        "proxy.http" => return Ok(proxy(http)),
        "proxy.https" => return Ok(proxy(https)),
        "proxy.no-proxy" => return Ok(by_environment(json!(no_proxy))),
        "timeouts.connect" => json!(timeouts.connect.as_secs_f64()),
        "timeouts.response" => json!(timeouts.response.as_secs_f64()),
        "timeouts.floor" => json!(timeouts.floor),
        "timeouts.token" => json!(timeouts.token.as_secs_f64()),
        "timeouts.ping" => json!(timeouts.ping.as_secs_f64()),
        _ => Value::Null,
    };
    Ok((value, From::Default))
}

/// The certificates that are trusted beside the system's, or in their place.
fn roots(value: Value, environment: &Environment) -> (Value, From) {
    let Environment {
        ssl_cert_file,
        ssl_cert_dirs,
        ..
    } = environment;
    let mut named: Vec<Value> = ssl_cert_file
        .iter()
        .chain(ssl_cert_dirs)
        .map(|it| path(it))
        .collect();
    let from = match (named.is_empty(), value.is_null()) {
        (true, true) => return (value, From::Default),
        (false, _) => From::Environment,
        (true, false) => From::Default,
    };
    named.extend(value.as_array().into_iter().flatten().cloned());
    (Value::Array(named), from)
}

fn place(path: &Path, line: Option<usize>) -> String {
    match line {
        None => path.display().to_string(),
        Some(line) => format!("{}:{line}", path.display()),
    }
}

fn path(path: &Path) -> Value {
    json!(path.to_string_lossy())
}

fn places(context: &Context<'_>, authfile: Option<&Path>) -> Vec<Place> {
    let places = config::credential_places(authfile, &context.environment);
    let places = places.in_order().into_iter();
    places
        .map(|place| Place {
            exists: match &place {
                windlass_credentials::CredentialLocation::File(path) => path.exists(),
                windlass_credentials::CredentialLocation::Text => true,
            },
            place: place.to_string(),
        })
        .collect()
}
