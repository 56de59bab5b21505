//! The payload of a schema 1 manifest.

use windlass_oci::text::sanitize;
use windlass_oci::{Digest, JsonError};

use crate::history::V1History;
use crate::object::Object;
use crate::{ExpectedManifest, ExpectedVersion, HistoryError, Schema1Error};

/// The media types of schema 1, the signed one first.
///
/// Both are accepted for the same document; a document without signatures is rejected.
pub const MEDIA_TYPES: [&str; 2] = [
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
    "application/vnd.docker.distribution.manifest.v1+json",
];

/// The largest number of histories of a manifest, including those without a layer (T21).
///
/// The largest number of layers is [`windlass_oci::MAX_LAYERS`], as for every image.
pub const MAX_HISTORY: usize = 4096;

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

/// The members that only other manifest formats have.
pub(crate) const OTHER_FORMATS: [&str; 4] = ["manifests", "config", "layers", "blobs"];

/// A payload of which only the format has been checked.
pub(crate) struct Payload<'a>(Object<'a>);

/// A layer with its history.
pub(crate) struct LayerEntry {
    pub(crate) blob: Digest,
    pub(crate) history: V1History,
    /// The index in the manifest; the top layer is first.
    pub(crate) index: usize,
}

impl<'a> Payload<'a> {
    pub(crate) fn parse(payload: &'a [u8]) -> Result<Self, Schema1Error> {
        let manifest = Object::parse(payload, KEYS)?;
        match manifest.require("schemaVersion")? {
            1 => {}
            found => return Err(Schema1Error::SchemaVersion { found }),
        }
        let is_present = |key: &&str| manifest.raw(key).is_some();
        if let Some(key) = OTHER_FORMATS.into_iter().find(is_present) {
            return Err(Schema1Error::Ambiguous { key });
        }
        let media_type = manifest.text("mediaType")?;
        if !(media_type.is_empty() || MEDIA_TYPES.contains(&&*media_type)) {
            let media_type = sanitize(&media_type);
            return Err(Schema1Error::MediaType { media_type });
        }
        Ok(Self(manifest))
    }

    /// Checks that the manifest is signed for the requested repository and tag (S1-1).
    pub(crate) fn check_name(&self, expected: &ExpectedManifest<'_>) -> Result<(), Schema1Error> {
        let name = self.0.text("name")?;
        if name != expected.repository {
            return Err(Schema1Error::Name {
                found: sanitize(&name),
                expected: sanitize(expected.repository),
            });
        }
        let ExpectedVersion::Tag(expected) = expected.version else {
            return Ok(());
        };
        let tag = self.0.text("tag")?;
        if tag != expected.as_str() {
            return Err(Schema1Error::Tag {
                found: sanitize(&tag),
                expected: sanitize(expected.as_str()),
            });
        }
        Ok(())
    }

    pub(crate) fn architecture(&self) -> Result<String, JsonError> {
        self.0.text("architecture")
    }

    /// Returns the layers with their histories, at least one; the top layer is first (S1-2).
    pub(crate) fn entries(&self) -> Result<Vec<LayerEntry>, Schema1Error> {
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
            entries.push(LayerEntry {
                blob: layer.require("blobSum")?,
                history: V1History::read(history.require(V1)?).map_err(at)?,
                index,
            });
        }
        Ok(entries)
    }
}
