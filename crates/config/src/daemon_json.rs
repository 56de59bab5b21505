//! Docker's `daemon.json`: the part of it that is about registries and pulling.

use std::fmt;
use std::path::Path;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use url::Url;
use windlass_oci::text::shown;

use crate::address;
use crate::error::{ConfigError, Place, Problem};
use crate::settings::Proxy;
use crate::source::{Finding, Origin, Remark};

/// The most that a number may say here. What is more is as good as no limit, and no reason to refuse a file.
const MOST: u64 = 1000;
/// How long an array may be.
const MOST_ELEMENTS: usize = 1000;

/// What `daemon.json` says.
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

/// JSON without repeated keys. Values of keys that have no meaning here are not kept.
#[derive(Debug, PartialEq)]
enum Json {
    Null,
    Flag,
    Number(Option<u64>),
    Text(String),
    List(Vec<Self>),
    Object(Vec<(String, Self)>),
}

/// Reads the text of the `daemon.json` at `path`. To Docker an empty file is an empty object.
pub(crate) fn read(
    path: &Path,
    text: &str,
    findings: &mut Vec<Finding>,
) -> Result<DaemonJson, ConfigError> {
    if text.trim().is_empty() {
        return Ok(DaemonJson::default());
    }
    let document: Json = serde_json::from_str(text).map_err(|error| syntax(path, &error))?;
    let wrong = |key: &str, problem| ConfigError {
        key: Some(key.to_owned()),
        ..ConfigError::file(path, problem)
    };
    let Json::Object(entries) = document else {
        return Err(ConfigError::file(path, document.wrong_type("an object")));
    };
    let mut read = DaemonJson::default();
    for (key, value) in entries {
        if value == Json::Null {
            continue;
        }
        let refuse = |problem| wrong(&key, problem);
        match key.as_str() {
            "registry-mirrors" => {
                let texts = value.texts().map_err(refuse)?;
                read.mirrors = mirrors(&texts, &|index, problem| {
                    wrong(&format!("{key}[{index}]"), problem)
                })?;
            }
            "insecure-registries" => {
                let texts = value.texts().map_err(refuse)?;
                let refuse = |index, problem| wrong(&format!("{key}[{index}]"), problem);
                read.insecure = Some(insecure(path, &texts, &refuse, findings)?);
            }
            "max-concurrent-downloads" => {
                read.downloads = Some(value.number(0).map_err(refuse)?);
            }
            "max-download-attempts" => {
                read.attempts = Some(value.number(1).map_err(refuse)?);
            }
            "proxies" => read.proxies(value, &wrong)?,
            _ => {}
        }
    }
    Ok(read)
}

impl DaemonJson {
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
                message: shown(message),
            },
        )
    }
}

impl Json {
    fn wrong_type(&self, expected: &'static str) -> Problem {
        let found = match self {
            Self::Null => "null",
            Self::Flag => "true or false",
            Self::Number(_) => "a number",
            Self::Text(_) => "a string",
            Self::List(_) => "an array",
            Self::Object(_) => "an object",
        };
        Problem::Type { expected, found }
    }

    fn text(&self) -> Result<&str, Problem> {
        match self {
            Self::Text(text) => Ok(text),
            _ => Err(self.wrong_type("a string")),
        }
    }

    fn texts(self) -> Result<Vec<String>, Problem> {
        let Self::List(elements) = self else {
            return Err(self.wrong_type("an array of strings"));
        };
        if elements.len() > MOST_ELEMENTS {
            let limit = MOST_ELEMENTS;
            return Err(Problem::TooLong { limit });
        }
        let texts = elements
            .iter()
            .map(|element| element.text().map(str::to_owned));
        texts.collect()
    }

    fn number(&self, least: u64) -> Result<u64, Problem> {
        let most = MOST;
        match self {
            Self::Number(number) => number
                .filter(|number| *number >= least)
                .map(|number| number.min(most))
                .ok_or(Problem::Range { least, most }),
            _ => Err(self.wrong_type("a number")),
        }
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Json, E> {
        Ok(Json::Flag)
    }

    fn visit_u64<E>(self, number: u64) -> Result<Json, E> {
        Ok(Json::Number(Some(number)))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Json, E> {
        Ok(Json::Number(u64::try_from(number).ok()))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Json, E> {
        Ok(Json::Number(None))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(element) = elements.next_element()? {
            list.push(element);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Json, A::Error> {
        let mut object: Vec<(String, Json)> = Vec::new();
        let mut keys = std::collections::HashSet::new();
        while let Some(key) = entries.next_key::<String>()? {
            if !keys.insert(key.clone()) {
                let message = format!(
                    "the key {:?} stands there twice",
                    shown(&address::without_secrets(&key))
                );
                return Err(A::Error::custom(message));
            }
            object.push((key, entries.next_value()?));
        }
        Ok(Json::Object(object))
    }
}

#[cfg(test)]
mod tests;
