//! Files with several names in layers of AUFS: hard links to files in `.wh..wh.plnk`.

use crate::builder::{Entry, Tar};
use crate::flatten::assert_same;
use crate::sandbox::{all_options, confined, flatten};
use crate::shape::shape;

/// The entries of AUFS may come in any order, and one name may come twice.
fn layer() -> Vec<u8> {
    Tar::new()
        .dir(".wh..wh.plnk")
        .file(".wh..wh.plnk/123.456", "shared")
        .dir("usr")
        .link("usr/one", ".wh..wh.plnk/123.456")
        .link("usr/two", "/.wh..wh.plnk/123.456")
        .file(".wh..wh.plnk/123.456", "another")
        .link("usr/three", "usr/../.wh..wh.plnk/123.456")
        .file(".wh..wh.plnk/unused", "unused")
        .end()
}

#[test]
fn names_are_links_to_one_file() {
    confined(|sandbox| {
        for options in all_options() {
            sandbox.unpack_ok(&layer(), &options);
            assert_eq!(
                shape(&sandbox.root()),
                "usr/\nusr/one \"shared\"\nusr/three \"another\"\nusr/two = usr/one\n"
            );
            sandbox.reset();
        }
    });
}

#[test]
fn a_merged_tar_has_the_same_links() {
    confined(|sandbox| {
        let below = Tar::new().dir("usr").file("usr/one", "below").end();
        assert_same(sandbox, &[below, layer()]);
        // The files belong to their layer.
        let above = Tar::new().link("usr/four", ".wh..wh.plnk/123.456").end();
        let error = crate::flatten::try_flat(&[layer(), above]).unwrap_err();
        assert_eq!(
            crate::sandbox::chain(&error),
            "entry usr/four: its hard link target .wh..wh.plnk/123.456 does not exist"
        );
    });
}

#[test]
fn other_targets_do_not_exist() {
    confined(|sandbox| {
        for entry in [
            Entry::file(".wh..wh.plnk/d/f", "x"),
            Entry::dir(".wh..wh.plnk/d"),
            Entry::symlink(".wh..wh.plnk/d", "/etc"),
            Entry::file("x/.wh..wh.plnk/d", "x"),
        ] {
            let tar = Tar::new().entry(entry).link("l", ".wh..wh.plnk/d").end();
            let error = sandbox.unpack_error(&tar, &flatten());
            assert_eq!(
                error,
                "entry l: its hard link target .wh..wh.plnk/d does not exist"
            );
            sandbox.reset();
        }
        let tar = Tar::new()
            .file(".wh..wh.plnk/d", "x")
            .link("../l", ".wh..wh.plnk/d")
            .end();
        let error = sandbox.unpack_error(&tar, &flatten());
        assert_eq!(error, "entry ../l: its name leaves the root");
    });
}
