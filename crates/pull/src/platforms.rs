//! One name, several platforms: which pulls that comes to.

use windlass_oci::{Descriptor, Digest, Index, Manifest, Platform, Reference};

use crate::PullRequest;
use crate::error::PullError;
use crate::remote::Remote;

/// For which platforms an image is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Platforms {
    /// For this machine.
    #[default]
    Host,
    /// For each of these.
    These(Vec<Platform>),
    /// For every one that there is.
    All,
}

impl Remote {
    /// Returns what to pull to have the image of `request` for `platforms`; its own platform does not count.
    ///
    /// For one platform, and for this machine, that is the request itself. Of several, the first is called by
    /// the name: the one for this machine if it is among them, or else the first that is wanted. The others are
    /// called by the digests of their manifests, since a name leads to one image. All are of one index, also if
    /// a tag moves meanwhile.
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
            Platforms::These(wanted) if wanted.len() == 1 => {
                return Ok(for_one(wanted.first().cloned()));
            }
            Platforms::These(_) | Platforms::All => {}
        }
        let reference = request.reference.clone().or_latest();
        let found = self.manifest(&reference, None, &request.caller).await?;
        let of_index = reference.with_digest(found.digest);
        // A document of another form counts as one image; its pull reports what is wrong with it.
        let index = match Manifest::parse(&found.bytes, None) {
            Ok(Manifest::Index(index)) => Some(index),
            Ok(Manifest::Image(_)) | Err(_) => None,
        };
        let wanted = match (platforms, &index) {
            (Platforms::All, Some(index)) => index.platforms(),
            (Platforms::These(wanted), _) => wanted.clone(),
            (Platforms::All | Platforms::Host, _) => return Ok(for_one(None)),
        };
        let mut requests = Vec::new();
        for platform in named_first(wanted) {
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
        Ok(requests)
    }

    /// Finds the manifest for `platform`, by the index or by the configs of its manifests.
    async fn digest_for(
        &self,
        of_index: &Reference,
        index: &Index,
        platform: &Platform,
        request: &PullRequest,
    ) -> Result<Digest, PullError> {
        let is_certain =
            |found: &&&Descriptor| found.platform.is_some() && found.media_type.is_manifest();
        if let Some(found) = index.candidates(platform)?.first().filter(is_certain) {
            return Ok(found.digest);
        }
        let found = self.manifest(of_index, Some(platform), &request.caller);
        Ok(found.await?.digest)
    }
}

/// Puts the platform that the name stays with before the others; each once.
fn named_first(mut wanted: Vec<Platform>) -> Vec<Platform> {
    let host = Platform::host();
    let ranks = wanted.iter().map(|offered| host.rank(offered));
    let best = ranks.enumerate().filter(|(_, rank)| rank.is_some());
    if let Some((place, _)) = best.max_by_key(|(place, rank)| (*rank, std::cmp::Reverse(*place))) {
        wanted[..=place].rotate_right(1);
    }
    let mut seen = std::collections::HashSet::new();
    wanted.retain(|platform| seen.insert(platform.clone()));
    wanted
}
