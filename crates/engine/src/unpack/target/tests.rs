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

fn begin_fails(path: &Path) -> bool {
    matches!(
        UnpackTarget::open(path),
        Err(UnpackImageError::NotEmpty { .. })
    )
}

fn place() -> (tempfile::TempDir, PathBuf) {
    let place = tempfile::tempdir().unwrap();
    let into = place.path().join("into");
    (place, into)
}

/// A new directory is removed with its content, including a `lost+found` of the image.
#[test]
fn what_was_made_goes_again() {
    let (place, into) = place();
    let target = UnpackTarget::open(&into).unwrap();
    fs::create_dir_all(into.join("lost+found/a")).unwrap();
    fs::write(into.join("file"), "").unwrap();
    drop(target);
    assert_eq!(listed(place.path()), [""; 0]);
}

/// Owner, mode and times of the image's root directory are restored.
#[test]
fn what_was_there_ends_as_it_was() {
    let (_place, into) = place();
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
fn a_lost_and_found_with_something_in_it_is_the_users() {
    let (_place, into) = place();
    fs::create_dir_all(into.join("lost+found")).unwrap();
    fs::write(into.join("lost+found/#12"), "found again").unwrap();
    assert!(begin_fails(&into));
    assert_eq!(listed(&into.join("lost+found")), ["#12"]);
}

#[test]
fn a_file_or_link_called_lost_and_found_is_the_users() {
    let (place, into) = place();
    fs::create_dir(&into).unwrap();
    let name = into.join("lost+found");
    fs::write(&name, "mine").unwrap();
    assert!(begin_fails(&into));
    fs::remove_file(&name).unwrap();
    symlink(place.path(), &name).unwrap();
    assert!(begin_fails(&into));
    assert_eq!(listed(&into), ["lost+found"]);
}

/// A user with write access to parts of the path must not choose what is emptied.
#[test]
fn a_path_that_leads_elsewhere_meanwhile_is_not_followed() {
    let (place, into) = place();
    let precious = place.path().join("precious");
    fs::create_dir(&precious).unwrap();
    fs::write(precious.join("file"), "mine").unwrap();

    let target = UnpackTarget::open(&into).unwrap();
    fs::write(into.join("unpacked"), "").unwrap();
    let moved = place.path().join("moved");
    fs::rename(&into, &moved).unwrap();
    symlink(&precious, &into).unwrap();
    drop(target);

    assert_eq!(listed(&precious), ["file"]);
    assert_eq!(listed(&moved), [""; 0]);
}

/// If both unpacked into it, the failing one would remove the content of the other.
#[test]
fn a_directory_is_filled_by_one_at_a_time() {
    let (_place, into) = place();
    let target = UnpackTarget::open(&into).unwrap();
    assert!(begin_fails(&into));
    fs::write(into.join("file"), "").unwrap();
    target.keep();
    assert_eq!(listed(&into), ["file"]);
}
