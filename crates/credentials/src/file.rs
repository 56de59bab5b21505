//! What one credential file says.

use std::fmt;

use windlass_registry::{CredentialScope, Credentials};

use crate::document::{Document, NotAnObject};
use crate::entry;
use crate::key::{self, shown_key};

/// Whose file it is: they differ in where the entries are and in what their keys mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CredentialFileFormat {
    /// Docker's `config.json`. A key is for its whole host, whatever path it has; one whose path leads to
    /// the repository is taken before all others.
    Docker,
    /// podman's `auth.json`. A key with a path is for what is within that path only.
    Podman,
    /// `.dockercfg`, in which the entries are the file.
    Dockercfg,
}

/// The credentials in one file, and the helpers that it names.
#[derive(Clone, Debug)]
pub struct CredentialFile {
    format: CredentialFileFormat,
    auths: Vec<(String, Credentials)>,
    helpers: Vec<(String, String)>,
    store: Option<String>,
}

/// An entry of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CredentialEntry<'a> {
    /// Its key, as it is written.
    pub key: &'a str,
    /// What it says; never [`Credentials::Anonymous`].
    pub credentials: &'a Credentials,
}

/// A helper that a file names for a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfiguredHelper<'a> {
    /// What the program's name has behind `docker-credential-`, as it is written.
    pub name: &'a str,
    /// The key of `credHelpers`; `None` for `credsStore`, which is asked about every host.
    pub key: Option<&'a str>,
}

/// Why a text is not a credential file. Never shows what is in it, beside keys.
#[derive(Debug, thiserror::Error)]
pub enum CredentialParseError {
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

impl CredentialFile {
    /// Parses the bytes of a file. What has to do with other things than credentials is ignored; an empty
    /// text says nothing.
    pub fn parse(format: CredentialFileFormat, bytes: &[u8]) -> Result<Self, CredentialParseError> {
        let document = Document::parse(bytes)
            .map_err(|error| CredentialParseError::not_an_object(error, "the file"))?;
        let mut file = Self {
            format,
            auths: Vec::new(),
            helpers: Vec::new(),
            store: None,
        };
        for (key, entry) in auths(&document, format)?.members() {
            file.auths.push((key.to_owned(), entry::read(key, entry)?));
        }
        if format == CredentialFileFormat::Dockercfg {
            return Ok(file);
        }
        for (key, helper) in section(&document, "credHelpers")?.members() {
            let helper = entry::string(helper, || format!("credHelpers.{}", shown_key(key)))?;
            file.helpers.push((key.to_owned(), helper));
        }
        if let Some(store) = document.get("credsStore") {
            let store = entry::string(store, || "credsStore")?;
            file.store = Some(store).filter(|store| !store.is_empty());
        }
        Ok(file)
    }

    /// Returns the entry for `door`: the key that leads furthest towards its repository, else its host as it
    /// is, else a form of the host that clients once wrote. Docker Hub is best known as
    /// `https://index.docker.io/v1/`.
    pub fn find(&self, door: &CredentialScope) -> Option<CredentialEntry<'_>> {
        let of_somebody = self
            .auths
            .iter()
            .filter(|(_, credentials)| *credentials != Credentials::Anonymous);
        let fitting = of_somebody.filter_map(|(key, credentials)| {
            Some((key::fit(key, self.format, door)?, key, credentials))
        });
        let (_, key, credentials) = fitting.max_by_key(|(fit, ..)| *fit)?;
        Some(CredentialEntry { key, credentials })
    }

    /// Returns the helper to ask about `host`, if any: its own, else the one for all.
    ///
    /// An empty name in `credHelpers` means none for this host, as it does to Docker.
    pub fn helper_for(&self, host: &str) -> Option<ConfiguredHelper<'_>> {
        let door = key::whole(host);
        let own = self
            .helpers
            .iter()
            .filter_map(|(key, name)| Some((key::fit(key, self.format, &door)?, key, name)));
        if let Some((_, key, name)) = own.max_by_key(|(fit, ..)| *fit) {
            let key = Some(key.as_str());
            return Some(ConfiguredHelper { name, key }).filter(|helper| !helper.name.is_empty());
        }
        let name = self.store.as_deref()?;
        Some(ConfiguredHelper { name, key: None })
    }
}

impl CredentialParseError {
    pub(crate) fn not_an_object(error: NotAnObject, field: impl fmt::Display) -> Self {
        match error {
            NotAnObject::Json(error) => Self::Json(error),
            NotAnObject::Other => Self::wrong_type(field, "an object"),
        }
    }

    pub(crate) fn wrong_type(field: impl fmt::Display, expected: &'static str) -> Self {
        Self::Type {
            field: field.to_string(),
            expected,
        }
    }
}

/// Returns the object that has the entries in a file of `format`.
pub(crate) fn auths(
    document: &Document,
    format: CredentialFileFormat,
) -> Result<Document, CredentialParseError> {
    match format {
        CredentialFileFormat::Docker | CredentialFileFormat::Podman => section(document, "auths"),
        CredentialFileFormat::Dockercfg => Ok(document.clone()),
    }
}

/// Returns the object called `name`; an empty one if it is not there. One that is there twice counts twice.
fn section(document: &Document, name: &str) -> Result<Document, CredentialParseError> {
    let mut section = Document::default();
    for raw in document.all(name) {
        section.extend(entry::object(raw, || name)?);
    }
    Ok(section)
}

#[cfg(test)]
mod tests;
