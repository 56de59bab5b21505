//! Entries that replace earlier ones, in one layer and across layers (T07).

use crate::builder::{Entry, Tar};
use crate::sandbox::{all_options, confined, flatten};
use crate::shape::{full, shape};

/// Returns the entries of each type, and the expected tree.
fn kinds() -> Vec<(Vec<Entry>, &'static str)> {
    vec![
        (vec![Entry::file("n", "file")], "n \"file\"\n"),
        (
            vec![Entry::dir("n"), Entry::file("n/in", "in")],
            "n/\nn/in \"in\"\n",
        ),
        (vec![Entry::symlink("n", "known")], "n -> known\n"),
        (vec![Entry::link("n", "known/f")], "n = known/f\n"),
        (vec![Entry::fifo("n")], "n fifo\n"),
    ]
}

fn known() -> Tar {
    Tar::new().dir("known").file("known/f", "f")
}

const KNOWN: &str = "known/\nknown/f \"f\"\n";

/// T07: the last entry of a name replaces the earlier one for all types, in one layer and across layers.
#[test]
fn the_last_entry_of_a_name_takes_effect() {
    confined(|sandbox| {
        for (first, _) in kinds() {
            for (last, expected) in kinds() {
                for options in all_options() {
                    let mut tar = known();
                    for entry in first.iter().chain(&last) {
                        tar = tar.entry(entry.clone());
                    }
                    sandbox.unpack_ok(&tar.end(), &options);
                    let text = shape(&sandbox.root());
                    let text = text.replace(" trusted.overlay.opaque=y", "");
                    let text = text.replace(" user.overlay.opaque=y", "");
                    assert_eq!(text, format!("{KNOWN}{expected}"));
                    sandbox.reset();
                }
                let tar =
                    |entries: &[Entry]| entries.iter().cloned().fold(known(), Tar::entry).end();
                sandbox.unpack_ok(&tar(&first), &flatten());
                sandbox.unpack_ok(&tar(&last), &flatten());
                assert_eq!(shape(&sandbox.root()), format!("{KNOWN}{expected}"));
                sandbox.reset();
            }
        }
    });
}

/// T07: another entry for a directory changes its metadata and keeps its content.
#[test]
fn another_entry_for_a_directory_keeps_its_content() {
    confined(|sandbox| {
        let lower = Tar::new()
            .entry(Entry::dir("./").mode(0o755))
            .entry(
                Entry::dir("d")
                    .xattr("user.old", "1")
                    .xattr("user.both", "1"),
            )
            .file("d/f", "f")
            .end();
        let upper = Entry::dir("d")
            .mode(0o3711)
            .pax("mtime", "-1.5")
            .xattr("user.both", "2");
        let upper = Tar::new().entry(upper).end();
        sandbox.unpack_ok(&lower, &flatten());
        sandbox.unpack_ok(&upper, &flatten());
        let text = full(&sandbox.root());
        let owner = text.split(' ').nth(2).unwrap();
        let expected = format!(
            "./ 755 {owner} 1000000000.000000000\nd/ 3711 {owner} -2.500000000 user.both=2\nd/f \"f\" 644 \
             {owner} 1000000000.000000000\n"
        );
        assert_eq!(text, expected);
    });
}

/// A directory without an entry keeps its metadata when files in it are added or removed.
#[test]
fn directories_without_an_entry_keep_their_metadata() {
    confined(|sandbox| {
        let lower = Tar::new()
            .entry(Entry::dir("./"))
            .entry(Entry::dir("d").mode(0o555).pax("mtime", "7"))
            .entry(Entry::dir("d/e").mode(0o500).pax("mtime", "8"))
            .file("d/e/gone", "")
            .end();
        let upper = Tar::new()
            .file("d/e/new", "")
            .file("d/e/.wh.gone", "")
            .end();
        for options in all_options()
            .into_iter()
            .filter(|options| options.mode == flatten().mode)
        {
            sandbox.unpack_ok(&lower, &options);
            sandbox.unpack_ok(&upper, &options);
            let text = full(&sandbox.root());
            let owner = text.split(' ').nth(2).unwrap();
            let expected = format!(
                "./ 755 {owner} 1000000000.000000000\nd/ 555 {owner} 7.000000000\nd/e/ 500 {owner} \
                 8.000000000\nd/e/new \"\" 644 {owner} 1000000000.000000000\n"
            );
            assert_eq!(text, expected);
            sandbox.reset();
        }
    });
}

/// A cached directory is looked up again after a component of its path has been replaced.
#[test]
fn a_replaced_parent_is_looked_up_again() {
    confined(|sandbox| {
        for options in all_options() {
            let tar = Tar::new()
                .dir("one")
                .dir("two")
                .symlink("l", "one")
                .file("l/a", "a")
                .symlink("l", "two")
                .file("l/b", "b")
                .dir("d")
                .dir("d/e")
                .file("d/e/f", "old")
                .file("d", "file")
                .dir("d")
                .file("d/e/g", "g")
                .end();
            let unpacked = sandbox.unpack_ok(&tar, &options);
            let text = shape(&sandbox.root());
            let text = text
                .replace(" trusted.overlay.opaque=y", "")
                .replace(" user.overlay.opaque=y", "");
            let expected =
                "d/\nd/e/\nd/e/g \"g\"\nl -> two\none/\none/a \"a\"\ntwo/\ntwo/b \"b\"\n";
            assert_eq!(text, expected);
            assert_eq!(unpacked.implied_directories, [b"d/e"]);
            sandbox.reset();
        }
    });
}

/// An implied directory does not change the time of its parent in a lower layer.
#[test]
fn implied_directories_do_not_change_the_time_of_their_parent() {
    confined(|sandbox| {
        let below = Tar::new().dir("./").dir("d").end();
        let above = Tar::new().file("d/implied/f", "").end();
        for layer in [below, above] {
            sandbox.unpack_ok(&layer, &flatten());
        }
        let shape = full(&sandbox.root());
        let line = shape.lines().find(|line| line.starts_with("d/ "));
        let line = line.unwrap();
        assert!(line.ends_with(" 1000000000.000000000"), "{line}");
    });
}
