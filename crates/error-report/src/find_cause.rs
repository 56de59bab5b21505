//! Failed lookups of images as the cause of operation errors.

use windlass::error::{
    BundleImageError, FindError, MountError, RemoveError, StoreError, StoreRemoveError,
    TagImageError, UnpackImageError,
};

use crate::OperationError;
use crate::transfer_cause::TransferCause;

/// Returns the failed lookup of the image that the operation is for, if it is the cause.
pub(crate) fn find_error(error: &OperationError) -> Option<&FindError> {
    match error {
        OperationError::List(source) | OperationError::Inspect { source, .. } => in_store(source),
        OperationError::Tag { source, .. } => in_tag(source),
        OperationError::Remove { source, .. } => in_remove(source),
        OperationError::Unpack { source, .. } => in_unpack(source),
        OperationError::Bundle { source, .. } => in_bundle(source),
        OperationError::Mount { source, .. } => in_mount(source),
        OperationError::Transfer { source, .. } => in_transfer(source.cause()),
        OperationError::Reference(_)
        | OperationError::Filter(_)
        | OperationError::Open(_)
        | OperationError::Client(_)
        | OperationError::Registry { .. }
        | OperationError::LogIn { .. }
        | OperationError::SaveLogin { .. }
        | OperationError::LogOut { .. }
        | OperationError::Prune(_)
        | OperationError::Unmount { .. } => None,
    }
}

fn in_store(error: &StoreError) -> Option<&FindError> {
    match error {
        StoreError::Find(error) => Some(error),
        StoreError::Read(_)
        | StoreError::Config(_)
        | StoreError::Database(_)
        | StoreError::Usage(_) => None,
    }
}

fn in_tag(error: &TagImageError) -> Option<&FindError> {
    match error {
        TagImageError::Find(error) => Some(error),
        TagImageError::Digest { .. }
        | TagImageError::NotWritable(_)
        | TagImageError::Database(_) => None,
    }
}

fn in_remove(error: &RemoveError) -> Option<&FindError> {
    match error {
        RemoveError::Store(StoreRemoveError::Find(error)) => Some(error),
        RemoveError::Store(
            StoreRemoveError::SeveralNames { .. }
            | StoreRemoveError::InUse { .. }
            | StoreRemoveError::NotWritable(_)
            | StoreRemoveError::File(_)
            | StoreRemoveError::Database(_),
        )
        | RemoveError::Mounted { .. }
        | RemoveError::Mounts(_) => None,
    }
}

fn in_unpack(error: &UnpackImageError) -> Option<&FindError> {
    match error {
        UnpackImageError::Find(error) => Some(error),
        UnpackImageError::Blob(_)
        | UnpackImageError::NotEmpty { .. }
        | UnpackImageError::Directory { .. }
        | UnpackImageError::Layer { .. }
        | UnpackImageError::Damaged { .. }
        | UnpackImageError::Cancelled => None,
    }
}

fn in_bundle(error: &BundleImageError) -> Option<&FindError> {
    match error {
        BundleImageError::Find(error) => Some(error),
        BundleImageError::Platform { .. }
        | BundleImageError::Read(_)
        | BundleImageError::Config(_)
        | BundleImageError::Convert(_)
        | BundleImageError::Unpack(_)
        | BundleImageError::Directory { .. } => None,
    }
}

fn in_mount(error: &MountError) -> Option<&FindError> {
    match error {
        MountError::Find(error) => Some(error),
        MountError::Chain(_)
        | MountError::NotStackable { .. }
        | MountError::HidingForm { .. }
        | MountError::File(_)
        | MountError::NotMounted { .. }
        | MountError::System { .. } => None,
    }
}

fn in_transfer(cause: TransferCause<'_>) -> Option<&FindError> {
    match cause {
        TransferCause::Find(error) => Some(error),
        TransferCause::Pull(_)
        | TransferCause::Registry(_)
        | TransferCause::Url(_)
        | TransferCause::Import(_)
        | TransferCause::Platform(_)
        | TransferCause::IncompleteIndex
        | TransferCause::DamagedImage
        | TransferCause::Archive
        | TransferCause::Output { .. }
        | TransferCause::Other => None,
    }
}
