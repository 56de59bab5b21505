//! The types of settings about registries, proxies, certificates and other files of the configuration.

use std::path::PathBuf;

use serde_json::{Value, json};
use windlass_registry::Secret;

use super::definition::{ReadContext, ValueType};
use crate::address::{self, shown_proxy};
use crate::error::{ConfigError, ConfigProblem};
use crate::pem;
use crate::source::{FileLocation, Finding, FindingKind, Setting};
use crate::toml_document::TomlItem;

/// The word for a direct connection in place of the address of a proxy.
pub(crate) const DIRECT: &str = "direct";

/// Hosts and ranges of addresses that may be used without TLS.
pub(crate) struct InsecureRegistriesType;

/// The address of a proxy, which may contain a password. `None` is a direct connection.
pub(crate) struct ProxyType;

/// Hosts that no proxy is used for, separated by commas.
pub(crate) struct NoProxyType;

/// Files with root certificates.
pub(crate) struct RootCertificatesType;

/// The `daemon.json` to read.
pub(crate) struct DaemonJsonType;

/// The content of a file with one or more root certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootCertificates {
    /// The file, or the directory that it is in.
    pub path: PathBuf,
    /// The certificates in PEM form.
    pub pem: Vec<u8>,
}

/// Which `daemon.json` of Docker's to read instead of the usual one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DaemonJsonChoice {
    /// No file.
    None,
    /// This file, which must exist.
    File(PathBuf),
}

impl ValueType for InsecureRegistriesType {
    type Value = Vec<String>;

    /// Reads a list. One invalid element makes the whole file invalid (EP-8).
    fn read(
        &self,
        item: TomlItem<'_>,
        context: &mut ReadContext<'_>,
    ) -> Result<Vec<String>, ConfigError> {
        let mut entries = Vec::new();
        for item in item.elements()? {
            let parsed = address::insecure(item.text()?);
            let parsed = parsed.map_err(|problem| item.error(ConfigProblem::Insecure(problem)))?;
            if parsed.had_scheme {
                context.findings.push(Finding {
                    origin: item.origin(),
                    key: Some(item.key().to_owned()),
                    kind: FindingKind::SchemeDropped,
                });
            }
            if !entries.contains(&parsed.entry) {
                entries.push(parsed.entry);
            }
        }
        Ok(entries)
    }

    fn to_json(&self, value: &Vec<String>) -> Value {
        json!(value)
    }

    fn syntax(&self) -> String {
        "array of `HOST`, `HOST:PORT`, `ADDRESS/LENGTH`".to_owned()
    }
}

impl ValueType for ProxyType {
    type Value = Option<Secret>;

    fn read(
        &self,
        item: TomlItem<'_>,
        _: &mut ReadContext<'_>,
    ) -> Result<Option<Secret>, ConfigError> {
        let text = match item.is_array() {
            true => return Err(item.wrong_type("a string or a table")),
            false => item.non_empty_text()?,
        };
        if text == DIRECT {
            return Ok(None);
        }
        let proxy = address::proxy(text);
        proxy
            .map(Some)
            .map_err(|problem| item.error(ConfigProblem::Proxy(problem)))
    }

    fn to_json(&self, value: &Option<Secret>) -> Value {
        let address = value.as_ref().map(shown_proxy);
        json!(address.unwrap_or_else(|| DIRECT.to_owned()))
    }

    fn unset_to_json(&self, value: &Option<Secret>) -> Value {
        json!(value.as_ref().map(shown_proxy))
    }

    fn syntax(&self) -> String {
        format!("address or `\"{DIRECT}\"`")
    }
}

impl ValueType for NoProxyType {
    type Value = Option<String>;

    fn read(
        &self,
        item: TomlItem<'_>,
        _: &mut ReadContext<'_>,
    ) -> Result<Option<String>, ConfigError> {
        let mut hosts = Vec::new();
        for item in item.one_or_more()? {
            hosts.push(item.text()?.to_owned());
        }
        Ok(Some(hosts.join(",")))
    }

    fn to_json(&self, value: &Option<String>) -> Value {
        json!(value)
    }

    fn syntax(&self) -> String {
        "text with commas, or array".to_owned()
    }
}

impl ValueType for RootCertificatesType {
    type Value = Vec<RootCertificates>;

    /// Reads the names of the files, and the files.
    fn read(
        &self,
        item: TomlItem<'_>,
        context: &mut ReadContext<'_>,
    ) -> Result<Vec<RootCertificates>, ConfigError> {
        let mut files = Vec::new();
        for item in item.one_or_more()? {
            let path = item.path(context.base)?;
            let pem = pem::roots(&path).map_err(|problem| item.error(problem))?;
            files.push(RootCertificates { path, pem });
        }
        Ok(files)
    }

    fn to_json(&self, value: &Vec<RootCertificates>) -> Value {
        let paths = value.iter().map(|file| file.path.to_string_lossy());
        paths.collect()
    }

    fn syntax(&self) -> String {
        "path, or array of paths".to_owned()
    }

    /// The value itself names the files.
    fn origin<'a>(&self, _: &'a Setting<Vec<RootCertificates>>) -> Option<&'a FileLocation> {
        None
    }
}

impl ValueType for DaemonJsonType {
    type Value = DaemonJsonChoice;

    fn read(
        &self,
        item: TomlItem<'_>,
        context: &mut ReadContext<'_>,
    ) -> Result<DaemonJsonChoice, ConfigError> {
        match item.flag() {
            Ok(false) => Ok(DaemonJsonChoice::None),
            Ok(true) => Err(item.wrong_type("a path or false")),
            Err(_) => Ok(DaemonJsonChoice::File(item.path(context.base)?)),
        }
    }

    fn to_json(&self, value: &DaemonJsonChoice) -> Value {
        match value {
            DaemonJsonChoice::None => json!(false),
            DaemonJsonChoice::File(path) => json!(path.to_string_lossy()),
        }
    }

    fn syntax(&self) -> String {
        "path or false".to_owned()
    }
}
