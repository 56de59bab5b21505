//! The manifests of the index of an image (`manifests=1`, since version 1.47).

use std::collections::BTreeMap;

use serde::Deserialize;
use windlass::Engine;
use windlass::error::StoreError;
use windlass::image::{ImageSummary, ImageTree, PlatformImage};
use windlass_docker_api as api;

use super::values::signed;

/// The manifests of an index.
#[derive(Deserialize)]
struct IndexManifests {
    #[serde(default)]
    manifests: Vec<api::OciDescriptor>,
}

/// The annotation of a manifest that is not an image but an attestation.
const REFERENCE_TYPE: &str = "vnd.docker.reference.type";
const ATTESTATION: &str = "attestation-manifest";

/// All images with their platforms, looked up once for a list.
pub(super) struct Manifests(Vec<ImageTree>);

impl Manifests {
    /// Reads them from the store.
    pub(super) fn read(engine: &Engine) -> Result<Self, StoreError> {
        engine.image_trees().map(Self)
    }

    /// Returns the manifests of the index of `image`; without an index, its own manifest.
    pub(super) fn of(
        &self,
        engine: &Engine,
        image: &ImageSummary,
    ) -> Result<Vec<api::ImageManifestSummary>, StoreError> {
        let tree = self.0.iter().find(|tree| tree.target == image.target);
        let bytes = engine.read_document(&image.target)?;
        let index: IndexManifests = serde_json::from_slice(&bytes).unwrap_or(IndexManifests {
            manifests: Vec::new(),
        });
        let platforms = tree.map_or(&[][..], |tree| &tree.platforms);
        if index.manifests.is_empty() {
            let own = super::image_details::descriptor(&image.target, &bytes);
            return Ok(platforms
                .iter()
                .map(|one| manifest(own.clone(), Some(one)))
                .collect());
        }
        let entries = index.manifests.into_iter().map(|entry| {
            let is_entry = |one: &&PlatformImage| one.manifest.to_string() == entry.digest;
            let stored = platforms.iter().find(is_entry);
            manifest(entry, stored)
        });
        Ok(entries.collect())
    }
}

fn manifest(
    descriptor: api::OciDescriptor,
    stored: Option<&PlatformImage>,
) -> api::ImageManifestSummary {
    let kind = descriptor
        .annotations
        .get(REFERENCE_TYPE)
        .map(String::as_str);
    let kind = match kind {
        Some(ATTESTATION) => "attestation",
        _ => "image",
    };
    let image = stored.and_then(|stored| stored.image.as_ref());
    let (content, unpacked) = match image {
        Some(image) => (
            signed(image.compressed).saturating_add(descriptor.size),
            signed(image.size),
        ),
        None => (0, 0),
    };
    let image_data = (kind == "image").then(|| api::ManifestImageData {
        platform: descriptor
            .platform
            .clone()
            .or(stored.map(platform))
            .unwrap_or_default(),
        containers: Vec::new(),
        size: BTreeMap::from([("Unpacked".to_owned(), unpacked)]),
    });
    api::ImageManifestSummary {
        id: descriptor.digest.clone(),
        available: image.is_some(),
        size: api::ManifestSize {
            content,
            total: content.saturating_add(unpacked),
        },
        kind: kind.to_owned(),
        image_data,
        descriptor,
    }
}

fn platform(stored: &PlatformImage) -> api::OciPlatform {
    let platform = &stored.platform;
    api::OciPlatform {
        architecture: platform.architecture.clone(),
        os: platform.os.clone(),
        os_version: platform.os_version.clone().unwrap_or_default(),
        variant: platform.variant.clone().unwrap_or_default(),
    }
}
