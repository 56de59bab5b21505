//! What a pull would do, found out without doing it.

use windlass_oci::{Digest, ImageId, ImageName, Platform, Reference};
use windlass_registry::Endpoint;
use windlass_store::FindError;

use crate::error::PullError;
use crate::events::{PlannedLayer, PullEvent, PullEvents};
use crate::plan::{ImagePlan, PlanSummary};
use crate::puller::Puller;
use crate::resolve::{ManifestContent, NamedManifest, check_platform};
use crate::{PullRequest, schema1};

/// What a pull would do.
#[derive(Clone, Debug)]
pub struct Preview {
    /// The requested reference; with `latest` where it had neither tag nor digest.
    pub reference: Reference,
    /// The digest of the index or manifest that it names now.
    pub digest: Digest,
    /// The image that would be pulled; of a manifest of schema 1 that is known only when its layers are.
    pub image_id: Option<ImageId>,
    /// The image that the reference names here, if it names one.
    pub current: Option<ImageId>,
    /// Whether a pull would change what the reference names here.
    pub is_newer: bool,
    /// The image's platform.
    pub platform: Platform,
    /// The endpoint that resolved the reference.
    pub endpoint: Endpoint,
    /// All layers, base first.
    pub layers: Vec<PlannedLayer>,
    /// Bytes to download.
    pub missing_bytes: u64,
    /// Compressed bytes of layers that are here.
    pub reused_bytes: u64,
    /// Of the bytes to download, those that are here from an earlier pull that did not come to its end.
    pub resumed_bytes: u64,
}

impl Puller {
    /// Finds out what [`Puller::pull`] would do. Manifests and the config are fetched, but no layer.
    pub async fn preview(
        &self,
        request: &PullRequest,
        events: &PullEvents,
    ) -> Result<Preview, PullError> {
        let reference = request.reference.clone().or_latest();
        let resolving = reference.clone();
        events.send(PullEvent::Resolving {
            reference: resolving,
        });
        let sources = self
            .remote()
            .sources(&reference, &request.caller, Some(events))?;
        let NamedManifest { endpoint, content } = self.resolve_name(&reference, &sources).await?;
        let platform = request.platform.as_ref();
        let (digest, image_id, platform, summary) = match content {
            ManifestContent::Manifest(document, manifest) => {
                let resolver = self.resolver(&sources);
                let resolved = resolver.resolve(document, *manifest, platform).await?;
                let plan = ImagePlan::new(&resolved.manifest, &resolved.config)?;
                let stored = self.stored_layers(plan.diff_ids()).await?;
                let summary = plan.summary(&stored, &self.partial_blobs().await?);
                let platform = resolved.config.platform();
                (
                    resolved.digest,
                    Some(resolved.image_id()),
                    platform,
                    summary,
                )
            }
            ManifestContent::Schema1(bytes) => {
                let schema1 = schema1::verify(&bytes, &reference, &sources)?;
                if let Some(wanted) = platform {
                    check_platform(wanted, schema1.platform())?;
                }
                let blobs = self.v1_blobs(&schema1, &sources).await?;
                let summary = schema1::summary(&schema1, &blobs, &self.partial_blobs().await?);
                (schema1.digest(), None, schema1.platform().clone(), summary)
            }
        };
        let PlanSummary {
            layers,
            missing_bytes,
            reused_bytes,
            resumed_bytes,
        } = summary;
        let current = self.current(&reference)?;
        Ok(Preview {
            is_newer: match (image_id, &current) {
                (Some(image_id), Some((current, _))) => image_id != *current,
                // What the name stood for when it was pulled has not changed, then neither has the image.
                (None, Some((_, target))) => digest != *target,
                (_, None) => true,
            } || missing_bytes > 0,
            current: current.map(|(id, _)| id),
            reference,
            digest,
            image_id,
            platform,
            endpoint,
            layers,
            missing_bytes,
            reused_bytes,
            resumed_bytes,
        })
    }

    /// The image that `reference` names here, and what it stood for when it was pulled.
    fn current(&self, reference: &Reference) -> Result<Option<(ImageId, Digest)>, PullError> {
        // With both, the tag is what a pull may move.
        let name = match reference.tag() {
            Some(_) => reference.without_digest(),
            None => reference.clone(),
        };
        match self.store.image(&ImageName::Reference(name)) {
            Ok(image) => {
                let tag = image.tags.iter().find(|tagged| {
                    tagged.reference.repository() == reference.repository()
                        && tagged.reference.tag() == reference.tag()
                });
                let target = tag.map_or(*image.target(), |tagged| tagged.target);
                Ok(Some((image.id, target)))
            }
            Err(FindError::Unknown { .. } | FindError::Ambiguous { .. }) => Ok(None),
            Err(FindError::Database(error)) => Err(PullError::Held(error.into())),
        }
    }
}
