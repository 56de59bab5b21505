//! What belongs to an image: the way from its name down to its blobs.

use std::cmp::Reverse;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use windlass_layout::{Batch, WriteError};
use windlass_oci::{
    Descriptor, Digest, ImageConfig, ImageConfigError, ImageManifest, Manifest, ManifestError,
    ManifestLinks, NoMatchingPlatform, Platform,
};

use crate::budget::Budget;
use crate::source::{ContentSource, SourceError};

/// Which images of an index are meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImageChoice {
    /// The one for this platform; if it is `None`, for this machine's, or if there is none the first that is there.
    One(Option<Platform>),
    /// All that are there.
    All,
    /// All, if everything that the index names is there; otherwise the one image that the name shows.
    AllIfComplete,
}

/// The documents and blobs of one image or index.
#[derive(Debug)]
pub struct Gathered {
    /// The manifest or index at the top.
    pub root: Descriptor,
    /// What belongs to it.
    pub batch: Batch,
    /// The manifests that an index names and the source does not have.
    pub missing: Vec<Digest>,
}

impl ImageChoice {
    /// Returns the platform of the image to choose; `None` for all images.
    fn target(&self) -> Option<Platform> {
        match self {
            Self::One(platform) => Some(platform.clone().unwrap_or_else(Platform::host)),
            Self::All | Self::AllIfComplete => None,
        }
    }
}

/// An image that a source has.
#[derive(Clone, Debug)]
pub struct SourceImage {
    /// Its manifest.
    pub descriptor: Descriptor,
    /// The manifest's bytes.
    pub bytes: Vec<u8>,
    /// The parsed manifest.
    pub manifest: ImageManifest,
    /// The config's bytes.
    pub config_bytes: Vec<u8>,
    /// The parsed config.
    pub config: ImageConfig,
    /// The indexes that led to it, the outermost first.
    pub indexes: Vec<(Digest, Arc<[u8]>)>,
}

