//! Changes the entries for one host in a credential file.

use crate::entry::{self, LoginCredentials};
use crate::file;
use crate::file_format::CredentialFileFormat;
use crate::json_object::{JsonObject, JsonStyle};
use crate::key;
use crate::parse_error::CredentialParseError;

/// The result of removing the entries for a host.
#[derive(Debug)]
pub(crate) struct RemovedEntries {
    /// The new content of the file.
    pub(crate) bytes: Vec<u8>,
    /// The keys of the removed entries.
    pub(crate) keys: Vec<String>,
}

/// Returns `bytes` with an entry for `host` that contains `login`. Without a login the entry is empty, which means
/// that a helper stores it.
///
/// Other keys for the whole host get the same entry, so that no reader finds an old password.
pub(crate) fn set_entry(
    bytes: &[u8],
    format: CredentialFileFormat,
    host: &str,
    login: Option<&LoginCredentials>,
) -> Result<Vec<u8>, CredentialParseError> {
    let mut file = EditableFile::parse(bytes, format)?;
    let scope = key::host_scope(host);
    let is_host = |key: &str| {
        matches!(
            key::match_key(key, format, &scope),
            Some(key::KeyMatch::Host | key::KeyMatch::OldForm | key::KeyMatch::DockerHub)
        )
    };
    let mut keys: Vec<String> = file.keys().filter(|key| is_host(key)).collect();
    if !keys.iter().any(|key| key == key::key_for_host(host)) {
        keys.push(key::key_for_host(host).to_owned());
    }
    for key in keys {
        let entry = entry::write(file.auths.get(&key), login, &file.style);
        file.auths.set(&key, entry);
    }
    Ok(file.into_bytes())
}

/// Returns `bytes` without the entries for `host`, or `None` if there are none.
pub(crate) fn remove_entries(
    bytes: &[u8],
    format: CredentialFileFormat,
    host: &str,
) -> Result<Option<RemovedEntries>, CredentialParseError> {
    let mut file = EditableFile::parse(bytes, format)?;
    let is_host = |key: &str| key::is_for_host(key, format, host);
    let keys: Vec<String> = file.keys().filter(|key| is_host(key)).collect();
    if keys.is_empty() {
        return Ok(None);
    }
    file.auths.retain(|key| !is_host(key));
    let bytes = file.into_bytes();
    Ok(Some(RemovedEntries { bytes, keys }))
}

/// A parsed file that is being changed.
struct EditableFile {
    format: CredentialFileFormat,
    style: JsonStyle,
    document: JsonObject,
    auths: JsonObject,
}

impl EditableFile {
    fn parse(bytes: &[u8], format: CredentialFileFormat) -> Result<Self, CredentialParseError> {
        let document = JsonObject::parse(bytes)
            .map_err(|error| CredentialParseError::not_an_object(error, "the file"))?;
        Ok(Self {
            format,
            style: JsonStyle::of(bytes),
            auths: file::auths(&document, format)?,
            document,
        })
    }

    fn keys(&self) -> impl Iterator<Item = String> {
        self.auths.members().map(|(key, _)| key.to_owned())
    }

    fn into_bytes(mut self) -> Vec<u8> {
        let text = match self.format {
            CredentialFileFormat::Docker | CredentialFileFormat::Podman => {
                let auths = self.auths.to_raw(&self.style, 1);
                self.document.set("auths", auths);
                self.document.to_file(&self.style)
            }
            CredentialFileFormat::Dockercfg => self.auths.to_file(&self.style),
        };
        text.into_bytes()
    }
}

#[cfg(test)]
mod tests;
