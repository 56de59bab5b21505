//! What to do about what is on this machine: the store, its images, directories to unpack into and mount on.

use std::io::ErrorKind;
use std::path::Path;

use windlass::{
    FindError, MountError, OpenError, PruneError, RemoveError, RootError, StoreError,
    StoreOpenError, StoreRemoveError, TagImageError, UnpackErrorOrigin, UnpackImageError,
};

use super::{Advice, broken, of_client, of_disk};

pub(super) fn of_open(error: &OpenError) -> Advice {
    match error {
        OpenError::Store(StoreOpenError::Root(root)) => match root {
            RootError::UnknownFormat { .. } => Advice::code("store"),
            RootError::NotAStore { .. } => {
                Advice::hint("store", "name another directory with --root")
            }
            RootError::Untrusted { .. } => Advice::hint(
                "store",
                "make it yours alone, or name another directory with --root",
            ),
            RootError::File(_) => match of_disk(error, false, "store") {
                Advice { code, hint: None } => {
                    Advice::hint(code, "name another directory with --root")
                }
                advice => advice,
            },
        },
        OpenError::Store(store) => of_disk(error, store.is_no_space(), "store"),
        OpenError::Client(error) => of_client(error),
    }
}

pub(super) fn of_store(error: &StoreError) -> Advice {
    match error {
        StoreError::Find(find) => of_find(find),
        StoreError::Read(_) | StoreError::Config(_) => {
            Advice::hint("store", "pull the image again: that repairs it")
        }
        StoreError::Database(_) | StoreError::Usage(_) => of_disk(error, false, "store"),
    }
}

pub(super) fn of_find(error: &FindError) -> Advice {
    match error {
        FindError::Unknown { .. } => Advice::hint(
            super::UNKNOWN_IMAGE,
            "`windlass images` shows what is there",
        ),
        FindError::Ambiguous { .. } => Advice::hint("ambiguous", "give more digits of the ID"),
        FindError::Database(_) => of_disk(error, false, "store"),
    }
}

pub(super) fn of_tag(error: &TagImageError) -> Advice {
    match error {
        TagImageError::Find(find) => of_find(find),
        TagImageError::Digest { .. } => Advice::code("invalid_reference"),
        TagImageError::NotWritable(_) => Advice::code("store"),
        TagImageError::Database(database) => of_disk(error, database.is_no_space(), "store"),
    }
}

pub(super) fn of_remove(error: &RemoveError) -> Advice {
    match error {
        RemoveError::Store(store) => of_store_remove(store),
        RemoveError::Mounted { at } => Advice::hint(
            "mounted",
            format!("`windlass umount {}` first", at.display()),
        ),
        RemoveError::Mounts(mounts) => of_mount(mounts, Path::new("")),
    }
}

pub(super) fn of_prune(error: &PruneError) -> Advice {
    match error {
        PruneError::Ask(ask) => of_store(ask),
        PruneError::Mounts(mounts) => of_mount(mounts, Path::new("")),
        PruneError::Remove(remove) => of_store_remove(remove),
        PruneError::Partials(_) => of_disk(error, false, "store"),
    }
}

fn of_store_remove(error: &StoreRemoveError) -> Advice {
    match error {
        StoreRemoveError::Find(find) => of_find(find),
        StoreRemoveError::SeveralNames { .. } => Advice::code("several_names"),
        StoreRemoveError::InUse { .. } => Advice::code("mounted"),
        StoreRemoveError::NotWritable(_) => Advice::code("store"),
        StoreRemoveError::File(_) | StoreRemoveError::Database(_) => {
            of_disk(error, error.is_no_space(), "store")
        }
    }
}

pub(super) fn of_mount(error: &MountError, directory: &Path) -> Advice {
    match error {
        MountError::Find(find) => of_find(find),
        MountError::Chain(_) | MountError::File(_) => of_disk(error, false, "store"),
        MountError::NotStackable { .. } => Advice::hint(
            "not_stackable",
            "`windlass unpack` writes the image into a directory",
        ),
        MountError::NotMounted { .. } => Advice::code("not_mounted"),
        MountError::System { source, .. } => match source.kind() {
            ErrorKind::PermissionDenied => Advice::hint(
                "no_permission",
                "mounting takes root; `windlass unpack` does not",
            ),
            ErrorKind::NotFound => Advice::hint(
                "no_directory",
                format!("make it first: `mkdir -p {}`", directory.display()),
            ),
            ErrorKind::NotADirectory => Advice::hint("no_directory", "name a directory"),
            _ => Advice::code("mount"),
        },
    }
}

pub(super) fn of_unpack(error: &UnpackImageError, directory: &Path) -> Advice {
    match error {
        UnpackImageError::Find(find) => of_find(find),
        UnpackImageError::Blob(_) | UnpackImageError::Damaged { .. } => {
            Advice::hint("store", "pull the image again: that repairs it")
        }
        UnpackImageError::NotEmpty { .. } => Advice::hint(
            "not_empty",
            "give a directory that is empty or does not exist",
        ),
        UnpackImageError::Directory { source, .. } => match (source.kind(), directory.parent()) {
            (ErrorKind::NotFound, Some(parent)) => Advice::hint(
                "no_directory",
                format!(
                    "make the one above it first: `mkdir -p {}`",
                    parent.display()
                ),
            ),
            _ => of_written(error),
        },
        UnpackImageError::Layer { source, .. } => match source.origin() {
            UnpackErrorOrigin::Layer => broken("invalid_layer"),
            UnpackErrorOrigin::Input | UnpackErrorOrigin::System => of_written(error),
        },
        UnpackImageError::Cancelled => Advice::code("interrupted"),
    }
}

/// Where it is written to is another place than the store.
fn of_written(error: &UnpackImageError) -> Advice {
    match of_disk(error, false, "io") {
        Advice {
            code: code @ "no_space",
            ..
        } => Advice::hint(code, "make room on that disk, or unpack it elsewhere"),
        Advice {
            code: code @ "no_permission",
            ..
        } => Advice::hint(
            code,
            "run it as a user who may do that, or unpack it elsewhere",
        ),
        advice => advice,
    }
}
