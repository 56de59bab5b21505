//! One entry of `auths`: what it says, and how a login is written as one.

use std::fmt;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::value::RawValue;
use windlass_registry::{Credentials, Secret};

use crate::document::{Document, Layout, quoted};
use crate::file::CredentialParseError;
use crate::key::shown_key;

/// Some tools leave the padding out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
/// The members of an entry that say who the user is.
const FIELDS: [&str; 5] = [
    "auth",
    "username",
    "password",
    "identitytoken",
    "registrytoken",
];

/// What a user says at a login, to be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginCredentials {
    /// The user name.
    pub username: String,
    /// What it is proven with.
    pub secret: LoginSecret,
}

/// What a user proves himself with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoginSecret {
    /// A password or a personal access token.
    Password(Secret),
    /// A refresh token that the registry gave for a password (HT-8).
    IdentityToken(Secret),
}

/// What makes a login unfit to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unfit {
    Username,
    Secret,
}

impl LoginCredentials {
    /// Checks that what is kept will be read as the same again, by windlass and by Docker.
    pub(crate) fn check(&self) -> Result<(), Unfit> {
        let has_control = |text: &str| text.chars().any(char::is_control);
        let (secret, nameless) = match &self.secret {
            LoginSecret::Password(secret) => (secret, false),
            LoginSecret::IdentityToken(secret) => (secret, true),
        };
        let named = !self.username.is_empty() || nameless;
        if !named || self.username.contains(':') || has_control(&self.username) {
            return Err(Unfit::Username);
        }
        if has_control(secret.expose()) || (nameless && secret.expose().is_empty()) {
            return Err(Unfit::Secret);
        }
        Ok(())
    }

    /// Returns what the login will be read as.
    pub fn credentials(&self) -> Credentials {
        match &self.secret {
            LoginSecret::Password(password) => Credentials::Basic {
                username: self.username.clone(),
                password: password.clone(),
            },
            LoginSecret::IdentityToken(token) => Credentials::IdentityToken(token.clone()),
        }
    }
}

/// Reads the entry under `key`. An empty one is what a credential helper leaves behind.
pub(crate) fn read(key: &str, entry: &RawValue) -> Result<Credentials, CredentialParseError> {
    let entry = object(entry, || auths(key))?;
    let field = |name: &str| -> Result<Option<String>, CredentialParseError> {
        let Some(value) = entry.get(name) else {
            return Ok(None);
        };
        let text = string(value, || format!("{}.{name}", auths(key)))?;
        Ok(Some(text).filter(|text| !text.is_empty()))
    };
    if let Some(token) = field("registrytoken")? {
        return Ok(Credentials::RegistryToken(Secret::new(token)));
    }
    if let Some(token) = field("identitytoken")? {
        return Ok(Credentials::IdentityToken(Secret::new(token)));
    }
    if let Some(auth) = field("auth")? {
        return pair(&auth).ok_or_else(|| CredentialParseError::Auth {
            key: shown_key(key).to_string(),
        });
    }
    Ok(match (field("username")?, field("password")?) {
        (Some(username), Some(password)) => Credentials::Basic {
            username,
            password: Secret::new(password),
        },
        _ => Credentials::Anonymous,
    })
}

/// Writes `login`, or what a login that a helper keeps leaves behind, over what `old` says about the user.
pub(crate) fn write(
    old: Option<&RawValue>,
    login: Option<&LoginCredentials>,
    layout: &Layout,
) -> Box<RawValue> {
    let mut entry = old
        .and_then(|old| Document::of(old).ok())
        .unwrap_or_default();
    entry.retain(|name| !FIELDS.contains(&name));
    let mut set = |name: &str, text: &str| {
        let value = RawValue::from_string(quoted(text)).expect("it is quoted");
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
    entry.to_raw(layout, 2)
}

/// Returns the object `raw`, which is called `field` in errors.
pub(crate) fn object<F: fmt::Display>(
    raw: &RawValue,
    field: impl FnOnce() -> F,
) -> Result<Document, CredentialParseError> {
    Document::of(raw).map_err(|error| CredentialParseError::not_an_object(error, field()))
}

/// Returns the string `raw`, which is called `field` in errors.
pub(crate) fn string<F: fmt::Display>(
    raw: &RawValue,
    field: impl FnOnce() -> F,
) -> Result<String, CredentialParseError> {
    if !raw.get().starts_with('"') {
        return Err(CredentialParseError::wrong_type(field(), "a string"));
    }
    serde_json::from_str(raw.get()).map_err(CredentialParseError::Json)
}

fn auths(key: &str) -> String {
    format!("auths.{}", shown_key(key))
}

/// Reads `username:password` in base64.
fn pair(auth: &str) -> Option<Credentials> {
    let pair = String::from_utf8(BASE64.decode(auth.trim()).ok()?).ok()?;
    let (username, password) = pair.split_once(':')?;
    Some(Credentials::Basic {
        username: username.to_owned(),
        // Docker writes a NUL behind some passwords.
        password: Secret::new(password.trim_end_matches('\0')),
    })
}
