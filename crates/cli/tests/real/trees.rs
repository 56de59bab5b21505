//! `windlass unpack` and `windlass mount` give the same tree as `umoci`.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;

use windlass_testing::real::{OciLayout, run};
use windlass_testing::{TreeAspect, TreeEntryKind, TreeSnapshot};

use crate::Case;
use crate::command::Windlass;
use crate::fixture::Fixture;
use crate::reference_tree;
use crate::requirements::{DEBIAN, ROOT, UMOCI};
use crate::shared_state::SharedState;

/// The user `nobody` of every Linux system.
const UNPRIVILEGED: u32 = 65534;

pub(crate) const CASES: &[Case] = &[
    Case {
        name: "trees::a_debian_root_matches_umoci",
        needs: DEBIAN,
        test: |shared| same_as_judged(shared, Fixture::Debian),
    },
    Case {
        name: "trees::many_small_files_match_umoci",
        needs: UMOCI,
        test: |shared| same_as_judged(shared, Fixture::Many),
    },
    Case {
        name: "trees::every_kind_of_entry_matches_umoci",
        needs: UMOCI,
        test: |shared| same_as_judged(shared, Fixture::Kinds),
    },
    Case {
        name: "trees::whiteouts_match_umoci",
        needs: UMOCI,
        test: |shared| same_as_judged(shared, Fixture::Whiteouts),
    },
    Case {
        name: "trees::a_layer_of_umoci_repack_matches_umoci",
        needs: UMOCI,
        test: |shared| same_as_judged(shared, Fixture::Repacked),
    },
    Case {
        name: "trees::an_index_gives_the_image_of_the_given_platform",
        needs: UMOCI,
        test: platforms,
    },
    Case {
        name: "trees::a_mount_shows_what_unpack_writes",
        needs: ROOT,
        test: mounted,
    },
    Case {
        name: "trees::an_ordinary_user_gets_everything_but_privileged_attributes",
        needs: UMOCI,
        test: ordinary_user,
    },
];

/// Compares every form of an image in turn: types, modes, owners, mtimes, links, attributes and bytes.
fn same_as_judged(shared: &SharedState, fixture: Fixture) {
    let expected = shared.umoci_tree(fixture);
    for tag in fixture.tags() {
        let directory = shared.directory(&format!("trees-{}-{tag}", fixture.repository()));
        let tree = Windlass::new(&directory).tree(&shared.reference(fixture, tag));
        expected.assert_same(&tree);
    }
}

