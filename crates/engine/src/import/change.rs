//! Dockerfile instructions that change the configuration of an image without a layer, as in `docker import --change` and
//! `docker commit --change`.
//!
//! No I/O: text in, [`ContainerConfig`] out. Quotes, escapes and variables are parsed as in a Dockerfile; the variables are
//! those that an earlier `ENV` has set.

mod dockerfile_syntax;
mod healthcheck;
mod problem;
mod signal;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Serialize, Serializer};
use windlass_oci::text::sanitize;

use dockerfile_syntax::{expand, expand_list, json_list, split};
pub use healthcheck::Healthcheck;
pub use problem::{ChangeError, ChangeProblem};

/// The configuration of containers in an image's config.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ContainerConfig {
    /// The user and optionally the group.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub user: String,
    /// Ports, such as `80/tcp`.
    #[serde(skip_serializing_if = "BTreeSet::is_empty", serialize_with = "keys")]
    pub exposed_ports: BTreeSet<String>,
    /// The environment, as `NAME=value`, each name once.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<String>,
    /// The command that is always run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub entrypoint: Vec<String>,
    /// The command, or the default arguments of the entrypoint.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cmd: Vec<String>,
    /// The health check.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<Healthcheck>,
    /// Directories that are volumes.
    #[serde(skip_serializing_if = "BTreeSet::is_empty", serialize_with = "keys")]
    pub volumes: BTreeSet<String>,
    /// The working directory.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub working_dir: String,
    /// Labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The signal that stops the container.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub stop_signal: String,
    /// The instructions that run when another image is built from this one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub on_build: Vec<String>,
}

