//! Comparisons of trees: equal trees are equal, and every difference is reported.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::{Duration, SystemTime};

use rustix::fs::XattrFlags;
use tempfile::TempDir;
use windlass_testing::{TreeAspect, TreeSnapshot};

/// Creates a tree with one entry of each kind, always the same.
fn make(path: &Path) {
    fs::create_dir_all(path.join("dir")).unwrap();
    fs::write(path.join("dir/file"), b"content").unwrap();
    fs::write(path.join("dir/single"), b"content").unwrap();
    fs::hard_link(path.join("dir/file"), path.join("name")).unwrap();
    symlink("dir/file", path.join("link")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        path.join("fifo"),
        rustix::fs::FileType::Fifo,
        0o600.into(),
        0,
    )
    .unwrap();
    settle(path);
}

/// Sets the same time and mode for all entries (except links and fifos, which cannot be opened).
fn settle(path: &Path) {
    for name in ["dir/file", "dir/single", "dir", "."] {
        let file = File::open(path.join(name)).unwrap();
        let time = SystemTime::UNIX_EPOCH + Duration::new(1_000_000_000, 5);
        file.set_modified(time).unwrap();
        let mode = if name.contains('/') { 0o644 } else { 0o755 };
        file.set_permissions(Permissions::from_mode(mode)).unwrap();
    }
}

fn pair() -> (TempDir, TempDir) {
    let pair = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    make(pair.0.path());
    make(pair.1.path());
    pair
}

/// Returns the tree without the owners.
fn tree(path: &Path) -> TreeSnapshot {
    TreeSnapshot::of(path)
        .unwrap()
        .without(&[TreeAspect::Owner])
}

fn differences(left: &Path, right: &Path) -> Vec<String> {
    let ignored = [TreeAspect::Owner, TreeAspect::Mtime];
    let left = TreeSnapshot::of(left).unwrap().without(&ignored);
    let right = TreeSnapshot::of(right).unwrap().without(&ignored);
    let differences = left.differences(&right);
    differences.iter().map(ToString::to_string).collect()
}

#[test]
fn equal_trees_are_equal() {
    let (left, right) = pair();
    let [left_tree, right_tree] = [left.path(), right.path()].map(|path| {
        let times = [TreeAspect::Owner];
        let tree = TreeSnapshot::of(path).unwrap().without(&times);
        tree.without_path("link").without_path("fifo")
    });
    left_tree.assert_same(&right_tree);
    assert_eq!(
        tree(left.path()).paths(),
        [".", "dir", "dir/file", "dir/single", "fifo", "link", "name"]
    );
    let digest = "ed7002b439e9";
    let lines = left_tree.to_string();
    assert_eq!(
        lines,
        format!(
            ".  dir 0755 0:0 1000000000.000000005\n\
             dir  dir 0755 0:0 1000000000.000000005\n\
             dir/file  file 0644 0:0 1000000000.000000005 7 bytes {digest} =dir/file\n\
             dir/single  file 0644 0:0 1000000000.000000005 7 bytes {digest}\n\
             name  file 0644 0:0 1000000000.000000005 7 bytes {digest} =dir/file\n"
        )
    );
}

#[test]
fn every_difference_is_reported() {
    let (left, right) = pair();
    let path = right.path();
    fs::set_permissions(path.join("dir"), Permissions::from_mode(0o1700)).unwrap();
    fs::remove_file(path.join("link")).unwrap();
    symlink("elsewhere", path.join("link")).unwrap();
    fs::remove_file(path.join("name")).unwrap();
    fs::write(path.join("name"), b"content").unwrap();
    fs::write(path.join("dir/single"), b"CONTENT").unwrap();
    fs::write(path.join("new\n"), b"").unwrap();
    fs::set_permissions(path.join("new\n"), Permissions::from_mode(0o644)).unwrap();
    fs::remove_file(path.join("fifo")).unwrap();
    assert_eq!(
        differences(left.path(), path),
        [
            "~ dir  mode: 0755 → 1700",
            "~ dir/file  link of: =dir/file → nothing",
            "~ dir/single  content: 7 bytes ed7002b439e9 → 7 bytes 65f23e22a9bf",
            "- fifo  fifo 0600 0:0 0.000000000",
            "~ link  content: -> dir/file → -> elsewhere",
            "~ name  link of: =dir/file → nothing",
            "+ \"new\\n\"  file 0644 0:0 0.000000000 0 bytes e3b0c44298fc",
        ]
    );
}

