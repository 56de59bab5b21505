//! Hostile and ordinary symbolic and hard links (T02, T03, T05).

use windlass_archive::{LowerLayerLink, UnpackMode};

use crate::builder::{Entry, Tar};
use crate::sandbox::{all_options, confined, flatten, options};
use crate::shape::shape;

/// Returns the lines of a [`shape`] for `directory` and the files beneath it.
fn subtree(shape: &str, directory: &str) -> String {
    let prefix = format!("{directory}/");
    let lines = shape.split_inclusive('\n');
    lines.filter(|line| line.starts_with(&prefix)).collect()
}

/// T02: symbolic links in a path are resolved inside, as if the root were `/`.
#[test]
fn links_in_paths_stay_inside() {
    confined(|sandbox| {
        let canary = sandbox.canary_bytes();
        for options in all_options() {
            for target in [&canary[..], b"../../../../../../../canary", b"/canary"] {
                let tar = Tar::new()
                    .symlink("l1", target)
                    .symlink("l2", "l1")
                    .symlink("l", "/l2")
                    .file("known", "k")
                    .file("l/f", "f")
                    .dir("l/d")
                    .entry(Entry::fifo("l/p"))
                    .link("l/h", "l/f")
                    .file("l/.wh.w", "")
                    .end();
                sandbox.unpack_ok(&tar, &options);
                let inside = if target == canary {
                    &canary[1..]
                } else {
                    b"canary"
                };
                let inside = inside.escape_ascii().to_string();
                let whiteout = match options.mode {
                    UnpackMode::Layer => format!("{inside}/w c 0:0\n"),
                    UnpackMode::Flatten => String::new(),
                };
                let expected = format!(
                    "{inside}/\n{inside}/d/\n{inside}/f \"f\"\n{inside}/h = {inside}/f\n\
                     {inside}/p fifo\n{whiteout}"
                );
                assert_eq!(subtree(&shape(&sandbox.root()), &inside), expected);
                sandbox.reset();
            }
        }
    });
}

/// T02: symbolic links to existing directories are resolved as in a `chroot`.
#[test]
fn parents_may_be_links() {
    confined(|sandbox| {
        for options in all_options() {
            let tar = Tar::new()
                .dir("run")
                .dir("var")
                .symlink("var/run", "/run")
                .file("var/run/x", "x")
                .dir("usr/lib")
                .symlink("lib", "usr/lib")
                .symlink("usr/up", "../usr/./up2")
                .symlink("usr/up2", "../../../lib")
                .file("usr/up/y", "y")
                .file("lib/../z", "z")
                .end();
            sandbox.unpack_ok(&tar, &options);
            let expected = "lib -> usr/lib\nrun/\nrun/x \"x\"\nusr/\nusr/lib/\nusr/lib/y \"y\"\nusr/up -> \
                            ../usr/./up2\nusr/up2 -> ../../../lib\nvar/\nvar/run -> /run\nz \"z\"\n";
            assert_eq!(shape(&sandbox.root()), expected);
            sandbox.reset();
        }
    });
}

/// T02, across layers: a symbolic link of the lower layer is resolved inside.
#[test]
fn links_of_a_lower_layer_stay_inside() {
    confined(|sandbox| {
        let lower = Tar::new().symlink("l", sandbox.canary_bytes()).end();
        let upper = Tar::new()
            .file("l/f", "evil")
            .dir("l/dir")
            .file("l/.wh.f2", "")
            .end();
        sandbox.unpack_ok(&lower, &flatten());
        sandbox.unpack_ok(&upper, &flatten());
        let inside = sandbox.canary_bytes()[1..].escape_ascii().to_string();
        let expected = format!("{inside}/\n{inside}/dir/\n{inside}/f \"evil\"\n");
        assert_eq!(subtree(&shape(&sandbox.root()), &inside), expected);

        let replaced = Tar::new().file("l", "file").end();
        sandbox.unpack_ok(&replaced, &flatten());
        let text = shape(&sandbox.root());
        assert!(text.lines().any(|line| line == "l \"file\""), "{text}");
    });
}

/// T02: loops of symbolic links are detected.
#[test]
fn loops_of_links_are_rejected() {
    confined(|sandbox| {
        for options in all_options() {
            let tar = Tar::new()
                .symlink("a", "b")
                .symlink("b", "a")
                .file("a/x", "")
                .end();
            let error = sandbox.unpack_error(&tar, &options);
            assert_eq!(error, "entry a/x: too many levels of symbolic links");
            sandbox.reset();
            let tar = Tar::new()
                .symlink("a", "a/a/a/a/a/a/a/a/a")
                .file("a/x", "")
                .end();
            let error = sandbox.unpack_error(&tar, &options);
            assert_eq!(error, "entry a/x: too many levels of symbolic links");
            sandbox.reset();
        }
    });
}

#[test]
fn a_parent_that_is_a_file_is_rejected() {
    confined(|sandbox| {
        for options in all_options() {
            let tar = Tar::new().file("f", "").file("f/x", "").end();
            assert_eq!(
                sandbox.unpack_error(&tar, &options),
                "entry f/x: f is not a directory"
            );
            sandbox.reset();
        }
    });
}

