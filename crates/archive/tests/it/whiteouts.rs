//! Whiteouts in layers and in flattened trees (T06).

use std::os::unix::fs::MetadataExt;

use windlass_archive::{Ownership, UnpackOptions};

use crate::builder::{Entry, Tar};
use crate::sandbox::{all_options, confined, flatten, options};
use crate::shape::shape;

fn opaque(options: &UnpackOptions) -> &'static str {
    match options.ownership {
        Ownership::Exact => "trusted.overlay.opaque=y",
        Ownership::CurrentUser => "user.overlay.opaque=y",
    }
}

/// T06 (a), (b): whiteouts that do not hide a name in their own directory.
#[test]
fn invalid_whiteouts_are_rejected() {
    confined(|sandbox| {
        for options in all_options() {
            for name in [
                ".wh.", ".wh..", ".wh...", "x/.wh.", "x/.wh..", "x/.wh...", ".wh.x/y",
            ] {
                for entry in [
                    Entry::file(name, ""),
                    Entry::dir(name),
                    Entry::link(name, "x"),
                ] {
                    let tar = Tar::new().dir("x").entry(entry).end();
                    let error = sandbox.unpack_error(&tar, &options);
                    assert_eq!(error, format!("entry {name}: an invalid whiteout"));
                    sandbox.reset();
                }
            }
            let tar = Tar::new().file("../.wh.f", "").end();
            let error = sandbox.unpack_error(&tar, &options);
            assert_eq!(error, "entry ../.wh.f: its name leaves the root");
        }
    });
}

#[test]
fn a_layer_has_whiteouts_of_overlayfs() {
    confined(|sandbox| {
        let options = options();
        let tar = Tar::new()
            .file("d/.wh.gone", "")
            .file("d/.wh.big", "ignored content")
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
        // The whiteouts may be hard links of each other or not.
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

/// T06 (c): the files that a layer adds are kept, and hide the files of lower layers.
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

        // A directory that is added and whited out hides the content of the lower one, in any order.
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

        // The same applies to an implied directory. A file hides the lower file by itself.
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

/// T06 (d): overlayfs ignores the attribute on the root, so an opaque root is reported to the caller.
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

/// T06 (c), flattened: files of lower layers are removed, files of this layer are kept, in any order.
#[test]
fn flattened_whiteouts_only_remove_files_of_lower_layers() {
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
                // A name in a directory through a symbolic link, and the link itself.
                .file("l/.wh.sub", "")
                .file(".wh.l", "")
                .file(".wh.b", "")
                // T06 (e): a missing name in a missing directory.
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

/// A whiteout of a directory to which this layer adds a file, before or after it, removes the lower content.
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

/// A tree of any depth can be removed, and no symbolic link is followed.
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
