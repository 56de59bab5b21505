//! Fetches everything that an image consists of, after its reference was resolved.

use bytes::Bytes;
use windlass_oci::{Digest, Manifest, Platform};
use windlass_registry::Origin;

use crate::documents::{ManifestContent, NamedManifest, RawDocument, ResolvedImage};
use crate::error::PullError;
use crate::events::PullEvent;
use crate::image_layers::{ImageLayers, find_stored_layers, list_partial_blobs};
use crate::plan::ImagePlan;
use crate::pull_context::PullContext;
use crate::puller::Puller;
use crate::resolve::check_platform;
use crate::schema1;

/// A verified image with all its layers, which is not visible yet.
#[derive(Debug)]
pub(crate) struct CompleteImage {
    pub(crate) resolved: ResolvedImage,
    pub(crate) plan: ImagePlan,
    pub(crate) layers: ImageLayers,
    pub(crate) downloaded_bytes: u64,
    pub(crate) reused_bytes: u64,
}

impl Puller {
    /// Fetches the image of a resolved reference: its documents and its missing layers.
    pub(crate) async fn fetch_image(
        &self,
        context: &PullContext<'_>,
        named: NamedManifest,
    ) -> Result<CompleteImage, PullError> {
        let origin = named.endpoint.origin();
        match named.content {
            ManifestContent::Manifest(document, manifest) => {
                self.fetch_manifest_image(context, origin, document, *manifest)
                    .await
            }
            ManifestContent::Schema1(bytes) => {
                self.fetch_schema1_image(context, origin, &bytes).await
            }
        }
    }

    /// Fetches the image of a manifest or index.
    async fn fetch_manifest_image(
        &self,
        context: &PullContext<'_>,
        origin: &Origin,
        document: RawDocument,
        manifest: Manifest,
    ) -> Result<CompleteImage, PullError> {
        let platform = context.request.platform.as_ref();
        let resolver = context.resolver(&self.store);
        let resolved = resolver.select_image(document, manifest, platform).await?;
        report_resolved(context, origin, resolved.digest, resolved.config.platform());

        let plan = ImagePlan::new(&resolved.manifest, &resolved.config)?;
        let stored = find_stored_layers(&self.store, plan.diff_ids()).await?;
        let partials = list_partial_blobs(&self.store).await?;
        let summary = plan.summary(&stored, &partials);
        let downloaded_bytes = summary.missing_bytes - summary.resumed_bytes;
        let reused_bytes = summary.reused_bytes;
        context.events.send(summary.into_event());
        let missing = plan.missing(stored.iter().map(|layer| *layer.diff_id()));
        let layers = self
            .fetch_layers(context, missing, &partials, stored)
            .await?;
        Ok(CompleteImage {
            resolved,
            plan,
            layers,
            downloaded_bytes,
            reused_bytes,
        })
    }

    /// Fetches the image of a manifest of schema 1.
    async fn fetch_schema1_image(
        &self,
        context: &PullContext<'_>,
        origin: &Origin,
        bytes: &Bytes,
    ) -> Result<CompleteImage, PullError> {
        let schema1 = schema1::verify(bytes, &context.reference, &context.sources)?;
        check_platform(context.request.platform.as_ref(), schema1.platform())?;
        report_resolved(
            context,
            origin,
            schema1.digest(),
            schema1.platform().clone(),
        );

        let blobs = schema1::find_blobs(&schema1, &self.store, &context.sources).await?;
        let partials = list_partial_blobs(&self.store).await?;
        let summary = schema1::summary(&schema1, &blobs, &partials);
        let (downloaded_bytes, reused_bytes) = (summary.missing_bytes, summary.reused_bytes);
        context.events.send(summary.into_event());
        let missing = schema1::missing_layers(&blobs);
        let stored = blobs.iter().filter_map(|blob| blob.layer.clone()).collect();
        let layers = self
            .fetch_layers(context, missing, &partials, stored)
            .await?;

        let resolved = schema1::convert(&schema1, &blobs, layers.diff_ids_by_blob())?;
        let plan = ImagePlan::new(&resolved.manifest, &resolved.config)?;
        Ok(CompleteImage {
            resolved,
            plan,
            layers,
            downloaded_bytes,
            reused_bytes,
        })
    }
}

fn report_resolved(
    context: &PullContext<'_>,
    endpoint: &Origin,
    digest: Digest,
    platform: Platform,
) {
    context.events.send(PullEvent::Resolved {
        endpoint: endpoint.clone(),
        digest,
        platform,
    });
}
