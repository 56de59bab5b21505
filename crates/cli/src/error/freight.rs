//! Why images could not be carried from one place to another.

use std::io;

use windlass::{
    CopyError, CopyImageError, ExportError, FindError, ImportError, LayoutError, LoadError,
    PullError, PushError, PushImageError, RegistryError, SaveError, SourceError, StoreError,
    TagImageError, TreeError, WriteError,
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
    /// The image could not be looked up.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What is at a URL could not be fetched.
    #[error(transparent)]
    Url(RegistryError),
    /// They could not be saved.
    #[error(transparent)]
    Save(#[from] SaveError),
    /// They could not be pushed.
    #[error(transparent)]
    Push(#[from] PushImageError),
    /// It could not be copied.
    #[error(transparent)]
    Copy(#[from] CopyImageError),
    /// The file cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// A file or standard input cannot be read.
    #[error("cannot {action}")]
    File {
        action: &'static str,
        source: io::Error,
    },
}

impl FreightError {
    /// Tells whether nobody reads any more what is written.
    pub(super) fn is_broken_pipe(&self) -> bool {
        match self {
            Self::Save(SaveError::Copy(CopyError::Write(error)))
            | Self::Copy(
                CopyImageError::Copy(CopyError::Write(error)) | CopyImageError::Write(error),
            )
            | Self::Write(error) => error.is_broken_pipe(),
            Self::Export(ExportError::Write(source)) | Self::File { source, .. } => {
                source.kind() == io::ErrorKind::BrokenPipe
            }
            _ => false,
        }
    }

    /// Tells whether what failed is what was to be written, and not the store.
    pub(super) fn is_output(&self) -> bool {
        matches!(
            self,
            Self::Save(SaveError::Write(_) | SaveError::Copy(CopyError::Write(_)))
                | Self::Copy(CopyImageError::Write(_) | CopyImageError::Copy(CopyError::Write(_)))
                | Self::Export(ExportError::Write(_))
                | Self::Write(_)
        )
    }

    /// The name that leads to no image, if that is what went wrong.
    pub(super) fn find_error(&self) -> Option<&FindError> {
        match self {
            Self::Save(SaveError::Find(error))
            | Self::Push(PushImageError::Image(SaveError::Find(error)))
            | Self::Export(ExportError::Find(error))
            | Self::Store(StoreError::Find(error))
            | Self::Copy(
                CopyImageError::Save(SaveError::Find(error))
                | CopyImageError::Store(StoreError::Find(error))
                | CopyImageError::Name(TagImageError::Find(error)),
            ) => Some(error),
            _ => None,
        }
    }

    /// What the registry said, if it was that.
    pub(super) fn pull_error(&self) -> Option<&PullError> {
        match self {
            Self::Push(PushImageError::Registry(error))
            | Self::Copy(
                CopyImageError::Registry(error)
                | CopyImageError::Source(SourceError::Registry(error))
                | CopyImageError::Tree(TreeError::Source(SourceError::Registry(error))),
            ) => Some(error),
            _ => None,
        }
    }

    /// What a registry said that was pushed to, if it was that.
    pub(super) fn registry_error(&self) -> Option<&RegistryError> {
        match self {
            Self::Copy(CopyImageError::Copy(CopyError::Push(PushError::Registry(error))))
            | Self::Push(PushImageError::Copy(CopyError::Push(PushError::Registry(error)))) => {
                Some(error)
            }
            _ => None,
        }
    }

    /// What cannot be made out of images in files, if it was that.
    pub(super) fn tree_error(&self) -> Option<&TreeError> {
        match self {
            Self::Load(LoadError::Tree(error))
            | Self::Save(SaveError::Tree(error))
            | Self::Push(PushImageError::Image(SaveError::Tree(error)))
            | Self::Copy(
                CopyImageError::Tree(error)
                | CopyImageError::Load(LoadError::Tree(error))
                | CopyImageError::Save(SaveError::Tree(error)),
            ) => Some(error),
            _ => None,
        }
    }

    /// Tells whether an archive or a directory is not what it should be.
    pub(super) fn is_bad_archive(&self) -> bool {
        let (layout, load) = match self {
            Self::Layout(error) | Self::Copy(CopyImageError::Layout(error)) => (Some(error), None),
            Self::Load(error) | Self::Copy(CopyImageError::Load(error)) => (None, Some(error)),
            _ => (None, None),
        };
        let of_load = load.and_then(|error| match error {
            LoadError::Layout(error)
            | LoadError::Tree(TreeError::Source(SourceError::Layout(error))) => Some(error),
            _ => None,
        });
        let is_bad = |error: &LayoutError| match error {
            LayoutError::Defect(_) | LayoutError::Tar(_) => true,
            LayoutError::Io { source, .. } => source.kind() == io::ErrorKind::InvalidData,
        };
        let is_unfit = matches!(
            load,
            Some(LoadError::Plan { .. } | LoadError::Layer { .. } | LoadError::Tree(_))
        );
        layout.or(of_load).map_or(is_unfit, is_bad)
    }
}
