//! The names of the files by which the format is detected.

pub(super) const OCI_LAYOUT: &str = "oci-layout";
pub(super) const INDEX: &str = "index.json";
pub(super) const MANIFEST: &str = "manifest.json";
pub(super) const REPOSITORIES: &str = "repositories";
pub(super) const VERSION: &str = "version";
