//! The entries in the list of images.

use windlass_oci::text::sanitize;
use windlass_oci::{Descriptor, Digest, Reference};

/// An image or index in the list of an archive or directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayoutEntry {
    /// The manifest or index.
    pub root: Descriptor,
    /// The full names of the image.
    pub names: Vec<Reference>,
    /// The `org.opencontainers.image.ref.name` annotations: any strings, usually tags.
    pub ref_names: Vec<String>,
    /// The images below the index `root` that `manifest.json` gives names to. Other names belong to the whole index.
    pub named_images: Vec<NamedImage>,
}

/// A name that belongs to one image of an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedImage {
    /// The full name. It is one of the names of the entry as well.
    pub name: Reference,
    /// The digest of the config of the image.
    pub config: Digest,
}

impl LayoutEntry {
    /// Returns an image without names.
    pub(super) fn unnamed(root: Descriptor) -> Self {
        Self {
            root,
            names: Vec::new(),
            ref_names: Vec::new(),
            named_images: Vec::new(),
        }
    }

    /// Adds a name unless the image has it.
    pub(super) fn add_name(&mut self, name: Reference) {
        if !self.names.contains(&name) {
            self.names.push(name);
        }
    }

    /// Returns the names by which a user can choose the image.
    pub(super) fn display_names(&self) -> Vec<String> {
        let names = self.names.iter().map(Reference::familiar);
        let ref_names = self
            .ref_names
            .iter()
            .map(|ref_name| sanitize(ref_name).to_string());
        let mut all: Vec<_> = names.chain(ref_names).collect();
        all.dedup();
        if all.is_empty() {
            all.push(self.root.digest.to_string());
        }
        all
    }

    /// Returns whether `name` is a name, ref name or the digest of the image.
    pub(super) fn has_name(&self, name: &str) -> bool {
        let is_ref_name = self.ref_names.iter().any(|ref_name| ref_name == name);
        let parsed = name.parse::<Reference>().ok().map(Reference::or_latest);
        let is_name = parsed.is_some_and(|name| self.names.contains(&name));
        let is_digest = name.parse() == Ok(self.root.digest);
        is_ref_name || is_name || is_digest
    }
}

/// Returns the name under which an image is listed. A name with a digest and no tag is none: it identifies content, and
/// must not become a tag that the archive does not contain.
pub(super) fn tagged_name(name: Reference) -> Option<Reference> {
    let name = name.or_latest();
    name.tag().is_some().then(|| name.without_digest())
}
