//! Names that lead outside, and unusual names (T01, T04, T09).

use crate::builder::{Entry, Tar};
use crate::sandbox::{all_options, confined, flatten, options};
use crate::shape::{full, shape};

fn of_every_kind(name: &str) -> Vec<Entry> {
    vec![
        Entry::file(name, "evil"),
        Entry::dir(name),
        Entry::symlink(name, "target"),
        Entry::link(name, "known"),
        Entry::fifo(name),
    ]
}

/// T01: a name that leads above the root is rejected for all entry types.
#[test]
fn names_that_escape_are_rejected() {
    confined(|sandbox| {
        for options in all_options() {
            for name in [
                "../x",
                "a/../../x",
                "/../x",
                "a/b/../../../x",
                "..",
                "../",
                "./../x",
            ] {
                for entry in of_every_kind(name) {
                    let tar = Tar::new()
                        .file("known", "")
                        .dir("a")
                        .dir("a/b")
                        .entry(entry)
                        .end();
                    let error = sandbox.unpack_error(&tar, &options);
                    assert_eq!(error, format!("entry {name}: its name leaves the root"));
                    sandbox.reset();
                }
            }
        }
    });
}

/// T01: names with dots and slashes that stay inside are normalized.
#[test]
fn names_that_stay_inside_work() {
    confined(|sandbox| {
        for options in all_options() {
            let tar = Tar::new()
                .dir("a")
                .file("a/../b", "b")
                .file("/abs/f", "f")
                .file("./c", "c");
            let tar = tar.file("a//.//d", "d").dir("e/").dir("./").end();
            let unpacked = sandbox.unpack_ok(&tar, &options);
            let expected = "a/\na/d \"d\"\nabs/\nabs/f \"f\"\nb \"b\"\nc \"c\"\ne/\n";
            assert_eq!(shape(&sandbox.root()), expected);
            assert_eq!(unpacked.implied_directories, [b"abs"]);
            assert_eq!((unpacked.entries, unpacked.size), (7, 4));
            sandbox.reset();
        }
    });
}

/// T04: the root can only be a directory.
#[test]
fn the_root_can_only_be_a_directory() {
    confined(|sandbox| {
        for options in all_options() {
            for name in [".", "./", "/", "", "a/.."] {
                let canary = sandbox.canary_bytes();
                for entry in [
                    Entry::symlink(name, canary),
                    Entry::file(name, "evil"),
                    Entry::link(name, "known"),
                    Entry::device(b'3', name, 1, 3),
                ] {
                    let tar = Tar::new().file("known", "").entry(entry).end();
                    let shown = if name.is_empty() { "\"\"" } else { name };
                    let error = sandbox.unpack_error(&tar, &options);
                    assert_eq!(
                        error,
                        format!("entry {shown}: the root can only be a directory")
                    );
                    sandbox.reset();
                }
            }
        }
    });
}

/// T04: the entry of the root changes only the root.
#[test]
fn the_root_gets_its_own_metadata() {
    confined(|sandbox| {
        for options in all_options() {
            let root = Entry::dir("./")
                .mode(0o1777)
                .pax("mtime", "5.25")
                .xattr("user.x", "y");
            let tar = Tar::new().entry(root).file("f", "").end();
            sandbox.unpack_ok(&tar, &options);
            let text = full(&sandbox.root());
            let root = text.lines().next().unwrap();
            let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
            let owner = format!("{}:{}", uid.as_raw(), gid.as_raw());
            assert_eq!(root, format!("./ 1777 {owner} 5.250000000 user.x=y"));
            sandbox.reset();
        }
    });
}

/// T09: a name can contain every byte except `/` and NUL.
#[test]
fn names_are_bytes() {
    confined(|sandbox| {
        let mut tar = Tar::new();
        let mut expected = Vec::new();
        for byte in (1..=255u8).filter(|&byte| byte != b'/') {
            let name = [b"n", &[byte][..], b"n"].concat();
            expected.push(format!("{} \"\"\n", name.escape_ascii()));
            tar = tar.file(name, "");
        }
        let odd = [
            &b"\xff\xfe"[..],
            b"new\nline",
            b"\x1b[31m",
            b"back\\slash",
            b"space ",
        ];
        for name in odd {
            expected.push(format!("{} \"\"\n", name.escape_ascii()));
            tar = tar.entry(Entry::file("x", "").pax("path", name));
        }
        sandbox.unpack_ok(&tar.end(), &options());
        let text = shape(&sandbox.root());
        let mut lines: Vec<_> = text.split_inclusive('\n').collect();
        lines.sort_unstable();
        expected.sort_unstable();
        assert_eq!(lines, expected);
    });
}

/// T09: a name that the file system does not support is an error.
#[test]
fn names_that_are_too_long_are_rejected() {
    confined(|sandbox| {
        for options in all_options() {
            let longest = "n".repeat(255);
            sandbox.unpack_ok(&Tar::new().file(&longest, "").end(), &options);
            assert_eq!(shape(&sandbox.root()), format!("{longest} \"\"\n"));

            let name = "n".repeat(256);
            let error = sandbox.unpack_error(&Tar::new().file(&name, "").end(), &options);
            assert!(error.ends_with("cannot create the file: File name too long (os error 36)"));

            let deep = vec!["n".repeat(200); 25].join("/");
            let error = sandbox.unpack_error(&Tar::new().file(&deep, "").end(), &options);
            assert!(error.ends_with("…: its path is too long"), "{error}");

            // Through a symbolic link, a path can be longer than the name.
            let half = vec!["n".repeat(200); 15].join("/");
            let tar = Tar::new()
                .symlink("l", &half)
                .file(format!("l/{half}/f"), "")
                .end();
            let error = sandbox.unpack_error(&tar, &options);
            assert!(error.ends_with("…: its path is too long"), "{error}");
            sandbox.reset();
        }
    });
}

#[test]
fn names_in_errors_are_escaped_and_truncated() {
    confined(|sandbox| {
        let name = [b"../\x1b[31m\n\xff", &[b'x'; 5000][..]].concat();
        let tar = Tar::new().file(name, "").end();
        let error = sandbox.unpack_error(&tar, &flatten());
        let shown = format!("../\\u{{1b}}[31m\\n\\xff{}…", "x".repeat(190));
        assert_eq!(error, format!("entry {shown}: its name leaves the root"));
    });
}
