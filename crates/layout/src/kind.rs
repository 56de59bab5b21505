//! The formats of images in files.

use std::fmt;

/// A format of images in files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayoutKind {
    /// A tar with `manifest.json`, as written by `docker save`. If it also is an OCI archive, it is read as one.
    DockerArchive,
    /// A tar of an OCI layout.
    OciArchive,
    /// A directory with `oci-layout`, `index.json` and `blobs` (OCI image specification, "Image Layout").
    OciDirectory,
    /// A directory with one manifest and its blobs, which are named by their digests: skopeo's `dir:` format.
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