#[test]
fn a_nanosecond_is_a_difference() {
    let (left, right) = pair();
    let time = SystemTime::UNIX_EPOCH + Duration::new(1_000_000_000, 6);
    let file = File::open(right.path().join("dir/single")).unwrap();
    file.set_modified(time).unwrap();
    let [left, right] = [left, right].map(|it| tree(it.path()).without_path("link"));
    let differences = left
        .without_path("fifo")
        .differences(&right.without_path("fifo"));
    let lines: Vec<_> = differences.iter().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        ["~ dir/single  mtime: 1000000000.000000005 → 1000000000.000000006"]
    );
}

#[test]
fn extended_attributes_are_a_difference() {
    let (left, right) = pair();
    let file = right.path().join("dir/single");
    if rustix::fs::setxattr(&file, "user.note", b"a\0b", XattrFlags::empty()).is_err() {
        eprintln!("not run: needs a file system with extended attributes");
        return;
    }
    assert_eq!(
        differences(left.path(), right.path()),
        ["~ dir/single  xattr user.note: nothing → user.note=\"a\\x00b\""]
    );
}

#[test]
fn owners_and_devices_are_a_difference() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("not run: needs root");
        return;
    }
    let (left, right) = pair();
    std::os::unix::fs::chown(right.path().join("dir/single"), Some(7), Some(8)).unwrap();
    for (directory, minor) in [(&left, 3), (&right, 5)] {
        rustix::fs::mknodat(
            rustix::fs::CWD,
            directory.path().join("device"),
            rustix::fs::FileType::CharacterDevice,
            0o600.into(),
            rustix::fs::makedev(1, minor),
        )
        .unwrap();
    }
    let [left, right] = [left, right].map(|it| {
        TreeSnapshot::of(it.path())
            .unwrap()
            .without(&[TreeAspect::Mtime])
    });
    let lines: Vec<_> = left
        .differences(&right)
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        lines,
        [
            "~ device  content: 1,3 → 1,5",
            "~ dir/single  owner: 0:0 → 7:8"
        ]
    );
}

/// T09: a path of five thousand bytes is walked like any other.
#[test]
fn paths_may_be_longer_than_the_kernel_takes() {
    let directory = tempfile::tempdir().unwrap();
    let mut handle = rustix::fs::openat(
        rustix::fs::CWD,
        directory.path(),
        rustix::fs::OFlags::RDONLY,
        rustix::fs::Mode::empty(),
    )
    .unwrap();
    let name = "n".repeat(200);
    for _ in 0..25 {
        rustix::fs::mkdirat(&handle, &*name, 0o755.into()).unwrap();
        let flags = rustix::fs::OFlags::RDONLY;
        handle = rustix::fs::openat(&handle, &*name, flags, rustix::fs::Mode::empty()).unwrap();
    }
    let tree = TreeSnapshot::of(directory.path()).unwrap();
    let longest = tree.paths().iter().map(String::len).max();
    assert_eq!(longest, Some(25 * 201 - 1));
}

#[test]
#[should_panic(expected = "the trees differ in 1 entries:\n+ new  file")]
fn a_failed_comparison_lists_the_differences() {
    let (left, right) = pair();
    fs::write(right.path().join("new"), b"").unwrap();
    let ignored = [TreeAspect::Mtime];
    let left = TreeSnapshot::of(left.path()).unwrap().without(&ignored);
    left.assert_same(&TreeSnapshot::of(right.path()).unwrap().without(&ignored));
}
