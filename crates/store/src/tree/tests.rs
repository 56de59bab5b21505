//! Removal of hostile trees.

use std::fs::{self, File};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::thread;

use rustix::fs::{Mode, OFlags};

use super::remove;
use crate::tests::fixture::list;

fn remove_in(parent: &Path, name: &str) -> std::io::Result<()> {
    let parent = File::open(parent).unwrap();
    remove(parent.as_fd(), name.as_ref())
}

/// Creates a chain of directories that is deeper than the longest path.
fn dig(top: &Path, depth: usize) {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    let mut dir: OwnedFd = File::open(top).unwrap().into();
    for _ in 0..depth {
        rustix::fs::mkdirat(&dir, "deeper", Mode::RWXU).unwrap();
        drop(
            rustix::fs::openat(&dir, "file", OFlags::CREATE | OFlags::WRONLY, Mode::RUSR).unwrap(),
        );
        dir = rustix::fs::openat(&dir, "deeper", flags, Mode::empty()).unwrap();
    }
}

#[test]
fn removes_files_links_and_directories_and_follows_nothing() {
    let top = tempfile::tempdir().unwrap();
    let canary = top.path().join("canary");
    fs::create_dir(&canary).unwrap();
    fs::write(canary.join("file"), "alive").unwrap();
    let tree = top.path().join("tree");
    fs::create_dir_all(tree.join("a/b/c")).unwrap();
    fs::write(tree.join("a/b/c/file"), "").unwrap();
    fs::write(tree.join("a/file"), "").unwrap();
    symlink(&canary, tree.join("a/link")).unwrap();
    symlink(&canary, tree.join("link")).unwrap();
    remove_in(top.path(), "tree").unwrap();
    assert_eq!(list(top.path()), ["canary"]);
    assert_eq!(list(&canary), ["file"]);

    symlink(&canary, &tree).unwrap();
    remove_in(top.path(), "tree").unwrap();
    assert_eq!(list(&canary), ["file"]);
    remove_in(top.path(), "tree").expect("a missing tree is no error");
}

/// T48: neither the stack nor the number of open files depends on the depth.
#[test]
fn removes_a_tree_of_any_depth() {
    let top = tempfile::tempdir().unwrap();
    let tree = top.path().join("tree");
    fs::create_dir(&tree).unwrap();
    dig(&tree, 5000);
    remove_in(top.path(), "tree").unwrap();
    assert_eq!(list(top.path()), [""; 0]);
}

#[test]
fn removes_a_wide_tree() {
    let top = tempfile::tempdir().unwrap();
    let tree = top.path().join("tree");
    for directory in 0..40 {
        let directory = tree.join(directory.to_string());
        fs::create_dir_all(&directory).unwrap();
        for file in 0..100 {
            fs::write(directory.join(file.to_string()), "").unwrap();
        }
    }
    remove_in(top.path(), "tree").unwrap();
    assert_eq!(list(top.path()), [""; 0]);
}

/// A layer may contain directories that their owner can neither read nor write. Root can anyway, so this runs
/// as an ordinary user where possible.
#[test]
fn removes_directories_without_permissions() {
    let top = tempfile::tempdir().unwrap();
    let path = top.path().to_owned();
    let ordinary_user = rustix::process::Uid::from_raw(65534);
    let is_root = rustix::process::geteuid().is_root();
    if is_root {
        rustix::fs::chown(&path, Some(ordinary_user), None).unwrap();
    }
    // The kernel has a user ID for each thread: the other tests still run as root.
    let worker = thread::spawn(move || {
        if is_root {
            rustix::thread::set_thread_res_uid(ordinary_user, ordinary_user, ordinary_user)
                .unwrap();
        }
        let tree = path.join("tree");
        fs::create_dir(&tree).unwrap();
        dig(&tree, 100);
        let mut locked = vec![tree];
        for _ in 0..60 {
            locked.push(locked[locked.len() - 1].join("deeper"));
        }
        for (place, path) in locked.iter().enumerate().rev() {
            let mode = [0o000, 0o100, 0o400, 0o500][place % 4];
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        }
        remove_in(&path, "tree")
    });
    worker.join().unwrap().unwrap();
    assert_eq!(list(top.path()), [""; 0]);
}