/// T03: the target of a hard link is looked up inside, and is never copied.
#[test]
fn hard_links_to_the_outside_are_rejected() {
    confined(|sandbox| {
        let canary = [sandbox.canary_bytes(), b"/f".to_vec()].concat();
        let outside = String::from_utf8(canary).unwrap();
        for target in ["../../canary/f", "a/../../canary/f", "../canary/f", ".."] {
            for options in all_options() {
                let tar = Tar::new().dir("a").link("h", target).end();
                let error = sandbox.unpack_error(&tar, &options);
                assert_eq!(
                    error,
                    format!("entry h: its link target {target} leaves the root")
                );
                assert_eq!(shape(&sandbox.root()), "a/\n");
                sandbox.reset();
            }
        }
        let through = Tar::new()
            .symlink("l", sandbox.canary_bytes())
            .link("h", "l/f")
            .end();
        let direct = Tar::new().link("h", &outside).end();
        for tar in [&through, &direct] {
            let error = sandbox.unpack_error(tar, &flatten());
            assert!(error.ends_with(" does not exist"), "{error}");
            sandbox.reset();
            // In a layer, the target may be in a lower layer, so nothing is created.
            let unpacked = sandbox.unpack_ok(tar, &options());
            assert_eq!(unpacked.lower_links.len(), 1);
            assert!(!shape(&sandbox.root()).contains("sentinel"));
            sandbox.reset();
        }
    });
}

/// T03: hard links inside are created.
#[test]
fn hard_links_inside_work() {
    confined(|sandbox| {
        for options in all_options() {
            let tar = Tar::new()
                .file("usr/bin/x", "x")
                .symlink("bin", "usr/bin")
                .link("absolute", "/usr/bin/x")
                .link("through", "bin/x")
                .link("of-link", "bin")
                .link("absolute", "usr/bin/x")
                .end();
            sandbox.unpack_ok(&tar, &options);
            let expected = "absolute \"x\"\nbin -> usr/bin\nof-link = bin\nthrough = absolute\nusr/\nusr/bin/\n\
                            usr/bin/x = absolute\n";
            assert_eq!(shape(&sandbox.root()), expected);
            sandbox.reset();
        }
    });
}

/// T03: replacing one name does not change the content of the other.
#[test]
fn replacing_a_name_does_not_change_its_links() {
    confined(|sandbox| {
        for options in all_options() {
            let tar = Tar::new()
                .file("a", "old")
                .link("b", "a")
                .file("a", "new")
                .end();
            sandbox.unpack_ok(&tar, &options);
            assert_eq!(shape(&sandbox.root()), "a \"new\"\nb \"old\"\n");
            sandbox.reset();
        }
    });
}

/// T03: a link to itself or to a later entry is rejected.
#[test]
fn hard_links_out_of_order_are_rejected() {
    confined(|sandbox| {
        for options in all_options() {
            let itself = Tar::new().link("a", "a").end();
            let error = sandbox.unpack_error(&itself, &options);
            let expected = match options.mode {
                UnpackMode::Layer => "entry a: a hard link to itself",
                UnpackMode::Flatten => "entry a: its hard link target a does not exist",
            };
            assert_eq!(error, expected);
            let forward = Tar::new().link("a", "b").file("b", "").end();
            let error = sandbox.unpack_error(&forward, &options);
            assert_eq!(error, "entry a: its hard link target b does not exist");
            sandbox.reset();
        }
    });
}

#[test]
fn links_to_lower_layers_are_reported() {
    confined(|sandbox| {
        let tar = Tar::new()
            .dir("d")
            .link("d/a", "usr/bin/x")
            .link("b", "/d/a")
            .link("gone", "y")
            .file("gone", "here after all")
            .end();
        let unpacked = sandbox.unpack_ok(&tar, &options());
        let link = |path: &[u8], target: &[u8]| LowerLayerLink {
            path: path.to_vec(),
            target: target.to_vec(),
        };
        let expected = [link(b"b", b"usr/bin/x"), link(b"d/a", b"usr/bin/x")];
        assert_eq!(unpacked.lower_links, expected);
        assert_eq!(shape(&sandbox.root()), "d/\ngone \"here after all\"\n");
    });
}

#[test]
fn a_hard_link_to_a_directory_is_rejected() {
    confined(|sandbox| {
        for options in all_options() {
            let tar = Tar::new().dir("d").link("h", "d").end();
            let error = sandbox.unpack_error(&tar, &options);
            assert_eq!(
                error,
                "entry h: cannot create the hard link: Operation not permitted (os error 1)"
            );
            sandbox.reset();
        }
    });
}

/// T05: a directory replaces a symbolic link. The target of the link keeps its mode, owner and times.
#[test]
fn a_directory_replaces_a_link() {
    confined(|sandbox| {
        let target = [sandbox.canary_bytes(), b"/dir".to_vec()].concat();
        for options in all_options() {
            let directory = Entry::dir("d")
                .mode(0o777)
                .xattr("user.x", "y")
                .pax("mtime", "1");
            let tar = Tar::new()
                .symlink("d", &target)
                .entry(directory)
                .file("d/f", "f")
                .end();
            sandbox.unpack_ok(&tar, &options);
            let text = shape(&sandbox.root());
            let attributes = text.lines().next().unwrap();
            assert!(
                attributes.starts_with("d/ ") && attributes.ends_with(" user.x=y"),
                "{text}"
            );
            assert!(text.ends_with("d/f \"f\"\n"));
            sandbox.reset();
        }
    });
}
