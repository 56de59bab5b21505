use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::PathBuf;

use super::*;

/// What is in a directory, sorted.
fn listed(path: &Path) -> Vec<String> {
    let entries = fs::read_dir(path).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn begin_fails(path: &Path) -> bool {
    matches!(Filling::begin(path), Err(UnpackImageError::NotEmpty { .. }))
}

fn place() -> (tempfile::TempDir, PathBuf) {
    let place = tempfile::tempdir().unwrap();
    let into = place.path().join("into");
    (place, into)
}

/// A new directory goes again, with whatever was put into it; a `lost+found` of the image's, too.
#[test]
fn what_was_made_goes_again() {
    let (place, into) = place();
    let filling = Filling::begin(&into).unwrap();
    fs::create_dir_all(into.join("lost+found/a")).unwrap();
    fs::write(into.join("file"), "").unwrap();
    drop(filling);
    assert_eq!(listed(place.path()), [""; 0]);
}

/// What the image's root says of owner, mode and times does not stay behind.
#[test]
fn what_was_there_ends_as_it_was() {
    let (_place, into) = place();
    fs::create_dir_all(into.join("lost+found")).unwrap();
    fs::set_permissions(&into, fs::Permissions::from_mode(0o750)).unwrap();
    let before = fs::metadata(&into).unwrap();

    let filling = Filling::begin(&into).unwrap();
    fs::write(into.join("file"), "").unwrap();
    fs::write(into.join("lost+found/file"), "").unwrap();
    fs::set_permissions(&into, fs::Permissions::from_mode(0o777)).unwrap();
    drop(filling);

    assert_eq!(listed(&into), ["lost+found"]);
    assert_eq!(listed(&into.join("lost+found")), [""; 0]);
    let after = fs::metadata(&into).unwrap();
    assert_eq!(after.mode(), before.mode());
    assert_eq!(
        (after.mtime(), after.mtime_nsec()),
        (before.mtime(), before.mtime_nsec())
    );
}

/// An image could take away what is in it, so only an empty `lost+found` does not count.
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

/// Whoever can rename things on the way to the directory must not choose what is emptied.
#[test]
fn a_path_that_leads_elsewhere_meanwhile_is_not_followed() {
    let (place, into) = place();
    let precious = place.path().join("precious");
    fs::create_dir(&precious).unwrap();
    fs::write(precious.join("file"), "mine").unwrap();

    let filling = Filling::begin(&into).unwrap();
    fs::write(into.join("unpacked"), "").unwrap();
    let moved = place.path().join("moved");
    fs::rename(&into, &moved).unwrap();
    symlink(&precious, &into).unwrap();
    drop(filling);

    assert_eq!(listed(&precious), ["file"]);
    assert_eq!(listed(&moved), [""; 0]);
}

/// The one that fails would take away what the other has unpacked.
#[test]
fn a_directory_is_filled_by_one_at_a_time() {
    let (_place, into) = place();
    let filling = Filling::begin(&into).unwrap();
    assert!(begin_fails(&into));
    fs::write(into.join("file"), "").unwrap();
    filling.keep();
    assert_eq!(listed(&into), ["file"]);
}
