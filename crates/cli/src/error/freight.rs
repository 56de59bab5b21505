//! Why images could not be carried from one place to another.

use std::io;

use windlass::{
    CopyError, ExportError, FindError, ImportError, LayoutError, LoadError, PullError, PushError,
    PushImageError, RegistryError, SaveError, SourceError, StoreError, TagImageError, TreeError,
    WriteError,
};

/// Why images could not be carried.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FreightError {
    /// The archive or directory cannot be read.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// They could not be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A tar could not be made an image.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// A root file system could not be written.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// What is at a URL could not be fetched.
    #[error(transparent)]
    Url(RegistryError),
    /// They could not be saved.
    #[error(transparent)]
    Save(#[from] SaveError),
    /// They could not be pushed.
    #[error(transparent)]
    Push(#[from] PushImageError),
    /// They could not be made out.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// A document could not be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// They could not be carried.
    #[error(transparent)]
    Copy(#[from] CopyError),
    /// The directory cannot be written into.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The store could not be asked.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The registry.
    #[error(transparent)]
    Registry(#[from] PullError),
    /// The image could not be given its name.
    #[error(transparent)]
    Name(#[from] TagImageError),
    /// The file cannot be made or put in its place.
    #[error("cannot {action}")]
    File {
        action: &'static str,
        source: io::Error,
    },
    /// A manifest that no other tool takes any more.
    #[error("the manifest is of Docker's schema 1, which is only pulled")]
    Schema1,
}

impl FreightError {
    /// Tells whether nobody reads any more what is written.
    pub(super) fn is_broken_pipe(&self) -> bool {
        match self {
            Self::Copy(CopyError::Write(error))
            | Self::Save(SaveError::Copy(CopyError::Write(error))) => error.is_broken_pipe(),
            Self::Export(ExportError::Write(source)) | Self::File { source, .. } => {
                source.kind() == io::ErrorKind::BrokenPipe
            }
            _ => false,
        }
    }

    /// The name that leads to no image, if that is what went wrong.
    pub(super) fn find_error(&self) -> Option<&FindError> {
        match self {
            Self::Save(SaveError::Find(error))
            | Self::Push(PushImageError::Image(SaveError::Find(error)))
            | Self::Export(ExportError::Find(error))
            | Self::Store(StoreError::Find(error))
            | Self::Name(TagImageError::Find(error)) => Some(error),
            _ => None,
        }
    }

    /// What the registry said, if it was that.
    pub(super) fn pull_error(&self) -> Option<&PullError> {
        match self {
            Self::Registry(error)
            | Self::Push(PushImageError::Registry(error))
            | Self::Source(SourceError::Registry(error))
            | Self::Tree(TreeError::Source(SourceError::Registry(error))) => Some(error),
            _ => None,
        }
    }

    /// What a registry said that was pushed to, if it was that.
    pub(super) fn registry_error(&self) -> Option<&RegistryError> {
        match self {
            Self::Copy(CopyError::Push(PushError::Registry(error)))
            | Self::Push(PushImageError::Copy(CopyError::Push(PushError::Registry(error)))) => {
                Some(error)
            }
            _ => None,
        }
    }
}
