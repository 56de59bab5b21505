//! Previews of pulls.

use bytes::Bytes;
use windlass_oci::{Digest, ImageId, ImageName, Manifest, Platform, Reference};
use windlass_registry::Endpoint;
use windlass_store::{FindError, Store};

use crate::documents::{ManifestContent, NamedManifest, RawDocument};
use crate::error::PullError;
use crate::events::{PlannedLayer, PullEvents};
use crate::image_layers::{find_stored_layers, list_partial_blobs};
use crate::plan::{ImagePlan, PlanSummary};
use crate::pull_context::PullContext;
use crate::puller::Puller;
use crate::request::PullRequest;
use crate::resolve::check_platform;
use crate::schema1;

/// The result of a pull, predicted without pulling.
#[derive(Clone, Debug)]
pub struct Preview {
    /// The requested reference, with `latest` if it had neither tag nor digest.
    pub reference: Reference,
    /// The digest of the index or manifest that the reference names at the registry.
    pub digest: Digest,
    /// The image that would be pulled. `None` for a manifest of schema 1, whose image ID depends on the content of the
    /// layers.
    pub image_id: Option<ImageId>,
    /// The stored image that the reference names.
    pub current: Option<ImageId>,
    /// Whether a pull would change the image that the reference names in the store.
    pub is_newer: bool,
    /// The image's platform.
    pub platform: Platform,
    /// The endpoint that resolved the reference.
    pub endpoint: Endpoint,
    /// All layers, base first.
    pub layers: Vec<PlannedLayer>,
    /// Bytes to download.
    pub missing_bytes: u64,
    /// Compressed bytes of stored layers.
    pub reused_bytes: u64,
    /// The part of `missing_bytes` that an unfinished earlier pull has downloaded.
    pub resumed_bytes: u64,
}

/// The image that would be pulled.
struct RemoteImage {
    digest: Digest,
    image_id: Option<ImageId>,
    platform: Platform,
    summary: PlanSummary,
}

/// The stored image that a reference names.
struct CurrentImage {
    image_id: ImageId,
    /// The digest that the reference named when it was pulled.
    target: Digest,
}

impl Puller {
    /// Predicts the result of [`Puller::pull`]. Manifests and the config are fetched, but no layer.
    pub async fn preview(
        &self,
        request: &PullRequest,
        events: &PullEvents,
    ) -> Result<Preview, PullError> {
        let context = PullContext::new(&self.remote(), request, events)?;
        let resolver = context.resolver(&self.store);
        let NamedManifest { endpoint, content } =
            resolver.resolve_reference(&context.reference).await?;
        let image = match content {
            ManifestContent::Manifest(document, manifest) => {
                self.preview_manifest(&context, document, *manifest).await?
            }
            ManifestContent::Schema1(bytes) => self.preview_schema1(&context, &bytes).await?,
        };
        let current = current_image(&self.store, &context.reference)?;
        Ok(Preview {
            is_newer: image.differs_from(current.as_ref()),
            current: current.map(|current| current.image_id),
            reference: context.reference,
            digest: image.digest,
            image_id: image.image_id,
            platform: image.platform,
            endpoint,
            layers: image.summary.layers,
            missing_bytes: image.summary.missing_bytes,
            reused_bytes: image.summary.reused_bytes,
            resumed_bytes: image.summary.resumed_bytes,
        })
    }

    async fn preview_manifest(
        &self,
        context: &PullContext<'_>,
        document: RawDocument,
        manifest: Manifest,
    ) -> Result<RemoteImage, PullError> {
        let platform = context.request.platform.as_ref();
        let resolver = context.resolver(&self.store);
        let resolved = resolver.select_image(document, manifest, platform).await?;
        let plan = ImagePlan::new(&resolved.manifest, &resolved.config)?;
        let stored = find_stored_layers(&self.store, plan.diff_ids()).await?;
        let partials = list_partial_blobs(&self.store).await?;
        Ok(RemoteImage {
            digest: resolved.digest,
            image_id: Some(resolved.image_id()),
            platform: resolved.config.platform(),
            summary: plan.summary(&stored, &partials),
        })
    }

    async fn preview_schema1(
        &self,
        context: &PullContext<'_>,
        bytes: &Bytes,
    ) -> Result<RemoteImage, PullError> {
        let schema1 = schema1::verify(bytes, &context.reference, &context.sources)?;
        check_platform(context.request.platform.as_ref(), schema1.platform())?;
        let blobs = schema1::find_blobs(&schema1, &self.store, &context.sources).await?;
        let partials = list_partial_blobs(&self.store).await?;
        Ok(RemoteImage {
            digest: schema1.digest(),
            image_id: None,
            platform: schema1.platform().clone(),
            summary: schema1::summary(&schema1, &blobs, &partials),
        })
    }
}

impl RemoteImage {
    /// Returns whether a pull would replace the stored image of the name, or download missing layers.
    fn differs_from(&self, current: Option<&CurrentImage>) -> bool {
        let is_same_image = match (self.image_id, current) {
            (Some(image_id), Some(current)) => image_id == current.image_id,
            // Without an image ID, the digest that the name referred to is compared.
            (None, Some(current)) => self.digest == current.target,
            (_, None) => false,
        };
        !is_same_image || self.summary.missing_bytes > 0
    }
}

/// Finds the stored image that `reference` names.
fn current_image(store: &Store, reference: &Reference) -> Result<Option<CurrentImage>, PullError> {
    // With a tag and a digest, a pull may move the tag.
    let name = match reference.tag() {
        Some(_) => reference.without_digest(),
        None => reference.clone(),
    };
    match store.image(&ImageName::Reference(name)) {
        Ok(image) => {
            let tag = image.tags.iter().find(|tagged| {
                tagged.reference.repository() == reference.repository()
                    && tagged.reference.tag() == reference.tag()
            });
            let target = tag.map_or(*image.target(), |tagged| tagged.target);
            Ok(Some(CurrentImage {
                image_id: image.id,
                target,
            }))
        }
        Err(FindError::Unknown { .. } | FindError::Ambiguous { .. }) => Ok(None),
        Err(FindError::Database(error)) => Err(PullError::StoredLayers(error.into())),
    }
}
