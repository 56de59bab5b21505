//! Writes archives as a stream, and directories blob by blob.

mod archive;
mod atomic_file;
mod batch;
mod copy_blob;
mod directory;
mod documents;
mod error;

pub use archive::{ArchiveEvent, ArchiveWriter};
pub use atomic_file::AtomicFile;
pub use batch::{Artifact, Batch, BatchImage};
pub use directory::LayoutDirectory;
pub use error::WriteError;
