//! Collects the documents and blobs of an image.

use windlass_layout::Batch;
use windlass_oci::{Descriptor, Digest, ManifestLinks};

use crate::budget::Budget;
use crate::error::TreeError;
use crate::image_choice::ImageChoice;
use crate::images::images;
use crate::source::ContentSource;

/// The documents and blobs of one image or index.
#[derive(Debug)]
pub struct Gathered {
    /// The manifest or index at the top.
    pub root: Descriptor,
    /// The documents that the source has, and their blobs.
    pub batch: Batch,
    /// The manifests that an index names and the source does not have.
    pub missing: Vec<Digest>,
}

impl Gathered {
    /// Returns an error if manifests are missing. A registry must not get an index without its manifests.
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

/// Collects the documents and blobs of the images that `choice` selects below `root`.
///
/// [`ImageChoice::All`] includes everything below `root`, also artifacts.
pub fn gather(
    source: &dyn ContentSource,
    root: &Descriptor,
    choice: &ImageChoice,
    budget: &mut Budget,
) -> Result<Gathered, TreeError> {
    match choice {
        // The platform of an image without an index is checked, too.
        ImageChoice::One(Some(_)) => gather_image(source, root, choice, budget),
        ImageChoice::One(None) if is_index(source, root)? => {
            gather_image(source, root, choice, budget)
        }
        ImageChoice::One(None) | ImageChoice::All => gather_all(source, root, budget),
        ImageChoice::AllIfComplete => {
            let gathered = gather_all(source, root, budget)?;
            match gathered.missing.is_empty() {
                true => Ok(gathered),
                false => gather(source, root, &ImageChoice::One(None), budget),
            }
        }
    }
}

/// Collects one image, without the indexes that lead to it.
fn gather_image(
    source: &dyn ContentSource,
    root: &Descriptor,
    choice: &ImageChoice,
    budget: &mut Budget,
) -> Result<Gathered, TreeError> {
    let image = images(source, root, choice, budget)?.swap_remove(0);
    let mut batch = Batch::default();
    batch.add(image.descriptor.digest, image.bytes)?;
    Ok(Gathered {
        root: image.descriptor,
        batch,
        missing: Vec::new(),
    })
}

/// Collects everything below `root`.
pub(crate) fn gather_all(
    source: &dyn ContentSource,
    root: &Descriptor,
    budget: &mut Budget,
) -> Result<Gathered, TreeError> {
    let mut batch = Batch::default();
    let mut missing = Vec::new();
    let mut pending = vec![root.clone()];
    while let Some(descriptor) = pending.pop() {
        let digest = descriptor.digest;
        if batch.documents.contains_key(&digest) {
            continue;
        }
        let document = source.document(&descriptor)?;
        let counted = budget.count(document.as_deref());
        counted.map_err(TreeError::too_many_documents(root))?;
        match document {
            Some(bytes) => pending.extend(batch.add(digest, bytes)?.manifests),
            None if digest == root.digest => return Err(TreeError::Missing { digest }),
            None => missing.push(digest),
        }
    }
    Ok(Gathered {
        root: root.clone(),
        batch,
        missing,
    })
}

fn is_index(source: &dyn ContentSource, root: &Descriptor) -> Result<bool, TreeError> {
    if root.media_type.is_index() {
        return Ok(true);
    }
    let digest = root.digest;
    let bytes = source.document(root)?;
    let bytes = bytes.ok_or(TreeError::Missing { digest })?;
    let links = ManifestLinks::parse(&bytes);
    let links = links.map_err(|source| TreeError::Manifest { digest, source })?;
    Ok(!links.manifests.is_empty())
}
