//! Changes what a credential file says about one host, and nothing else in it.

use crate::document::{Document, Layout};
use crate::entry::{self, LoginCredentials};
use crate::file::{self, CredentialFileFormat, CredentialParseError};
use crate::key;

/// A file without the entries for a host.
#[derive(Debug)]
pub(crate) struct Taken {
    /// What is left.
    pub(crate) bytes: Vec<u8>,
    /// The keys that were there.
    pub(crate) keys: Vec<String>,
}

/// Returns `bytes` with `login` kept for `host`; without one, with the empty entry that says that a helper
/// keeps it.
///
/// Other keys that are for all of `host` get the same: who reads those must not meet an old password.
pub(crate) fn put(
    bytes: &[u8],
    format: CredentialFileFormat,
    host: &str,
    login: Option<&LoginCredentials>,
) -> Result<Vec<u8>, CredentialParseError> {
    let mut file = Open::parse(bytes, format)?;
    let whole = key::whole(host);
    let is_host = |key: &str| {
        matches!(
            key::fit(key, format, &whole),
            Some(key::Fit::Host | key::Fit::OldForm | key::Fit::DockerHub)
        )
    };
    let mut keys: Vec<String> = file.keys().filter(|key| is_host(key)).collect();
    if !keys.iter().any(|key| key == key::key_of(host)) {
        keys.push(key::key_of(host).to_owned());
    }
    for key in keys {
        let entry = entry::write(file.auths.get(&key), login, &file.layout);
        file.auths.set(&key, entry);
    }
    Ok(file.into_bytes())
}

/// Returns `bytes` without the entries for `host`; `None` if there are none.
pub(crate) fn take(
    bytes: &[u8],
    format: CredentialFileFormat,
    host: &str,
) -> Result<Option<Taken>, CredentialParseError> {
    let mut file = Open::parse(bytes, format)?;
    let is_host = |key: &str| key::is_for_host(key, format, host);
    let keys: Vec<String> = file.keys().filter(|key| is_host(key)).collect();
    if keys.is_empty() {
        return Ok(None);
    }
    file.auths.retain(|key| !is_host(key));
    let bytes = file.into_bytes();
    Ok(Some(Taken { bytes, keys }))
}

/// A file that is being changed.
struct Open {
    format: CredentialFileFormat,
    layout: Layout,
    document: Document,
    auths: Document,
}

impl Open {
    fn parse(bytes: &[u8], format: CredentialFileFormat) -> Result<Self, CredentialParseError> {
        let document = Document::parse(bytes)
            .map_err(|error| CredentialParseError::not_an_object(error, "the file"))?;
        Ok(Self {
            format,
            layout: Layout::of(bytes),
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
                let auths = self.auths.to_raw(&self.layout, 1);
                self.document.set("auths", auths);
                self.document.to_file(&self.layout)
            }
            CredentialFileFormat::Dockercfg => self.auths.to_file(&self.layout),
        };
        text.into_bytes()
    }
}

#[cfg(test)]
mod tests;
