//! Docker's `daemon.json`: the part of it that is about registries and pulling.

mod json;
mod said;
mod service;

use std::path::Path;

use url::Url;
use windlass_oci::text::sanitize;

use crate::address;
use crate::error::{ConfigError, Place, Problem};
use crate::settings::Proxy;
use crate::source::{Finding, Origin, Remark};
use json::Json;

pub(crate) use said::Said;
pub(crate) use service::read as read_service;
pub use service::{DaemonSettings, LogFormat, LogLevel, WordError};

/// What a `daemon.json` says of registries and pulling.
#[derive(Debug, Default)]
pub(crate) struct DaemonJson {
    /// Docker Hub's mirrors (EP-2).
    pub(crate) mirrors: Vec<Url>,
    pub(crate) insecure: Option<Vec<String>>,
    pub(crate) http: Option<Proxy>,
    pub(crate) https: Option<Proxy>,
    pub(crate) no_proxy: Option<String>,
    pub(crate) downloads: Option<u64>,
    pub(crate) attempts: Option<u64>,
}

/// Reads the text of the `daemon.json` at `path`. To Docker an empty file is an empty object.
pub(crate) fn read(
    path: &Path,
    text: &str,
    findings: &mut Vec<Finding>,
) -> Result<DaemonJson, ConfigError> {
    let mut read = DaemonJson::default();
    for (key, value) in entries(path, text)? {
        read.take(path, &key, value, findings)?;
    }
    Ok(read)
}

/// Returns what stands in a `daemon.json`, without what is `null`. To Docker an empty file is an empty object.
fn entries(path: &Path, text: &str) -> Result<Vec<(String, Json)>, ConfigError> {
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    let document: Json = serde_json::from_str(text).map_err(|error| syntax(path, &error))?;
    let Json::Object(mut entries) = document else {
        return Err(ConfigError::file(path, document.wrong_type("an object")));
    };
    entries.retain(|(_, value)| *value != Json::Null);
    Ok(entries)
}

fn wrong(path: &Path, key: &str, problem: Problem) -> ConfigError {
    ConfigError {
        key: Some(key.to_owned()),
        ..ConfigError::file(path, problem)
    }
}

impl DaemonJson {
    /// Takes what `key` says, if it is about registries and pulling; tells whether it is.
    fn take(
        &mut self,
        path: &Path,
        key: &str,
        value: Json,
        findings: &mut Vec<Finding>,
    ) -> Result<bool, ConfigError> {
        let wrong = |key: &str, problem| wrong(path, key, problem);
        let refuse = |problem| wrong(key, problem);
        let refuse_element = |index, problem| wrong(&format!("{key}[{index}]"), problem);
        match key {
            "registry-mirrors" => {
                let texts = value.texts().map_err(refuse)?;
                self.mirrors = mirrors(&texts, &refuse_element)?;
            }
            "insecure-registries" => {
                let texts = value.texts().map_err(refuse)?;
                self.insecure = Some(insecure(path, &texts, &refuse_element, findings)?);
            }
            "max-concurrent-downloads" => {
                self.downloads = Some(value.number(0).map_err(refuse)?);
            }
            "max-download-attempts" => {
                self.attempts = Some(value.number(1).map_err(refuse)?);
            }
            "proxies" => self.proxies(value, &wrong)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn proxies(
        &mut self,
        value: Json,
        wrong: &impl Fn(&str, Problem) -> ConfigError,
    ) -> Result<(), ConfigError> {
        let Json::Object(entries) = value else {
            return Err(wrong("proxies", value.wrong_type("an object")));
        };
        for (key, value) in entries {
            let name = format!("proxies.{key}");
            let text = || value.text().map_err(|problem| wrong(&name, problem));
            // To Docker, empty is unset.
            match key.as_str() {
                "http-proxy" | "https-proxy" if !text()?.is_empty() => {
                    let proxy = address::proxy(text()?)
                        .map_err(|problem| wrong(&name, Problem::Proxy(problem)))?;
                    match key.as_str() {
                        "http-proxy" => self.http = Some(Proxy::Through(proxy)),
                        _ => self.https = Some(Proxy::Through(proxy)),
                    }
                }
                "no-proxy" if !text()?.is_empty() => self.no_proxy = Some(text()?.to_owned()),
                _ => {}
            }
        }
        Ok(())
    }
}

fn mirrors(
    texts: &[String],
    refuse: &impl Fn(usize, Problem) -> ConfigError,
) -> Result<Vec<Url>, ConfigError> {
    let mut mirrors = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        let url = address::host(text).map_err(|problem| refuse(index, Problem::Url(problem)))?;
        if !mirrors.contains(&url) {
            mirrors.push(url);
        }
    }
    Ok(mirrors)
}

/// Reads a list of insecure registries. One bad entry refuses all of them (EP-8).
fn insecure(
    path: &Path,
    texts: &[String],
    refuse: &impl Fn(usize, Problem) -> ConfigError,
    findings: &mut Vec<Finding>,
) -> Result<Vec<String>, ConfigError> {
    let mut insecure = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        let found = address::insecure(text);
        let found = found.map_err(|problem| refuse(index, Problem::Insecure(problem)))?;
        if found.had_scheme {
            findings.push(Finding {
                origin: Origin::file(path),
                key: Some("insecure-registries".to_owned()),
                remark: Remark::SchemeDropped,
            });
        }
        if !insecure.contains(&found.entry) {
            insecure.push(found.entry);
        }
    }
    Ok(insecure)
}

fn syntax(path: &Path, error: &serde_json::Error) -> ConfigError {
    // Its place stands at the message's end, too.
    let message = error.to_string();
    let message = message
        .rsplit_once(" at line ")
        .map_or(&*message, |(text, _)| text);
    ConfigError {
        place: Some(Place {
            line: error.line(),
            column: error.column(),
        }),
        ..ConfigError::file(
            path,
            Problem::Syntax {
                message: sanitize(message),
            },
        )
    }
}

#[cfg(test)]
mod tests;
