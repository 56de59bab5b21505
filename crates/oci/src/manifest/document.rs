//! The JSON document of a manifest, and how its format is determined.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::error::{ArtifactKind, ManifestAmbiguity, ManifestError};
use super::types::{ImageManifest, Index, MAX_INDEX_ENTRIES, MAX_LAYERS, Manifest};
use crate::json::{read_from_objects, string_map};
use crate::{Descriptor, MediaType};

/// The fields of all manifest formats; a field that is `null` is treated as absent.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", remote = "Self")]
pub(super) struct ManifestDocument {
    schema_version: Option<u64>,
    #[serde(default)]
    media_type: MediaType,
    artifact_type: Option<String>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
    /// The layers of an OCI artifact manifest.
    blobs: Option<IgnoredAny>,
    /// The layers of a schema 1 manifest.
    fs_layers: Option<IgnoredAny>,
    #[serde(default, deserialize_with = "string_map")]
    annotations: BTreeMap<String, String>,
}

read_from_objects! { ManifestDocument }

/// The keys that are read in a manifest; other spellings of them are rejected, except in annotations.
pub(super) const KEYS: &[&str] = &[
    "schemaVersion",
    "mediaType",
    "artifactType",
    "config",
    "layers",
    "manifests",
    "blobs",
    "fsLayers",
    "digest",
    "size",
    "urls",
    "platform",
    "os",
    "architecture",
    "variant",
    "os.version",
    "os.features",
];

