//! Reads the credentials in Docker's `config.json`.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Map, Value};
use windlass_oci::text::shown;

use crate::credentials::{Credentials, Secret};

/// The names that mean Docker Hub, each as the key of a config and as the host of a registry.
const DOCKER_HUB: [&str; 3] = ["docker.io", "index.docker.io", "registry-1.docker.io"];
/// Some tools leave the padding out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What `~/.docker/config.json` says about credentials.
#[derive(Clone, Debug, Default)]
pub struct DockerConfig {
    /// By the key as it is written.
    auths: BTreeMap<String, Credentials>,
    helpers: BTreeMap<String, String>,
    store: Option<String>,
}

/// Why a text is not a Docker config. Never shows what is in it.
#[derive(Debug, thiserror::Error)]
pub enum DockerConfigError {
    /// It is not JSON.
    #[error("not valid JSON")]
    Json(#[source] serde_json::Error),
    /// A field has another type than it should have.
    #[error("{field} is not {expected}")]
    Type {
        /// Where it is.
        field: String,
        /// What it should be.
        expected: &'static str,
    },
    /// An `auth` is not `user:password` in base64.
    #[error("the auth of {key} is not base64 of user:password")]
    Auth {
        /// The registry it is for.
        key: String,
    },
}

impl DockerConfig {
    /// Parses the bytes of a `config.json`. What has to do with other things than credentials is ignored.
    pub fn parse(bytes: &[u8]) -> Result<Self, DockerConfigError> {
        let document: Value = serde_json::from_slice(bytes).map_err(DockerConfigError::Json)?;
        let document = object(&document, "the config")?;
        let mut config = Self::default();
        for (key, entry) in entries(document, "auths")? {
            let credentials = credentials(key, object(entry, &format!("auths.{}", shown(key)))?)?;
            config.auths.insert(key.clone(), credentials);
        }
        for (key, helper) in entries(document, "credHelpers")? {
            let field = format!("credHelpers.{}", shown(key));
            config
                .helpers
                .insert(key.clone(), string(helper, &field)?.to_owned());
        }
        if let Some(store) = document.get("credsStore") {
            let store = string(store, "credsStore")?;
            config.store = Some(store.to_owned()).filter(|store| !store.is_empty());
        }
        Ok(config)
    }

    /// Returns the credentials for `registry` (`host` or `host:port`, `docker.io` for Docker Hub).
    ///
    /// A key that is exactly the host wins over one with a scheme or a path, and for Docker Hub
    /// `https://index.docker.io/v1/` over all others.
    pub fn credentials_for(&self, registry: &str) -> Credentials {
        if let Some(credentials) = self.exactly(registry) {
            return credentials.clone();
        }
        let found = self.auths.iter().find(|(key, credentials)| {
            **credentials != Credentials::Anonymous && is_for(key, registry)
        });
        found
            .map(|(_, credentials)| credentials.clone())
            .unwrap_or_default()
    }

    /// Returns the credential helper that Docker would ask about `registry`, if any.
    ///
    /// Helpers are programs, and are not run here: this is for saying so.
    pub fn helper_for(&self, registry: &str) -> Option<&str> {
        let own = self.helpers.iter().find(|(key, _)| is_for(key, registry));
        own.map(|(_, helper)| helper)
            .or(self.store.as_ref())
            .map(String::as_str)
    }

    fn exactly(&self, registry: &str) -> Option<&Credentials> {
        let hub = is_docker_hub(registry);
        let key = if hub {
            "https://index.docker.io/v1/"
        } else {
            registry
        };
        self.auths
            .get(key)
            .filter(|credentials| **credentials != Credentials::Anonymous)
    }
}

/// Tells whether `key` (host, with or without scheme and path) is for `registry`.
fn is_for(key: &str, registry: &str) -> bool {
    let bare = key.split_once("://").map_or(key, |(_, rest)| rest);
    let host = bare.split('/').next().unwrap_or_default();
    host.eq_ignore_ascii_case(registry) || (is_docker_hub(host) && is_docker_hub(registry))
}

fn is_docker_hub(host: &str) -> bool {
    DOCKER_HUB
        .iter()
        .any(|name| name.eq_ignore_ascii_case(host))
}

/// Reads one entry of `auths`. An empty one is what a credential helper leaves behind.
fn credentials(key: &str, entry: &Map<String, Value>) -> Result<Credentials, DockerConfigError> {
    let field = |name: &str| -> Result<Option<&str>, DockerConfigError> {
        let Some(value) = entry.get(name).filter(|value| !value.is_null()) else {
            return Ok(None);
        };
        let text = string(value, &format!("auths.{}.{name}", shown(key)))?;
        Ok(Some(text).filter(|text| !text.is_empty()))
    };
    if let Some(token) = field("registrytoken")? {
        return Ok(Credentials::RegistryToken(Secret::new(token)));
    }
    if let Some(token) = field("identitytoken")? {
        return Ok(Credentials::IdentityToken(Secret::new(token)));
    }
    if let Some(auth) = field("auth")? {
        let wrong = || DockerConfigError::Auth {
            key: shown(key).to_string(),
        };
        let pair = BASE64.decode(auth.trim()).map_err(|_| wrong())?;
        let pair = String::from_utf8(pair).map_err(|_| wrong())?;
        let (username, password) = pair.split_once(':').ok_or_else(wrong)?;
        // Docker writes a NUL behind some passwords.
        let password = Secret::new(password.trim_end_matches('\0'));
        return Ok(Credentials::Basic {
            username: username.to_owned(),
            password,
        });
    }
    Ok(match (field("username")?, field("password")?) {
        (Some(username), Some(password)) => Credentials::Basic {
            username: username.to_owned(),
            password: Secret::new(password),
        },
        _ => Credentials::Anonymous,
    })
}

/// The entries of the object `name`; none if it is not there.
fn entries<'a>(
    document: &'a Map<String, Value>,
    name: &str,
) -> Result<impl Iterator<Item = (&'a String, &'a Value)>, DockerConfigError> {
    let entries = document.get(name).filter(|entries| !entries.is_null());
    Ok(entries
        .map(|entries| object(entries, name))
        .transpose()?
        .into_iter()
        .flatten())
}

fn object<'a>(value: &'a Value, field: &str) -> Result<&'a Map<String, Value>, DockerConfigError> {
    value
        .as_object()
        .ok_or_else(|| wrong_type(field, "an object"))
}

fn string<'a>(value: &'a Value, field: &str) -> Result<&'a str, DockerConfigError> {
    value.as_str().ok_or_else(|| wrong_type(field, "a string"))
}

fn wrong_type(field: impl fmt::Display, expected: &'static str) -> DockerConfigError {
    DockerConfigError::Type {
        field: field.to_string(),
        expected,
    }
}

#[cfg(test)]
mod tests;
