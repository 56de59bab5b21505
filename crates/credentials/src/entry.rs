//! Reads and writes the entries of `auths`.

use std::fmt;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::value::RawValue;
use windlass_registry::{Credentials, Secret};

use crate::json_object::{JsonObject, JsonStyle, quoted};
use crate::key::redacted_key;
use crate::parse_error::CredentialParseError;

/// Accepts missing padding, which some tools leave out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
/// The fields of an entry that contain credentials.
const CREDENTIAL_FIELDS: [&str; 5] = [
    "auth",
    "username",
    "password",
    "identitytoken",
    "registrytoken",
];

/// The credentials of a login that are to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginCredentials {
    /// The user name.
    pub username: String,
    /// The password or token.
    pub secret: LoginSecret,
}

/// The secret of a login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoginSecret {
    /// A password or a personal access token.
    Password(Secret),
    /// A refresh token that the registry gave for a password (HT-8).
    IdentityToken(Secret),
}

/// The part of a login because of which it cannot be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InvalidLogin {
    Username,
    Secret,
}

impl LoginCredentials {
    /// Checks that windlass and Docker will read the stored login as the same credentials.
    pub(crate) fn check(&self) -> Result<(), InvalidLogin> {
        let has_control = |text: &str| text.chars().any(char::is_control);
        let (secret, nameless) = match &self.secret {
            LoginSecret::Password(secret) => (secret, false),
            LoginSecret::IdentityToken(secret) => (secret, true),
        };
        let named = !self.username.is_empty() || nameless;
        if !named || self.username.contains(':') || has_control(&self.username) {
            return Err(InvalidLogin::Username);
        }
        if has_control(secret.expose()) || (nameless && secret.expose().is_empty()) {
            return Err(InvalidLogin::Secret);
        }
        Ok(())
    }

    /// Returns the credentials as they are read back.
    pub fn credentials(&self) -> Credentials {
        match &self.secret {
            LoginSecret::Password(password) => {
                Credentials::basic(self.username.clone(), password.clone())
            }
            LoginSecret::IdentityToken(token) => Credentials::IdentityToken(token.clone()),
        }
    }
}

/// Reads the entry `key`. An empty entry means that a credential helper stores the login.
pub(crate) fn read(key: &str, entry: &RawValue) -> Result<Credentials, CredentialParseError> {
    let entry = object(entry, || entry_path(key))?;
    let field = |name: &str| -> Result<Option<String>, CredentialParseError> {
        let Some(value) = entry.get(name) else {
            return Ok(None);
        };
        let text = string(value, || format!("{}.{name}", entry_path(key)))?;
        Ok(Some(text).filter(|text| !text.is_empty()))
    };
    if let Some(token) = field("registrytoken")? {
        return Ok(Credentials::RegistryToken(Secret::new(token)));
    }
    if let Some(token) = field("identitytoken")? {
        return Ok(Credentials::IdentityToken(Secret::new(token)));
    }
    if let Some(auth) = field("auth")? {
        return decode_auth(&auth).ok_or_else(|| CredentialParseError::Auth {
            key: redacted_key(key).to_string(),
        });
    }
    Ok(match (field("username")?, field("password")?) {
        (Some(username), Some(password)) => Credentials::basic(username, Secret::new(password)),
        _ => Credentials::Anonymous,
    })
}

/// Returns the entry `old` with its credentials replaced by those of `login`. Without a login, the entry has no
/// credentials.
pub(crate) fn write(
    old: Option<&RawValue>,
    login: Option<&LoginCredentials>,
    style: &JsonStyle,
) -> Box<RawValue> {
    let mut entry = old
        .and_then(|old| JsonObject::of(old).ok())
        .unwrap_or_default();
    entry.retain(|name| !CREDENTIAL_FIELDS.contains(&name));
    let mut set = |name: &str, text: &str| {
        let value = RawValue::from_string(quoted(text)).expect("a quoted string is valid JSON");
        entry.set(name, value);
    };
    if let Some(LoginCredentials { username, secret }) = login {
        let (password, token) = match secret {
            LoginSecret::Password(password) => (password.expose(), None),
            LoginSecret::IdentityToken(token) => ("", Some(token.expose())),
        };
        if !username.is_empty() {
            set("auth", &BASE64.encode(format!("{username}:{password}")));
        }
        if let Some(token) = token {
            set("identitytoken", token);
        }
    }
    entry.to_raw(style, 2)
}

/// Returns the object `raw`. Errors refer to it as `field`.
pub(crate) fn object<F: fmt::Display>(
    raw: &RawValue,
    field: impl FnOnce() -> F,
) -> Result<JsonObject, CredentialParseError> {
    JsonObject::of(raw).map_err(|error| CredentialParseError::not_an_object(error, field()))
}

/// Returns the string `raw`. Errors refer to it as `field`.
pub(crate) fn string<F: fmt::Display>(
    raw: &RawValue,
    field: impl FnOnce() -> F,
) -> Result<String, CredentialParseError> {
    if !raw.get().starts_with('"') {
        return Err(CredentialParseError::wrong_type(field(), "a string"));
    }
    serde_json::from_str(raw.get()).map_err(CredentialParseError::Json)
}

/// Returns the path of an entry, for error messages.
fn entry_path(key: &str) -> String {
    format!("auths.{}", redacted_key(key))
}

/// Decodes `username:password` in base64. Line breaks are skipped: some tools wrap long lines.
fn decode_auth(auth: &str) -> Option<Credentials> {
    let auth = auth.trim().replace(['\r', '\n'], "");
    let pair = String::from_utf8(BASE64.decode(auth).ok()?).ok()?;
    let (username, password) = pair.split_once(':')?;
    // Docker appends a NUL to some passwords.
    let password = Secret::new(password.trim_end_matches('\0'));
    Some(Credentials::basic(username, password))
}
