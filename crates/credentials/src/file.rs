//! Parses credential files.

use windlass_registry::{CredentialScope, Credentials};

use crate::entry;
use crate::file_format::CredentialFileFormat;
use crate::json_object::JsonObject;
use crate::key::{self, redacted_key};
use crate::parse_error::CredentialParseError;

/// The credentials and the configured helpers of one file.
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
    /// The key as written in the file.
    pub key: &'a str,
    /// The credentials. They are never [`Credentials::Anonymous`].
    pub credentials: &'a Credentials,
}

/// A helper that a file configures for a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfiguredHelper<'a> {
    /// The name of the program without `docker-credential-`, as written in the file.
    pub name: &'a str,
    /// The key of `credHelpers`, or `None` for `credsStore`, which applies to every host.
    pub key: Option<&'a str>,
}

impl CredentialFile {
    /// Parses the content of a file. Fields that have nothing to do with credentials are ignored. An empty text is
    /// valid and contains no credentials.
    pub fn parse(format: CredentialFileFormat, bytes: &[u8]) -> Result<Self, CredentialParseError> {
        let document = JsonObject::parse(bytes)
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
            let helper = entry::string(helper, || format!("credHelpers.{}", redacted_key(key)))?;
            file.helpers.push((key.to_owned(), helper));
        }
        if let Some(store) = document.get("credsStore") {
            let store = entry::string(store, || "credsStore")?;
            file.store = Some(store).filter(|store| !store.is_empty());
        }
        Ok(file)
    }

    /// Returns the entry for `scope`: the one whose key is the longest prefix of the repository, or the one for the
    /// host, or the one in an obsolete form of the host. For Docker Hub, the key `https://index.docker.io/v1/` takes
    /// precedence.
    pub fn find(&self, scope: &CredentialScope) -> Option<CredentialEntry<'_>> {
        let non_empty = self
            .auths
            .iter()
            .filter(|(_, credentials)| *credentials != Credentials::Anonymous);
        let matching = non_empty.filter_map(|(key, credentials)| {
            Some((key::match_key(key, self.format, scope)?, key, credentials))
        });
        let (_, key, credentials) = matching.max_by_key(|(quality, ..)| *quality)?;
        Some(CredentialEntry { key, credentials })
    }

    /// Returns the helper for `host`: the one in `credHelpers`, or the one in `credsStore`.
    ///
    /// As in Docker, an empty name in `credHelpers` disables helpers for the host.
    pub fn helper_for(&self, host: &str) -> Option<ConfiguredHelper<'_>> {
        let scope = key::host_scope(host);
        let own = self
            .helpers
            .iter()
            .filter_map(|(key, name)| Some((key::match_key(key, self.format, &scope)?, key, name)));
        if let Some((_, key, name)) = own.max_by_key(|(quality, ..)| *quality) {
            let key = Some(key.as_str());
            return Some(ConfiguredHelper { name, key }).filter(|helper| !helper.name.is_empty());
        }
        let name = self.store.as_deref()?;
        Some(ConfiguredHelper { name, key: None })
    }
}

/// Returns the object that contains the entries.
pub(crate) fn auths(
    document: &JsonObject,
    format: CredentialFileFormat,
) -> Result<JsonObject, CredentialParseError> {
    match format {
        CredentialFileFormat::Docker | CredentialFileFormat::Podman => section(document, "auths"),
        CredentialFileFormat::Dockercfg => Ok(document.clone()),
    }
}

/// Returns the object `name`, or an empty object if it is missing. Duplicates are merged.
fn section(document: &JsonObject, name: &str) -> Result<JsonObject, CredentialParseError> {
    let mut section = JsonObject::default();
    for raw in document.all(name) {
        section.extend(entry::object(raw, || name)?);
    }
    Ok(section)
}

#[cfg(test)]
mod tests;
