//! Special files, set-ID bits, owners and extended attributes (T08).

use std::os::unix::fs::PermissionsExt;

use windlass_archive::{Ownership, SkippedItems, UnpackErrorOrigin};

use crate::builder::{Entry, MAJOR, Tar};
use crate::sandbox::{UNPRIVILEGED_ID, all_options, confined, flatten, is_root, options};
use crate::shape::{full, shape};

/// A file capability, as the kernel stores it: version 2, `CAP_NET_RAW` permitted and effective.
pub(crate) const CAPABILITY: &[u8] =
    b"\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00";

/// T08: as root, all metadata is exactly that of the tar.
#[test]
fn root_creates_exactly_the_metadata_of_the_tar() {
    if !is_root("exact ownership") {
        return;
    }
    confined(|sandbox| {
        let tar = Tar::new()
            .entry(Entry::dir("./").mode(0o2755).owner(5, 6))
            .entry(Entry::file("setuid", "x").mode(0o4755).owner(1000, 1001))
            .entry(Entry::file("setgid", "x").mode(0o2711))
            .entry(Entry::dir("shared").mode(0o2775).owner(7, 8))
            .entry(Entry::file("shared/f", "").mode(0o600))
            .entry(Entry::dir("shared/d").mode(0o700))
            .entry(
                Entry::file("capable", "x")
                    .mode(0o755)
                    .owner(9, 9)
                    .xattr("security.capability", CAPABILITY),
            )
            .entry(Entry::device(b'3', "null", 1, 3).mode(0o666).owner(0, 5))
            .entry(Entry::device(b'4', "disk", 8, 0xf_ffff).mode(0o660))
            .entry(Entry::fifo("fifo").mode(0o4620).owner(3, 4))
            .entry(
                Entry::symlink("link", "x")
                    .owner(10, 11)
                    .xattr("trusted.t", "t"),
            )
            .entry(Entry::file("umask", "").mode(0o777))
            .entry(Entry::file("closed", "").mode(0))
            .end();
        for options in all_options() {
            sandbox.unpack_ok(&tar, &options);
            let time = "1000000000.000000000";
            let capability = CAPABILITY.escape_ascii();
            let expected = format!(
                "./ 2755 5:6 {time}\n\
                 capable \"x\" 755 9:9 {time} security.capability={capability}\n\
                 closed \"\" 0 0:0 {time}\n\
                 disk b 8:1048575 660 0:0 {time}\n\
                 fifo fifo 4620 3:4 {time}\n\
                 link -> x 777 10:11 {time} trusted.t=t\n\
                 null c 1:3 666 0:5 {time}\n\
                 setgid \"x\" 2711 0:0 {time}\n\
                 setuid \"x\" 4755 1000:1001 {time}\n\
                 shared/ 2775 7:8 {time}\n\
                 shared/d/ 700 0:0 {time}\n\
                 shared/f \"\" 600 0:0 {time}\n\
                 umask \"\" 777 0:0 {time}\n"
            );
            assert_eq!(full(&sandbox.root()), expected);
            sandbox.reset();
        }
    });
}

/// T08 (A22): a device number that is out of range is rejected, not truncated.
#[test]
fn device_numbers_out_of_range_are_rejected() {
    confined(|sandbox| {
        let huge = Entry::device(b'3', "d", 0, 3).binary(MAJOR, 1 << 33);
        for options in all_options() {
            let error = sandbox.unpack_error(&Tar::new().entry(huge.clone()).end(), &options);
            assert_eq!(error, "entry d: device number 8589934592:3 is out of range");
            let tar = Tar::new().entry(Entry::device(b'4', "d", 4096, 0)).end();
            let error = sandbox.unpack_error(&tar, &options);
            assert_eq!(error, "entry d: device number 4096:0 is out of range");
            let whiteout = Tar::new().entry(Entry::device(b'3', "d", 0, 0)).end();
            let error = sandbox.unpack_error(&whiteout, &options);
            assert_eq!(error, "entry d: a device 0:0 would be taken for a whiteout");
        }
    });
}