/// Further instructions that `ONBUILD` may contain.
const BUILD_INSTRUCTIONS: [&str; 15] = [
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "HEALTHCHECK",
    "LABEL",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

impl ContainerConfig {
    /// Applies the instructions in `text`, one in each line. Empty lines and lines that begin with `#` are
    /// skipped; a line that ends with a backslash continues in the next.
    pub fn change(&mut self, text: &str) -> Result<(), ChangeError> {
        for line in lines(text) {
            self.apply_instruction(&line)
                .map_err(|problem| ChangeError {
                    instruction: sanitize(&line),
                    problem,
                })?;
        }
        Ok(())
    }

    fn apply_instruction(&mut self, line: &str) -> Result<(), ChangeProblem> {
        let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let rest = rest.trim();
        let name = word.to_ascii_uppercase();
        let arguments = |name| match rest {
            "" => Err(ChangeProblem::NoArguments { name }),
            rest => Ok(rest),
        };
        match &*name {
            "CMD" => self.cmd = command(arguments("CMD")?)?,
            "ENTRYPOINT" => self.entrypoint = command(arguments("ENTRYPOINT")?)?,
            "ENV" => {
                for (name, value) in self.pairs(arguments("ENV")?)? {
                    self.set_variable(&name, &value);
                }
            }
            "EXPOSE" => {
                for port in expand_list(arguments("EXPOSE")?, &self.env)? {
                    self.add_ports(&port)?;
                }
            }
            "HEALTHCHECK" => {
                self.healthcheck = Some(Healthcheck::parse(arguments("HEALTHCHECK")?)?);
            }
            "LABEL" => {
                let labels = self.pairs(arguments("LABEL")?)?;
                self.labels.extend(labels);
            }
            "ONBUILD" => self.on_build.push(trigger(arguments("ONBUILD")?)?),
            "STOPSIGNAL" => {
                let found = self.single_argument(arguments("STOPSIGNAL")?)?;
                self.stop_signal = signal::checked(found)?;
            }
            "USER" => self.user = self.single_argument(arguments("USER")?)?,
            "VOLUME" => self.add_volumes(arguments("VOLUME")?)?,
            "WORKDIR" => {
                let directory = self.single_argument(arguments("WORKDIR")?)?;
                self.working_dir = resolve_path(&self.working_dir, &directory);
            }
            _ => {
                return Err(ChangeProblem::Unknown {
                    word: sanitize(word),
                });
            }
        }
        Ok(())
    }

    /// Parses `NAME=value NAME=value`, or `NAME value`, where the value is the rest of the line.
    fn pairs(&self, rest: &str) -> Result<Vec<(String, String)>, ChangeProblem> {
        let words = split(rest)?;
        let expected = |found: &str| ChangeProblem::Expected {
            what: "NAME=VALUE",
            found: sanitize(found),
        };
        let is_old_form = words.first().is_some_and(|first| !first.contains('='));
        let pairs: Vec<(&str, &str)> = if is_old_form {
            let pair = rest.split_once(char::is_whitespace);
            let (name, value) = pair.ok_or_else(|| expected(rest))?;
            vec![(name, value.trim())]
        } else {
            let pairs = words.iter().map(|word| {
                let pair = word.split_once('=');
                pair.ok_or_else(|| expected(word))
            });
            pairs.collect::<Result<_, _>>()?
        };
        let expanded = pairs.into_iter().map(|(name, value)| {
            let name = expand(name, &self.env)?;
            if name.is_empty() {
                return Err(expected(&format!("{name}={value}")));
            }
            Ok((name, expand(value, &self.env)?))
        });
        expanded.collect()
    }

    /// Parses the only argument of an instruction.
    fn single_argument(&self, rest: &str) -> Result<String, ChangeProblem> {
        let found = expand(rest, &self.env)?;
        if found.trim().is_empty() {
            return Err(ChangeProblem::Expected {
                what: "an argument that is not empty",
                found: sanitize(rest),
            });
        }
        Ok(found)
    }

    fn set_variable(&mut self, name: &str, value: &str) {
        let variable = format!("{name}={value}");
        let has_name = |variable: &&mut String| {
            let rest = variable.strip_prefix(name);
            rest.is_some_and(|rest| rest.starts_with('='))
        };
        match self.env.iter_mut().find(has_name) {
            Some(existing) => *existing = variable,
            None => self.env.push(variable),
        }
    }

    /// Adds `PORT` or `PORT-PORT`, with or without `/PROTOCOL`.
    fn add_ports(&mut self, text: &str) -> Result<(), ChangeProblem> {
        let parsed = || {
            let (ports, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
            let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
            let protocol = protocol.to_ascii_lowercase();
            if !matches!(&*protocol, "tcp" | "udp" | "sctp") {
                return None;
            }
            let (first, last) = (port(first)?, port(last)?);
            (first <= last).then_some((first..=last, protocol))
        };
        let (ports, protocol) = parsed().ok_or_else(|| ChangeProblem::Expected {
            what: "PORT[-PORT][/tcp|udp|sctp]",
            found: sanitize(text),
        })?;
        let ports = ports.map(|port| format!("{port}/{protocol}"));
        self.exposed_ports.extend(ports);
        Ok(())
    }

    fn add_volumes(&mut self, rest: &str) -> Result<(), ChangeProblem> {
        let listed = match json_list(rest)? {
            Some(list) => {
                let expanded = list.iter().map(|path| expand(path, &self.env));
                expanded.collect::<Result<Vec<_>, _>>()?
            }
            None => expand_list(rest, &self.env)?,
        };
        for path in listed {
            let path = path.trim();
            if path.is_empty() {
                return Err(ChangeProblem::Expected {
                    what: "a path",
                    found: sanitize(rest),
                });
            }
            self.volumes.insert(path.to_owned());
        }
        Ok(())
    }
}

/// Returns the instructions in a text.
fn lines(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for part in text.lines() {
        if part.trim_start().starts_with('#') {
            continue;
        }
        match part.trim_end().strip_suffix('\\') {
            Some(before) => line += before,
            None => {
                line += part;
                lines.push(std::mem::take(&mut line));
            }
        }
    }
    lines.push(line);
    let lines = lines.iter().map(|line| line.trim().to_owned());
    lines.filter(|line| !line.is_empty()).collect()
}

/// Parses a command: a JSON array of words, or a text for the shell.
fn command(rest: &str) -> Result<Vec<String>, ChangeProblem> {
    let shell = || ["/bin/sh", "-c", rest].map(str::to_owned).to_vec();
    Ok(json_list(rest)?.unwrap_or_else(shell))
}

/// Parses an instruction for later builds, which is stored unchanged.
fn trigger(rest: &str) -> Result<String, ChangeProblem> {
    let word = rest.split_whitespace().next().unwrap_or_default();
    if !BUILD_INSTRUCTIONS.contains(&&*word.to_ascii_uppercase()) {
        return Err(ChangeProblem::Expected {
            what: "an instruction that ONBUILD can run",
            found: sanitize(word),
        });
    }
    Ok(rest.to_owned())
}

fn port(text: &str) -> Option<u16> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let port: Option<u16> = is_number.then(|| text.parse().ok()).flatten();
    port.filter(|&port| port > 0)
}

/// Returns `directory` relative to `from`, without `.`, `..` and empty components.
fn resolve_path(from: &str, directory: &str) -> String {
    let mut components: Vec<&str> = Vec::new();
    let from = if directory.starts_with('/') { "" } else { from };
    for component in from.split('/').chain(directory.split('/')) {
        match component {
            "" | "." => {}
            ".." => drop(components.pop()),
            component => components.push(component),
        }
    }
    format!("/{}", components.join("/"))
}

/// Serializes a set like Docker: as an object with empty values.
fn keys<S: Serializer>(set: &BTreeSet<String>, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Nothing {}
    serializer.collect_map(set.iter().map(|key| (key, Nothing {})))
}

#[cfg(test)]
mod tests;
