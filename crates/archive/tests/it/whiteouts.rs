//! Whiteouts, as overlayfs has them and flattened (T06).

use std::os::unix::fs::MetadataExt;

use windlass_archive::{Ownership, UnpackOptions};

use crate::builder::{Entry, Tar};
use crate::sandbox::{confined, flatten, options, ways};
use crate::shape::shape;

fn opaque(options: &UnpackOptions) -> &'static str {
    match options.ownership {
        Ownership::Exact => "trusted.overlay.opaque=y",
        Ownership::CurrentUser => "user.overlay.opaque=y",
    }
}

/// T06 (a), (b): names that are not of something in the same directory.
#[test]
fn invalid_whiteouts_are_refused() {
    confined(|sandbox| {
        for options in ways() {
            for name in [
                ".wh.", ".wh..", ".wh...", "x/.wh.", "x/.wh..", "x/.wh...", ".wh.x/y",
            ] {
                for entry in [
                    Entry::file(name, ""),
                    Entry::dir(name),
                    Entry::link(name, "x"),
                ] {
                    let tar = Tar::new().dir("x").entry(entry).end();
                    let refusal = sandbox.refusal(&tar, &options);
                    assert_eq!(refusal, format!("entry {name}: an invalid whiteout"));
                    sandbox.reset();
                }
            }
            let tar = Tar::new().file("../.wh.f", "").end();
            let refusal = sandbox.refusal(&tar, &options);
            assert_eq!(refusal, "entry ../.wh.f: its name leaves the root");
        }
    });
}

#[test]
fn a_layer_keeps_whiteouts_in_the_form_of_overlayfs() {
    confined(|sandbox| {
        let options = options();
        let tar = Tar::new()
            .file("d/.wh.gone", "")
            .file("d/.wh.big", "content of no meaning")
            .dir("d/.wh.odd")
            .file("o/.wh..wh..opq", "")
            .dir(".wh..wh.plnk")
            .file(".wh..wh.plnk/1.2", "aufs")
            .file(".wh..wh.aufs", "aufs")
            .end();
        let unpacked = sandbox.unpack_ok(&tar, &options);
        let opaque = opaque(&options);
        let expected = format!("d/\nd/big c 0:0\nd/gone = d/big\nd/odd = d/big\no/ {opaque}\n");
        let text = shape(&sandbox.root());
        // Each may be an inode of its own, or not.
        let text = text
            .replace("c 0:0", "= d/big")
            .replacen("= d/big", "c 0:0", 1);
        assert_eq!(text, expected);
        assert!(!unpacked.opaque_root);
        let data = std::fs::symlink_metadata(sandbox.root().join("d/gone")).unwrap();
        assert_eq!(data.mtime(), crate::builder::MTIME_DEFAULT);
        assert_eq!(unpacked.implied_directories, [b"d", b"o"]);
    });
}

/// T06 (c): in a layer, what it adds stays, and hides what is below.
#[test]
fn whiteouts_in_a_layer_spare_what_it_adds() {
    confined(|sandbox| {
        let options = options();
        let opaque = opaque(&options);
        let tar = Tar::new()
            .file("a/f", "f")
            .file("a/.wh..wh..opq", "")
            .file("a/.wh.f", "")
            .end();
        sandbox.unpack_ok(&tar, &options);
        assert_eq!(shape(&sandbox.root()), format!("a/ {opaque}\na/f \"f\"\n"));
        sandbox.reset();

        // A directory that is added and whited out hides what the one below holds, in any order.
        for order in [[0, 1, 2], [2, 0, 1], [0, 2, 1]] {
            let entries = [
                Entry::dir("d"),
                Entry::file("d/f", "f"),
                Entry::file(".wh.d", ""),
            ];
            let mut tar = Tar::new();
            for at in order {
                tar = tar.entry(entries[at].clone());
            }
            sandbox.unpack_ok(&tar.end(), &options);
            assert_eq!(shape(&sandbox.root()), format!("d/ {opaque}\nd/f \"f\"\n"));
            sandbox.reset();
        }

        // So does one that is only implied, and a file hides without a word.
        let tar = Tar::new()
            .file(".wh.d", "")
            .file("d/f", "f")
            .file(".wh.g", "")
            .file("g", "g")
            .end();
        let unpacked = sandbox.unpack_ok(&tar, &options);
        assert_eq!(
            shape(&sandbox.root()),
            format!("d/ {opaque}\nd/f \"f\"\ng \"g\"\n")
        );
        assert_eq!(unpacked.implied_directories, [b"d"]);
    });
}