/// T08: an attribute that the file system cannot store is a system error.
#[test]
fn an_attribute_that_is_too_large_is_rejected() {
    confined(|sandbox| {
        let entry = Entry::file("f", "").xattr("user.x", vec![b'x'; (64 << 10) + 1]);
        let error = sandbox
            .unpack(&Tar::new().entry(entry).end(), &options())
            .unwrap_err();
        assert_eq!(error.origin(), UnpackErrorOrigin::System);
        let text = crate::sandbox::chain(&error);
        assert!(
            text.starts_with("entry f: cannot set an extended attribute: "),
            "{text}"
        );
    });
}

/// A21: a layer cannot set attributes that affect overlayfs or the host.
#[test]
fn attributes_of_overlayfs_and_of_the_host_are_dropped() {
    confined(|sandbox| {
        let mut entry = Entry::dir("d").xattr("user.kept", "1");
        for name in [
            "trusted.overlay.opaque",
            "trusted.overlay.redirect",
            "user.overlay.metacopy",
            "security.selinux",
            "security.ima",
            "security.evm",
        ] {
            entry = entry.xattr(name, "y");
        }
        for options in all_options() {
            let unpacked = sandbox.unpack_ok(&Tar::new().entry(entry.clone()).end(), &options);
            assert_eq!(shape(&sandbox.root()), "d/ user.kept=1\n");
            assert_eq!(unpacked.skipped, SkippedItems::default());
            sandbox.reset();
        }
    });
}

/// New files do not inherit the group and access control lists of a directory in a lower layer.
#[test]
fn nothing_is_inherited_from_a_directory() {
    if !is_root("set-group-ID and access control lists of others") {
        return;
    }
    confined(|sandbox| {
        // Version 2; user rwx, user 1 rwx, group rx, mask rwx, others rx.
        let acl = b"\x02\0\0\0\x01\0\x07\0\xff\xff\xff\xff\x02\0\x07\0\x01\0\0\0\x04\0\x05\0\xff\xff\xff\xff\
                    \x10\0\x07\0\xff\xff\xff\xff\x20\0\x05\0\xff\xff\xff\xff";
        let lower = Entry::dir("d")
            .mode(0o2755)
            .owner(0, 50)
            .xattr("system.posix_acl_default", acl);
        let lower = Tar::new().entry(lower).end();
        let upper = Tar::new()
            .file("d/f", "")
            .dir("d/e")
            .entry(Entry::fifo("d/p"))
            .file("d/i/g", "")
            .end();
        sandbox.unpack_ok(&lower, &flatten());
        let unpacked = sandbox.unpack_ok(&upper, &flatten());
        assert_eq!(unpacked.implied_directories, [b"d/i"]);
        let text = full(&sandbox.root());
        let time = "1000000000.000000000";
        let acl = acl.escape_ascii();
        let inside = text.split_once("\nd/").unwrap().1;
        let expected = format!(
            " 2755 0:50 {time} system.posix_acl_default={acl}\nd/e/ 755 0:0 {time}\nd/f \"\" 644 0:0 \
             {time}\nd/i/ 755 0:0 0.000000000\nd/i/g \"\" 644 0:0 {time}\nd/p fifo 644 0:0 {time}\n"
        );
        assert_eq!(inside, expected);
    });
}

/// T08: with `Ownership::CurrentUser`, devices are skipped and counted.
#[test]
fn devices_are_skipped_without_root() {
    confined(|sandbox| {
        let options = windlass_archive::UnpackOptions {
            ownership: Ownership::CurrentUser,
            ..options()
        };
        let tar = Tar::new()
            .entry(Entry::device(b'3', "null", 1, 3))
            .link("zero", "null")
            .entry(Entry::fifo("fifo"))
            .entry(
                Entry::file("f", "f")
                    .owner(UNPRIVILEGED_ID.into(), 7)
                    .mode(0o4711),
            )
            .end();
        let unpacked = sandbox.unpack_ok(&tar, &options);
        assert_eq!(unpacked.skipped.devices, 2);
        assert_eq!(unpacked.lower_links, []);
        assert_eq!(shape(&sandbox.root()), "f \"f\"\nfifo fifo\n");
        let mode = std::fs::metadata(sandbox.root().join("f"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o7777, 0o4711);
    });
}

/// As in Docker, and as `lstat` has it.
#[test]
fn the_size_includes_the_targets_of_symbolic_links() {
    confined(|sandbox| {
        let tar = Tar::new()
            .file("f", "1234")
            .symlink("l", "12345678")
            .link("h", "f")
            .end();
        assert_eq!(sandbox.unpack_ok(&tar, &options()).size, 12);
    });
}