/// The format of a document, with a field that only this format has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum DocumentFormat {
    Image(&'static str),
    Index(&'static str),
}

impl ManifestDocument {
    pub(super) fn into_manifest(self, header: MediaType) -> Result<Manifest, ManifestError> {
        self.reject_unsupported(&header)?;
        let format = self.format()?;
        let media_type = self.media_type(format, header)?;
        match format {
            DocumentFormat::Image(_) => self.into_image(media_type).map(Manifest::Image),
            DocumentFormat::Index(_) => self.into_index(media_type).map(Manifest::Index),
        }
    }

    fn reject_unsupported(&self, header: &MediaType) -> Result<(), ManifestError> {
        if self.schema_version == Some(1) || self.media_type.is_schema1() || header.is_schema1() {
            return Err(ManifestError::Schema1);
        }
        if self.media_type == MediaType::OciArtifact || *header == MediaType::OciArtifact {
            let kind = self.artifact_type().unwrap_or(MediaType::OciArtifact);
            return Err(ManifestError::NotAnImage(ArtifactKind::Artifact(kind)));
        }
        match self.schema_version {
            Some(2) => Ok(()),
            Some(found) => Err(ManifestError::SchemaVersion { found }),
            None => Err(ManifestError::MissingField {
                missing: "schemaVersion",
            }),
        }
    }

    fn artifact_type(&self) -> Option<MediaType> {
        let artifact_type = self
            .artifact_type
            .as_deref()
            .filter(|text| !text.is_empty());
        artifact_type.map(MediaType::from)
    }

    /// Determines the format by the fields of the document; they must all be of the same format.
    fn format(&self) -> Result<DocumentFormat, ManifestError> {
        let fields = [
            ("manifests", self.manifests.is_some()),
            ("config", self.config.is_some()),
            ("layers", self.layers.is_some()),
            ("fsLayers", self.fs_layers.is_some()),
            ("blobs", self.blobs.is_some()),
        ];
        let fields = fields
            .into_iter()
            .filter_map(|(field, is_present)| is_present.then_some(field));
        let fields: Vec<_> = fields.collect();
        match fields[..] {
            ["manifests"] => Ok(DocumentFormat::Index("manifests")),
            ["config"] | ["config", "layers"] => Ok(DocumentFormat::Image("config")),
            // Go writes the empty list of an empty index as `null`.
            [] if self.media_type.is_index() => Ok(DocumentFormat::Index("manifests")),
            ["fsLayers"] => Err(ManifestError::Schema1),
            [] | [_] => Err(ManifestError::MissingField { missing: "config" }),
            [first, .., last] => Err(ManifestError::Ambiguous(ManifestAmbiguity::Fields(
                first, last,
            ))),
        }
    }

    /// Determines the media type from the document, the header and the format, which must agree.
    fn media_type(
        &self,
        format: DocumentFormat,
        header: MediaType,
    ) -> Result<MediaType, ManifestError> {
        let stated = self.media_type.clone();
        let header = if is_generic(&header) {
            MediaType::Unspecified
        } else {
            header
        };
        for media_type in [&stated, &header] {
            check_type(media_type, format)?;
        }
        match (stated, header) {
            (MediaType::Unspecified, MediaType::Unspecified) => Ok(match format {
                DocumentFormat::Image(_) => MediaType::OciManifest,
                DocumentFormat::Index(_) => MediaType::OciIndex,
            }),
            (MediaType::Unspecified, only) | (only, MediaType::Unspecified) => Ok(only),
            (stated, header) if stated == header => Ok(stated),
            (stated, header) => Err(ManifestError::Ambiguous(ManifestAmbiguity::ContentType {
                stated,
                header,
            })),
        }
    }

    fn into_image(self, media_type: MediaType) -> Result<ImageManifest, ManifestError> {
        let artifact_type = self.artifact_type();
        let layers = self.layers.unwrap_or_default();
        let missing = ManifestError::MissingField { missing: "config" };
        let config = self.config.ok_or(missing)?;
        at_most(MAX_LAYERS, layers.len(), "layers")?;
        if let Some(kind) = artifact_kind(&media_type, &config, &layers, artifact_type) {
            return Err(ManifestError::NotAnImage(kind));
        }
        Ok(ImageManifest {
            media_type,
            config,
            layers,
            annotations: self.annotations,
        })
    }

    fn into_index(self, media_type: MediaType) -> Result<Index, ManifestError> {
        let manifests = self.manifests.unwrap_or_default();
        at_most(MAX_INDEX_ENTRIES, manifests.len(), "entries")?;
        Ok(Index {
            media_type,
            manifests,
            annotations: self.annotations,
        })
    }
}

/// Checks that a media type is one of the format; an unspecified one is accepted.
fn check_type(media_type: &MediaType, format: DocumentFormat) -> Result<(), ManifestError> {
    let (agrees, field) = match format {
        DocumentFormat::Image(field) => (media_type.is_manifest(), field),
        DocumentFormat::Index(field) => (media_type.is_index(), field),
    };
    if agrees || *media_type == MediaType::Unspecified {
        return Ok(());
    }
    let media_type = media_type.clone();
    if media_type.is_manifest() || media_type.is_index() {
        return Err(ManifestError::Ambiguous(ManifestAmbiguity::MediaType {
            media_type,
            field,
        }));
    }
    Err(ManifestError::Unsupported { media_type })
}

fn at_most(limit: usize, count: usize, what: &'static str) -> Result<(), ManifestError> {
    if count > limit {
        return Err(ManifestError::TooMany { what, count, limit });
    }
    Ok(())
}

/// Returns whether a content type is a generic one that registries and proxies send for any document.
fn is_generic(header: &MediaType) -> bool {
    match header {
        MediaType::Unspecified => true,
        MediaType::Other(text) => matches!(
            text.as_str(),
            "application/json"
                | "text/json"
                | "text/plain"
                | "application/octet-stream"
                | "binary/octet-stream"
        ),
        _ => false,
    }
}

/// Returns the kind of artifact, if the manifest is not one of an image (MF-4).
fn artifact_kind(
    manifest: &MediaType,
    config: &Descriptor,
    layers: &[Descriptor],
    artifact_type: Option<MediaType>,
) -> Option<ArtifactKind> {
    if config.media_type == MediaType::DockerPlugin {
        return Some(ArtifactKind::Plugin);
    }
    if !is_image_config(manifest, &config.media_type) {
        return Some(match artifact_type {
            Some(kind) => ArtifactKind::Artifact(kind),
            None => ArtifactKind::Config(config.media_type.clone()),
        });
    }
    let index = layers
        .iter()
        .position(|layer| !may_be_layer(&layer.media_type))?;
    let media_type = layers[index].media_type.clone();
    Some(ArtifactKind::Layer { index, media_type })
}

/// Returns whether a media type is that of an image config. The first registries with Docker's schema 2 stored the
/// media type that they guessed for the config, so guessed types are accepted in those manifests.
fn is_image_config(manifest: &MediaType, config: &MediaType) -> bool {
    match config {
        MediaType::Other(text) => {
            let guessed = ["application/octet-stream", "application/json", "text/html"];
            *manifest == MediaType::DockerManifest && guessed.contains(&text.as_str())
        }
        MediaType::Unspecified => *manifest == MediaType::DockerManifest,
        known => known.is_config(),
    }
}

/// Returns whether a blob of this type may be a layer. Unknown types are accepted, because the compression of a layer
/// is detected from its content; types of JSON, text and encrypted data are not.
fn may_be_layer(media_type: &MediaType) -> bool {
    match media_type {
        MediaType::Other(text) => {
            !(text.ends_with("json") || text.ends_with("+encrypted") || text.starts_with("text/"))
        }
        MediaType::Unspecified => true,
        known => known.is_layer(),
    }
}
