use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::PathBuf;

use super::*;

/// Returns the names in a directory, sorted.
fn listed(path: &Path) -> Vec<String> {
    let entries = fs::read_dir(path).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn is_rejected(path: &Path) -> bool {
    matches!(
        UnpackTarget::open(path),
        Err(UnpackImageError::NotEmpty { .. })
    )
}

fn paths() -> (tempfile::TempDir, PathBuf) {
    let parent = tempfile::tempdir().unwrap();
    let into = parent.path().join("into");
    (parent, into)
}

/// A new directory is removed with its content, including a `lost+found` of the image.
#[test]
fn a_new_directory_is_removed_after_an_error() {
    let (parent, into) = paths();
    let target = UnpackTarget::open(&into).unwrap();
    fs::create_dir_all(into.join("lost+found/a")).unwrap();
    fs::write(into.join("file"), "").unwrap();
    drop(target);
    assert_eq!(listed(parent.path()), [""; 0]);
}

/// Owner, mode and times of the image's root directory are restored.
#[test]
fn an_existing_directory_is_restored_after_an_error() {
    let (_parent, into) = paths();
    fs::create_dir_all(into.join("lost+found")).unwrap();
    fs::set_permissions(&into, fs::Permissions::from_mode(0o750)).unwrap();
    let before = fs::metadata(&into).unwrap();

    let target = UnpackTarget::open(&into).unwrap();
    fs::write(into.join("file"), "").unwrap();
    fs::write(into.join("lost+found/file"), "").unwrap();
    fs::set_permissions(&into, fs::Permissions::from_mode(0o777)).unwrap();
    drop(target);

    assert_eq!(listed(&into), ["lost+found"]);
    assert_eq!(listed(&into.join("lost+found")), [""; 0]);
    let after = fs::metadata(&into).unwrap();
    assert_eq!(after.mode(), before.mode());
    assert_eq!(
        (after.mtime(), after.mtime_nsec()),
        (before.mtime(), before.mtime_nsec())
    );
}

/// An image could replace its content, so only an empty `lost+found` is permitted.
#[test]
fn a_lost_and_found_with_content_is_rejected() {
    let (_parent, into) = paths();
    fs::create_dir_all(into.join("lost+found")).unwrap();
    fs::write(into.join("lost+found/#12"), "content").unwrap();
    assert!(is_rejected(&into));
    assert_eq!(listed(&into.join("lost+found")), ["#12"]);
}

#[test]
fn a_file_or_link_with_the_name_lost_and_found_is_rejected() {
    let (parent, into) = paths();
    fs::create_dir(&into).unwrap();
    let name = into.join("lost+found");
    fs::write(&name, "content").unwrap();
    assert!(is_rejected(&into));
    fs::remove_file(&name).unwrap();
    symlink(parent.path(), &name).unwrap();
    assert!(is_rejected(&into));
    assert_eq!(listed(&into), ["lost+found"]);
}

/// A user with write access to parts of the path must not choose what is emptied.
#[test]
fn a_replaced_path_is_not_followed() {
    let (parent, into) = paths();
    let other = parent.path().join("other");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("file"), "content").unwrap();

    let target = UnpackTarget::open(&into).unwrap();
    fs::write(into.join("unpacked"), "").unwrap();
    let moved = parent.path().join("moved");
    fs::rename(&into, &moved).unwrap();
    symlink(&other, &into).unwrap();
    drop(target);

    assert_eq!(listed(&other), ["file"]);
    assert_eq!(listed(&moved), [""; 0]);
}

/// If both unpacked into it, the failing one would remove the content of the other.
#[test]
fn two_processes_cannot_unpack_into_one_directory() {
    let (_parent, into) = paths();
    let target = UnpackTarget::open(&into).unwrap();
    assert!(is_rejected(&into));
    fs::write(into.join("file"), "").unwrap();
    target.keep();
    assert_eq!(listed(&into), ["file"]);
}
