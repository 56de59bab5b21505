//! The payload: what a schema 1 manifest says.

use windlass_oci::text::sanitize;
use windlass_oci::{Digest, JsonError};

use crate::history::History;
use crate::object::Object;
use crate::{
    ExpectedManifest, ExpectedVersion, HistoryError, MAX_HISTORY, MEDIA_TYPES, Schema1Error,
};

const KEYS: &[&str] = &[
    "schemaVersion",
    "mediaType",
    "name",
    "tag",
    "architecture",
    "fsLayers",
    "history",
    "manifests",
    "config",
    "layers",
    "blobs",
];

const V1: &str = "v1Compatibility";

/// The members that only other kinds of manifest have.
pub(crate) const OTHER_KINDS: [&str; 4] = ["manifests", "config", "layers", "blobs"];

/// The payload, of which nothing but its kind is checked yet.
pub(crate) struct Manifest<'a>(Object<'a>);

/// A layer and its history.
pub(crate) struct Entry {
    pub(crate) blob: Digest,
    pub(crate) history: History,
    /// Its place in the manifest, the top one first.
    pub(crate) index: usize,
}

impl<'a> Manifest<'a> {
    pub(crate) fn parse(payload: &'a [u8]) -> Result<Self, Schema1Error> {
        let manifest = Object::parse(payload, KEYS)?;
        match manifest.require("schemaVersion")? {
            1 => {}
            found => return Err(Schema1Error::SchemaVersion { found }),
        }
        let is_there = |key: &&str| manifest.raw(key).is_some();
        if let Some(key) = OTHER_KINDS.into_iter().find(is_there) {
            return Err(Schema1Error::Ambiguous { key });
        }
        let media_type = manifest.text("mediaType")?;
        if !(media_type.is_empty() || MEDIA_TYPES.contains(&&*media_type)) {
            let media_type = sanitize(&media_type);
            return Err(Schema1Error::MediaType { media_type });
        }
        Ok(Self(manifest))
    }

    /// Checks that the manifest is signed for what was asked for (S1-1).
    pub(crate) fn check_name(&self, expected: &ExpectedManifest<'_>) -> Result<(), Schema1Error> {
        let name = self.0.text("name")?;
        if name != expected.repository {
            return Err(Schema1Error::Name {
                found: sanitize(&name),
                asked: sanitize(expected.repository),
            });
        }
        let ExpectedVersion::Tag(asked) = expected.version else {
            return Ok(());
        };
        let tag = self.0.text("tag")?;
        if tag != asked.as_str() {
            return Err(Schema1Error::Tag {
                found: sanitize(&tag),
                asked: sanitize(asked.as_str()),
            });
        }
        Ok(())
    }

    pub(crate) fn architecture(&self) -> Result<String, JsonError> {
        self.0.text("architecture")
    }

    /// Returns the layers with their histories, the top one first; there is at least one (S1-2).
    pub(crate) fn entries(&self) -> Result<Vec<Entry>, Schema1Error> {
        let layers = self.0.list::<MAX_HISTORY>("fsLayers")?;
        let histories = self.0.list::<MAX_HISTORY>("history")?;
        if layers.len() != histories.len() {
            return Err(Schema1Error::Lengths {
                layers: layers.len(),
                histories: histories.len(),
            });
        }
        if layers.is_empty() {
            return Err(Schema1Error::Empty);
        }
        let mut entries = Vec::with_capacity(layers.len());
        for (index, (layer, history)) in layers.into_iter().zip(histories).enumerate() {
            let layer = Object::nested(format!("fsLayers[{index}]"), layer, &["blobSum"])?;
            let history = Object::nested(format!("history[{index}]"), history, &[V1])?;
            let at = |source: HistoryError| Schema1Error::History { index, source };
            entries.push(Entry {
                blob: layer.require("blobSum")?,
                history: History::read(history.require(V1)?).map_err(at)?,
                index,
            });
        }
        Ok(entries)
    }
}
