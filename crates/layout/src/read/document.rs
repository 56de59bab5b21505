//! Reads and verifies the documents of images.

use windlass_oci::{Descriptor, Digest, MAX_MANIFEST_SIZE, Manifest, MediaType};

use crate::error::{LayoutDefect, LayoutError};
use crate::path::InnerPath;
use crate::verifying_reader::ContentMismatch;

/// The limit on the size of the list of images, in bytes.
pub(super) const MAX_LIST_SIZE: usize = MAX_MANIFEST_SIZE;

/// Verifies that the `bytes` at `path` have the `expected` digest.
pub(super) fn verify_digest(
    path: &InnerPath,
    expected: Digest,
    bytes: &[u8],
) -> Result<(), LayoutError> {
    let actual = Digest::of(expected.algorithm(), bytes);
    if expected != actual {
        return Err(mismatch(path, ContentMismatch::Digest { expected, actual }));
    }
    Ok(())
}

/// Returns the error that the content of `path` does not match its descriptor.
pub(super) fn mismatch(path: &InnerPath, mismatch: ContentMismatch) -> LayoutError {
    let path = path.sanitized();
    LayoutDefect::Content { path, mismatch }.into()
}

/// Parses the manifest or index at `path`.
pub(super) fn parse_manifest(path: &InnerPath, bytes: &[u8]) -> Result<Manifest, LayoutError> {
    Manifest::parse(bytes, None).map_err(|source| {
        let path = path.sanitized();
        LayoutDefect::Manifest { path, source }.into()
    })
}

/// Returns a descriptor of the document `bytes`.
pub(super) fn descriptor(media_type: MediaType, bytes: &[u8]) -> Descriptor {
    Descriptor::new(media_type, Digest::sha256(bytes), bytes.len() as u64)
}
