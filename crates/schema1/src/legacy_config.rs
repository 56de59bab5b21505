//! v1 configs that were written by Docker before 1.8.3, whose members differ between versions.
//!
//! Docker rewrites them: known members in the order of its Go structs, with empty values for missing members, and
//! without unknown members (S1-6). The known members are those of Docker 17.03.

use std::collections::BTreeMap;

use windlass_oci::JsonError;

use crate::history::created;
use crate::object::Object;
use crate::{HistoryError, go_json};

/// A field of a Go struct.
struct GoField {
    name: &'static str,
    kind: FieldKind,
    /// Whether Go omits the field if it is empty (`omitempty`).
    omit_empty: bool,
}

#[derive(Clone, Copy)]
enum FieldKind {
    Text,
    Flag,
    Number,
    /// A number that is empty only if it is absent.
    OptionalNumber,
    Texts,
    /// An array of strings, or a single string.
    Command,
    /// A map of strings.
    Map,
    /// A map with empty objects as values.
    Set,
    /// A struct that is empty only if it is absent.
    Optional(&'static [GoField]),
}

const fn always(name: &'static str, kind: FieldKind) -> GoField {
    GoField {
        name,
        kind,
        omit_empty: false,
    }
}

const fn unless_empty(name: &'static str, kind: FieldKind) -> GoField {
    GoField {
        name,
        kind,
        omit_empty: true,
    }
}

/// The fields of `HealthConfig`.
const HEALTH: &[GoField] = &[
    unless_empty("Test", FieldKind::Texts),
    unless_empty("Interval", FieldKind::Number),
    unless_empty("Timeout", FieldKind::Number),
    unless_empty("Retries", FieldKind::Number),
];

/// The fields of `container.Config`.
const CONFIG: &[GoField] = &[
    always("Hostname", FieldKind::Text),
    always("Domainname", FieldKind::Text),
    always("User", FieldKind::Text),
    always("AttachStdin", FieldKind::Flag),
    always("AttachStdout", FieldKind::Flag),
    always("AttachStderr", FieldKind::Flag),
    unless_empty("ExposedPorts", FieldKind::Set),
    always("Tty", FieldKind::Flag),
    always("OpenStdin", FieldKind::Flag),
    always("StdinOnce", FieldKind::Flag),
    always("Env", FieldKind::Texts),
    always("Cmd", FieldKind::Command),
    unless_empty("Healthcheck", FieldKind::Optional(HEALTH)),
    unless_empty("ArgsEscaped", FieldKind::Flag),
    always("Image", FieldKind::Text),
    always("Volumes", FieldKind::Set),
    always("WorkingDir", FieldKind::Text),
    always("Entrypoint", FieldKind::Command),
    unless_empty("NetworkDisabled", FieldKind::Flag),
    unless_empty("MacAddress", FieldKind::Text),
    always("OnBuild", FieldKind::Texts),
    always("Labels", FieldKind::Map),
    unless_empty("StopSignal", FieldKind::Text),
    unless_empty("StopTimeout", FieldKind::OptionalNumber),
    unless_empty("Shell", FieldKind::Command),
];

/// The string fields of `V1Image` that an image config keeps.
const TEXTS: [&str; 6] = [
    "architecture",
    "author",
    "comment",
    "container",
    "docker_version",
    "os",
];

impl FieldKind {
    /// Returns the JSON that Go writes for an absent value.
    fn empty_value(self) -> &'static str {
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

    /// Returns whether Go treats this JSON value as empty.
    fn is_empty(self, value: &str) -> bool {
        match self {
            Self::Text | Self::Flag | Self::Number => value == self.empty_value(),
            Self::Texts | Self::Command => value == "[]",
            Self::Map | Self::Set => value == "{}",
            Self::OptionalNumber | Self::Optional(_) => false,
        }
    }
}

/// Returns the members of a v1 config as Docker rewrites them, without those that image configs do not have.
pub(crate) fn rewrite(v1: &Object<'_>) -> Result<BTreeMap<String, String>, HistoryError> {
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

fn names(fields: &[GoField]) -> Vec<&'static str> {
    fields.iter().map(|field| field.name).collect()
}

/// Writes the fields that `object` has, and empty values for the others.
fn write_struct(object: Option<&Object<'_>>, fields: &[GoField]) -> Result<String, JsonError> {
    let mut written = go_json::ObjectWriter::default();
    for field in fields {
        let value = match object {
            Some(object) => rewrite_value(object, field)?,
            None => None,
        };
        match value {
            Some(value) if !(field.omit_empty && field.kind.is_empty(&value)) => {
                written.member(field.name, &value);
            }
            None if !field.omit_empty => written.member(field.name, field.kind.empty_value()),
            Some(_) | None => {}
        }
    }
    Ok(written.finish())
}

/// Reads a value and returns it as Go writes it.
fn rewrite_value(object: &Object<'_>, field: &GoField) -> Result<Option<String>, JsonError> {
    let name = field.name;
    Ok(match field.kind {
        FieldKind::Text => object.get::<String>(name)?.map(|text| go_json::text(&text)),
        FieldKind::Flag => object.get::<bool>(name)?.map(|flag| flag.to_string()),
        FieldKind::Number | FieldKind::OptionalNumber => {
            object.get::<i64>(name)?.map(|number| number.to_string())
        }
        FieldKind::Texts => go_json::texts(object, name)?.map(|texts| write_texts(&texts)),
        FieldKind::Command => go_json::one_or_many(object, name)?.map(|texts| write_texts(&texts)),
        FieldKind::Map => {
            let map: Option<BTreeMap<String, Option<String>>> = object.get(name)?;
            map.map(|map| {
                write_map(map.iter().map(|(name, value)| {
                    let value = value.as_deref().unwrap_or_default();
                    (&**name, go_json::text(value))
                }))
            })
        }
        FieldKind::Set => {
            let set = object.object(name, &[])?;
            set.map(|set| write_set(&set)).transpose()?
        }
        FieldKind::Optional(fields) => {
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

/// Writes a map whose values are empty objects.
fn write_set(set: &Object<'_>) -> Result<String, JsonError> {
    let mut map = go_json::ObjectWriter::default();
    for name in set.names() {
        set.object(name, &[])?;
        map.member(name, "{}");
    }
    Ok(map.finish())
}

fn write_map<'a>(members: impl Iterator<Item = (&'a str, String)>) -> String {
    let mut map = go_json::ObjectWriter::default();
    for (name, value) in members {
        map.member(name, &value);
    }
    map.finish()
}
