//! A manifest as it is sent, and the judgement of what it is.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::{
    Ambiguity, ArtifactKind, ImageManifest, Index, MAX_INDEX_ENTRIES, MAX_LAYERS, Manifest,
    ManifestError,
};
use crate::json::text_map;
use crate::text::shown;
use crate::{Descriptor, MediaType};

/// The fields of every kind of manifest; a field that is `null` is as good as absent.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document {
    schema_version: Option<u64>,
    #[serde(default)]
    media_type: MediaType,
    artifact_type: Option<String>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
    /// The layers of an OCI artifact manifest.
    blobs: Option<IgnoredAny>,
    /// The layers of schema 1.
    fs_layers: Option<IgnoredAny>,
    #[serde(default, deserialize_with = "text_map")]
    annotations: BTreeMap<String, String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Image,
    Index,
}

impl Document {
    pub(super) fn into_manifest(self, header: MediaType) -> Result<Manifest, ManifestError> {
        self.refuse_other_documents(&header)?;
        let shape = self.shape()?;
        let media_type = self.media_type(shape, header)?;
        match shape {
            Shape::Image => self.into_image(media_type).map(Manifest::Image),
            Shape::Index => self.into_index(media_type).map(Manifest::Index),
        }
    }

    fn refuse_other_documents(&self, header: &MediaType) -> Result<(), ManifestError> {
        if self.schema_version == Some(1) || self.media_type.is_schema1() || header.is_schema1() {
            return Err(ManifestError::Schema1);
        }
        if self.media_type == MediaType::OciArtifact || *header == MediaType::OciArtifact {
            let kind = match self.artifact_type.as_deref() {
                None | Some("") => MediaType::OciArtifact,
                Some(artifact_type) => MediaType::from(artifact_type),
            };
            return Err(ManifestError::NotAnImage(ArtifactKind::Artifact(kind)));
        }
        match self.schema_version {
            Some(2) => Ok(()),
            Some(version) => Err(ManifestError::SchemaVersion {
                found: shown(&version.to_string()),
            }),
            None => Err(ManifestError::Shape {
                missing: "schemaVersion",
            }),
        }
    }

    /// Tells the kind of document by the fields it has, which must be those of one kind.
    fn shape(&self) -> Result<Shape, ManifestError> {
        let has = [
            ("config", self.config.is_some()),
            ("layers", self.layers.is_some()),
            ("fsLayers", self.fs_layers.is_some()),
            ("blobs", self.blobs.is_some()),
        ];
        let mut fields = has
            .iter()
            .filter(|(_, there)| *there)
            .map(|(field, _)| *field);
        if self.manifests.is_some() {
            return match fields.next() {
                None => Ok(Shape::Index),
                Some(other) => Err(ManifestError::Ambiguous(Ambiguity::Shapes(
                    "manifests",
                    other,
                ))),
            };
        }
        let foreign = fields
            .clone()
            .find(|field| matches!(*field, "fsLayers" | "blobs"));
        match (fields.next(), foreign) {
            (Some(field), Some(other)) if field != other => {
                Err(ManifestError::Ambiguous(Ambiguity::Shapes(field, other)))
            }
            // Go writes the empty list of an empty index as `null`.
            (None, None) if self.media_type.is_index() => Ok(Shape::Index),
            (Some("config" | "layers"), _) => Ok(Shape::Image),
            _ => Err(ManifestError::Shape { missing: "config" }),
        }
    }

    /// Brings together the type in the document, the one in the header and the one of the shape.
    fn media_type(&self, shape: Shape, header: MediaType) -> Result<MediaType, ManifestError> {
        let field = self.media_type.clone();
        let header = if is_generic(&header) {
            MediaType::Unspecified
        } else {
            header
        };
        for media_type in [&field, &header] {
            if *media_type == MediaType::Unspecified {
                continue;
            }
            let (fits, has) = match shape {
                Shape::Image => (media_type.is_manifest(), "layers"),
                Shape::Index => (media_type.is_index(), "manifests"),
            };
            if !media_type.is_manifest() && !media_type.is_index() {
                let media_type = media_type.clone();
                return Err(ManifestError::Unsupported { media_type });
            }
            if !fits {
                let media_type = media_type.clone();
                return Err(ManifestError::Ambiguous(Ambiguity::MediaType {
                    media_type,
                    has,
                }));
            }
        }
        match (field, header) {
            (MediaType::Unspecified, MediaType::Unspecified) => Ok(match shape {
                Shape::Image => MediaType::OciManifest,
                Shape::Index => MediaType::OciIndex,
            }),
            (MediaType::Unspecified, media_type) | (media_type, MediaType::Unspecified) => {
                Ok(media_type)
            }
            (field, header) if field == header => Ok(field),
            (field, header) => Err(ManifestError::Ambiguous(Ambiguity::ContentType {
                field,
                header,
            })),
        }
    }

    fn into_image(self, media_type: MediaType) -> Result<ImageManifest, ManifestError> {
        let layers = self.layers.unwrap_or_default();
        let missing = ManifestError::Shape { missing: "config" };
        let config = self.config.ok_or(missing)?;
        if let Some(kind) = artifact_kind(&media_type, &config, &layers, self.artifact_type) {
            return Err(ManifestError::NotAnImage(kind));
        }
        at_most(MAX_LAYERS, layers.len(), "layers")?;
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

fn at_most(limit: usize, count: usize, what: &'static str) -> Result<(), ManifestError> {
    if count > limit {
        return Err(ManifestError::TooMany { what, count, limit });
    }
    Ok(())
}

/// Returns whether a content type says no more than that here are some bytes.
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

/// Returns what the manifest describes, if that is not an image (MF-4).
fn artifact_kind(
    manifest: &MediaType,
    config: &Descriptor,
    layers: &[Descriptor],
    artifact_type: Option<String>,
) -> Option<ArtifactKind> {
    if config.media_type == MediaType::DockerPlugin {
        return Some(ArtifactKind::Plugin);
    }
    if !is_image_config(manifest, &config.media_type) {
        return Some(match artifact_type.filter(|kind| !kind.is_empty()) {
            Some(kind) => ArtifactKind::Artifact(MediaType::from(kind.as_str())),
            None => ArtifactKind::Config(config.media_type.clone()),
        });
    }
    let index = layers
        .iter()
        .position(|layer| !may_be_layer(&layer.media_type))?;
    let media_type = layers[index].media_type.clone();
    Some(ArtifactKind::Layer { index, media_type })
}

/// Docker's first schema 2 manifests carry whatever type the registry guessed for their config.
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

/// Types that nobody registered are let through, since content tells what a layer is; but not those that
/// say themselves that they are no tar.
fn may_be_layer(media_type: &MediaType) -> bool {
    match media_type {
        MediaType::Other(text) => {
            !(text.ends_with("json") || text.ends_with("+encrypted") || text.starts_with("text/"))
        }
        MediaType::Unspecified => true,
        known => known.is_layer(),
    }
}