/// T06 (d): overlayfs does not look at the root's attribute, so it is said as well.
#[test]
fn an_opaque_root_is_reported() {
    confined(|sandbox| {
        let unpacked = sandbox.unpack_ok(&Tar::new().file(".wh..wh..opq", "").end(), &options());
        assert!(unpacked.opaque_root);
    });
}

fn lower() -> Vec<u8> {
    Tar::new()
        .dir("a")
        .file("a/f", "lower")
        .file("a/g", "lower")
        .dir("a/sub")
        .file("a/sub/h", "lower")
        .dir("a/both")
        .file("a/both/i", "lower")
        .file("b", "lower")
        .symlink("l", "a")
        .end()
}

/// T06 (c), flattened: siblings below go, what this layer added stays, in any order.
#[test]
fn flattened_whiteouts_remove_what_is_below_only() {
    confined(|sandbox| {
        let entries = [
            Entry::file("a/f", "upper"),
            Entry::file("a/both/j", "upper"),
            Entry::file("a/.wh..wh..opq", ""),
            Entry::file("a/.wh.f", ""),
        ];
        for order in [[0, 1, 2, 3], [2, 3, 0, 1], [3, 1, 2, 0], [1, 2, 0, 3]] {
            sandbox.unpack_ok(&lower(), &flatten());
            let mut tar = Tar::new();
            for at in order {
                tar = tar.entry(entries[at].clone());
            }
            sandbox.unpack_ok(&tar.end(), &flatten());
            let expected = "a/\na/both/\na/both/j \"upper\"\na/f \"upper\"\nb \"lower\"\nl -> a\n";
            assert_eq!(shape(&sandbox.root()), expected, "{order:?}");
            sandbox.reset();
        }
    });
}

#[test]
fn flattened_whiteouts_remove_files_trees_and_links() {
    confined(|sandbox| {
        for resolve in [
            windlass_archive::PathResolution::Kernel,
            windlass_archive::PathResolution::Walk,
        ] {
            let flatten = UnpackOptions {
                resolve,
                ..flatten()
            };
            sandbox.unpack_ok(&lower(), &flatten);
            let tar = Tar::new()
                // Through a link to the directory, a name in it; and the link itself.
                .file("l/.wh.sub", "")
                .file(".wh.l", "")
                .file(".wh.b", "")
                // T06 (e): what is not there, in a directory that is not there.
                .file("nowhere/.wh.x", "")
                .file("a/.wh.missing", "")
                .end();
            sandbox.unpack_ok(&tar, &flatten);
            let expected = "a/\na/both/\na/both/i \"lower\"\na/f \"lower\"\na/g \"lower\"\n";
            assert_eq!(shape(&sandbox.root()), expected);
            sandbox.reset();
        }
    });
}

/// A whiteout of a directory that this layer adds to, after and before: the lower content goes.
#[test]
fn a_flattened_whiteout_of_a_directory_that_is_added_to() {
    confined(|sandbox| {
        let entries = [Entry::file("a/new", "upper"), Entry::file(".wh.a", "")];
        for order in [[0, 1], [1, 0]] {
            sandbox.unpack_ok(&lower(), &flatten());
            let tar = Tar::new()
                .entry(entries[order[0]].clone())
                .entry(entries[order[1]].clone());
            sandbox.unpack_ok(&tar.end(), &flatten());
            assert_eq!(
                shape(&sandbox.root()),
                "a/\na/new \"upper\"\nb \"lower\"\nl -> a\n"
            );
            sandbox.reset();
        }
    });
}

/// T06 (d), flattened.
#[test]
fn a_flattened_opaque_root_removes_everything() {
    confined(|sandbox| {
        sandbox.unpack_ok(&lower(), &flatten());
        let tar = Tar::new()
            .file("new", "upper")
            .file(".wh..wh..opq", "")
            .file("a/f", "upper")
            .end();
        sandbox.unpack_ok(&tar, &flatten());
        assert_eq!(shape(&sandbox.root()), "a/\na/f \"upper\"\nnew \"upper\"\n");
    });
}

/// A tree of any depth can be taken away, and of any number of links nothing is followed.
#[test]
fn deep_trees_are_removed() {
    confined(|sandbox| {
        let canary = sandbox.canary_bytes();
        let deep = vec!["d"; 2000].join("/");
        let lower = Tar::new()
            .file(format!("{deep}/f"), "")
            .symlink("d/l", canary)
            .end();
        sandbox.unpack_ok(&lower, &flatten());
        sandbox.unpack_ok(&Tar::new().file(".wh.d", "").end(), &flatten());
        assert_eq!(shape(&sandbox.root()), "");
    });
}
