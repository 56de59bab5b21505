//! The causes of failed transfers.

use std::io;

use windlass::error::{
    CopyError, CopyImageError, ExportError, FindError, ImportError, LayoutError, LoadError,
    NoMatchingPlatform, PullError, PushError, PushImageError, RegistryError, SaveError,
    SourceError, StoreError, TagImageError, TreeError, WriteError,
};

use crate::TransferError;

/// The cause of a failed transfer that decides on code and hint.
#[derive(Clone, Copy, Debug)]
pub(crate) enum TransferCause<'a> {
    /// An image of the store was not found.
    Find(&'a FindError),
    /// A manifest or blob could not be fetched.
    Pull(&'a PullError),
    /// A manifest or blob could not be pushed.
    Registry(&'a RegistryError),
    /// A URL could not be downloaded.
    Url(&'a RegistryError),
    /// No image could be made of a tar.
    Import(&'a ImportError),
    /// An image does not exist for the platform.
    Platform(&'a NoMatchingPlatform),
    /// The source does not have every image of the index.
    IncompleteIndex,
    /// The image in the store is damaged.
    DamagedImage,
    /// The archive or directory to read is malformed.
    Archive,
    /// The file or pipe to write failed.
    Output {
        /// Whether the reader has closed its end of the pipe.
        is_broken_pipe: bool,
    },
    /// Something else, such as the disk of the store.
    Other,
}

impl TransferError {
    /// Returns whether the reader of the output has closed its end.
    pub fn is_broken_pipe(&self) -> bool {
        match self.cause() {
            TransferCause::Output { is_broken_pipe } => is_broken_pipe,
            TransferCause::Find(_)
            | TransferCause::Pull(_)
            | TransferCause::Registry(_)
            | TransferCause::Url(_)
            | TransferCause::Import(_)
            | TransferCause::Platform(_)
            | TransferCause::IncompleteIndex
            | TransferCause::DamagedImage
            | TransferCause::Archive
            | TransferCause::Other => {
                matches!(self, Self::File { source, .. } if is_pipe_error(source))
            }
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
