//! Choice of manifests from an index by platform.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::fmt;

use crate::{Descriptor, Platform};

/// The largest number of platforms in the message of a [`NoMatchingPlatform`].
const MAX_LISTED: usize = 16;

/// The annotation that `BuildKit` gives to attestations.
const REFERENCE_TYPE: &str = "vnd.docker.reference.type";

/// An index has no manifest for the requested platform.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no matching manifest for {wanted}: {}", OfferedPlatforms(.offered))]
pub struct NoMatchingPlatform {
    /// The requested platform.
    pub wanted: Box<Platform>,
    /// The platforms that the index has, each once, in its order.
    pub offered: Vec<Platform>,
}

struct OfferedPlatforms<'a>(&'a [Platform]);

impl fmt::Display for OfferedPlatforms<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((first, others)) = self.0.split_first() else {
            return f.write_str("the index lists no platforms");
        };
        write!(f, "the index has {first}")?;
        for other in others.iter().take(MAX_LISTED - 1) {
            write!(f, ", {other}")?;
        }
        match self.0.len().saturating_sub(MAX_LISTED) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

pub(super) fn candidates<'a>(
    manifests: &'a [Descriptor],
    wanted: &Platform,
) -> Result<Vec<&'a Descriptor>, NoMatchingPlatform> {
    let mut ranked: Vec<_> = manifests
        .iter()
        .filter_map(|descriptor| Some((rank(descriptor, wanted)?, descriptor)))
        .collect();
    if ranked.is_empty() {
        return Err(NoMatchingPlatform {
            wanted: Box::new(wanted.clone()),
            offered: platforms(manifests),
        });
    }
    // The sort is stable: equal matches stay in the order of the index.
    ranked.sort_by_key(|(rank, _)| Reverse(*rank));
    Ok(ranked
        .into_iter()
        .map(|(_, descriptor)| descriptor)
        .collect())
}

/// How well an entry matches, from worst to best.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum MatchRank {
    /// A manifest without a platform: the platform is in its config.
    NoPlatform,
    /// An index without a platform: the platforms are in its entries.
    NestedIndex,
    /// A manifest whose platform runs on the requested one, with the rank of [`Platform::rank`].
    Platform(u32),
}

fn rank(descriptor: &Descriptor, wanted: &Platform) -> Option<MatchRank> {
    if !is_runnable(descriptor) {
        return None;
    }
    match &descriptor.platform {
        Some(platform) => wanted.rank(platform).map(MatchRank::Platform),
        None if descriptor.media_type.is_index() => Some(MatchRank::NestedIndex),
        None => Some(MatchRank::NoPlatform),
    }
}

/// Returns whether an entry may be an image or an index: not an attestation, an artifact or an unknown type.
fn is_runnable(descriptor: &Descriptor) -> bool {
    let kind = &descriptor.media_type;
    let platform = descriptor.platform.as_ref();
    (kind.is_manifest() || kind.is_index())
        && !platform.is_some_and(Platform::is_unknown)
        && !descriptor.annotations.contains_key(REFERENCE_TYPE)
        && descriptor
            .artifact_type
            .as_deref()
            .is_none_or(is_image_type)
}

/// The entries that are neither images nor indexes.
pub(super) fn artifacts(manifests: &[Descriptor]) -> Vec<&Descriptor> {
    let artifacts = manifests
        .iter()
        .filter(|descriptor| !is_runnable(descriptor));
    artifacts.collect()
}

fn is_image_type(artifact_type: &str) -> bool {
    artifact_type.is_empty() || crate::MediaType::from(artifact_type).is_config()
}

/// The platforms of the images among `manifests`, each once.
pub(super) fn platforms(manifests: &[Descriptor]) -> Vec<Platform> {
    let mut seen = HashSet::new();
    let runnable = manifests
        .iter()
        .filter(|descriptor| is_runnable(descriptor));
    let platforms = runnable.filter_map(|descriptor| descriptor.platform.as_ref());
    platforms
        .filter(|platform| seen.insert(*platform))
        .cloned()
        .collect()
}

#[cfg(test)]
mod tests;
