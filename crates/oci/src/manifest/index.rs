//! Choosing from an index.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::fmt;

use crate::{Descriptor, Platform};

/// How many platforms the text of a [`NoMatchingPlatform`] names.
const NAMED: usize = 16;

/// The annotation with which `BuildKit` marks attestations.
const REFERENCE_TYPE: &str = "vnd.docker.reference.type";

/// An index has no manifest for the wanted platform.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no matching manifest for {wanted}: {}", Offers(.offered))]
pub struct NoMatchingPlatform {
    /// The platform that was looked for.
    pub wanted: Box<Platform>,
    /// The platforms that the index has, each once, in its order.
    pub offered: Vec<Platform>,
}

struct Offers<'a>(&'a [Platform]);

impl fmt::Display for Offers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((first, others)) = self.0.split_first() else {
            return f.write_str("the index has none for any platform");
        };
        write!(f, "the index has {first}")?;
        for other in others.iter().take(NAMED - 1) {
            write!(f, ", {other}")?;
        }
        match self.0.len().saturating_sub(NAMED) {
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
            offered: offered(manifests),
        });
    }
    // Stable: of equally good ones the first stays first.
    ranked.sort_by_key(|(rank, _)| Reverse(*rank));
    Ok(ranked
        .into_iter()
        .map(|(_, descriptor)| descriptor)
        .collect())
}

/// The order of candidates; the later variant is the better one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// A manifest without a platform: its config tells.
    Unmarked,
    /// An index without a platform: its entries tell.
    Nested,
    /// The platform is right, and so well.
    Platform(u32),
}

fn rank(descriptor: &Descriptor, wanted: &Platform) -> Option<Rank> {
    if !is_runnable(descriptor) {
        return None;
    }
    match &descriptor.platform {
        Some(platform) => wanted.rank(platform).map(Rank::Platform),
        None if descriptor.media_type.is_index() => Some(Rank::Nested),
        None => Some(Rank::Unmarked),
    }
}

/// Returns whether an entry may lead to an image: not if it is an attestation, an artifact, or nothing known.
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

fn is_image_type(artifact_type: &str) -> bool {
    artifact_type.is_empty() || crate::MediaType::from(artifact_type).is_config()
}

pub(super) fn offered(manifests: &[Descriptor]) -> Vec<Platform> {
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
