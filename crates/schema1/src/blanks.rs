//! Configs of Docker before 1.8.3, whose members came and went with the version.
//!
//! Docker brings them to one form: what it knows, in its order, with blanks where there is nothing, and
//! without what it does not know (S1-6). What it knows is that of version 17.03.

use std::collections::BTreeMap;

use windlass_oci::JsonError;

use crate::history::created;
use crate::object::Object;
use crate::{HistoryError, go_json};

/// A member of a Go struct.
struct Field {
    name: &'static str,
    kind: Kind,
    /// Whether it is left out where there is nothing in it.
    omit_empty: bool,
}

#[derive(Clone, Copy)]
enum Kind {
    Text,
    Flag,
    Number,
    /// A number that is empty only if it is absent.
    OptionalNumber,
    Texts,
    /// Texts, or one text alone.
    Command,
    /// A map of texts.
    Map,
    /// A map of which only the names say something.
    Set,
    /// A struct, empty only if it is absent.
    Optional(&'static [Field]),
}

const fn always(name: &'static str, kind: Kind) -> Field {
    Field {
        name,
        kind,
        omit_empty: false,
    }
}

const fn unless_empty(name: &'static str, kind: Kind) -> Field {
    Field {
        name,
        kind,
        omit_empty: true,
    }
}

/// `HealthConfig`.
const HEALTH: &[Field] = &[
    unless_empty("Test", Kind::Texts),
    unless_empty("Interval", Kind::Number),
    unless_empty("Timeout", Kind::Number),
    unless_empty("Retries", Kind::Number),
];

/// `container.Config`: how to run a container.
const CONFIG: &[Field] = &[
    always("Hostname", Kind::Text),
    always("Domainname", Kind::Text),
    always("User", Kind::Text),
    always("AttachStdin", Kind::Flag),
    always("AttachStdout", Kind::Flag),
    always("AttachStderr", Kind::Flag),
    unless_empty("ExposedPorts", Kind::Set),
    always("Tty", Kind::Flag),
    always("OpenStdin", Kind::Flag),
    always("StdinOnce", Kind::Flag),
    always("Env", Kind::Texts),
    always("Cmd", Kind::Command),
    unless_empty("Healthcheck", Kind::Optional(HEALTH)),
    unless_empty("ArgsEscaped", Kind::Flag),
    always("Image", Kind::Text),
    always("Volumes", Kind::Set),
    always("WorkingDir", Kind::Text),
    always("Entrypoint", Kind::Command),
    unless_empty("NetworkDisabled", Kind::Flag),
    unless_empty("MacAddress", Kind::Text),
    always("OnBuild", Kind::Texts),
    always("Labels", Kind::Map),
    unless_empty("StopSignal", Kind::Text),
    unless_empty("StopTimeout", Kind::OptionalNumber),
    unless_empty("Shell", Kind::Command),
];

/// The texts of `V1Image` that an image's config keeps.
const TEXTS: [&str; 6] = [
    "architecture",
    "author",
    "comment",
    "container",
    "docker_version",
    "os",
];

impl Kind {
    /// Returns how Go writes a value that is absent.
    fn blank(self) -> &'static str {
        match self {
            Self::Text => "\"\"",
            Self::Flag => "false",
            Self::Number => "0",
            Self::OptionalNumber
            | Self::Texts
            | Self::Command
            | Self::Map
            | Self::Set
            | Self::Optional(_) => "null",
        }
    }

    /// Returns whether Go takes a value that is there for empty.
    fn is_empty(self, value: &str) -> bool {
        match self {
            Self::Text | Self::Flag | Self::Number => value == self.blank(),
            Self::Texts | Self::Command => value == "[]",
            Self::Map | Self::Set => value == "{}",
            Self::OptionalNumber | Self::Optional(_) => false,
        }
    }
}

/// Returns the members of a v1 config in the form that Docker gives them, without those that an image's config
/// does not have.
pub(crate) fn rewritten(v1: &Object<'_>) -> Result<BTreeMap<String, String>, HistoryError> {
    let mut members = BTreeMap::new();
    for name in TEXTS {
        let text = v1.text(name)?;
        if !text.is_empty() {
            members.insert(name.to_owned(), go_json::text(&text));
        }
    }
    let created = go_json::text(&created(v1)?);
    members.insert("created".to_owned(), created);
    let container = v1.object("container_config", &names(CONFIG))?;
    let container = write_struct(container.as_ref(), CONFIG)?;
    members.insert("container_config".to_owned(), container);
    if let Some(config) = v1.object("config", &names(CONFIG))? {
        members.insert("config".to_owned(), write_struct(Some(&config), CONFIG)?);
    }
    Ok(members)
}

fn names(fields: &[Field]) -> Vec<&'static str> {
    fields.iter().map(|field| field.name).collect()
}

/// Writes the fields that `object` has, and blanks for the others.
fn write_struct(object: Option<&Object<'_>>, fields: &[Field]) -> Result<String, JsonError> {
    let mut written = go_json::Struct::default();
    for field in fields {
        let value = match object {
            Some(object) => read(object, field)?,
            None => None,
        };
        match value {
            Some(value) if !(field.omit_empty && field.kind.is_empty(&value)) => {
                written.member(field.name, &value);
            }
            None if !field.omit_empty => written.member(field.name, field.kind.blank()),
            Some(_) | None => {}
        }
    }
    Ok(written.finish())
}

/// Reads a value and writes it anew.
fn read(object: &Object<'_>, field: &Field) -> Result<Option<String>, JsonError> {
    let name = field.name;
    Ok(match field.kind {
        Kind::Text => object.get::<String>(name)?.map(|text| go_json::text(&text)),
        Kind::Flag => object.get::<bool>(name)?.map(|flag| flag.to_string()),
        Kind::Number | Kind::OptionalNumber => {
            object.get::<i64>(name)?.map(|number| number.to_string())
        }
        Kind::Texts => go_json::texts(object, name)?.map(|texts| write_texts(&texts)),
        Kind::Command => go_json::one_or_many(object, name)?.map(|texts| write_texts(&texts)),
        Kind::Map => {
            let map: Option<BTreeMap<String, Option<String>>> = object.get(name)?;
            map.map(|map| {
                write_map(map.iter().map(|(name, value)| {
                    let value = value.as_deref().unwrap_or_default();
                    (&**name, go_json::text(value))
                }))
            })
        }
        Kind::Set => {
            let set = object.object(name, &[])?;
            set.map(|set| write_set(&set)).transpose()?
        }
        Kind::Optional(fields) => {
            let inner = object.object(name, &names(fields))?;
            inner
                .map(|inner| write_struct(Some(&inner), fields))
                .transpose()?
        }
    })
}

fn write_texts(texts: &[String]) -> String {
    go_json::array(texts.iter().map(|text| go_json::text(text)))
}

/// Writes a map to structs that have no fields.
fn write_set(set: &Object<'_>) -> Result<String, JsonError> {
    let mut map = go_json::Struct::default();
    for name in set.names() {
        set.object(name, &[])?;
        map.member(name, "{}");
    }
    Ok(map.finish())
}

fn write_map<'a>(members: impl Iterator<Item = (&'a str, String)>) -> String {
    let mut map = go_json::Struct::default();
    for (name, value) in members {
        map.member(name, &value);
    }
    map.finish()
}
