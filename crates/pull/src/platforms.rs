//! The requests that pull an image for several platforms.

use windlass_oci::{Descriptor, Digest, Index, Manifest, Platform, Reference};

use crate::error::PullError;
use crate::remote::Remote;
use crate::request::PullRequest;

/// The annotation of an attestation with the digest of the manifest that it is about.
const REFERENCE_DIGEST: &str = "vnd.docker.reference.digest";

/// The platforms to pull an image for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Platforms {
    /// This machine's platform.
    #[default]
    Host,
    /// Each of these platforms.
    These(Vec<Platform>),
    /// Every platform of the index.
    All,
}

impl Remote {
    /// Returns the requests that pull the image of `request` for each of `platforms`. The platform of `request` is ignored.
    ///
    /// A single platform results in one request with the reference of `request`. For several platforms, only the first
    /// request has this reference, because a name refers to one image: the request for this machine's platform, or for the
    /// first of `platforms`. The others have the digests of their manifests. All images are from the same index, even if
    /// the tag moves in the meantime.
    ///
    /// With [`Platforms::All`], each request includes the artifacts of the index that are about its image, and the first
    /// request those about no image, so that the whole index can be copied afterwards.
    pub async fn for_platforms(
        &self,
        request: &PullRequest,
        platforms: &Platforms,
    ) -> Result<Vec<PullRequest>, PullError> {
        let for_one = |platform| {
            vec![PullRequest {
                platform,
                ..request.clone()
            }]
        };
        match platforms {
            Platforms::Host => return Ok(for_one(None)),
            Platforms::These(platforms) if platforms.len() == 1 => {
                return Ok(for_one(platforms.first().cloned()));
            }
            Platforms::These(_) | Platforms::All => {}
        }
        let reference = request.reference.clone().or_latest();
        let found = self.manifest(&reference, None, &request.caller).await?;
        let of_index = reference.with_digest(found.digest);
        // A document that cannot be parsed is treated as one image; its pull reports the error.
        let index = match Manifest::parse(&found.bytes, None) {
            Ok(Manifest::Index(index)) => Some(index),
            Ok(Manifest::Image(_)) | Err(_) => None,
        };
        let all = platforms;
        let platforms = match (platforms, &index) {
            (Platforms::All, Some(index)) => index.platforms(),
            (Platforms::These(platforms), _) => platforms.clone(),
            (Platforms::All | Platforms::Host, _) => return Ok(for_one(None)),
        };
        let mut requests = Vec::new();
        for platform in host_first(platforms) {
            let reference = match &index {
                Some(index) if !requests.is_empty() => {
                    let digest = self
                        .digest_for(&of_index, index, &platform, request)
                        .await?;
                    of_index.without_tag().with_digest(digest)
                }
                Some(_) => of_index.clone(),
                None => reference.clone(),
            };
            requests.push(PullRequest {
                reference,
                platform: Some(platform),
                ..request.clone()
            });
        }
        if let (Platforms::All, Some(index)) = (all, &index) {
            add_artifacts(&mut requests, index);
        }
        Ok(requests)
    }

    /// Returns the digest of the manifest for `platform`, from the index or from the configs of its manifests.
    async fn digest_for(
        &self,
        of_index: &Reference,
        index: &Index,
        platform: &Platform,
        request: &PullRequest,
    ) -> Result<Digest, PullError> {
        let has_platform =
            |found: &&&Descriptor| found.platform.is_some() && found.media_type.is_manifest();
        if let Some(found) = index.candidates(platform)?.first().filter(has_platform) {
            return Ok(found.digest);
        }
        let found = self.manifest(of_index, Some(platform), &request.caller);
        Ok(found.await?.digest)
    }
}

/// Adds the artifacts of `index` to the requests for the images that they are about, or otherwise to the first request.
fn add_artifacts(requests: &mut [PullRequest], index: &Index) {
    for artifact in index.artifacts() {
        let subject = artifact.annotations.get(REFERENCE_DIGEST);
        let is_subject = |request: &PullRequest| {
            let digest = request.reference.digest().map(Digest::to_string);
            subject.is_some() && digest.as_ref() == subject
        };
        let position = requests.iter().position(is_subject).unwrap_or(0);
        if let Some(request) = requests.get_mut(position) {
            request.artifacts.push(artifact.clone());
        }
    }
}

/// Returns each platform once, this machine's platform first.
fn host_first(mut platforms: Vec<Platform>) -> Vec<Platform> {
    let host = Platform::host();
    let ranks = platforms.iter().map(|offered| host.rank(offered));
    let best = ranks.enumerate().filter(|(_, rank)| rank.is_some());
    if let Some((index, _)) = best.max_by_key(|(index, rank)| (*rank, std::cmp::Reverse(*index))) {
        platforms[..=index].rotate_right(1);
    }
    let mut seen = std::collections::HashSet::new();
    platforms.retain(|platform| seen.insert(platform.clone()));
    platforms
}
