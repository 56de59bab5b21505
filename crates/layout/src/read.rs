//! Reads the list of images in an archive or directory, and their documents and blobs.

mod directory;
mod docker;
mod document;
mod entry;
mod file_name;
mod layout;
mod merge;
mod oci;
mod open;
mod options;
mod referrers;

pub use entry::{LayoutEntry, NamedImage};
pub use layout::Layout;
pub use options::{ReadOptions, StoredLayer};