fn platforms(shared: &SharedState) {
    let directory = shared.directory("platforms");
    let windlass = Windlass::new(&directory);
    let reference = shared.reference(Fixture::MultiArch, "both");
    for architecture in ["amd64", "arm64"] {
        let directory = shared.directory(&format!("platforms-{architecture}"));
        let expected =
            reference_tree::tree(&reference, &directory, &["--override-arch", architecture]);

        windlass.succeeds(&[
            "pull",
            "--platform",
            &format!("linux/{architecture}"),
            &reference,
        ]);

        expected.assert_same(&windlass.unpacked(&reference));
    }

    let none = windlass.run(&["pull", "--platform", "linux/s390x", &reference]);

    let host = shared.registry().address().to_string();
    insta::assert_snapshot!(windlass.show(&none, &[(&host, "registry.test")]), @r"
    exit: 1
    --- stderr
    error: pulling registry.test/multi-arch:both: no matching manifest for linux/s390x: the index has linux/amd64, linux/arm64
    hint: choose an available platform: --platform linux/amd64
    ");
}

/// The trees of images with one layer are identical. With several layers, an overlay shows a directory with the mtime
/// of the topmost layer that has an entry in it, even if that layer has no entry for the directory itself.
fn mounted(shared: &SharedState) {
    for (fixture, beside) in [
        (Fixture::Kinds, [].as_slice()),
        (Fixture::Whiteouts, &[TreeAspect::DirectoryMtime]),
    ] {
        let directory = shared.directory(&format!("mounted-{}", fixture.repository()));
        let windlass = Windlass::new(&directory);
        let reference = shared.reference(fixture, "gzip");
        let unpacked = windlass.tree(&reference);
        let target = directory.join("mnt");
        fs::create_dir(&target).unwrap();

        windlass.succeeds(&["mount", &reference, target.to_str().unwrap()]);

        let shown = TreeSnapshot::of(&target).unwrap();
        let write = fs::write(target.join("file"), "");
        windlass.succeeds(&["umount", target.to_str().unwrap()]);
        assert_eq!(write.unwrap_err().kind(), ErrorKind::ReadOnlyFilesystem);
        assert_eq!(fs::read_dir(&target).unwrap().count(), 0);
        unpacked.without(beside).assert_same(&shown.without(beside));
    }
    mounted_without_layers(shared);
}

/// An image without layers has an empty root file system.
fn mounted_without_layers(shared: &SharedState) {
    let directory = shared.directory("mounted-none");
    let windlass = Windlass::new(&directory);
    let layout = directory.join("layout");
    let mut images = OciLayout::create(&layout).unwrap();
    let image = images.add_image("amd64", &[]).unwrap();
    images.tag("none:1", &image).unwrap();
    windlass.succeeds(&["load", "-i", layout.to_str().unwrap()]);
    let target = directory.join("mnt");
    fs::create_dir(&target).unwrap();

    windlass.succeeds(&["mount", "none:1", target.to_str().unwrap()]);

    let entries = fs::read_dir(&target).map(Iterator::count);
    let mode = fs::metadata(&target);
    windlass.succeeds(&["umount", target.to_str().unwrap()]);
    assert_eq!(entries.unwrap(), 0);
    assert_eq!(mode.unwrap().permissions().mode() & 0o7777, 0o755);
}

/// An ordinary user becomes the owner, and devices and attributes that need root are skipped; everything else is the
/// same.
fn ordinary_user(shared: &SharedState) {
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("windlass");
    fs::copy(env!("CARGO_BIN_EXE_windlass"), &program).unwrap();
    run(std::process::Command::new("chown")
        .arg(UNPRIVILEGED.to_string())
        .arg(directory.path()))
    .unwrap();
    let windlass = Windlass::new(directory.path()).by(UNPRIVILEGED, program);
    let mut wanted = shared
        .umoci_tree(Fixture::Kinds)
        .without(&[TreeAspect::Owner]);
    for device in ["null", "disk", "far"] {
        wanted = wanted.without_path(device);
    }

    let ran = windlass.succeeds(&["pull", &shared.reference(Fixture::Kinds, "gzip")]);
    let tree = windlass.unpacked(&shared.reference(Fixture::Kinds, "gzip"));

    let host = shared.registry().address().to_string();
    insta::assert_snapshot!(windlass.show(&ran, &[(&host, "registry.test")]), @r"
    exit: 0
    --- stdout
    registry.test/kinds:gzip@sha256:[digest]
    --- stderr
    Pulling registry.test/kinds:gzip for linux/amd64: 1 layer, 1.4 kB to download
    Pulled registry.test/kinds:gzip in [time]s  1.4 kB down, 4.65 kB unpacked, without 3 device nodes and 1 extended attribute
    ");
    assert!(
        tree.iter()
            .all(|(_, entry)| (entry.uid, entry.gid) == (UNPRIVILEGED, UNPRIVILEGED))
    );
    assert!(
        !tree
            .iter()
            .any(|(_, entry)| matches!(entry.kind, TreeEntryKind::CharDevice(..)))
    );
    let capable = tree.get("capable").unwrap();
    assert!(capable.xattrs.is_empty(), "{capable}");
    let wanted = wanted.without_path("capable");
    wanted.assert_same(&tree.without(&[TreeAspect::Owner]).without_path("capable"));
}
