//! A v1 history: the config of a layer from the time when each layer was an image of its own.

use windlass_oci::JsonError;
use windlass_oci::text::sanitize;

use crate::object::Object;
use crate::{HistoryError, go_json, go_time};

/// The members of v1 configs that are read here or end up in the image config; other spellings are rejected.
const KEYS: &[&str] = &[
    "id",
    "parent",
    "throwaway",
    "created",
    "author",
    "comment",
    "container",
    "container_config",
    "config",
    "docker_version",
    "architecture",
    "variant",
    "os",
    "rootfs",
    "history",
];

/// A parsed history.
pub(crate) struct V1History {
    /// 64 lower-case hex digits.
    pub(crate) id: String,
    pub(crate) parent: Option<String>,
    /// Whether the layer is empty and not part of the image.
    pub(crate) throwaway: bool,
    /// The entry in the history of the image config, as JSON.
    pub(crate) step: String,
    text: String,
}

impl V1History {
    pub(crate) fn read(text: String) -> Result<Self, HistoryError> {
        let v1 = Object::parse(text.as_bytes(), KEYS)?;
        let id = v1.text("id")?;
        if id.len() != 64
            || !id
                .bytes()
                .all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
        {
            let found = sanitize(&id);
            return Err(HistoryError::Id { found });
        }
        let throwaway = v1.get("throwaway")?.unwrap_or_default();
        Ok(Self {
            id,
            parent: v1.get("parent")?,
            throwaway,
            step: step(&v1, throwaway)?,
            text,
        })
    }

    /// Returns the v1 config as a JSON object.
    pub(crate) fn config(&self) -> Result<Object<'_>, JsonError> {
        Object::parse(self.text.as_bytes(), KEYS)
    }
}

/// Returns the entry in the history of the image config, as Go writes it (S1-5).
fn step(v1: &Object<'_>, is_empty_layer: bool) -> Result<String, HistoryError> {
    let command = v1.object("container_config", &["Cmd"])?;
    let command = command.map(|config| command_of(&config)).transpose()?;
    let command = command.flatten().unwrap_or_default();
    let mut step = go_json::ObjectWriter::default();
    step.member("created", &go_json::text(&created(v1)?));
    step.text_unless_empty("author", &v1.text("author")?);
    step.text_unless_empty("created_by", &command.join(" "));
    step.text_unless_empty("comment", &v1.text("comment")?);
    if is_empty_layer {
        step.member("empty_layer", "true");
    }
    Ok(step.finish())
}

/// Returns the creation time of a v1 config; Go's zero time if it has none.
pub(crate) fn created(v1: &Object<'_>) -> Result<String, HistoryError> {
    let Some(created) = v1.get::<String>("created")? else {
        return Ok(go_time::ZERO.to_owned());
    };
    go_time::rewrite(&created).ok_or_else(|| HistoryError::Created {
        found: sanitize(&created),
    })
}

fn command_of(config: &Object<'_>) -> Result<Option<Vec<String>>, JsonError> {
    go_json::one_or_many(config, "Cmd")
}
