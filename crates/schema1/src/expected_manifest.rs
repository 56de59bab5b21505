//! What a manifest must be for.

use windlass_oci::{Digest, Tag};

/// The requested manifest.
#[derive(Clone, Copy, Debug)]
pub struct ExpectedManifest<'a> {
    /// The path of the repository in the registry, such as `library/alpine`.
    pub repository: &'a str,
    /// The tag or digest.
    pub version: ExpectedVersion<'a>,
}

/// The tag or digest of the requested manifest.
#[derive(Clone, Copy, Debug)]
pub enum ExpectedVersion<'a> {
    /// The tag, which the manifest must contain.
    Tag(&'a Tag),
    /// The digest. The tag in the manifest is then ignored, because other tags may point to the same manifest.
    Digest(&'a Digest),
}
