//! The manifests of an image's index: which are here, for those who ask (`manifests=1`, from 1.47 on).

use std::collections::BTreeMap;

use serde::Deserialize;
use windlass::{Engine, ImageSummary, ImageTree, PlatformImage, StoreError};
use windlass_engine_api as api;

use super::images::signed;

/// What an index says.
#[derive(Deserialize)]
struct Index {
    #[serde(default)]
    manifests: Vec<api::OciDescriptor>,
}

/// The mark of what is no image, but says something of one.
const REFERENCE_TYPE: &str = "vnd.docker.reference.type";
const ATTESTATION: &str = "attestation-manifest";

/// All trees, looked up once for all images.
pub(super) struct Manifests(Vec<ImageTree>);

impl Manifests {
    /// Looks at what is here.
    pub(super) fn here(engine: &Engine) -> Result<Self, StoreError> {
        engine.image_trees().map(Self)
    }

    /// Returns the manifests of the index that `image` came with; of an image that came alone, its own.
    pub(super) fn of(
        &self,
        engine: &Engine,
        image: &ImageSummary,
    ) -> Result<Vec<api::ImageManifestSummary>, StoreError> {
        let tree = self.0.iter().find(|tree| tree.target == image.target);
        let bytes = engine.read_document(&image.target)?;
        let index: Index = serde_json::from_slice(&bytes).unwrap_or(Index {
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
            let is_it = |one: &&PlatformImage| one.manifest.to_string() == entry.digest;
            let held = platforms.iter().find(is_it);
            manifest(entry, held)
        });
        Ok(entries.collect())
    }
}

fn manifest(
    descriptor: api::OciDescriptor,
    held: Option<&PlatformImage>,
) -> api::ImageManifestSummary {
    let kind = descriptor
        .annotations
        .get(REFERENCE_TYPE)
        .map(String::as_str);
    let kind = match kind {
        Some(ATTESTATION) => "attestation",
        _ => "image",
    };
    let image = held.and_then(|held| held.image.as_ref());
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
            .or(held.map(platform))
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

fn platform(held: &PlatformImage) -> api::OciPlatform {
    let platform = &held.platform;
    api::OciPlatform {
        architecture: platform.architecture.clone(),
        os: platform.os.clone(),
        os_version: platform.os_version.clone().unwrap_or_default(),
        variant: platform.variant.clone().unwrap_or_default(),
    }
}
