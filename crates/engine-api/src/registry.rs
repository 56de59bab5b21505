//! What is said about registries, and who the client is to them.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::images::{OciDescriptor, OciPlatform};

/// Who the client is to a registry: what `X-Registry-Auth` holds, and what `POST /auth` is sent.
///
/// Every member may be missing, empty or `null`.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct AuthConfig {
    /// The user.
    #[serde(deserialize_with = "or_empty")]
    pub username: String,
    /// The password.
    #[serde(deserialize_with = "or_empty")]
    pub password: String,
    /// Both, in base64, from old clients.
    #[serde(deserialize_with = "or_empty")]
    pub auth: String,
    /// For whom they are; Docker Hub's is `https://index.docker.io/v1/`.
    #[serde(deserialize_with = "or_empty")]
    pub serveraddress: String,
    /// A refresh token.
    #[serde(deserialize_with = "or_empty")]
    pub identitytoken: String,
    /// An access token.
    #[serde(deserialize_with = "or_empty")]
    pub registrytoken: String,
}

/// What is no [`AuthConfig`].
#[derive(Debug, thiserror::Error)]
#[error("not an authentication config")]
pub struct AuthHeaderError {
    // Not the cause: it may quote what was read.
    _private: (),
}

/// The answer of `POST /auth`.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct AuthResponse {
    /// In words.
    pub status: String,
    /// A token to keep in place of the password; may be empty.
    pub identity_token: String,
}

/// The answer of `GET /distribution/{name}/json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct DistributionInspect {
    /// What the name stands for in its registry.
    pub descriptor: OciDescriptor,
    /// What it runs on.
    pub platforms: Vec<OciPlatform>,
}

impl AuthConfig {
    /// Reads the JSON.
    pub fn parse(json: &[u8]) -> Result<Self, AuthHeaderError> {
        let read: Result<Option<Self>, _> = serde_json::from_slice(json);
        read.map(Option::unwrap_or_default)
            .map_err(|_| AuthHeaderError { _private: () })
    }
}

/// Shows for whom, and nothing else.
impl fmt::Debug for AuthConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthConfig")
            .field("serveraddress", &self.serveraddress)
            .finish_non_exhaustive()
    }
}

/// Shows that there is one.
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
    fn members_may_be_missing_or_null() {
        let read = |text: &str| AuthConfig::parse(text.as_bytes());
        assert_eq!(read("{}").unwrap(), AuthConfig::default());
        assert_eq!(read("null").unwrap(), AuthConfig::default());
        let config = read(r#"{"username":"u","password":null,"email":"x"}"#).unwrap();
        assert_eq!((&*config.username, &*config.password), ("u", ""));
        let error = read(r#"{"password":"hunter2""#).unwrap_err();
        assert!(!format!("{error:?} {error}").contains("hunter2"));
    }

    /// I7.
    #[test]
    fn debug_shows_no_secret() {
        let config = AuthConfig {
            password: "hunter2".to_owned(),
            ..AuthConfig::default()
        };
        assert!(!format!("{config:?}").contains("hunter2"));
    }
}
