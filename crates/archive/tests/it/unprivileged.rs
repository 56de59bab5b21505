//! Unpacking as an ordinary user, on a thread that has dropped root privileges.

use std::fs::File;
use std::os::fd::AsFd;

use rustix::fs::{Gid, Uid};
use windlass_archive::{
    Ownership, PathResolution, SkippedItems, UnpackError, UnpackMode, UnpackOptions,
    UnpackProgress, UnpackedLayer,
};

use crate::builder::{Entry, Tar};
use crate::sandbox::{Sandbox, UNPRIVILEGED_ID, confined};
use crate::shape::full;
use crate::special::CAPABILITY;

/// Unpacks as an unprivileged user if the tests run as root, or as the current user otherwise.
fn unpack(
    sandbox: &Sandbox,
    tar: &[u8],
    options: &UnpackOptions,
) -> Result<UnpackedLayer, UnpackError> {
    let root = File::open(sandbox.root()).unwrap();
    let is_root = rustix::process::geteuid().is_root();
    let (uid, gid) = (
        Uid::from_raw(UNPRIVILEGED_ID),
        Gid::from_raw(UNPRIVILEGED_ID),
    );
    if is_root {
        rustix::fs::fchown(&root, Some(uid), Some(gid)).unwrap();
    }
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            if is_root {
                rustix::thread::set_thread_groups(&[]).unwrap();
                rustix::thread::set_thread_res_gid(gid, gid, gid).unwrap();
                rustix::thread::set_thread_res_uid(uid, uid, uid).unwrap();
            }
            windlass_archive::unpack(tar, root.as_fd(), options, &UnpackProgress::default())
        });
        thread.join().unwrap()
    })
}

fn all_options(mode: UnpackMode) -> [UnpackOptions; 2] {
    [PathResolution::Kernel, PathResolution::Walk].map(|resolve| UnpackOptions {
        mode,
        resolve,
        ownership: Ownership::CurrentUser,
        ..UnpackOptions::default()
    })
}

fn owner() -> String {
    let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
    if uid.is_root() {
        return format!("{UNPRIVILEGED_ID}:{UNPRIVILEGED_ID}");
    }
    format!("{}:{}", uid.as_raw(), gid.as_raw())
}

/// Files can be created in a directory that is read-only in the tar, and attributes can be set on a read-only file.
#[test]
fn read_only_directories_are_filled() {
    confined(|sandbox| {
        let tar = Tar::new()
            .entry(Entry::dir("./"))
            .entry(Entry::dir("d").mode(0o555).owner(1, 2))
            .entry(Entry::dir("d/e").mode(0).owner(3, 4))
            .entry(Entry::file("d/e/f", "f").mode(0o4000).xattr("user.x", "y"))
            .entry(
                Entry::file("d/g", "g")
                    .mode(0o444)
                    .xattr("security.capability", CAPABILITY),
            )
            .entry(Entry::device(b'3', "d/null", 1, 3))
            .file("d/.wh.gone", "")
            .file("d/e/.wh..wh..opq", "")
            .end();
        for options in all_options(UnpackMode::Layer) {
            let unpacked = unpack(sandbox, &tar, &options).unwrap();
            assert_eq!(
                unpacked.skipped,
                SkippedItems {
                    devices: 1,
                    xattrs: 1
                }
            );
            let (owner, time) = (owner(), "1000000000.000000000");
            let expected = format!(
                "./ 755 {owner} {time}\n\
                 d/ 555 {owner} {time}\n\
                 d/e/ 0 {owner} {time} user.overlay.opaque=y\n\
                 d/e/f \"f\" 4000 {owner} {time} user.x=y\n\
                 d/g \"g\" 444 {owner} {time}\n\
                 d/gone c 0:0 0 {owner} {time}\n"
            );
            // Only root can read the resulting directories.
            if rustix::process::geteuid().is_root() {
                assert_eq!(full(&sandbox.root()), expected);
            }
            sandbox.reset();
        }
    });
}

/// Read-only directories of a lower layer are changed and removed, and get their mode back.
#[test]
fn read_only_directories_of_a_lower_layer_are_changed() {
    confined(|sandbox| {
        let lower = Tar::new()
            .entry(Entry::dir("./").mode(0o555))
            .entry(Entry::dir("d").mode(0o111))
            .entry(Entry::dir("d/e").mode(0))
            .file("d/e/f", "f")
            .entry(Entry::dir("d/gone").mode(0o000))
            .entry(Entry::dir("d/gone/inner").mode(0o500))
            .file("d/gone/inner/f", "")
            .symlink("l", "d/e")
            .end();
        let upper = Tar::new()
            .file("d/e/g", "g")
            .file("l/h", "h")
            .file("d/.wh.gone", "")
            .entry(Entry::dir("d/e/new").mode(0o500))
            .file("d/e/new/i", "i")
            .end();
        for options in all_options(UnpackMode::Flatten) {
            unpack(sandbox, &lower, &options).unwrap();
            unpack(sandbox, &upper, &options).unwrap();
            let (owner, time) = (owner(), "1000000000.000000000");
            let expected = format!(
                "./ 555 {owner} {time}\n\
                 d/ 111 {owner} {time}\n\
                 d/e/ 0 {owner} {time}\n\
                 d/e/f \"f\" 644 {owner} {time}\n\
                 d/e/g \"g\" 644 {owner} {time}\n\
                 d/e/h \"h\" 644 {owner} {time}\n\
                 d/e/new/ 500 {owner} {time}\n\
                 d/e/new/i \"i\" 644 {owner} {time}\n\
                 l -> d/e 777 {owner} {time}\n"
            );
            if rustix::process::geteuid().is_root() {
                assert_eq!(full(&sandbox.root()), expected);
            }
            sandbox.reset();
        }
    });
}
