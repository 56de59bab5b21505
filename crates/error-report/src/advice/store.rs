//! Advice for the store, its images, and the directories that images are unpacked into and mounted on.

use std::io::ErrorKind;
use std::path::Path;

use windlass::error::{
    FindError, MountError, OpenError, PruneError, RemoveError, StoreError, StoreOpenError,
    StoreRemoveError, StoreRootError, TagImageError, UnpackErrorOrigin, UnpackImageError,
};

use super::pull::client_advice;
use super::{Advice, io_advice, malformed_advice, repair_advice};
use crate::ErrorCode;

/// Returns the advice for a store that cannot be opened.
pub fn open_advice(error: &OpenError) -> Advice {
    match error {
        OpenError::Store(StoreOpenError::Root(root)) => match root {
            StoreRootError::UnknownFormat { .. } => Advice::code(ErrorCode::Store),
            StoreRootError::NotAStore { .. } => {
                Advice::hint(ErrorCode::Store, "choose another directory with --root")
            }
            StoreRootError::Untrusted { .. } => Advice::hint(
                ErrorCode::Store,
                "make your user the owner and deny access to others, or choose another directory with --root",
            ),
            StoreRootError::File(_) => match io_advice(error, false, ErrorCode::Store) {
                Advice { code, hint: None } => {
                    Advice::hint(code, "choose another directory with --root")
                }
                advice => advice,
            },
        },
        OpenError::Store(store) => io_advice(error, store.is_no_space(), ErrorCode::Store),
        OpenError::Client(error) => client_advice(error),
    }
}

pub(crate) fn store_advice(error: &StoreError) -> Advice {
    match error {
        StoreError::Find(find) => find_advice(find),
        StoreError::Read(_) | StoreError::Config(_) => repair_advice(),
        StoreError::Database(_) | StoreError::Usage(_) => io_advice(error, false, ErrorCode::Store),
    }
}

pub(crate) fn find_advice(error: &FindError) -> Advice {
    match error {
        FindError::Unknown { .. } => Advice::hint(
            ErrorCode::NoSuchImage,
            "list the local images with `windlass images`",
        ),
        FindError::Ambiguous { .. } => {
            Advice::hint(ErrorCode::Ambiguous, "use more digits of the ID")
        }
        FindError::Database(_) => io_advice(error, false, ErrorCode::Store),
    }
}

pub(crate) fn tag_advice(error: &TagImageError) -> Advice {
    match error {
        TagImageError::Find(find) => find_advice(find),
        TagImageError::Digest { .. } => Advice::code(ErrorCode::InvalidReference),
        TagImageError::NotWritable(_) => Advice::code(ErrorCode::Store),
        TagImageError::Database(database) => {
            io_advice(error, database.is_no_space(), ErrorCode::Store)
        }
    }
}

pub(crate) fn remove_advice(error: &RemoveError) -> Advice {
    match error {
        RemoveError::Store(store) => store_remove_advice(store),
        RemoveError::Mounted { at } => Advice::hint(
            ErrorCode::Mounted,
            format!("unmount it first: `windlass umount {}`", at.display()),
        ),
        RemoveError::Mounts(mounts) => mount_advice(mounts, Path::new("")),
    }
}

pub(crate) fn prune_advice(error: &PruneError) -> Advice {
    match error {
        PruneError::Find(error) => store_advice(error),
        PruneError::Mounts(mounts) => mount_advice(mounts, Path::new("")),
        PruneError::Remove(remove) => store_remove_advice(remove),
        PruneError::Partials(_) => io_advice(error, false, ErrorCode::Store),
    }
}

fn store_remove_advice(error: &StoreRemoveError) -> Advice {
    match error {
        StoreRemoveError::Find(find) => find_advice(find),
        StoreRemoveError::SeveralNames { .. } => Advice::code(ErrorCode::SeveralNames),
        StoreRemoveError::InUse { .. } => Advice::code(ErrorCode::Mounted),
        StoreRemoveError::NotWritable(_) => Advice::code(ErrorCode::Store),
        StoreRemoveError::File(_) | StoreRemoveError::Database(_) => {
            io_advice(error, error.is_no_space(), ErrorCode::Store)
        }
    }
}

pub(crate) fn mount_advice(error: &MountError, directory: &Path) -> Advice {
    match error {
        MountError::Find(find) => find_advice(find),
        MountError::Chain(_) | MountError::File(_) => io_advice(error, false, ErrorCode::Store),
        MountError::NotStackable { .. } | MountError::HidingForm { .. } => Advice::hint(
            ErrorCode::NotStackable,
            "unpack the image into a directory with `windlass unpack`",
        ),
        MountError::NotMounted { .. } => Advice::code(ErrorCode::NotMounted),
        MountError::System { source, .. } => match source.kind() {
            ErrorKind::PermissionDenied => Advice::hint(
                ErrorCode::NoPermission,
                "run as root, or unpack the image with `windlass unpack`",
            ),
            ErrorKind::NotFound => Advice::hint(
                ErrorCode::NoDirectory,
                format!(
                    "create the directory first: `mkdir -p {}`",
                    directory.display()
                ),
            ),
            ErrorKind::NotADirectory => Advice::hint(ErrorCode::NoDirectory, "choose a directory"),
            _ => Advice::code(ErrorCode::Mount),
        },
    }
}

pub(crate) fn unpack_advice(error: &UnpackImageError, directory: &Path) -> Advice {
    match error {
        UnpackImageError::Find(find) => find_advice(find),
        UnpackImageError::Blob(_) | UnpackImageError::Damaged { .. } => repair_advice(),
        UnpackImageError::NotEmpty { .. } => Advice::hint(
            ErrorCode::NotEmpty,
            "choose a directory that is empty or does not exist",
        ),
        UnpackImageError::Directory { source, .. } => match (source.kind(), directory.parent()) {
            (ErrorKind::NotFound, Some(parent)) => Advice::hint(
                ErrorCode::NoDirectory,
                format!(
                    "create the parent directory first: `mkdir -p {}`",
                    parent.display()
                ),
            ),
            _ => unpack_output_advice(error),
        },
        UnpackImageError::Layer { source, .. } => match source.origin() {
            UnpackErrorOrigin::Layer => malformed_advice(ErrorCode::InvalidLayer),
            UnpackErrorOrigin::Input | UnpackErrorOrigin::System => unpack_output_advice(error),
        },
        UnpackImageError::Cancelled => Advice::code(ErrorCode::Interrupted),
    }
}

/// The target is not on the store's disk, so `--root` does not help.
fn unpack_output_advice(error: &UnpackImageError) -> Advice {
    match io_advice(error, false, ErrorCode::Io) {
        Advice {
            code: code @ ErrorCode::NoSpace,
            ..
        } => Advice::hint(code, "free space on that disk, or unpack elsewhere"),
        Advice {
            code: code @ ErrorCode::NoPermission,
            ..
        } => Advice::hint(
            code,
            "run as a user with the permission, or unpack elsewhere",
        ),
        advice => advice,
    }
}
