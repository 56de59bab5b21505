//! Types of the registry endpoints: credentials, login and inspection of remote images.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::images::{OciDescriptor, OciPlatform};

/// Credentials for a registry: the content of the `X-Registry-Auth` header and the body of `POST /auth`.
///
/// Every field may be missing, empty or `null`.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct AuthConfig {
    /// The user name.
    #[serde(deserialize_with = "or_empty")]
    pub username: String,
    /// The password.
    #[serde(deserialize_with = "or_empty")]
    pub password: String,
    /// `username:password` in base64, from old clients.
    #[serde(deserialize_with = "or_empty")]
    pub auth: String,
    /// The registry that the credentials are for; for Docker Hub, `https://index.docker.io/v1/`.
    #[serde(deserialize_with = "or_empty")]
    pub serveraddress: String,
    /// A refresh token.
    #[serde(deserialize_with = "or_empty")]
    pub identitytoken: String,
    /// An access token.
    #[serde(deserialize_with = "or_empty")]
    pub registrytoken: String,
}

/// The content is not an [`AuthConfig`].
#[derive(Debug, thiserror::Error)]
#[error("not an authentication config")]
pub struct AuthHeaderError {
    // Without the cause, which may quote a secret.
    _private: (),
}

/// The response to `POST /auth`.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct AuthResponse {
    /// The result as text.
    pub status: String,
    /// A token to store in place of the password; may be empty.
    pub identity_token: String,
}

/// The response to `GET /distribution/{name}/json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct DistributionInspect {
    /// The manifest or index that the name refers to in its registry.
    pub descriptor: OciDescriptor,
    /// The platforms of the image.
    pub platforms: Vec<OciPlatform>,
}

impl AuthConfig {
    /// Parses the JSON; `null` means no credentials. As in Docker, the case of the keys does not matter.
    pub fn parse(json: &[u8]) -> Result<Self, AuthHeaderError> {
        let parse = || {
            let members: Option<BTreeMap<String, Value>> = serde_json::from_slice(json)?;
            let members = members.unwrap_or_default().into_iter();
            let lower = members.map(|(key, value)| (key.to_ascii_lowercase(), value));
            Self::deserialize(Value::Object(lower.collect()))
        };
        parse().map_err(|_: serde_json::Error| AuthHeaderError { _private: () })
    }
}

/// Contains only the registry, no secrets.
impl fmt::Debug for AuthConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthConfig")
            .field("serveraddress", &self.serveraddress)
            .finish_non_exhaustive()
    }
}

/// Contains only the status, not the token.
impl fmt::Debug for AuthResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthResponse")
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

fn or_empty<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_may_be_missing_or_null() {
        let read = |text: &str| AuthConfig::parse(text.as_bytes());
        assert_eq!(read("{}").unwrap(), AuthConfig::default());
        assert_eq!(read("null").unwrap(), AuthConfig::default());
        let config = read(r#"{"username":"u","password":null,"email":"x"}"#).unwrap();
        assert_eq!((&*config.username, &*config.password), ("u", ""));
        let config = read(r#"{"Username":"u","PassWord":"p","serverAddress":"a"}"#).unwrap();
        assert_eq!((&*config.username, &*config.password), ("u", "p"));
        assert_eq!(config.serveraddress, "a");
        let error = read(r#"{"password":"hunter2""#).unwrap_err();
        assert_eq!(
            format!("{error:?} {error}"),
            "AuthHeaderError { _private: () } not an authentication config"
        );
    }

    /// I7.
    #[test]
    fn debug_output_contains_no_secret() {
        let config = AuthConfig {
            username: "me".to_owned(),
            password: "hunter2".to_owned(),
            serveraddress: "a.test".to_owned(),
            ..AuthConfig::default()
        };
        assert_eq!(
            format!("{config:?}"),
            r#"AuthConfig { serveraddress: "a.test", .. }"#
        );
    }
}
