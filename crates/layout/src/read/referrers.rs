//! Tells what belongs to images, such as signatures, from the images themselves: in an OCI layout all of it is listed
//! in one place.

use windlass_oci::{Descriptor, Digest, ManifestLinks, Tag};

use super::Layout;
use crate::write::Artifact;

/// How many bytes of documents are read to find out what they are. Beyond, all that is listed counts as an image.
const MOST_BYTES: u64 = 64 << 20;

/// Counts what may still be read.
#[derive(Debug)]
pub(super) struct Left(u64);

impl Default for Left {
    fn default() -> Self {
        Self(MOST_BYTES)
    }
}

impl Layout {
    /// Takes `descriptor`, which is listed as `ref_name`, for something that belongs to a manifest, if it is that.
    ///
    /// It is if its tag is made of a digest (`sha256-HEX`, the list of referrers, or `sha256-HEX.sig` as of cosign),
    /// or if it has no name and its own manifest names a subject.
    pub(super) fn take_artifact(
        &mut self,
        descriptor: &Descriptor,
        ref_name: Option<&str>,
        left: &mut Left,
    ) -> bool {
        let Some(ref_name) = ref_name else {
            return self.take_referrer(descriptor, left);
        };
        let Some((subject, ending)) = subject_of(ref_name) else {
            return false;
        };
        if ending.is_some() {
            let tag = ref_name.parse::<Tag>().ok();
            self.add(subject, descriptor, tag);
            return true;
        }
        // Whoever lists them there lists them here, too, or else they would not be found.
        let Some(list) = self.links(descriptor, left) else {
            return false;
        };
        for entry in &list.manifests {
            self.add(subject, entry, None);
        }
        true
    }

    fn take_referrer(&mut self, descriptor: &Descriptor, left: &mut Left) -> bool {
        let subject = self.links(descriptor, left).and_then(|links| links.subject);
        let Some(subject) = subject else { return false };
        self.add(subject.digest, descriptor, None);
        true
    }

    fn add(&mut self, subject: Digest, root: &Descriptor, tag: Option<Tag>) {
        let root = root.clone();
        let of_subject = self.artifacts.entry(subject).or_default();
        of_subject.push(Artifact { root, tag });
    }

    /// What cannot be read is not judged here: whoever wants it finds out.
    fn links(&self, descriptor: &Descriptor, left: &mut Left) -> Option<ManifestLinks> {
        left.0 = left.0.checked_sub(descriptor.size)?;
        let bytes = self.document(descriptor).ok()??;
        ManifestLinks::parse(&bytes).ok()
    }
}

/// Reads a tag that is made of a digest: the digest, and what stands behind a point.
fn subject_of(ref_name: &str) -> Option<(Digest, Option<&str>)> {
    let (digest, ending) = match ref_name.split_once('.') {
        Some((digest, ending)) => (digest, Some(ending)),
        None => (ref_name, None),
    };
    let (algorithm, hex) = digest.split_once('-')?;
    let digest = format!("{algorithm}:{hex}").parse().ok()?;
    Some((digest, ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_made_of_digests_are_told_apart() {
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
