//! Errors of transfers of images between the store, files and registries.

use std::io;

use windlass::error::{
    CopyError, CopyImageError, ExportError, ImportError, LayoutError, LoadError, PushError,
    PushImageError, RegistryError, SaveError, SourceError, StoreError, TagImageError, TreeError,
    WriteError,
};

use crate::advice::TransferCause;

/// Why images could not be transferred.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// Images cannot be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// No image can be made of a tar.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// A root file system cannot be exported.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// A URL cannot be downloaded.
    #[error(transparent)]
    Url(RegistryError),
    /// Images cannot be saved.
    #[error(transparent)]
    Save(#[from] SaveError),
    /// Images cannot be pushed.
    #[error(transparent)]
    Push(#[from] PushImageError),
    /// An image cannot be copied.
    #[error(transparent)]
    Copy(#[from] CopyImageError),
    /// A file or standard input cannot be read.
    #[error("cannot {action}")]
    File {
        /// What failed, as an infinitive: `open it`.
        action: &'static str,
        /// The error of the system.
        source: io::Error,
    },
}

impl TransferError {
    /// Returns whether the reader of the output has closed its end.
    pub fn is_broken_pipe(&self) -> bool {
        match self.cause() {
            TransferCause::Output { is_broken_pipe } => is_broken_pipe,
            _ => matches!(self, Self::File { source, .. } if is_pipe_error(source)),
        }
    }

    /// Returns the cause that decides on code and hint.
    pub(crate) fn cause(&self) -> TransferCause<'_> {
        match self {
            Self::Load(error) => load_cause(error),
            Self::Import(error) => TransferCause::Import(error),
            Self::Export(error) => export_cause(error),
            Self::Url(error) => TransferCause::Url(error),
            Self::Save(error) => save_cause(error),
            Self::Push(error) => push_cause(error),
            Self::Copy(error) => copy_image_cause(error),
            Self::File { .. } => TransferCause::Other,
        }
    }
}

fn layout_cause(error: &LayoutError) -> TransferCause<'_> {
    match error {
        LayoutError::Defect(_) | LayoutError::Tar(_) => TransferCause::Archive,
        LayoutError::Io { source, .. } => match source.kind() {
            io::ErrorKind::InvalidData => TransferCause::Archive,
            _ => TransferCause::Other,
        },
    }
}

fn load_cause(error: &LoadError) -> TransferCause<'_> {
    match error {
        LoadError::Layout(error)
        | LoadError::Tree(TreeError::Source(SourceError::Layout(error))) => layout_cause(error),
        LoadError::Tree(error) => match tree_cause(error) {
            TransferCause::Other => TransferCause::Archive,
            cause => cause,
        },
        LoadError::Plan { .. } | LoadError::Layer { .. } => TransferCause::Archive,
        LoadError::OneName { .. }
        | LoadError::Find(_)
        | LoadError::StoredLayers(_)
        | LoadError::Read(_)
        | LoadError::Put(_)
        | LoadError::Commit(_)
        | LoadError::Name { .. }
        | LoadError::Cancelled => TransferCause::Other,
    }
}

fn export_cause(error: &ExportError) -> TransferCause<'_> {
    match error {
        ExportError::Find(error) => TransferCause::Find(error),
        ExportError::Blob(_) | ExportError::Damaged { .. } => TransferCause::DamagedImage,
        ExportError::Write(error) => TransferCause::Output {
            is_broken_pipe: is_pipe_error(error),
        },
        ExportError::Output(error) => write_cause(error),
        ExportError::Layer { .. } | ExportError::Cancelled => TransferCause::Other,
    }
}

fn store_cause(error: &StoreError) -> TransferCause<'_> {
    match error {
        StoreError::Find(error) => TransferCause::Find(error),
        StoreError::Read(_)
        | StoreError::Config(_)
        | StoreError::Database(_)
        | StoreError::Usage(_) => TransferCause::Other,
    }
}

fn save_cause(error: &SaveError) -> TransferCause<'_> {
    match error {
        SaveError::Find(error) => TransferCause::Find(error),
        SaveError::Tree(error) => tree_cause(error),
        SaveError::Write(error) => write_cause(error),
        SaveError::Copy(error) => copy_cause(error),
        SaveError::Database(_) | SaveError::Source(_) => TransferCause::Other,
    }
}

fn push_cause(error: &PushImageError) -> TransferCause<'_> {
    match error {
        PushImageError::Image(error) => save_cause(error),
        PushImageError::Registry(error) => TransferCause::Pull(error),
        PushImageError::Copy(error) => copy_cause(error),
        PushImageError::Database(_) | PushImageError::RecordDigest(_) => TransferCause::Other,
    }
}

fn copy_image_cause(error: &CopyImageError) -> TransferCause<'_> {
    match error {
        CopyImageError::Layout(error) => layout_cause(error),
        CopyImageError::Load(error) => load_cause(error),
        CopyImageError::Save(error) => save_cause(error),
        CopyImageError::Tree(error) => tree_cause(error),
        CopyImageError::Source(error) => source_cause(error),
        CopyImageError::Copy(error) => copy_cause(error),
        CopyImageError::Write(error) => write_cause(error),
        CopyImageError::Store(error) => store_cause(error),
        CopyImageError::Registry(error) => TransferCause::Pull(error),
        CopyImageError::Name(TagImageError::Find(error)) => TransferCause::Find(error),
        CopyImageError::Name(
            TagImageError::Digest { .. }
            | TagImageError::NotWritable(_)
            | TagImageError::Database(_),
        )
        | CopyImageError::Schema1
        | CopyImageError::Unnamed
        | CopyImageError::NoReferrers { .. }
        | CopyImageError::NoStore
        | CopyImageError::Cancelled => TransferCause::Other,
    }
}

fn copy_cause(error: &CopyError) -> TransferCause<'_> {
    match error {
        CopyError::Write(error) => write_cause(error),
        CopyError::Push(PushError::Registry(error)) => TransferCause::Registry(error),
        CopyError::Push(PushError::Read { .. }) | CopyError::Cancelled => TransferCause::Other,
    }
}

fn tree_cause(error: &TreeError) -> TransferCause<'_> {
    match error {
        TreeError::Source(error) => source_cause(error),
        TreeError::Incomplete { .. } => TransferCause::IncompleteIndex,
        TreeError::NoMatchingPlatform(error) => TransferCause::Platform(error),
        TreeError::Missing { .. }
        | TreeError::Manifest { .. }
        | TreeError::Config { .. }
        | TreeError::NoImage { .. }
        | TreeError::TooManyDocuments { .. }
        | TreeError::NestedTooDeeply { .. }
        | TreeError::ReferrersTooDeep { .. }
        | TreeError::Batch(_) => TransferCause::Other,
    }
}

fn source_cause(error: &SourceError) -> TransferCause<'_> {
    match error {
        SourceError::Registry(error) => TransferCause::Pull(error),
        SourceError::Layout(_)
        | SourceError::Store(_)
        | SourceError::Cancelled
        | SourceError::Size { .. } => TransferCause::Other,
    }
}

fn write_cause(error: &WriteError) -> TransferCause<'_> {
    TransferCause::Output {
        is_broken_pipe: error.is_broken_pipe(),
    }
}

fn is_pipe_error(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::BrokenPipe
}