/// Why an image could not be found out about.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// A document could not be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A document that is needed is not there.
    #[error("{digest} is not there")]
    Missing {
        /// The document.
        digest: Digest,
    },
    /// A manifest is none.
    #[error("the manifest {digest}")]
    Manifest {
        /// The manifest.
        digest: Digest,
        /// What is wrong with it.
        source: ManifestError,
    },
    /// An image config is none.
    #[error("the image config {digest}")]
    Config {
        /// The config.
        digest: Digest,
        /// What is wrong with it.
        source: ImageConfigError,
    },
    /// No image is for the platform.
    #[error(transparent)]
    NoMatchingPlatform(#[from] NoMatchingPlatform),
    /// The index leads to no image that is there.
    #[error("none of the images of {digest} is there")]
    NoImage {
        /// The index.
        digest: Digest,
    },
    /// The index names manifests that the source does not have.
    #[error("the index {digest} is incomplete: {}", missing_text(.missing, *.count))]
    Incomplete {
        /// The index.
        digest: Digest,
        /// One of the missing manifests.
        missing: Digest,
        /// The number of missing manifests.
        count: usize,
    },
    /// Indexes lie in indexes beyond all use, or documents are too many.
    #[error("below {digest} there are more than {limit} documents, or than {bytes} bytes of them")]
    TooMany {
        /// Where it began.
        digest: Digest,
        /// How many are looked at.
        limit: usize,
        /// How many bytes are looked at.
        bytes: usize,
    },
    /// What was found does not fit together.
    #[error(transparent)]
    Batch(#[from] WriteError),
}

/// A document on the way down, and the indexes that led there.
type Lead = (Descriptor, Vec<(Digest, Arc<[u8]>)>);

/// How many indexes lead to an image at most.
const DEEPEST: usize = 4;

/// Finds the images that `root` leads to, in the order of their indexes.
pub fn images(
    source: &dyn ContentSource,
    root: &Descriptor,
    choice: &ImageChoice,
    budget: &mut Budget,
) -> Result<Vec<SourceImage>, TreeError> {
    let target = choice.target();
    let mut found = Vec::new();
    let mut leads: Vec<Lead> = vec![(root.clone(), Vec::new())];
    while let Some((descriptor, indexes)) = leads.pop() {
        let digest = descriptor.digest;
        if indexes.len() > DEEPEST {
            return Err(Budget::exceeded(&root.digest));
        }
        let Some(bytes) = source.document(&descriptor)? else {
            if indexes.is_empty() {
                return Err(TreeError::Missing { digest });
            }
            // Of other platforms, archives mostly have nothing.
            continue;
        };
        budget.take(&root.digest, bytes.len())?;
        match Manifest::parse(&bytes, None) {
            Ok(Manifest::Index(index)) => {
                let mut wanted = wanted(&index.manifests, choice);
                if let Some(target) = &target {
                    wanted.sort_by_key(|entry| Reverse(entry_rank(entry, target)));
                }
                let mut indexes = indexes;
                indexes.push((digest, bytes.into()));
                let below = wanted.into_iter().rev();
                leads.extend(below.map(|child| (child, indexes.clone())));
            }
            Ok(Manifest::Image(manifest)) => {
                let image = image(source, descriptor, bytes, manifest, indexes)?;
                let config = image.as_ref().map_or(0, |image| image.config_bytes.len());
                budget.take(&root.digest, config)?;
                // The best entries come first, so the first image for the platform is the one to copy.
                let is_match = |image: &SourceImage| {
                    let target = target.as_ref();
                    target.is_some_and(|it| it.rank(&image.config.platform()).is_some())
                };
                let is_found = image.as_ref().is_some_and(is_match);
                found.extend(image);
                if is_found {
                    break;
                }
            }
            // Beside images there are attestations, signatures and other things in an index.
            Err(ManifestError::NotAnImage(_)) if !indexes.is_empty() => {}
            Err(source) => return Err(TreeError::Manifest { digest, source }),
        }
    }
    choose(found, root, choice)
}

/// Collects the documents and blobs of the image that `root` leads to.
///
/// [`ImageChoice::All`] includes everything below `root`, artifacts as well; missing documents are listed.
pub fn gather(
    source: &dyn ContentSource,
    root: &Descriptor,
    choice: &ImageChoice,
    budget: &mut Budget,
) -> Result<Gathered, TreeError> {
    let mut missing = Vec::new();
    let mut batch = Batch::default();
    let links = document(source, root)?;
    let is_index = !links.manifests.is_empty() || root.media_type.is_index();
    let root = match choice {
        // The platform of a single image is checked, too.
        ImageChoice::One(platform) if is_index || platform.is_some() => {
            let image = images(source, root, choice, budget)?.swap_remove(0);
            batch.add(image.descriptor.digest, image.bytes)?;
            image.descriptor
        }
        ImageChoice::One(_) | ImageChoice::All | ImageChoice::AllIfComplete => {
            missing = gather_all(source, root, &mut batch, budget)?;
            root.clone()
        }
    };
    if *choice == ImageChoice::AllIfComplete && !missing.is_empty() {
        return gather(source, &root, &ImageChoice::One(None), budget);
    }
    Ok(Gathered {
        root,
        batch,
        missing,
    })
}

/// Adds everything below `root`; returns the documents that the source does not have.
pub(crate) fn gather_all(
    source: &dyn ContentSource,
    root: &Descriptor,
    batch: &mut Batch,
    budget: &mut Budget,
) -> Result<Vec<Digest>, TreeError> {
    let mut missing = Vec::new();
    let mut waiting = vec![root.clone()];
    while let Some(descriptor) = waiting.pop() {
        let digest = descriptor.digest;
        if batch.documents.contains_key(&digest) {
            continue;
        }
        match source.document(&descriptor)? {
            Some(bytes) => {
                budget.take(&root.digest, bytes.len())?;
                waiting.extend(batch.add(digest, bytes)?.manifests);
            }
            None if digest == root.digest => return Err(TreeError::Missing { digest }),
            None => missing.push(digest),
        }
    }
    Ok(missing)
}

impl Gathered {
    /// Checks that everything is there. A registry must not get an index whose manifests it does not have.
    pub fn check_complete(&self) -> Result<(), TreeError> {
        match self.missing.first() {
            None => Ok(()),
            Some(missing) => Err(TreeError::Incomplete {
                digest: self.root.digest,
                missing: *missing,
                count: self.missing.len(),
            }),
        }
    }
}

fn missing_text(first: &Digest, count: usize) -> String {
    match count {
        0 | 1 => format!("{first} is missing"),
        _ => format!("{first} and {} other manifests are missing", count - 1),
    }
}

fn document(
    source: &dyn ContentSource,
    descriptor: &Descriptor,
) -> Result<ManifestLinks, TreeError> {
    let digest = descriptor.digest;
    let bytes = source.document(descriptor)?;
    let bytes = bytes.ok_or(TreeError::Missing { digest })?;
    ManifestLinks::parse(&bytes).map_err(|source| TreeError::Manifest { digest, source })
}

/// Returns how well the platform of an index entry matches; entries without a platform come after those that match.
fn entry_rank(entry: &Descriptor, target: &Platform) -> Option<(u8, Option<u32>)> {
    match &entry.platform {
        Some(platform) => target.rank(platform).map(|rank| (1, Some(rank))),
        None => Some((0, None)),
    }
}

/// Returns the entries of an index that are worth a look.
fn wanted(entries: &[Descriptor], choice: &ImageChoice) -> Vec<Descriptor> {
    let may_be = |entry: &&Descriptor| match (choice, &entry.platform) {
        (ImageChoice::One(Some(wanted)), Some(platform)) => wanted.rank(platform).is_some(),
        (_, platform) => !platform.as_ref().is_some_and(Platform::is_unknown),
    };
    entries.iter().filter(may_be).cloned().collect()
}

fn image(
    source: &dyn ContentSource,
    descriptor: Descriptor,
    bytes: Vec<u8>,
    manifest: ImageManifest,
    indexes: Vec<(Digest, Arc<[u8]>)>,
) -> Result<Option<SourceImage>, TreeError> {
    let digest = manifest.config.digest;
    let Some(config_bytes) = source.document(&manifest.config)? else {
        return match indexes.is_empty() {
            true => Err(TreeError::Missing { digest }),
            false => Ok(None),
        };
    };
    let config = ImageConfig::parse(&config_bytes);
    let config = config.map_err(|source| TreeError::Config { digest, source })?;
    Ok(Some(SourceImage {
        descriptor,
        bytes,
        manifest,
        config_bytes,
        config,
        indexes,
    }))
}

fn choose(
    mut found: Vec<SourceImage>,
    root: &Descriptor,
    choice: &ImageChoice,
) -> Result<Vec<SourceImage>, TreeError> {
    if found.is_empty() && !matches!(choice, ImageChoice::One(Some(_))) {
        let digest = root.digest;
        return Err(TreeError::NoImage { digest });
    }
    let (ImageChoice::One(platform), Some(wanted)) = (choice, choice.target()) else {
        return Ok(found);
    };
    let rank = |image: &SourceImage| wanted.rank(&image.config.platform());
    let best = (found.iter().enumerate())
        .filter_map(|(at, image)| Some((rank(image)?, at)))
        // Of equally good ones the first.
        .max_by_key(|(rank, at)| (*rank, Reverse(*at)));
    let at = match (best, platform) {
        (Some((_, at)), _) => at,
        (None, None) => 0,
        (None, Some(_)) => {
            return Err(TreeError::NoMatchingPlatform(NoMatchingPlatform {
                wanted: Box::new(wanted),
                offered: found.iter().map(|image| image.config.platform()).collect(),
            }));
        }
    };
    Ok(vec![found.swap_remove(at)])
}
