//! A manifest as it is sent, and the judgement of what it is.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::{
    Ambiguity, ArtifactKind, ImageManifest, Index, MAX_INDEX_ENTRIES, MAX_LAYERS, Manifest,
    ManifestError,
};
use crate::json::{read_from_objects, text_map};
use crate::{Descriptor, MediaType};

/// The fields of every kind of manifest; a field that is `null` is as good as absent.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", remote = "Self")]
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

read_from_objects! { Document }

/// The keys that are read in a manifest. (What stands in annotations is free.)
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

/// What a document looks like, and a field by which that is seen.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Image(&'static str),
    Index(&'static str),
}

impl Document {
    pub(super) fn into_manifest(self, header: MediaType) -> Result<Manifest, ManifestError> {
        self.refuse_other_documents(&header)?;
        let shape = self.shape()?;
        let media_type = self.media_type(shape, header)?;
        match shape {
            Shape::Image(_) => self.into_image(media_type).map(Manifest::Image),
            Shape::Index(_) => self.into_index(media_type).map(Manifest::Index),
        }
    }

    fn refuse_other_documents(&self, header: &MediaType) -> Result<(), ManifestError> {
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
            None => Err(ManifestError::Shape {
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

    /// Tells the kind of document by the fields it has, which must be those of one kind.
    fn shape(&self) -> Result<Shape, ManifestError> {
        let fields = [
            ("manifests", self.manifests.is_some()),
            ("config", self.config.is_some()),
            ("layers", self.layers.is_some()),
            ("fsLayers", self.fs_layers.is_some()),
            ("blobs", self.blobs.is_some()),
        ];
        let fields = fields
            .into_iter()
            .filter_map(|(field, there)| there.then_some(field));
        let fields: Vec<_> = fields.collect();
        match fields[..] {
            ["manifests"] => Ok(Shape::Index("manifests")),
            ["config"] | ["config", "layers"] => Ok(Shape::Image("config")),
            // Go writes the empty list of an empty index as `null`.
            [] if self.media_type.is_index() => Ok(Shape::Index("manifests")),
            ["fsLayers"] => Err(ManifestError::Schema1),
            [] | [_] => Err(ManifestError::Shape { missing: "config" }),
            [first, .., last] => Err(ManifestError::Ambiguous(Ambiguity::Shapes(first, last))),
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
            check_type(media_type, shape)?;
        }
        match (field, header) {
            (MediaType::Unspecified, MediaType::Unspecified) => Ok(match shape {
                Shape::Image(_) => MediaType::OciManifest,
                Shape::Index(_) => MediaType::OciIndex,
            }),
            (MediaType::Unspecified, stated) | (stated, MediaType::Unspecified) => Ok(stated),
            (field, header) if field == header => Ok(field),
            (field, header) => Err(ManifestError::Ambiguous(Ambiguity::ContentType {
                field,
                header,
            })),
        }
    }

    fn into_image(self, media_type: MediaType) -> Result<ImageManifest, ManifestError> {
        let artifact_type = self.artifact_type();
        let layers = self.layers.unwrap_or_default();
        let missing = ManifestError::Shape { missing: "config" };
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

/// Checks that a document of this shape may be of this type; to state none is no contradiction.
fn check_type(media_type: &MediaType, shape: Shape) -> Result<(), ManifestError> {
    let (fits, has) = match shape {
        Shape::Image(field) => (media_type.is_manifest(), field),
        Shape::Index(field) => (media_type.is_index(), field),
    };
    if fits || *media_type == MediaType::Unspecified {
        return Ok(());
    }
    let media_type = media_type.clone();
    if media_type.is_manifest() || media_type.is_index() {
        return Err(ManifestError::Ambiguous(Ambiguity::MediaType {
            media_type,
            has,
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
