//! Distinguishes artifacts, such as signatures, from images. The index of an OCI layout lists both.

use windlass_oci::{Descriptor, Digest, ManifestLinks, Tag};

use super::layout::Layout;
use crate::write::Artifact;

/// The number of bytes of documents that are read to detect artifacts. After that, all entries are treated as images.
const MAX_BYTES: u64 = 64 << 20;

/// The number of bytes that may still be read.
#[derive(Debug)]
pub(super) struct DocumentBudget(u64);

impl Default for DocumentBudget {
    fn default() -> Self {
        Self(MAX_BYTES)
    }
}

impl DocumentBudget {
    /// Subtracts the size of a document. Returns `false` if less is left.
    pub(super) fn take(&mut self, descriptor: &Descriptor) -> bool {
        let left = self.0.checked_sub(descriptor.size);
        self.0 = left.unwrap_or(self.0);
        left.is_some()
    }
}

impl Layout {
    /// Adds `descriptor`, which is listed as `ref_name`, to the artifacts if it is one. Returns whether it is.
    ///
    /// It is an artifact if its ref name is derived from a digest (`sha256-HEX` is the list of referrers,
    /// `sha256-HEX.sig` a signature of cosign), or if it has no name and its manifest has a subject.
    pub(super) fn add_artifact(
        &mut self,
        descriptor: &Descriptor,
        ref_name: Option<&str>,
        budget: &mut DocumentBudget,
    ) -> bool {
        let Some(ref_name) = ref_name else {
            return self.add_referrer(descriptor, budget);
        };
        let Some((subject, suffix)) = subject_of(ref_name) else {
            return false;
        };
        if suffix.is_some() {
            let tag = ref_name.parse::<Tag>().ok();
            self.push_artifact(subject, descriptor, tag);
            return true;
        }
        // The entries of the list are artifacts as well, even if the index of the layout does not list them.
        let Some(list) = self.links(descriptor, budget) else {
            return false;
        };
        for entry in &list.manifests {
            self.push_artifact(subject, entry, None);
        }
        true
    }

    fn add_referrer(&mut self, descriptor: &Descriptor, budget: &mut DocumentBudget) -> bool {
        let subject = self
            .links(descriptor, budget)
            .and_then(|links| links.subject);
        let Some(subject) = subject else { return false };
        self.push_artifact(subject.digest, descriptor, None);
        true
    }

    fn push_artifact(&mut self, subject: Digest, root: &Descriptor, tag: Option<Tag>) {
        let root = root.clone();
        let of_subject = self.artifacts.entry(subject).or_default();
        of_subject.push(Artifact { root, tag });
    }

    /// Returns the links of a manifest or index, or `None` if it cannot be read. Errors are reported when the document
    /// is used.
    fn links(&self, descriptor: &Descriptor, budget: &mut DocumentBudget) -> Option<ManifestLinks> {
        if !budget.take(descriptor) {
            return None;
        }
        let bytes = self.document(descriptor).ok()??;
        ManifestLinks::parse(&bytes).ok()
    }
}

/// Parses a ref name derived from a digest: returns the digest and the suffix after the dot.
fn subject_of(ref_name: &str) -> Option<(Digest, Option<&str>)> {
    let (digest, suffix) = match ref_name.split_once('.') {
        Some((digest, suffix)) => (digest, Some(suffix)),
        None => (ref_name, None),
    };
    let (algorithm, hex) = digest.split_once('-')?;
    let digest = format!("{algorithm}:{hex}").parse().ok()?;
    Some((digest, suffix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ref_names_derived_from_digests_are_parsed() {
        let digest = Digest::sha256(b"");
        let tag = format!("sha256-{}", digest.hex());
        assert_eq!(subject_of(&tag), Some((digest, None)));
        let signature = format!("{tag}.sig");
        assert_eq!(subject_of(&signature), Some((digest, Some("sig"))));
        for other in ["latest", "sha256-abc", "v1.2", "sha256-"] {
            assert_eq!(subject_of(other), None, "{other}");
        }
    }
}
