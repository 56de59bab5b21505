//! The forms that images have in files.

use std::fmt;

/// A form that images have in files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayoutKind {
    /// A tar with `manifest.json`, as `docker save` makes it; if it is also an OCI archive, it is read as that.
    DockerArchive,
    /// A tar of an OCI layout.
    OciArchive,
    /// A directory with `oci-layout`, `index.json` and `blobs` (OCI image specification, "Image Layout").
    OciDirectory,
    /// A directory with one manifest and its blobs, named by their digests: the form `dir:` of skopeo.
    Directory,
}

impl fmt::Display for LayoutKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DockerArchive => "Docker archive",
            Self::OciArchive => "OCI archive",
            Self::OciDirectory => "OCI layout",
            Self::Directory => "image directory",
        })
    }
}
